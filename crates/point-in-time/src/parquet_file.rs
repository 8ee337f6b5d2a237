//! Writing the training set: wide Parquet, every column optional.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use call_files::{FileError, ReplacingFile};
use features::Value;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use crate::cells::Cells;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Whole,
    Number,
    Flag,
    Time,
}

impl Cells {
    /// What the column holds.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Texts(_) => Kind::Text,
            Self::Wholes(_) => Kind::Whole,
            Self::Numbers(_) => Kind::Number,
            Self::Flags(_) => Kind::Flag,
            Self::Times(_) => Kind::Time,
        }
    }
}

/// A file that appears under its name when it is finished.
pub(crate) struct ParquetFile {
    path: PathBuf,
    writer: SerializedFileWriter<ReplacingFile>,
}

impl ParquetFile {
    /// Begins a file, or its replacement, with these columns; `about` is written into the footer.
    pub(crate) fn create(
        path: &Path,
        columns: &[(String, Kind)],
        about: &[(&str, String)],
    ) -> Result<Self, FileError> {
        let file = ReplacingFile::create(path)?;
        let about = about.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone())).collect();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by("tollwatch".to_owned())
            .set_key_value_metadata(Some(about))
            .build();
        let writer = schema(columns)
            .and_then(|schema| SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)))
            .map_err(|error| unwritable(path, error))?;
        Ok(Self { path: path.to_owned(), writer })
    }

    /// Appends rows: the cells of the label columns, then the values of the features, column by column and in the
    /// order of the columns.
    pub(crate) fn write(&mut self, cells: &[Cells], values: &[(Kind, Vec<Value>)]) -> Result<(), FileError> {
        let path = self.path.clone();
        let mut write = || {
            let mut group = self.writer.next_row_group()?;
            cells.iter().try_for_each(|cells| write_cells(&mut group, cells))?;
            values.iter().try_for_each(|(kind, values)| write_values(&mut group, *kind, values))?;
            group.close().map(drop)
        };
        write().map_err(|error| unwritable(&path, error))
    }

    /// Ends the file and gives it its name.
    pub(crate) fn finish(self) -> Result<(), FileError> {
        let Self { path, writer } = self;
        writer.into_inner().map_err(|error| unwritable(&path, error))?.finish()
    }
}

fn unwritable(path: &Path, error: ParquetError) -> FileError {
    ReplacingFile::unwritable(path, std::io::Error::other(error))
}

fn schema(columns: &[(String, Kind)]) -> Result<Type, ParquetError> {
    let fields = columns.iter().map(|(name, kind)| {
        let (physical, logical) = match kind {
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Whole => (Physical::INT64, None),
            Kind::Number => (Physical::DOUBLE, None),
            Kind::Flag => (Physical::BOOLEAN, None),
            Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
        };
        let field = Type::primitive_type_builder(name, physical)
            .with_logical_type(logical)
            .with_repetition(Repetition::OPTIONAL)
            .build()?;
        Ok(Arc::new(field))
    });
    let fields = fields.collect::<Result<Vec<_>, ParquetError>>()?;
    Type::group_type_builder("label").with_fields(fields).build()
}

type Group<'w> = SerializedRowGroupWriter<'w, ReplacingFile>;

fn write_cells(group: &mut Group<'_>, cells: &Cells) -> Result<(), ParquetError> {
    match cells {
        Cells::Texts(texts) => {
            write_column::<ByteArrayType>(group, texts.iter().map(|text| text.as_deref().map(ByteArray::from)))
        }
        Cells::Wholes(wholes) | Cells::Times(wholes) => write_column::<Int64Type>(group, wholes.iter().copied()),
        Cells::Numbers(numbers) => write_column::<DoubleType>(group, numbers.iter().copied()),
        Cells::Flags(flags) => write_column::<BoolType>(group, flags.iter().copied()),
    }
}

fn write_values(group: &mut Group<'_>, kind: Kind, values: &[Value]) -> Result<(), ParquetError> {
    if kind == Kind::Whole {
        let whole = |value: &Value| match value {
            Value::Integer(whole) => Some(*whole),
            // A sum beyond 64 bits has no place in the column: absent, rather than wrong.
            Value::Number(_) | Value::Missing => None,
        };
        return write_column::<Int64Type>(group, values.iter().map(whole));
    }
    let number = |value: &Value| match value {
        Value::Number(number) => Some(*number),
        Value::Integer(whole) => Some(*whole as f64),
        Value::Missing => None,
    };
    write_column::<DoubleType>(group, values.iter().map(number))
}

fn write_column<T: DataType>(
    group: &mut Group<'_>,
    values: impl Iterator<Item = Option<T::T>> + Clone,
) -> Result<(), ParquetError> {
    let too_many = || ParquetError::General("there are more values than columns".to_owned());
    let mut column = group.next_column()?.ok_or_else(too_many)?;
    let present: Vec<i16> = values.clone().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.flatten().collect();
    column.typed::<T>().write_batch(&values, Some(&present), None)?;
    column.close()
}
