//! Steps through keys and states of a packed file that lies on this machine. They stay where they were decompressed.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader as _};
use parquet::errors::ParquetError;
use parquet::file::serialized_reader::SerializedPageReader;

use crate::row_group::{Fetched, Footer};
use crate::{PackedReader, SnapshotError};

/// Reads keys and states of a packed file from front to back, one row group in memory at a time. Prefixes and ranges
/// are not decoded.
#[derive(Debug)]
pub struct StoredRows {
    reader: PackedReader,
    /// Rows of the row group that are still to come.
    left: usize,
    keys: PlainValues,
    states: PlainValues,
}

impl StoredRows {
    /// Opens a file and reads its footer.
    pub fn open(path: &Path) -> Result<Self, SnapshotError> {
        let (keys, states) = (PlainValues::default(), PlainValues::default());
        Ok(Self { reader: PackedReader::open(path)?, left: 0, keys, states })
    }

    /// Steps to the first row or the next one; false after the last one.
    pub fn advance(&mut self) -> Result<bool, SnapshotError> {
        while self.left == 0 {
            let read = self.reader.read_group(|footer, group, fetched| {
                let read = |column| PlainValues::read(footer, group, column, fetched);
                // Checked with the footer.
                Ok((read(0)?, read(1)?, footer.group(group).num_rows().max(0) as usize))
            })?;
            let Some((keys, states, rows)) = read else { return Ok(false) };
            (self.keys, self.states, self.left) = (keys, states, rows);
        }
        self.left -= 1;
        if self.keys.advance() && self.states.advance() {
            Ok(true)
        } else {
            Err(self.corrupt("a column has fewer values than its row group rows"))
        }
    }

    /// The bytes of the key of the row; none before the first one.
    pub fn key(&self) -> &[u8] {
        self.keys.value()
    }

    /// The key.
    pub fn key_text(&self) -> Result<&str, SnapshotError> {
        std::str::from_utf8(self.key()).map_err(|error| self.corrupt(error))
    }

    /// The states of the row.
    pub fn states(&self) -> &[u8] {
        self.states.value()
    }

    fn corrupt(&self, error: impl std::fmt::Display) -> SnapshotError {
        SnapshotError::corrupt(self.reader.name(), error)
    }
}

/// Values of a column of a row group as [`crate::PackedWriter`] writes them: all present, each behind its length in
/// four bytes.
#[derive(Debug, Default)]
struct PlainValues {
    pages: std::vec::IntoIter<Bytes>,
    page: Bytes,
    value: Range<usize>,
}

impl PlainValues {
    fn read(footer: &Footer, group: usize, column: usize, fetched: &Arc<Fetched>) -> Result<Self, ParquetError> {
        let group = footer.group(group);
        let rows = group.num_rows().max(0) as usize;
        let mut reader = SerializedPageReader::new(Arc::clone(fetched), group.column(column), rows, None)?;
        let has_levels = group.column(column).column_descr().max_def_level() > 0;
        let mut pages = Vec::new();
        while let Some(page) = reader.get_next_page()? {
            match page {
                Page::DataPage { buf, encoding: Encoding::PLAIN, .. } if !has_levels => pages.push(buf),
                _ => return Err(ParquetError::General("a page is not as this command writes it".to_owned())),
            }
        }
        Ok(Self { pages: pages.into_iter(), ..Self::default() })
    }

    /// False where there is no further value, or not all of it.
    fn advance(&mut self) -> bool {
        while self.value.end == self.page.len() {
            let Some(page) = self.pages.next() else { return false };
            (self.page, self.value) = (page, 0..0);
        }
        let Some((len, rest)) = self.page[self.value.end..].split_first_chunk() else { return false };
        let len = u32::from_le_bytes(*len) as usize;
        let start = self.value.end + size_of::<u32>();
        self.value = start..start.saturating_add(len);
        len <= rest.len()
    }

    fn value(&self) -> &[u8] {
        self.page.get(self.value.clone()).unwrap_or_default()
    }
}
