//! Row groups of Parquet files that are not on this machine: which bytes to fetch, and how to read them then.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::checksum::{self, GROUPS_CRC32, crc32};

/// The end of a file that is fetched first: most footers fit.
pub(crate) const TAIL_BYTES: u64 = 128 * 1024;
/// Largest footer: a file that claims more is damaged.
const FOOTER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Before the first row group: `PAR1`.
const MAGIC_BYTES: u64 = 4;

/// What came of looking for a footer in the last bytes of a file.
pub(crate) enum Tail {
    /// The footer.
    Whole(Footer),
    /// It is longer: this many bytes from the end of the file are wanted.
    Wants(u64),
}

/// A checked footer: every row group lies inside the file.
#[derive(Debug)]
pub(crate) struct Footer {
    metadata: ParquetMetaData,
    /// Of the row groups, in their order; `None` in a file that does not say.
    groups_crc32: Option<Vec<u32>>,
}

impl Footer {
    /// Looks for the footer in `tail`, the last bytes of a file of `file_bytes` bytes. `crc32` is the checksum of what
    /// lies behind the last row group, where it is known.
    pub(crate) fn in_tail(tail: &Bytes, file_bytes: u64, crc32: Option<u32>) -> Result<Tail, String> {
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(tail, file_bytes) {
            Ok(()) => {
                let metadata = reader.finish().map_err(|error| error.to_string())?;
                check(&metadata, file_bytes)?;
                if let Some(expected) = crc32 {
                    match check_end(&metadata, tail, file_bytes, expected)? {
                        None => {}
                        Some(wanted) => return Ok(Tail::Wants(wanted)),
                    }
                }
                let groups_crc32 = groups_crc32(&metadata)?;
                Ok(Tail::Whole(Self { metadata, groups_crc32 }))
            }
            Err(ParquetError::NeedMoreData(needed)) if needed > tail.len() && needed <= FOOTER_BYTES_MAX => {
                Ok(Tail::Wants(needed as u64))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    pub(crate) fn groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// Rows in all groups.
    pub(crate) fn rows(&self) -> u64 {
        // Checked: none is negative.
        self.metadata.row_groups().iter().map(|group| group.num_rows().cast_unsigned()).sum()
    }

    /// An entry of the file's own metadata.
    pub(crate) fn about(&self, name: &str) -> Option<&str> {
        let entries = self.metadata.file_metadata().key_value_metadata()?;
        entries.iter().find(|entry| entry.key == name)?.value.as_deref()
    }

    pub(crate) fn group(&self, group: usize) -> &RowGroupMetaData {
        self.metadata.row_group(group)
    }

    /// The place of a column by its name.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        let columns = self.metadata.file_metadata().schema_descr().columns();
        columns.iter().position(|column| column.name() == name)
    }

    /// The bytes of a row group, all columns.
    pub(crate) fn group_range(&self, group: usize) -> Range<u64> {
        self.columns_range(group, 0..self.group(group).num_columns())
    }

    /// The bytes from the first to the last of these columns of a row group.
    pub(crate) fn columns_range(&self, group: usize, columns: impl IntoIterator<Item = usize>) -> Range<u64> {
        let group = self.group(group);
        let ranges = columns.into_iter().map(|column| group.column(column).byte_range());
        let (start, end) =
            ranges.fold((u64::MAX, 0), |(low, high), (start, length)| (low.min(start), high.max(start + length)));
        start.min(end)..end
    }

    /// Whether the bytes of a whole row group are those that were written.
    pub(crate) fn check_group(&self, group: usize, fetched: &Fetched) -> Result<(), String> {
        match &self.groups_crc32 {
            Some(expected) if expected[group] != crc32(&fetched.bytes) => {
                Err(format!("the checksum of row group {group} is wrong"))
            }
            _ => Ok(()),
        }
    }

    /// The row group that holds `key`, if any does: groups are in the order of their keys.
    pub(crate) fn group_of(&self, key: &str) -> Option<usize> {
        let bounds = |group: usize| {
            let statistics = self.group(group).column(0).statistics()?;
            Some((statistics.min_bytes_opt()?, statistics.max_bytes_opt()?))
        };
        let (mut low, mut high) = (0, self.groups());
        while low < high {
            let middle = usize::midpoint(low, high);
            let (first, last) = bounds(middle)?;
            if key.as_bytes() < first {
                high = middle;
            } else if key.as_bytes() > last {
                low = middle + 1;
            } else {
                return Some(middle);
            }
        }
        None
    }

    /// Memory that it takes, roughly.
    pub(crate) fn weight_bytes(&self) -> usize {
        self.metadata.memory_size()
    }
}

/// Some bytes of a file, at the place they have there.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) start: u64,
    pub(crate) bytes: Bytes,
}

impl Fetched {
    fn slice(&self, start: u64, length: Option<usize>) -> Result<Bytes, ParquetError> {
        let missing = || ParquetError::EOF("a page lies outside its row group".to_owned());
        let from = usize::try_from(start.checked_sub(self.start).ok_or_else(missing)?).map_err(|_| missing())?;
        let to = length.map_or(Some(self.bytes.len()), |length| from.checked_add(length)).ok_or_else(missing)?;
        if from > to || to > self.bytes.len() {
            return Err(missing());
        }
        Ok(self.bytes.slice(from..to))
    }
}

impl Length for Fetched {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Fetched {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.slice(start, None)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.slice(start, Some(length))
    }
}

/// A column of a row group whose bytes were fetched.
pub(crate) fn open_column(
    fetched: &Arc<Fetched>,
    group: &RowGroupMetaData,
    column: usize,
) -> Result<ColumnReader, ParquetError> {
    let chunk = group.column(column);
    let pages = SerializedPageReader::new(Arc::clone(fetched), chunk, rows(group), None)?;
    Ok(get_column_reader(chunk.column_descr_ptr(), Box::new(pages)))
}

/// A column of texts or bytes; an error where it is of another type.
pub(crate) fn open_bytes_column(
    fetched: &Arc<Fetched>,
    group: &RowGroupMetaData,
    column: usize,
) -> Result<ColumnReaderImpl<ByteArrayType>, ParquetError> {
    match open_column(fetched, group, column)? {
        reader @ ColumnReader::ByteArrayColumnReader(_) => Ok(get_typed_column_reader(reader)),
        _ => Err(ParquetError::General(format!("column {column} does not hold bytes"))),
    }
}

/// All values of a column, absent ones included.
pub(crate) fn read_all<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    group: &RowGroupMetaData,
    column: usize,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let rows = rows(group);
    let optional = group.column(column).column_descr().max_def_level() > 0;
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    while levels.len().max(values.len()) < rows {
        let wanted = rows - levels.len().max(values.len());
        let (records, _, _) = reader.read_records(wanted, optional.then_some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::EOF(format!("column {column} has fewer values than its row group rows")));
        }
    }
    if !optional {
        return Ok(values.into_iter().map(Some).collect());
    }
    let mut values = values.into_iter();
    Ok(levels.iter().map(|level| if *level > 0 { values.next() } else { None }).collect())
}

