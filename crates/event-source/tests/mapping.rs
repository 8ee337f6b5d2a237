//! The mapping over a stream in memory, in paused time.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::kinesis::KinesisEvent;
use aws_lambda_events::streams::KinesisEventResponse;
use event_source::{
    Checkpoint, Checkpoints, DiscardReason, Error, EventSource, FileCheckpoints, MemoryCheckpoints, MemorySource,
    Redeliver, Settings, StartPosition,
};

/// 2026-11-20T00:00:00Z.
const NOW_MS: i64 = 1_795_132_800_000;

/// What a handler was given: batches of the records' data as text, in order of the calls.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Vec<String>>>>);

impl Seen {
    fn note(&self, event: &KinesisEvent) -> Vec<String> {
        let batch: Vec<String> =
            event.records.iter().map(|record| String::from_utf8(record.kinesis.data.0.clone()).unwrap()).collect();
        self.0.lock().unwrap().push(batch.clone());
        batch
    }

    fn batches(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().clone()
    }

    fn records(&self) -> Vec<String> {
        self.batches().concat()
    }
}

/// The answer of a handler that took all of its batch.
#[allow(clippy::unnecessary_wraps)]
fn done() -> Result<KinesisEventResponse, String> {
    Ok(KinesisEventResponse::default())
}

fn source(shards: &[&str]) -> MemorySource {
    let source = MemorySource::new("calls");
    for shard in shards {
        source.add_shard(shard, &[]);
    }
    source
}

fn put(source: &MemorySource, shard: &str, range: std::ops::Range<usize>) {
    for n in range {
        source.put(shard, "k", format!("{shard}/{n}").as_bytes(), NOW_MS).unwrap();
    }
}

fn expected(shard: &str, range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("{shard}/{n}")).collect()
}

#[tokio::test(start_paused = true)]
async fn draining_takes_everything_in_order_and_ends() {
    let source = source(&["a", "b"]);
    put(&source, "a", 0..250);
    put(&source, "b", 0..3);
    let seen = Seen::default();
    let noted = seen.clone();
    let running = EventSource::new(source, Settings::default()).unwrap().start(NOW_MS, move |event: KinesisEvent| {
        noted.note(&event);
        async { done() }
    });
    let progress = running.progress();
    running.drain().await.unwrap();

    let of = |shard: &str| -> Vec<String> {
        seen.records().into_iter().filter(|record| record.starts_with(shard)).collect()
    };
    assert_eq!(of("a"), expected("a", 0..250));
    assert_eq!(of("b"), expected("b", 0..3));
    let counts = progress.snapshot();
    assert_eq!((counts.batches, counts.records_delivered, counts.records_done), (4, 253, 253));
    assert_eq!((counts.records_redelivered, counts.failed_batches, counts.shards), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_failing_record_is_retried_from_the_checkpoint_until_it_passes() {
    let source = source(&["a"]);
    put(&source, "a", 0..10);
    let seen = Seen::default();
    let noted = seen.clone();
    let running = EventSource::new(source, Settings::default()).unwrap().start(NOW_MS, move |event: KinesisEvent| {
        let tries = noted.batches().len();
        let batch = noted.note(&event);
        let failing = batch.iter().position(|record| record == "a/6").filter(|_| tries < 3);
        let mut response = KinesisEventResponse::default();
        if let Some(index) = failing {
            response.add_failure(event.records[index].kinesis.sequence_number.clone());
        }
        async move { Ok::<_, String>(response) }
    });
    let progress = running.progress();
    running.drain().await.unwrap();
    let sizes: Vec<usize> = seen.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 4, 4, 4]);
    assert_eq!(seen.batches()[1], expected("a", 6..10));
    let counts = progress.snapshot();
    assert_eq!((counts.partial_batches, counts.failed_batches), (1, 2));
    assert_eq!((counts.records_delivered, counts.records_redelivered, counts.records_done), (22, 12, 10));
}

