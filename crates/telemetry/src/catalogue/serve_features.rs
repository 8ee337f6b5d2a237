//! The service: its requests, and what its answers lack.

use super::{Function, Kind, Metric, Unit};

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric::new(Function::ServeFeatures, name, Kind::Counter, Unit::Count, help)
}

/// Every metric of the service.
pub static METRICS: [&Metric; 6] =
    [&REQUESTS, &REQUEST_SECONDS, &ANSWERS_DEGRADED, &SNAPSHOT_AGE_SECONDS, &CACHE_HITS, &CACHE_MISSES];

/// From a millisecond, in which no store answers, to the longest deadline.
const REQUEST_BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Requests by the method asked and the code of the answer, both in `snake_case`.
pub static REQUESTS: Metric = counter("requests", "Requests by method and code").labelled(&["method", "code"]);
/// How long answers took.
pub static REQUEST_SECONDS: Metric = Metric::new(
    Function::ServeFeatures,
    "request_seconds",
    Kind::Histogram(REQUEST_BOUNDS),
    Unit::Seconds,
    "Time from a request to the head of its answer",
)
.labelled(&["method"]);
/// Answers that lack something.
pub static ANSWERS_DEGRADED: Metric =
    counter("answers_degraded", "Answers that say that a store or a snapshot was not there for them");
/// How old the snapshot is that is answered from.
pub static SNAPSHOT_AGE_SECONDS: Metric = Metric::new(
    Function::ServeFeatures,
    "snapshot_age_seconds",
    Kind::Gauge,
    Unit::Seconds,
    "Time since the end of the last day of the snapshot that is served",
);
/// Rows of snapshots that were in memory.
pub static CACHE_HITS: Metric = counter("cache_hits", "Rows of snapshots that were asked for and were in memory");
/// Rows of snapshots that had to be looked for.
pub static CACHE_MISSES: Metric = counter("cache_misses", "Rows of snapshots that were asked for and had to be read");
