//! One run: the real handler on every shard at once, in virtual time, through whatever the seed has in store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use cdr::NumberPlan;
use count_calls::{CallCounter, CounterSettings, Lateness};
use event_source::{
    Batch, Checkpoint, Lineage, Record, Recut, RetryBackoff, Settings, Shard, ShardProgress, StartPosition, Step,
    Verdict, kinesis_event,
};
use features::FeatureSet;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tiles::MemoryTiles;
use tiles::sabotage::{self, Sabotage, is_on};
use tokio::time::{Instant, sleep, timeout};

use crate::recount;
use crate::scenario::{LATENESS_MS, Life, Scenario, ShardPlan};
use crate::store::{Clock, Fuse, Rates, Shared, SimTiles, locked};
use crate::trace::Trace;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/calls";
/// Deliveries of one shard, after which it is not getting anywhere.
const DELIVERIES_MAX: u64 = 20_000;
/// Faults of one run.
const BUDGET: u64 = 120;

/// The features of the simulation: a slot of every kind that stream tiles have.
pub static SET: LazyLock<Arc<FeatureSet>> = LazyLock::new(|| {
    let set = FeatureSet::parse(include_str!("../features.toml"), |_| Err("there are no lists here".to_owned()));
    Arc::new(set.unwrap_or_else(|errors| panic!("the simulation's own features are refused: {errors}")))
});
static PLAN: LazyLock<Arc<NumberPlan>> = LazyLock::new(|| {
    Arc::new(NumberPlan::new("US").unwrap_or_else(|error| panic!("there is no number plan: {error}")))
});

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What is not as the recount has it; empty is good.
    pub differences: Vec<String>,
    /// Hash of everything that happened.
    pub trace: u64,
    /// How many things happened.
    pub events: u64,
    /// The lines of the trace, if they were asked for.
    pub lines: Vec<String>,
}

/// Runs a seed, with something done wrong on purpose or nothing.
///
/// # Panics
///
/// If the machine gives no timer, or the feature definitions of the simulation are broken.
pub fn run(seed: u64, sabotage: Option<Sabotage>, keeps_lines: bool) -> Outcome {
    sabotage::set(sabotage);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap_or_else(|error| panic!("there is no runtime: {error}"));
    let outcome = runtime.block_on(simulate(seed, keeps_lines));
    sabotage::set(None);
    outcome
}

async fn simulate(seed: u64, keeps_lines: bool) -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scenario = Scenario::draw(&mut rng);
    let rates = Rates::draw(&mut rng);
    let world = Arc::new(Shared {
        tiles: MemoryTiles::default(),
        clock: Clock::start(),
        rng: Mutex::new(rng),
        rates,
        budget: AtomicU64::new(BUDGET),
        quarantine: Mutex::default(),
        in_the_air: AtomicU64::new(0),
        trace: Mutex::new(Trace::new(keeps_lines)),
    });
    let mut differences = Vec::new();
    for life in &scenario.lives {
        differences.extend(live(&world, life).await);
    }
    while world.in_the_air.load(Ordering::Relaxed) > 0 {
        sleep(Duration::from_secs(1)).await;
    }
    differences.extend(recount::differences(&scenario, &SET, &world.tiles.all(), &locked(&world.quarantine)));
    let mut trace = locked(&world.trace);
    let lines = trace.lines.take().unwrap_or_default();
    Outcome { seed, differences, trace: trace.hash(), events: trace.events(), lines }
}

/// One life of the stream: its shards in order of descent, side by side where they may be.
async fn live(world: &Arc<Shared>, life: &Life) -> Vec<String> {
    let parents: BTreeSet<&String> = life.shards.iter().flat_map(|shard| &shard.parents).collect();
    let listing: Vec<Shard> = life
        .shards
        .iter()
        .map(|shard| Shard {
            id: shard.id.clone(),
            parents: shard.parents.clone(),
            is_closed: parents.contains(&shard.id),
        })
        .collect();
    let mut lineage = Lineage::new(StartPosition::TrimHorizon);
    let mut running = FuturesUnordered::new();
    let mut differences = Vec::new();
    loop {
        for (id, _) in lineage.observe(&listing, &BTreeMap::<String, Checkpoint>::new()) {
            if let Some(shard) = life.shards.iter().find(|shard| shard.id == id) {
                world.note(|| format!("{id} begins"));
                running.push(ShardRun::new(world, life.generation, shard).run());
            }
        }
        let Some((id, problem)) = running.next().await else { return differences };
        world.note(|| format!("{id} has ended"));
        differences.extend(problem);
        lineage.ended(&id);
    }
}

/// A container of the function: its handler with its caches, and when it dies.
struct Container {
    counter: CallCounter<SimTiles, SimTiles>,
    fuse: Arc<Fuse>,
}

struct ShardRun<'a> {
    world: &'a Arc<Shared>,
    generation: u32,
    shard: &'a ShardPlan,
    progress: ShardProgress,
    read: usize,
    containers: [Container; 2],
}

impl<'a> ShardRun<'a> {
    fn new(world: &'a Arc<Shared>, generation: u32, shard: &'a ShardPlan) -> Self {
        let settings = Settings {
            batch_size: 1 + world.below(12) as usize,
            batching_window: Duration::from_millis(world.below(2_000)),
            bisect_on_error: world.below(2) == 0,
            retry_backoff: RetryBackoff { first: Duration::from_millis(50), max: Duration::from_secs(2) },
            ..Settings::default()
        };
        let progress = ShardProgress::new(settings, ARN, &shard.id, None);
        let containers = [container(world, generation), container(world, generation)];
        Self { world, generation, shard, progress, read: 0, containers }
    }

