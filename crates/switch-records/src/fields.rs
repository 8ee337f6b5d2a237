//! The fields of a CSV row.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Splits rows into fields, in buffers that are used again. A quote within a quoted field is doubled; blanks are part of
/// a field.
pub(crate) struct Fields {
    splitter: Reader,
    text: String,
    ends: Vec<usize>,
    count: usize,
}

impl Fields {
    /// A splitter at `delimiter`, a comma in most formats.
    pub fn new(delimiter: u8) -> Self {
        let splitter = ReaderBuilder::new().delimiter(delimiter).build();
        Self { splitter, text: String::new(), ends: Vec::new(), count: 0 }
    }

    /// Splits a row; what was split before is forgotten. False if it is not UTF-8.
    pub fn split(&mut self, row: &[u8]) -> bool {
        // No field is longer than its row, and none is without a delimiter, but for the last.
        let mut text = std::mem::take(&mut self.text).into_bytes();
        text.resize(row.len() + 1, 0);
        self.ends.resize(row.len() + 2, 0);
        self.splitter.reset();
        let (mut read, mut written, mut ended) = (0, 0, 0);
        loop {
            // An empty input says that the row is over.
            let (result, r, w, e) =
                self.splitter.read_record(&row[read..], &mut text[written..], &mut self.ends[ended..]);
            (read, written, ended) = (read + r, written + w, ended + e);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull
                | ReadRecordResult::OutputEndsFull
                | ReadRecordResult::Record
                | ReadRecordResult::End => break,
            }
        }
        self.count = ended;
        text.truncate(written);
        // Looked at once a row: a field is cut at a delimiter, which no character has within it.
        let text = String::from_utf8(text);
        let is_utf8 = text.is_ok();
        self.text = text.unwrap_or_default();
        is_utf8
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// A field by its place; empty where the row has no such field.
    pub fn get(&self, index: usize) -> &str {
        if index >= self.count {
            return "";
        }
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.text.get(start..self.ends[index]).unwrap_or_default()
    }
}
