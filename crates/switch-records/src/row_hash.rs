//! Names for rows that have none.

use md5::{Digest, Md5};

/// A stable name for a row that has none: the same row gives the same.
pub(crate) fn row_hash(row: &[u8]) -> String {
    let digest = Md5::digest(row);
    let mut text = String::with_capacity(4 + 2 * digest.len());
    text.push_str("row-");
    for byte in digest {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text
}

const HEX: [u8; 16] = *b"0123456789abcdef";
