//! The rows of a file that grows, each with its place.

use std::fs::File;
use std::path::Path;

use call_files::{FileError, LegFile, LegStart, Place, ReadError, RowError, open_legs_in};

use crate::follower::Settings;
use crate::merging::RowLeg;
use crate::resume::RowId;

/// Rows of a file, of which nobody else reads meanwhile.
pub(crate) struct Rows<'s> {
    serial: u64,
    legs: LegFile<'s>,
}

/// What a row is: a leg, or not.
pub(crate) type Row = Result<RowLeg, RowError>;

impl<'s> Rows<'s> {
    /// The rows behind a place, without one at the end that may not be whole where the file still grows; `None` where it
    /// has none.
    pub fn open(
        settings: &'s Settings,
        serial: u64,
        path: &Path,
        file: &File,
        start: LegStart,
    ) -> Result<Option<Self>, FileError> {
        match open_legs_in(file, path, &settings.plan, &settings.options, start) {
            Ok(legs) => Ok(Some(Self { serial, legs })),
            Err(FileError::Empty { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The next row; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Row>, FileError> {
        let start = self.legs.place().offset;
        let (format, rule) = (self.legs.format(), self.legs.merge_rule());
        match self.legs.next() {
            None => Ok(None),
            Some(Ok(read)) => {
                let id = RowId { file: self.serial, end: self.legs.place().offset, start };
                Ok(Some(Ok(RowLeg { id, format, line: read.row, rule, leg: read.leg })))
            }
            Some(Err(ReadError::Row(error))) => Ok(Some(Err(error))),
            Some(Err(ReadError::File(error))) => Err(error),
        }
    }

    /// Behind the last row that was given.
    pub fn place(&self) -> Place {
        self.legs.place()
    }
}
