//! One column of the wide face.

use std::sync::Arc;

use features::Value;
use parquet::column::reader::{ColumnReader, get_typed_column_reader};
use parquet::data_type::{DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;

use crate::row_group::{Fetched, open_bytes_column, open_column, read_all, texts};

/// Keys and values of a row group; each column with the bytes that it is in and its place in the schema.
pub(crate) fn read_column(
    group: &RowGroupMetaData,
    (key_bytes, key_column): (&Arc<Fetched>, usize),
    (value_bytes, value_column): (&Arc<Fetched>, usize),
) -> Result<Vec<(String, Value)>, ParquetError> {
    let keys = texts(read_all(open_bytes_column(key_bytes, group, key_column)?, group, key_column)?)?;
    let values: Vec<Value> = match open_column(value_bytes, group, value_column)? {
        reader @ ColumnReader::Int64ColumnReader(_) => {
            let values = read_all(get_typed_column_reader::<Int64Type>(reader), group, value_column)?;
            values.into_iter().map(|value| value.map_or(Value::Missing, Value::Integer)).collect()
        }
        reader @ ColumnReader::DoubleColumnReader(_) => {
            let values = read_all(get_typed_column_reader::<DoubleType>(reader), group, value_column)?;
            values.into_iter().map(|value| value.map_or(Value::Missing, Value::Number)).collect()
        }
        _ => return Err(ParquetError::General(format!("column {value_column} holds no numbers"))),
    };
    Ok(keys.into_iter().zip(values).collect())
}
