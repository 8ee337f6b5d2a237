//! Opening a file and reading its calls, whatever its format.

use std::path::Path;

use cdr::{CallRecord, NumberPlan};

use crate::detect::{Opened, detect};
use crate::json_lines::JsonLinesReader;
use crate::parquet_reader::ParquetReader;
use crate::switch_calls::SwitchCalls;
use crate::switch_legs::SwitchLegs;
use crate::{FileError, Format, LegStart, Place, ReadError, SwitchOptions};

/// How a file is read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The format; found out where it is not given.
    pub format: Option<Format>,
    /// What the file of a switch does not say.
    pub switch: SwitchOptions,
}

/// A call of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCall {
    /// Number of its line, in Parquet of its row, from 1; of a call of several legs, that of the leg that won.
    pub row: u64,
    /// Position in its stream, where it comes from an archive.
    pub position: Option<String>,
    /// When it arrived on its stream, in milliseconds since 1970 UTC, where it comes from an archive.
    pub arrived_at_ms: Option<i64>,
    /// How many fields it has that we do not know; 0 in formats whose fields are fixed.
    pub unknown_fields: usize,
    /// The call.
    pub call: CallRecord,
}

/// The calls of a file, in its order; those of several legs behind their last one. After a [`ReadError::File`] there is nothing more.
pub struct CallReader<'p> {
    format: Format,
    rows: Option<Rows<'p>>,
}

type Rows<'p> = Box<dyn Iterator<Item = Result<FileCall, ReadError>> + Send + 'p>;

/// Opens a file of calls. Fails at once where no call can come of it: unreadable, empty, of no known format, cut
/// Parquet, wrong columns.
pub fn open<'p>(path: &Path, plan: &'p NumberPlan, options: &ReadOptions) -> Result<CallReader<'p>, FileError> {
    let (format, rows): (_, Rows<'p>) = match detect(path, options, false)? {
        Opened::JsonLines(text) => {
            let content = text.content_from(Place::default())?;
            (Format::JsonLines, Box::new(JsonLinesReader::new(path, plan, content, LegStart::default())))
        }
        Opened::Switch(format, text) => {
            let legs = SwitchLegs::open(&text, plan, format, &options.switch, LegStart::default())?;
            (Format::Switch(format), Box::new(SwitchCalls::new(legs)))
        }
        Opened::Parquet(file) => (Format::Parquet, Box::new(ParquetReader::new(path, plan, file)?)),
    };
    Ok(CallReader { format, rows: Some(rows) })
}

impl CallReader<'_> {
    /// The format that was found.
    pub fn format(&self) -> Format {
        self.format
    }
}

impl Iterator for CallReader<'_> {
    type Item = Result<FileCall, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.rows.as_mut()?.next();
        if !matches!(next, Some(Ok(_) | Err(ReadError::Row(_)))) {
            // Reading past an error of the file would go over what is not there.
            self.rows = None;
        }
        next
    }
}
