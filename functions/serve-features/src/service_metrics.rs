//! What operators are told of answers: how good they are, and what they were read from.

use std::sync::{Arc, Mutex, PoisonError};

use features::DAY_MS;
use snapshot::SnapshotCache;
use telemetry::Sink;
use telemetry::catalogue::serve_features::{ANSWERS_DEGRADED, CACHE_HITS, CACHE_MISSES, SNAPSHOT_AGE_SECONDS};

use crate::lookup::Pinned;

/// Tells of answers.
pub(crate) struct ServiceMetrics {
    sink: Arc<dyn Sink>,
    cache: Option<Arc<SnapshotCache>>,
    told: Mutex<Rows>,
}

/// Rows that the cache was asked for, as far as they were told.
#[derive(Clone, Copy, Default)]
struct Rows {
    hits: u64,
    misses: u64,
}

impl ServiceMetrics {
    pub(crate) fn new(sink: Arc<dyn Sink>, cache: Option<Arc<SnapshotCache>>) -> Self {
        Self { sink, cache, told: Mutex::default() }
    }

    /// An answer lacks something.
    pub(crate) fn degraded(&self) {
        self.sink.record(&[ANSWERS_DEGRADED.of(1.0)]);
    }

    /// What is answered from at this moment, in milliseconds since 1970 UTC.
    pub(crate) fn pinned(&self, pinned: &Pinned, now_ms: i64) {
        if let Ok(snapshot) = &pinned.0 {
            let end_ms = i64::from(snapshot.day().day + 1) * DAY_MS;
            // A snapshot of today is of no age yet.
            self.sink.record(&[SNAPSHOT_AGE_SECONDS.of((now_ms - end_ms).max(0) as f64 / 1_000.0)]);
        }
    }

    /// What the cache did since this was called last.
    pub(crate) fn cache(&self) {
        let Some(cache) = &self.cache else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let used = cache.usage();
        let now = Rows { hits: used.row_hits, misses: used.rows.saturating_sub(used.row_hits) };
        let (hits, misses) = (now.hits.saturating_sub(told.hits), now.misses.saturating_sub(told.misses));
        // A line in a log for nothing is paid for as one that says something.
        if hits + misses > 0 {
            self.sink.record(&[CACHE_HITS.of(hits as f64), CACHE_MISSES.of(misses as f64)]);
        }
        *told = now;
    }
}
