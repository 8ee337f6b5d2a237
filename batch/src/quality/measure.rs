//! What is measured of each day, while its calls are at hand.

use std::collections::BTreeMap;

use features::{Field, HOUR_MS, Party};
use polars::prelude::{DataFrame, PolarsResult};
use snapshot::{DayMeasures, Ledger, PrefixMix, UtcDay};

use crate::by_number::{ByNumber, DayNumber};
use crate::day_columns::ARRIVED_AT_MS;
use crate::deduplicate::Deduplicated;
use crate::phone_key::PhoneKey;
use crate::quality::mix::mix_of;

/// Prefixes kept of each party and day: some kilobytes in the quality object, and most calls of most networks.
pub(crate) const PREFIXES_KEPT: usize = 50;
/// Hours after the beginning of a day in which arrivals are kept.
pub(crate) const ARRIVAL_HOURS: u32 = 48;
/// Fields that every call has, and areas, of which the prefix mix says more.
const NOT_OPTIONAL: [Field; 10] = [
    Field::CallId,
    Field::Outcome,
    Field::Number(Party::Caller),
    Field::Number(Party::Callee),
    Field::Kind(Party::Caller),
    Field::Kind(Party::Callee),
    Field::Prefix(Party::Caller),
    Field::Prefix(Party::Callee),
    Field::Range(Party::Caller),
    Field::Range(Party::Callee),
];

/// Records of a day by the hour of their arrival, copies included: also a copy shows that the way in was open.
pub(crate) fn arrivals(records: &DataFrame, day: UtcDay) -> PolarsResult<BTreeMap<u32, u64>> {
    let mut hours = BTreeMap::new();
    for arrived_at_ms in records.column(ARRIVED_AT_MS)?.i64()?.iter().flatten() {
        let hour = arrived_at_ms.saturating_sub(day.start_ms()).div_euclid(HOUR_MS);
        if let Some(hour) = u32::try_from(hour).ok().filter(|hour| *hour < ARRIVAL_HOURS) {
            *hours.entry(hour).or_default() += 1;
        }
    }
    Ok(hours)
}

/// Everything else of a day, from its calls, each once; `numbers` are those of each party.
pub(crate) fn measure(
    calls: &Deduplicated,
    numbers: &[Option<ByNumber>; 2],
    arrivals: BTreeMap<u32, u64>,
) -> DayMeasures {
    let optional = Field::ALL.into_iter().filter(|field| !NOT_OPTIONAL.contains(field));
    let named = optional.filter_map(|field| {
        let column = calls.frame.column(field.as_str()).ok()?;
        Some((field.as_str().to_owned(), column.null_count() as u64))
    });
    let [callers, callees] = numbers;
    DayMeasures {
        counted: calls.frame.height() as u64,
        duplicates: calls.duplicates,
        invalid: BTreeMap::new(),
        nulls: named.collect(),
        callers: prefixes(callers.as_ref()),
        callees: prefixes(callees.as_ref()),
        arrivals,
    }
}

/// Nothing of a party whose numbers no definition asks for.
fn prefixes(numbers: Option<&ByNumber>) -> PrefixMix {
    let (mut by_prefix, mut none): (BTreeMap<PhoneKey, u64>, u64) = <_>::default();
    for (number, rows) in numbers.iter().flat_map(|numbers| numbers.numbers()) {
        match number {
            DayNumber::E164(key) => *by_prefix.entry(key.prefix()).or_default() += rows.len() as u64,
            DayNumber::Other(_) => none += rows.len() as u64,
        }
    }
    let mut texts: Vec<(String, u64)> = Vec::with_capacity(by_prefix.len());
    for (prefix, calls) in by_prefix {
        let mut text = String::new();
        prefix.write(&mut text);
        texts.push((text, calls));
    }
    mix_of(texts.iter().map(|(text, calls)| (text.as_str(), *calls)).collect(), none, PREFIXES_KEPT)
}

/// Records that are no valid call, by reason.
pub(crate) type Invalid = BTreeMap<String, u64>;

/// Records that are no valid call, by day, and those of which no day is known. The ledger has all of them, so they are
/// divided anew at every run. Those of an object without a valid call are of the day that its key names.
pub(crate) fn invalid_by_day(ledger: &Ledger) -> (BTreeMap<UtcDay, Invalid>, Invalid) {
    let (mut by_day, mut of_no_day): (BTreeMap<UtcDay, Invalid>, Invalid) = <_>::default();
    for (key, object) in &ledger.objects {
        let valid: u64 = object.days.values().sum();
        for (reason, count) in &object.invalid {
            if valid == 0 {
                let invalid = match day_in(key) {
                    Some(day) => by_day.entry(day).or_default(),
                    None => &mut of_no_day,
                };
                *invalid.entry(reason.clone()).or_default() += count;
            }
            // Rounded so that the parts sum up to the whole.
            let upto = |calls: u64| (u128::from(*count) * u128::from(calls) / u128::from(valid.max(1))) as u64;
            let mut calls_before = 0;
            for (day, calls) in &object.days {
                let part = upto(calls_before + calls) - upto(calls_before);
                calls_before += calls;
                if part > 0 {
                    *by_day.entry(*day).or_default().entry(reason.clone()).or_default() += part;
                }
            }
        }
    }
    (by_day, of_no_day)
}

