//! Keyed pseudonyms: calls without the numbers of the people who made them, on which features are what they were.
//!
//! [`Pseudonyms`] replaces the last digits of a number by those of another number of the same range, by a permutation
//! that the key decides. Country, prefix and range stay, two numbers are never taken for one, and the same key gives
//! the same pseudonym in every file and every version. Names of calls, handsets, cells, trunks and addresses become
//! tokens. `docs/pseudonyms.md` says what this does not hide.
//!
//! This crate knows no files, no async, no clock and no randomness but the key.

mod digits;
mod imei;
mod key;
mod keyed;
mod limits;
mod pseudonyms;

pub use key::{Key, KeyError};
pub use limits::{KEY_BYTES_MAX, KEY_BYTES_MIN, RANGE_DIGITS_MAX, RANGE_DIGITS_MIN, ROUNDS};
pub use pseudonyms::{PseudonymError, Pseudonyms, RangeDigitsError};
