//! Writes the online face of one party and level: files cut by key hash, sorted by key, in small row groups.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use features::{Level, Party};

use crate::{Face, FaceFile, PackedWriter, SnapshotError, online_file_of};

/// Writes the parts of an online face to a folder on this machine.
#[derive(Debug)]
pub struct OnlineWriter {
    parts: Vec<(PathBuf, PackedWriter<BufWriter<File>>)>,
}

/// A part that lies on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPart {
    /// Where.
    pub path: PathBuf,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Smallest key in it.
    pub first_key: Option<String>,
    /// Largest key in it.
    pub last_key: Option<String>,
    /// The checksum of its footer: see [`crate::FaceFile::footer_crc32`].
    pub footer_crc32: Option<u32>,
}

impl LocalPart {
    /// As a manifest lists it, once it lies at `key`.
    pub fn listed(&self, party: Party, level: Level, face: Face, key: String) -> FaceFile {
        let Self { path: _, rows, bytes, first_key, last_key, footer_crc32 } = self.clone();
        FaceFile { party, level, face, key, rows, bytes, first_key, last_key, footer_crc32 }
    }
}

impl OnlineWriter {
    /// Begins `files` parts in `folder`, which exists. `about` is written into every footer.
    pub fn create(folder: &Path, files: usize, about: &[(&str, &str)]) -> Result<Self, SnapshotError> {
        let part = |part: usize| {
            let path = folder.join(format!("part-{part:03}.parquet"));
            let file = File::create(&path).map_err(|source| local(&path, source))?;
            let writer = PackedWriter::online(BufWriter::new(file), &path.display().to_string(), about)?;
            Ok((path, writer))
        };
        Ok(Self { parts: (0..files).map(part).collect::<Result<_, SnapshotError>>()? })
    }

    /// Appends a row in its stored form. Keys come in ascending order.
    pub fn push(&mut self, key: &str, row: &[u8]) -> Result<(), SnapshotError> {
        let part = online_file_of(key, self.parts.len());
        self.parts[part].1.push(key, row, None, None)
    }

    /// Ends all parts, in the order of their numbers. A part may have no rows.
    pub fn finish(self) -> Result<Vec<LocalPart>, SnapshotError> {
        let finish = |(path, writer): (PathBuf, PackedWriter<BufWriter<File>>)| {
            let (written, mut out) = writer.finish_counted()?;
            out.flush().map_err(|source| local(&path, source))?;
            let bytes = out.get_ref().metadata().map_err(|source| local(&path, source))?.len();
            Ok(LocalPart {
                path,
                rows: written.rows,
                bytes,
                first_key: written.first_key,
                last_key: written.last_key,
                footer_crc32: Some(written.footer_crc32),
            })
        };
        self.parts.into_iter().map(finish).collect()
    }
}

fn local(path: &Path, source: std::io::Error) -> SnapshotError {
    SnapshotError::LocalFile { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;

    use super::*;
    use crate::row_group::{Footer, Tail};

    /// What one ranged read may bring.
    const READ_BYTES_MAX: u64 = 128 * 1024;

    #[test]
    fn one_read_of_128_kb_brings_any_row_that_fits() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = OnlineWriter::create(folder.path(), 3, &[]).unwrap();
        // Bytes that do not compress, as hashes do not.
        let mut seed = 1u64;
        let mut noise = |length: usize| -> Vec<u8> {
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            };
            (0..length).map(|_| next()).collect()
        };
        for n in 0..3_000usize {
            let length = if n % 50 == 0 { 90_000 } else { n % 700 };
            writer.push(&format!("+1202555{n:06}"), &noise(length)).unwrap();
        }
        let parts = writer.finish().unwrap();
        assert_eq!(parts.iter().map(|part| part.rows).sum::<u64>(), 3_000);
        for part in parts {
            let bytes = Bytes::from(std::fs::read(&part.path).unwrap());
            assert_eq!(bytes.len() as u64, part.bytes);
            let Tail::Whole(footer) = Footer::in_tail(&bytes, part.bytes, part.footer_crc32).unwrap() else {
                panic!("the file is whole")
            };
            assert!(footer.groups() > 10);
            for group in 0..footer.groups() {
                let range = footer.group_range(group);
                assert!(range.end - range.start <= READ_BYTES_MAX, "{range:?}");
            }
        }
    }
}
