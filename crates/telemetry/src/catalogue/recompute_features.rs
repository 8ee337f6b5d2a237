//! The batch job: its runs and what they made.

use super::{Function, Kind, Metric, Unit};

const fn new(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Metric {
    Metric::new(Function::RecomputeFeatures, name, kind, unit, help)
}

/// Every metric of the batch job.
pub static METRICS: [&Metric; 7] =
    [&RUNS, &RUN_SECONDS, &STAGE_SECONDS, &CALLS_READ, &QUALITY_FINDINGS, &SNAPSHOT_CALLS, &DAYS_BUILT];

/// From a run that finds nothing new to the longest that a Lambda may take, and the same again on a container.
const RUN_BOUNDS: &[f64] = &[0.1, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0];

/// Runs by outcome: `snapshot`, `ledger`, `nothing`, `stopped` by a hard rule of quality, or `failed`.
pub static RUNS: Metric = new("runs", Kind::Counter, Unit::Count, "Runs by outcome").labelled(&["outcome"]);
/// How long runs took.
pub static RUN_SECONDS: Metric =
    new("run_seconds", Kind::Histogram(RUN_BOUNDS), Unit::Seconds, "Time of a run, whatever came of it");
/// How long their stages took.
pub static STAGE_SECONDS: Metric =
    new("stage_seconds", Kind::Gauge, Unit::Seconds, "Time of each stage of the last run that was completed")
        .labelled(&["stage"]);
/// Records read.
pub static CALLS_READ: Metric = new("calls_read", Kind::Counter, Unit::Count, "Records of calls read, good and bad");
/// Findings of quality, by severity: `hard` or `soft`.
pub static QUALITY_FINDINGS: Metric =
    new("quality_findings", Kind::Counter, Unit::Count, "Findings of quality").labelled(&["severity"]);
/// Calls of the snapshot.
pub static SNAPSHOT_CALLS: Metric =
    new("snapshot_calls", Kind::Gauge, Unit::Count, "Calls that the published snapshot counts");
/// Day tiles made.
pub static DAYS_BUILT: Metric = new("days_built", Kind::Counter, Unit::Count, "Days whose tiles were made");