    async fn run(mut self) -> (String, Option<String>) {
        let mut deliveries = 0;
        loop {
            let now_ms = self.world.clock.now_ms();
            match self.progress.next(now_ms, false) {
                Step::Read { limit, deliver_at_ms } => self.read(now_ms, limit, deliver_at_ms).await,
                Step::Wait { until_ms } => self.sleep_until(until_ms).await,
                Step::Deliver(batch) => {
                    deliveries += 1;
                    if deliveries > DELIVERIES_MAX {
                        return (self.shard.id.clone(), Some(format!("{} makes no progress", self.shard.id)));
                    }
                    if let Err(why) = self.deliver(batch).await {
                        return (self.shard.id.clone(), Some(why));
                    }
                }
                Step::Discard(_) | Step::Await => {
                    return (self.shard.id.clone(), Some("the mapping gave records up".to_owned()));
                }
                Step::Finished => return (self.shard.id.clone(), None),
            }
        }
    }

    /// Reads what has arrived; waits where nothing has.
    async fn read(&mut self, now_ms: i64, limit: usize, deliver_at_ms: Option<i64>) {
        let rest = &self.shard.entries[self.read..];
        let arrived = rest.iter().take(limit).take_while(|entry| entry.arrived_at_ms <= now_ms);
        let records: Vec<Record> = arrived
            .map(|entry| Record {
                sequence_number: entry.sequence.to_string(),
                partition_key: "p".to_owned(),
                data: entry.bytes(),
                arrived_at_ms: entry.arrived_at_ms,
            })
            .collect();
        let is_end = records.len() == rest.len();
        if records.is_empty() && !is_end {
            let next_ms = rest[0].arrived_at_ms.min(deliver_at_ms.unwrap_or(i64::MAX));
            return self.sleep_until(next_ms).await;
        }
        self.read += records.len();
        self.progress.push(now_ms, records, is_end);
    }

    async fn sleep_until(&self, at_ms: i64) {
        let ms = (at_ms - self.world.clock.now_ms()).max(1);
        sleep(Duration::from_millis(ms.unsigned_abs())).await;
    }

    /// Hands a batch to a container, and lets happen to it what the seed wants.
    async fn deliver(&mut self, batch: Batch) -> Result<(), String> {
        let world = self.world;
        let records: Vec<Record> = self.progress.records(batch.len).cloned().collect();
        let place = usize::from(world.strikes(world.rates.container));
        if place == 1 && world.below(2) == 0 {
            self.containers[1] = container(world, self.generation);
        }
        let shown =
            if is_on(Sabotage::LatenessByClock) { by_clock(&records, world.clock.now_ms()) } else { records.clone() };
        let event = kinesis_event(ARN, &self.shard.id, &shown);
        let used = &mut self.containers[place];
        match world.strikes(world.rates.crash) {
            true => used.fuse.light(1 + world.below(2 * batch.len as u64 + 6)),
            false => used.fuse.put_out(),
        }
        // The function's own limit; some are so short that it must stop with what it has.
        let limit = Duration::from_millis(if world.below(4) == 0 { 1_600 + world.below(200) } else { 20_000 });
        // The mapping gives up a function that overstays it, and sometimes one that has not yet.
        let patience = limit + Duration::from_millis(world.below(500));
        let fuse = Arc::clone(&used.fuse);
        let handled = timeout(patience, used.counter.handle(event, Instant::now() + limit));
        let answered = tokio::select! {
            biased;
            () = fuse.burnt.notified() => None,
            answered = handled => answered.ok(),
        };
        let shard_id = &self.shard.id;
        let verdict = match answered {
            None => {
                world.note(|| format!("{shard_id} batch of {}: the function died", batch.len));
                self.containers[place] = container(world, self.generation);
                Verdict::Failed
            }
            Some(Err(error)) => return Err(format!("the handler gave up: {error}")),
            Some(Ok((response, report))) => {
                let verdict = Verdict::of(&response, &records);
                world.note(|| format!("{shard_id} batch of {}: {verdict:?}, counted {}", batch.len, report.counted));
                verdict
            }
        };
        if verdict == Verdict::Done && world.strikes(world.rates.answer_lost) {
            let recut = match world.below(3) {
                0 => Recut::Same,
                1 => Recut::Fresh,
                _ => Recut::Split(1 + world.below(batch.len as u64) as usize),
            };
            world.note(|| format!("{shard_id} the answer is lost: {recut:?}"));
            self.progress.lose(recut);
            return Ok(());
        }
        self.progress.settle(world.clock.now_ms(), verdict);
        Ok(())
    }
}

fn container(world: &Arc<Shared>, generation: u32) -> Container {
    let fuse = Arc::new(Fuse::new());
    let tiles = SimTiles { shared: Arc::clone(world), fuse: Arc::clone(&fuse) };
    let settings =
        CounterSettings { generation, lateness: Lateness { allowed_ms: LATENESS_MS }, ..CounterSettings::default() };
    let counter = CallCounter::new(tiles.clone(), tiles, Arc::clone(&SET), Arc::clone(&PLAN), settings);
    Container { counter, fuse }
}

/// As if the stream had not noted when records arrived.
fn by_clock(records: &[Record], now_ms: i64) -> Vec<Record> {
    records.iter().map(|record| Record { arrived_at_ms: now_ms, ..record.clone() }).collect()
}

/// The name of the stream must be the one of the ARN: the handler reads it from there.
#[cfg(test)]
mod tests {
    #[test]
    fn the_arn_names_the_stream() {
        assert!(super::ARN.ends_with(&format!("/{}", crate::scenario::STREAM)));
    }
}
