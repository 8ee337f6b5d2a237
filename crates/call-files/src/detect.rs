//! What format a file has, by what is in it and never by its name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use switch_records::{Framing, SwitchFormat};

use crate::guess::guess;
use crate::limits::{BUFFER_BYTES, ROWS_LOOKED_AT};
use crate::rows::Rows;
use crate::switch_legs::settings;
use crate::{FileError, Format, LegStart, Place, ReadOptions};

/// What is read from a file after its compression is off.
pub(crate) type Content = Box<dyn BufRead + Send>;

/// A text whose beginning was looked at.
pub(crate) struct Text {
    pub path: PathBuf,
    /// The file, where it is open already and may have another name by now.
    open: Option<File>,
    compression: Compression,
    /// The first rows that could be cut.
    pub first_rows: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

/// A file whose format is known.
pub(crate) enum Opened {
    JsonLines(Text),
    Switch(SwitchFormat, Text),
    Parquet(File),
}

/// Finds out the format of a file; a format that is asked for overrules what a text looks like.
pub(crate) fn detect(path: &Path, options: &ReadOptions, growing: bool) -> Result<Opened, FileError> {
    let file = File::open(path).map_err(|source| FileError::Unreadable { path: path.to_owned(), source })?;
    detect_in(file, path, None, options, growing)
}

/// The same of a file that is open, from its beginning; `open` where it is to be read by nothing else.
pub(crate) fn detect_in(
    mut file: File,
    path: &Path,
    open: Option<File>,
    options: &ReadOptions,
    growing: bool,
) -> Result<Opened, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    file.rewind().map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    let mut magic = Vec::with_capacity(4);
    file.by_ref().take(4).read_to_end(&mut magic).map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    if magic.is_empty() {
        return Err(FileError::Empty { path: path.to_owned() });
    }
    let is_parquet = magic == PARQUET_MAGIC;
    match options.format {
        Some(Format::Parquet) if !is_parquet => {
            return Err(not_this(path, "does not begin as Parquet (PAR1)".to_owned(), "a Parquet file"));
        }
        Some(Format::JsonLines | Format::Switch(_)) if is_parquet => {
            return Err(not_this(path, "is Parquet".to_owned(), "the text format that was asked for"));
        }
        _ if is_parquet => return Ok(Opened::Parquet(file)),
        _ => {}
    }
    let compression = match magic.as_slice() {
        [first, second, ..] if [*first, *second] == GZIP_MAGIC => Compression::Gzip,
        magic if magic == ZSTD_MAGIC => Compression::Zstd,
        _ => Compression::None,
    };
    let text = Text { path: path.to_owned(), open, compression, first_rows: Vec::new() };
    match options.format {
        Some(Format::JsonLines) => {
            text.first_byte()?;
            Ok(Opened::JsonLines(text))
        }
        Some(Format::Switch(format)) => {
            text.first_byte()?;
            Ok(Opened::Switch(format, text.looked_at(format.framing(), growing)?))
        }
        Some(Format::Parquet) | None => text.found(options, growing),
    }
}

/// A read error in the middle of a file: of a compressed one, it is cut or damaged.
pub(crate) fn damaged(path: &Path, error: &io::Error) -> FileError {
    FileError::Damaged { path: path.to_owned(), problem: error.to_string() }
}

/// The mark some programs begin UTF-8 with.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What could be read, for a file that cannot.
pub(crate) const ANY_FORMAT: &str = "call records in JSON lines (UTF-8; plain, gzip or zstd) or Parquet, or what Asterisk, \
                                     FreeSWITCH, Cisco CUCM or Twilio write; of any other CSV, a mapping of its columns";

const PARQUET_MAGIC: &[u8] = b"PAR1";
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];

fn not_this(path: &Path, found: String, wanted: &'static str) -> FileError {
    FileError::NotThisFormat { path: path.to_owned(), found, wanted }
}

