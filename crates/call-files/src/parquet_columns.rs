//! The columns of a call record in Parquet.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};

use crate::FileError;
use crate::derived::DERIVED;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Time,
    Whole,
}

/// A column of a call record.
pub(crate) struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
}

const fn column(name: &'static str, kind: Kind, required: bool) -> Column {
    Column { name, kind, required }
}

/// All columns of the record itself, in the order they are written; those of [`DERIVED`] follow, and are not read.
pub(crate) const COLUMNS: [Column; 14] = [
    column("call_id", Kind::Text, true),
    column("caller", Kind::Text, true),
    column("callee", Kind::Text, true),
    column("started_at", Kind::Time, true),
    column("answered_at", Kind::Time, false),
    column("ended_at", Kind::Time, true),
    column("outcome", Kind::Text, true),
    column("channel", Kind::Text, false),
    column("trunk", Kind::Text, false),
    column("cell_id", Kind::Text, false),
    column("imei", Kind::Text, false),
    column("cost_micros", Kind::Whole, false),
    column("currency", Kind::Text, false),
    column("caller_ip", Kind::Text, false),
];

/// Where a column is in a file, and what its times count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Index among the leaf columns.
    pub index: usize,
    /// Units of time in a millisecond; 1 where it holds no times.
    pub per_milli: i64,
}

/// The schema that is written.
pub(crate) fn written_schema() -> Result<Type, ParquetError> {
    let fields = COLUMNS.iter().map(|column| {
        let (physical, logical) = match column.kind {
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
            Kind::Whole => (Physical::INT64, None),
        };
        let repetition = if column.required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        let field = Type::primitive_type_builder(column.name, physical)
            .with_logical_type(logical)
            .with_repetition(repetition)
            .build()?;
        Ok(Arc::new(field))
    });
    let derived = DERIVED.iter().map(|name| {
        let text = Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
            .with_logical_type(Some(LogicalType::String))
            .with_repetition(Repetition::OPTIONAL);
        Ok(Arc::new(text.build()?))
    });
    let fields = fields.chain(derived).collect::<Result<Vec<_>, ParquetError>>()?;
    Type::group_type_builder("call").with_fields(fields).build()
}

/// Finds the columns of a call record in a file, by name. Optional ones may be absent; others of the file are
/// ignored.
pub(crate) fn find(path: &Path, schema: &SchemaDescriptor) -> Result<[Option<Found>; 14], FileError> {
    let refuse = |problem| FileError::Schema { path: path.to_owned(), problem };
    let mut found = [None; 14];
    for (column, found) in COLUMNS.iter().zip(&mut found) {
        let index = schema.columns().iter().position(|leaf| leaf.path().parts() == [column.name]);
        let Some(index) = index else {
            if column.required {
                let name = column.name;
                let has: Vec<_> =
                    schema.root_schema().get_fields().iter().map(|field| field.name()).take(40).collect();
                return Err(refuse(format!("column {name} is missing, it has {}", has.join(", "))));
            }
            continue;
        };
        let per_milli = check(column, &schema.column(index)).map_err(refuse)?;
        *found = Some(Found { index, per_milli });
    }
    Ok(found)
}

fn check(column: &Column, leaf: &ColumnDescriptor) -> Result<i64, String> {
    let name = column.name;
    if leaf.max_rep_level() > 0 {
        return Err(format!("column {name} is a list: wants one value a row"));
    }
    let physical = leaf.physical_type();
    match column.kind {
        Kind::Text if physical == Physical::BYTE_ARRAY => Ok(1),
        Kind::Text => Err(format!("column {name} is {physical}: wants a string")),
        Kind::Whole if physical == Physical::INT64 => Ok(1),
        Kind::Whole => Err(format!("column {name} is {physical}: wants INT64")),
        Kind::Time => units_of_time(name, leaf),
    }
}

fn units_of_time(name: &str, leaf: &ColumnDescriptor) -> Result<i64, String> {
    let wanted = "wants an INT64 TIMESTAMP in UTC, of milliseconds, microseconds or nanoseconds";
    let physical = leaf.physical_type();
    if physical != Physical::INT64 {
        return Err(format!("column {name} is {physical}: {wanted}"));
    }
    match (leaf.logical_type_ref(), leaf.converted_type()) {
        (Some(LogicalType::Timestamp(time)), _) if !time.is_adjusted_to_u_t_c => Err(format!(
            "column {name} holds local times, of no zone: {wanted} (isAdjustedToUTC; a time type with zone in \
             the program that wrote it)"
        )),
        (Some(LogicalType::Timestamp(time)), _) => Ok(match time.unit {
            TimeUnit::MILLIS => 1,
            TimeUnit::MICROS => 1_000,
            TimeUnit::NANOS => 1_000_000,
        }),
        (None, ConvertedType::TIMESTAMP_MILLIS) => Ok(1),
        (None, ConvertedType::TIMESTAMP_MICROS) => Ok(1_000),
        _ => Err(format!("column {name} is INT64 without a unit of time: {wanted}")),
    }
}
