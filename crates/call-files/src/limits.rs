//! Every bound on files, in one place.

/// The longest line of JSON that is looked at, in bytes without its end. A record may have 1 MiB; in an archive
/// line it stands in Base64, a third longer, beside its position.
pub const MAX_LINE_BYTES: usize = 2 * 1024 * 1024;

/// The longest row of a CSV, in bytes: columns have 80 or 256 characters in Asterisk and some 130 columns 255 in CUCM, so
/// that a longer row is a quote that was never closed.
pub const MAX_CSV_ROW_BYTES: usize = 64 * 1024;

/// How many lines a quoted row of a CSV may span before it is taken for a quote that was never
/// closed. A channel's data may hold a line break; nobody writes more.
pub(crate) const MAX_CSV_ROW_LINES: usize = 16;

/// How many rows of a text are looked at to tell what it is.
pub(crate) const ROWS_LOOKED_AT: usize = 5;

/// Rows of a row group that we write: some 10 MB of calls in memory, and enough for good compression.
pub const PARQUET_ROW_GROUP_ROWS: usize = 65_536;

/// Rows that are decoded at once when reading Parquet.
pub(crate) const PARQUET_BATCH_ROWS: usize = 4_096;

/// Rows that are decoded at once when reading Parquet by columns: a few hundred kilobytes, which stay near the processor.
pub(crate) const PARQUET_COLUMN_ROWS: usize = 16_384;

/// Bytes read at once from a file, compressed.
pub(crate) const BUFFER_BYTES: usize = 256 * 1024;
