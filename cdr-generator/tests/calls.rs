//! What is generated, on fixed seeds.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use cdr::{NumberKind, NumberPlan};
use cdr_generator::{Config, GeneratedCall, Generator};

/// 2026-11-21T15:00:00.500Z, a Saturday.
const END_MS: i64 = 1_795_273_200_500;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn generator(seed: u64, days: u32, subscribers: u32) -> Generator {
    Generator::new(Config::new(seed, END_MS, days, subscribers)).unwrap()
}

fn all(generator: &Generator) -> Vec<GeneratedCall> {
    generator.calls(i64::MIN, i64::MAX).collect()
}

fn bytes(generator: &Generator) -> String {
    let mut out = String::new();
    for call in generator.calls(i64::MIN, i64::MAX) {
        call.write_json(&mut out);
        out.push('\n');
    }
    for label in generator.labels() {
        out.push_str(&label.to_csv());
        out.push('\n');
    }
    out
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let first = bytes(&generator(1, 3, 400));
    assert!(first.len() > 500_000);
    assert_eq!(first, bytes(&generator(1, 3, 400)));
    assert_ne!(first, bytes(&generator(2, 3, 400)));
}

#[test]
fn a_day_or_an_hour_alone_is_what_it_is_in_the_whole() {
    let generator = generator(1, 3, 400);
    let whole = all(&generator);
    let days: Vec<GeneratedCall> =
        (0..4).rev().map(|day| generator.day(day).collect::<Vec<_>>()).rev().flatten().collect();
    assert_eq!(days, whole);
    // From the middle of a minute to the middle of another.
    let (from_ms, to_ms) = (END_MS - 30 * HOUR_MS - 12_345, END_MS - 29 * HOUR_MS + 6_789);
    let hour: Vec<_> = generator.calls(from_ms, to_ms).collect();
    let same: Vec<_> = whole.iter().filter(|call| (from_ms..to_ms).contains(&call.started_at_ms)).cloned().collect();
    assert!(!hour.is_empty());
    assert_eq!(hour, same);
}

#[test]
fn calls_are_in_order_within_the_period_and_have_ids_of_their_own() {
    let generator = generator(3, 3, 400);
    let calls = all(&generator);
    assert!(calls.is_sorted_by_key(|call| call.started_at_ms));
    let ids: HashSet<_> = calls.iter().map(|call| &call.call_id).collect();
    assert_eq!(ids.len(), calls.len());
    // Three days: Thursday, Friday, and Saturday until the end.
    let start_ms = generator.config().start_ms();
    assert_eq!(start_ms, END_MS - 500 - 15 * HOUR_MS - 2 * DAY_MS);
    assert_eq!(i64::from(generator.day_number(2)), END_MS / DAY_MS);
    assert!(calls.iter().all(|call| call.started_at_ms >= start_ms && call.ended_at_ms <= END_MS));
    assert!(calls.last().unwrap().started_at_ms > END_MS - HOUR_MS);
    assert_eq!(generator.day(3).count(), 0);
}

#[test]
fn every_call_passes_validation_and_comes_back_from_json() {
    let plan = NumberPlan::new("US").unwrap();
    for call in all(&generator(4, 2, 3_000)) {
        let record = call.to_record(&plan).unwrap();
        let parsed = cdr::parse(&plan, call.to_json().as_bytes()).unwrap();
        assert_eq!(call.to_json(), record.to_json());
        assert_eq!(parsed.record, record);
        assert_eq!(parsed.unknown_fields, 0);
        // Numbers are canonical already.
        assert_eq!((record.caller.as_str(), record.callee.as_str()), (&*call.caller, &*call.callee));
        for number in [&record.caller, &record.callee] {
            let known = number.country().is_some() && number.prefix().is_some();
            assert_eq!(known, number.kind() == NumberKind::E164, "{number:?}");
        }
        assert_eq!(record.talk_ms(), call.talk_ms());
        assert_eq!(record.ring_ms(), call.ring_ms());
    }
}