/// The first day written in a key, as `2026-11-20` or `2026/11/20`.
fn day_in(key: &str) -> Option<UtcDay> {
    (0..key.len()).filter_map(|at| key.get(at..at + 10)).find_map(|part| part.replace('/', "-").parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use features::{FeatureSet, Row};
    use snapshot::{LedgerObject, Source};

    use super::*;
    use crate::day_columns::{Arrival, DayColumns, Kept};
    use crate::deduplicate::deduplicate;

    fn day() -> UtcDay {
        "2026-11-20".parse().unwrap()
    }

    #[test]
    fn a_day_is_measured_from_its_records() {
        let set = FeatureSet::default_set().unwrap();
        let plan = cdr::NumberPlan::new("US").unwrap();
        let mut columns = DayColumns::new(&Kept::of(&set));
        let start = day().start_ms();
        let records = [
            ("a", "+12025550101", r#","cell_id":"c""#, Some(start)),
            ("a", "+12025550101", r#","cell_id":"c""#, Some(start + 25 * HOUR_MS)),
            ("b", "+12025550102", "", Some(start + HOUR_MS - 1)),
            ("c", "anonymous", "", Some(start + 48 * HOUR_MS)),
            ("d", "+12125550101", "", Some(start - 1)),
            ("e", "ext:hq/1001", "", None),
        ];
        for (id, caller, extra, arrived_at_ms) in records {
            let json = format!(
                r#"{{"call_id":"{id}","caller":"{caller}","callee":"+12025550102","started_at":"2026-11-20T00:00:00Z",
                "ended_at":"2026-11-20T00:00:01Z","outcome":"busy"{extra}}}"#
            );
            let call = cdr::parse(&plan, json.as_bytes()).unwrap().record;
            columns.push(&Row::new(&call, set.settings()), &Arrival { arrived_at_ms, ..Arrival::default() });
        }
        let frame = columns.into_frame().unwrap();
        let arrivals = arrivals(&frame, day()).unwrap();
        let calls = deduplicate(frame).unwrap();
        let numbers = Party::ALL.map(|party| ByNumber::of(&calls.frame, party).ok());
        let measures = measure(&calls, &numbers, arrivals);
        assert_eq!((measures.counted, measures.duplicates), (5, 1));
        assert_eq!(measures.arrivals, [(0, 2), (25, 1)].into());
        assert_eq!((measures.nulls["cell_id"], measures.nulls["talk_ms"]), (4, 0));
        assert!(!measures.nulls.contains_key("caller_prefix") && !measures.nulls.contains_key("imei"));
        let callers =
            PrefixMix { kept: [("+1202".to_owned(), 2), ("+1212".to_owned(), 1)].into(), other: 0, none: 2 };
        assert_eq!(measures.callers, callers);
        assert_eq!(measures.callees.kept, [("+1202".to_owned(), 5)].into());
    }

    #[test]
    fn records_that_cannot_be_read_are_divided_among_the_days_of_their_object() {
        let mut ledger = Ledger::new(Source { location: "calls".to_owned(), reading: String::new() });
        let invalid = |count| [("bad_json".to_owned(), count)].into();
        let (next, third) = (day().plus(1), day().plus(2));
        let object = |count, days: &[(UtcDay, u64)]| LedgerObject {
            invalid: invalid(count),
            days: days.iter().copied().collect(),
            ..LedgerObject::default()
        };
        ledger.objects.insert("a".to_owned(), object(10, &[(day(), 1), (next, 1), (third, 1)]));
        ledger.objects.insert("b".to_owned(), object(4, &[(next, 900)]));
        ledger.objects.insert("raw/2026/11/20/03/0-7.jsonl.gz".to_owned(), object(5, &[]));
        ledger.objects.insert("é/date=2026-11-22/x".to_owned(), object(6, &[]));
        ledger.objects.insert("bad.jsonl".to_owned(), object(7, &[]));
        let (by_day, of_no_day) = invalid_by_day(&ledger);
        assert_eq!(by_day, [(day(), invalid(3 + 5)), (next, invalid(3 + 4)), (third, invalid(4 + 6))].into());
        assert_eq!(of_no_day, invalid(7));
    }
}
