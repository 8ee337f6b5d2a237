//! What a mapping has done so far, for people to watch.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counters of a running mapping; read them with [`Progress::snapshot`].
#[derive(Debug, Default)]
pub struct Progress {
    pub(crate) batches: AtomicU64,
    pub(crate) failed_batches: AtomicU64,
    pub(crate) partial_batches: AtomicU64,
    pub(crate) lost_batches: AtomicU64,
    pub(crate) records_read: AtomicU64,
    pub(crate) records_delivered: AtomicU64,
    pub(crate) records_redelivered: AtomicU64,
    pub(crate) records_done: AtomicU64,
    pub(crate) records_discarded: AtomicU64,
    pub(crate) read_errors: AtomicU64,
    pub(crate) behind_latest_ms: Mutex<BTreeMap<String, i64>>,
}

/// The counters of a mapping at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgressSnapshot {
    /// Calls of the handler.
    pub batches: u64,
    /// Calls after which nothing counted: an error, a panic, a timeout, an answer that fails the whole batch.
    pub failed_batches: u64,
    /// Calls after which a part counted.
    pub partial_batches: u64,
    /// Calls whose answer was thrown away on purpose; see [`crate::Redeliver`].
    pub lost_batches: u64,
    /// Records read from the stream.
    pub records_read: u64,
    /// Records given to the handler, each time they were.
    pub records_delivered: u64,
    /// Those of them that were given to it before, by this mapping.
    pub records_redelivered: u64,
    /// Records that the handler took, once each.
    pub records_done: u64,
    /// Records that were given up.
    pub records_discarded: u64,
    /// Reads that failed and were tried again.
    pub read_errors: u64,
    /// Shards that are being read.
    pub shards: usize,
    /// How far the last read of the slowest shard was behind the newest record, in milliseconds.
    pub behind_latest_ms: i64,
}

impl Progress {
    /// The counters now. They are read one after the other, so a batch may be in one and not yet in another.
    pub fn snapshot(&self) -> ProgressSnapshot {
        let behind = self.behind_latest_ms.lock().unwrap_or_else(PoisonError::into_inner);
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ProgressSnapshot {
            batches: get(&self.batches),
            failed_batches: get(&self.failed_batches),
            partial_batches: get(&self.partial_batches),
            lost_batches: get(&self.lost_batches),
            records_read: get(&self.records_read),
            records_delivered: get(&self.records_delivered),
            records_redelivered: get(&self.records_redelivered),
            records_done: get(&self.records_done),
            records_discarded: get(&self.records_discarded),
            read_errors: get(&self.read_errors),
            shards: behind.len(),
            behind_latest_ms: behind.values().copied().max().unwrap_or(0),
        }
    }

    pub(crate) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Ordering::Relaxed);
    }

    pub(crate) fn set_behind(&self, shard_id: &str, behind_latest_ms: i64) {
        let mut behind = self.behind_latest_ms.lock().unwrap_or_else(PoisonError::into_inner);
        behind.insert(shard_id.to_owned(), behind_latest_ms);
    }

    pub(crate) fn remove_shard(&self, shard_id: &str) {
        self.behind_latest_ms.lock().unwrap_or_else(PoisonError::into_inner).remove(shard_id);
    }
}
