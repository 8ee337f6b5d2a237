//! What a key costs whose footer and row group are not in memory, whose row group is not, and that is in memory whole:
//! reads, bytes and time, from files and from a local S3.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use bench::world::phone;
use bench::{machine, median, peak_mb};
use features::{Level, Party};
use local_aws::{LocalAws, LocalAwsConfig};
use objects::{Location, Objects};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use snapshot::{CacheSizes, SnapshotCache, SnapshotReader};

use crate::make::World;
use crate::{BUCKET, data};

/// Keys of each figure.
const KEYS: usize = 300;
/// Keys behind which the memory of the process is looked at.
const MANY_KEYS: usize = 100_000;
/// The cache of the service by default.
const CACHE_BYTES: u64 = 128 * 1024 * 1024;
/// A ranged read is at most this long.
const READ_BYTES_MAX: u64 = 128 * 1024;

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    world: World,
}

/// Measures both and prints a Markdown table.
pub(crate) async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let world = &arguments.world;
    println!("{} phones; {KEYS} random keys each; {}\n", world.phones, machine());
    println!("| from | footer | row group | reads a key | KB a key | largest KB | p50 us | p99 us |");
    println!("|---|---|---|---|---|---|---|---|");
    let files = Objects::in_folder(data(&world.folder));
    rows("files", world, &files, Counter::Process).await?;
    let memory = memory(world, &files).await?;
    let local = LocalAws::start(LocalAwsConfig::default().with_s3(&world.folder)).await?;
    let reads = Arc::new(Requests::default());
    let config = local.s3()?.config().to_builder().interceptor(Counting(Arc::clone(&reads))).build();
    let place: Location = format!("s3://{BUCKET}").parse()?;
    let bucket = Objects::open(&place, Some(aws_sdk_s3::Client::from_conf(config)))?;
    rows("local S3", world, &bucket, Counter::Requests(reads)).await?;
    local.shutdown().await;
    println!("\n{memory}");
    Ok(())
}

/// The three figures of a location.
async fn rows(name: &str, world: &World, objects: &Objects, counter: Counter) -> anyhow::Result<()> {
    let set = world.set()?;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let keys: Vec<String> = (0..KEYS).map(|_| phone(random.random_range(0..world.phones), world.phones)).collect();
    // A snapshot that was just opened has read nothing but its manifest. The first keys open what the process needs
    // once, connections among it.
    for key in &keys[..keys.len() / 10] {
        open(objects, &set, CACHE_BYTES).await?.get(Party::Caller, Level::Phone, key).await?.context("no row")?;
    }
    let mut cold = Vec::new();
    for key in &keys {
        let reader = open(objects, &set, CACHE_BYTES).await?;
        cold.push(one(&reader, key, &counter).await?);
    }
    print(name, ["read", "read"], &cold);

    // All footers are read first, by other keys; no row group is kept.
    let footers = CacheSizes { footers: CACHE_BYTES * 8, blocks: 0, rows: 0, days: 0 };
    let reader =
        SnapshotReader::open(objects.clone(), Arc::clone(&set), Arc::new(SnapshotCache::new(footers))).await?;
    let reader = reader.context("no snapshot")?;
    for key in &keys {
        reader.get(Party::Caller, Level::Phone, key).await?;
    }
    let mut warm = Vec::new();
    for key in &keys {
        warm.push(one(&reader, key, &counter).await?);
    }
    print(name, ["in memory", "read"], &warm);

    let reader = open(objects, &set, CACHE_BYTES).await?;
    let few = &keys[..20];
    for key in few {
        reader.get(Party::Caller, Level::Phone, key).await?;
    }
    let mut hot = Vec::new();
    for key in few.iter().cycle().take(KEYS) {
        hot.push(one(&reader, key, &counter).await?);
    }
    print(name, ["in memory", "in memory"], &hot);
    Ok(())
}

async fn open(objects: &Objects, set: &Arc<features::FeatureSet>, bytes: u64) -> anyhow::Result<SnapshotReader> {
    let cache = Arc::new(SnapshotCache::new(CacheSizes::of_total(bytes)));
    SnapshotReader::open(objects.clone(), Arc::clone(set), cache).await?.context("no snapshot")
}