#[tokio::test(start_paused = true)]
async fn errors_panics_and_timeouts_fail_the_whole_batch() {
    let source = source(&["a"]);
    put(&source, "a", 0..2);
    let seen = Seen::default();
    let noted = seen.clone();
    let settings = Settings { function_timeout: Duration::from_secs(3), ..Settings::default() };
    let running = EventSource::new(source, settings).unwrap().start(NOW_MS, move |event: KinesisEvent| {
        noted.note(&event);
        let tries = noted.batches().len();
        async move {
            match tries {
                1 => Err("no table"),
                2 => panic!("a bug"),
                3 => std::future::pending().await,
                _ => Ok(KinesisEventResponse::default()),
            }
        }
    });
    let progress = running.progress();
    running.drain().await.unwrap();
    assert_eq!(seen.batches(), vec![expected("a", 0..2); 4]);
    assert_eq!(progress.snapshot().failed_batches, 3);
    assert_eq!(progress.snapshot().records_done, 2);
}

#[tokio::test(start_paused = true)]
async fn bisecting_gives_up_only_the_record_that_fails() {
    let source = source(&["a"]);
    put(&source, "a", 0..100);
    let settings = Settings { bisect_on_error: true, max_retries: Some(2), ..Settings::default() };
    let given_up = Arc::new(Mutex::new(Vec::new()));
    let noted = given_up.clone();
    let taken = Seen::default();
    let noted_taken = taken.clone();
    let running = EventSource::new(source, settings)
        .unwrap()
        .with_on_discard(Arc::new(move |shard, discarded| {
            noted.lock().unwrap().push((shard.to_owned(), discarded.clone()));
        }))
        .start(NOW_MS, move |event: KinesisEvent| {
            let fails = event.records.iter().any(|record| record.kinesis.data.0 == b"a/41");
            if !fails {
                noted_taken.note(&event);
            }
            async move { if fails { Err("no") } else { Ok(KinesisEventResponse::default()) } }
        });
    running.drain().await.unwrap();
    let mut all = expected("a", 0..100);
    assert_eq!(all.remove(41), "a/41");
    assert_eq!(taken.records(), all);
    let given_up = given_up.lock().unwrap();
    assert_eq!(given_up.len(), 1);
    assert_eq!((given_up[0].1.records, given_up[0].1.reason), (1, DiscardReason::RetriesExhausted));
    assert_eq!(given_up[0].1.first, "42");
}

