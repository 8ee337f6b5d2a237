//! Hours in which nothing arrived, between hours in which something did.

use std::collections::BTreeMap;

use snapshot::{DayMeasures, UtcDay};

/// Hours of a day.
const HOURS: u32 = 24;

/// Records that arrived in an hour of a day, whichever day their calls are of. None where arrivals are not known.
pub(crate) fn records(days: &BTreeMap<UtcDay, DayMeasures>, date: UtcDay, hour: u32) -> Option<u64> {
    let of = |date, hour| {
        let arrivals = days.get(&date).map(|day| &day.arrivals).filter(|arrivals| !arrivals.is_empty())?;
        Some(arrivals.get(&hour).copied().unwrap_or(0))
    };
    // Calls of the day before arrive until late.
    of(date, hour).map(|records| records + of(date.plus(-1), hour + HOURS).unwrap_or(0))
}

/// Stretches of hours of a day, each with its first and last hour, in which nothing arrived and in which `is_usual` says
/// that something does, with records before and after them. What follows the last record of all is no gap: it may be on
/// its way.
pub(crate) fn gaps(
    days: &BTreeMap<UtcDay, DayMeasures>,
    date: UtcDay,
    is_usual: impl Fn(u32) -> bool,
) -> Vec<(u32, u32)> {
    let any = |date: UtcDay, mut hours: std::ops::Range<u32>| hours.any(|hour| records(days, date, hour) > Some(0));
    let late = days.get(&date).is_some_and(|day| day.arrivals.keys().any(|hour| *hour >= HOURS));
    let (mut begun, ended) = (any(date.plus(-1), 0..HOURS), late || any(date.plus(1), 0..HOURS));
    let mut gaps: Vec<(u32, u32)> = Vec::new();
    for hour in 0..HOURS {
        match records(days, date, hour) {
            Some(0) if begun && is_usual(hour) && (ended || any(date, hour..HOURS)) => match gaps.last_mut() {
                Some((_, last)) if *last + 1 == hour => *last = hour,
                _ => gaps.push((hour, hour)),
            },
            Some(0) => {}
            Some(_) => begun = true,
            None => return Vec::new(),
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn day(at: i32) -> UtcDay {
        UtcDay::new(at)
    }

    fn days(arrivals: &[(i32, &[u32])]) -> BTreeMap<UtcDay, DayMeasures> {
        let of = |hours: &[u32]| DayMeasures {
            arrivals: hours.iter().map(|hour| (*hour, 1)).collect(),
            ..DayMeasures::default()
        };
        arrivals.iter().map(|(at, hours)| (day(*at), of(hours))).collect()
    }

    #[test]
    fn an_hour_is_a_gap_only_between_hours_with_records() {
        let gaps_of = |arrivals: &[(i32, &[u32])]| gaps(&days(arrivals), day(1), |_| true);
        assert_eq!(gaps_of(&[(1, &[2, 3, 6, 8])]), [(4, 5), (7, 7)]);
        // The night of the day before was not silent: neither was the way in.
        assert_eq!(gaps_of(&[(0, &[20]), (1, &[1, 2, 3])]), [(0, 0)]);
        // Records of the next day, or that arrived on it.
        assert_eq!(gaps_of(&[(1, &[20, 21, 22]), (2, &[5])]), [(23, 23)]);
        assert_eq!(gaps_of(&[(1, &[20, 21, 22, 30])]), [(23, 23)]);
        assert_eq!(gaps_of(&[(1, &[])]), []);
        assert_eq!(gaps_of(&[]), []);
    }

    #[test]
    fn a_late_record_of_the_day_before_fills_an_hour() {
        let arrivals: &[(i32, &[u32])] = &[(0, &[0, 27]), (1, &[2, 4])];
        assert_eq!(records(&days(arrivals), day(1), 3), Some(1));
        assert_eq!(gaps(&days(arrivals), day(1), |_| true), [(0, 1)]);
        assert_eq!(gaps(&days(arrivals), day(1), |hour| hour > 0), [(1, 1)]);
    }
}
