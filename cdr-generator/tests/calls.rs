//! What is generated, on fixed seeds.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};

use cdr::{NumberPlan, Outcome};
use cdr_generator::{Config, GeneratedCall, Generator, Label, Role, Scheme};

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
        assert_eq!(parsed.record, record);
        assert_eq!(parsed.unknown_fields, 0);
        // Numbers are canonical already.
        assert_eq!((record.caller.as_str(), record.callee.as_str()), (&*call.caller, &*call.callee));
        assert_eq!(record.talk_ms(), call.talk_ms());
        assert_eq!(record.ring_ms(), call.ring_ms());
    }
}

#[test]
fn ordinary_traffic_has_the_shares_asked_for() {
    let config = Config { campaigns_per_scheme: 0, ..Config::new(5, END_MS - 15 * HOUR_MS - 500, 28, 2_000) };
    let generator = Generator::new(config).unwrap();
    assert!(generator.labels().is_empty());
    let plan = NumberPlan::new("US").unwrap();
    let calls = all(&generator);
    let n = calls.len() as f64;
    let share =
        |condition: &dyn Fn(&GeneratedCall) -> bool| calls.iter().filter(|call| condition(call)).count() as f64 / n;
    let near =
        |what: &str, is: f64, wanted: f64, by: f64| assert!((is - wanted).abs() < by, "{what}: {is}, not {wanted}");

    near("calls a subscriber and day", n / (28.0 * 2_000.0), 1.1, 0.02);
    near("messages", share(&|call| call.channel == cdr::Channel::Sms), 0.06, 0.01);
    near("answered", share(&|call| call.outcome == Outcome::Answered), 0.65, 0.03);
    near("withheld", share(&|call| call.caller == "anonymous"), 0.01, 0.005);
    near("extensions", share(&|call| call.caller.starts_with("ext:")), 0.02, 0.02);
    near("short codes", share(&|call| call.callee.starts_with("short:")), 0.01, 0.005);
    let international = calls.iter().filter_map(|call| call.to_record(&plan).unwrap().is_international());
    let (abroad, known) = international.fold((0, 0), |(abroad, known), yes| (abroad + u32::from(yes), known + 1));
    near("international", f64::from(abroad) / f64::from(known), 0.06, 0.015);

    // Nights are quiet and weekends quieter than weekdays.
    let hour = |call: &GeneratedCall| call.started_at_ms.rem_euclid(DAY_MS) / HOUR_MS;
    assert!(share(&|call| hour(call) == 17) > 4.0 * share(&|call| hour(call) == 6));
    let weekend = |call: &GeneratedCall| (call.started_at_ms / DAY_MS + 3) % 7 >= 5;
    assert!(share(&weekend) < 0.27 && share(&weekend) > 0.15, "{}", share(&weekend));

    let mut talk_ms: Vec<i64> = calls.iter().filter(|call| call.talk_ms() > 0).map(GeneratedCall::talk_ms).collect();
    talk_ms.sort_unstable();
    let median = talk_ms[talk_ms.len() / 2];
    assert!((50_000..100_000).contains(&median), "{median}");
    let mean = talk_ms.iter().sum::<i64>() / talk_ms.len() as i64;
    assert!(mean > 3 * median / 2, "{mean}");
}

fn of(calls: &[GeneratedCall], label: &Label) -> Vec<GeneratedCall> {
    let inside = |call: &&GeneratedCall| {
        let number = if label.role == Role::Caller { &call.caller } else { &call.callee };
        *number == label.number && (label.start_ms..label.end_ms).contains(&call.started_at_ms)
    };
    calls.iter().filter(inside).cloned().collect()
}

#[test]
fn labelled_numbers_stand_out() {
    let generator = generator(6, 14, 2_000);
    let calls = all(&generator);
    let labels = generator.labels();
    let live: HashSet<_> = labels.iter().filter(|label| label.end_ms == END_MS).map(|label| label.scheme).collect();
    assert_eq!(live.len(), Scheme::ALL.len());
    for label in &labels {
        let calls = of(&calls, label);
        let different: HashSet<_> = calls.iter().map(|call| &call.callee).collect();
        let what = format!("{} {:?}: {} calls", label.to_csv(), label.role, calls.len());
        match (label.scheme, label.role) {
            (Scheme::Wangiri, Role::Caller) => {
                let dropped = calls.iter().filter(|c| c.outcome == Outcome::Canceled && c.ring_ms() < 5_000).count();
                assert!(dropped > 100 && dropped * 10 > calls.len() * 8, "{what}");
                assert!(different.len() * 2 > calls.len(), "{what}");
            }
            (Scheme::Wangiri, Role::Callee) => assert!(calls.len() > 3, "{what}"),
            (Scheme::Irsf, Role::Caller) => {
                let abroad: Vec<_> = calls.iter().filter(|call| call.trunk.is_some()).collect();
                assert!(abroad.len() > 100, "{what}");
                assert!(abroad.iter().map(|call| call.cost_micros.unwrap()).sum::<i64>() > 100_000_000, "{what}");
            }
            (Scheme::Irsf, Role::Callee) => {
                assert!(calls.iter().map(GeneratedCall::talk_ms).sum::<i64>() > HOUR_MS, "{what}");
            }
            (Scheme::Robocall, _) => {
                let talks = calls.iter().filter(|call| call.talk_ms() > 0);
                assert!(calls.len() > 50 && talks.clone().count() * 3 > calls.len(), "{what}");
                assert!(talks.clone().all(|call| call.talk_ms() < 15_000), "{what}");
            }
            (Scheme::SimBox, _) => {
                let places: HashSet<_> = calls.iter().map(|call| &call.cell_id).collect();
                assert!(calls.len() > 60 && places.len() == 1, "{what}");
                assert!(different.len() * 10 > calls.len() * 8, "{what}");
            }
        }
    }
}

#[test]
fn nobody_else_looks_like_a_campaign() {
    let generator = generator(6, 14, 2_000);
    let labelled: HashSet<_> = generator.labels().into_iter().map(|label| label.number).collect();
    let mut dropped: HashMap<_, u32> = HashMap::new();
    for call in all(&generator) {
        if call.outcome == Outcome::Canceled && call.ring_ms() < 5_000 {
            *dropped.entry(call.caller).or_default() += 1;
        }
    }
    let most = dropped.iter().filter(|(number, _)| !labelled.contains(*number)).map(|(_, count)| *count).max();
    assert!(most.unwrap() < 50, "{most:?}");
}
