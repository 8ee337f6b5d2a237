//! What came of a run, as measurements.

use std::time::Duration;

use telemetry::Measurement;
use telemetry::catalogue::recompute_features::{
    CALLS_READ, DAYS_BUILT, QUALITY_FINDINGS, RUN_SECONDS, RUNS, SNAPSHOT_CALLS, STAGE_SECONDS,
};

use crate::{BatchError, BatchReport, Outcome, Stage};

/// What is told of a run that took so long, whatever came of it.
pub fn measurements(run: Result<&BatchReport, &BatchError>, took: Duration) -> Vec<Measurement> {
    let mut measured = vec![RUNS.with([outcome(run)], 1.0), RUN_SECONDS.of(took.as_secs_f64())];
    let findings = match run {
        Ok(report) => {
            measured.push(CALLS_READ.of(report.records_read as f64));
            measured.push(DAYS_BUILT.of(report.rebuilt.len() as f64));
            measured.push(SNAPSHOT_CALLS.of(report.manifest.calls.counted as f64));
            let stages = report.took.iter();
            measured.extend(stages.map(|(stage, took)| STAGE_SECONDS.with([label(*stage)], took.as_secs_f64())));
            report.quality.as_ref().map_or(&[][..], |quality| &quality.findings)
        }
        Err(BatchError::Quality { findings, .. }) => findings,
        Err(_) => &[],
    };
    measured.extend(findings.iter().map(|finding| QUALITY_FINDINGS.with([finding.severity.as_str()], 1.0)));
    measured
}

fn outcome(run: Result<&BatchReport, &BatchError>) -> &'static str {
    match run {
        Ok(BatchReport { outcome: Outcome::Snapshot, .. }) => "snapshot",
        Ok(BatchReport { outcome: Outcome::LedgerOnly, .. }) => "ledger",
        Ok(BatchReport { outcome: Outcome::Nothing, .. }) => "nothing",
        Err(BatchError::Quality { .. }) => "stopped",
        Err(_) => "failed",
    }
}

/// A stage as a label: what people read has blanks.
const fn label(stage: Stage) -> &'static str {
    match stage {
        Stage::FetchNew => "fetch_new",
        Stage::ReadNew => "read_new",
        Stage::FetchOlder => "fetch_older",
        Stage::ReadOlder => "read_older",
        Stage::Days => "days",
        Stage::FetchTiles => "fetch_tiles",
        Stage::RollUp => "roll_up",
        Stage::Publish => "publish",
    }
}
