//! Which days are whole, while files are being read: those of which no file that is not read yet has calls.
//!
//! The footers of Parquet files say when their first and their last call began. Where all files are such, most days
//! can be built as soon as their files are read, and their calls need not be kept until all others are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use snapshot::UtcDay;

/// How many files that are not read yet may have calls of each day.
#[derive(Debug)]
pub(crate) struct WholeDays {
    waiting: Mutex<BTreeMap<UtcDay, usize>>,
}

impl WholeDays {
    /// Of the days in `wanted`, and files whose calls are of these days.
    pub(crate) fn new(wanted: &BTreeSet<UtcDay>, files: &[RangeInclusive<UtcDay>]) -> Self {
        let mut waiting = BTreeMap::new();
        for days in files {
            for day in in_range(wanted, days) {
                *waiting.entry(day).or_default() += 1;
            }
        }
        Self { waiting: Mutex::new(waiting) }
    }

    /// A file with calls of these days was read: which of them are whole now. Each day is returned once.
    pub(crate) fn read(&self, days: &RangeInclusive<UtcDay>) -> Vec<UtcDay> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let of_file: BTreeSet<UtcDay> = waiting.keys().copied().filter(|day| days.contains(day)).collect();
        for day in &of_file {
            waiting.entry(*day).and_modify(|files| *files -= 1);
        }
        waiting.extract_if(.., |day, files| *files == 0 && of_file.contains(day)).map(|(day, _)| day).collect()
    }
}

fn in_range(wanted: &BTreeSet<UtcDay>, days: &RangeInclusive<UtcDay>) -> impl Iterator<Item = UtcDay> {
    // A range that is empty has its end before its start, which a set refuses to look for.
    let is_some = !days.is_empty();
    let days = days.clone();
    wanted.iter().copied().filter(move |day| is_some && days.contains(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_whole_once_with_the_last_file_that_may_have_calls_of_it() {
        let days = |from, to| UtcDay::new(from)..=UtcDay::new(to);
        let wanted = (2..10).map(UtcDay::new).collect();
        // The third file has no calls, the last one none of days that are wanted.
        let files = [days(1, 3), days(3, 3), days(5, 4), days(2, 5), days(10, 11)];
        let whole = WholeDays::new(&wanted, &files);
        let read = |file: usize| whole.read(&files[file]).iter().map(|day| day.days()).collect::<Vec<_>>();
        assert_eq!(read(0), [] as [i32; 0]);
        assert_eq!(read(2), [] as [i32; 0]);
        assert_eq!(read(3), [2, 4, 5]);
        assert_eq!(read(4), [] as [i32; 0]);
        assert_eq!(read(1), [3]);
    }
}
