//! What is read of a text and not given yet.

use std::io::{self, Read};

use crate::Place;
use crate::detect::{BYTE_ORDER_MARK, Content};

/// A stretch of a text in memory that rows are cut from where they lie.
pub(crate) struct Window {
    content: Content,
    buffer: Vec<u8>,
    /// The stretch is from here to `end` of the buffer.
    start: usize,
    end: usize,
    max_bytes: usize,
    /// Of `start`.
    place: Place,
}

impl Window {
    /// A window on what follows `place`, of at most `max_bytes`.
    pub fn new(content: Content, max_bytes: usize, place: Place) -> Self {
        let buffer = vec![0; max_bytes.min(FIRST_BYTES)];
        Self { content, buffer, start: 0, end: 0, max_bytes, place }
    }

    /// What is there.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Where it begins.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Whether it can hold no more.
    pub fn is_full(&self) -> bool {
        self.bytes().len() == self.max_bytes
    }

    /// Reads more; false at the end of the text, and if it is full. A mark at the beginning of the text is dropped.
    pub fn fill(&mut self) -> io::Result<bool> {
        if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            } else if self.buffer.len() < self.max_bytes {
                self.buffer.resize(self.max_bytes.min(self.buffer.len() * 4), 0);
            } else {
                return Ok(false);
            }
        }
        let is_first = self.place == Place::default() && self.bytes().is_empty();
        let mut read = self.read()?;
        if is_first {
            // The mark is seen as a whole, before anybody looks.
            while read > 0 && self.bytes().len() < BYTE_ORDER_MARK.len() {
                read = self.read()?;
            }
            if self.bytes().starts_with(BYTE_ORDER_MARK) {
                self.pass(BYTE_ORDER_MARK.len(), 0);
                read = self.read()?;
            }
            return Ok(read > 0 || !self.bytes().is_empty());
        }
        Ok(read > 0)
    }

    /// How many bytes more.
    fn read(&mut self) -> io::Result<usize> {
        loop {
            match self.content.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    let read = read?;
                    self.end += read;
                    return Ok(read);
                }
            }
        }
    }

    /// Passes over so many bytes, which have so many line ends. They stay where [`Window::passed`] finds them until more
    /// is read.
    pub fn pass(&mut self, bytes: usize, lines: u64) {
        self.start += bytes;
        self.place.offset += bytes as u64;
        self.place.lines += lines;
    }

    /// Of the last `bytes` that were passed over, the first `len`.
    pub fn passed(&self, bytes: usize, len: usize) -> &[u8] {
        let from = self.start - bytes;
        &self.buffer[from..from + len]
    }

    /// Passes over the rest of the line and returns how many bytes it has without its end, and whether it has an end: the
    /// text may be over before.
    pub fn pass_line(&mut self) -> io::Result<(usize, bool)> {
        let mut len = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', self.bytes()) {
                self.pass(end + 1, 1);
                return Ok((len + end, true));
            }
            len += self.bytes().len();
            self.pass(self.bytes().len(), 0);
            if !self.fill()? {
                return Ok((len, false));
            }
        }
    }
}

/// Bytes that are read at first: many files are smaller.
const FIRST_BYTES: usize = 64 * 1024;
