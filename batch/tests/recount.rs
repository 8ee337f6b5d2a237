//! Snapshots against a recount in plain loops that shares no code with the aggregates.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use cdr::{CallRecord, NumberKind, Outcome};
use features::{DAY_MS, Level, Party, Value};
use futures::TryStreamExt as _;
use snapshot::Snapshot;
use support::{as_of, published, random_calls, run, set, write_calls};

fn key(call: &CallRecord, party: Party, level: Level) -> Option<String> {
    let number = if party == Party::Caller { &call.caller } else { &call.callee };
    let text = number.as_str();
    match (number.kind(), level) {
        (NumberKind::Anonymous, _) => None,
        (_, Level::Phone) => Some(text.to_owned()),
        (NumberKind::E164, Level::Range) => Some(text[..text.len() - 4].to_owned()),
        (NumberKind::E164, Level::Prefix) => number.prefix().map(str::to_owned),
        _ => None,
    }
}

fn day(call: &CallRecord) -> i64 {
    call.started_at_ms.div_euclid(DAY_MS)
}

/// The calls of each entity on days `first` to `last` before `as_of`.
fn entities(
    calls: &[CallRecord],
    party: Party,
    level: Level,
    first: i64,
    last: i64,
) -> BTreeMap<String, Vec<&CallRecord>> {
    let as_of = i64::from(as_of().days());
    let mut found: BTreeMap<String, Vec<&CallRecord>> = BTreeMap::new();
    for call in calls {
        let before = as_of - day(call);
        if let Some(key) = key(call, party, level).filter(|_| before >= last && before <= first) {
            found.entry(key).or_default().push(call);
        }
    }
    found
}

fn ratio(above: usize, below: usize) -> Value {
    if below == 0 { Value::Missing } else { Value::Number(above as f64 / below as f64) }
}

fn integer(value: Option<i64>) -> Value {
    value.map_or(Value::Missing, Value::Integer)
}

fn talks(calls: &[&CallRecord]) -> Vec<i64> {
    calls.iter().filter_map(|call| call.answered_at_ms.map(|answered| call.ended_at_ms - answered)).collect()
}

/// What a feature says over some calls.
fn recount(feature: &str, calls: &[&CallRecord], days: u32) -> Value {
    let count = |test: &dyn Fn(&CallRecord) -> bool| calls.iter().filter(|call| test(call)).count();
    let answered = |call: &CallRecord| call.outcome == Outcome::Answered;
    let distinct = |of: &dyn Fn(&CallRecord) -> Option<String>| {
        Value::Integer(calls.iter().filter_map(|call| of(call)).collect::<BTreeSet<_>>().len() as i64)
    };
    let abroad = |call: &CallRecord| match (call.caller.country(), call.callee.country()) {
        (Some(from), Some(to)) => from != to,
        _ => false,
    };
    let talk = talks(calls);
    let hour = |call: &CallRecord| call.started_at_ms.rem_euclid(DAY_MS) / 3_600_000;
    match feature {
        "calls" | "received_calls" => Value::Integer(calls.len() as i64),
        "velocity" => Value::Number((calls.len() as f64 / f64::from(days) * 100.0).round() / 100.0),
        "active_days" => Value::Integer(calls.iter().map(|call| day(call)).collect::<BTreeSet<_>>().len() as i64),
        "talk_ms" | "received_talk_ms" => Value::Integer(talk.iter().sum()),
        "cost_usd_micros" => {
            let dollars = calls.iter().filter(|call| call.currency.as_deref() == Some("USD"));
            Value::Integer(dollars.filter_map(|call| call.cost_micros).sum())
        }
        "answered_calls" => Value::Integer(talk.len() as i64),
        "answer_seizure_ratio" | "received_answer_ratio" => ratio(talk.len(), calls.len()),
        "mean_talk_ms" | "stddev_talk_ms" if talk.is_empty() => Value::Missing,
        "mean_talk_ms" => Value::Number(talk.iter().sum::<i64>() as f64 / talk.len() as f64),
        "stddev_talk_ms" => {
            let mean = talk.iter().sum::<i64>() as f64 / talk.len() as f64;
            let variance = talk.iter().map(|talk| (*talk as f64 - mean).powi(2)).sum::<f64>() / talk.len() as f64;
            Value::Number(variance.sqrt())
        }
        "max_talk_ms" => integer(talk.iter().copied().max()),
        "min_ring_ms" => integer(
            calls.iter().map(|call| call.answered_at_ms.unwrap_or(call.ended_at_ms) - call.started_at_ms).min(),
        ),
        "short_calls" => Value::Integer(talk.iter().filter(|talk| **talk < 6_000).count() as i64),
        "short_call_ratio" => ratio(talk.iter().filter(|talk| **talk < 15_000).count(), talk.len()),
        "ring_and_drop_ratio" => {
            let dropped = |call: &CallRecord| {
                call.outcome == Outcome::Canceled && call.ended_at_ms - call.started_at_ms < 5_000
            };
            ratio(count(&dropped), calls.len())
        }
        "distinct_callees" => distinct(&|call| Some(call.callee.as_str().to_owned())),
        "distinct_callers" => distinct(&|call| Some(call.caller.as_str().to_owned())),
        "callee_dispersion" => {
            let callees = calls.iter().map(|call| call.callee.as_str()).collect::<BTreeSet<_>>().len();
            ratio(callees, calls.len())
        }
        "distinct_callee_prefixes" => distinct(&|call| call.callee.prefix().map(str::to_owned)),
        "distinct_callee_countries" => distinct(&|call| call.callee.country().map(str::to_owned)),
        "distinct_cells" => distinct(&|call| call.cell_id.as_ref().map(ToString::to_string)),
        "international_ratio" => ratio(count(&abroad), calls.len()),
        "irsf_calls" => {
            let list = include_str!("../../lists/irsf.csv");
            let listed: BTreeSet<&str> = list.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
            let irsf = |call: &CallRecord| abroad(call) && listed.contains(call.callee.country().unwrap());
            Value::Integer(count(&irsf) as i64)
        }
        "night_ratio" => ratio(count(&|call| hour(call) >= 22 || hour(call) < 6), calls.len()),
        // 2026-11-21 is a Saturday.
        "weekend_ratio" => ratio(count(&|call| (day(call) - 20_778).rem_euclid(7) < 2), calls.len()),
        other => panic!("there is no recount of {other}: {}", answered(calls[0])),
    }
}

