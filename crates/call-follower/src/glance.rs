//! Files as they lie there: which file it is, and what it begins with.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use crate::FollowError;
use crate::limits::{BEGINNING_BYTES, SIBLINGS_MAX};

/// Which file it is, whatever its name: it stays the same when the file is renamed, and is given to another file once
/// the file is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub device: u64,
    pub inode: u64,
}

impl Place {
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// What a file begins with, as a digest: rows have telephone numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Beginning {
    bytes: usize,
    md5: [u8; 16],
}

impl Beginning {
    /// Of the first bytes that a look showed.
    pub fn of(first: &[u8]) -> Self {
        let first = &first[..first.len().min(BEGINNING_BYTES)];
        Self { bytes: first.len(), md5: Md5::digest(first).into() }
    }

    /// Whether a file begins so. One that was empty is like every other.
    pub fn is_of(&self, first: &[u8]) -> bool {
        self.bytes == 0 || first.len() >= self.bytes && Self::of(&first[..self.bytes]) == *self
    }
}

/// What a look at a file shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    pub path: PathBuf,
    pub place: Place,
    pub len: u64,
    /// When it was written last, in milliseconds since 1970 UTC.
    pub modified_ms: i64,
    /// Its first bytes.
    pub first: Vec<u8>,
}

impl Glance {
    /// Looks at a file by its name; `None` if there is none.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no plain file"));
        }
        Ok(Some(Self::of(path, &file)?))
    }

    /// Looks at a file that is open, whatever its name is by now.
    pub fn of(path: &Path, mut file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let mut first = Vec::new();
        io::Seek::rewind(&mut file)?;
        file.take(BEGINNING_BYTES as u64).read_to_end(&mut first)?;
        let modified_ms = metadata.mtime() * 1_000 + metadata.mtime_nsec() / 1_000_000;
        Ok(Self { path: path.to_owned(), place: Place::of(&metadata), len: metadata.len(), modified_ms, first })
    }

    /// Whether it is compressed, by gzip, zstd, bzip2 or xz, as rotations do.
    pub fn is_packed(&self) -> bool {
        const MAGIC: [&[u8]; 4] = [&[0x1F, 0x8B], &[0x28, 0xB5, 0x2F, 0xFD], b"BZh", &[0xFD, b'7', b'z', b'X', b'Z']];
        MAGIC.iter().any(|magic| self.first.starts_with(magic))
    }
}

/// Opens a file that was looked at. It may have been renamed since: another one is refused.
pub(crate) fn open(glance: &Glance) -> Result<File, FollowError> {
    let unreadable = |source| FollowError::Unreadable { path: glance.path.clone(), source };
    let file = File::open(&glance.path).map_err(unreadable)?;
    let place = Place::of(&file.metadata().map_err(unreadable)?);
    match place == glance.place {
        true => Ok(file),
        false => Err(unreadable(io::Error::other("it was renamed while it was looked at: start again"))),
    }
}

/// The files beside one whose names begin with its own (`Master.csv.1` and `Master-20261201.csv` beside `Master.csv`),
/// the oldest first.
pub(crate) fn siblings(path: &Path) -> io::Result<Vec<Glance>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Some(name), Some(stem)) = (path.file_name(), path.file_stem()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let other = entry.file_name();
        let is_sibling = is_rotated(stem.as_encoded_bytes(), name.as_encoded_bytes(), other.as_encoded_bytes());
        if !is_sibling || !entry.file_type()?.is_file() || found.len() == SIBLINGS_MAX {
            continue;
        }
        // It may go while it is looked at; and one that may not be read, such as another's copy, is no reason to stop.
        found.extend(Glance::at(&entry.path()).ok().flatten());
    }
    found.sort_by(|a, b| (a.modified_ms, &a.path).cmp(&(b.modified_ms, &b.path)));
    Ok(found)
}

/// Whether a name is that of a file after its rotation: with a number or a date behind it (`Master.csv.1`,
/// `Master.csv-20261201.gz`), or before its ending (`Master-20261201.csv`). `Master-site2.csv` is another file.
fn is_rotated(stem: &[u8], name: &[u8], other: &[u8]) -> bool {
    let ending = &name[stem.len()..];
    let is_mark = |rest: &[u8]| {
        rest.first().is_some_and(|first| b"-_.".contains(first))
            && rest.iter().any(u8::is_ascii_digit)
            && rest.iter().all(|byte| byte.is_ascii_digit() || b"-_.T:".contains(byte))
    };
    let packed = [&b".gz"[..], b".zst", b".bz2", b".xz"];
    let other = packed.iter().find_map(|ending| other.strip_suffix(*ending)).unwrap_or(other);
    other.strip_prefix(name).is_some_and(is_mark)
        || other.strip_prefix(stem).and_then(|rest| rest.strip_suffix(ending)).is_some_and(is_mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_have_a_number_or_a_date() {
        let is = |other: &str| is_rotated(b"Master", b"Master.csv", other.as_bytes());
        for other in [
            "Master.csv.1",
            "Master.csv.12.gz",
            "Master.csv-20261201",
            "Master-2026-12-01T00:00.csv",
            "Master_1.csv.zst",
        ] {
            assert!(is(other), "{other}");
        }
        for other in [
            "Master.csv",
            "Master-site2.csv",
            "Master.csv.bak",
            "Master-refused.csv",
            "Masterful.csv.1",
            "Master1.csv",
        ] {
            assert!(!is(other), "{other}");
        }
        assert!(is_rotated(b"calls", b"calls", b"calls.1") && !is_rotated(b"calls", b"calls", b"calls"));
    }

    #[test]
    fn a_beginning_knows_its_file_again_when_that_has_grown() {
        let beginning = Beginning::of(b"first row\n");
        assert!(beginning.is_of(b"first row\n") && beginning.is_of(b"first row\nsecond row\n"));
        assert!(!beginning.is_of(b"first ro") && !beginning.is_of(b"first now\nsecond"));
        assert!(Beginning::of(b"").is_of(b"anything"));
        let long = vec![b'x'; 2 * BEGINNING_BYTES];
        assert!(Beginning::of(&long).is_of(&long[..BEGINNING_BYTES]));
    }
}
