//! Writing Parquet, row group by row group.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cdr::{CallRecord, Channel};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

use crate::FileError;
use crate::derived::{DERIVED, derived};
use crate::limits::PARQUET_ROW_GROUP_ROWS;
use crate::parquet_columns::{COLUMNS, written_schema};
use crate::replacing_file::ReplacingFile;

/// Writes calls to Parquet, a column a field and the derived fields after them, compressed by zstd. The same calls give the same bytes. The file
/// appears under its name when it is finished.
pub struct ParquetWriter {
    path: PathBuf,
    writer: SerializedFileWriter<ReplacingFile>,
    calls: Vec<CallRecord>,
    written: u64,
}

impl ParquetWriter {
    /// Begins a file, or its replacement.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let file = ReplacingFile::create(path)?;
        let unwritable = |error| unwritable(path, error);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by("tollwatch".to_owned())
            .build();
        let schema = Arc::new(written_schema().map_err(unwritable)?);
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(unwritable)?;
        Ok(Self { path: path.to_owned(), writer, calls: Vec::new(), written: 0 })
    }

    /// Appends a call. Calls are kept in memory until a row group of [`crate::PARQUET_ROW_GROUP_ROWS`] is full.
    pub fn write(&mut self, call: &CallRecord) -> Result<(), FileError> {
        self.calls.push(call.clone());
        self.written += 1;
        if self.calls.len() == PARQUET_ROW_GROUP_ROWS { self.write_group() } else { Ok(()) }
    }

    /// Ends the file and gives it its name. Returns how many calls it holds.
    pub fn finish(mut self) -> Result<u64, FileError> {
        if !self.calls.is_empty() {
            self.write_group()?;
        }
        let Self { path, writer, written, .. } = self;
        // Writes the footer, too.
        let file = writer.into_inner().map_err(|error| unwritable(&path, error))?;
        file.finish()?;
        Ok(written)
    }

    fn write_group(&mut self) -> Result<(), FileError> {
        let mut group = self.writer.next_row_group().map_err(|error| unwritable(&self.path, error))?;
        write_columns(&mut group, &self.calls)
            .and_then(|()| group.close().map(drop))
            .map_err(|error| unwritable(&self.path, error))?;
        self.calls.clear();
        Ok(())
    }
}

fn unwritable(path: &Path, error: ParquetError) -> FileError {
    ReplacingFile::unwritable(path, std::io::Error::other(error))
}

type Group<'w> = SerializedRowGroupWriter<'w, ReplacingFile>;

/// Columns in the order of [`COLUMNS`], then of [`DERIVED`].
fn write_columns(group: &mut Group<'_>, calls: &[CallRecord]) -> Result<(), ParquetError> {
    texts(group, 0, calls, |call| Some(&call.call_id))?;
    texts(group, 1, calls, |call| Some(call.caller.as_str()))?;
    texts(group, 2, calls, |call| Some(call.callee.as_str()))?;
    wholes(group, 3, calls, |call| Some(call.started_at_ms))?;
    wholes(group, 4, calls, |call| call.answered_at_ms)?;
    wholes(group, 5, calls, |call| Some(call.ended_at_ms))?;
    texts(group, 6, calls, |call| Some(call.outcome.as_str()))?;
    texts(group, 7, calls, |call| call.channel.map(Channel::as_str))?;
    texts(group, 8, calls, |call| call.trunk.as_deref())?;
    texts(group, 9, calls, |call| call.cell_id.as_deref())?;
    texts(group, 10, calls, |call| call.imei.as_deref())?;
    wholes(group, 11, calls, |call| call.cost_micros)?;
    texts(group, 12, calls, |call| call.currency.as_deref())?;
    texts(group, 13, calls, |call| call.caller_ip.as_deref())?;
    (0..DERIVED.len()).try_for_each(|place| texts(group, COLUMNS.len() + place, calls, |call| derived(call, place)))
}

fn texts<'c>(
    group: &mut Group<'_>,
    index: usize,
    calls: &'c [CallRecord],
    value: impl Fn(&'c CallRecord) -> Option<&'c str>,
) -> Result<(), ParquetError> {
    // All texts of the column in one piece of memory, rather than an allocation each.
    let texts: Vec<_> = calls.iter().map(value).collect();
    let all = Bytes::from(texts.iter().flatten().copied().collect::<String>());
    let mut start = 0;
    let values = texts.iter().map(|text| {
        text.map(|text| {
            let end = start + text.len();
            let slice = ByteArray::from(all.slice(start..end));
            start = end;
            slice
        })
    });
    let values = values.collect();
    write_column::<ByteArrayType>(group, index, values)
}

fn wholes(
    group: &mut Group<'_>,
    index: usize,
    calls: &[CallRecord],
    value: impl Fn(&CallRecord) -> Option<i64>,
) -> Result<(), ParquetError> {
    write_column::<Int64Type>(group, index, calls.iter().map(value).collect())
}

fn write_column<T: DataType>(
    group: &mut Group<'_>,
    index: usize,
    values: Vec<Option<T::T>>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General(format!("column {index} is not in the schema"));
    let mut column = group.next_column()?.ok_or_else(missing)?;
    let present: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    let is_required = COLUMNS.get(index).is_some_and(|column| column.required);
    let present = (!is_required).then_some(present.as_slice());
    column.typed::<T>().write_batch(&values, present, None)?;
    column.close()
}
