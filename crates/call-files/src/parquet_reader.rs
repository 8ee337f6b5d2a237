//! Reading Parquet, row group by row group, a few thousand rows at once.

use std::borrow::Cow;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use cdr::{CallRecord, NumberPlan, RawRecord, Reason, RecordError};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

use crate::limits::PARQUET_BATCH_ROWS;
use crate::parquet_columns::{COLUMNS, Found, find};
use crate::{FileCall, FileError, Format, ReadError, RowError};

pub(crate) struct ParquetReader<'p> {
    path: PathBuf,
    plan: &'p NumberPlan,
    file: SerializedFileReader<File>,
    found: [Option<Found>; 14],
    next_group: usize,
    group: Option<Group>,
    /// Rows that were given.
    row: u64,
}

impl<'p> ParquetReader<'p> {
    pub fn new(path: &Path, plan: &'p NumberPlan, file: File) -> Result<Self, FileError> {
        let (file, found) = open_file(path, file)?;
        Ok(Self { path: path.to_owned(), plan, file, found, next_group: 0, group: None, row: 0 })
    }

    /// Makes sure that a row is decoded; false at the end of the file.
    fn fill(&mut self) -> Result<bool, ParquetError> {
        loop {
            if let Some(group) = &mut self.group {
                if group.row < group.decoded || group.decode()? {
                    return Ok(true);
                }
                self.group = None;
            }
            if self.next_group == self.file.num_row_groups() {
                return Ok(false);
            }
            self.group = Some(Group::open(&self.file, self.next_group, &self.found)?);
            self.next_group += 1;
        }
    }
}

impl Iterator for ParquetReader<'_> {
    type Item = Result<FileCall, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match guarded(|| self.fill()) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return Some(Err(damaged(&self.path, &error).into())),
        }
        self.row += 1;
        let row = self.row;
        let call = self.group.as_mut()?.next_call(self.plan);
        Some(match call {
            Ok(call) => Ok(FileCall { row, position: None, arrived_at_ms: None, unknown_fields: 0, call }),
            Err(error) => {
                let format = Format::Parquet;
                Err(RowError { format, row, position: None, arrived_at_ms: None, error }.into())
            }
        })
    }
}

/// A file that can be read, and where its columns are.
pub(crate) fn open_file(
    path: &Path,
    file: File,
) -> Result<(SerializedFileReader<File>, [Option<Found>; 14]), FileError> {
    let len = file.metadata().map_err(|source| FileError::Unreadable { path: path.to_owned(), source })?.len();
    let file = guarded(|| SerializedFileReader::new(file)).map_err(|error| damaged(path, &error))?;
    check_places(file.metadata(), len).map_err(|problem| FileError::Damaged { path: path.to_owned(), problem })?;
    let found = find(path, file.metadata().file_metadata().schema_descr())?;
    Ok((file, found))
}

/// How many rows a row group has.
pub(crate) fn rows_of(group: &dyn RowGroupReader) -> Result<usize, ParquetError> {
    let rows = group.metadata().num_rows();
    usize::try_from(rows).map_err(|_| ParquetError::General(format!("{rows} rows")))
}

/// A row group that is being read.
struct Group {
    columns: [Option<Values>; 14],
    /// Rows that are not decoded yet.
    remaining: usize,
    /// Rows of the current batch.
    decoded: usize,
    /// Rows of the current batch that were given.
    row: usize,
}

impl Group {
    fn open(
        file: &SerializedFileReader<File>,
        index: usize,
        found: &[Option<Found>; 14],
    ) -> Result<Self, ParquetError> {
        let group = file.get_row_group(index)?;
        let remaining = rows_of(group.as_ref())?;
        let mut columns = [const { None }; 14];
        for (column, found) in columns.iter_mut().zip(found) {
            if let Some(found) = found {
                let nullable = group.metadata().schema_descr().column(found.index).max_def_level() > 0;
                *column = Some(Values::new(group.get_column_reader(found.index)?, nullable, found.per_milli)?);
            }
        }
        Ok(Self { columns, remaining, decoded: 0, row: 0 })
    }

    /// Decodes the next batch; false if the group has no more rows.
    fn decode(&mut self) -> Result<bool, ParquetError> {
        let rows = self.remaining.min(PARQUET_BATCH_ROWS);
        if rows == 0 {
            return Ok(false);
        }
        for (column, values) in COLUMNS.iter().zip(&mut self.columns) {
            if let Some(values) = values {
                values.decode(column.name, rows)?;
            }
        }
        self.remaining -= rows;
        self.decoded = rows;
        self.row = 0;
        Ok(true)
    }

