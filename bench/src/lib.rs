//! What the measurements share: the calls, the events, and the name of the machine.

pub mod world;

use std::process::Child;
use std::time::Duration;

use anyhow::Context as _;
use aws_lambda_events::kinesis::KinesisEvent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cdr_generator::{Arrival, Config, Generator};
use count_calls::{BatchReport, CallCounter, Quarantine, QuarantineError, QuarantinedRecord};
use smol_str::SmolStr;
use tiles::{CasOutcome, StoreError, StoredTile, TileKey, TileStore, TileVersion, write_units};

/// 2026-11-20T12:00:00Z.
pub const END_MS: i64 = 1_795_176_000_000;

/// Quarantine that drops records: what is measured is those that count.
#[derive(Clone, Copy, Debug)]
pub struct Nowhere;

impl Quarantine for Nowhere {
    async fn put(&self, _: &str, _: &QuarantinedRecord) -> Result<(), QuarantineError> {
        Ok(())
    }
}

/// A store that takes every write and keeps none: what is left is the handler.
#[derive(Clone, Copy, Debug)]
pub struct Sink;

impl TileStore for Sink {
    async fn compare_and_set(
        &self,
        key: &TileKey,
        _: Option<TileVersion>,
        tile: &StoredTile,
    ) -> Result<CasOutcome, StoreError> {
        Ok(CasOutcome::Written { units: write_units(key, tile) })
    }

    async fn query(&self, _: &str, _: &str, _: &str) -> Result<Vec<(SmolStr, StoredTile)>, StoreError> {
        Ok(Vec::new())
    }
}

/// Records of an operator with 200,000 subscribers: some 460 calls a minute, in the order in which they
/// arrive, with copies and poison among them. The first `count` of them.
pub fn arrivals(count: usize) -> anyhow::Result<Vec<Arrival>> {
    let mut config = Config::new(7, END_MS, 2, 200_000);
    config.calls_per_subscriber_day = 4.0;
    let generator = Generator::new(config)?;
    let arrivals: Vec<_> = generator.arrivals(END_MS - 36 * 3_600_000, END_MS).take(count).collect();
    anyhow::ensure!(arrivals.len() == count, "the generator made {} records only", arrivals.len());
    Ok(arrivals)
}

/// The JSON of Kinesis events with `batch` of these records each, as Lambda would deliver them from a shard.
pub fn events(shard: u32, records: &[&Arrival], batch: usize) -> Vec<String> {
    let record = |(n, arrival): (usize, &&Arrival)| {
        let sequence = 49_590_338_271_490_256_608_559_692_538_361_571_095_u128 + n as u128;
        serde_json::json!({
            "eventID": format!("shardId-{shard:012}:{sequence}"),
            "eventName": "aws:kinesis:record",
            "eventSource": "aws:kinesis",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/calls",
            "eventVersion": "1.0",
            "awsRegion": "us-east-1",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/count-calls",
            "kinesis": {
                "sequenceNumber": sequence.to_string(),
                "partitionKey": arrival.partition_key.as_str(),
                "data": STANDARD.encode(&arrival.bytes),
                "approximateArrivalTimestamp": arrival.arrival_ms as f64 / 1_000.0,
                "kinesisSchemaVersion": "1.0",
            },
        })
    };
    let records: Vec<_> = records.iter().enumerate().map(record).collect();
    records.chunks(batch).map(|chunk| serde_json::json!({ "Records": chunk }).to_string()).collect()
}

/// Has a function handle events; fails if it leaves a record undone.
pub async fn handle<S: TileStore>(
    counter: &mut CallCounter<S, Nowhere>,
    events: &[String],
    total: &mut BatchReport,
) -> anyhow::Result<()> {
    for event in events {
        let event: KinesisEvent = serde_json::from_str(event)?;
        let deadline = tokio::time::Instant::now() + Duration::from_mins(15);
        let (response, report) = counter.handle(event, deadline).await?;
        anyhow::ensure!(response.batch_item_failures.is_empty(), "a record was left undone");
        total.merge(&report);
    }
    Ok(())
}

/// The most memory that a process has had so far, in MB.
pub fn peak_mb(process: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let peak_kb: f64 = peak.trim().trim_end_matches("kB").trim().parse()?;
    Ok(peak_kb / 1_024.0)
}

/// Ticks of processor time in a second, as Linux shows them to programs on every machine.
const TICKS_A_SECOND: f64 = 100.0;

/// Processor time that all threads of a process have taken so far, in seconds.
pub fn cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program stands in brackets and may hold anything. Behind it, user and system time are the twelfth
    // and thirteenth.
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS_A_SECOND)
}

/// A process that does not outlive its measurement.
#[derive(Debug)]
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The median; of an even number of values, the upper of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The processor's name and how many cores there are.
pub fn machine() -> String {
    let read = || -> anyhow::Result<String> {
        let text = std::fs::read_to_string("/proc/cpuinfo")?;
        let line = text.lines().find(|line| line.starts_with("model name")).context("no model name")?;
        Ok(line.split(':').nth(1).unwrap_or_default().trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores", read().unwrap_or_else(|_| std::env::consts::ARCH.to_owned()))
}
