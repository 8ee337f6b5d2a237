//! What is drawn from the key: pseudorandom bytes for a purpose and a text.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Key;

/// What a value is drawn for: the same text has unrelated values for two purposes. The names are part of what a key
/// means and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Number,
    Extension,
    CallId,
    Trunk,
    CellId,
    Imei,
    CallerIp,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Extension => "extension",
            Self::CallId => "call_id",
            Self::Trunk => "trunk",
            Self::CellId => "cell_id",
            Self::Imei => "imei",
            Self::CallerIp => "caller_ip",
        }
    }
}

/// HMAC-SHA256 under the key, which has been hashed in once.
#[derive(Clone)]
pub(crate) struct Keyed {
    under_key: Hmac<Sha256>,
}

/// Begins everything that is hashed: names the scheme, so that another one under the same key has other values.
const SCHEME: &[u8] = b"tollwatch pseudonyms 1";

impl Keyed {
    pub(crate) fn new(key: &Key) -> Self {
        // HMAC takes keys of any length.
        let mut under_key = Hmac::new_from_slice(key.bytes()).unwrap_or_else(|_| Hmac::new(&<_>::default()));
        under_key.update(SCHEME);
        Self { under_key }
    }

    /// 32 bytes for a purpose and some parts, which are told apart: `ab`, `c` is not `a`, `bc`.
    pub(crate) fn bytes(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        let mut hmac = self.under_key.clone();
        for part in [purpose.name().as_bytes()].iter().chain(parts) {
            hmac.update(&(part.len() as u64).to_be_bytes());
            hmac.update(part);
        }
        hmac.finalize().into_bytes().into()
    }

    /// The first 16 of those bytes as an integer.
    pub(crate) fn bits(&self, purpose: Purpose, parts: &[&[u8]]) -> u128 {
        let bytes = self.bytes(purpose, parts);
        bytes[..16].iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte))
    }
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn purposes_and_parts_are_told_apart() {
        let keyed = Keyed::new(&Key::new(&[7; 32]).unwrap());
        let first = keyed.bits(Purpose::Trunk, &[b"ab", b"c"]);
        assert_eq!(first, keyed.bits(Purpose::Trunk, &[b"ab", b"c"]));
        assert_ne!(first, keyed.bits(Purpose::Trunk, &[b"a", b"bc"]));
        assert_ne!(first, keyed.bits(Purpose::CellId, &[b"ab", b"c"]));
        assert_ne!(first, Keyed::new(&Key::new(&[8; 32]).unwrap()).bits(Purpose::Trunk, &[b"ab", b"c"]));
    }
}
