//! How many calls a second one core of count-calls takes: the JSON of a Kinesis event in, tile deltas out.
//!
//!     cargo run --profile dist -p bench --bin count-calls-rate
//!
//! Four figures for each batch size, medians of several runs on one thread: decoding the event alone, the handler
//! with a store that keeps nothing, the same with tiles in memory, and write units a call.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lambda_events::kinesis::KinesisEvent;
use bench::{Nowhere, Sink, arrivals, events, machine, median};
use cdr::NumberPlan;
use count_calls::{BatchReport, CallCounter, CounterSettings};
use features::FeatureSet;
use tiles::{MemoryTiles, TileStore};

const RUNS: usize = 5;
const CALLS: usize = 100_000;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    println!("machine: {}; one thread, medians of {RUNS} runs over {CALLS} records", machine());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let set = Arc::new(FeatureSet::default_set()?);
    let arrivals = arrivals(CALLS)?;
    let records: Vec<_> = arrivals.iter().collect();
    println!("{:>8} {:>16} {:>16} {:>16} {:>12}", "batch", "decode /s", "handler /s", "in memory /s", "units/call");
    for batch in [100, 1_000, 10_000] {
        let events = events(0, &records, batch);
        let decode = rate(|| {
            for event in &events {
                black_box(serde_json::from_str::<KinesisEvent>(event)?);
            }
            Ok(())
        })?;
        let handler = rate(|| runtime.block_on(count(Sink, &set, &events)).map(drop))?;
        let in_memory = rate(|| runtime.block_on(count(MemoryTiles::default(), &set, &events)).map(drop))?;
        let report = runtime.block_on(count(MemoryTiles::default(), &set, &events))?;
        let units = report.write_units / report.counted as f64;
        println!("{batch:>8} {decode:>16.0} {handler:>16.0} {in_memory:>16.0} {units:>12.2}");
    }
    Ok(())
}

fn rate(mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        run()?;
        rates.push(CALLS as f64 / started.elapsed().as_secs_f64());
    }
    Ok(median(rates))
}

async fn count(store: impl TileStore, set: &Arc<FeatureSet>, events: &[String]) -> anyhow::Result<BatchReport> {
    let plan = Arc::new(NumberPlan::new("US")?);
    let mut counter = CallCounter::new(store, Nowhere, Arc::clone(set), plan, CounterSettings::default());
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
