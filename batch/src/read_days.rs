//! Reads all files on all cores and sorts their calls into days.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use call_files::{CallBatch, CallColumns, FileError, ReadError, ReadOptions};
use cdr::{NumberPlan, RecordError};
use features::{FeatureSet, Row};
use snapshot::{LedgerObject, UtcDay};

use crate::BatchError;
use crate::batch_hashes::BatchHashes;
use crate::day_columns::{Arrival, Kept};
use crate::day_tiles::DayDone;
use crate::input::InputFile;
use crate::spill::{DayPart, DaySorter};
use crate::whole_days::WholeDays;

/// Calls kept in memory by all threads together, of [`CALL_BYTES`] each; more where the definitions need less of them.
pub(crate) const CALLS_IN_MEMORY: usize = 1_000_000;
/// What a call takes in memory with the fields of many features.
const CALL_BYTES: usize = 300;
/// Records of one file between two looks at how far it is.
const RECORDS_A_STEP: u64 = 65_536;

/// The calls of some files, day by day, and what the ledger is to know of each file.
#[derive(Debug, Default)]
pub(crate) struct ReadDays {
    pub(crate) days: BTreeMap<UtcDay, Vec<DayPart>>,
    /// Days that were built already; none of them is in `days`.
    pub(crate) built: Vec<DayDone>,
    pub(crate) objects: BTreeMap<String, LedgerObject>,
}

/// Makes the tiles of a day from all its calls.
pub(crate) type BuildDay<'a> = dyn Fn(UtcDay, Vec<DayPart>) -> Result<DayDone, BatchError> + Sync + 'a;

/// Which calls are asked for, and where what does not fit in memory goes.
pub(crate) struct Reading<'a> {
    pub(crate) set: &'a FeatureSet,
    /// Calls of other days are counted and not kept.
    pub(crate) wanted: &'a BTreeSet<UtcDay>,
    pub(crate) folder: &'a Path,
    pub(crate) threads: usize,
    pub(crate) calls_in_memory: usize,
    pub(crate) options: &'a ReadOptions,
    /// Builds a day from all its calls; given where these files are all there is.
    pub(crate) build: Option<&'a BuildDay<'a>>,
}

/// What the threads have in common.
struct Shared<'a> {
    plan: NumberPlan,
    sorters: Vec<Mutex<DaySorter<'a>>>,
    /// Where days are built while files are read: the days of each file, by its footer.
    whole: Option<(WholeDays, Vec<RangeInclusive<UtcDay>>)>,
}

