//! What can be wrong with a file and with a row of it.

use std::io;
use std::path::PathBuf;

use cdr::RecordError;

use crate::Format;
use crate::detect::ANY_FORMAT;

/// A file that cannot be read to its end, or cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}; check the name and the permissions", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file has nothing in it.
    #[error("{path} is empty: wants {ANY_FORMAT}", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is of no format that we know, or not of the one that was asked for.
    #[error("{path} {found}; wants {wanted}", path = path.display())]
    NotThisFormat {
        /// The file.
        path: PathBuf,
        /// What the file looks like.
        found: String,
        /// What would be read.
        wanted: &'static str,
    },
    /// A Parquet file without the columns of a call record.
    #[error("{path} has no call records in it: {problem}", path = path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Which column is wrong, and what is wanted.
        problem: String,
    },
    /// The file ends early or contradicts itself. Calls read before this stand.
    #[error("{path} {}", told(problem), path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found, and where.
        problem: String,
    },
    /// An option that nothing can be read with.
    #[error("{option} {value:?} is unknown: wants {wanted}")]
    Option {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What would do.
        wanted: &'static str,
    },
    /// Columns or a mapping that were given and that nothing can be read with.
    #[error("{problem}")]
    Told {
        /// What is wrong with them, and what is wanted.
        problem: String,
    },
    /// The file cannot be written. Nothing is left of it.
    #[error("cannot write {path}: {source}; check that its folder exists and has space", path = path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What is wrong with a file that could not be read to its end. The Parquet library says of a compression that it was not
/// built for what it says of damage, at the first page; such a file is whole, and a copy of it would not help.
fn told(problem: &str) -> String {
    let codecs = [("brotli", "brotli"), ("lz4", "lz4"), ("flate2", "gzip"), ("LZO", "lzo")];
    let is_codec = problem.contains("Disabled feature at compile time") || problem.contains("The codec type");
    match codecs.iter().find(|(named, _)| is_codec && problem.contains(named)) {
        Some((_, codec)) => format!(
            "is Parquet compressed by {codec}, which is not supported: write it with snappy, zstd or without compression"
        ),
        None => format!("is damaged: {problem}; copy it again, or leave it out"),
    }
}

/// A row that is no call record. The rows after it are read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{unit} {row}: {error}", unit = format.row_name())]
pub struct RowError {
    /// Format of the file.
    pub format: Format,
    /// Number of the line, in Parquet of the row, from 1.
    pub row: u64,
    /// Position in its stream, where it comes from an archive.
    pub position: Option<String>,
    /// When it arrived on its stream, in milliseconds since 1970 UTC, where it comes from an archive.
    pub arrived_at_ms: Option<i64>,
    /// Why it is refused. Never holds a value of the row.
    pub error: RecordError,
}

/// What a reader gives instead of a call.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// One row is no call record; the next one is read on.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The file cannot be read on; nothing comes after this.
    #[error(transparent)]
    File(#[from] FileError),
}