#[tokio::test(start_paused = true)]
async fn children_are_read_after_their_parents_even_while_draining() {
    let source = source(&["a", "b"]);
    put(&source, "a", 0..30);
    put(&source, "b", 0..30);
    source.add_shard("c", &["a"]);
    source.add_shard("d", &["a"]);
    put(&source, "c", 0..5);
    put(&source, "d", 0..5);
    source.add_shard("e", &["d", "b"]);
    put(&source, "e", 0..5);
    let seen = Seen::default();
    let noted = seen.clone();
    let settings = Settings { batch_size: 4, ..Settings::default() };
    let running = EventSource::new(source, settings).unwrap().start(NOW_MS, move |event: KinesisEvent| {
        noted.note(&event);
        async { done() }
    });
    running.drain().await.unwrap();
    let records = seen.records();
    assert_eq!(records.len(), 75);
    let first = |shard: &str| records.iter().position(|record| record.starts_with(shard)).unwrap();
    let last = |shard: &str| records.iter().rposition(|record| record.starts_with(shard)).unwrap();
    for (parent, child) in [("a", "c"), ("a", "d"), ("d", "e"), ("b", "e")] {
        assert!(last(parent) < first(child), "{parent} before {child}: {records:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_split_while_running_is_followed() {
    let source = source(&["a"]);
    put(&source, "a", 0..3);
    let seen = Seen::default();
    let noted = seen.clone();
    let running =
        EventSource::new(source.clone(), Settings::default()).unwrap().start(NOW_MS, move |event: KinesisEvent| {
            noted.note(&event);
            async { done() }
        });
    // Past a few polls, all in paused time.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(seen.records(), expected("a", 0..3));
    source.add_shard("b", &["a"]);
    put(&source, "b", 0..2);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(seen.records().len(), 5);
    assert_eq!(running.progress().snapshot().shards, 1);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_window_gathers_records_and_draining_does_not_wait_for_it() {
    let source = source(&["a"]);
    let seen = Seen::default();
    let noted = seen.clone();
    let settings = Settings {
        batching_window: Duration::from_mins(1),
        poll_interval: Duration::from_secs(1),
        ..Settings::default()
    };
    let running = EventSource::new(source.clone(), settings).unwrap().start(NOW_MS, move |event: KinesisEvent| {
        noted.note(&event);
        async { done() }
    });
    for n in 0..10 {
        put(&source, "a", n..n + 1);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(seen.batches().len(), 0);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(seen.batches(), [expected("a", 0..10)]);
    put(&source, "a", 10..11);
    let before = tokio::time::Instant::now();
    running.drain().await.unwrap();
    assert_eq!(seen.records(), expected("a", 0..11));
    assert!(before.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_the_batch_that_the_handler_has() {
    let source = source(&["a"]);
    put(&source, "a", 0..20);
    let seen = Seen::default();
    let noted = seen.clone();
    let settings = Settings { batch_size: 5, ..Settings::default() };
    let running = EventSource::new(source, settings).unwrap().start(NOW_MS, move |event: KinesisEvent| {
        let noted = noted.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            noted.note(&event);
            done()
        }
    });
    tokio::time::sleep(Duration::from_secs(15)).await;
    let progress = running.progress();
    running.stop().await.unwrap();
    assert_eq!(seen.records(), expected("a", 0..10));
    assert_eq!(progress.snapshot().records_done, 10);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_never_passes_can_be_stopped_while_draining() {
    let source = source(&["a"]);
    put(&source, "a", 0..1);
    let running = EventSource::new(source, Settings::default())
        .unwrap()
        .start(NOW_MS, |_: KinesisEvent| async { Err::<KinesisEventResponse, _>("never") });
    let control = running.control();
    let progress = running.progress();
    let draining = tokio::spawn(running.drain());
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(!draining.is_finished());
    assert!(progress.snapshot().failed_batches > 100);
    control.stop();
    draining.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn checkpoints_in_a_file_carry_over_to_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoints.json");
    let source = source(&["a"]);
    put(&source, "a", 0..7);
    for (puts, expects) in [(7..7, 0..7), (7..9, 7..9), (9..9, 9..9)] {
        put(&source, "a", puts);
        let seen = Seen::default();
        let noted = seen.clone();
        let running = EventSource::new(source.clone(), Settings::default())
            .unwrap()
            .with_checkpoints(Arc::new(FileCheckpoints::open(&path).unwrap()))
            .start(NOW_MS, move |event: KinesisEvent| {
                noted.note(&event);
                async { done() }
            });
        running.drain().await.unwrap();
        assert_eq!(seen.records(), expected("a", expects));
    }
    source.add_shard("b", &["a"]);
    let running = EventSource::new(source, Settings::default())
        .unwrap()
        .with_checkpoints(Arc::new(FileCheckpoints::open(&path).unwrap()))
        .start(NOW_MS, |_: KinesisEvent| async { done() });
    running.drain().await.unwrap();
    assert_eq!(FileCheckpoints::open(&path).unwrap().load("a").await.unwrap(), Some(Checkpoint::Ended));
}

/// A stream that was deleted and made again has the shard ids of the old one.
#[tokio::test(start_paused = true)]
async fn checkpoints_of_an_older_stream_are_refused() {
    let checkpoints = MemoryCheckpoints::default();
    checkpoints.save("a", Checkpoint::Ended).await.unwrap();
    let source = source(&["a"]);
    put(&source, "a", 0..5);
    let running = EventSource::new(source, Settings::default())
        .unwrap()
        .with_checkpoints(Arc::new(checkpoints))
        .start(NOW_MS, |_: KinesisEvent| async { done() });
    let error = running.drain().await.unwrap_err();
    assert!(matches!(&error, Error::OtherStream { shard_id } if shard_id == "a"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn latest_begins_with_what_comes_after_the_start() {
    let source = source(&["a"]);
    put(&source, "a", 0..5);
    let seen = Seen::default();
    let noted = seen.clone();
    let settings = Settings { start: StartPosition::Latest, ..Settings::default() };
    let running = EventSource::new(source.clone(), settings).unwrap().start(NOW_MS, move |event: KinesisEvent| {
        noted.note(&event);
        async { done() }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    put(&source, "a", 5..8);
    running.drain().await.unwrap();
    assert_eq!(seen.records(), expected("a", 5..8));
}

#[tokio::test(start_paused = true)]
async fn old_records_are_given_up() {
    let source = source(&["a"]);
    source.put("a", "k", b"old", NOW_MS - 120_000).unwrap();
    source.put("a", "k", b"new", NOW_MS - 1_000).unwrap();
    let seen = Seen::default();
    let noted = seen.clone();
    let settings = Settings { max_record_age: Some(Duration::from_mins(1)), ..Settings::default() };
    let running = EventSource::new(source, settings).unwrap().start(NOW_MS, move |event: KinesisEvent| {
        noted.note(&event);
        async { done() }
    });
    let progress = running.progress();
    running.drain().await.unwrap();
    assert_eq!(seen.records(), ["new"]);
    assert_eq!(progress.snapshot().records_discarded, 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_for_a_while_is_read_on() {
    let source = source(&["a"]);
    put(&source, "a", 0..5);
    source.fail_next_calls(7);
    let seen = Seen::default();
    let noted = seen.clone();
    let running =
        EventSource::new(source.clone(), Settings::default()).unwrap().start(NOW_MS, move |event: KinesisEvent| {
            noted.note(&event);
            async { done() }
        });
    let progress = running.progress();
    running.drain().await.unwrap();
    assert_eq!(seen.records(), expected("a", 0..5));
    assert_eq!(progress.snapshot().read_errors, 7);
}

#[tokio::test(start_paused = true)]
async fn checkpoints_that_cannot_be_saved_end_the_mapping() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(&["a", "b"]);
    put(&source, "a", 0..5);
    let checkpoints = FileCheckpoints::open(folder.path().join("checkpoints.json")).unwrap();
    drop(folder);
    let running = EventSource::new(source, Settings::default())
        .unwrap()
        .with_checkpoints(Arc::new(checkpoints))
        .start(NOW_MS, |_: KinesisEvent| async { done() });
    assert!(matches!(running.wait().await, Err(Error::Checkpoint(_))));
}

/// Every answer to a third batch is lost: all records come, some again, never out of order, and the same seed
/// gives the same calls.
#[tokio::test(start_paused = true)]
async fn forced_redeliveries_are_the_same_for_the_same_seed() {
    let run = async |seed: u64| {
        let source = source(&["a", "b"]);
        put(&source, "a", 0..200);
        put(&source, "b", 0..200);
        let seen = Seen::default();
        let noted = seen.clone();
        let settings = Settings {
            batch_size: 10,
            redeliver: Some(Redeliver { seed, every_nth_batch: 3 }),
            ..Settings::default()
        };
        let running = EventSource::new(source, settings).unwrap().start(NOW_MS, move |event: KinesisEvent| {
            noted.note(&event);
            async { done() }
        });
        let progress = running.progress();
        running.drain().await.unwrap();
        let counts = progress.snapshot();
        assert_eq!(counts.records_done, 400);
        assert_eq!(counts.records_delivered, 400 + counts.records_redelivered);
        assert!(counts.lost_batches > 10 && counts.records_redelivered > 100, "{counts:?}");

        let mut next: BTreeMap<String, usize> = BTreeMap::new();
        let mut by_shard: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        for batch in seen.batches() {
            let shard = batch[0].split('/').next().unwrap().to_owned();
            let from: usize = batch[0].split('/').next_back().unwrap().parse().unwrap();
            assert_eq!(batch, expected(&shard, from..from + batch.len()));
            let next = next.entry(shard.clone()).or_default();
            assert!(from <= *next, "{batch:?} came before {next}");
            *next = (*next).max(from + batch.len());
            by_shard.entry(shard).or_default().push(batch);
        }
        assert!(next.values().all(|&next| next == 200));
        by_shard
    };
    assert_eq!(run(1).await, run(1).await);
    assert_ne!(run(1).await, run(2).await);
}
