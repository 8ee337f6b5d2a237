//! Why an invocation failed. Nothing was published by it, unless the last word of S3 was lost.

use std::time::Duration;

use batch::{BatchError, RunFolderError};
use lambda_runtime::Diagnostic;
use snapshot::SnapshotError;

use crate::EventError;
use crate::limits::MOVE_ON_MILLION_CALLS_A_DAY;

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum RecomputeError {
    /// The event makes no sense: repeating it changes nothing.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The job failed, or stopped for what it found of the calls.
    #[error("nothing was published: {0}{more}", more = move_on(.0))]
    Batch(#[from] BatchError),
    /// The run was stopped before Lambda would have ended it.
    #[error(
        "nothing was published: the run was stopped after {} s, for the function's time was over. From {} million calls a day on, as measured (docs/scale.md), run the job as a container: infra/fargate.yaml",
        .after.as_secs(),
        MOVE_ON_MILLION_CALLS_A_DAY
    )]
    OutOfTime {
        /// How long it had run.
        after: Duration,
    },
    /// No temporary folder.
    #[error("nothing was published: {0}")]
    Folder(#[from] RunFolderError),
}

impl RecomputeError {
    /// The stable name, which the function's error type has: `Event`, `Quality`, `Overtaken`, `OutOfTime`, `NoRoom` or
    /// `Failed`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) => "Event",
            Self::Batch(BatchError::Quality { .. }) => "Quality",
            Self::Batch(BatchError::Snapshot(SnapshotError::Overtaken { .. })) => "Overtaken",
            Self::Batch(BatchError::NoRoom { .. }) => "NoRoom",
            Self::OutOfTime { .. } => "OutOfTime",
            Self::Batch(_) | Self::Folder(_) => "Failed",
        }
    }

    /// What the run is counted as: `stopped` for its quality, `failed` otherwise.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Batch(BatchError::Quality { .. }) => "stopped",
            _ => "failed",
        }
    }
}

impl From<RecomputeError> for Diagnostic {
    fn from(error: RecomputeError) -> Self {
        Self { error_type: error.kind().to_owned(), error_message: error.to_string() }
    }
}

fn move_on(error: &BatchError) -> String {
    match error {
        BatchError::NoRoom { .. } => format!(
            ". Raise the function's ephemeral storage, or from {MOVE_ON_MILLION_CALLS_A_DAY} million calls a day on (docs/scale.md) run the job as a container: infra/fargate.yaml"
        ),
        _ => String::new(),
    }
}
