//! Calls sorted into days, in memory while they are few and in files beyond.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use call_files::CallBatch;
use features::{Row, Settings};
use polars::prelude::{
    DataFrame, ParquetCompression, ParquetReader, ParquetWriter, SerReader as _, StatisticsOptions,
};
use snapshot::UtcDay;

use crate::BatchError;
use crate::batch_hashes::BatchHashes;
use crate::day_columns::{Arrival, DayColumns, Kept};

/// Gathers the calls of one reading thread, day by day.
pub(crate) struct DaySorter<'a> {
    kept: &'a Kept,
    folder: &'a Path,
    /// Tells the files of this thread from those of others.
    thread: usize,
    rows_max: usize,
    rows: usize,
    /// The day of the last call, which the next one mostly is of, too; in `open` once another day comes.
    current: Option<(UtcDay, DayColumns)>,
    open: BTreeMap<UtcDay, DayColumns>,
    parts: BTreeMap<UtcDay, Vec<DayPart>>,
    written: usize,
}

/// Some calls of a day.
#[derive(Debug)]
pub(crate) enum DayPart {
    Frame(DataFrame),
    File(PathBuf),
}

impl<'a> DaySorter<'a> {
    /// `rows_max` calls are kept in memory before they are written to `folder`.
    pub(crate) fn new(kept: &'a Kept, folder: &'a Path, thread: usize, rows_max: usize) -> Self {
        let (open, parts) = (BTreeMap::new(), BTreeMap::new());
        Self { kept, folder, thread, rows_max, rows: 0, current: None, open, parts, written: 0 }
    }

    pub(crate) fn push(&mut self, row: &Row<'_>, arrival: &Arrival) -> Result<(), BatchError> {
        self.add(UtcDay::of_ms(row.call().started_at_ms), 1, |columns| columns.push(row, arrival))
    }

    /// Adds the calls of these rows of a batch, which are of one day.
    pub(crate) fn push_batch(
        &mut self,
        day: UtcDay,
        batch: &CallBatch,
        rows: &[u32],
        hashes: &BatchHashes,
        file: u64,
        settings: &Settings,
    ) -> Result<(), BatchError> {
        self.add(day, rows.len(), |columns| columns.push_batch(batch, rows, hashes, file, settings))
    }

    fn add(&mut self, day: UtcDay, rows: usize, push: impl FnOnce(&mut DayColumns)) -> Result<(), BatchError> {
        if self.current.as_ref().is_none_or(|(current, _)| *current != day) {
            self.open.extend(self.current.take());
            self.current = Some((day, self.open.remove(&day).unwrap_or_else(|| DayColumns::new(self.kept))));
        }
        if let Some((_, columns)) = &mut self.current {
            push(columns);
        }
        self.rows += rows;
        if self.rows >= self.rows_max { self.spill() } else { Ok(()) }
    }

    /// The parts of each day.
    pub(crate) fn finish(mut self) -> Result<BTreeMap<UtcDay, Vec<DayPart>>, BatchError> {
        self.open.extend(self.current.take());
        for (day, columns) in std::mem::take(&mut self.open) {
            self.parts.entry(day).or_default().push(DayPart::Frame(columns.into_frame()?));
        }
        Ok(self.parts)
    }

    /// What there is of a day so far. Nothing of it is kept.
    pub(crate) fn take_day(&mut self, day: UtcDay) -> Result<Vec<DayPart>, BatchError> {
        self.open.extend(self.current.take());
        let mut parts = self.parts.remove(&day).unwrap_or_default();
        if let Some(columns) = self.open.remove(&day) {
            self.rows -= columns.len();
            parts.push(DayPart::Frame(columns.into_frame()?));
        }
        Ok(parts)
    }

    fn spill(&mut self) -> Result<(), BatchError> {
        self.open.extend(self.current.take());
        for (day, columns) in std::mem::take(&mut self.open) {
            let path = self.folder.join(format!("{day}-{}-{}.parquet", self.thread, self.written));
            self.written += 1;
            let file = File::create(&path)
                .map_err(|source| BatchError::Temporary { path: path.display().to_string(), source })?;
            ParquetWriter::new(file)
                .with_compression(ParquetCompression::Lz4Raw)
                .with_statistics(StatisticsOptions::empty())
                .finish(&mut columns.into_frame()?)
                .map_err(|error| BatchError::of_file(&path, error))?;
            self.parts.entry(day).or_default().push(DayPart::File(path));
        }
        self.rows = 0;
        Ok(())
    }
}

/// All calls of a day in one frame. Files are deleted once they are read.
pub(crate) fn load_day(parts: Vec<DayPart>) -> Result<DataFrame, BatchError> {
    let mut whole: Option<DataFrame> = None;
    for part in parts {
        let frame = match part {
            DayPart::Frame(frame) => frame,
            DayPart::File(path) => {
                let local = |source| BatchError::Temporary { path: path.display().to_string(), source };
                let frame = ParquetReader::new(File::open(&path).map_err(local)?)
                    .finish()
                    .map_err(|error| BatchError::of_file(&path, error))?;
                std::fs::remove_file(&path).map_err(local)?;
                frame
            }
        };
        match &mut whole {
            Some(whole) => drop(whole.vstack_mut_owned(frame)?),
            None => whole = Some(frame),
        }
    }
    let mut whole = whole.unwrap_or_default();
    whole.rechunk_mut_par();
    Ok(whole)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::testing::any_call;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn what_went_through_files_is_what_stayed_in_memory(calls in prop::collection::vec(any_call(), 1..30)) {
            let set = features::FeatureSet::default_set().unwrap();
            let kept = Kept::of(&set);
            let folder = tempfile::tempdir().unwrap();
            let load = |rows_max| {
                let mut sorter = DaySorter::new(&kept, folder.path(), 0, rows_max);
                for (record, call) in calls.iter().enumerate() {
                    let position = (record % 2 == 0).then(|| format!("{record:04}"));
                    let arrival = Arrival { position, record: record as u64, ..Arrival::default() };
                    sorter.push(&Row::new(call, set.settings()), &arrival).unwrap();
                }
                let mut days = sorter.finish().unwrap();
                assert_eq!(days.len(), 1);
                let parts = days.pop_first().unwrap().1;
                (parts.len(), load_day(parts).unwrap())
            };
            let (one, in_memory) = load(1_000);
            let (parts, through_files) = load(7);
            prop_assert_eq!((one, parts), (1, calls.len().div_ceil(7)));
            prop_assert!(in_memory.equals_missing(&through_files));
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
