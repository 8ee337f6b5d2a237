//! A file that is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::FileError;
use crate::limits::BUFFER_BYTES;

/// Writes under a temporary name beside its own, which [`ReplacingFile::finish`] gives it. Dropped before that,
/// it leaves nothing, and what had its name keeps it.
pub struct ReplacingFile {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<BufWriter<File>>,
}

impl ReplacingFile {
    /// Begins a file, or its replacement.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let unwritable = |source| FileError::Unwritable { path: path.to_owned(), source };
        let Some(name) = path.file_name() else {
            return Err(unwritable(io::Error::from(io::ErrorKind::InvalidFilename)));
        };
        // The process is in the name so that two writers of the same file do not write into each other.
        let temporary = format!(".{}.{}.partial", name.to_string_lossy(), std::process::id());
        let temporary = path.with_file_name(temporary);
        let file = File::create(&temporary).map_err(unwritable)?;
        let file = Some(BufWriter::with_capacity(BUFFER_BYTES, file));
        Ok(Self { path: path.to_owned(), temporary, file })
    }

    /// The error of a failed write to this file.
    pub fn unwritable(path: &Path, source: io::Error) -> FileError {
        FileError::Unwritable { path: path.to_owned(), source }
    }

    /// Brings all to the disk and gives the file its name.
    pub fn finish(mut self) -> Result<(), FileError> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let finished = file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&self.temporary, &self.path));
        finished.map_err(|source| {
            // The first error is the one to report.
            let _ = fs::remove_file(&self.temporary);
            Self::unwritable(&self.path, source)
        })
    }
}

impl Write for ReplacingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or_else(|| Err(io::Error::from(io::ErrorKind::BrokenPipe)), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for ReplacingFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Nobody is left to tell; the name says that it is partial.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
