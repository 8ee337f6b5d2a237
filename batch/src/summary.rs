//! What a manifest says of the input and of the days.

use std::collections::{BTreeMap, BTreeSet};

use snapshot::{Calls, DayTiles, Ledger, MissingDay, MissingReason, UtcDay};

use crate::BatchError;

/// What became of the records of all objects in the ledger: `tiles` are those of the window.
pub(crate) fn calls(ledger: &Ledger, window: &BTreeSet<UtcDay>, tiles: &[&DayTiles]) -> Calls {
    let mut calls = Calls::default();
    for object in ledger.objects.values() {
        calls.read += object.records;
        for (reason, count) in &object.invalid {
            *calls.invalid.entry(reason.clone()).or_default() += count;
        }
    }
    calls.outside = outside(ledger, window).values().sum();
    for day in tiles {
        calls.counted += day.counted;
        calls.duplicates += day.duplicates;
        calls.differing_duplicates += day.differing_duplicates;
    }
    calls
}

/// Calls of days that are not of the window, by day.
pub(crate) fn outside(ledger: &Ledger, window: &BTreeSet<UtcDay>) -> BTreeMap<UtcDay, u64> {
    let mut outside = BTreeMap::new();
    let days = ledger.objects.values().flat_map(|object| &object.days);
    for (day, count) in days.filter(|(day, _)| !window.contains(day)) {
        *outside.entry(*day).or_default() += count;
    }
    outside
}

/// The days of the window without a tile. `known` are days of which records came, valid calls or not.
pub(crate) fn missing_days(
    window: &BTreeSet<UtcDay>,
    tiled: &BTreeSet<UtcDay>,
    known: &BTreeSet<UtcDay>,
    complete_before_ms: Option<i64>,
) -> Vec<MissingDay> {
    let is_over = |day: UtcDay| complete_before_ms.is_some_and(|before_ms| before_ms >= day.plus(1).start_ms());
    let input = |day: &&UtcDay| window.contains(day);
    let (first, last) = (known.iter().find(input), known.iter().rfind(input));
    let reason = |day: UtcDay| {
        let begun = first.is_some_and(|first| *first <= day);
        let ended = last.is_none_or(|last| *last < day) && !is_over(day);
        if begun && !ended { MissingReason::NoCalls } else { MissingReason::NoInput }
    };
    let missing = window.difference(tiled);
    missing.map(|day| MissingDay { date: *day, reason: reason(*day) }).collect()
}

/// Why there is no tile at all.
pub(crate) fn no_calls(location: String, ledger: &Ledger, window: &BTreeSet<UtcDay>) -> BatchError {
    let calls = calls(ledger, window, &[]);
    let days: BTreeSet<UtcDay> = ledger.objects.values().flat_map(|object| object.days.keys().copied()).collect();
    match (window.first(), window.last(), days.first(), days.last()) {
        (Some(from), Some(to), Some(first), Some(last)) => {
            BatchError::OtherDays { from: *from, to: *to, calls: calls.outside, first: *first, last: *last }
        }
        _ => BatchError::NoCalls {
            location,
            files: ledger.objects.len(),
            records: calls.read,
            invalid: calls.invalid.into_iter().collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use MissingReason::{NoCalls, NoInput};

    #[test]
    fn a_day_between_others_had_no_calls_and_one_before_or_after_no_input() {
        let day = UtcDay::new;
        let window: BTreeSet<UtcDay> = (1..=6).map(day).collect();
        let missing_of = |tiled: &[i32], unread: &[i32], before| -> Vec<(i32, MissingReason)> {
            let tiled: BTreeSet<UtcDay> = tiled.iter().copied().map(day).collect();
            let known = tiled.iter().copied().chain(unread.iter().copied().map(day)).collect();
            let missing = missing_days(&window, &tiled, &known, before);
            missing.into_iter().map(|missing| (missing.date.days(), missing.reason)).collect()
        };
        let missing = |tiled: &[i32], before| missing_of(tiled, &[], before);
        assert_eq!(missing(&[2, 3, 5], None), [(1, NoInput), (4, NoCalls), (6, NoInput)]);
        // All that arrived before the end of day 6 is there, and nothing of day 6 is among it.
        assert_eq!(missing(&[1, 2, 3, 4, 5], Some(day(7).start_ms())), [(6, NoCalls)]);
        assert_eq!(missing(&[1, 2, 3, 4, 5], Some(day(7).start_ms() - 1)), [(6, NoInput)]);
        assert_eq!(missing(&[1, 2, 3, 4, 5, 6], None), []);
        // Records came of days 2 and 5, and none was a valid call. Day 9 is not of this snapshot.
        assert_eq!(missing_of(&[3, 4], &[2, 5, 9], None), [(1, NoInput), (2, NoCalls), (5, NoCalls), (6, NoInput)]);
    }
}
