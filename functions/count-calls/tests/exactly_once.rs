//! The handler under redelivery, refusals, lost replies and failing quarantine: every tile must come out as if
//! each call had been counted once. The recount here is plain loops; it shares nothing with the tiles.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lambda_events::kinesis::KinesisEvent;
use cdr::NumberPlan;
use count_calls::{CallCounter, CounterSettings, Quarantine, QuarantineError, QuarantinedRecord};
use features::{DAY_MS, Entity, FeatureSet, Formula, MINUTE_MS, Party, SlotState};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tiles::{
    CasOutcome, Interval, MemoryTiles, StoreError, StoredTile, TileKey, TileStore, TileVersion, read_states,
};
use tokio::time::Instant;

const NOW_MS: i64 = 1_795_000_000_000;

/// Requests in no rhythm, so that faults never fall into step with deliveries.
fn scattered(request: u64) -> u64 {
    request.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}

/// A store that fails before or after it writes, by a fixed sequence.
struct FaultyTiles {
    inner: MemoryTiles,
    faults: Vec<u8>,
    requests: AtomicU64,
}

impl TileStore for FaultyTiles {
    async fn compare_and_set(
        &self,
        key: &TileKey,
        expected: Option<TileVersion>,
        tile: &StoredTile,
    ) -> Result<CasOutcome, StoreError> {
        let request = scattered(self.requests.fetch_add(1, Ordering::Relaxed)) as usize;
        match self.faults.get(request % self.faults.len().max(1)).copied().unwrap_or(0) {
            1 => Err(StoreError::Throttled("told to".to_owned())),
            2 => {
                self.inner.compare_and_set(key, expected, tile).await?;
                Err(StoreError::Unavailable("the reply is lost".to_owned()))
            }
            _ => self.inner.compare_and_set(key, expected, tile).await,
        }
    }

    async fn query(
        &self,
        partition: &str,
        from: &str,
        to: &str,
    ) -> Result<Vec<(smol_str::SmolStr, StoredTile)>, StoreError> {
        self.inner.query(partition, from, to).await
    }
}

/// Quarantine in memory that fails once in `fail_every` times.
#[derive(Default)]
struct FaultyQuarantine {
    objects: std::sync::Mutex<BTreeMap<String, QuarantinedRecord>>,
    requests: AtomicU64,
    fail_every: u64,
}

impl Quarantine for &FaultyQuarantine {
    async fn put(&self, key: &str, record: &QuarantinedRecord) -> Result<(), QuarantineError> {
        let request = scattered(self.requests.fetch_add(1, Ordering::Relaxed));
        if self.fail_every > 0 && request.is_multiple_of(self.fail_every) {
            return Err(QuarantineError("told to".to_owned()));
        }
        self.objects.lock().unwrap().insert(key.to_owned(), record.clone());
        Ok(())
    }
}

/// The default set, with tiles of callee prefixes too.
static SET: LazyLock<Arc<FeatureSet>> = LazyLock::new(|| {
    let text =
        include_str!("../../../features.toml").replace("callee = [\"phone\"]", "callee = [\"phone\", \"prefix\"]");
    Arc::new(FeatureSet::parse(&text, |_| Ok(include_str!("../../../lists/irsf.csv").to_owned())).unwrap())
});
static PLAN: LazyLock<Arc<NumberPlan>> = LazyLock::new(|| Arc::new(NumberPlan::new("US").unwrap()));

fn counter<'a>(
    store: &Arc<FaultyTiles>,
    quarantine: &'a FaultyQuarantine,
) -> CallCounter<Arc<FaultyTiles>, &'a FaultyQuarantine> {
    let settings = CounterSettings::default();
    CallCounter::new(Arc::clone(store), quarantine, Arc::clone(&SET), Arc::clone(&PLAN), settings)
}

fn faulty(faults: Vec<u8>) -> Arc<FaultyTiles> {
    Arc::new(FaultyTiles { inner: MemoryTiles::default(), faults, requests: AtomicU64::new(0) })
}

/// A call in the test's own words.
#[derive(Clone, Debug)]
struct TestCall {
    id: u8,
    caller: u8,
    callee: u8,
    minute: u8,
    talk_s: u8,
    garbage: bool,
}

fn caller(n: u8) -> String {
    if n == 0 { "anonymous".to_owned() } else { format!("+120255501{n:02}") }
}

fn bytes(call: &TestCall) -> Vec<u8> {
    if call.garbage {
        return format!("{{\"call_id\": \"{}\"", call.id).into_bytes();
    }
    let started = NOW_MS - NOW_MS % MINUTE_MS - i64::from(call.minute) * MINUTE_MS + i64::from(call.id);
    let time = |ms| cdr::format_time(ms);
    format!(
        r#"{{"call_id":"c{}","caller":"{}","callee":"+4420794601{:02}","started_at":"{}","answered_at":"{}","ended_at":"{}","outcome":"answered"}}"#,
        call.id,
        caller(call.caller),
        call.callee,
        time(started),
        time(started + 1_000),
        time(started + 1_000 + i64::from(call.talk_s) * 1_000),
    )
    .into_bytes()
}

