//! A run of the batch job, from files of calls to a published snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use call_files::ReadOptions;
use features::FeatureSet;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use objects::Objects;
use snapshot::{
    DayTiles, Face, FaceFile, LedgerFile, LevelRows, Manifest, Publication, Quality, RunId, RunRef, TileFile, UtcDay,
    Verdict, daily_key, features_key, ledger_key, online_key,
};

use crate::base::{Base, Days};
use crate::day_tiles::{DayDone, Tile, batched};
use crate::faces::Faces;
use crate::input::{Listing, Wanted};
use crate::ledger::Books;
use crate::quality::{self, Before, Candidate, HardFindings};
use crate::read_days::{CALLS_IN_MEMORY, ReadDays};
use crate::spill::DayPart;
use crate::work::{Pass, StageClock, Work};
use crate::{BatchError, BatchReport, Input, Outcome, Progress, Rebuild, Stage, stored_tiles, summary};

/// Files written to the output at once.
const UPLOADS_IN_FLIGHT: usize = 4;
/// Objects that may turn out to be others than they were listed as, before a run gives up: then the input changes faster
/// than it can be read.
const REPLACED_MAX: usize = 16;
/// What a run writes beside files of calls: ledger, quality, manifest.
const OBJECTS_A_RUN: u64 = 3;

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
    /// Whether day tiles of earlier runs are gone on with.
    pub rebuild: Rebuild,
    /// What hard findings about the quality of the calls do.
    pub hard_findings: HardFindings,
    /// Where temporary files go: those of the calls that do not fit in memory, and of the snapshot until it is
    /// put in place. `None` is the system's folder.
    pub temporary: Option<PathBuf>,
    /// How files are read: a format that is given, and what Asterisk files do not say.
    pub read: ReadOptions,
    /// Threads to work on; more days are in memory at a time with more of them.
    pub threads: usize,
}

