//! A tile store and a quarantine that fail in every way that the real ones may, by the seed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use count_calls::{Quarantine, QuarantineError, QuarantinedRecord};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use smol_str::SmolStr;
use tiles::sabotage::{Sabotage, is_on};
use tiles::{CasOutcome, MemoryTiles, StoreError, StoredTile, TileKey, TileStore, TileVersion};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

use crate::trace::Trace;

/// How often each fault happens, drawn once for a run: some seeds know one kind only, some know all.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// The store throttles.
    pub throttled: f64,
    /// The request fails and nothing is written.
    pub failed: f64,
    /// It is written and the reply is lost.
    pub reply_lost: f64,
    /// It is written seconds or minutes later.
    pub slow: f64,
    /// Quarantine fails, before or after the object is there.
    pub quarantine: f64,
    /// The function is killed between two requests.
    pub crash: f64,
    /// The answer of the function is lost.
    pub answer_lost: f64,
    /// The next batch is handled by a container without a cache, or by another warm one.
    pub container: f64,
}

impl Rates {
    /// Draws them.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut rate = |most: f64| if rng.random_bool(0.5) { rng.random_range(0.0..most) } else { 0.0 };
        Self {
            throttled: rate(0.2),
            failed: rate(0.2),
            reply_lost: rate(0.2),
            slow: rate(0.1),
            quarantine: rate(0.4),
            crash: rate(0.4),
            answer_lost: rate(0.4),
            container: rate(0.6),
        }
    }
}

/// What all invocations of a run share.
pub struct Shared {
    /// The truth of the store.
    pub tiles: MemoryTiles,
    /// Tiles that are expired are gone, as soon as that.
    pub clock: Clock,
    /// The draws of faults.
    pub rng: Mutex<ChaCha8Rng>,
    /// How often what goes wrong.
    pub rates: Rates,
    /// Faults that may still happen: every run comes to an end.
    pub budget: AtomicU64,
    /// Objects in quarantine.
    pub quarantine: Mutex<BTreeMap<String, QuarantinedRecord>>,
    /// Writes that nobody may be waiting for any more.
    pub in_the_air: AtomicU64,
    /// What happened.
    pub trace: Mutex<Trace>,
}

/// Virtual time, in milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: tokio::time::Instant,
}

impl Clock {
    /// Begins at the scenario's start.
    pub fn start() -> Self {
        Self { started: tokio::time::Instant::now() }
    }

    /// Now.
    pub fn now_ms(self) -> i64 {
        crate::scenario::START_MS + self.started.elapsed().as_millis() as i64
    }
}

impl Shared {
    /// Whether a fault of this rate happens now.
    pub fn strikes(&self, rate: f64) -> bool {
        if rate <= 0.0 || !locked(&self.rng).random_bool(rate) {
            return false;
        }
        let left = self.budget.load(Ordering::Relaxed);
        self.budget.store(left.saturating_sub(1), Ordering::Relaxed);
        left > 0
    }

    /// A number below `end`.
    pub fn below(&self, end: u64) -> u64 {
        locked(&self.rng).random_range(0..end)
    }

    /// Notes what happened.
    pub fn note(&self, what: impl FnOnce() -> String) {
        locked(&self.trace).note(self.clock.now_ms(), what);
    }

    async fn wait(&self, most_ms: u64) {
        let ms = self.below(most_ms);
        sleep(Duration::from_millis(ms)).await;
    }

    /// The write itself, at this moment.
    async fn apply(
        &self,
        key: &TileKey,
        expected: Option<TileVersion>,
        tile: &StoredTile,
    ) -> Result<CasOutcome, StoreError> {
        let current = self.tiles.get(key);
        let is_expired = current.as_ref().is_some_and(|tile| tile.expires_at_s * 1_000 <= self.clock.now_ms());
        if is_expired {
            self.tiles.remove(key);
        }
        let expected = if is_on(Sabotage::UnconditionalWrite) {
            current.filter(|_| !is_expired).map(|tile| tile.version)
        } else {
            expected
        };
        self.tiles.compare_and_set(key, expected, tile).await
    }
}

