//! How many calls a second one core of count-calls takes: the JSON of a Kinesis event in, tiles in memory out.
//!
//!     cargo run --release -p bench --bin count-calls-rate
//!
//! Prints the median of several runs, write units a call by batch size, and the machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use aws_lambda_events::kinesis::KinesisEvent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cdr::NumberPlan;
use cdr_generator::{Config, Generator};
use count_calls::{BatchReport, CallCounter, CounterSettings, Quarantine, QuarantineError, QuarantinedRecord};
use features::FeatureSet;
use tiles::MemoryTiles;

const RUNS: usize = 5;
const CALLS: usize = 100_000;
/// 2026-11-20T12:00:00Z.
const END_MS: i64 = 1_795_176_000_000;

/// Records that cannot count are dropped: the measurement is of those that can.
struct Nowhere;

impl Quarantine for Nowhere {
    async fn put(&self, _: &str, _: &QuarantinedRecord) -> Result<(), QuarantineError> {
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    println!("machine: {}, one thread", machine());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let set = Arc::new(FeatureSet::default_set()?);
    for batch in [100, 1_000, 10_000] {
        let events = events(batch)?;
        let mut rates = Vec::new();
        let mut report = BatchReport::default();
        for _ in 0..RUNS {
            let started = Instant::now();
            report = runtime.block_on(count(&set, &events))?;
            rates.push(report.received as f64 / started.elapsed().as_secs_f64());
        }
        rates.sort_by(f64::total_cmp);
        println!(
            "batches of {batch:>6}: {:>8.0} calls/s median of {RUNS} ({:.0} to {:.0}), {:.2} write units a call, {} counted",
            rates[RUNS / 2],
            rates[0],
            rates[RUNS - 1],
            report.write_units / report.counted as f64,
            report.counted,
        );
    }
    Ok(())
}

async fn count(set: &Arc<FeatureSet>, events: &[String]) -> anyhow::Result<BatchReport> {
    let plan = Arc::new(NumberPlan::new("US")?);
    let mut counter =
        CallCounter::new(MemoryTiles::default(), Nowhere, Arc::clone(set), plan, CounterSettings::default());
    let mut total = BatchReport::default();
    for event in events {
        let event: KinesisEvent = serde_json::from_str(event)?;
        let deadline = tokio::time::Instant::now() + Duration::from_mins(15);
        let (response, report) = counter.handle(event, deadline).await?;
        anyhow::ensure!(response.batch_item_failures.is_empty(), "a record was left undone");
        total.merge(&report);
    }
    Ok(total)
}

/// The calls of one stretch, as many as asked, as Lambda would deliver them from one shard.
fn events(batch: usize) -> anyhow::Result<Vec<String>> {
    let mut config = Config::new(7, END_MS, 1, 200_000);
    config.calls_per_subscriber_day = 4.0;
    let generator = Generator::new(config)?;
    let records: Vec<_> = generator
        .arrivals(END_MS - 6 * 3_600_000, END_MS)
        .take(CALLS)
        .enumerate()
        .map(|(n, arrival)| {
            serde_json::json!({
                "eventID": format!("shardId-000000000000:{}", 49_590_338_271_490_256_608_u128 + n as u128),
                "eventName": "aws:kinesis:record",
                "eventSource": "aws:kinesis",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/calls",
                "eventVersion": "1.0",
                "awsRegion": "us-east-1",
                "invokeIdentityArn": "arn:aws:iam::000000000000:role/count-calls",
                "kinesis": {
                    "sequenceNumber": (49_590_338_271_490_256_608_u128 + n as u128).to_string(),
                    "partitionKey": arrival.partition_key.as_str(),
                    "data": STANDARD.encode(&arrival.bytes),
                    "approximateArrivalTimestamp": arrival.arrival_ms as f64 / 1_000.0,
                    "kinesisSchemaVersion": "1.0",
                },
            })
        })
        .collect();
    anyhow::ensure!(records.len() == CALLS, "the generator made {} records only", records.len());
    let event = |chunk: &[serde_json::Value]| serde_json::json!({ "Records": chunk }).to_string();
    Ok(records.chunks(batch).map(event).collect())
}

fn machine() -> String {
    let read = || -> anyhow::Result<String> {
        let text = std::fs::read_to_string("/proc/cpuinfo")?;
        let line = text.lines().find(|line| line.starts_with("model name")).context("no model name")?;
        Ok(line.split(':').nth(1).unwrap_or_default().trim().to_owned())
    };
    read().unwrap_or_else(|_| std::env::consts::ARCH.to_owned())
}
