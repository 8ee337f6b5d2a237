//! What format a file has, by what is in it and never by its name.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use switch_records::SwitchFormat;

use crate::FileError;
use crate::limits::BUFFER_BYTES;

/// A format of call records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A JSON object a line, plain or compressed by gzip or zstd; also lines of our archive.
    JsonLines,
    /// Parquet with a column a field.
    Parquet,
    /// What a switch or carrier writes, plain or compressed.
    Switch(SwitchFormat),
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 9] = [
        Self::JsonLines,
        Self::Parquet,
        Self::Switch(SwitchFormat::Asterisk),
        Self::Switch(SwitchFormat::FreeswitchCsv),
        Self::Switch(SwitchFormat::FreeswitchJson),
        Self::Switch(SwitchFormat::CiscoCucm),
        Self::Switch(SwitchFormat::TwilioJson),
        Self::Switch(SwitchFormat::TwilioCsv),
        Self::Switch(SwitchFormat::MappedCsv),
    ];

    /// The name on a command line: `jsonl`, `parquet`, or that of the [`SwitchFormat`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
            Self::Switch(format) => format.as_str(),
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// What a row is called, and numbered as.
    pub(crate) const fn row_name(self) -> &'static str {
        match self {
            Self::JsonLines | Self::Switch(_) => "line",
            Self::Parquet => "row",
        }
    }
}

/// What is read from a file after its compression is off.
pub(crate) type Content = Box<dyn BufRead + Send>;

/// A file whose format is known.
pub(crate) enum Opened {
    JsonLines(Content),
    Asterisk(Content),
    Parquet(File),
}

/// Opens a file and finds out its format; `wanted` overrules what a text looks like.
pub(crate) fn detect(path: &Path, wanted: Option<Format>) -> Result<Opened, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
    }
    let mut magic = Vec::with_capacity(4);
    file.by_ref().take(4).read_to_end(&mut magic).map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    if magic.is_empty() {
        return Err(FileError::Empty { path: path.to_owned() });
    }
    let is_parquet = magic == PARQUET_MAGIC;
    match wanted {
        Some(Format::Parquet) if !is_parquet => {
            return Err(not_this(path, "does not begin as Parquet (PAR1)".to_owned(), "a Parquet file"));
        }
        Some(Format::JsonLines | Format::Switch(_)) if is_parquet => {
            return Err(not_this(path, "is Parquet".to_owned(), "the text format that was asked for"));
        }
        _ if is_parquet => return Ok(Opened::Parquet(file)),
        _ => {}
    }
    let mut content = decompress(file, &magic).map_err(unreadable)?;
    let beginning = content.fill_buf().map_err(|source| damaged(path, &source))?;
    let beginning = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning).trim_ascii_start();
    let Some(&first) = beginning.first() else {
        return empty_or_blank(path, content);
    };
    if let Some(problem) = no_text(beginning) {
        return Err(not_this(path, problem.to_owned(), ANY_FORMAT));
    }
    match (wanted, first) {
        (Some(Format::Switch(_)), _) => Ok(Opened::Asterisk(content)),
        (Some(_), _) | (None, b'{') => Ok(Opened::JsonLines(content)),
        (None, b'[') => {
            let found = "begins as a JSON array".to_owned();
            Err(not_this(path, found, "an object a line (jq -c '.[]' makes that of it)"))
        }
        (None, _) => Ok(Opened::Asterisk(content)),
    }
}

/// A read error in the middle of a file: of a compressed one, it is cut or damaged.
pub(crate) fn damaged(path: &Path, error: &std::io::Error) -> FileError {
    FileError::Damaged { path: path.to_owned(), problem: error.to_string() }
}

/// The mark some programs begin UTF-8 with.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

const PARQUET_MAGIC: &[u8] = b"PAR1";
const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];
const ANY_FORMAT: &str = "call records in JSON lines (UTF-8; plain, gzip or zstd), Parquet or Asterisk's Master.csv";

fn not_this(path: &Path, found: String, wanted: &'static str) -> FileError {
    FileError::NotThisFormat { path: path.to_owned(), found, wanted }
}

fn decompress(file: File, magic: &[u8]) -> std::io::Result<Content> {
    let file = BufReader::with_capacity(BUFFER_BYTES, file);
    if magic.starts_with(GZIP_MAGIC) {
        // Files of several members are common: Firehose and log shippers append.
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(file))));
    }
    if magic == ZSTD_MAGIC {
        let decoder = zstd::Decoder::with_buffer(file)?;
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder)));
    }
    Ok(Box::new(file))
}

/// A first buffer of blanks alone: the file is empty, or strange enough to be left to the line reader.
fn empty_or_blank(path: &Path, mut content: Content) -> Result<Opened, FileError> {
    let blank = content.fill_buf().map_err(|source| damaged(path, &source))?.len();
    content.consume(blank);
    let rest = content.fill_buf().map_err(|source| damaged(path, &source))?;
    if rest.is_empty() {
        return Err(FileError::Empty { path: path.to_owned() });
    }
    Err(not_this(path, format!("begins with {blank} bytes of blanks"), ANY_FORMAT))
}

/// Why the beginning of a file is no text.
fn no_text(beginning: &[u8]) -> Option<&'static str> {
    if beginning.starts_with(&[0xFF, 0xFE]) || beginning.starts_with(&[0xFE, 0xFF]) {
        return Some("is UTF-16 text");
    }
    let looked_at = &beginning[..beginning.len().min(1024)];
    // A text has no NUL; a first kilobyte of UTF-8 may be cut in a character, but is wrong nowhere before.
    let is_utf8 = std::str::from_utf8(looked_at).map_or_else(|error| error.error_len().is_none(), |_| true);
    (!is_utf8 && looked_at.iter().filter(|byte| **byte < 0x20 && !byte.is_ascii_whitespace()).count() > 0
        || looked_at.contains(&0))
    .then_some("is binary")
}