impl Reading<'_> {
    /// Reads every file once. A file that cannot be read ends it; of several, the first in order is named, however
    /// the threads were scheduled: files are taken in order, and one that was taken is read to its end or its error.
    /// `done` is told the files and the records so far.
    pub(crate) fn read(&self, files: &[InputFile], done: impl Fn(u64, u64) + Sync) -> Result<ReadDays, BatchError> {
        let kept = Kept::of(self.set);
        let threads = self.threads.min(files.len()).max(1);
        let calls_in_memory = self.calls_in_memory * CALL_BYTES / kept.call_bytes().min(CALL_BYTES);
        let sorter = |thread| Mutex::new(DaySorter::new(&kept, self.folder, thread, calls_in_memory / threads));
        let plan = NumberPlan::new(&self.set.settings().default_region)?;
        let shared = Shared {
            whole: self.build.and_then(|_| self.days_of_files(files, &plan)),
            plan,
            sorters: (0..threads).map(sorter).collect(),
        };
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (files_done, records_done) = (AtomicU64::new(0), AtomicU64::new(0));
        let step = |files: u64, records: u64| {
            let files = files_done.fetch_add(files, Ordering::Relaxed) + files;
            done(files, records_done.fetch_add(records, Ordering::Relaxed) + records);
        };
        let work = |thread: usize| -> Result<ReadDays, (usize, BatchError)> {
            let mut found = ReadDays::default();
            while !failed.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(file) = files.get(number) else { break };
                let read = self.read_file(file, number, thread, &shared, &step).and_then(|object| {
                    found.built.extend(self.build_whole_days(number, &shared)?);
                    Ok(object)
                });
                match read {
                    Ok(object) => found.objects.insert(file.name.clone(), object),
                    Err(error) => {
                        failed.store(true, Ordering::Relaxed);
                        return Err((number, error));
                    }
                };
                step(1, 0);
            }
            Ok(found)
        };
        let results: Vec<Result<ReadDays, (usize, BatchError)>> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
            let broken = || Err((usize::MAX, BatchError::Broken("read calls")));
            handles.into_iter().map(|handle| handle.join().unwrap_or_else(|_| broken())).collect()
        });
        let mut all = ReadDays::default();
        let mut first: Option<(usize, BatchError)> = None;
        for found in results {
            match found {
                Ok(found) => all.add(found),
                Err((number, _)) if first.as_ref().is_some_and(|(before, _)| *before <= number) => {}
                Err(failure) => first = Some(failure),
            }
        }
        if let Some((_, error)) = first {
            return Err(error);
        }
        for sorter in shared.sorters {
            let sorter = sorter.into_inner().unwrap_or_else(PoisonError::into_inner);
            all.add(ReadDays { days: sorter.finish()?, ..ReadDays::default() });
        }
        Ok(all)
    }

    /// The days of the calls of each file, if all files say so.
    fn days_of_files(
        &self,
        files: &[InputFile],
        plan: &NumberPlan,
    ) -> Option<(WholeDays, Vec<RangeInclusive<UtcDay>>)> {
        let days = files.iter().map(|file| {
            match call_files::open_columns(&file.path, plan, self.options) {
                Ok(calls) => {
                    let between = calls?.started_between()?;
                    Some(UtcDay::of_ms(*between.start())..=UtcDay::of_ms(*between.end()))
                }
                // It has calls of no day.
                Err(FileError::Empty { .. }) => Some(UtcDay::new(1)..=UtcDay::new(0)),
                // It is told when the file is read.
                Err(_) => None,
            }
        });
        let days: Vec<_> = days.collect::<Option<_>>()?;
        Some((WholeDays::new(self.wanted, &days), days))
    }

    /// Builds the days of which no file is left, now that this one is read.
    fn build_whole_days(&self, number: usize, shared: &Shared<'_>) -> Result<Vec<DayDone>, BatchError> {
        let (Some(build), Some((whole, days))) = (self.build, &shared.whole) else { return Ok(Vec::new()) };
        let mut built = Vec::new();
        for day in whole.read(&days[number]) {
            let mut parts = Vec::new();
            for sorter in &shared.sorters {
                parts.extend(locked(sorter).take_day(day)?);
            }
            if !parts.is_empty() {
                built.push(build(day, parts)?);
            }
        }
        Ok(built)
    }

    fn read_file(
        &self,
        file: &InputFile,
        number: usize,
        thread: usize,
        shared: &Shared<'_>,
        step: &(impl Fn(u64, u64) + Sync),
    ) -> Result<LedgerObject, BatchError> {
        let unreadable = |source| BatchError::File { file: file.name.clone(), source };
        let mut object = file.object.clone();
        let sorter = &shared.sorters[thread];
        match call_files::open_columns(&file.path, &shared.plan, self.options) {
            Ok(Some(calls)) => {
                let days = shared.whole.as_ref().map(|(_, days)| &days[number]);
                self.read_columns(file, calls, days, &mut object, sorter, step)?;
            }
            Ok(None) => self.read_rows(file, &shared.plan, &mut object, &mut locked(sorter), step)?,
            // An hour without calls.
            Err(FileError::Empty { .. }) => {}
            Err(error) => return Err(unreadable(error)),
        }
        Ok(object)
    }

    fn read_rows(
        &self,
        file: &InputFile,
        plan: &NumberPlan,
        object: &mut LedgerObject,
        sorter: &mut DaySorter<'_>,
        step: &(impl Fn(u64, u64) + Sync),
    ) -> Result<(), BatchError> {
        let unreadable = |source| BatchError::File { file: file.name.clone(), source };
        let mut run = Run { day: UtcDay::new(0), is_wanted: false, calls: 0 };
        let calls = call_files::open(&file.path, plan, self.options).map_err(unreadable)?;
        for (record, call) in (0..).zip(calls) {
            object.records += 1;
            if object.records.is_multiple_of(RECORDS_A_STEP) {
                step(0, RECORDS_A_STEP);
            }
            let call = match call {
                Ok(call) => call,
                Err(ReadError::Row(row)) => {
                    count_invalid(object, &row.error);
                    continue;
                }
                Err(ReadError::File(error)) => return Err(unreadable(error)),
            };
            let day = UtcDay::of_ms(call.call.started_at_ms);
            if run.day != day {
                run.count(object);
                run = Run { day, is_wanted: self.wanted.contains(&day), calls: 0 };
            }
            run.calls += 1;
            if !run.is_wanted {
                continue;
            }
            let (arrived_at_ms, position) = (call.arrived_at_ms, call.position);
            let arrival = Arrival { arrived_at_ms, position, file: file.number, record };
            sorter.push(&Row::new(&call.call, self.set.settings()), &arrival)?;
        }
        run.count(object);
        step(0, object.records % RECORDS_A_STEP);
        Ok(())
    }

    fn read_columns(
        &self,
        file: &InputFile,
        mut calls: CallColumns<'_>,
        promised: Option<&RangeInclusive<UtcDay>>,
        object: &mut LedgerObject,
        sorter: &Mutex<DaySorter<'_>>,
        step: &(impl Fn(u64, u64) + Sync),
    ) -> Result<(), BatchError> {
        let unreadable = |source| BatchError::File { file: file.name.clone(), source };
        let settings = self.set.settings();
        let mut hashes = BatchHashes::default();
        while let Some(batch) = calls.next_batch().map_err(unreadable)? {
            object.records += batch.rows as u64;
            hashes.update(file.number, batch);
            // Others take whole days out of it between two batches.
            let mut sorter = locked(sorter);
            for (day, rows) in days_of(batch) {
                keeps(promised, day).map_err(|problem| unreadable(damaged(file, problem)))?;
                *object.days.entry(day).or_default() += rows.len() as u64;
                if self.wanted.contains(&day) {
                    sorter.push_batch(day, batch, &rows, &hashes, file.number, settings)?;
                }
            }
            for (row, call) in &batch.others {
                let call = match call {
                    Ok(call) => call,
                    Err(error) => {
                        count_invalid(object, error);
                        continue;
                    }
                };
                let day = UtcDay::of_ms(call.started_at_ms);
                keeps(promised, day).map_err(|problem| unreadable(damaged(file, problem)))?;
                *object.days.entry(day).or_default() += 1;
                if self.wanted.contains(&day) {
                    let record = batch.first_row + u64::from(*row);
                    let arrival = Arrival { file: file.number, record, ..Arrival::default() };
                    sorter.push(&Row::new(call, settings), &arrival)?;
                }
            }
            drop(sorter);
            step(0, batch.rows as u64);
        }
        Ok(())
    }
}

