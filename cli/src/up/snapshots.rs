//! The batch job over the archive: a snapshot as of yesterday, again and again, and the end of old ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ::features::{FeatureSet, MINUTE_MS};
use anyhow::Context as _;
use batch::{BatchError, BatchOptions, BatchReport, HardFindings, Input, Rebuild};
use call_files::ReadOptions;
use objects::Objects;
use snapshot::{CURRENT, Manifest, Pruning, RAW, Retention, RunId, UtcDay};
use telemetry::Sink;

use crate::failure::Failure;
use crate::run_folder;

/// What the runs of `up` are called, before the millisecond of their beginning.
const RUN: &str = "up-";
/// How long a snapshot stays after another has taken its place, and what a run left after it wrote last: longer than
/// any reader holds a manifest, and than a run takes to put its files in place.
const UNUSED_MS: i64 = 10 * MINUTE_MS;

/// What the archive is known to hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Archived {
    /// Whether everything that came in before this run is in it.
    pub(crate) is_whole: bool,
    /// What arrived before this is in it, by what was known at the start.
    pub(crate) until_ms: Option<i64>,
    /// Arrival of the last record archived, by shard of the stream.
    pub(crate) shards: Arc<Mutex<BTreeMap<String, i64>>>,
}

impl Archived {
    /// What arrived before this is in the archive, if that is known. A shard is archived in the order of arrival.
    pub(crate) fn complete_before(&self, shards: u32) -> Option<i64> {
        if !self.is_whole {
            return None;
        }
        let seen = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let least = if seen.len() < shards as usize { None } else { seen.values().min().copied() };
        least.or(self.until_ms)
    }
}

/// The snapshots below a folder.
#[derive(Clone)]
pub(crate) struct Snapshots {
    pub(crate) data: Objects,
    pub(crate) set: Arc<FeatureSet>,
    /// Told of each run.
    pub(crate) sink: Option<Arc<dyn Sink>>,
}

impl Snapshots {
    /// Whether the published snapshot is of yesterday and of these definitions.
    pub(crate) async fn is_current(&self, now_ms: i64) -> anyhow::Result<bool> {
        let json = match self.data.get(CURRENT).await {
            Ok(json) => json,
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        // A manifest that cannot be read is replaced.
        let manifest = Manifest::parse(&json).ok();
        Ok(manifest.is_some_and(|manifest| {
            manifest.as_of == yesterday(now_ms) && manifest.feature_set_version == self.set.version()
        }))
    }

    /// Brings the snapshot of yesterday up to what is in the archive; `None` where it holds no call of these days.
    /// Definitions that have changed make everything anew.
    pub(crate) async fn make(
        &self,
        now_ms: i64,
        complete_before: Option<i64>,
    ) -> anyhow::Result<Option<BatchReport>> {
        let location = self.data.location().join(RAW);
        let folder = run_folder::make().map_err(Failure::into_error)?;
        let options = BatchOptions {
            input: Input::open(&location, |location| Objects::open(location, None))?,
            output: self.data.clone(),
            as_of: yesterday(now_ms),
            run: format!("{RUN}{now_ms}").parse::<RunId>()?,
            complete_for_arrivals_before: complete_before,
            rebuild: Rebuild::WhereOther,
            // Its calls are made up, and a pause of it is a gap in them: what is found is in the quality object.
            hard_findings: HardFindings::Accept,
            temporary: Some(folder.path().to_owned()),
            read: ReadOptions::default(),
            // The stream and the service go on beside it.
            threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        };
        let began = Instant::now();
        let made = batch::run(options, Arc::clone(&self.set), |_| {}).await;
        if let Err(BatchError::NoFiles { .. } | BatchError::NoCalls { .. } | BatchError::OtherDays { .. }) = made {
            return Ok(None);
        }
        if let Some(sink) = &self.sink {
            sink.record(&batch::measurements(made.as_ref(), began.elapsed()));
        }
        match made {
            Ok(report) => Ok(Some(report)),
            Err(error) => Err(error).context("the batch job failed; the snapshot before it stays"),
        }
    }

    /// Deletes the files of runs of `up` that no snapshot in use needs.
    pub(crate) async fn delete_old(&self, now_ms: i64) -> anyhow::Result<()> {
        let retention = Retention { keep: 1, unused_since_secs: (now_ms - UNUSED_MS).div_euclid(1_000) };
        let pruning = Pruning::plan(&self.data, retention, |run| run.starts_with(RUN)).await?;
        pruning.carry_out(&self.data).await.context("old runs were not all deleted")
    }
}

fn yesterday(now_ms: i64) -> UtcDay {
    UtcDay::of_ms(now_ms).plus(-1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_archive_is_complete_up_to_its_slowest_shard() {
        let archived = Archived { is_whole: true, until_ms: Some(5), ..Archived::default() };
        let saw = |shard: &str, at_ms| archived.shards.lock().unwrap().insert(shard.to_owned(), at_ms);
        assert_eq!(archived.complete_before(2), Some(5));
        saw("0", 90);
        assert_eq!(archived.complete_before(2), Some(5), "the other shard may hold older records");
        saw("1", 70);
        assert_eq!(archived.complete_before(2), Some(70));
        assert_eq!(Archived { is_whole: false, ..archived }.complete_before(2), None);
    }

    #[tokio::test]
    async fn an_archive_without_calls_makes_no_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(RAW)).unwrap();
        let set = Arc::new(FeatureSet::default_set().unwrap());
        let snapshots = Snapshots { data: Objects::in_folder(folder.path()), set, sink: None };
        assert!(snapshots.make(1_795_244_765_004, None).await.unwrap().is_none());
        assert!(!snapshots.is_current(1_795_244_765_004).await.unwrap());
        snapshots.delete_old(1_795_244_765_004).await.unwrap();
    }
}
