//! The files of calls that an import makes: written in a folder of their own, and given their names when all is done.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use call_files::{Compression, FileCall, FileError, JsonLinesWriter, ParquetWriter};
use cdr::CallRecord;
use tempfile::TempDir;

use crate::failure::{Blame as _, Failure, Outcome};
use crate::import::target::{OutputFormat, Target};

/// Where files are until they are whole. Dropped before that, it leaves nothing.
pub(crate) struct Staging {
    folder: PathBuf,
    /// Whether the folder was not there before.
    is_new: bool,
    /// Gone once its files have their names.
    staged: Option<TempDir>,
}

impl Staging {
    /// Makes the folder beside the names that its files will have.
    pub(crate) fn begin(target: &Target) -> Result<Self, Failure> {
        let folder = target.folder().to_owned();
        if !target.is_folder() && !folder.is_dir() {
            let shown = folder.display();
            return Err(Failure::user(anyhow!("cannot write to {shown}: there is no such folder; make it first")));
        }
        let is_new = target.is_folder() && !folder.exists();
        let cannot_write = || format!("cannot write to {}", folder.display());
        if target.is_folder() {
            fs::create_dir_all(&folder).with_context(cannot_write).or_user()?;
        }
        let staged = tempfile::Builder::new().prefix(".importing-").tempdir_in(&folder);
        let staged = Some(staged.with_context(cannot_write).or_user()?);
        Ok(Self { folder, is_new, staged })
    }

    /// Where they are.
    pub(crate) fn path(&self) -> &Path {
        self.staged.as_ref().map_or(&self.folder, TempDir::path)
    }

    /// Gives the files their names; what was there under them is replaced.
    pub(crate) fn publish(mut self, names: &[String]) -> Outcome {
        for name in names {
            let to = self.folder.join(name);
            make_folder_of(&to)
                .and_then(|()| fs::rename(self.path().join(name), &to))
                .with_context(|| format!("cannot write {}", to.display()))
                .or_user()?;
        }
        self.is_new = false;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.staged = None;
        if self.is_new {
            // What is in it now is not ours.
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

/// The files that are being written.
pub(crate) struct FileWriters {
    staging: PathBuf,
    format: OutputFormat,
    /// Whether they are of lines of the archive.
    is_archive: bool,
    writers: BTreeMap<String, Writer>,
}

impl FileWriters {
    /// None yet: each begins with its first call.
    pub(crate) fn new(staging: &Staging, format: OutputFormat, is_archive: bool) -> Self {
        Self { staging: staging.path().to_owned(), format, is_archive, writers: BTreeMap::new() }
    }

    /// Writes a call that was read from `file` to the file of that name.
    pub(crate) fn write(&mut self, name: &str, file: &Path, read: &FileCall) -> Outcome {
        if !self.writers.contains_key(name) {
            let path = self.staging.join(name);
            make_folder_of(&path).with_context(|| format!("cannot write {}", path.display())).or_user()?;
            self.writers.insert(name.to_owned(), Writer::create(&path, self.format).or_user()?);
        }
        match self.writers.get_mut(name) {
            Some(writer) if self.is_archive => writer.write_archived(file, read),
            Some(writer) => writer.write(&read.call).or_user(),
            None => Ok(()),
        }
    }

    /// Completes the files and gives their names.
    pub(crate) fn finish(self) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        for (name, writer) in self.writers {
            writer.finish().or_user()?;
            names.push(name);
        }
        Ok(names)
    }
}

fn make_folder_of(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

enum Writer {
    JsonLines(JsonLinesWriter),
    Parquet(Box<ParquetWriter>),
}

impl Writer {
    fn create(path: &Path, format: OutputFormat) -> Result<Self, FileError> {
        Ok(match format {
            OutputFormat::JsonLines => Self::JsonLines(JsonLinesWriter::create(path, Compression::None)?),
            OutputFormat::JsonLinesGzip => Self::JsonLines(JsonLinesWriter::create(path, Compression::Gzip)?),
            OutputFormat::Parquet => Self::Parquet(Box::new(ParquetWriter::create(path)?)),
        })
    }

    fn write(&mut self, call: &CallRecord) -> Result<(), FileError> {
        match self {
            Self::JsonLines(writer) => writer.write(call),
            Self::Parquet(writer) => writer.write(call),
        }
    }

    fn write_archived(&mut self, file: &Path, read: &FileCall) -> Outcome {
        match (self, read) {
            (
                Self::JsonLines(writer),
                FileCall { position: Some(position), arrived_at_ms: Some(arrived_at_ms), call, .. },
            ) => writer.write_archived(position, *arrived_at_ms, call).or_user(),
            _ => Err(Failure::user(anyhow!(
                "{} row {}: has no position and arrival, which lines of the archive need; leave out --archive",
                file.display(),
                read.row
            ))),
        }
    }

    fn finish(self) -> Result<u64, FileError> {
        match self {
            Self::JsonLines(writer) => writer.finish(),
            Self::Parquet(writer) => writer.finish(),
        }
    }
}
