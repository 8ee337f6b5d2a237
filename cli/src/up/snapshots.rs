//! The batch job over the archive: a snapshot as of yesterday, again and again, and the end of old ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ::features::{FeatureSet, MINUTE_MS};
use anyhow::Context as _;
use batch::{BatchError, BatchOptions, BatchReport, Input};
use call_files::ReadOptions;
use objects::Objects;
use snapshot::{CURRENT, Manifest, RAW, RunId, UtcDay};

/// What the runs of `up` are called, before the millisecond of their beginning.
const RUN: &str = "up-";
/// How long files of a run stay after it has begun and another has taken its place: longer than any reader holds a
/// manifest.
const OLD_RUNS_MS: i64 = 10 * MINUTE_MS;

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

    /// Makes a snapshot of yesterday from everything in the archive; `None` where it holds no call of these days.
    pub(crate) async fn make(
        &self,
        now_ms: i64,
        complete_before: Option<i64>,
    ) -> anyhow::Result<Option<BatchReport>> {
        let location = self.data.location().join(RAW);
        let options = BatchOptions {
            input: Input::open(&location, |location| Objects::open(location, None))?,
            output: self.data.clone(),
            as_of: yesterday(now_ms),
            run: format!("{RUN}{now_ms}").parse::<RunId>()?,
            complete_for_arrivals_before: complete_before,
            temporary: None,
            read: ReadOptions::default(),
            // The stream and the service go on beside it.
            threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        };
        match batch::run(options, Arc::clone(&self.set), |_| {}).await {
            Ok(report) => Ok(Some(report)),
            Err(BatchError::NoFiles { .. } | BatchError::NoCalls { .. } | BatchError::OtherDays { .. }) => Ok(None),
            Err(error) => Err(error).context("the batch job failed; the snapshot before it stays"),
        }
    }

    /// Deletes the files of runs of `up` that nobody reads any more.
    pub(crate) async fn delete_old(&self, now_ms: i64) -> anyhow::Result<()> {
        let manifest = match self.data.get(CURRENT).await {
            Ok(json) => Manifest::parse(&json)?,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for prefix in ["daily/", "snapshots/"] {
            for object in self.data.list(prefix).await? {
                let is_old = began_ms(&object.key).is_some_and(|began_ms| began_ms < now_ms - OLD_RUNS_MS);
                let is_current =
                    object.key.split('/').any(|part| part.strip_prefix("run=") == Some(manifest.run.as_str()));
                if is_old && !is_current {
                    self.data.delete(&object.key).await?;
                }
            }
        }
        Ok(())
    }
}

fn yesterday(now_ms: i64) -> UtcDay {
    UtcDay::of_ms(now_ms).plus(-1)
}

/// When the run of `up` that a file belongs to began; `None` for files of other runs.
fn began_ms(key: &str) -> Option<i64> {
    let run = key.split('/').find_map(|part| part.strip_prefix("run="))?;
    run.strip_prefix(RUN)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_runs_of_up_are_known_by_their_time() {
        assert_eq!(began_ms("daily/date=2026-11-20/run=up-1795244765004/caller.parquet"), Some(1_795_244_765_004));
        assert_eq!(began_ms("daily/date=2026-11-20/run=nightly-7/caller.parquet"), None);
        assert_eq!(began_ms(CURRENT), None);
    }

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
        let snapshots = Snapshots { data: Objects::in_folder(folder.path()), set };
        assert!(snapshots.make(1_795_244_765_004, None).await.unwrap().is_none());
        assert!(!snapshots.is_current(1_795_244_765_004).await.unwrap());
        snapshots.delete_old(1_795_244_765_004).await.unwrap();
    }
}
