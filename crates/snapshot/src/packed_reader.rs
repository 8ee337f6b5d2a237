//! Reads files of keys and packed states that lie on this machine.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;

use crate::packed::tile_about;
use crate::row_group::{Fetched, Footer, TAIL_BYTES, Tail, absent, open_bytes_column, read_all, text, texts};
use crate::{SnapshotError, TileFile, UtcDay};

/// A row of a packed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedRow {
    /// The key.
    pub key: String,
    /// Its states.
    pub states: Vec<u8>,
    /// The prefix of the number, in day tiles of E.164 numbers.
    pub prefix: Option<String>,
    /// The range of the number, in day tiles of E.164 numbers.
    pub range: Option<String>,
}

/// Reads a packed file on this machine from front to back, one row group in memory at a time.
#[derive(Debug)]
pub struct PackedReader {
    file: File,
    /// For errors.
    name: String,
    footer: Footer,
    next_group: usize,
    rows: std::vec::IntoIter<PackedRow>,
}

impl PackedReader {
    /// Opens a file and reads its footer.
    pub fn open(path: &Path) -> Result<Self, SnapshotError> {
        Self::open_as(path, &path.display().to_string(), None)
    }

    /// Opens a day tile that a manifest lists: `path` is where it is on this machine. Fails where its footer is not the
    /// one that was written, or where it is the tile of another day, party, level or feature set.
    pub fn open_tile(path: &Path, listed: &TileFile, date: UtcDay, version: &str) -> Result<Self, SnapshotError> {
        let reader = Self::open_as(path, &listed.key, listed.footer_crc32)?;
        let corrupt = |detail: String| SnapshotError::corrupt(&listed.key, detail);
        let rows = reader.footer.rows();
        if rows != listed.rows {
            return Err(corrupt(format!("it has {rows} rows, the manifest says {}", listed.rows)));
        }
        let is = tile_about(date, listed.party, listed.level, version);
        for (name, expected) in &is {
            // Tiles of before say less of themselves.
            if let Some(found) = reader.footer.about(name).filter(|found| found != expected) {
                return Err(corrupt(format!("it is a tile of {name} {found}, the manifest says {expected}")));
            }
        }
        Ok(reader)
    }

    fn open_as(path: &Path, name: &str, footer_crc32: Option<u32>) -> Result<Self, SnapshotError> {
        let local = |source| SnapshotError::LocalFile { path: path.display().to_string(), source };
        let corrupt = |detail: String| SnapshotError::corrupt(name, detail);
        let file = File::open(path).map_err(local)?;
        let size = file.metadata().map_err(local)?.len();
        let mut wanted = TAIL_BYTES.min(size);
        let footer = loop {
            let tail = read_at(&file, size.saturating_sub(wanted), wanted).map_err(local)?;
            match Footer::in_tail(&tail, size, footer_crc32).map_err(corrupt)? {
                Tail::Whole(footer) => break footer,
                Tail::Wants(more) => wanted = more.min(size),
            }
        };
        Ok(Self { file, name: name.to_owned(), footer, next_group: 0, rows: Vec::new().into_iter() })
    }

    /// The next row, or `None` after the last one.
    pub fn next_row(&mut self) -> Result<Option<PackedRow>, SnapshotError> {
        loop {
            if let Some(row) = self.rows.next() {
                return Ok(Some(row));
            }
            let Some(rows) = self.read_group(read_rows)? else { return Ok(None) };
            self.rows = rows.into_iter();
        }
    }

    /// For errors.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The next row group, checked; `None` after the last one.
    pub(crate) fn read_group<T>(
        &mut self,
        read: impl FnOnce(&Footer, usize, &Arc<Fetched>) -> Result<T, ParquetError>,
    ) -> Result<Option<T>, SnapshotError> {
        if self.next_group == self.footer.groups() {
            return Ok(None);
        }
        let name = || self.name.clone();
        let range = self.footer.group_range(self.next_group);
        let bytes = read_at(&self.file, range.start, range.end - range.start)
            .map_err(|source| SnapshotError::LocalFile { path: name(), source })?;
        let fetched = Arc::new(Fetched { start: range.start, bytes });
        self.footer
            .check_group(self.next_group, &fetched)
            .map_err(|detail| SnapshotError::corrupt(&name(), detail))?;
        let rows =
            read(&self.footer, self.next_group, &fetched).map_err(|error| SnapshotError::corrupt(&name(), error))?;
        self.next_group += 1;
        Ok(Some(rows))
    }
}

/// All rows of a row group that was fetched.
pub(crate) fn read_rows(
    footer: &Footer,
    group: usize,
    fetched: &Arc<Fetched>,
) -> Result<Vec<PackedRow>, ParquetError> {
    let group = footer.group(group);
    let column = |column: usize| read_all(open_bytes_column(fetched, group, column)?, group, column);
    let keys = texts(column(0)?)?;
    let states = column(1)?;
    let has_areas = group.num_columns() >= 4;
    let [mut prefixes, mut ranges] = if has_areas {
        [column(2)?.into_iter(), column(3)?.into_iter()]
    } else {
        [Vec::new().into_iter(), Vec::new().into_iter()]
    };
    keys.into_iter()
        .zip(states)
        .map(|(key, states)| {
            let area = |value: Option<Option<ByteArray>>| value.flatten().as_ref().map(text).transpose();
            Ok(PackedRow {
                key,
                states: states.ok_or_else(absent)?.data().to_vec(),
                prefix: area(prefixes.next())?,
                range: area(ranges.next())?,
            })
        })
        .collect()
}

fn read_at(file: &File, start: u64, length: u64) -> std::io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes.into())
}
