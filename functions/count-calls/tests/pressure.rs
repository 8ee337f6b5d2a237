//! Nothing a caller or a throttled table does blocks a shard, and the function stops in time with what it has.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use aws_lambda_events::kinesis::KinesisEvent;
use cdr::NumberPlan;
use count_calls::{CallCounter, CounterSettings, Quarantine, QuarantineError, QuarantinedRecord};
use event_source::{Record, kinesis_event};
use features::{FeatureSet, Formula, MINUTE_MS, SlotState};
use tiles::{
    CasOutcome, Interval, MemoryTiles, StoreError, StoredTile, TileKey, TileStore, TileVersion, read_states,
};
use tokio::time::Instant;

/// 2026-11-20T12:00:00Z.
const NOW_MS: i64 = 1_795_176_000_000;
/// What DynamoDB takes of an item.
const ITEM_BYTES_MAX: usize = 400 << 10;

struct NoPoison;

impl Quarantine for NoPoison {
    async fn put(&self, key: &str, _: &QuarantinedRecord) -> Result<(), QuarantineError> {
        Err(QuarantineError(format!("nothing here is poison, but {key}")))
    }
}

/// Tiles in memory that note the largest item, and throttle every `every`-th request (0: none).
#[derive(Default)]
struct Watched {
    inner: MemoryTiles,
    throttles_every: u64,
    requests: AtomicU64,
    largest_bytes: AtomicUsize,
}

impl TileStore for Watched {
    async fn compare_and_set(
        &self,
        key: &TileKey,
        expected: Option<TileVersion>,
        tile: &StoredTile,
    ) -> Result<CasOutcome, StoreError> {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        if self.throttles_every > 0 && request.is_multiple_of(self.throttles_every) {
            return Err(StoreError::Throttled("told to".to_owned()));
        }
        let bytes = tile.calls.len() + tile.state.len() + key.pk.len() + key.sk.len() + 100;
        self.largest_bytes.fetch_max(bytes, Ordering::Relaxed);
        self.inner.compare_and_set(key, expected, tile).await
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

fn counter(store: &Arc<Watched>) -> (CallCounter<Arc<Watched>, NoPoison>, Arc<FeatureSet>) {
    let set = Arc::new(FeatureSet::default_set().unwrap());
    let plan = Arc::new(NumberPlan::new("US").unwrap());
    let counter = CallCounter::new(Arc::clone(store), NoPoison, Arc::clone(&set), plan, CounterSettings::default());
    (counter, set)
}

fn event(calls: impl Iterator<Item = (usize, String, String)>) -> KinesisEvent {
    let record = |(n, caller, callee): (usize, String, String)| {
        Record {
        sequence_number: (1_000_000 + n).to_string(),
        partition_key: "p".to_owned(),
        data: format!(
            r#"{{"call_id":"c{n}","caller":"{caller}","callee":"{callee}","started_at":"2026-11-20T11:59:{:02}Z","ended_at":"2026-11-20T12:00:00Z","outcome":"busy"}}"#,
            n % 60
        )
        .into_bytes(),
        arrived_at_ms: NOW_MS,
    }
    };
    let records: Vec<_> = calls.map(record).collect();
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/calls";
    kinesis_event(arn, "shardId-000000000000", &records)
}

fn number(n: usize) -> String {
    format!("+1202{:07}", 2_000_000 + n)
}

/// The calls of an entity in the minute of the test, and whether all of them were checked for copies.
async fn calls_of(store: &Watched, set: &FeatureSet, entity: &str, feature: &str) -> (SlotState, bool) {
    let minute = Interval { from_ms: NOW_MS - MINUTE_MS, to_ms: NOW_MS };
    let states = read_states(&store.inner, set, &entity.parse().unwrap(), &[minute], NOW_MS / 1_000).await.unwrap();
    let feature = set.features().iter().find(|own| own.name == feature).unwrap();
    let Formula::Slot(slot) = feature.formula else { panic!("{} is no slot", feature.name) };
    (states[0].state.slot(slot).clone(), !states[0].duplicates_unchecked)
}

#[tokio::test(start_paused = true)]
async fn twenty_five_thousand_calls_of_one_number_in_a_minute_are_counted_and_fit() {
    let store = Arc::new(Watched::default());
    let (mut counter, set) = counter(&store);
    for batch in 0..5 {
        let calls = (batch * 5_000..(batch + 1) * 5_000).map(|n| (n, number(0), number(1 + n % 3_000)));
        let (response, _) = counter.handle(event(calls), Instant::now() + Duration::from_mins(15)).await.unwrap();
        assert!(response.batch_item_failures.is_empty());
    }
    let entity = format!("caller:phone:{}", number(0));
    assert_eq!(calls_of(&store, &set, &entity, "calls").await, (SlotState::Count(25_000), false));
    let all_in_one_prefix = calls_of(&store, &set, "caller:prefix:+1202", "calls").await;
    assert_eq!(all_in_one_prefix, (SlotState::Count(25_000), true));
    let largest = store.largest_bytes.load(Ordering::Relaxed);
    assert!(largest < ITEM_BYTES_MAX / 4, "an item of {largest} bytes");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_calls_to_one_number_count_once_each() {
    let store = Arc::new(Watched::default());
    let (mut counter, set) = counter(&store);
    let calls = || event((0..10_000).map(|n| (n, number(1 + n), number(0))));
    for _ in 0..2 {
        let (response, _) = counter.handle(calls(), Instant::now() + Duration::from_mins(15)).await.unwrap();
        assert!(response.batch_item_failures.is_empty());
    }
    let entity = format!("callee:phone:{}", number(0));
    assert_eq!(calls_of(&store, &set, &entity, "received_calls").await, (SlotState::Count(10_000), true));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_throttles_everything_ends_in_a_partial_failure_in_time() {
    let store = Arc::new(Watched { throttles_every: 1, ..Watched::default() });
    let (mut counter, _) = counter(&store);
    let started = Instant::now();
    let limit = Duration::from_secs(10);
    let calls = (0..500).map(|n| (n, number(n), number(n + 1)));
    let (response, report) = counter.handle(event(calls), started + limit).await.unwrap();
    assert_eq!(response.batch_item_failures[0].item_identifier.as_deref(), Some("1000000"));
    assert_eq!((report.undone, report.counted), (500, 0));
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    assert!(store.inner.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_throttles_often_is_waited_for() {
    let store = Arc::new(Watched { throttles_every: 3, ..Watched::default() });
    let (mut counter, set) = counter(&store);
    let calls = (0..500).map(|n| (n, number(n), number(1)));
    let (response, _) = counter.handle(event(calls), Instant::now() + Duration::from_mins(1)).await.unwrap();
    assert!(response.batch_item_failures.is_empty());
    let all = calls_of(&store, &set, "caller:prefix:+1202", "calls").await;
    assert_eq!(all, (SlotState::Count(500), true));
}
