//! Writing Parquet, row group by row group.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cdr::{CallRecord, Channel, NumberError, NumberPlan, Outcome};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::FileError;
use crate::limits::PARQUET_ROW_GROUP_ROWS;
use crate::parquet_columns::{COLUMNS, Kind, written_schema};
use crate::replacing_file::ReplacingFile;
use crate::row_group::{Group, Known};
use crate::text_chunk::ChunkWriter;

/// Writes calls to Parquet, a column a field and the derived fields after them, compressed by zstd. The same calls
/// give the same bytes. The file appears under its name when it is finished.
pub struct ParquetWriter {
    path: PathBuf,
    writer: SerializedFileWriter<ReplacingFile>,
    chunks: ChunkWriter,
    group: Group,
    written: u64,
}

/// A call as a row: what [`CallRecord`] has, by reference. The fields mean what they mean there.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct CallRow<'c> {
    pub call_id: &'c str,
    /// Canonical.
    pub caller: &'c str,
    /// Canonical.
    pub callee: &'c str,
    pub started_at_ms: i64,
    pub answered_at_ms: Option<i64>,
    pub ended_at_ms: i64,
    pub outcome: Outcome,
    pub channel: Option<Channel>,
    pub trunk: Option<&'c str>,
    pub cell_id: Option<&'c str>,
    pub imei: Option<&'c str>,
    pub cost_micros: Option<i64>,
    pub currency: Option<&'c str>,
    pub caller_ip: Option<&'c str>,
}

impl ParquetWriter {
    /// Begins a file, or its replacement.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let file = ReplacingFile::create(path)?;
        let unwritable = |error| unwritable(path, error);
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_dictionary_enabled(false)
            .set_created_by("tollwatch".to_owned());
        // Of moments that follow each other the differences are small.
        for column in COLUMNS.iter().filter(|column| column.kind == Kind::Time) {
            properties = properties.set_column_encoding(ColumnPath::from(column.name), Encoding::DELTA_BINARY_PACKED);
        }
        let schema = Arc::new(written_schema().map_err(unwritable)?);
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).map_err(unwritable)?;
        let chunks = ChunkWriter::new(writer.schema_descr().columns());
        let chunks = chunks.map_err(|error| ReplacingFile::unwritable(path, error))?;
        Ok(Self { path: path.to_owned(), writer, chunks, group: Group::default(), written: 0 })
    }

    /// Appends a call. Calls are kept in memory, packed, until a row group of [`crate::PARQUET_ROW_GROUP_ROWS`] is full.
    pub fn write(&mut self, call: &CallRecord) -> Result<(), FileError> {
        let row = CallRow {
            call_id: &call.call_id,
            caller: call.caller.as_str(),
            callee: call.callee.as_str(),
            started_at_ms: call.started_at_ms,
            answered_at_ms: call.answered_at_ms,
            ended_at_ms: call.ended_at_ms,
            outcome: call.outcome,
            channel: call.channel,
            trunk: call.trunk.as_deref(),
            cell_id: call.cell_id.as_deref(),
            imei: call.imei.as_deref(),
            cost_micros: call.cost_micros,
            currency: call.currency.as_deref(),
            caller_ip: call.caller_ip.as_deref(),
        };
        let number = |text: &str| -> Result<Known, Infallible> {
            Ok(Known::Plan(if text == row.caller { call.caller.clone() } else { call.callee.clone() }))
        };
        match self.group.push(&row, number) {
            Ok(()) => {}
            Err(never) => match never {},
        }
        self.pushed()
    }

    /// Appends a call whose fields are known to be valid. For each different number of a row group `series` is asked
    /// for what it has in common with others, and the plan where that is not known: that the plan refuses a number is
    /// the only thing wrong that is found.
    pub fn write_row(
        &mut self,
        row: &CallRow<'_>,
        plan: &NumberPlan,
        series: impl Fn(&str) -> Option<NumberSeries>,
    ) -> Result<(), RowRefused> {
        let known = |text: &str| match series(text) {
            Some(series) => Ok(Known::Series(series)),
            None => plan.parse(text).map(Known::Plan),
        };
        self.group.push(row, known)?;
        Ok(self.pushed()?)
    }

    /// Ends the file and gives it its name. Returns how many calls it holds.
    pub fn finish(mut self) -> Result<u64, FileError> {
        if self.group.rows() > 0 {
            self.write_group()?;
        }
        let Self { path, writer, written, .. } = self;
        // Writes the footer, too.
        let file = writer.into_inner().map_err(|error| unwritable(&path, error))?;
        file.finish()?;
        Ok(written)
    }

    fn pushed(&mut self) -> Result<(), FileError> {
        self.written += 1;
        if self.group.rows() == PARQUET_ROW_GROUP_ROWS { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<(), FileError> {
        let mut group = self.writer.next_row_group().map_err(|error| unwritable(&self.path, error))?;
        self.group
            .write(&mut group, &mut self.chunks)
            .and_then(|()| group.close().map(drop))
            .map_err(|error| unwritable(&self.path, error))?;
        self.group.clear();
        Ok(())
    }
}

/// What the number plan says of all E.164 numbers that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberSeries {
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// Bytes of a number that are its prefix, the `+` among them.
    pub prefix_bytes: usize,
}

/// Why a row is not written.
#[derive(Debug, thiserror::Error)]
pub enum RowRefused {
    /// Caller or callee is no number.
    #[error("a number {0}")]
    Number(#[from] NumberError),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

fn unwritable(path: &Path, error: ParquetError) -> FileError {
    ReplacingFile::unwritable(path, std::io::Error::other(error))
}
