//! Rows of a text, however they are cut.

use std::io;

use cdr::RecordError;
use switch_records::Framing;

use crate::csv_rows::CsvRows;
use crate::detect::Content;
use crate::json_objects::JsonObjects;
use crate::{LegStart, Place};

/// The number of its first line, from 1, and a row or why there is none.
pub(crate) type Row<'r> = (u64, Result<&'r [u8], RecordError>);

/// Reads rows.
pub(crate) enum Rows {
    Csv(CsvRows),
    Json(JsonObjects),
}

impl Rows {
    pub fn new(framing: Framing, content: Content, start: LegStart) -> Self {
        match framing {
            Framing::CsvRows => Self::Csv(CsvRows::new(content, start)),
            Framing::JsonObjects => Self::Json(JsonObjects::new(content, start)),
        }
    }

    /// The next row; `None` at the end.
    pub fn next_row(&mut self) -> io::Result<Option<Row<'_>>> {
        match self {
            Self::Csv(rows) => rows.next_row(),
            Self::Json(rows) => rows.next_row(),
        }
    }

    /// Behind the last row that was given.
    pub const fn place(&self) -> Place {
        match self {
            Self::Csv(rows) => rows.place(),
            Self::Json(rows) => rows.place(),
        }
    }
}
