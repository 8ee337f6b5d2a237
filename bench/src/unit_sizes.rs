//! Sizes and read units that `tollwatch cost` reckons with: of a record, of a line of the archive, of the tiles of a
//! call, and of a lookup.
//!
//!     cargo run --release -p bench --bin unit-sizes
//!
//! Prints a Markdown table. Nothing of it is a time: any build gives the same figures.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bench::{END_MS, Nowhere, arrivals, events, handle, median};
use call_files::write_archive_line;
use cdr::NumberPlan;
use cdr_generator::{Arrival, Config, Generator};
use count_calls::{BatchReport, CallCounter, CounterSettings};
use features::{DAY_MS, Entity, FeatureSet, Level, MINUTE_MS, Party};
use flate2::Compression;
use flate2::write::GzEncoder;
use smol_str::SmolStr;
use tiles::{
    CasOutcome, Interval, MemoryTiles, Position, StoreError, StoredTile, TileKey, TileStore, TileVersion, read_states,
};

const CALLS: usize = 100_000;
/// What DynamoDB adds to each item of its storage, besides names and values
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>).
const ITEM_OVERHEAD_BYTES: u64 = 100;
/// A query costs half a unit for each 4 KiB begun, as it is eventually consistent.
const READ_UNIT_BYTES: u64 = 4_096;
/// Batches that Lambda gets where few calls arrive.
const SMALL_BATCHES: [usize; 2] = [1, 10];
/// Records of the small batches: what they cost does not change with the number.
const SMALL_CALLS: usize = 20_000;
const LOOKUPS: usize = 5_000;

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    println!("| what | figure |\n|---|---|");
    let set = Arc::new(FeatureSet::default_set()?);
    let all = arrivals(CALLS)?;
    lines(&all)?;

    for batch in SMALL_BATCHES {
        for shards in [1_u32, 4, 16] {
            let (_, report) = count(&set, &all[..SMALL_CALLS], shards, batch).await?;
            let units = report.write_units / report.counted as f64;
            println!("| write units a call, {shards} shards, batch of {batch} | {units:.2} |");
        }
    }
    let (store, report) = count(&set, &all, 4, 1_000).await?;
    let tiles = store.all();
    let bytes: u64 = tiles.iter().map(|(key, tile)| item_bytes(key.pk.len() + key.sk.len(), tile)).sum();
    println!("| tiles a call | {:.2} |", tiles.len() as f64 / report.counted as f64);
    println!("| bytes of a tile in storage, mean | {:.0} |", bytes as f64 / tiles.len() as f64);
    println!("| bytes of a call's tiles in storage | {:.0} |", bytes as f64 / report.counted as f64);
    lookups(&set).await
}

/// A record as it is sent, and as the archive has it.
fn lines(all: &[Arrival]) -> anyhow::Result<()> {
    let plan = NumberPlan::new("US")?;
    let (mut sent, mut line_bytes, mut count) = (0, 0, 0_u64);
    let mut file = GzEncoder::new(Vec::new(), Compression::default());
    let mut line = String::new();
    for (n, arrival) in all.iter().enumerate() {
        sent += arrival.bytes.len();
        let Ok(parsed) = cdr::parse(&plan, &arrival.bytes) else { continue };
        let number = (49_590_338_271_490_256_608_559_692_538_361_571_095_u128 + n as u128).to_string();
        let position = Position::parse(&number, 0).ok_or_else(|| anyhow::anyhow!("no position"))?.to_string();
        line.clear();
        write_archive_line(&mut line, &position, arrival.arrival_ms, &parsed.record);
        line_bytes += line.len();
        count += 1;
        file.write_all(line.as_bytes())?;
    }
    let packed = file.finish()?.len();
    println!("| bytes of a record as JSON | {:.0} |", sent as f64 / all.len() as f64);
    println!("| bytes of an archive line | {:.0} |", line_bytes as f64 / count as f64);
    println!("| the same, gzip | {:.0} |", packed as f64 / count as f64);
    Ok(())
}