/// Runs the job: reads what is new, builds the days anew that it belongs to, computes all windows as of a day, writes
/// both faces and publishes them. With nothing new it publishes nothing; with another `as_of` alone it rolls up.
/// `progress` is called from several threads.
///
/// Everything is written under the run's id, and nothing of it is seen before the manifest is replaced: a run that is
/// broken off anywhere, or overtaken, leaves the snapshot as it was, and may be repeated. The same calls, definitions,
/// snapshot before and run id make the same bytes. Fails without publishing anything where the input cannot be read or
/// holds no call of these days, where day tiles are of other definitions or another input, with
/// [`BatchError::Quality`] where the calls do not look like those of the days before, and with
/// [`snapshot::SnapshotError::Overtaken`] where another run was published meanwhile.
pub async fn run(
    options: BatchOptions,
    set: Arc<FeatureSet>,
    progress: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<BatchReport, BatchError> {
    if batched(&set).is_empty() {
        return Err(BatchError::NothingToCompute);
    }
    if options.input.holds(&options.output.location()) {
        let output = options.output.location().to_string();
        return Err(BatchError::OutputInInput { output, input: options.input.location() });
    }
    let mut clock = StageClock::begin();
    let (output, run) = (options.output.clone(), options.run.clone());
    let publication = match options.rebuild {
        Rebuild::Never => Publication::begin(output, run).await?,
        Rebuild::WhereOther | Rebuild::Always => Publication::begin_anew(output, run).await?,
    };
    let listing = options.input.list().await?;
    let days = Days::of(options.as_of);
    let mut base = Base::find(&publication, &options, &set).await?;
    let mut books = base.books(&days);
    if listing.files.is_empty() && books.ledger().objects.is_empty() {
        return Err(options.input.no_files(listing.others));
    }
    let work = Work::begin(options, set, progress)?;
    let read = Box::pin(read_input(&work, &base, &listing, &mut books, &days, &mut clock)).await?;
    let mut report = BatchReport {
        outcome: Outcome::Nothing,
        manifest: base.manifest.take().unwrap_or_else(|| nothing_yet(&work)),
        quality: None,
        input_files: listing.files.len(),
        other_files: listing.others,
        empty_files: books.ledger().objects.values().filter(|object| !object.gone && object.records == 0).count(),
        new_files: read.new_files,
        older_files: read.older_files,
        gone_files: books.ledger().objects.values().filter(|object| object.gone).count(),
        records_read: read.records,
        outside: summary::outside(books.ledger(), &days.window),
        days: 0,
        rebuilt: rebuilt(&read),
        took: Vec::new(),
    };
    let is_of_that_day = !report.manifest.files.is_empty() && report.manifest.as_of == work.options.as_of;
    let touches = !read.rebuild.is_disjoint(&days.window);
    if read.new_files > 0 || !read.rebuild.is_empty() || !is_of_that_day {
        report.outcome = if touches || !is_of_that_day { Outcome::Snapshot } else { Outcome::LedgerOnly };
        let is_rolled_up = report.outcome == Outcome::Snapshot;
        let made = Made { read, books, days: &days, is_rolled_up };
        let (manifest, quality) = Box::pin(make(&work, publication, report.manifest, made, &mut clock)).await?;
        (report.manifest, report.quality) = (manifest, Some(quality));
    }
    report.days = report.manifest.days.iter().filter(|tiles| days.window.contains(&tiles.date)).count();
    report.took = clock.took;
    Ok(report)
}

/// The days that have calls and are built.
fn rebuilt(read: &InputRead) -> Vec<UtcDay> {
    let mut days: Vec<UtcDay> = read.days.keys().copied().chain(read.built.iter().map(|day| day.day)).collect();
    days.sort_unstable();
    days
}

/// What was read of the input.
struct InputRead {
    /// Days to be built anew.
    rebuild: BTreeSet<UtcDay>,
    /// Their calls; none of days that have none any more.
    days: BTreeMap<UtcDay, Vec<DayPart>>,
    /// Those that are built already.
    built: Vec<DayDone>,
    new_files: usize,
    older_files: usize,
    records: u64,
}

/// Reads what is new, and of the days that this touches what the ledger knows already.
async fn read_input(
    work: &Arc<Work>,
    base: &Base,
    listing: &Listing,
    books: &mut Books,
    days: &Days,
    clock: &mut StageClock,
) -> Result<InputRead, BatchError> {
    let before = books.clone();
    // What was replaced without a trace, by a file of the same size and time, shows when it is read again for its days.
    let mut replaced = BTreeSet::new();
    loop {
        // On the heap: what all stages hold at a time is too much for the stack of a thread.
        match Box::pin(read_once(work, base, listing, books, &replaced, days, clock)).await {
            Err(BatchError::Changed { file }) if replaced.len() < REPLACED_MAX && !replaced.contains(&file) => {
                replaced.insert(file);
                *books = before.clone();
            }
            read => return read,
        }
    }
}

async fn read_once(
    work: &Arc<Work>,
    base: &Base,
    listing: &Listing,
    books: &mut Books,
    replaced: &BTreeSet<String>,
    days: &Days,
    clock: &mut StageClock,
) -> Result<InputRead, BatchError> {
    let fresh = work.options.input.fresh(listing, books, replaced).await?;
    // Calls of a second pass are held beside those of the first.
    let calls_in_memory = if base.manifest.is_some() { CALLS_IN_MEMORY / 2 } else { CALLS_IN_MEMORY };
    let tiled = base.manifest.iter().flat_map(|manifest| manifest.days.iter().map(|tiles| tiles.date));
    let new_files = fresh.len();
    let wanted = days.window.iter().copied().chain(tiled).collect();
    let is_all = base.manifest.is_none();
    let (fetch, read) = (Stage::FetchNew, Stage::ReadNew);
    let pass = Pass { files: fresh, wanted, calls_in_memory, is_all, fetch, read };
    let ReadDays { days: mut parts, built, objects } = work.read(pass, clock).await?;
    let mut records = 0;
    for (key, object) in objects {
        records += object.records;
        books.take_in(&key, object);
    }
    let rebuild = books.settle(&days.window);
    parts.retain(|day, _| rebuild.contains(day));

    let older: Vec<Wanted> =
        listing.files.iter().filter(|file| books.is_needed(&file.meta.key, &rebuild)).cloned().collect();
    let older_files = older.len();
    let (fetch, read) = (Stage::FetchOlder, Stage::ReadOlder);
    let pass = Pass { files: older, wanted: rebuild.clone(), calls_in_memory, is_all: false, fetch, read };
    let mut all = ReadDays { days: parts, ..ReadDays::default() };
    let older = work.read(pass, clock).await?;
    for (key, object) in &older.objects {
        records += object.records;
        if !books.agrees(key, object) {
            return Err(BatchError::Changed { file: key.clone() });
        }
    }
    all.add(older);
    Ok(InputRead { rebuild, days: all.days, built, new_files, older_files, records })
}

/// What a snapshot is made of.
struct Made<'a> {
    read: InputRead,
    books: Books,
    days: &'a Days,
    is_rolled_up: bool,
}