async fn one(reader: &SnapshotReader, key: &str, counter: &Counter) -> anyhow::Result<Read> {
    // Looking is reading, too.
    let looking = counter.now()?;
    let before = counter.now()?;
    let started = Instant::now();
    let row = reader.get(Party::Caller, Level::Phone, key).await?;
    let us = started.elapsed().as_secs_f64() * 1e6;
    anyhow::ensure!(row.is_some(), "a key has no row");
    let after = counter.now()?;
    let read = Read {
        us,
        reads: (after.reads - before.reads) - (before.reads - looking.reads),
        bytes: (after.bytes - before.bytes) - (before.bytes - looking.bytes),
        largest: after.largest,
    };
    anyhow::ensure!(read.largest <= READ_BYTES_MAX, "a read of {} bytes", read.largest);
    Ok(read)
}

/// The memory of the process after many keys, each of which was asked for once.
async fn memory(world: &World, objects: &Objects) -> anyhow::Result<String> {
    let before = resident_mb()?;
    let reader = open(objects, &world.set()?, CACHE_BYTES).await?;
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let started = Instant::now();
    for _ in 0..MANY_KEYS {
        let key = phone(random.random_range(0..world.phones), world.phones);
        reader.get(Party::Caller, Level::Phone, &key).await?.context("a key has no row")?;
    }
    let each_us = started.elapsed().as_secs_f64() * 1e6 / MANY_KEYS as f64;
    Ok(format!(
        "{MANY_KEYS} random keys one after the other from files, with a cache of {} MB: {each_us:.0} us a key; the \
         process had {before:.0} MB before and has {:.0} MB behind them, {:.0} MB at most",
        CACHE_BYTES / 1024 / 1024,
        resident_mb()?,
        peak_mb(std::process::id())?,
    ))
}

fn resident_mb() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1_024.0)
}

/// What one key took.
struct Read {
    us: f64,
    reads: u64,
    bytes: u64,
    largest: u64,
}

fn print(name: &str, [footer, block]: [&str; 2], reads: &[Read]) {
    let count = reads.len() as f64;
    let mean = |of: fn(&Read) -> u64| reads.iter().map(of).sum::<u64>() as f64 / count;
    let mut us: Vec<f64> = reads.iter().map(|read| read.us).collect();
    us.sort_by(f64::total_cmp);
    println!(
        "| {name} | {footer} | {block} | {:.2} | {:.1} | {} | {:.0} | {:.0} |",
        mean(|read| read.reads),
        mean(|read| read.bytes) / 1_024.0,
        match reads.iter().map(|read| read.largest).max() {
            Some(0) | None => String::new(),
            Some(bytes) => format!("{:.1}", bytes as f64 / 1_024.0),
        },
        median(us.clone()),
        us[us.len() * 99 / 100],
    );
}

/// Counts reads.
enum Counter {
    /// What Linux says that this process read.
    Process,
    /// Requests through an SDK client.
    Requests(Arc<Requests>),
}

/// What was read so far; `largest` of all so far, where it is known.
struct Counted {
    reads: u64,
    bytes: u64,
    largest: u64,
}

impl Counter {
    fn now(&self) -> anyhow::Result<Counted> {
        match self {
            Self::Process => {
                let io = std::fs::read_to_string("/proc/self/io")?;
                let field = |name: &str| -> anyhow::Result<u64> {
                    let value = io.lines().find_map(|line| line.strip_prefix(name)).context("no such field")?;
                    Ok(value.trim().parse()?)
                };
                Ok(Counted { reads: field("syscr:")?, bytes: field("rchar:")?, largest: 0 })
            }
            Self::Requests(requests) => Ok(Counted {
                reads: requests.count.load(Ordering::Relaxed),
                bytes: requests.bytes.load(Ordering::Relaxed),
                largest: requests.largest.load(Ordering::Relaxed),
            }),
        }
    }
}

/// Requests, and the bytes of the ranges that they ask for.
#[derive(Debug, Default)]
struct Requests {
    count: AtomicU64,
    bytes: AtomicU64,
    largest: AtomicU64,
}

#[derive(Debug)]
struct Counting(Arc<Requests>);

impl Intercept for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        if let Some(range) = context.request().headers().get("range") {
            let (from, to) = range.trim_start_matches("bytes=").split_once('-').ok_or("no range")?;
            let bytes = to.parse::<u64>()? - from.parse::<u64>()? + 1;
            self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.0.largest.fetch_max(bytes, Ordering::Relaxed);
        }
        Ok(())
    }
}
