//! How many calls a second one core of count-calls takes: the JSON of a Kinesis event in, tile deltas out.
//!
//!     cargo run --profile dist -p bench --bin count-calls-rate
//!
//! Three figures for each batch size, on one thread: decoding the event alone, the handler with a store that keeps
//! nothing, and the handler with tiles in memory. The first stretch of calls warms the function, as on Lambda, where
//! it lives for hours; the figures are medians over the stretches behind it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use aws_lambda_events::kinesis::KinesisEvent;
use bench::{Nowhere, Sink, arrivals, events, handle, machine, median};
use cdr::NumberPlan;
use count_calls::{BatchReport, CallCounter, CounterSettings};
use features::FeatureSet;
use tiles::{MemoryTiles, TileStore};

/// Stretches that are measured, behind one that is not.
const STRETCHES: usize = 5;
/// Records of a stretch.
const RECORDS: usize = 100_000;

fn main() -> anyhow::Result<()> {
    println!("machine: {}; one thread, medians of {STRETCHES} stretches of {RECORDS} records", machine());
    let set = Arc::new(FeatureSet::default_set()?);
    let arrivals = arrivals((STRETCHES + 1) * RECORDS)?;
    let records: Vec<_> = arrivals.iter().collect();
    println!("{:>8} {:>14} {:>14} {:>14} {:>12}", "batch", "decode /s", "handler /s", "in memory /s", "units/call");
    for batch in [100, 1_000, 10_000] {
        let events = events(0, &records, batch);
        let decode = events.chunks(RECORDS / batch).map(|stretch| {
            timed(|| {
                for event in stretch {
                    black_box(serde_json::from_str::<KinesisEvent>(event)?);
                }
                Ok(())
            })
        });
        let decode = median(decode.skip(1).collect::<anyhow::Result<_>>()?);
        let (handler, _) = rate(Sink, &set, &events, batch)?;
        let (in_memory, total) = rate(MemoryTiles::default(), &set, &events, batch)?;
        let units = total.write_units / total.counted as f64;
        println!("{batch:>8} {decode:>14.0} {handler:>14.0} {in_memory:>14.0} {units:>12.2}");
    }
    Ok(())
}

/// Records a second.
fn timed(run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let started = Instant::now();
    run()?;
    Ok(RECORDS as f64 / started.elapsed().as_secs_f64())
}

/// The median rate of one function over all events, its first stretch left out, and what it did.
fn rate(
    store: impl TileStore,
    set: &Arc<FeatureSet>,
    events: &[String],
    batch: usize,
) -> anyhow::Result<(f64, BatchReport)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let plan = Arc::new(NumberPlan::new("US")?);
    let mut counter = CallCounter::new(store, Nowhere, Arc::clone(set), plan, CounterSettings::default());
    let (mut total, mut rates) = (BatchReport::default(), Vec::new());
    for stretch in events.chunks(RECORDS / batch) {
        rates.push(timed(|| runtime.block_on(handle(&mut counter, stretch, &mut total)))?);
    }
    Ok((median(rates.split_off(1)), total))
}
