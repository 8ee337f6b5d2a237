//! Files of generated calls: one a day, and the labels.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use call_files::{Compression, FileError, JsonLinesWriter, ParquetWriter, RowRefused};
use cdr::NumberPlan;

use crate::call::GeneratedCall;
use crate::config::DAY_MS;
use crate::delivery::Content;
use crate::generator::Generator;
use crate::known_series::KnownSeries;
use crate::label::Label;

/// What files are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line, uncompressed.
    JsonLines,
    /// Parquet with the columns of a call record.
    Parquet,
}

impl Format {
    const fn extension(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

/// How far writing has come, after each day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Days written.
    pub days_done: u32,
    /// Days in all.
    pub days: u32,
    /// Records written, duplicates among them.
    pub records: u64,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The files of calls, in order of their days.
    pub files: Vec<PathBuf>,
    /// The file of labels.
    pub labels: PathBuf,
    /// Calls, each counted once.
    pub unique_calls: u64,
    /// Records beyond the first of a call.
    pub duplicates: u64,
}

/// Files that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The folder cannot be made or looked into, or the labels cannot be written to it.
    #[error("cannot write {path}: {source}; check the permissions and the space", path = path.display())]
    Unwritable {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder holds calls of another data set, which a reader of the folder would count too.
    #[error("{path} is of another data set: remove it, or write to another folder", path = path.display())]
    OtherCalls {
        /// One of the files.
        path: PathBuf,
    },
    /// A file of calls cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A generated call is no row of a file of calls: a mistake of this crate.
    #[error("a generated call is refused: {0}; please report the configuration as a bug")]
    Row(#[from] RowRefused),
}

/// Writes `calls-YYYY-MM-DD.jsonl` or `.parquet` for every day of the period, and `labels.csv`, into a folder
/// that is made if need be. Files of an earlier run for the same days are replaced, each when it is whole.
///
/// A file holds the records of the calls that begin on its day in the order in which they arrive, duplicates
/// included; broken records are for streams only. `progress` is called after each day.
pub fn write_files(
    generator: &Generator,
    folder: &Path,
    format: Format,
    mut progress: impl FnMut(Progress),
) -> Result<Written, WriteError> {
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |source| WriteError::Unwritable { path, source }
    };
    fs::create_dir_all(folder).map_err(unwritable(folder))?;
    let files: Vec<PathBuf> =
        (0..generator.days()).map(|day| folder.join(file_name(generator, day, format))).collect();
    refuse_other_calls(folder, &files)?;
    let labels = folder.join("labels.csv");
    write_labels(&labels, &generator.labels()).map_err(unwritable(&labels))?;

    // Generated numbers are E.164, so the region does not matter.
    let plan = NumberPlan::new("US")
        .map_err(|source| WriteError::Unwritable { path: folder.to_owned(), source: io::Error::other(source) })?;
    let known = KnownSeries::new(&plan);
    let mut written = Written { files, labels, unique_calls: 0, duplicates: 0 };
    for day in 0..generator.days() {
        let mut file = CallFile::create(&written.files[day as usize], format)?;
        let from_ms = i64::from(generator.day_number(day)) * DAY_MS;
        let mut arrivals = generator.arrivals(from_ms, from_ms + DAY_MS);
        while let Some(parcel) = arrivals.next_parcel() {
            if !matches!(parcel.content, Content::Broken(..)) {
                file.write(&parcel.call, &plan, &known)?;
            }
        }
        file.finish()?;
        written.unique_calls += arrivals.ledger().unique_calls;
        written.duplicates += arrivals.ledger().duplicates;
        progress(Progress {
            days_done: day + 1,
            days: generator.days(),
            records: written.unique_calls + written.duplicates,
        });
    }
    Ok(written)
}

fn file_name(generator: &Generator, day: u32, format: Format) -> String {
    let midnight = cdr::format_time(i64::from(generator.day_number(day)) * DAY_MS);
    format!("{PREFIX}{}.{}", &midnight[..10], format.extension())
}

const PREFIX: &str = "calls-";

fn refuse_other_calls(folder: &Path, ours: &[PathBuf]) -> Result<(), WriteError> {
    let ours: HashSet<&PathBuf> = ours.iter().collect();
    let unreadable = |source| WriteError::Unwritable { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(PREFIX) && !ours.contains(&path) {
            return Err(WriteError::OtherCalls { path });
        }
    }
    Ok(())
}

fn write_labels(path: &Path, labels: &[Label]) -> io::Result<()> {
    let lines = std::iter::once(Label::CSV_HEADER.to_owned()).chain(labels.iter().map(Label::to_csv));
    let text: String = lines.flat_map(|line| [line, "\n".to_owned()]).collect();
    let partial = path.with_extension("csv.partial");
    fs::write(&partial, text)?;
    fs::rename(&partial, path)
}

/// A writer of either format.
enum CallFile {
    JsonLines(JsonLinesWriter),
    Parquet(Box<ParquetWriter>),
}

impl CallFile {
    fn create(path: &Path, format: Format) -> Result<Self, FileError> {
        Ok(match format {
            Format::JsonLines => Self::JsonLines(JsonLinesWriter::create(path, Compression::None)?),
            Format::Parquet => Self::Parquet(Box::new(ParquetWriter::create(path)?)),
        })
    }

    /// Generated calls are valid as they are, which `tests/calls.rs` shows: that they need not be parsed again is most
    /// of the speed.
    fn write(&mut self, call: &GeneratedCall, plan: &NumberPlan, known: &KnownSeries) -> Result<(), WriteError> {
        match self {
            Self::JsonLines(file) => file.write_with(|line| call.write_json(line))?,
            Self::Parquet(file) => file.write_row(&call.row(), plan, |number| known.of(number))?,
        }
        Ok(())
    }

    fn finish(self) -> Result<u64, FileError> {
        match self {
            Self::JsonLines(file) => file.finish(),
            Self::Parquet(file) => file.finish(),
        }
    }
}
