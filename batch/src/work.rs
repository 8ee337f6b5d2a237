//! The parts of a run that compute, each where it may block, and how far they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use features::FeatureSet;
use snapshot::{LevelRows, RunId, UtcDay};
use tempfile::TempDir;

use crate::day_tiles::{DayDone, Tile, batched, write_day};
use crate::each::for_each;
use crate::faces::{Faces, FacesOf};
use crate::input::{InputFile, Wanted};
use crate::read_days::{ReadDays, Reading};
use crate::spill::{DayPart, load_day};
use crate::{BatchError, BatchOptions, Progress, Stage, room};

/// What all parts of a run have in common.
pub(crate) struct Work {
    pub(crate) options: BatchOptions,
    pub(crate) set: Arc<FeatureSet>,
    progress: Box<dyn Fn(Progress) + Send + Sync>,
    temporary: TempDir,
}

/// Which files are read, for which days, and in which stages.
pub(crate) struct Pass {
    pub(crate) files: Vec<Wanted>,
    pub(crate) wanted: BTreeSet<UtcDay>,
    pub(crate) calls_in_memory: usize,
    /// Whether these files are all there is of their days, so that days can be built on the way.
    pub(crate) is_all: bool,
    pub(crate) fetch: Stage,
    pub(crate) read: Stage,
}

impl Work {
    pub(crate) fn begin(
        options: BatchOptions,
        set: Arc<FeatureSet>,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Arc<Self>, BatchError> {
        let mut builder = tempfile::Builder::new();
        // What is in it is keyed by phone numbers.
        builder.prefix("tollwatch-batch-").permissions(Permissions::from_mode(0o700));
        let temporary = match &options.temporary {
            Some(folder) => builder.tempdir_in(folder),
            None => builder.tempdir(),
        };
        let temporary = temporary.map_err(|source| {
            let path = options.temporary.clone().unwrap_or_else(std::env::temp_dir);
            BatchError::Temporary { path: path.display().to_string(), source }
        })?;
        Ok(Arc::new(Self { options, set, progress: Box::new(progress), temporary }))
    }

    /// An empty folder for the files of one part of the run.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, BatchError> {
        let folder = self.temporary.path().join(name);
        let failed = |source| BatchError::Temporary { path: folder.display().to_string(), source };
        // A part that is done again leaves nothing of the first time.
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(failed)?;
        }
        fs::create_dir(&folder).map_err(failed)?;
        Ok(folder)
    }

    /// Where new tiles go, of days that are built while files are read and of the others.
    fn tiles_folder(&self) -> Result<PathBuf, BatchError> {
        let folder = self.temporary.path().join("tiles");
        let failed = |source| BatchError::Temporary { path: folder.display().to_string(), source };
        fs::create_dir_all(&folder).map_err(failed)?;
        Ok(folder)
    }

    /// Says how far a stage is.
    pub(crate) fn tell(&self, stage: Stage, done: u64, total: u64) {
        (self.progress)(Progress { stage, done, total, records: 0 });
    }

    /// Brings files here and reads them.
    pub(crate) async fn read(self: &Arc<Self>, pass: Pass, clock: &mut StageClock) -> Result<ReadDays, BatchError> {
        if pass.files.is_empty() {
            return Ok(ReadDays::default());
        }
        let total = pass.files.len() as u64;
        let staged = self.folder(pass.fetch.as_str())?;
        room::check(&staged, self.options.input.bytes_to_copy(&pass.files))?;
        let fetched = |done| self.tell(pass.fetch, done, total);
        let files = self.options.input.stage(&pass.files, &staged, fetched).await?;
        clock.end(pass.fetch);
        let stage = pass.read;
        let read = self.compute("read calls", move |work| work.read_files(&files, &pass)).await?;
        // They may be large, and their calls are kept elsewhere. What is left goes with the run's folder.
        let _ = fs::remove_dir_all(staged);
        clock.end(stage);
        Ok(read)
    }

    fn read_files(&self, files: &[InputFile], pass: &Pass) -> Result<ReadDays, BatchError> {
        let total = files.len() as u64;
        let tiles = self.tiles_folder()?;
        let build = |day, parts| write_day(load_day(parts)?, day, &self.set, &tiles);
        let reading = Reading {
            set: &self.set,
            wanted: &pass.wanted,
            folder: &self.folder(pass.read.as_str())?,
            threads: self.options.threads.max(1),
            calls_in_memory: pass.calls_in_memory,
            options: &self.options.read,
            build: pass.is_all.then_some(&build),
        };
        reading.read(files, |done, records| (self.progress)(Progress { stage: pass.read, done, total, records }))
    }

    /// Makes the tiles of days from all their calls.
    pub(crate) async fn build(
        self: &Arc<Self>,
        days: BTreeMap<UtcDay, Vec<DayPart>>,
        clock: &mut StageClock,
    ) -> Result<Vec<DayDone>, BatchError> {
        if days.is_empty() {
            return Ok(Vec::new());
        }
        let built = self.compute("computed days", |work| {
            let (folder, total, done) = (work.tiles_folder()?, days.len() as u64, AtomicU64::new(0));
            for_each(days.into_iter().collect(), work.options.threads, "computed a day", |(day, parts)| {
                let written = write_day(load_day(parts)?, day, &work.set, &folder)?;
                work.tell(Stage::Days, done.fetch_add(1, Ordering::Relaxed) + 1, total);
                Ok(written)
            })
        });
        let built = built.await?;
        clock.end(Stage::Days);
        Ok(built)
    }

    /// Rolls up windows from the tiles of all days.
    pub(crate) async fn roll_up(
        self: &Arc<Self>,
        tiles: Vec<Tile>,
        rows_before: Vec<LevelRows>,
        clock: &mut StageClock,
    ) -> Result<Vec<Faces>, BatchError> {
        let faces = self.compute("rolled up windows", move |work| {
            let (as_of, run, set): (UtcDay, &RunId, &FeatureSet) = (work.options.as_of, &work.options.run, &work.set);
            let folder = work.folder("faces")?;
            let of = FacesOf { set, as_of, run, tiles: &tiles, folder: &folder, rows_before: &rows_before };
            let levels = batched(set);
            let (total, done) = (levels.len() as u64, AtomicU64::new(0));
            let mut faces = for_each(levels, work.options.threads, "rolled up windows", |(party, level)| {
                let written = of.write(party, level)?;
                work.tell(Stage::RollUp, done.fetch_add(1, Ordering::Relaxed) + 1, total);
                Ok(written)
            })?;
            faces.sort_by_key(|faces| (faces.party, faces.level));
            Ok(faces)
        });
        let faces = faces.await?;
        clock.end(Stage::RollUp);
        Ok(faces)
    }

    async fn compute<T: Send + 'static>(
        self: &Arc<Self>,
        what: &'static str,
        work: impl FnOnce(&Self) -> Result<T, BatchError> + Send + 'static,
    ) -> Result<T, BatchError> {
        let this = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&this)).await;
        done.unwrap_or(Err(BatchError::Broken(what)))
    }
}

/// Measures stages one after the other.
pub(crate) struct StageClock {
    since: Instant,
    pub(crate) took: Vec<(Stage, Duration)>,
}

impl StageClock {
    pub(crate) fn begin() -> Self {
        Self { since: Instant::now(), took: Vec::new() }
    }

    pub(crate) fn end(&mut self, stage: Stage) {
        self.took.push((stage, self.since.elapsed()));
        self.since = Instant::now();
    }
}
