//! JSON objects, one behind the other, each bounded: one a line, or over several lines.

use std::io;

use cdr::{Reason, RecordError};

use crate::detect::Content;
use crate::limits::MAX_LINE_BYTES;
use crate::rows::Row;
use crate::window::Window;
use crate::{LegStart, Place};

/// Reads objects. What stands between them costs its line. An object that is cut off costs its own bytes: it ends where
/// a text in it holds a line break, which JSON does not allow, or where a line begins with another object.
pub(crate) struct JsonObjects {
    window: Window,
    growing: bool,
    /// Behind the last object that was given.
    place: Place,
}

/// What the window says of the object at its beginning.
enum Found {
    /// So many bytes.
    Object(usize),
    /// It is cut off behind so many bytes.
    Cut(usize),
    TooLong,
    /// The text is over in it.
    Over,
}

impl JsonObjects {
    pub fn new(content: Content, start: LegStart) -> Self {
        // One byte more than an object may have says that it has more.
        let window = Window::new(content, MAX_LINE_BYTES + 1, start.place);
        Self { window, growing: start.growing, place: start.place }
    }

    /// Behind the last object that was given.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// The next object and the number of its first line; `None` at the end.
    pub fn next_row(&mut self) -> io::Result<Option<Row<'_>>> {
        if !self.pass_blanks()? {
            if !self.growing {
                self.place = self.window.place();
            }
            return Ok(None);
        }
        let line = self.window.place().lines + 1;
        if self.window.bytes()[0] != b'{' {
            let (len, is_whole) = self.window.pass_line()?;
            if self.growing && !is_whole {
                return Ok(None);
            }
            self.place = self.window.place();
            let rule = "is no JSON object: wants objects alone";
            return Ok(Some((line, Err(RecordError::of_record(Reason::Unparseable, len, rule)))));
        }
        let (reason, len, rule) = match self.find()? {
            Found::Object(len) => {
                self.pass(len);
                return Ok(Some((line, Ok(self.window.passed(len, len)))));
            }
            Found::Over if self.growing => return Ok(None),
            Found::Over => {
                let len = self.window.bytes().len();
                self.pass(len);
                (Reason::Unparseable, len, "ends in the middle of an object")
            }
            Found::Cut(len) => {
                self.pass(len);
                (Reason::Unparseable, len, "is an object that is cut off")
            }
            Found::TooLong => {
                let (len, is_over) = self.pass_to_object()?;
                if is_over && self.growing {
                    return Ok(None);
                }
                (Reason::TooLarge, len, "is too large: wants an object of at most 2 MiB")
            }
        };
        self.place = self.window.place();
        Ok(Some((line, Err(RecordError::of_record(reason, len, rule)))))
    }

    /// Passes over blanks; false at the end of the text.
    fn pass_blanks(&mut self) -> io::Result<bool> {
        loop {
            let bytes = self.window.bytes();
            let blanks = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let is_all = blanks == bytes.len();
            let lines = line_ends(&bytes[..blanks]);
            self.window.pass(blanks, lines);
            if !is_all {
                return Ok(true);
            }
            if !self.window.fill()? {
                return Ok(false);
            }
        }
    }

    fn find(&mut self) -> io::Result<Found> {
        let (mut at, mut depth, mut in_text) = (0, 0_usize, false);
        loop {
            let bytes = self.window.bytes();
            let next = match bytes.get(at..) {
                Some(rest) if in_text => memchr::memchr3(b'"', b'\\', b'\n', rest),
                Some(rest) => memchr::memchr3(b'"', b'{', b'}', rest),
                None => None,
            };
            let Some(next) = next else {
                // What is behind a backslash may not be there yet.
                at = at.max(bytes.len());
                if bytes.len() > MAX_LINE_BYTES {
                    return Ok(Found::TooLong);
                }
                if !self.window.fill()? {
                    return Ok(Found::Over);
                }
                continue;
            };
            at += next;
            match bytes[at] {
                b'\n' => return Ok(Found::Cut(at)),
                b'\\' => at += 1,
                b'"' => in_text = !in_text,
                b'{' if depth > 0 && bytes[at - 1] == b'\n' => return Ok(Found::Cut(at)),
                b'{' => depth += 1,
                _ if depth == 1 => return Ok(Found::Object(at + 1)),
                _ => depth -= 1,
            }
            at += 1;
        }
    }

    fn pass(&mut self, len: usize) {
        let lines = line_ends(&self.window.bytes()[..len]);
        self.window.pass(len, lines);
        self.place = self.window.place();
    }

    /// Passes over the rest of an object that is too long: to the next line that begins with an object. How many bytes
    /// it had, and whether the text was over before.
    fn pass_to_object(&mut self) -> io::Result<(usize, bool)> {
        let mut len = 0;
        loop {
            let (of_line, is_whole) = self.window.pass_line()?;
            len += of_line + usize::from(is_whole);
            if !is_whole {
                return Ok((len, true));
            }
            if self.window.bytes().is_empty() && !self.window.fill()? || self.window.bytes()[0] == b'{' {
                return Ok((len, false));
            }
        }
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{BufReader, Cursor, Read};

    use super::*;

    type Rows = Vec<(u64, Result<String, Reason>)>;

    fn rows_from(text: &str, start: LegStart, buffer: usize) -> (Rows, Place) {
        let text = text.as_bytes()[start.place.offset as usize..].to_vec();
        let content = BufReader::with_capacity(buffer, Cursor::new(text)).chain(Cursor::new(Vec::new()));
        let mut rows = JsonObjects::new(Box::new(BufReader::with_capacity(buffer, content)), start);
        let mut all = Vec::new();
        while let Some((number, row)) = rows.next_row().unwrap() {
            let row = row.map(|row| String::from_utf8(row.to_vec()).unwrap());
            all.push((number, row.map_err(|error| error.reason)));
        }
        (all, rows.place())
    }

    fn rows(text: &str) -> Rows {
        rows_from(text, LegStart::default(), 7).0
    }

    fn row(number: u64, text: &str) -> (u64, Result<String, Reason>) {
        (number, Ok(text.to_owned()))
    }

    const BAD: Result<String, Reason> = Err(Reason::Unparseable);

    #[test]
    fn objects_are_cut_wherever_they_end() {
        let spread = "{\n  \"a\": {\"}\": \"\\\"{\\\\\"},\n  \"b\": [\n    {}\n  ]\n}";
        let text = format!("\u{feff}\n{{}}{{\"x\":1}}\r\n\n{spread}\n{{\"y\":2}}");
        assert_eq!(rows(&text), [row(2, "{}"), row(2, "{\"x\":1}"), row(4, spread), row(10, "{\"y\":2}")]);
    }

    #[test]
    fn what_is_no_object_costs_its_line() {
        assert_eq!(rows("hello {}\n{}\n[1]\n{}"), [(1, BAD), row(2, "{}"), (3, BAD), row(4, "{}")]);
        assert_eq!(rows("{} x\n{}"), [row(1, "{}"), (1, BAD), row(2, "{}")]);
    }

    #[test]
    fn an_object_that_is_cut_off_costs_itself() {
        // In a text, between two, within another; at the end of all.
        assert_eq!(rows("{\"a\":\"tru\n{\"b\":1}"), [(1, BAD), row(2, "{\"b\":1}")]);
        assert_eq!(rows("{\"a\":1,\n{\"b\":1}\n"), [(1, BAD), row(2, "{\"b\":1}")]);
        assert_eq!(rows("{\"a\":{\n \"c\":1}\n{\"b\":1}\n"), [(1, BAD), row(3, "{\"b\":1}")]);
        assert_eq!(rows("{}\n{\"a\":{\"b\":1}\n\n"), [row(1, "{}"), (2, BAD)]);
        assert_eq!(rows("{}\n{\"a\\"), [row(1, "{}"), (2, BAD)]);
    }

    #[test]
    fn an_object_that_is_too_long_costs_itself() {
        let long = format!("{{\"a\":\"{}\",\n \"b\":{{}}\n}}", "x".repeat(MAX_LINE_BYTES));
        let text = format!("{{}}\n{long}\n{{\"b\":1}}\n");
        assert_eq!(
            rows_from(&text, LegStart::default(), 1 << 16).0,
            [row(1, "{}"), (2, Err(Reason::TooLarge)), row(5, "{\"b\":1}")]
        );
        let longest = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_LINE_BYTES - 8));
        assert_eq!(longest.len(), MAX_LINE_BYTES);
        assert_eq!(rows_from(&longest, LegStart::default(), 1 << 16).0, [row(1, &longest)]);
    }

    #[test]
    fn a_file_that_grows_gives_whole_objects_and_goes_on_where_it_was() {
        let text = "{\"a\":1}\n{\n \"b\": {}\n}\nx\n{\"c\":\"\"}\n";
        let whole = rows(text);
        assert_eq!(whole.len(), 4);
        for cut in 0..text.len() {
            let (mut read, place) = rows_from(&text[..cut], LegStart { place: Place::default(), growing: true }, 3);
            read.extend(rows_from(text, LegStart { place, growing: true }, 3).0);
            assert_eq!(read, whole, "{cut}");
        }
    }
}
