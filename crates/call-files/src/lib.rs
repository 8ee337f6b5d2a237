//! Files of call records: JSON lines, Parquet, and what switches write.
//!
//! [`open`] finds out what a file is and gives its calls one by one, in little memory however long the file
//! is. A row that cannot be used is an [`RowError`] with its place and does not end the file; a file that cannot
//! be read is a [`FileError`] and does. [`JsonLinesWriter`] and [`ParquetWriter`] write what [`open`] reads,
//! under a temporary name until it is whole.

mod archive_line;
mod bit_packing;
mod call_columns;
mod csv_rows;
mod derived;
mod detect;
mod error;
mod format;
mod guess;
mod interner;
mod json_lines;
mod json_lines_writer;
mod json_objects;
mod legs;
mod limits;
mod line_reader;
mod parquet_codes;
mod parquet_columns;
mod parquet_reader;
mod parquet_writer;
mod place;
mod reader;
mod replacing_file;
mod row_group;
mod rows;
mod switch_calls;
mod switch_legs;
mod switch_options;
mod text_chunk;
mod texts;
mod window;

pub use archive_line::write_archive_line;
pub use call_columns::{CallBatch, CallColumns, Numbers, open_columns};
pub use error::{FileError, ReadError, RowError};
pub use format::Format;
pub use json_lines_writer::{Compression, JsonLinesWriter};
pub use legs::{FileLeg, LegFile, open_legs, open_legs_at, open_legs_in};
pub use limits::{MAX_CSV_ROW_BYTES, MAX_LINE_BYTES, PARQUET_ROW_GROUP_ROWS};
pub use parquet_writer::{CallRow, NumberSeries, ParquetWriter, RowRefused};
pub use place::{LegStart, Place};
pub use reader::{CallReader, FileCall, ReadOptions, open};
pub use replacing_file::ReplacingFile;
pub use switch_options::SwitchOptions;
pub use switch_records::{LINGER_MS, Leg, LegMerger, Legs, MergeRule, Merged, SwitchFormat};
pub use texts::Texts;