/// Builds days, rolls up and publishes.
async fn make(
    work: &Arc<Work>,
    publication: Publication,
    before: Manifest,
    made: Made<'_>,
    clock: &mut StageClock,
) -> Result<(Manifest, Quality), BatchError> {
    let Made { read, books, days, is_rolled_up } = made;
    let options = &work.options;
    let past = Before::read(&options.output, &before, options.hard_findings).await?;
    let mut built = read.built;
    built.extend(work.build(read.days, clock).await?);
    built.sort_unstable_by_key(|day| day.day);
    let (mut tiles, mut uploads, mut measured) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut kept: BTreeMap<UtcDay, DayTiles> = before.days.into_iter().map(|tiles| (tiles.date, tiles)).collect();
    kept.retain(|day, _| !read.rebuild.contains(day));
    let stored: Vec<DayTiles> = kept.values().filter(|tiles| days.window.contains(&tiles.date)).cloned().collect();
    for day in built {
        let (listed, files) = list_tiles(&day, &options.run);
        kept.insert(day.day, listed);
        uploads.extend(files);
        tiles.extend(day.tiles);
        measured.insert(day.day, day.measures);
    }
    let tiled: BTreeSet<UtcDay> = kept.keys().copied().filter(|day| days.window.contains(day)).collect();
    let left_out = books.left_out(&days.window);
    let ledger = books.close(days.kept_from);
    if tiled.is_empty() {
        return Err(summary::no_calls(options.input.location(), &ledger, &days.window));
    }
    let in_window: Vec<&DayTiles> = kept.values().filter(|tiles| tiled.contains(&tiles.date)).collect();
    let calls = summary::calls(&ledger, &days.window, &in_window);
    let candidate =
        Candidate { rebuilt: &read.rebuild, measured, days: &kept, window: &days.window, ledger: &ledger };
    let quality = past.judge(candidate, options);
    let quality_json = quality.to_json()?;
    let quality_file = quality::file_of(&quality, quality_json.len());
    if quality.verdict == Verdict::Stopped {
        // For people to look at. No manifest names it.
        options.output.put(&quality_file.key, quality_json).await?;
        let object = options.output.location().join(&quality_file.key).to_string();
        return Err(BatchError::Quality { object, findings: quality.findings, calls: Box::new(calls) });
    }

    let (mut files, mut rows) = (before.files, before.rows);
    if is_rolled_up {
        let stored: Vec<&DayTiles> = stored.iter().collect();
        tiles.extend(stage_tiles(work, &stored, clock).await?);
        tiles.retain(|tile| days.window.contains(&tile.day));
        let faces = work.roll_up(tiles, rows, clock).await?;
        rows = faces.iter().map(|of| LevelRows { party: of.party, level: of.level, rows: of.rows }).collect();
        let (listed, of_faces) = list_faces(&faces, options.as_of, &options.run);
        files = listed;
        uploads.extend(of_faces);
    }
    let text = ledger.to_text()?;
    let file = LedgerFile {
        key: ledger_key(options.as_of, &options.run),
        bytes: text.len() as u64,
        objects: ledger.objects.len(),
    };
    let manifest = Manifest {
        calls,
        missing_days: summary::missing_days(
            &days.window,
            &tiled,
            &quality.days.keys().copied().collect(),
            options.complete_for_arrivals_before,
        ),
        left_out,
        days: kept.into_values().collect(),
        previous: publication.current().map(|last| RunRef { as_of: last.as_of, run: last.run.clone() }),
        ledger: Some(file),
        quality: Some(quality_file),
        rows,
        files,
        ..nothing_yet(work)
    };
    upload(work, &uploads, text, quality_json, &manifest).await?;
    publication.publish(&manifest).await?;
    let total = uploads.len() as u64 + OBJECTS_A_RUN;
    work.tell(Stage::Publish, total, total);
    clock.end(Stage::Publish);
    Ok((manifest, quality))
}

