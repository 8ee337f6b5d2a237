//! One tile, written by compare-and-set until it holds what it should, or given up in time.

use std::num::NonZeroUsize;

use futures::StreamExt as _;
use tiles::sabotage::{Sabotage, is_on};
use tiles::{CasOutcome, StoreError, StoredTile, TileKey, TileStore, TileVersion};
use tokio::time::{Instant, sleep};

use crate::limits::{ATTEMPTS_MAX, BACKOFF_FIRST, BACKOFF_MAX};

/// What the writes of one tile cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) writes: u64,
    pub(crate) refusals: u64,
    pub(crate) units: f64,
}

impl Cost {
    pub(crate) fn add(&mut self, other: Self) {
        self.writes += other.writes;
        self.refusals += other.refusals;
        self.units += other.units;
    }
}

/// A tile that could not be written.
#[derive(Debug)]
pub(crate) enum WriteFailure {
    /// Try again with the next delivery.
    Undone(String),
    /// The function must not go on.
    Fatal(String),
}

/// A tile in the hands of the writer: it is rebuilt on whatever the store turns out to hold.
pub(crate) trait Pending {
    /// Where it is stored.
    fn key(&self) -> &TileKey;

    /// Starts anew from what the store holds; `None`: it holds nothing.
    fn rebase(&mut self, current: Option<&StoredTile>) -> Result<(), StoreError>;

    /// The version to expect and the tile to write; `None` where nothing is left to write.
    fn next(&self) -> Option<(Option<TileVersion>, StoredTile)>;
}

/// A tile that the writer is done with.
pub(crate) struct Settled<P> {
    pub(crate) pending: P,
    pub(crate) outcome: Result<(), WriteFailure>,
    pub(crate) cost: Cost,
}

/// Settles many tiles, `in_flight` at a time; in the order in which they were done.
pub(crate) async fn settle_all<P: Pending>(
    store: &impl TileStore,
    tiles: Vec<P>,
    in_flight: NonZeroUsize,
    deadline: Instant,
) -> Vec<Settled<P>> {
    let tasks = tiles.into_iter().map(|mut pending| async move {
        let mut cost = Cost::default();
        let outcome = settle(store, &mut pending, deadline, &mut cost).await;
        Settled { pending, outcome, cost }
    });
    futures::stream::iter(tasks).buffer_unordered(in_flight.get()).collect().await
}

/// Writes until nothing is left to write. Pauses between attempts that got no answer are jittered by the tile's
/// key, so that a thousand throttled tiles do not come back together.
async fn settle(
    store: &impl TileStore,
    pending: &mut impl Pending,
    deadline: Instant,
    cost: &mut Cost,
) -> Result<(), WriteFailure> {
    let mut pause = BACKOFF_FIRST;
    for attempt in 1..=ATTEMPTS_MAX {
        let Some((expected, tile)) = pending.next() else { return Ok(()) };
        if Instant::now() >= deadline {
            return Err(WriteFailure::Undone("the function's time is over".to_owned()));
        }
        match store.compare_and_set(pending.key(), expected, &tile).await {
            Ok(CasOutcome::Written { units }) => {
                cost.writes += 1;
                cost.units += units;
                return Ok(());
            }
            Ok(CasOutcome::Refused { current, units }) => {
                cost.refusals += 1;
                cost.units += units;
                if is_on(Sabotage::RefusalIgnored) {
                    return Ok(());
                }
                pending.rebase(current.as_ref()).map_err(|error| WriteFailure::Fatal(error.to_string()))?;
            }
            Err(StoreError::Unavailable(_)) if is_on(Sabotage::NoAnswerTakenForDone) => return Ok(()),
            Err(error) if error.is_retryable() => {
                let jittered = pause.mul_f64(0.5 + jitter(pending.key(), attempt));
                if Instant::now() + jittered >= deadline {
                    return Err(WriteFailure::Undone(error.to_string()));
                }
                sleep(jittered).await;
                pause = (pause * 2).min(BACKOFF_MAX);
            }
            Err(error) => return Err(WriteFailure::Fatal(error.to_string())),
        }
    }
    match pending.next() {
        None => Ok(()),
        Some(_) => Err(WriteFailure::Undone(format!("{ATTEMPTS_MAX} attempts were not enough"))),
    }
}

/// A number in [0, 0.5) that differs from tile to tile and from attempt to attempt, and is the same each run.
fn jitter(key: &TileKey, attempt: u32) -> f64 {
    let seed = features::hash_text(&format!("{key} {attempt}"));
    seed as f64 / u64::MAX as f64 / 2.0
}