async fn count(
    set: &Arc<FeatureSet>,
    all: &[Arrival],
    shards: u32,
    batch: usize,
) -> anyhow::Result<(Arc<MemoryTiles>, BatchReport)> {
    let store = Arc::new(MemoryTiles::default());
    let mut total = BatchReport::default();
    for shard in 0..shards {
        let is_mine =
            |arrival: &&Arrival| features::hash_text(&arrival.partition_key) % u64::from(shards) == u64::from(shard);
        let mine: Vec<&Arrival> = all.iter().filter(is_mine).collect();
        let plan = Arc::new(NumberPlan::new("US")?);
        let mut counter =
            CallCounter::new(Arc::clone(&store), Nowhere, Arc::clone(set), plan, CounterSettings::default());
        handle(&mut counter, &events(shard, &mine, batch), &mut total).await?;
    }
    Ok((store, total))
}

fn item_bytes(key_bytes: usize, tile: &StoredTile) -> u64 {
    let version = match tile.version {
        TileVersion::Calls(_) => 4,
        TileVersion::Applied(position) => position.as_bytes().len(),
    };
    // Names pk, sk, v, c, s, ttl, and 6 bytes of the expiry.
    let bytes = 2 + 2 + 1 + 1 + 1 + 3 + key_bytes + version + tile.calls.len() + tile.state.len() + 6;
    bytes as u64 + ITEM_OVERHEAD_BYTES
}

/// Tiles that count what reading them costs.
struct Metered {
    store: Arc<MemoryTiles>,
    queries: AtomicU64,
    /// Of half a read unit.
    halves: AtomicU64,
}

impl TileStore for Metered {
    async fn compare_and_set(
        &self,
        key: &TileKey,
        expected: Option<TileVersion>,
        tile: &StoredTile,
    ) -> Result<CasOutcome, StoreError> {
        self.store.compare_and_set(key, expected, tile).await
    }

    async fn query(&self, partition: &str, from: &str, to: &str) -> Result<Vec<(SmolStr, StoredTile)>, StoreError> {
        let found = self.store.query(partition, from, to).await?;
        let bytes: u64 =
            found.iter().map(|(sk, tile)| item_bytes(partition.len() + sk.len(), tile) - ITEM_OVERHEAD_BYTES).sum();
        self.queries.fetch_add(1, Ordering::Relaxed);
        self.halves.fetch_add(bytes.div_ceil(READ_UNIT_BYTES).max(1), Ordering::Relaxed);
        Ok(found)
    }
}

/// What is read to answer all features of a number, up to now, as caller and as callee: the tiles since the snapshot's
/// last day began. Asked for are those who called last, 12 hours into the day.
async fn lookups(set: &Arc<FeatureSet>) -> anyhow::Result<()> {
    let mut config = Config::new(7, END_MS, 2, 20_000);
    config.calls_per_subscriber_day = 4.0;
    let all: Vec<_> = Generator::new(config)?.arrivals(END_MS - 36 * 3_600_000, END_MS).collect();
    let (store, _) = count(set, &all, 4, 1_000).await?;
    let metered = Metered { store, queries: AtomicU64::new(0), halves: AtomicU64::new(0) };
    let plan = NumberPlan::new("US")?;
    let calls = all.iter().rev().filter_map(|arrival| cdr::parse(&plan, &arrival.bytes).ok());
    let to_ms = END_MS - END_MS.rem_euclid(MINUTE_MS);
    let from_ms = END_MS - END_MS.rem_euclid(DAY_MS) - DAY_MS;
    let mut halves_of_each = Vec::new();
    let (mut asked, mut halves_before) = (0_u64, 0);
    for call in calls.take(LOOKUPS) {
        let Some(key) = Level::Phone.key(&call.record.caller, set.settings().range_digits) else { continue };
        for party in Party::ALL {
            let entity = Entity::new(party, Level::Phone, key);
            read_states(&metered, set, &entity, &[Interval { from_ms, to_ms }], END_MS / 1_000).await?;
        }
        asked += 1;
        let halves = metered.halves.load(Ordering::Relaxed);
        halves_of_each.push((halves - halves_before) as f64);
        halves_before = halves;
    }
    let (queries, halves) = (metered.queries.into_inner(), metered.halves.into_inner());
    println!("| queries a lookup | {:.2} |", queries as f64 / asked as f64);
    println!("| read units a lookup, mean | {:.2} |", halves as f64 / 2.0 / asked as f64);
    println!("| read units a lookup, median | {:.2} |", median(halves_of_each) / 2.0);
    Ok(())
}
