//! Reads all files on all cores and sorts their calls into days.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use call_files::{CallBatch, CallColumns, FileError, ReadError, ReadOptions};
use cdr::{NumberPlan, RecordError};
use features::{FeatureSet, Row};
use snapshot::{LedgerObject, UtcDay};

use crate::BatchError;
use crate::batch_hashes::BatchHashes;
use crate::day_columns::{Arrival, Kept};
use crate::input::InputFile;
use crate::spill::{DayPart, DaySorter};

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
    pub(crate) objects: BTreeMap<String, LedgerObject>,
}

/// Which calls are asked for, and where what does not fit in memory goes.
pub(crate) struct Reading<'a> {
    pub(crate) set: &'a FeatureSet,
    /// Calls of other days are counted and not kept.
    pub(crate) wanted: &'a BTreeSet<UtcDay>,
    pub(crate) folder: &'a Path,
    pub(crate) threads: usize,
    pub(crate) calls_in_memory: usize,
    pub(crate) options: &'a ReadOptions,
}

impl Reading<'_> {
    /// Reads every file once. A file that cannot be read ends it; of several, the first in order is named, however
    /// the threads were scheduled: files are taken in order, and one that was taken is read to its end or its error.
    /// `done` is told the files and the records so far.
    pub(crate) fn read(&self, files: &[InputFile], done: impl Fn(u64, u64) + Sync) -> Result<ReadDays, BatchError> {
        let plan = NumberPlan::new(&self.set.settings().default_region)?;
        let kept = Kept::of(self.set);
        let threads = self.threads.min(files.len()).max(1);
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (files_done, records_done) = (AtomicU64::new(0), AtomicU64::new(0));
        let step = |files: u64, records: u64| {
            let files = files_done.fetch_add(files, Ordering::Relaxed) + files;
            done(files, records_done.fetch_add(records, Ordering::Relaxed) + records);
        };
        let work = |thread: usize| -> Result<ReadDays, (usize, BatchError)> {
            let mut found = ReadDays::default();
            let calls_in_memory = self.calls_in_memory * CALL_BYTES / kept.call_bytes().min(CALL_BYTES);
            let mut sorter = DaySorter::new(&kept, self.folder, thread, calls_in_memory / threads);
            while !failed.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(file) = files.get(number) else { break };
                match self.read_file(file, &plan, &mut sorter, &step) {
                    Ok(object) => found.objects.insert(file.name.clone(), object),
                    Err(error) => {
                        failed.store(true, Ordering::Relaxed);
                        return Err((number, error));
                    }
                };
                step(1, 0);
            }
            found.days = sorter.finish().map_err(|error| (usize::MAX, error))?;
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
        first.map_or(Ok(all), |(_, error)| Err(error))
    }

    fn read_file(
        &self,
        file: &InputFile,
        plan: &NumberPlan,
        sorter: &mut DaySorter<'_>,
        step: &(impl Fn(u64, u64) + Sync),
    ) -> Result<LedgerObject, BatchError> {
        let unreadable = |source| BatchError::File { file: file.name.clone(), source };
        let mut object = file.object.clone();
        match call_files::open_columns(&file.path, plan, self.options) {
            Ok(Some(calls)) => self.read_columns(file, calls, &mut object, sorter, step)?,
            Ok(None) => self.read_rows(file, plan, &mut object, sorter, step)?,
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
        object: &mut LedgerObject,
        sorter: &mut DaySorter<'_>,
        step: &(impl Fn(u64, u64) + Sync),
    ) -> Result<(), BatchError> {
        let unreadable = |source| BatchError::File { file: file.name.clone(), source };
        let settings = self.set.settings();
        let mut hashes = BatchHashes::default();
        while let Some(batch) = calls.next_batch().map_err(unreadable)? {
            object.records += batch.rows as u64;
            hashes.update(file.number, batch);
            for (day, rows) in days_of(batch) {
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
                *object.days.entry(day).or_default() += 1;
                if self.wanted.contains(&day) {
                    let record = batch.first_row + u64::from(*row);
                    let arrival = Arrival { file: file.number, record, ..Arrival::default() };
                    sorter.push(&Row::new(call, settings), &arrival)?;
                }
            }
            step(0, batch.rows as u64);
        }
        Ok(())
    }
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
    }
}