fn same(found: Value, expected: Value) -> bool {
    match (found, expected) {
        // The recount adds squares of differences in another way.
        (Value::Number(a), Value::Number(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1e-3),
        (found, expected) => found == expected,
    }
}

async fn column(snapshot: &Snapshot, party: Party, level: Level, id: &str) -> BTreeMap<String, Value> {
    snapshot.column(party, level, id).try_collect().await.unwrap()
}

#[tokio::test]
async fn every_feature_level_and_window_is_what_a_recount_says() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("calls"), folder.path().join("out"));
    let calls = random_calls(1, 700);
    write_calls(&input.join("a.jsonl"), &calls[..300]);
    write_calls(&input.join("b/c.jsonl"), &calls[300..]);
    run(&input, &output, "r1").await.unwrap();
    let (snapshot, set) = (published(&output).await.unwrap(), set());
    let mut compared = 0;
    for party in Party::ALL {
        for level in Level::ALL {
            let all = entities(&calls, party, level, 89, 0);
            for feature in set.features_at(party, level) {
                for window in &feature.batch {
                    let found = column(&snapshot, party, level, &format!("{}_{window}", feature.name)).await;
                    assert!(found.keys().eq(all.keys()), "keys of {party:?} {level:?}");
                    let within = entities(&calls, party, level, i64::from(window.days()) - 1, 0);
                    for (key, found) in found {
                        let calls = within.get(&key).map_or(&[][..], Vec::as_slice);
                        let expected = recount(&feature.name, calls, window.days());
                        assert!(same(found, expected), "{} {window} of {key}: {found:?}, {expected:?}", feature.name);
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 1_500, "{compared}");
}

#[tokio::test]
async fn online_rows_hold_the_wide_values_and_the_windows_without_their_oldest_days() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("calls"), folder.path().join("out"));
    let calls = random_calls(2, 500);
    write_calls(&input.join("a.jsonl"), &calls);
    let report = run(&input, &output, "r1").await.unwrap();
    let (snapshot, set) = (published(&output).await.unwrap(), set());
    for party in Party::ALL {
        for level in Level::ALL {
            let scanned: BTreeMap<_, _> = snapshot.scan(party, level).try_collect().await.unwrap();
            let rows = report.manifest.rows.iter().find(|rows| (rows.party, rows.level) == (party, level)).unwrap();
            assert_eq!(scanned.len() as u64, rows.rows);
            for feature in set.features_at(party, level) {
                for window in &feature.batch {
                    let wide = column(&snapshot, party, level, &format!("{}_{window}", feature.name)).await;
                    for (key, row) in &scanned {
                        let states = &row.window(window.days()).unwrap().states;
                        let days = features::Denominator::BatchDays(window.days());
                        let answer = feature.formula.answer(&states[0], days, feature.decimals);
                        assert_eq!(answer.value, wide[key], "{}_{window} of {key}", feature.name);
                        if !["calls", "received_calls", "active_days"].contains(&feature.name.as_str()) {
                            continue;
                        }
                        for (state, first) in [(1, 2), (2, 3)] {
                            let within = entities(&calls, party, level, i64::from(window.days()) - first, 1);
                            let expected =
                                recount(&feature.name, within.get(key).map_or(&[], Vec::as_slice), window.days());
                            let answer = feature.formula.answer(&states[state], days, feature.decimals);
                            assert_eq!(answer.value, expected, "state {state} of {}_{window} of {key}", feature.name);
                        }
                    }
                }
            }
            for (key, row) in scanned {
                let found = snapshot.get(party, level, &key).await.unwrap().unwrap();
                assert_eq!(found.decode(&set, party, level).unwrap(), row);
            }
            assert_eq!(snapshot.get(party, level, "+19995550000").await.unwrap(), None);
            assert_eq!(snapshot.get(party, level, "").await.unwrap(), None);
        }
    }
}
