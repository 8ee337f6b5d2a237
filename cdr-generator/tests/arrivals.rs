//! How records arrive, on fixed seeds.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap, HashSet};

use cdr::NumberPlan;
use cdr_generator::{Arrival, Config, Delivered, GeneratedCall, Generator, LATEST_MS, Ledger};

/// 2026-11-21T15:00:00Z.
const END_MS: i64 = 1_795_273_200_000;
const HOUR_MS: i64 = 3_600_000;

fn generator() -> Generator {
    let config = Config {
        duplicate_share: 0.05,
        late_share: 0.02,
        disorder_share: 0.1,
        invalid_share: 0.03,
        ..Config::new(9, END_MS, 2, 3_000)
    };
    Generator::new(config).unwrap()
}

fn deliver(generator: &Generator, from_ms: i64, to_ms: i64) -> (Vec<Arrival>, Ledger) {
    let mut arrivals = generator.arrivals(from_ms, to_ms);
    let all = arrivals.by_ref().collect();
    (all, arrivals.ledger().clone())
}

#[test]
fn every_call_arrives_once_and_copies_come_after_it_with_the_same_bytes() {
    let generator = generator();
    let (arrivals, ledger) = deliver(&generator, i64::MIN, i64::MAX);
    assert!(arrivals.is_sorted_by_key(|arrival| arrival.arrival_ms));
    let mut first: HashMap<_, &Arrival> = HashMap::new();
    let mut invalid = BTreeMap::new();
    let mut duplicates = 0;
    for arrival in &arrivals {
        match &arrival.delivered {
            Delivered::Call(call) => {
                assert!(first.insert(call.call_id.clone(), arrival).is_none());
                assert_eq!(arrival.bytes, call.to_json().into_bytes());
                assert_eq!(arrival.partition_key, call.caller);
                assert!(arrival.arrival_ms >= call.ended_at_ms);
                assert!(arrival.arrival_ms <= call.started_at_ms + LATEST_MS);
            }
            Delivered::Duplicate(call) => {
                assert_eq!(first[&call.call_id].bytes, arrival.bytes);
                duplicates += 1;
            }
            Delivered::Invalid(reason) => *invalid.entry(*reason).or_insert(0) += 1,
        }
    }
    let calls: Vec<GeneratedCall> = generator.calls(i64::MIN, i64::MAX).collect();
    let ids: HashSet<_> = calls.iter().map(|call| &call.call_id).collect();
    assert_eq!(first.keys().collect::<HashSet<_>>(), ids);
    assert_eq!((ledger.unique_calls, ledger.duplicates), (calls.len() as u64, duplicates));
    assert_eq!(ledger.invalid, invalid);
    assert_eq!(ledger.records(), arrivals.len() as u64);
}

#[test]
fn rates_are_as_asked() {
    let (arrivals, ledger) = deliver(&generator(), i64::MIN, i64::MAX);
    let calls = ledger.unique_calls as f64;
    let near = |what: &str, count: u64, wanted: f64| {
        let is = count as f64 / calls;
        assert!((is - wanted).abs() < 0.25 * wanted, "{what}: {is}, not {wanted}");
    };
    assert!(calls > 5_000.0);
    near("duplicates", ledger.duplicates, 0.05);
    near("late", ledger.late_calls, 0.02);
    near("invalid", ledger.invalid.values().sum(), 0.03);
    assert!(ledger.invalid.len() >= 9, "{:?}", ledger.invalid);
    // Long calls end after short ones that began later: even without disorder, arrival is not event time.
    let starts: Vec<i64> = arrivals
        .iter()
        .filter_map(|arrival| match &arrival.delivered {
            Delivered::Call(call) => Some(call.started_at_ms),
            _ => None,
        })
        .collect();
    let overtaken = starts.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(overtaken > 1_000, "{overtaken}");
    // Of the copies, some come hours later.
    let mut first = HashMap::new();
    let mut hours_later = 0;
    for arrival in &arrivals {
        match &arrival.delivered {
            Delivered::Call(call) => drop(first.insert(&call.call_id, arrival.arrival_ms)),
            Delivered::Duplicate(call) if arrival.arrival_ms - first[&call.call_id] > HOUR_MS => hours_later += 1,
            _ => {}
        }
    }
    assert!(hours_later > 20, "{hours_later}");
}

#[test]
fn good_records_parse_and_broken_ones_are_refused_for_the_reason_in_the_ledger() {
    let plan = NumberPlan::new("US").unwrap();
    let (arrivals, ledger) = deliver(&generator(), END_MS - 12 * HOUR_MS, END_MS);
    let mut refused = BTreeMap::new();
    for arrival in arrivals {
        match cdr::parse(&plan, &arrival.bytes) {
            Ok(_) => assert!(!matches!(arrival.delivered, Delivered::Invalid(_))),
            Err(error) => {
                assert_eq!(arrival.delivered, Delivered::Invalid(error.reason));
                *refused.entry(error.reason).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(refused, ledger.invalid);
}

#[test]
fn what_happens_to_a_record_does_not_depend_on_the_stretch() {
    let generator = generator();
    // From the middle of a minute to the middle of another.
    let (from_ms, to_ms) = (END_MS - 5 * HOUR_MS + 31_234, END_MS - 3 * HOUR_MS + 12_345);
    let whole = deliver(&generator, i64::MIN, i64::MAX).0;
    let began_inside = |arrival: &Arrival| match &arrival.delivered {
        Delivered::Call(call) | Delivered::Duplicate(call) => (from_ms..to_ms).contains(&call.started_at_ms),
        // Which call a broken record was one of is not said.
        Delivered::Invalid(_) => false,
    };
    let valid = |arrivals: Vec<Arrival>| -> Vec<Arrival> { arrivals.into_iter().filter(began_inside).collect() };
    let expected = valid(whole);
    assert!(!expected.is_empty());
    assert_eq!(valid(deliver(&generator, from_ms, to_ms).0), expected);
    assert_eq!(deliver(&generator, from_ms, to_ms), deliver(&generator, from_ms, to_ms));
}

#[test]
fn nothing_asked_for_is_nothing_added() {
    let config = Config {
        duplicate_share: 0.0,
        late_share: 0.0,
        disorder_share: 0.0,
        invalid_share: 0.0,
        ..Config::new(9, END_MS, 1, 500)
    };
    let generator = Generator::new(config).unwrap();
    let (arrivals, ledger) = deliver(&generator, i64::MIN, i64::MAX);
    assert_eq!(ledger.unique_calls, arrivals.len() as u64);
    assert_eq!(ledger, Ledger { unique_calls: ledger.unique_calls, ..Ledger::default() });
}
