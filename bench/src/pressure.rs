//! What count-calls takes under pressure: large batches, hot numbers, many numbers. Time and peak memory, each case in
//! a process of its own.
//!
//!     cargo run --release -p bench --bin pressure

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lambda_events::kinesis::KinesisEvent;
use bench::{Nowhere, Sink, machine, peak_mb};
use cdr::NumberPlan;
use count_calls::{BatchReport, CallCounter, CounterSettings};
use event_source::{MAX_BATCH_BYTES, Record, kinesis_event, payload_bytes};
use features::FeatureSet;

/// 2026-11-20T12:00:00Z.
const NOW_MS: i64 = 1_795_176_000_000;
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/calls";
const SHARD: &str = "shardId-000000000000";
const BATCH: usize = 10_000;

/// A name, how many calls, and the calls.
type Case = (&'static str, usize, fn(usize) -> String);

const CASES: [Case; 5] = [
    ("10,000 records, different numbers", 10_000, |n| call(n, &number(n), &number(n + 5_000_000))),
    ("100,000 records, different numbers", 100_000, |n| call(n, &number(n), &number(n + 5_000_000))),
    ("1,000,000 records, different numbers", 1_000_000, |n| call(n, &number(n), &number(n + 5_000_000))),
    ("25,000 records of one number in a minute", 25_000, |n| call(n, "+12025550101", &number(n))),
    ("100,000 records to one number in a minute", 100_000, |n| call(n, &number(n), "+12025550101")),
];
/// The case of aggregates: as many calls as fit into an event of 6 MB.
const AGGREGATES: &str = "one event of 6 MB, in aggregates";

fn main() -> anyhow::Result<()> {
    if let Some(case) = std::env::args().nth(1) {
        return run(&case);
    }
    println!("machine: {}; one thread, a store that keeps nothing", machine());
    println!("{:<44} {:>10} {:>12} {:>12}", "case", "seconds", "calls", "peak MB");
    for case in CASES.iter().map(|case| case.0).chain([AGGREGATES]) {
        let done = Command::new(std::env::current_exe()?).arg(case).output()?;
        anyhow::ensure!(done.status.success(), "{case}: {}", String::from_utf8_lossy(&done.stderr));
        print!("{}", String::from_utf8_lossy(&done.stdout));
    }
    Ok(())
}

fn run(name: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let set = Arc::new(FeatureSet::default_set()?);
    let plan = Arc::new(NumberPlan::new("US")?);
    let mut counter = CallCounter::new(Sink, Nowhere, set, plan, CounterSettings::default());
    let mut total = BatchReport::default();
    let mut took = Duration::ZERO;
    let mut deliver = |records: &[Record]| {
        let event: KinesisEvent = kinesis_event(ARN, SHARD, records);
        let started = Instant::now();
        let deadline = tokio::time::Instant::now() + Duration::from_mins(15);
        let (response, report) = runtime.block_on(counter.handle(event, deadline))?;
        took += started.elapsed();
        anyhow::ensure!(response.batch_item_failures.is_empty(), "a record was left undone");
        total.merge(&report);
        Ok(())
    };
    match CASES.iter().find(|case| case.0 == name) {
        Some((_, calls, call)) => {
            for first in (0..*calls).step_by(BATCH) {
                let batch = first..(first + BATCH).min(*calls);
                deliver(&batch.map(|n| record(n, call(n).into_bytes())).collect::<Vec<_>>())?;
            }
        }
        None => deliver(&aggregates())?,
    }
    anyhow::ensure!(total.duplicates == 0 && total.quarantined.is_empty(), "{total:?}");
    let counted = total.counted + total.unchecked;
    println!("{name:<44} {:>10.2} {counted:>12} {:>12.0}", took.as_secs_f64(), peak_mb(std::process::id())?);
    Ok(())
}

/// Aggregates of 500 calls, until the event is full.
fn aggregates() -> Vec<Record> {
    let (mut records, mut bytes) = (Vec::new(), 14);
    for n in 0.. {
        let calls: Vec<String> =
            (n * 500..(n + 1) * 500).map(|n| call(n, &number(n), &number(n + 5_000_000))).collect();
        let next = record(n, cdr::aggregate(calls.iter().map(|call| ("p", call.as_bytes()))));
        bytes += payload_bytes(ARN, SHARD, &next);
        if bytes > MAX_BATCH_BYTES {
            break;
        }
        records.push(next);
    }
    records
}

fn record(n: usize, data: Vec<u8>) -> Record {
    Record {
        sequence_number: (49_590_338_271_490_256_608_u128 + n as u128).to_string(),
        partition_key: "p".to_owned(),
        data,
        arrived_at_ms: NOW_MS,
    }
}

fn number(n: usize) -> String {
    format!("+1{:03}{:07}", 201 + n / 8_000_000, 2_000_000 + n % 8_000_000)
}

fn call(n: usize, caller: &str, callee: &str) -> String {
    format!(
        r#"{{"call_id":"c{n}","caller":"{caller}","callee":"{callee}","started_at":"2026-11-20T11:59:{:02}Z","answered_at":"2026-11-20T11:59:59Z","ended_at":"2026-11-20T12:00:00Z","outcome":"answered"}}"#,
        n % 59
    )
}
