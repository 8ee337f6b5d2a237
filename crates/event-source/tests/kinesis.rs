//! The mapping over an emulated Kinesis stream, and over another emulator's for a second opinion.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::kinesis::KinesisEvent;
use aws_lambda_events::streams::KinesisEventResponse;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use event_source::{EventSource, KinesisSource, Redeliver, Settings, Source as _, SourceError};
use local_aws::{LocalAws, LocalAwsConfig};

const STREAM: &str = "calls";

async fn put(client: &Client, range: std::ops::Range<usize>) {
    let entries: Vec<_> = range
        .map(|n| {
            PutRecordsRequestEntry::builder()
                .partition_key(format!("+120255501{:02}", n % 17))
                .data(Blob::new(n.to_string()))
                .build()
                .unwrap()
        })
        .collect();
    for chunk in entries.chunks(500) {
        let put = client.put_records().stream_name(STREAM).set_records(Some(chunk.to_vec())).send().await.unwrap();
        assert_eq!(put.failed_record_count, Some(0));
    }
}

async fn split(client: &Client, shard_id: &str, starting_hash_key: u128) {
    client
        .split_shard()
        .stream_name(STREAM)
        .shard_to_split(shard_id)
        .new_starting_hash_key(starting_hash_key.to_string())
        .send()
        .await
        .unwrap();
}

fn number(data: &[u8]) -> usize {
    std::str::from_utf8(data).unwrap().parse().unwrap()
}

fn fast() -> Settings {
    Settings {
        batch_size: 60,
        poll_interval: Duration::from_millis(10),
        shard_sync_interval: Duration::from_millis(50),
        ..Settings::default()
    }
}

/// Two shards, one of them split half-way, one record that fails three times, answers that get lost: each record is
/// taken, those of a partition key in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_in_order_through_a_split_a_failure_and_lost_answers() {
    let local = LocalAws::start(LocalAwsConfig::default().with_kinesis()).await.unwrap();
    // Another Kinesis to ask, which has the stream already: `tests/rehearsal/emulators` has kinesis-local there.
    let client = if let Ok(url) = std::env::var("KINESIS_ENDPOINT") {
        local_aws::kinesis_client(&url)
    } else {
        local.create_stream(STREAM, 2).await.unwrap();
        local.kinesis().unwrap()
    };
    put(&client, 0..600).await;

    let taken: Arc<Mutex<BTreeMap<String, Vec<usize>>>> = Arc::default();
    let failures = Arc::new(Mutex::new(0));
    let handler = {
        let (taken, failures) = (taken.clone(), failures.clone());
        move |event: KinesisEvent| {
            let mut response = KinesisEventResponse::default();
            for record in &event.records {
                let id = record.event_id.clone().unwrap();
                let (shard_id, sequence_number) = id.split_once(':').unwrap();
                assert!(
                    shard_id.starts_with("shardId-") && sequence_number == record.kinesis.sequence_number,
                    "{id}"
                );
                let n = number(&record.kinesis.data);
                let mut failures = failures.lock().unwrap();
                if n == 333 && *failures < 3 {
                    *failures += 1;
                    response.add_failure(sequence_number);
                    break;
                }
                taken.lock().unwrap().entry(record.kinesis.partition_key.clone()).or_default().push(n);
            }
            async move { Ok::<_, String>(response) }
        }
    };
    let source = KinesisSource::new(client.clone(), STREAM).await.unwrap();
    let settings = Settings { redeliver: Some(Redeliver { seed: 1, every_nth_batch: 4 }), ..fast() };
    let running = EventSource::new(source, settings).unwrap().start(now_ms(), handler);

    split(&client, "shardId-000000000000", 1 << 125).await;
    put(&client, 600..1200).await;
    let progress = running.progress();
    running.drain().await.unwrap();

    let counts = progress.snapshot();
    assert_eq!(counts.records_done, 1200, "{counts:?}");
    assert_eq!(*failures.lock().unwrap(), 3);
    assert!(counts.lost_batches > 0 && counts.records_redelivered > 0, "{counts:?}");
    let taken = taken.lock().unwrap().clone();
    let all: BTreeSet<usize> = taken.values().flatten().copied().collect();
    assert_eq!(all, (0..1200).collect());
    for (key, numbers) in &taken {
        // What was seen for the first time comes in order.
        let mut seen = BTreeSet::new();
        let firsts: Vec<usize> = numbers.iter().copied().filter(|n| seen.insert(*n)).collect();
        assert!(firsts.is_sorted(), "{key}: {firsts:?}");
    }
    local.shutdown().await;
}

/// The tip of a stream that is still written to is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_ends_while_a_producer_goes_on() {
    let local = LocalAws::start(LocalAwsConfig::default().with_kinesis()).await.unwrap();
    local.create_stream(STREAM, 1).await.unwrap();
    let client = local.kinesis().unwrap();
    put(&client, 0..500).await;
    let producer = {
        let client = client.clone();
        tokio::spawn(async move {
            for n in 500.. {
                put(&client, n..n + 1).await;
            }
        })
    };
    let source = KinesisSource::new(client, STREAM).await.unwrap();
    let running = EventSource::new(source, Settings { batch_size: 1000, ..fast() })
        .unwrap()
        .start(now_ms(), |_: KinesisEvent| async { Ok::<_, String>(KinesisEventResponse::default()) });
    let progress = running.progress();
    running.drain().await.unwrap();
    assert!(progress.snapshot().records_done >= 500);
    producer.abort();
    local.shutdown().await;
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_named() {
    let local = LocalAws::start(LocalAwsConfig::default().with_kinesis()).await.unwrap();
    let error = KinesisSource::new(local.kinesis().unwrap(), "no-such-stream").await.unwrap_err();
    assert!(matches!(error, SourceError::Fatal(_)), "{error}");
    assert!(error.to_string().contains("no-such-stream"), "{error}");
    local.shutdown().await;
}

#[tokio::test]
async fn shards_are_listed_with_their_parents() {
    let local = LocalAws::start(LocalAwsConfig::default().with_kinesis()).await.unwrap();
    local.create_stream(STREAM, 1).await.unwrap();
    let client = local.kinesis().unwrap();
    let source = KinesisSource::new(client.clone(), STREAM).await.unwrap();
    assert_eq!(source.stream_arn(), "arn:aws:kinesis:us-east-1:000000000000:stream/calls");
    split(&client, "shardId-000000000000", 1 << 127).await;
    // The split is done by a task of the emulator.
    let shards = loop {
        let shards = source.shards().await.unwrap();
        if shards.len() == 3 {
            break shards;
        }
        tokio::task::yield_now().await;
    };
    assert!(shards[0].is_closed && shards[0].parents.is_empty());
    for child in &shards[1..] {
        assert!(!child.is_closed);
        assert_eq!(child.parents, ["shardId-000000000000"]);
    }
    local.shutdown().await;
}

fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}
