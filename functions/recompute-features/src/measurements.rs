//! What came of a run, as measurements.

use std::time::Duration;

use telemetry::Measurement;
use telemetry::catalogue::recompute_features::{RUN_SECONDS, RUNS};

use crate::{RecomputeError, Recomputed};

/// What is told of a run that took so long, whatever came of it.
pub fn measurements(run: &Result<Recomputed, RecomputeError>, took: Duration) -> Vec<Measurement> {
    match run {
        Ok(done) => batch::measurements(Ok(&done.report), took),
        Err(RecomputeError::Batch(error)) => batch::measurements(Err(error), took),
        Err(error) => vec![RUNS.with([error.outcome()], 1.0), RUN_SECONDS.of(took.as_secs_f64())],
    }
}