/// The tiles that runs before have made.
async fn stage_tiles(work: &Work, days: &[&DayTiles], clock: &mut StageClock) -> Result<Vec<Tile>, BatchError> {
    if days.is_empty() {
        return Ok(Vec::new());
    }
    let folder = work.folder("stored-tiles")?;
    let done = |done, total| work.tell(Stage::FetchTiles, done, total);
    let tiles = stored_tiles::stage(&work.options.output, days, &work.set, &folder, done).await?;
    clock.end(Stage::FetchTiles);
    Ok(tiles)
}

/// Puts everything in place but the manifest.
async fn upload(
    work: &Work,
    files: &[(PathBuf, String)],
    ledger: Vec<u8>,
    quality: Vec<u8>,
    manifest: &Manifest,
) -> Result<(), BatchError> {
    let (total, done) = (files.len() as u64 + OBJECTS_A_RUN, AtomicU64::new(0));
    let output = &work.options.output;
    stream::iter(files.iter().map(|(path, key)| output.upload_from(path, key)))
        .buffer_unordered(UPLOADS_IN_FLIGHT)
        .inspect_ok(|_| work.tell(Stage::Publish, done.fetch_add(1, Ordering::Relaxed) + 1, total))
        .try_collect::<Vec<_>>()
        .await?;
    if let Some(file) = &manifest.ledger {
        output.put(&file.key, ledger).await?;
    }
    if let Some(file) = &manifest.quality {
        output.put(&file.key, quality).await?;
    }
    work.tell(Stage::Publish, total - 1, total);
    Ok(())
}

/// The manifest of a snapshot without files.
fn nothing_yet(work: &Work) -> Manifest {
    const CREATED_BY: &str = concat!("tollwatch batch ", env!("CARGO_PKG_VERSION"), " (Polars)");
    let BatchOptions { as_of, run, complete_for_arrivals_before, .. } = &work.options;
    Manifest {
        complete_for_arrivals_before: *complete_for_arrivals_before,
        engine: Some("polars".to_owned()),
        ..Manifest::new(&work.set, *as_of, run.clone(), CREATED_BY)
    }
}

/// The tiles of a day as the manifest lists them, and where each goes.
fn list_tiles(day: &DayDone, run: &RunId) -> (DayTiles, Vec<(PathBuf, String)>) {
    let file = |tile: &Tile| {
        let Tile { party, level, rows, bytes, footer_crc32, .. } = *tile;
        TileFile { party, level, key: daily_key(day.day, run, party, level), rows, bytes, footer_crc32 }
    };
    let tiles: Vec<TileFile> = day.tiles.iter().map(file).collect();
    let uploads = day.tiles.iter().zip(&tiles).map(|(tile, file)| (tile.path.clone(), file.key.clone())).collect();
    let (run, counted, duplicates) = (run.clone(), day.counted, day.duplicates);
    (DayTiles { date: day.day, run, counted, duplicates, differing_duplicates: day.differing, tiles }, uploads)
}

/// The files of a snapshot as the manifest lists them, and where each goes.
fn list_faces(faces: &[Faces], as_of: UtcDay, run: &RunId) -> (Vec<FaceFile>, Vec<(PathBuf, String)>) {
    let (mut files, mut uploads) = (Vec::new(), Vec::new());
    for of in faces {
        for (face, parts) in [(Face::Features, &of.features), (Face::Online, &of.online)] {
            for (number, part) in parts.iter().enumerate() {
                let key = match face {
                    Face::Features => features_key(as_of, run, of.party, of.level, number),
                    Face::Online => online_key(as_of, run, of.party, of.level, number),
                };
                uploads.push((part.path.clone(), key.clone()));
                files.push(part.listed(of.party, of.level, face, key));
            }
        }
    }
    (files, uploads)
}
