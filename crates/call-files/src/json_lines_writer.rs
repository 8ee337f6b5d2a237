//! Writing JSON lines.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cdr::CallRecord;
use flate2::write::GzEncoder;

use crate::replacing_file::ReplacingFile;
use crate::{FileError, write_archive_line};

/// How JSON lines are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// By gzip, without name and time, so that the same calls give the same bytes.
    Gzip,
}

/// Writes a call record a line. The file appears under its name when it is finished.
pub struct JsonLinesWriter {
    path: PathBuf,
    sink: Sink,
    line: String,
    written: u64,
}

enum Sink {
    Plain(ReplacingFile),
    Gzip(Box<GzEncoder<ReplacingFile>>),
}

impl JsonLinesWriter {
    /// Begins a file, or its replacement.
    pub fn create(path: &Path, compression: Compression) -> Result<Self, FileError> {
        let file = ReplacingFile::create(path)?;
        let sink = match compression {
            Compression::None => Sink::Plain(file),
            Compression::Gzip => Sink::Gzip(Box::new(GzEncoder::new(file, flate2::Compression::default()))),
        };
        Ok(Self { path: path.to_owned(), sink, line: String::new(), written: 0 })
    }

    /// Appends a call in its canonical form.
    pub fn write(&mut self, call: &CallRecord) -> Result<(), FileError> {
        self.write_with(|line| call.write_json(line))
    }

    /// Appends a line that `write` writes: a call in its canonical form, without the line's end.
    pub fn write_with(&mut self, write: impl FnOnce(&mut String)) -> Result<(), FileError> {
        self.line.clear();
        write(&mut self.line);
        self.line.push('\n');
        self.write_line()
    }

    /// Appends a call as a line of the archive, with its position and its arrival in milliseconds since 1970
    /// UTC.
    pub fn write_archived(&mut self, position: &str, arrived_at_ms: i64, call: &CallRecord) -> Result<(), FileError> {
        self.line.clear();
        write_archive_line(&mut self.line, position, arrived_at_ms, call);
        self.write_line()
    }

    /// Ends the file and gives it its name. Returns how many calls it holds.
    pub fn finish(self) -> Result<u64, FileError> {
        let file = match self.sink {
            Sink::Plain(file) => file,
            Sink::Gzip(encoder) => {
                encoder.finish().map_err(|source| ReplacingFile::unwritable(&self.path, source))?
            }
        };
        file.finish()?;
        Ok(self.written)
    }

    fn write_line(&mut self) -> Result<(), FileError> {
        let line = self.line.as_bytes();
        let written: io::Result<()> = match &mut self.sink {
            Sink::Plain(file) => file.write_all(line),
            Sink::Gzip(encoder) => encoder.write_all(line),
        };
        self.written += 1;
        written.map_err(|source| ReplacingFile::unwritable(&self.path, source))
    }
}
