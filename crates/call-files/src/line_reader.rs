//! Lines of a text, each bounded.

use std::io::{self, BufRead};

use crate::detect::{BYTE_ORDER_MARK, Content};
use crate::{LegStart, Place};

/// Reads lines that end in LF or CRLF. A byte order mark before the first is dropped.
pub(crate) struct LineReader {
    content: Content,
    max_bytes: usize,
    growing: bool,
    /// Behind the last line that was given.
    place: Place,
    line: Vec<u8>,
}

/// A line of a text.
pub(crate) enum Line<'a> {
    /// Its bytes, without its end.
    Whole(&'a [u8]),
    /// Longer than the bound; this many bytes were passed over.
    TooLong(usize),
}

impl LineReader {
    pub fn new(content: Content, max_bytes: usize, start: LegStart) -> Self {
        Self { content, max_bytes, growing: start.growing, place: start.place, line: Vec::new() }
    }

    /// Behind the last line that was given.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// The next line and its number, from 1; `None` at the end.
    pub fn next_line(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.line.clear();
        let mut len = 0;
        let mut ended = false;
        while !ended {
            let buffer = self.content.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', buffer);
            ended = end.is_some();
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            len += piece.len();
            // The rest of a line that is too long is only counted.
            if len <= self.max_bytes + LINE_EXTRAS {
                self.line.extend_from_slice(piece);
            }
            let read = piece.len() + usize::from(ended);
            self.content.consume(read);
        }
        if !ended && (len == 0 || self.growing) {
            return Ok(None);
        }
        self.place.offset += (len + usize::from(ended)) as u64;
        self.place.lines += u64::from(ended);
        let number = self.place.lines + u64::from(!ended);
        let mut line = if len == self.line.len() { &self.line[..] } else { &[] };
        if number == 1 {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if len > self.line.len() || line.len() > self.max_bytes {
            return Ok(Some((number, Line::TooLong(len))));
        }
        Ok(Some((number, Line::Whole(line))))
    }
}

/// A mark and a carriage return do not count as the line's.
const LINE_EXTRAS: usize = 4;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{BufReader, Cursor};

    use super::*;

    fn lines(text: &[u8], max_bytes: usize, buffer: usize) -> Vec<(u64, Result<String, usize>)> {
        let content = Box::new(BufReader::with_capacity(buffer, Cursor::new(text.to_vec())));
        let mut reader = LineReader::new(content, max_bytes, LegStart::default());
        let mut all = Vec::new();
        while let Some((number, line)) = reader.next_line().unwrap() {
            all.push((
                number,
                match line {
                    Line::Whole(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
                    Line::TooLong(len) => Err(len),
                },
            ));
        }
        all
    }

    #[test]
    fn lines_are_the_same_whatever_the_buffer() {
        let text = b"\xEF\xBB\xBFone\r\n\ntwo\nthirteen and more\nlast";
        for buffer in [1, 2, 3, 5, 100] {
            let whole = |text: &str| Ok(text.to_owned());
            let expected =
                vec![(1, whole("one")), (2, whole("")), (3, whole("two")), (4, Err(17)), (5, whole("last"))];
            assert_eq!(lines(text, 8, buffer), expected, "{buffer}");
        }
        assert!(lines(b"", 8, 4).is_empty());
        assert_eq!(lines(b"\n", 8, 4).len(), 1);
    }

    #[test]
    fn the_bound_is_on_the_line_without_its_end() {
        for buffer in [1, 4, 100] {
            assert_eq!(lines(b"12345678\r\n", 8, buffer), [(1, Ok("12345678".to_owned()))]);
            assert_eq!(lines(b"123456789\n", 8, buffer), [(1, Err(9))]);
        }
    }
}
