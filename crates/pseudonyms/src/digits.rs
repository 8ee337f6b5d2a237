//! A keyed permutation of all texts of so many digits.
//!
//! It is the Feistel network of FF1 (NIST SP 800-38G, section 5.1): the digits are cut into two halves, and in each round
//! one takes in a function of the other by addition modulo its size. Two differences: the function is HMAC-SHA256, and
//! there are [`ROUNDS`] rounds.

use crate::keyed::{Keyed, Purpose};
use crate::limits::{PERMUTED_DIGITS_MAX, ROUNDS};

/// Texts of as many digits, each with another of them as its image. What is permuted under another purpose or `tweak`
/// is permuted in another way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permutation<'k> {
    pub(crate) keyed: &'k Keyed,
    pub(crate) purpose: Purpose,
    pub(crate) tweak: &'k str,
}

impl Permutation<'_> {
    /// The image of a text, of as many digits; `None` where it is empty, too long or holds anything but digits.
    pub(crate) fn image(self, text: &str) -> Option<String> {
        let len = text.len();
        if !(1..=PERMUTED_DIGITS_MAX).contains(&len) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let value = text.parse().ok()?;
        let image = self.image_of_value(value, len);
        Some(format!("{image:0len$}"))
    }

    fn image_of_value(self, value: u64, len: usize) -> u64 {
        let (left_len, right_len) = (len / 2, len - len / 2);
        let (left_size, right_size) = (size(left_len), size(right_len));
        let (mut left, mut right) = (value / right_size, value % right_size);
        for round in 0..ROUNDS {
            let modulus = if round % 2 == 0 { left_size } else { right_size };
            let mixed = (left + self.round(round, len, right) % modulus) % modulus;
            (left, right) = (right, mixed);
        }
        // The rounds are an even number: each half is again as long as it was.
        left * right_size + right
    }

    /// Below 10^9, nearly uniform modulo any power of ten up to it: 128 bits are far more than 30.
    fn round(self, round: u8, len: usize, half: u64) -> u64 {
        let parts: [&[u8]; 3] = [self.tweak.as_bytes(), &[round, len as u8], &half.to_be_bytes()];
        (self.keyed.bits(self.purpose, &parts) % u128::from(size(PERMUTED_DIGITS_MAX / 2))) as u64
    }
}

/// How many texts there are of so many digits.
const fn size(len: usize) -> u64 {
    10_u64.pow(len as u32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;
    use crate::Key;

    #[test]
    fn every_text_is_the_image_of_exactly_one() {
        let keyed = Keyed::new(&Key::new(&[7; 32]).unwrap());
        for len in 1..=4 {
            let permutation = Permutation { keyed: &keyed, purpose: Purpose::Number, tweak: "+1202555" };
            let texts: HashSet<String> = (0..size(len)).map(|value| format!("{value:0len$}")).collect();
            let images: HashSet<String> = texts.iter().map(|text| permutation.image(text).unwrap()).collect();
            assert_eq!(texts, images, "{len} digits");
            // As in a random permutation, next to none stays where it is: one, on average.
            if len == 4 {
                let stay = texts.iter().take(2_000).filter(|text| permutation.image(text).as_ref() == Some(text));
                assert!(stay.count() < 4);
            }
        }
    }

    #[test]
    fn key_purpose_and_tweak_decide_and_nothing_else_is_permuted() {
        let (keyed, other) = (Keyed::new(&Key::new(&[7; 32]).unwrap()), Keyed::new(&Key::new(&[8; 32]).unwrap()));
        let base = Permutation { keyed: &keyed, purpose: Purpose::Number, tweak: "+1202555" };
        let first = |permutation: Permutation<'_>| -> Vec<String> {
            (0..50).map(|value| permutation.image(&format!("{value:06}")).unwrap()).collect()
        };
        assert_eq!(first(base), first(base));
        assert_ne!(first(base), first(Permutation { keyed: &other, ..base }));
        assert_ne!(first(base), first(Permutation { purpose: Purpose::Imei, ..base }));
        assert_ne!(first(base), first(Permutation { tweak: "+1202556", ..base }));
        assert_eq!(base.image("999999999999999999").unwrap().len(), 18);
        for text in ["", "12a4", "-123", "1234567890123456789", "\u{661}\u{662}"] {
            assert_eq!(base.image(text), None, "{text}");
        }
    }
}
