//! A name for a row that has none.

use std::fmt::Write;

use md5::{Digest, Md5};

/// A stable name: the same row gives the same, wherever it stands.
pub(crate) fn of(row: &[u8]) -> String {
    let digest = Md5::digest(row);
    let mut name = String::with_capacity("row-".len() + 2 * digest.len());
    name.push_str("row-");
    for byte in digest {
        // Writing to a text cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}
