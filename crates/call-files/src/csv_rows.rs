//! Rows of quoted CSV, each bounded: one line, or several where a quoted field holds line breaks.

use std::collections::VecDeque;
use std::io;

use cdr::{Reason, RecordError};

use crate::detect::Content;
use crate::limits::{MAX_CSV_ROW_BYTES, MAX_CSV_ROW_LINES};
use crate::line_reader::{Line, LineReader};

/// Reads rows. A quote that is never closed costs its own line, not the rest of the file: the lines after it
/// are read again as rows of their own.
pub(crate) struct CsvRows {
    lines: LineReader,
    /// Lines that were read ahead, with their numbers.
    ahead: VecDeque<(u64, Result<Vec<u8>, usize>)>,
}

/// A row, or why there is none, with the number of its first line.
pub(crate) type Row = (u64, Result<Vec<u8>, RecordError>);

impl CsvRows {
    pub fn new(content: Content) -> Self {
        Self { lines: LineReader::new(content, MAX_CSV_ROW_BYTES), ahead: VecDeque::new() }
    }

    /// The next row that is not blank; `None` at the end.
    pub fn next_row(&mut self) -> io::Result<Option<Row>> {
        while self.fill(0)? {
            let Some((number, line)) = self.ahead.pop_front() else {
                break;
            };
            match line {
                Err(len) => return Ok(Some((number, Err(too_large(len))))),
                Ok(line) if line.trim_ascii().is_empty() => {}
                Ok(line) if is_closed(&line) => return Ok(Some((number, Ok(line)))),
                Ok(line) => return self.join(number, line).map(Some),
            }
        }
        Ok(None)
    }

    /// Joins the lines of a row whose quote is open at the end of the first.
    fn join(&mut self, number: u64, first: Vec<u8>) -> io::Result<Row> {
        let first_len = first.len();
        let mut row = first;
        for joined in 0..MAX_CSV_ROW_LINES {
            if !self.fill(joined)? {
                break;
            }
            let Some((_, Ok(line))) = self.ahead.get(joined) else {
                break;
            };
            row.push(b'\n');
            row.extend_from_slice(line);
            if row.len() > MAX_CSV_ROW_BYTES {
                break;
            }
            if is_closed(&row) {
                self.ahead.drain(..=joined);
                return Ok((number, Ok(row)));
            }
        }
        let rule = "has a quote that is not closed: wants quotes in pairs, and a quote in a field doubled";
        Ok((number, Err(RecordError::of_record(Reason::Unparseable, first_len, rule))))
    }

    /// Reads ahead until line `index` is there; false at the end of the file.
    fn fill(&mut self, index: usize) -> io::Result<bool> {
        while self.ahead.len() <= index {
            match self.lines.next_line()? {
                None => return Ok(false),
                Some((number, Line::Whole(line))) => self.ahead.push_back((number, Ok(line.to_vec()))),
                Some((number, Line::TooLong(len))) => self.ahead.push_back((number, Err(len))),
            }
        }
        Ok(true)
    }
}

/// The fields of a row. A quote within a quoted field is doubled; blanks are part of a field.
pub(crate) fn split(row: &str) -> Vec<String> {
    let mut fields = Vec::with_capacity(21);
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = row.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            _ => field.push(char),
        }
    }
    fields.push(field);
    fields
}

/// Whether every quote has its pair: a doubled quote has two.
fn is_closed(row: &[u8]) -> bool {
    row.iter().fold(true, |closed, &byte| closed != (byte == b'"'))
}

fn too_large(len: usize) -> RecordError {
    RecordError::of_record(Reason::TooLarge, len, "is too large: wants a row of at most 64 KiB")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{BufReader, Cursor};

    use super::*;

    fn rows(text: &str) -> Vec<(u64, Option<Vec<String>>)> {
        let mut rows = CsvRows::new(Box::new(BufReader::new(Cursor::new(text.as_bytes().to_vec()))));
        let mut all = Vec::new();
        while let Some((number, row)) = rows.next_row().unwrap() {
            all.push((number, row.ok().map(|row| split(std::str::from_utf8(&row).unwrap()))));
        }
        all
    }

    fn fields(fields: &[&str]) -> Vec<String> {
        fields.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn quotes_commas_and_line_breaks_stay_in_their_field() {
        let text = "\"a\",\"b,\"\"c\"\"\",,5\r\n\r\n\"two\nlines\",x\n\"\",\"\"\n";
        let expected = vec![
            (1, Some(fields(&["a", "b,\"c\"", "", "5"]))),
            (3, Some(fields(&["two\nlines", "x"]))),
            (5, Some(fields(&["", ""]))),
        ];
        assert_eq!(rows(text), expected);
    }

    #[test]
    fn an_open_quote_costs_its_own_line() {
        let many = (2..=40).map(|n| format!("{n},b")).collect::<Vec<_>>().join("\n");
        let rows = rows(&format!("\"1,b\n{many}"));
        assert_eq!(rows.len(), 40);
        assert_eq!(rows[0], (1, None));
        assert_eq!(rows[39], (40, Some(fields(&["40", "b"]))));
    }

    #[test]
    fn an_open_quote_may_be_the_last_line_or_meet_one_too_long() {
        assert_eq!(rows("a,b\n\"c"), [(1, Some(fields(&["a", "b"]))), (2, None)]);
        let long = "x".repeat(MAX_CSV_ROW_BYTES + 1);
        assert_eq!(rows(&format!("\"a\n{long}\nc")), [(1, None), (2, None), (3, Some(fields(&["c"])))]);
    }
}
