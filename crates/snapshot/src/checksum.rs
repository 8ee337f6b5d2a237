//! CRC-32 of row groups and footers, so that damaged bytes are an error and never another number.
//!
//! Parquet has a checksum for each page, which the library reads but does not write. Ours are of what a point read
//! fetches: the bytes of a row group, listed in the file's own metadata, and the bytes behind the last of them, the
//! footer, listed in the manifest. Files without are read unchecked: they are of before there were any.

use std::io::{self, Write};

use crc32fast::Hasher;

/// Where a file's metadata lists the checksums of its row groups: 8 hexadecimal digits each, in their order.
pub(crate) const GROUPS_CRC32: &str = "tollwatch.row_groups_crc32";

/// The checksum of some bytes.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The metadata entry for some checksums.
pub(crate) fn to_text(checksums: &[u32]) -> String {
    checksums.iter().fold(String::new(), |text, checksum| text + &format!("{checksum:08x}"))
}

/// Reads [`to_text`] back; `None` if it is not `count` checksums.
pub(crate) fn from_text(text: &str, count: usize) -> Option<Vec<u32>> {
    let digits = text.as_bytes();
    if digits.len() != count * 8 {
        return None;
    }
    let one = |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    digits.chunks_exact(8).map(one).collect()
}

/// Passes bytes on and keeps the checksum of them.
pub(crate) struct Checksummed<W> {
    inner: W,
    hasher: Hasher,
}

impl<W> Checksummed<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::new() }
    }

    /// The checksum of everything since the last call.
    pub(crate) fn take(&mut self) -> u32 {
        std::mem::take(&mut self.hasher).finalize()
    }

    pub(crate) fn into_inner(self) -> W {
        self.inner
    }
}

impl<W: Write> Write for Checksummed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn checksums_are_of_what_was_written_since_the_last() {
        let mut out = Checksummed::new(Vec::new());
        out.write_all(b"magic").unwrap();
        out.take();
        // The check value of CRC-32/ISO-HDLC.
        out.write_all(b"12345").unwrap();
        out.write_all(b"6789").unwrap();
        assert_eq!(out.take(), 0xcbf4_3926);
        assert_eq!(out.take(), 0);
        assert_eq!(out.into_inner(), b"magic123456789");
    }

    #[test]
    fn a_list_reads_what_it_writes_and_nothing_else() {
        let list = [0, 7, u32::MAX];
        assert_eq!(from_text(&to_text(&list), 3).unwrap(), list);
        assert_eq!(from_text("", 0), Some(Vec::new()));
        for (text, count) in [("0000000", 1), ("00000000", 2), ("0000000g", 1), ("+0000000", 0)] {
            assert_eq!(from_text(text, count), None, "{text}");
        }
    }
}
