//! Rows of quoted CSV, each bounded: one line, or several where a quoted field holds line breaks.

use std::io;

use cdr::{Reason, RecordError};

use crate::detect::Content;
use crate::limits::{BUFFER_BYTES, MAX_CSV_ROW_BYTES, MAX_CSV_ROW_LINES};
use crate::rows::Row;
use crate::window::Window;
use crate::{LegStart, Place};

/// Reads rows. A quote that is never closed costs its own line, not the rest of the file: the lines after it
/// are read again as rows of their own.
pub(crate) struct CsvRows {
    window: Window,
    growing: bool,
    /// Behind the last row that was given.
    place: Place,
}

/// What the window says of the row at its beginning.
enum Found {
    /// Its bytes with and without its end, and how many lines it spans.
    Row {
        bytes: usize,
        len: usize,
        lines: u64,
    },
    /// The first line opens a quote that no line closes.
    Open,
    TooLong,
    Nothing,
}

impl CsvRows {
    pub fn new(content: Content, start: LegStart) -> Self {
        let window = Window::new(content, BUFFER_BYTES, start.place);
        Self { window, growing: start.growing, place: start.place }
    }

    /// Behind the last row that was given.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// The next row that is not blank; `None` at the end.
    pub fn next_row(&mut self) -> io::Result<Option<Row<'_>>> {
        loop {
            let line = self.window.place().lines + 1;
            match self.find()? {
                Found::Row { bytes, len, lines } => {
                    self.window.pass(bytes, lines);
                    self.place = self.window.place();
                    if !self.window.passed(bytes, len).trim_ascii().is_empty() {
                        return Ok(Some((line, Ok(self.window.passed(bytes, len)))));
                    }
                }
                Found::Nothing => return Ok(None),
                Found::Open => {
                    let (len, _) = self.window.pass_line()?;
                    self.place = self.window.place();
                    let rule =
                        "has a quote that is not closed: wants quotes in pairs, and a quote in a field doubled";
                    return Ok(Some((line, Err(RecordError::of_record(Reason::Unparseable, len, rule)))));
                }
                Found::TooLong => {
                    let (len, is_whole) = self.window.pass_line()?;
                    if self.growing && !is_whole {
                        return Ok(None);
                    }
                    self.place = self.window.place();
                    let rule = "is too large: wants a row of at most 64 KiB";
                    return Ok(Some((line, Err(RecordError::of_record(Reason::TooLarge, len, rule)))));
                }
            }
        }
    }

    fn find(&mut self) -> io::Result<Found> {
        // Up to here the row was looked at.
        let mut scanned = 0;
        let mut lines = 0;
        let mut is_closed = true;
        loop {
            let Some(end) = self.line_end(scanned)? else {
                return Ok(if lines == 0 { Found::TooLong } else { Found::Open });
            };
            let bytes = self.window.bytes();
            if end == scanned && end == bytes.len() {
                // Nothing is left, and a quote may be open.
                return Ok(if lines == 0 || self.growing { Found::Nothing } else { Found::Open });
            }
            let has_end = end < bytes.len();
            if !has_end && self.growing {
                return Ok(Found::Nothing);
            }
            let quotes = memchr::memchr_iter(b'"', &bytes[scanned..end]).count();
            is_closed ^= quotes % 2 == 1;
            let row = &bytes[..end];
            let row = row.strip_suffix(b"\r").unwrap_or(row);
            if row.len() > MAX_CSV_ROW_BYTES {
                return Ok(if lines == 0 { Found::TooLong } else { Found::Open });
            }
            scanned = end + usize::from(has_end);
            lines += 1;
            if is_closed {
                return Ok(Found::Row { bytes: scanned, len: row.len(), lines: lines as u64 - u64::from(!has_end) });
            }
            if lines > MAX_CSV_ROW_LINES {
                return Ok(Found::Open);
            }
        }
    }

    /// Where the line ends that begins at `from` of the window: at its line feed, or at the end of the text. `None` if it
    /// is too long.
    fn line_end(&mut self, from: usize) -> io::Result<Option<usize>> {
        let mut searched = from;
        loop {
            let bytes = self.window.bytes();
            if let Some(end) = memchr::memchr(b'\n', &bytes[searched..]) {
                return Ok(Some(searched + end));
            }
            searched = bytes.len();
            // A carriage return does not count.
            if searched > MAX_CSV_ROW_BYTES + 1 || self.window.is_full() {
                return Ok(None);
            }
            if !self.window.fill()? {
                return Ok(Some(self.window.bytes().len()));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{BufReader, Cursor};

    use super::*;

    type Rows = Vec<(u64, Option<String>)>;

    fn rows_from(text: &str, start: LegStart, buffer: usize) -> (Rows, Place) {
        let text = text.as_bytes()[start.place.offset as usize..].to_vec();
        let mut rows =
            CsvRows::new(Box::new(BufReader::with_capacity(buffer, Slow(Cursor::new(text), buffer))), start);
        let mut all = Vec::new();
        while let Some((number, row)) = rows.next_row().unwrap() {
            all.push((number, row.ok().map(|row| String::from_utf8(row.to_vec()).unwrap())));
        }
        (all, rows.place())
    }

    /// Gives a few bytes at once.
    struct Slow(Cursor<Vec<u8>>, usize);

    impl io::Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = buffer.len().min(self.1);
            self.0.read(&mut buffer[..len])
        }
    }

    fn rows(text: &str) -> Rows {
        let whole = rows_from(text, LegStart::default(), 1_000_000).0;
        if text.len() < 10_000 {
            assert_eq!(rows_from(text, LegStart::default(), 1).0, whole);
        }
        whole
    }

    fn row(number: u64, text: &str) -> (u64, Option<String>) {
        (number, Some(text.to_owned()))
    }

    #[test]
    fn quotes_commas_and_line_breaks_stay_in_their_row() {
        let text = "\u{feff}\"a\",\"b,\"\"c\"\"\",,5\r\n\r\n\"two\nlines\",x\n\"\",\"\"\nlast";
        let expected =
            [row(1, "\"a\",\"b,\"\"c\"\"\",,5"), row(3, "\"two\nlines\",x"), row(5, "\"\",\"\""), row(6, "last")];
        assert_eq!(rows(text), expected);
    }

    #[test]
    fn an_open_quote_costs_its_own_line() {
        let many = (2..=40).map(|n| format!("{n},b")).collect::<Vec<_>>().join("\n");
        let rows = rows(&format!("\"1,b\n{many}"));
        assert_eq!(rows.len(), 40);
        assert_eq!(rows[0], (1, None));
        assert_eq!(rows[39], row(40, "40,b"));
    }

    #[test]
    fn an_open_quote_may_be_the_last_line_or_meet_one_too_long() {
        assert_eq!(rows("a,b\n\"c"), [row(1, "a,b"), (2, None)]);
        assert_eq!(rows("a,b\n\"c\n"), [row(1, "a,b"), (2, None)]);
        for extra in [1, 2, 1_000_000] {
            let long = "x".repeat(MAX_CSV_ROW_BYTES + extra);
            assert_eq!(rows(&format!("\"a\n{long}\nc")), [(1, None), (2, None), row(3, "c")]);
            assert_eq!(rows(&format!("{long}\r\nc\n{long}")), [(1, None), row(2, "c"), (3, None)]);
        }
        let longest = "x".repeat(MAX_CSV_ROW_BYTES);
        assert_eq!(rows(&format!("{longest}\r\nc")), [row(1, &longest), row(2, "c")]);
    }

    #[test]
    fn a_file_that_grows_gives_whole_rows_and_goes_on_where_it_was() {
        let text = "\u{feff}a,b\n\"c\nd\",e\r\n\nf,\"g\nh\"\ni\n";
        let whole = rows(text);
        assert_eq!(whole.len(), 4);
        for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let growing = LegStart { place: Place::default(), growing: true };
            let (mut read, place) = rows_from(&text[..cut], growing, 3);
            assert!(
                text[..place.offset as usize].is_empty() || text[..place.offset as usize].ends_with('\n'),
                "{cut}"
            );
            let (rest, end) = rows_from(text, LegStart { place, growing: true }, 3);
            read.extend(rest);
            assert_eq!(read, whole, "{cut}");
            assert_eq!(end, Place { offset: text.len() as u64, lines: 7 });
        }
    }
}