fn event(shard: u8, first: usize, calls: &[TestCall]) -> KinesisEvent {
    let records: Vec<_> = calls
        .iter()
        .enumerate()
        .map(|(n, call)| {
            use base64::Engine as _;
            serde_json::json!({
                "eventID": format!("shardId-{shard:012}:{}", 1_000 + first + n),
                "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/calls",
                "kinesis": {
                    "sequenceNumber": (1_000 + first + n).to_string(),
                    "partitionKey": "p",
                    "data": base64::engine::general_purpose::STANDARD.encode(bytes(call)),
                    "approximateArrivalTimestamp": NOW_MS as f64 / 1_000.0,
                    "kinesisSchemaVersion": "1.0",
                },
            })
        })
        .collect();
    serde_json::from_value(serde_json::json!({ "Records": records })).unwrap()
}

/// Delivers a shard as Kinesis and Lambda do: batches cut anew after each answer, whole batches delivered again,
/// functions replaced (their cache lost).
async fn deliver(
    shard: u8,
    calls: &[TestCall],
    cuts: &[u8],
    store: &Arc<FaultyTiles>,
    quarantine: &FaultyQuarantine,
) {
    let (mut function, mut at) = (counter(store, quarantine), 0);
    for turn in 0.. {
        if at >= calls.len() {
            break;
        }
        assert!(turn < 10_000, "the shard makes no progress");
        let cut = cuts[turn % cuts.len()];
        let end = (at + 1 + usize::from(cut % 7)).min(calls.len());
        let deadline = Instant::now() + Duration::from_mins(10);
        let (response, _) = function.handle(event(shard, at, &calls[at..end]), deadline).await.unwrap();
        if cut.is_multiple_of(5) {
            function = counter(store, quarantine);
        }
        // Some answers are lost, never two in a row: the batch comes again, cut differently.
        if cut % 8 == 1 && turn.is_multiple_of(2) {
            continue;
        }
        at = match response.batch_item_failures.first() {
            Some(failure) => {
                let sequence: usize = failure.item_identifier.as_ref().unwrap().parse().unwrap();
                sequence - 1_000
            }
            None => end,
        };
    }
}

fn calls() -> impl Strategy<Value = Vec<TestCall>> {
    let call = (0u8..24, 0u8..4, 0u8..3, 0u8..3, any::<u8>(), 0u8..12).prop_map(
        |(id, caller, callee, minute, talk_s, kind)| TestCall {
            id,
            caller,
            callee,
            minute,
            talk_s,
            garbage: kind == 0,
        },
    );
    prop::collection::vec(call, 1..40)
}

/// What the tiles should say of a party's key: calls and talk time.
fn recount(
    shards: &[Vec<TestCall>],
    accepted: &BTreeSet<(usize, usize)>,
    wanted: impl Fn(&TestCall) -> bool,
) -> (u64, i128) {
    let mut sum = (0, 0);
    for (shard, calls) in shards.iter().enumerate() {
        for (n, call) in calls.iter().enumerate() {
            if accepted.contains(&(shard, n)) && wanted(call) {
                sum.0 += 1;
                sum.1 += i128::from(call.talk_s) * 1_000;
            }
        }
    }
    sum
}

async fn check(shards: Vec<Vec<TestCall>>, cuts: Vec<u8>, faults: Vec<u8>, fail_every: u64) {
    let store = faulty(faults);
    let quarantine = FaultyQuarantine { fail_every, ..Default::default() };
    // Shards one after the other: which copy of a call wins is then known; the tiles are shared all the same.
    let mut seen = BTreeSet::new();
    let mut accepted = BTreeSet::new();
    let mut garbage = 0;
    for (shard, calls) in shards.iter().enumerate() {
        deliver(shard as u8, calls, &cuts, &store, &quarantine).await;
        for (n, call) in calls.iter().enumerate() {
            garbage += usize::from(call.garbage);
            if !call.garbage && seen.insert((call.id, call.caller, call.minute)) {
                accepted.insert((shard, n));
            }
        }
    }
    assert_eq!(quarantine.objects.lock().unwrap().len(), garbage);

    let set = &**SET;
    let formula = |name: &str| match set.features().iter().find(|feature| feature.name == name).unwrap().formula {
        Formula::Slot(slot) => slot,
        other => panic!("{name} is {other:?}"),
    };
    let minute = NOW_MS - NOW_MS % MINUTE_MS;
    let day = Interval { from_ms: minute - DAY_MS, to_ms: minute + MINUTE_MS };
    let last = Interval { from_ms: minute, to_ms: minute + MINUTE_MS };
    let mut expected = Vec::new();
    for n in 1..4 {
        expected.push((format!("caller:phone:{}", caller(n)), "calls", "talk_ms", Some(n), None));
    }
    for n in 0..3 {
        let key = format!("callee:phone:+4420794601{n:02}");
        expected.push((key, "received_calls", "received_talk_ms", None, Some(n)));
    }
    expected.push(("callee:prefix:+4420".to_owned(), "received_calls", "received_talk_ms", None, None));
    for (entity, count, talk, caller, callee) in expected {
        let entity: Entity = entity.parse().unwrap();
        let states = read_states(&store.inner, &SET, &entity, &[day, last], NOW_MS / 1_000).await.unwrap();
        for (window, state) in [(None, &states[0]), (Some(0), &states[1])] {
            let wanted = |call: &TestCall| {
                caller.is_none_or(|caller| call.caller == caller)
                    && callee.is_none_or(|callee| call.callee == callee)
                    && window.is_none_or(|minute| call.minute == minute)
            };
            let (calls, talk_ms) = recount(&shards, &accepted, wanted);
            assert_eq!(state.state.slot(formula(count)), &SlotState::Count(calls), "{entity} {window:?}");
            assert_eq!(state.state.slot(formula(talk)), &SlotState::Sum(talk_ms), "{entity} {window:?}");
        }
    }
    assert!(set.is_streamed(Party::Callee, features::Level::Prefix));
}