/// The texts of a column in which none may be absent.
pub(crate) fn texts(values: Vec<Option<ByteArray>>) -> Result<Vec<String>, ParquetError> {
    values.into_iter().map(|value| text(&value.ok_or_else(absent)?)).collect()
}

/// A text.
pub(crate) fn text(value: &ByteArray) -> Result<String, ParquetError> {
    Ok(value.as_utf8()?.to_owned())
}

/// Where a value is absent that may not be.
pub(crate) fn absent() -> ParquetError {
    ParquetError::General("a key or a state is absent".to_owned())
}

fn rows(group: &RowGroupMetaData) -> usize {
    // Checked with the footer.
    group.num_rows().max(0) as usize
}

/// The checksums that a file lists of its row groups.
fn groups_crc32(metadata: &ParquetMetaData) -> Result<Option<Vec<u32>>, String> {
    let entries = metadata.file_metadata().key_value_metadata().map(Vec::as_slice).unwrap_or_default();
    let Some(entry) = entries.iter().find(|entry| entry.key == GROUPS_CRC32) else { return Ok(None) };
    let text = entry.value.as_deref().unwrap_or_default();
    let listed = checksum::from_text(text, metadata.num_row_groups());
    listed.map(Some).ok_or_else(|| format!("{GROUPS_CRC32} does not list a checksum for each row group"))
}

/// Checks what lies behind the last row group. Returns how much of the file's end that takes, if `tail` is shorter.
fn check_end(
    metadata: &ParquetMetaData,
    tail: &Bytes,
    file_bytes: u64,
    expected: u32,
) -> Result<Option<u64>, String> {
    let ends = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns).map(|column| {
        let (start, length) = column.byte_range();
        start + length
    });
    let end = ends.max().unwrap_or(MAGIC_BYTES);
    // Every row group lies inside the file: that was checked.
    let wanted = file_bytes - end;
    let Some(from) = (tail.len() as u64).checked_sub(wanted) else {
        return if wanted <= FOOTER_BYTES_MAX as u64 {
            Ok(Some(wanted))
        } else {
            Err("its footer does not begin behind its last row group".to_owned())
        };
    };
    if crc32(&tail[from as usize..]) == expected {
        Ok(None)
    } else {
        Err("the checksum of its footer is wrong".to_owned())
    }
}

/// Refuses what later code would stumble over.
fn check(metadata: &ParquetMetaData, file_bytes: u64) -> Result<(), String> {
    for group in metadata.row_groups() {
        if group.num_rows() < 0 || group.num_columns() < 2 {
            return Err("a row group has a negative number of rows or less than two columns".to_owned());
        }
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let end = start.checked_add(column.compressed_size());
            let inside = start >= 0
                && column.compressed_size() >= 0
                && end.is_some_and(|end| u64::try_from(end).is_ok_and(|end| end <= file_bytes));
            if !inside || column.num_values() != group.num_rows() {
                return Err("a column lies outside the file or has another number of rows than its group".to_owned());
            }
        }
    }
    Ok(())
}