    #[allow(clippy::similar_names)] // The columns are called so.
    fn next_call(&mut self, plan: &NumberPlan) -> Result<CallRecord, RecordError> {
        let row = self.row;
        self.row += 1;
        // Every column has to step on, also behind one that is wrong.
        let [
            call_id,
            caller,
            callee,
            started_at,
            answered_at,
            ended_at,
            outcome,
            channel,
            trunk,
            cell_id,
            imei,
            cost_micros,
            currency,
            caller_ip,
        ] = self.columns.each_mut().map(|values| values.as_mut().and_then(|values| values.step(row)));
        let raw = RawRecord {
            call_id: text("call_id", call_id)?,
            caller: text("caller", caller)?,
            callee: text("callee", callee)?,
            started_at_ms: whole(started_at),
            answered_at_ms: whole(answered_at),
            ended_at_ms: whole(ended_at),
            outcome: text("outcome", outcome)?,
            channel: text("channel", channel)?,
            trunk: text("trunk", trunk)?,
            cell_id: text("cell_id", cell_id)?,
            imei: text("imei", imei)?,
            cost_micros: whole(cost_micros),
            currency: text("currency", currency)?,
            caller_ip: text("caller_ip", caller_ip)?,
        };
        raw.validate(plan)
    }
}

/// A value of a row, where it lies in the batch.
#[derive(Clone, Copy)]
enum Value<'v> {
    Text(&'v ByteArray),
    Whole(i64),
}

/// The values of a column in the current batch.
enum Values {
    Text(Batch<ByteArrayType>),
    Whole(Batch<Int64Type>, i64),
}

impl Values {
    fn new(reader: ColumnReader, nullable: bool, per_milli: i64) -> Result<Self, ParquetError> {
        match reader {
            ColumnReader::ByteArrayColumnReader(reader) => Ok(Self::Text(Batch::new(reader, nullable))),
            ColumnReader::Int64ColumnReader(reader) => Ok(Self::Whole(Batch::new(reader, nullable), per_milli)),
            _ => Err(ParquetError::General("a column is of another type than its schema says".to_owned())),
        }
    }

    fn decode(&mut self, name: &str, rows: usize) -> Result<(), ParquetError> {
        match self {
            Self::Text(batch) => batch.decode(name, rows),
            Self::Whole(batch, _) => batch.decode(name, rows),
        }
    }

    fn step(&mut self, row: usize) -> Option<Value<'_>> {
        match self {
            Self::Text(batch) => batch.step(row).map(Value::Text),
            // A division by a number that is not known takes longer than all else here.
            Self::Whole(batch, 1) => batch.step(row).map(|value| Value::Whole(*value)),
            Self::Whole(batch, per_milli) => batch.step(row).map(|value| Value::Whole(value.div_euclid(*per_milli))),
        }
    }
}

pub(crate) struct Batch<T: DataType> {
    reader: ColumnReaderImpl<T>,
    nullable: bool,
    /// 1 for a row that has a value, where the column is nullable.
    present: Vec<i16>,
    values: Vec<T::T>,
    next_value: usize,
}

impl<T: DataType> Batch<T> {
    pub fn new(reader: ColumnReaderImpl<T>, nullable: bool) -> Self {
        Self { reader, nullable, present: Vec::new(), values: Vec::new(), next_value: 0 }
    }

    pub fn decode(&mut self, name: &str, rows: usize) -> Result<(), ParquetError> {
        self.present.clear();
        self.values.clear();
        self.next_value = 0;
        let present = self.nullable.then_some(&mut self.present);
        let (read, _, _) = self.reader.read_records(rows, present, None, &mut self.values)?;
        if read == rows {
            Ok(())
        } else {
            Err(ParquetError::General(format!("column {name} ends before its row group")))
        }
    }

    /// The value of the row, which is the one behind that of the last call.
    pub fn step(&mut self, row: usize) -> Option<&T::T> {
        if self.nullable && self.present.get(row) != Some(&1) {
            return None;
        }
        let value = self.values.get(self.next_value);
        self.next_value += 1;
        value
    }
}

/// The library panics on some damage that it could report, such as a page of a dictionary that is not there. What
/// it was reading is not used again after that.
pub(crate) fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(ParquetError::General("a page contradicts itself".to_owned())))
}

/// Checks that every column chunk lies in the file: the library asserts it, and a damaged footer is no reason to
/// panic.
fn check_places(metadata: &ParquetMetaData, file_len: u64) -> Result<(), String> {
    for (index, group) in metadata.row_groups().iter().enumerate() {
        for chunk in group.columns() {
            let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
            let place = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
            let end = place.and_then(|(start, len)| start.checked_add(len));
            if end.is_none_or(|end| end > file_len) {
                return Err(format!(
                    "column {} of row group {index} lies outside the file",
                    chunk.column_path().string()
                ));
            }
        }
    }
    Ok(())
}

pub(crate) fn damaged(path: &Path, error: &ParquetError) -> FileError {
    FileError::Damaged { path: path.to_owned(), problem: error.to_string() }
}

fn text<'v>(field: &'static str, value: Option<Value<'v>>) -> Result<Option<Cow<'v, str>>, RecordError> {
    let Some(Value::Text(bytes)) = value else {
        return Ok(None);
    };
    let bytes = bytes.data();
    let text = std::str::from_utf8(bytes)
        .map_err(|_| RecordError::of_field(Reason::BadText, field, bytes.len(), "is not UTF-8: wants a string"))?;
    Ok(Some(Cow::Borrowed(text)))
}

fn whole(value: Option<Value<'_>>) -> Option<i64> {
    match value {
        Some(Value::Whole(value)) => Some(value),
        _ => None,
    }
}