/// The store as one container sees it.
#[derive(Clone)]
pub struct SimTiles {
    /// The world behind it.
    pub shared: Arc<Shared>,
    /// When the container dies.
    pub fuse: Arc<Fuse>,
}

/// Kills a container after so many requests.
pub struct Fuse {
    left: AtomicU64,
    /// Told when it is time.
    pub burnt: Notify,
}

impl Fuse {
    /// One that never burns out.
    pub fn new() -> Self {
        Self { left: AtomicU64::new(u64::MAX), burnt: Notify::new() }
    }

    /// Lights it: the container dies at its `requests`-th request from now.
    pub fn light(&self, requests: u64) {
        self.left.store(requests, Ordering::Relaxed);
    }

    /// Puts it out.
    pub fn put_out(&self) {
        self.light(u64::MAX);
    }

    /// One request more; never returns if it was the last.
    async fn burn(&self) {
        let left = self.left.load(Ordering::Relaxed).saturating_sub(1);
        self.left.store(left, Ordering::Relaxed);
        if left == 0 {
            self.burnt.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

impl Default for Fuse {
    fn default() -> Self {
        Self::new()
    }
}

impl TileStore for SimTiles {
    async fn compare_and_set(
        &self,
        key: &TileKey,
        expected: Option<TileVersion>,
        tile: &StoredTile,
    ) -> Result<CasOutcome, StoreError> {
        let shared = &self.shared;
        let rates = shared.rates;
        self.fuse.burn().await;
        if shared.strikes(rates.throttled) {
            shared.wait(20).await;
            return Err(StoreError::Throttled("told to".to_owned()));
        }
        if shared.strikes(rates.failed) {
            shared.wait(20).await;
            return Err(StoreError::Unavailable("told to".to_owned()));
        }
        let is_reply_lost = shared.strikes(rates.reply_lost);
        let before_ms = if shared.strikes(rates.slow) { 1 << (9 + shared.below(8)) } else { 20 };
        // The request is on its way: it arrives whether or not somebody still waits for the answer.
        let (answer, answered) = oneshot::channel();
        shared.in_the_air.fetch_add(1, Ordering::Relaxed);
        let (world, key, tile) = (Arc::clone(shared), key.clone(), tile.clone());
        tokio::spawn(async move {
            world.wait(before_ms).await;
            let outcome = world.apply(&key, expected, &tile).await;
            world.note(|| format!("write {key} expecting {expected:?}: {}", told(&outcome)));
            world.in_the_air.fetch_sub(1, Ordering::Relaxed);
            world.wait(10).await;
            // Nobody waits for it where the container is gone.
            let _ = answer.send(outcome);
        });
        match answered.await {
            Ok(outcome) if !is_reply_lost => outcome,
            _ => Err(StoreError::Unavailable("the reply is lost".to_owned())),
        }
    }

    async fn query(&self, partition: &str, from: &str, to: &str) -> Result<Vec<(SmolStr, StoredTile)>, StoreError> {
        self.shared.tiles.query(partition, from, to).await
    }
}

fn told(outcome: &Result<CasOutcome, StoreError>) -> &'static str {
    match outcome {
        Ok(CasOutcome::Written { .. }) => "written",
        Ok(CasOutcome::Refused { .. }) => "refused",
        Err(_) => "failed",
    }
}

impl Quarantine for SimTiles {
    async fn put(&self, key: &str, record: &QuarantinedRecord) -> Result<(), QuarantineError> {
        self.fuse.burn().await;
        self.shared.wait(20).await;
        let fails = self.shared.strikes(self.shared.rates.quarantine);
        // A failure may come before the object is there, or after it: its notice was not taken.
        if !fails || self.shared.below(2) == 1 {
            let before = locked(&self.shared.quarantine).insert(key.to_owned(), record.clone());
            let is_same = before.is_none_or(|before| before == *record);
            self.shared.note(|| format!("quarantine {key}, the same as before: {is_same}"));
        }
        if fails { Err(QuarantineError("told to".to_owned())) } else { Ok(()) }
    }
}

/// A lock that a panicking thread held is still good: a run that panics is a failed run.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
