//! Reads all files on all cores and sorts their calls into days.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use call_files::{FileError, ReadError, ReadOptions};
use cdr::NumberPlan;
use features::{FeatureSet, Row};
use snapshot::{Calls, UtcDay};

use crate::BatchError;
use crate::day_columns::{Arrival, fields_of};
use crate::input::InputFile;
use crate::spill::{DayPart, DaySorter};

/// Calls kept in memory by all threads together, some 300 bytes each.
const CALLS_IN_MEMORY: usize = 1_000_000;

/// The calls of an input, day by day.
#[derive(Debug, Default)]
pub(crate) struct ReadDays {
    pub(crate) days: BTreeMap<UtcDay, Vec<DayPart>>,
    pub(crate) calls: Calls,
    /// Files without a byte: hours without calls.
    pub(crate) empty_files: usize,
    /// First and last day on which any valid call began, asked for or not.
    pub(crate) span: Option<(UtcDay, UtcDay)>,
}

/// Which calls are asked for, and where what does not fit in memory goes.
pub(crate) struct Reading<'a> {
    pub(crate) set: &'a FeatureSet,
    /// First and last day that any window covers.
    pub(crate) from: UtcDay,
    pub(crate) to: UtcDay,
    pub(crate) folder: &'a Path,
    pub(crate) threads: usize,
    pub(crate) options: &'a ReadOptions,
}

impl Reading<'_> {
    /// Reads every file once. A file that cannot be read ends it; of several, the first in order is named, however
    /// the threads were scheduled: files are taken in order, and one that was taken is read to its end or its error.
    pub(crate) fn read(&self, files: &[InputFile], done: impl Fn(u64) + Sync) -> Result<ReadDays, BatchError> {
        let plan = NumberPlan::new(&self.set.settings().default_region)?;
        let fields = fields_of(self.set);
        let threads = self.threads.min(files.len()).max(1);
        let (next, read, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        let work = |thread: usize| -> Result<ReadDays, (usize, BatchError)> {
            let mut found = ReadDays::default();
            let mut sorter = DaySorter::new(&fields, self.folder, thread, CALLS_IN_MEMORY / threads);
            while !failed.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(file) = files.get(number) else { break };
                if let Err(error) = self.read_file(file, number as u64, &plan, &mut sorter, &mut found) {
                    failed.store(true, Ordering::Relaxed);
                    return Err((number, error));
                }
                done(read.fetch_add(1, Ordering::Relaxed) as u64 + 1);
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
        number: u64,
        plan: &NumberPlan,
        sorter: &mut DaySorter<'_>,
        found: &mut ReadDays,
    ) -> Result<(), BatchError> {
        let unreadable = |source| BatchError::File { file: file.name.clone(), source };
        let calls = match call_files::open(&file.path, plan, self.options) {
            Ok(calls) => calls,
            Err(FileError::Empty { .. }) => {
                found.empty_files += 1;
                return Ok(());
            }
            Err(error) => return Err(unreadable(error)),
        };
        for (record, call) in (0..).zip(calls) {
            found.calls.read += 1;
            let call = match call {
                Ok(call) => call,
                Err(ReadError::Row(row)) => {
                    *found.calls.invalid.entry(row.error.reason.as_str().to_owned()).or_default() += 1;
                    continue;
                }
                Err(ReadError::File(error)) => return Err(unreadable(error)),
            };
            let day = UtcDay::of_ms(call.call.started_at_ms);
            found.span = Some(widen(found.span, (day, day)));
            if day < self.from || day > self.to {
                found.calls.outside += 1;
                continue;
            }
            let arrival =
                Arrival { arrived_at_ms: call.arrived_at_ms, position: call.position, file: number, record };
            sorter.push(&Row::new(&call.call, self.set.settings()), &arrival)?;
        }
        Ok(())
    }
}

impl ReadDays {
    fn add(&mut self, other: Self) {
        for (day, parts) in other.days {
            self.days.entry(day).or_default().extend(parts);
        }
        self.calls.read += other.calls.read;
        self.calls.outside += other.calls.outside;
        self.empty_files += other.empty_files;
        for (reason, count) in other.calls.invalid {
            *self.calls.invalid.entry(reason).or_default() += count;
        }
        if let Some(span) = other.span {
            self.span = Some(widen(self.span, span));
        }
    }
}

fn widen(span: Option<(UtcDay, UtcDay)>, (first, last): (UtcDay, UtcDay)) -> (UtcDay, UtcDay) {
    span.map_or((first, last), |(from, to)| (from.min(first), to.max(last)))
}