impl Text {
    /// The text behind a place. What stands before it in a compressed one is read once more.
    pub fn content_from(&self, place: Place) -> Result<Content, FileError> {
        let unreadable = |source| FileError::Unreadable { path: self.path.clone(), source };
        let file = self.open.as_ref().map_or_else(|| File::open(&self.path), File::try_clone);
        let mut file = file.map_err(unreadable)?;
        // One that was open has been read from.
        let from = if self.compression == Compression::None { place.offset } else { 0 };
        file.seek(SeekFrom::Start(from)).map_err(unreadable)?;
        if self.compression == Compression::None {
            return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, file)));
        }
        let file = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut content: Content = if self.compression == Compression::Gzip {
            // Files of several members are common: Firehose and log shippers append.
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(file)))
        } else {
            let decoder = zstd::Decoder::with_buffer(file).map_err(unreadable)?;
            Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
        };
        io::copy(&mut content.by_ref().take(place.offset), &mut io::sink())
            .map_err(|error| damaged(&self.path, &error))?;
        Ok(content)
    }

    /// The first byte that is no blank, of a text that may be one of calls.
    fn first_byte(&self) -> Result<u8, FileError> {
        let mut content = self.content_from(Place::default())?;
        let beginning = content.fill_buf().map_err(|error| damaged(&self.path, &error))?;
        let beginning = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning).trim_ascii_start();
        let Some(&first) = beginning.first() else {
            return Err(self.empty_or_blank(content));
        };
        match guess(beginning) {
            Some((found, wanted)) => Err(not_this(&self.path, found.to_owned(), wanted)),
            None => Ok(first),
        }
    }

    /// A first buffer of blanks alone: the file is empty, or strange.
    fn empty_or_blank(&self, mut content: Content) -> FileError {
        let mut blank = 0;
        while let Ok(bytes) = content.fill_buf()
            && !bytes.is_empty()
        {
            let len = bytes.len();
            blank += len;
            if blank > len {
                return not_this(&self.path, format!("begins with {} bytes of blanks", blank - len), ANY_FORMAT);
            }
            content.consume(len);
        }
        FileError::Empty { path: self.path.clone() }
    }

    /// With its first rows, as many as can be cut.
    fn looked_at(mut self, framing: Framing, growing: bool) -> Result<Self, FileError> {
        let start = LegStart { place: Place::default(), growing };
        let mut rows = Rows::new(framing, self.content_from(start.place)?, start);
        let mut seen = 0;
        while seen < ROWS_LOOKED_AT {
            match rows.next_row() {
                Ok(Some((_, row))) => {
                    seen += 1;
                    self.first_rows.extend(row.ok().map(<[u8]>::to_vec));
                }
                // What was read before stands, and reading it again will come to the same error.
                Err(error) if seen == 0 => return Err(damaged(&self.path, &error)),
                Ok(None) | Err(_) => break,
            }
        }
        // Of a file that grows, the first row may not be whole.
        if seen == 0 { Err(FileError::Empty { path: self.path }) } else { Ok(self) }
    }

    /// The format by the first rows.
    fn found(self, options: &ReadOptions, growing: bool) -> Result<Opened, FileError> {
        let path = self.path.clone();
        match self.first_byte()? {
            b'[' => {
                let found = "begins as a JSON array".to_owned();
                Err(not_this(&path, found, "an object a line (jq -c '.[]' makes that of it)"))
            }
            b'{' => {
                let text = self.looked_at(Framing::JsonObjects, growing)?;
                let rows: Vec<&[u8]> = text.first_rows.iter().map(Vec::as_slice).collect();
                if let Some(format) = SwitchFormat::of_json(&rows) {
                    return Ok(Opened::Switch(format, text));
                }
                match foreign_names(&rows) {
                    Some(names) => {
                        Err(not_this(&path, format!("has JSON objects with the names {names}"), ANY_FORMAT))
                    }
                    None => Ok(Opened::JsonLines(text)),
                }
            }
            _ => {
                let text = self.looked_at(Framing::CsvRows, growing)?;
                let rows: Vec<&[u8]> = text.first_rows.iter().map(Vec::as_slice).collect();
                match SwitchFormat::of_csv(&rows, &settings(&options.switch)) {
                    Ok(format) => Ok(Opened::Switch(format, text)),
                    Err(found) => Err(not_this(&path, found, ANY_FORMAT)),
                }
            }
        }
    }
}

/// The names in the first objects, where there are objects and none is a call record or a line of our archive: every
/// line would be refused.
fn foreign_names(objects: &[&[u8]]) -> Option<String> {
    let objects: Vec<Names> = objects.iter().filter_map(|object| serde_json::from_slice(object).ok()).collect();
    let first = objects.first()?;
    if first.0.is_empty() || objects.iter().any(|names| names.0.iter().any(|name| OURS.contains(&name.as_str()))) {
        return None;
    }
    let is_name = |name: &&String| {
        name.len() <= MAX_NAME_BYTES
            && name.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-'))
    };
    let told: Vec<&str> = first.0.iter().filter(is_name).take(NAMES_TOLD).map(String::as_str).collect();
    Some(told.join(", "))
}

/// Fields that tell a call record or a line of our archive.
const OURS: [&str; 8] =
    ["call_id", "caller", "callee", "started_at", "ended_at", "outcome", "arrived_at", "position"];

/// The longest name that is told: a name that is longer, or that has digits, may hold a number.
const MAX_NAME_BYTES: usize = 40;

/// How many names are told.
const NAMES_TOLD: usize = 6;

/// The names of an object.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Names;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Names, M::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}
