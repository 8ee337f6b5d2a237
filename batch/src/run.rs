//! A run of the batch job, from files of calls to a published snapshot.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use call_files::ReadOptions;
use features::{BATCH_DAYS_MAX, FeatureSet, Level, Party, Sketch};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use objects::Objects;
use snapshot::{
    Calls, FORMAT, Face, FaceFile, LevelRows, Manifest, Publication, RunId, UtcDay, daily_key, features_key,
    online_key,
};

use crate::day_tiles::{Tile, is_batched, write_day};
use crate::each::for_each;
use crate::faces::{Faces, FacesOf};
use crate::input::InputFile;
use crate::read_days::Reading;
use crate::spill::load_day;
use crate::{BatchError, BatchReport, Input, Progress, Stage};

/// Files written to the output at once.
const UPLOADS_IN_FLIGHT: usize = 4;

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct BatchOptions {
    /// Where the calls are.
    pub input: Input,
    /// Where day tiles and snapshots go, and the manifest.
    pub output: Objects,
    /// The last day of every window.
    pub as_of: UtcDay,
    /// Names the run in keys; another one for each run.
    pub run: RunId,
    /// All calls that had arrived before this instant (milliseconds since 1970 UTC) are in the input, if the
    /// caller knows; goes into the manifest.
    pub complete_for_arrivals_before: Option<i64>,
    /// Where temporary files go: those of the calls that do not fit in memory, and of the snapshot until it is
    /// put in place. `None` is the system's folder.
    pub temporary: Option<PathBuf>,
    /// How files are read: a format that is given, and what Asterisk files do not say.
    pub read: ReadOptions,
    /// Threads to work on; more days are in memory at a time with more of them.
    pub threads: usize,
}

/// Runs the job: reads all calls, counts each once, computes all windows as of a day, writes both faces and
/// publishes them. `progress` is called from several threads.
///
/// The same calls, definitions and run id make the same bytes. Fails without publishing anything where the input
/// cannot be read or holds no call of these days, and with [`snapshot::SnapshotError::Overtaken`] where another
/// run was published meanwhile.
pub async fn run(
    options: BatchOptions,
    set: Arc<FeatureSet>,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<BatchReport, BatchError> {
    if !Party::ALL.iter().any(|party| Level::ALL.iter().any(|level| is_batched(&set, *party, *level))) {
        return Err(BatchError::NothingToCompute);
    }
    let mut clock = StageClock::new();
    let publication = Publication::begin(options.output.clone(), options.run.clone()).await?;
    let listing = options.input.list().await?;
    let temporary = match &options.temporary {
        Some(folder) => tempfile::Builder::new().prefix("tollwatch-batch-").tempdir_in(folder),
        None => tempfile::Builder::new().prefix("tollwatch-batch-").tempdir(),
    };
    let temporary = temporary.map_err(|source| {
        let path = options.temporary.clone().unwrap_or_else(std::env::temp_dir);
        BatchError::Temporary { path: path.display().to_string(), source }
    })?;
    let folder = |name: &str| sub_folder(temporary.path(), name);

    let total = listing.keys.len() as u64;
    let fetched = |done| progress(Progress { stage: Stage::Fetch, done, total });
    let files = options.input.stage(&listing.keys, &folder("input")?, fetched).await?;
    clock.end(Stage::Fetch);

    let job = Job {
        set,
        as_of: options.as_of,
        run: options.run.clone(),
        location: options.input.location(),
        threads: options.threads.max(1),
        read: options.read,
        files,
        calls_folder: folder("calls")?,
        tiles_folder: folder("tiles")?,
        faces_folder: folder("faces")?,
    };
    let set = Arc::clone(&job.set);
    let progress = Arc::new(progress);
    let report_to = Arc::clone(&progress);
    let computing = tokio::task::spawn_blocking(move || job.compute(&*report_to, clock));
    let Ok(computed) = computing.await else { return Err(BatchError::Broken("computed the snapshot")) };
    let Computed { calls, empty_files, tiles, faces, mut clock } = computed?;

    let (files, mut uploads) = list_files(&faces, options.as_of, &options.run);
    let phones = tiles.iter().filter(|tile| tile.level == Level::Phone);
    uploads.extend(phones.map(|tile| (tile.path.clone(), daily_key(tile.day, &options.run, tile.party))));
    let total = uploads.len() as u64 + 1;
    let done = AtomicU64::new(0);
    stream::iter(uploads.iter().map(|(path, key)| options.output.upload_from(path, key)))
        .buffer_unordered(UPLOADS_IN_FLIGHT)
        .inspect_ok(|_| {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Progress { stage: Stage::Publish, done, total });
        })
        .try_collect::<Vec<_>>()
        .await?;
    let rows = faces.iter().map(|faces| LevelRows { party: faces.party, level: faces.level, rows: faces.rows });
    let manifest = Manifest {
        format: FORMAT,
        feature_set_version: set.version().to_owned(),
        as_of: options.as_of,
        run: options.run,
        complete_for_arrivals_before: options.complete_for_arrivals_before,
        created_by: concat!("tollwatch batch ", env!("CARGO_PKG_VERSION"), " (Polars)").to_owned(),
        sketch_relative_error: Sketch::relative_error(),
        calls,
        rows: rows.collect(),
        files,
    };
    publication.publish(&manifest).await?;
    progress(Progress { stage: Stage::Publish, done: total, total });
    clock.end(Stage::Publish);
    let mut days: Vec<UtcDay> = tiles.iter().map(|tile| tile.day).collect();
    days.dedup();
    Ok(BatchReport {
        manifest,
        input_files: listing.keys.len(),
        other_files: listing.others,
        empty_files,
        days: days.len(),
        took: clock.took,
    })
}

