//! Reading JSON lines: call records, and lines of our archive.

use std::path::{Path, PathBuf};

use cdr::{NumberPlan, Reason, RecordError};

use crate::archive_line;
use crate::detect::{Content, damaged};
use crate::limits::MAX_LINE_BYTES;
use crate::line_reader::{Line, LineReader};
use crate::{FileCall, Format, LegStart, Place, ReadError, RowError};

pub(crate) struct JsonLinesReader<'p> {
    path: PathBuf,
    plan: &'p NumberPlan,
    lines: LineReader,
}

impl<'p> JsonLinesReader<'p> {
    pub fn new(path: &Path, plan: &'p NumberPlan, content: Content, start: LegStart) -> Self {
        Self { path: path.to_owned(), plan, lines: LineReader::new(content, MAX_LINE_BYTES, start) }
    }

    /// Behind the last line that was given.
    pub const fn place(&self) -> Place {
        self.lines.place()
    }
}

impl Iterator for JsonLinesReader<'_> {
    type Item = Result<FileCall, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (row, line) = match self.lines.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(error) => return Some(Err(damaged(&self.path, &error).into())),
            };
            let line = match line {
                Line::Whole(line) => line.trim_ascii(),
                Line::TooLong(len) => {
                    let rule = "is too large: wants a line of at most 2 MiB";
                    let error = RecordError::of_record(Reason::TooLarge, len, rule);
                    return Some(Err(refused(row, error).into()));
                }
            };
            if !line.is_empty() {
                return Some(read_line(self.plan, row, line).map_err(ReadError::Row));
            }
        }
    }
}

fn read_line(plan: &NumberPlan, row: u64, line: &[u8]) -> Result<FileCall, RowError> {
    if let Some(archived) = archive_line::recognise(line) {
        return archive_line::read(plan, row, line.len(), &archived);
    }
    let parsed = if line[0] == b'{' {
        cdr::parse(plan, line)
    } else {
        let rule = "is no JSON object: wants one a line";
        Err(RecordError::of_record(Reason::Unparseable, line.len(), rule))
    };
    let parsed = parsed.map_err(|error| refused(row, error))?;
    Ok(FileCall {
        row,
        position: None,
        arrived_at_ms: None,
        unknown_fields: parsed.unknown_fields,
        call: parsed.record,
    })
}

fn refused(row: u64, error: RecordError) -> RowError {
    RowError { format: Format::JsonLines, row, position: None, arrived_at_ms: None, error }
}
