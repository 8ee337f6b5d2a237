//! What a write of a tile costs through the AWS SDK, by how many requests are in flight: writes a second, processor
//! time of both sides, and how long a write takes.
//!
//!     cargo run --profile dist -p bench --bin sdk-updates
//!
//! Prints two Markdown tables. In the first the consumer writes to the local DynamoDB in memory, in the second to a
//! stand-in that answers every write after 5 ms, an assumption about DynamoDB in the same region. Either is in a
//! process of its own, so that its processor time is told from that of the consumer, which has one thread, as on
//! Lambda. Traffic is HTTP on loopback: TLS is not in it. A number as argument is the records of a stretch, for a
//! quick look.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::num::NonZeroUsize;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bench::{Killed, Nowhere, Sink, arrivals, cpu_seconds, events, handle, machine, median};
use cdr::NumberPlan;
use count_calls::{BatchReport, CallCounter, CounterSettings};
use features::FeatureSet;
use local_aws::{DynamoStorage, LocalAws, LocalAwsConfig};
use smol_str::SmolStr;
use tiles::{CasOutcome, DynamoTiles, StoreError, StoredTile, TileKey, TileStore, TileVersion};
use tokio::net::TcpListener;

/// Requests in flight.
const IN_FLIGHT: [usize; 7] = [1, 4, 16, 32, 64, 128, 256];
/// Stretches that are measured, behind one that opens connections.
const STRETCHES: usize = 5;
/// Records of a stretch, unless an argument says otherwise.
const RECORDS: usize = 2_000;
const BATCH: usize = 1_000;
/// An assumption: about what a conditional write to DynamoDB takes within a region, there and back.
const STAND_IN_DELAY: Duration = Duration::from_millis(5);

/// The argument with which this program is one of the endpoints.
const SERVE_DYNAMODB: &str = "--serve-dynamodb";
const SERVE_STAND_IN: &str = "--serve-stand-in";

fn main() -> anyhow::Result<()> {
    let argument = std::env::args().nth(1);
    match argument.as_deref() {
        Some(SERVE_DYNAMODB) => {
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve_dynamodb())
        }
        Some(SERVE_STAND_IN) => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve_stand_in())
        }
        records => {
            let records = records.map_or(Ok(RECORDS), str::parse).context("how many records a stretch?")?;
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(records))
        }
    }
}

/// An endpoint in a process of its own. It ends when its standard input does, at the latest with this process.
struct Endpoint {
    url: String,
    process: u32,
    _input: Option<ChildStdin>,
    _child: Killed,
}

impl Endpoint {
    fn start(argument: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg(argument).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (process, input, output) = (child.id(), child.stdin.take(), child.stdout.take());
        let child = Killed(child);
        let mut url = String::new();
        BufReader::new(output.context("no output")?).read_line(&mut url)?;
        let url = url.trim().to_owned();
        anyhow::ensure!(!url.is_empty(), "the endpoint did not start");
        Ok(Self { url, process, _input: input, _child: child })
    }
}

async fn serve_dynamodb() -> anyhow::Result<()> {
    let local = LocalAws::start(LocalAwsConfig::default().with_dynamodb(DynamoStorage::Memory)).await?;
    until_left(&local.endpoints().dynamodb.context("DynamoDB has no endpoint")?).await?;
    local.shutdown().await;
    Ok(())
}

/// Takes every write, keeps none, and answers after a while.
async fn serve_stand_in() -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    until_left(&url).await?;
    server.abort();
    Ok(())
}

/// The body is taken as a whole, so that the connection can be used again.
async fn answer(_: Bytes) -> impl IntoResponse {
    tokio::time::sleep(STAND_IN_DELAY).await;
    let answer = r#"{"ConsumedCapacity":{"TableName":"bench-tiles","CapacityUnits":1.0}}"#;
    ([(CONTENT_TYPE, "application/x-amz-json-1.0")], answer)
}

