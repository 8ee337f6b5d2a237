//! The legs of a file, for who merges them over files or follows a file as it grows.

use std::fs::File;
use std::path::Path;

use cdr::NumberPlan;
use switch_records::{Leg, MergeRule, Role};

use crate::detect::{Opened, detect, detect_in};
use crate::json_lines::JsonLinesReader;
use crate::parquet_reader::ParquetReader;
use crate::switch_legs::SwitchLegs;
use crate::{FileCall, FileError, Format, LegStart, Place, ReadError, ReadOptions};

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
    /// The leg. Where each leg is to be a call by itself, it has no links.
    pub leg: Leg,
}

/// The legs of a file, in its order. After a [`ReadError::File`] there is nothing more.
pub struct LegFile<'p> {
    format: Format,
    legs: Option<Legs<'p>>,
    place: Place,
}

enum Legs<'p> {
    JsonLines(JsonLinesReader<'p>),
    Parquet(Box<ParquetReader<'p>>),
    Switch(Box<SwitchLegs<'p>>),
}

/// Opens a file of calls as [`crate::open`] does, and gives its legs as they are written.
pub fn open_legs<'p>(path: &Path, plan: &'p NumberPlan, options: &ReadOptions) -> Result<LegFile<'p>, FileError> {
    open_legs_at(path, plan, options, LegStart::default())
}

/// Opens a file of calls and begins somewhere in it. A Parquet file is read from its beginning. A file that grows and has
/// no whole row yet is [`FileError::Empty`].
pub fn open_legs_at<'p>(
    path: &Path,
    plan: &'p NumberPlan,
    options: &ReadOptions,
    start: LegStart,
) -> Result<LegFile<'p>, FileError> {
    legs_of(detect(path, options, start.growing)?, path, plan, options, start)
}

/// The same of a file that is open, whatever its name is by now: `path` is what it is called in errors. While its legs are
/// read, the file is read by nobody else.
pub fn open_legs_in<'p>(
    file: &File,
    path: &Path,
    plan: &'p NumberPlan,
    options: &ReadOptions,
    start: LegStart,
) -> Result<LegFile<'p>, FileError> {
    let clone = || file.try_clone().map_err(|source| FileError::Unreadable { path: path.to_owned(), source });
    legs_of(detect_in(clone()?, path, Some(clone()?), options, start.growing)?, path, plan, options, start)
}

fn legs_of<'p>(
    opened: Opened,
    path: &Path,
    plan: &'p NumberPlan,
    options: &ReadOptions,
    start: LegStart,
) -> Result<LegFile<'p>, FileError> {
    let (format, legs) = match opened {
        Opened::JsonLines(text) => {
            let content = text.content_from(start.place)?;
            (Format::JsonLines, Legs::JsonLines(JsonLinesReader::new(path, plan, content, start)))
        }
        Opened::Switch(format, text) => {
            let legs = SwitchLegs::open(&text, plan, format, &options.switch, start)?;
            (Format::Switch(format), Legs::Switch(Box::new(legs)))
        }
        Opened::Parquet(file) => (Format::Parquet, Legs::Parquet(Box::new(ParquetReader::new(path, plan, file)?))),
    };
    Ok(LegFile { format, legs: Some(legs), place: start.place })
}

impl LegFile<'_> {
    /// The format that was found.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How its legs become calls; `None` where every call is one leg.
    pub fn merge_rule(&self) -> Option<MergeRule> {
        match self.format {
            Format::Switch(format) => Some(format.merge_rule()),
            Format::JsonLines | Format::Parquet => None,
        }
    }

    /// The place behind the last row that was given, a bad one included. At the end of a file that is whole, its end.
    pub fn place(&self) -> Place {
        self.place
    }
}

impl Iterator for LegFile<'_> {
    type Item = Result<FileLeg, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match self.legs.as_mut()? {
            Legs::JsonLines(lines) => {
                let next = lines.next();
                self.place = lines.place();
                next.map(|call| call.map(|call| only_leg(call, self.place.offset)))
            }
            Legs::Parquet(rows) => rows.next().map(|call| call.map(|call| only_leg(call, 0))),
            Legs::Switch(legs) => {
                let next = legs.next_leg();
                self.place = legs.place();
                let end_offset = self.place.offset;
                next.map(|leg| {
                    leg.map(|(row, leg)| FileLeg {
                        row,
                        end_offset,
                        position: None,
                        arrived_at_ms: None,
                        unknown_fields: 0,
                        leg,
                    })
                })
            }
        };
        if !matches!(next, Some(Ok(_) | Err(ReadError::Row(_)))) {
            // Reading past an error of the file would go over what is not there.
            self.legs = None;
        }
        next
    }
}

fn only_leg(call: FileCall, end_offset: u64) -> FileLeg {
    FileLeg {
        row: call.row,
        end_offset,
        position: call.position,
        arrived_at_ms: call.arrived_at_ms,
        unknown_fields: call.unknown_fields,
        leg: Leg { links: Vec::new(), role: Role::Originating, call: call.call },
    }
}
