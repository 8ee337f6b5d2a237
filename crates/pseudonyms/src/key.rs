//! The secret that decides all pseudonyms.

use std::fmt;

use crate::limits::{KEY_BYTES_MAX, KEY_BYTES_MIN};

/// A key of [`KEY_BYTES_MIN`] to [`KEY_BYTES_MAX`] bytes. It is never shown.
#[derive(Clone)]
pub struct Key(Vec<u8>);

/// A key that is too short or too long. It never holds the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Few enough to be guessed.
    #[error(
        "the key has {bytes} bytes: wants at least {KEY_BYTES_MIN} that nobody can guess, such as those of `openssl rand \
         -hex 32`"
    )]
    TooShort {
        /// Its bytes.
        bytes: usize,
    },
    /// So many that it is some other file.
    #[error("the key has {bytes} bytes: wants at most {KEY_BYTES_MAX}")]
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
}

impl Key {
    /// The key of these bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes.len() {
            bytes if bytes < KEY_BYTES_MIN => Err(KeyError::TooShort { bytes }),
            bytes if bytes > KEY_BYTES_MAX => Err(KeyError::TooLong { bytes }),
            _ => Ok(Self(bytes.to_owned())),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_neither_short_nor_endless_and_is_not_shown() {
        assert_eq!(Key::new(&[b'k'; 15]).unwrap_err(), KeyError::TooShort { bytes: 15 });
        assert_eq!(Key::new(&[b'k'; 4097]).unwrap_err(), KeyError::TooLong { bytes: 4097 });
        let key = Key::new(b"0123456789abcdef").unwrap();
        assert_eq!(format!("{key:?}"), "Key { .. }");
        assert!(Key::new(&[0; 4096]).is_ok());
    }
}