/// The part of a run that needs no network.
struct Job {
    set: Arc<FeatureSet>,
    as_of: UtcDay,
    run: RunId,
    location: String,
    threads: usize,
    read: ReadOptions,
    files: Vec<InputFile>,
    calls_folder: PathBuf,
    tiles_folder: PathBuf,
    faces_folder: PathBuf,
}

struct Computed {
    calls: Calls,
    empty_files: usize,
    /// By day.
    tiles: Vec<Tile>,
    faces: Vec<Faces>,
    clock: StageClock,
}

impl Job {
    fn compute(&self, progress: &(impl Fn(Progress) + Sync), mut clock: StageClock) -> Result<Computed, BatchError> {
        let set = &*self.set;
        let from = self.as_of.plus(1 - BATCH_DAYS_MAX.cast_signed());
        let total = self.files.len() as u64;
        let reading = Reading {
            set,
            from,
            to: self.as_of,
            folder: &self.calls_folder,
            threads: self.threads,
            options: &self.read,
        };
        let read = reading.read(&self.files, |done| progress(Progress { stage: Stage::Read, done, total }))?;
        clock.end(Stage::Read);
        let mut calls = read.calls;
        if read.days.is_empty() {
            return Err(self.no_calls(from, &calls, read.span));
        }

        let total = read.days.len() as u64;
        let done = AtomicU64::new(0);
        let step = |stage, total| {
            progress(Progress { stage, done: done.fetch_add(1, Ordering::Relaxed) + 1, total });
        };
        let days = for_each(read.days.into_iter().collect(), self.threads, "computed a day", |(day, parts)| {
            let written = write_day(load_day(parts)?, day, set, &self.tiles_folder)?;
            step(Stage::Days, total);
            Ok(written)
        })?;
        let mut tiles = Vec::new();
        for day in days {
            calls.counted += day.counted;
            calls.duplicates += day.duplicates;
            calls.differing_duplicates += day.differing;
            tiles.extend(day.tiles);
        }
        clock.end(Stage::Days);

        // Phones take longest: they come first.
        let levels: Vec<(Party, Level)> = Level::ALL
            .into_iter()
            .flat_map(|level| Party::ALL.map(|party| (party, level)))
            .filter(|(party, level)| is_batched(set, *party, *level))
            .collect();
        let total = levels.len() as u64;
        done.store(0, Ordering::Relaxed);
        let of = FacesOf { set, as_of: self.as_of, run: &self.run, tiles: &tiles, folder: &self.faces_folder };
        let mut faces = for_each(levels, self.threads, "rolled up windows", |(party, level)| {
            let written = of.write(party, level)?;
            step(Stage::RollUp, total);
            Ok(written)
        })?;
        faces.sort_by_key(|faces| (faces.party, faces.level));
        clock.end(Stage::RollUp);
        Ok(Computed { calls, empty_files: read.empty_files, tiles, faces, clock })
    }

    fn no_calls(&self, from: UtcDay, calls: &Calls, span: Option<(UtcDay, UtcDay)>) -> BatchError {
        match span {
            Some((first, last)) => BatchError::OtherDays { from, to: self.as_of, calls: calls.outside, first, last },
            None => BatchError::NoCalls {
                location: self.location.clone(),
                files: self.files.len(),
                records: calls.read,
                invalid: calls.invalid.clone().into_iter().collect(),
            },
        }
    }
}

/// The files of a snapshot as the manifest lists them, and where each goes.
fn list_files(faces: &[Faces], as_of: UtcDay, run: &RunId) -> (Vec<FaceFile>, Vec<(PathBuf, String)>) {
    let (mut files, mut uploads) = (Vec::new(), Vec::new());
    for of in faces {
        for (face, parts) in [(Face::Features, &of.features), (Face::Online, &of.online)] {
            for (number, part) in parts.iter().enumerate() {
                let key = match face {
                    Face::Features => features_key(as_of, run, of.party, of.level, number),
                    Face::Online => online_key(as_of, run, of.party, of.level, number),
                };
                uploads.push((part.path.clone(), key.clone()));
                files.push(FaceFile {
                    party: of.party,
                    level: of.level,
                    face,
                    key,
                    rows: part.rows,
                    bytes: part.bytes,
                    first_key: part.first_key.clone(),
                    last_key: part.last_key.clone(),
                });
            }
        }
    }
    (files, uploads)
}

fn sub_folder(parent: &Path, name: &str) -> Result<PathBuf, BatchError> {
    let folder = parent.join(name);
    fs::create_dir(&folder).map_err(|source| BatchError::Temporary { path: folder.display().to_string(), source })?;
    Ok(folder)
}

/// Measures stages one after the other.
struct StageClock {
    since: Instant,
    took: Vec<(Stage, Duration)>,
}

impl StageClock {
    fn new() -> Self {
        Self { since: Instant::now(), took: Vec::new() }
    }

    fn end(&mut self, stage: Stage) {
        self.took.push((stage, self.since.elapsed()));
        self.since = Instant::now();
    }
}
