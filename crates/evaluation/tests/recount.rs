//! What the evaluation saw against the recount of `tests/oracle`, which shares no code with it: generated calls that
//! come late, twice and out of order.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cdr::{CallRecord, NumberPlan};
use cdr_generator::{Config, Delivered, Generator};
use evaluation::{Calls, CallsError, Columns, replay};
use features::{Feature, FeatureSet, MINUTE_MS, Party, SPARSE_MAX, Sketch, SlotKind, Window};
use oracle::{Answer, Denominator, Level, Recount, distinct_calls};

const IRSF: &str = include_str!("../../../lists/irsf.csv");
/// 2026-11-21T00:00:00Z.
const MIDNIGHT: i64 = 1_795_219_200_000;

/// Records in order of arrival, and how many were handed out.
struct Records {
    records: Vec<(i64, CallRecord)>,
    handed_out: AtomicUsize,
}

impl Calls for Records {
    fn each(&self, visit: &mut dyn FnMut(i64, &CallRecord)) -> Result<(), CallsError> {
        for (place, (arrived_at_ms, call)) in self.records.iter().enumerate() {
            self.handed_out.store(place + 1, Ordering::Relaxed);
            visit(*arrived_at_ms, call);
        }
        Ok(())
    }
}

fn generated(seed: u64) -> Records {
    let config = Config {
        calls_per_subscriber_day: 5.0,
        campaigns_per_scheme: 2,
        duplicate_share: 0.1,
        late_share: 0.1,
        disorder_share: 0.2,
        ..Config::new(seed, MIDNIGHT, 2, 60)
    };
    let generator = Generator::new(config.clone()).unwrap();
    let plan = NumberPlan::new("US").unwrap();
    let records =
        generator.arrivals(config.start_ms(), config.end_ms).filter_map(|arrival| match arrival.delivered {
            Delivered::Call(call) | Delivered::Duplicate(call) => {
                Some((arrival.arrival_ms, call.to_record(&plan).unwrap()))
            }
            Delivered::Invalid(_) => None,
        });
    Records { records: records.collect(), handed_out: AtomicUsize::new(0) }
}

fn sent(call: &CallRecord) -> oracle::Call {
    let text = |text: &Option<smol_str::SmolStr>| text.as_deref().map(Arc::from);
    oracle::Call {
        call_id: call.call_id.as_str().into(),
        caller: call.caller.as_str().into(),
        callee: call.callee.as_str().into(),
        started_at_ms: call.started_at_ms,
        answered_at_ms: call.answered_at_ms,
        ended_at_ms: call.ended_at_ms,
        outcome: call.outcome.as_str().into(),
        channel: call.channel.map(|channel| channel.as_str().into()),
        cell_id: text(&call.cell_id),
        imei: text(&call.imei),
        cost_micros: call.cost_micros,
        currency: text(&call.currency),
    }
}

/// What a number's features were at a moment, and how many records had come by then.
struct Seen {
    party: Party,
    number: String,
    at_ms: i64,
    records: usize,
    values: Vec<f64>,
}

#[test]
fn every_value_is_what_a_recount_of_the_records_that_had_come_says() {
    let set = Arc::new(FeatureSet::default_set().unwrap());
    let columns = Columns::of(&set);
    let mut of_many_calls = 0;
    let records = generated(1);
    let seen: Mutex<Vec<Seen>> = Mutex::default();
    let mut count = 0u64;
    let replayed = replay(&set, &columns, &records, &mut |evaluation| {
        count += 1;
        if count.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56 == 0 {
            seen.lock().unwrap().push(Seen {
                party: evaluation.party,
                number: evaluation.number.to_owned(),
                at_ms: evaluation.at_ms,
                records: records.handed_out.load(Ordering::Relaxed),
                values: evaluation.values.to_vec(),
            });
        }
    });
    let replayed = replayed.unwrap();
    assert!(replayed.duplicates > 100, "{replayed:?}");
    let seen = seen.into_inner().unwrap();
    assert!(seen.len() > 40, "{}", seen.len());
    for seen in &seen {
        of_many_calls += usize::from(compare(&set, &columns, &records, seen) > 100);
    }
    // Hour tiles and windows that move are for busy numbers.
    assert!(of_many_calls > 20, "{of_many_calls}");
}

fn reads_sketch(set: &FeatureSet, feature: &Feature) -> bool {
    let read = feature.formula.slots();
    set.slots(feature.party)
        .iter()
        .enumerate()
        .any(|(place, slot)| read.has(place) && slot.kind == SlotKind::Distinct)
}

/// Compares the values of one moment; returns how many calls the number had had.
fn compare(set: &FeatureSet, columns: &Columns, records: &Records, seen: &Seen) -> usize {
    let mine = records.records[..seen.records].iter().map(|(_, call)| call);
    let mine = mine.filter(|call| seen.party.number(call).as_str() == seen.number);
    let calls = distinct_calls(mine.map(sent).collect());
    let count = calls.len();
    let recount = Recount::new(calls, IRSF);
    let party = match seen.party {
        Party::Caller => oracle::Party::Caller,
        Party::Callee => oracle::Party::Callee,
    };
    let mut compared = 0;
    for feature in set.features_at(seen.party, features::Level::Phone) {
        for window in &feature.stream {
            let id = feature.id(Window::Stream(*window));
            let from_ms = seen.at_ms - seen.at_ms.rem_euclid(MINUTE_MS) - window.duration_ms();
            let covered = Denominator::Minutes { covered_ms: seen.at_ms - from_ms };
            let interval = (from_ms, seen.at_ms + 1);
            let expected =
                recount.answer(&feature.name, party, Level::Phone, &seen.number, interval, covered).unwrap();
            let place = columns.of_party(seen.party).iter().position(|column| column.id == id).unwrap();
            let value = seen.values[place];
            // Counts of different values are exact up to a limit and estimates beyond.
            let calls = recount.calls(party, Level::Phone, &seen.number, interval);
            let is_estimate = calls > SPARSE_MAX && reads_sketch(set, feature);
            let apart = if is_estimate { 5.0 * Sketch::relative_error() } else { 1e-9 };
            let is_same = match expected {
                Answer::Missing => value.is_nan(),
                Answer::Integer(expected) => (value - expected as f64).abs() <= apart * expected as f64,
                Answer::Number(expected) => (value - expected).abs() <= apart * expected.abs(),
            };
            assert!(is_same, "{id} after {} records: {value}, recounted {expected:?}", seen.records);
            compared += 1;
        }
    }
    assert_eq!(compared, columns.of_party(seen.party).len());
    count
}
