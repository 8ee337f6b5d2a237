//! What a key may look like, so that it means the same in a folder and in a bucket.

use crate::Error;

/// Bytes of a key, as on S3.
pub const MAX_KEY_BYTES: usize = 1024;

/// Files with this prefix in their name are this crate's own: half-written objects and locks. No key part begins
/// with it, and listings skip them.
pub(crate) const OWN_FILES: &str = ".objects-";

/// Checks a key: 1 to [`MAX_KEY_BYTES`] bytes, parts separated by single `/`, none of them `.` or `..`, no control
/// characters and no backslash, and no part that begins with `.objects-`.
pub fn check_key(key: &str) -> Result<(), Error> {
    let rule = if key.is_empty() {
        "is empty"
    } else if key.len() > MAX_KEY_BYTES {
        "is longer than 1024 bytes"
    } else if key.starts_with('/') {
        "begins with `/`; keys are relative to the location"
    } else if key.chars().any(|c| c.is_control() || c == '\\') {
        "holds a control character or a backslash"
    } else if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "has a part that is empty, `.` or `..`"
    } else if key.split('/').any(|part| part.starts_with(OWN_FILES)) {
        "has a part that begins with `.objects-`, which is reserved"
    } else {
        return Ok(());
    };
    Err(Error::InvalidKey { key: key.to_owned(), rule })
}

/// Checks the prefix of a listing: the beginning of a valid key, or nothing.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), Error> {
    let body = prefix.strip_suffix('/').unwrap_or(prefix);
    if prefix.is_empty() { Ok(()) } else { check_key(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_could_leave_the_location_are_refused() {
        for key in ["a", "daily/date=2026-11-20/run=1/part-0.parquet", "a b", "é", ".hidden", "..a/b.."] {
            assert!(check_key(key).is_ok(), "{key}");
        }
        let long = "x".repeat(MAX_KEY_BYTES + 1);
        for key in ["", "/a", "a/", "a//b", "../a", "a/..", "a/./b", ".", "a\\b", "a\nb", "a/.objects-1", &long] {
            assert!(matches!(check_key(key), Err(Error::InvalidKey { .. })), "{key}");
        }
    }

    #[test]
    fn a_listing_may_begin_within_a_name() {
        for prefix in ["", "daily/", "daily/date=2026", "snap"] {
            assert!(check_prefix(prefix).is_ok(), "{prefix}");
        }
        for prefix in ["/", "../", "a//", "/daily"] {
            assert!(check_prefix(prefix).is_err(), "{prefix}");
        }
    }
}