#[test]
fn every_call_counts_once_whatever_happens() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let shards = prop::collection::vec(calls(), 1..3);
    let inputs = (shards, prop::collection::vec(any::<u8>(), 1..30), prop::collection::vec(0u8..4, 1..50), 0u64..4);
    TestRunner::new(Config { cases: 150, failure_persistence: None, max_shrink_iters: 200, ..Config::default() })
        .run(&inputs, |(shards, cuts, mut faults, fail_every)| {
            // A store that always fails would stop the shard for good.
            faults.extend([0; 5]);
            // So would a quarantine that always fails.
            runtime.block_on(check(shards, cuts, faults, if fail_every == 1 { 2 } else { fail_every }));
            Ok(())
        })
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hot_caller_is_counted_past_what_its_tile_remembers() {
    let store = faulty(Vec::new());
    let quarantine = FaultyQuarantine::default();
    let mut counter = counter(&store, &quarantine);
    let deadline = Instant::now() + Duration::from_mins(10);
    let call = |n: usize| TestCall { id: 0, caller: 1, callee: (n % 90) as u8, minute: 0, talk_s: 1, garbage: false };
    let calls: Vec<_> = (0..6_000).map(call).collect();
    let mut whole = event(0, 0, &calls);
    for (n, record) in whole.records.iter_mut().enumerate() {
        let text = String::from_utf8(record.kinesis.data.0.clone()).unwrap();
        record.kinesis.data.0 = text.replacen("\"c0\"", &format!("\"c{n}\""), 1).into_bytes();
    }
    for _ in 0..2 {
        let (response, _) = counter.handle(whole.clone(), deadline).await.unwrap();
        assert!(response.batch_item_failures.is_empty());
    }
    let minute = NOW_MS - NOW_MS % MINUTE_MS;
    let interval = Interval { from_ms: minute, to_ms: minute + MINUTE_MS };
    let entity: Entity = "caller:phone:+12025550101".parse().unwrap();
    let state = read_states(&store.inner, &SET, &entity, &[interval], NOW_MS / 1_000).await.unwrap().remove(0);
    let Formula::Slot(calls) = SET.features()[0].formula else { panic!("calls is a slot") };
    assert_eq!(state.state.slot(calls), &SlotState::Count(6_000));
    assert!(state.duplicates_unchecked);
}

#[tokio::test(start_paused = true)]
async fn too_late_and_too_early_are_judged_by_arrival() {
    let store = faulty(Vec::new());
    let quarantine = FaultyQuarantine::default();
    let mut counter = counter(&store, &quarantine);
    let call = TestCall { id: 0, caller: 1, callee: 1, minute: 0, talk_s: 1, garbage: false };
    let mut whole = event(0, 0, &[call.clone(), call.clone(), call]);
    let shift_ms = [2 * DAY_MS, -11 * MINUTE_MS, 0];
    for (record, shift) in whole.records.iter_mut().zip(shift_ms) {
        let arrived = record.kinesis.approximate_arrival_timestamp.timestamp_millis() + shift;
        let seconds = serde_json::from_value(serde_json::json!(arrived as f64 / 1_000.0)).unwrap();
        record.kinesis.approximate_arrival_timestamp = seconds;
    }
    let deadline = Instant::now() + Duration::from_mins(10);
    let (_, report) = counter.handle(whole, deadline).await.unwrap();
    assert_eq!(report.quarantined, BTreeMap::from([("too_late", 1), ("from_future", 1)]));
    assert_eq!(report.counted, 1);
    assert_eq!(report.lateness, BTreeMap::from([("1m", 1)]));
}
