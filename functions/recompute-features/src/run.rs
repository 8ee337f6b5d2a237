//! One run.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use batch::{BatchOptions, BatchReport, Input, Progress, RunFolder, remove_now, run_id};
use call_files::ReadOptions;
use features::FeatureSet;
use objects::{Location, Objects};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::event::{Asked, RecomputeEvent};
use crate::limits::DEADLINE_MARGIN;
use crate::{Configuration, RecomputeError};

/// The job of one deployment.
#[derive(Debug)]
pub struct Recompute {
    input: Input,
    output: Objects,
    output_location: Location,
    set: Arc<FeatureSet>,
    archive_delay_minutes: Option<u32>,
    threads: usize,
    temporary: PathBuf,
    is_broken_off: AtomicBool,
}

/// When a run is made.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// Now, in milliseconds since 1970 UTC.
    pub now_ms: i64,
    /// When Lambda ends the invocation.
    pub deadline: Instant,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Recomputed {
    /// The report.
    pub report: BatchReport,
    /// The same as `tollwatch batch --json` prints it.
    pub json: Value,
}

impl Recompute {
    /// The job that is configured, over locations that `s3` is a client for. Files are staged in `temporary`.
    pub fn new(
        configuration: &Configuration,
        s3: Option<aws_sdk_s3::Client>,
        set: Arc<FeatureSet>,
        temporary: PathBuf,
    ) -> Result<Self, objects::Error> {
        let available = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Ok(Self {
            input: Input::open(&configuration.input, |location| Objects::open(location, s3.clone()))?,
            output: Objects::open(&configuration.output, s3)?,
            output_location: configuration.output.clone(),
            set,
            archive_delay_minutes: configuration.archive_delay_minutes,
            threads: configuration.threads.map_or_else(available, std::num::NonZeroUsize::get),
            temporary,
            is_broken_off: AtomicBool::new(false),
        })
    }

    /// Runs the job once, and stops it shortly before the deadline. `random` tells apart runs that begin at the same
    /// moment. `progress` is called from several threads.
    pub async fn run(
        &self,
        event: &RecomputeEvent,
        moments: Moments,
        random: u32,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Recomputed, RecomputeError> {
        let Asked { as_of, today, complete_before_ms, rebuild, hard_findings } =
            event.asked(self.archive_delay_minutes, moments.now_ms)?;
        let began = Instant::now();
        let folder = RunFolder::make(&self.temporary)?;
        let run = run_id(moments.now_ms, random).map_err(|_| batch::BatchError::Broken("named the run"))?;
        let options = BatchOptions {
            input: self.input.clone(),
            output: self.output.clone(),
            as_of,
            run,
            complete_for_arrivals_before: complete_before_ms,
            rebuild,
            hard_findings,
            temporary: Some(folder.path().to_owned()),
            read: ReadOptions::default(),
            threads: self.threads,
        };
        let stop_at = moments.deadline.checked_sub(DEADLINE_MARGIN).unwrap_or(moments.deadline);
        let Ok(done) = timeout_at(stop_at, Box::pin(batch::run(options, Arc::clone(&self.set), progress))).await
        else {
            // Its threads go on until they notice, or the process ends.
            self.is_broken_off.store(true, Ordering::Relaxed);
            remove_now(folder.path());
            return Err(RecomputeError::OutOfTime { after: began.elapsed() });
        };
        let report = done?;
        let json = report.to_json(&self.output_location, today);
        Ok(Recomputed { report, json })
    }

    /// Whether a run was stopped for want of time: threads of it may still compute, so that the process is to end once
    /// its error is sent.
    pub fn is_broken_off(&self) -> bool {
        self.is_broken_off.load(Ordering::Relaxed)
    }
}