fn locked<'l, 'a>(sorter: &'l Mutex<DaySorter<'a>>) -> MutexGuard<'l, DaySorter<'a>> {
    sorter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call of a day that its file does not promise may be missing in a tile that is built already.
fn keeps(promised: Option<&RangeInclusive<UtcDay>>, day: UtcDay) -> Result<(), String> {
    match promised {
        Some(days) if !days.contains(&day) => {
            let (first, last) = (days.start(), days.end());
            Err(format!("its footer says that calls begin from {first} to {last}, and one begins on {day}"))
        }
        _ => Ok(()),
    }
}

fn damaged(file: &InputFile, problem: String) -> FileError {
    FileError::Damaged { path: file.path.clone(), problem }
}

fn count_invalid(object: &mut LedgerObject, error: &RecordError) {
    *object.invalid.entry(error.reason.as_str().to_owned()).or_default() += 1;
}

/// The rows of a batch that are in its columns, by the day of their calls.
fn days_of(batch: &CallBatch) -> BTreeMap<UtcDay, Vec<u32>> {
    let mut days: BTreeMap<UtcDay, Vec<u32>> = BTreeMap::new();
    let day_of = |row: &u32| UtcDay::of_ms(batch.started_at_ms(*row as usize));
    // Rows of one day follow each other in most files.
    for rows in batch.calls.chunk_by(|one, next| day_of(one) == day_of(next)) {
        if let Some(first) = rows.first() {
            days.entry(day_of(first)).or_default().extend_from_slice(rows);
        }
    }
    days
}

/// Calls of one day that follow each other: most files have many.
struct Run {
    day: UtcDay,
    is_wanted: bool,
    calls: u64,
}

impl Run {
    fn count(&self, object: &mut LedgerObject) {
        if self.calls > 0 {
            *object.days.entry(self.day).or_default() += self.calls;
        }
    }
}

impl ReadDays {
    /// Adds what others read.
    pub(crate) fn add(&mut self, other: Self) {
        for (day, parts) in other.days {
            self.days.entry(day).or_default().extend(parts);
        }
        self.objects.extend(other.objects);
        self.built.extend(other.built);
    }
}