/// Tells where the endpoint is, and returns when nobody is there any more who asked.
async fn until_left(url: &str) -> anyhow::Result<()> {
    println!("{url}");
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

async fn measure(records: usize) -> anyhow::Result<()> {
    let batch = BATCH.min(records);
    anyhow::ensure!(batch > 0 && records.is_multiple_of(batch), "{records} records are no whole batches of {BATCH}");
    let calls = Calls {
        set: Arc::new(FeatureSet::default_set()?),
        events: events(0, &arrivals((STRETCHES + 1) * records)?.iter().collect::<Vec<_>>(), batch),
        stretch: records / batch,
    };
    println!("machine: {}; medians of {STRETCHES} stretches of {records} records, in batches of {batch}", machine());

    let mut alone = Lane::new(Sink, &calls, CounterSettings::default())?;
    for stretch in calls.stretches() {
        alone.run(stretch, None).await?;
    }
    println!(
        "of the consumer's time, {:.0} µs a write are its own, with a store that keeps nothing",
        alone.median(|s| s.own_us)
    );

    println!("\nThe local DynamoDB, in memory:\n");
    table(&Endpoint::start(SERVE_DYNAMODB)?, true, &calls).await?;
    println!("\nA stand-in that answers after {} ms:\n", STAND_IN_DELAY.as_millis());
    table(&Endpoint::start(SERVE_STAND_IN)?, false, &calls).await
}

/// What every number of requests in flight is given.
struct Calls {
    set: Arc<FeatureSet>,
    events: Vec<String>,
    /// Events of a stretch.
    stretch: usize,
}

impl Calls {
    fn stretches(&self) -> impl Iterator<Item = &[String]> {
        self.events.chunks(self.stretch)
    }
}

/// Prints a line for each number of requests in flight. They take turns, so that a slow moment of the machine falls on
/// all of them.
async fn table(endpoint: &Endpoint, has_tables: bool, calls: &Calls) -> anyhow::Result<()> {
    let mut lanes = Vec::new();
    for in_flight in IN_FLIGHT {
        // Connections of their own, and tiles of their own.
        let tiles = DynamoTiles::new(local_aws::dynamodb_client(&endpoint.url), &format!("bench-tiles-{in_flight}"));
        if has_tables {
            tiles.create_table_if_missing().await?;
        }
        let requests_in_flight = NonZeroUsize::new(in_flight).context("no requests in flight")?;
        let settings = CounterSettings { requests_in_flight, ..CounterSettings::default() };
        lanes.push((in_flight, Lane::new(tiles, calls, settings)?));
    }
    for stretch in calls.stretches() {
        for (_, lane) in &mut lanes {
            lane.run(stretch, Some(endpoint.process)).await?;
        }
    }
    println!("| in flight | writes/s | consumer, µs a write | endpoint, µs a write | p50 ms | p99 ms |");
    println!("|---|---|---|---|---|---|");
    for (in_flight, lane) in &lanes {
        println!(
            "| {in_flight} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
            lane.median(|stretch| stretch.rate),
            lane.median(|stretch| stretch.own_us),
            lane.median(|stretch| stretch.endpoint_us),
            lane.median(|stretch| stretch.p50_ms),
            lane.median(|stretch| stretch.p99_ms),
        );
    }
    Ok(())
}

/// A consumer with its store, and what it was measured at.
struct Lane<S> {
    store: Arc<Timed<S>>,
    counter: CallCounter<Arc<Timed<S>>, Nowhere>,
    stretches: Vec<Stretch>,
}

/// What a stretch of calls took.
struct Stretch {
    /// Writes a second.
    rate: f64,
    /// Processor time of this process a write.
    own_us: f64,
    /// The same of the endpoint.
    endpoint_us: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl<S: TileStore> Lane<S> {
    fn new(store: S, calls: &Calls, settings: CounterSettings) -> anyhow::Result<Self> {
        let store = Arc::new(Timed { store, took_ms: Mutex::default() });
        let plan = Arc::new(NumberPlan::new("US")?);
        let counter = CallCounter::new(Arc::clone(&store), Nowhere, Arc::clone(&calls.set), plan, settings);
        Ok(Self { store, counter, stretches: Vec::new() })
    }

    async fn run(&mut self, events: &[String], endpoint: Option<u32>) -> anyhow::Result<()> {
        let endpoint_seconds = || endpoint.map_or(Ok(0.0), cpu_seconds);
        let before = (cpu_seconds(std::process::id())?, endpoint_seconds()?);
        let started = Instant::now();
        handle(&mut self.counter, events, &mut BatchReport::default()).await?;
        let seconds = started.elapsed().as_secs_f64();
        let after = (cpu_seconds(std::process::id())?, endpoint_seconds()?);
        let mut took_ms = self.store.take()?;
        took_ms.sort_by(f64::total_cmp);
        let writes = took_ms.len() as f64;
        let percentile = |share: f64| took_ms.get((writes * share) as usize).copied().unwrap_or(f64::NAN);
        self.stretches.push(Stretch {
            rate: writes / seconds,
            own_us: (after.0 - before.0) * 1e6 / writes,
            endpoint_us: (after.1 - before.1) * 1e6 / writes,
            p50_ms: percentile(0.5),
            p99_ms: percentile(0.99),
        });
        Ok(())
    }

    /// The median over all stretches but the first.
    fn median(&self, figure: impl Fn(&Stretch) -> f64) -> f64 {
        median(self.stretches.iter().skip(1).map(figure).collect())
    }
}

/// A store that notes how long each write took, refused ones among them.
#[derive(Debug)]
struct Timed<S> {
    store: S,
    took_ms: Mutex<Vec<f64>>,
}

impl<S> Timed<S> {
    /// What was noted since the last time.
    fn take(&self) -> anyhow::Result<Vec<f64>> {
        let mut took_ms = self.took_ms.lock().map_err(|_| anyhow::anyhow!("a write panicked"))?;
        Ok(std::mem::take(&mut *took_ms))
    }
}

impl<S: TileStore> TileStore for Timed<S> {
    async fn compare_and_set(
        &self,
        key: &TileKey,
        expected: Option<TileVersion>,
        tile: &StoredTile,
    ) -> Result<CasOutcome, StoreError> {
        let started = Instant::now();
        let outcome = self.store.compare_and_set(key, expected, tile).await;
        if let Ok(mut took_ms) = self.took_ms.lock() {
            took_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
        }
        outcome
    }

    async fn query(&self, partition: &str, from: &str, to: &str) -> Result<Vec<(SmolStr, StoredTile)>, StoreError> {
        self.store.query(partition, from, to).await
    }
}
