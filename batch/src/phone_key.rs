//! E.164 numbers as integers that have the order of their texts.

use cdr::{Number, NumberKind};

/// An E.164 number and how much of it is its prefix, in one integer: a digit and one more in four bits, from the first
/// digit on, and how many digits the prefix has in the last four. So keys have the order of the texts, and numbers of
/// one prefix are told by a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PhoneKey(u64);

const DIGIT_BITS: u32 = 4;
const DIGITS_MAX: u32 = 15;

impl PhoneKey {
    /// `None` unless E.164.
    pub(crate) fn of(number: &Number) -> Option<Self> {
        let digits = number.as_str().as_bytes().strip_prefix(b"+").filter(|_| number.kind() == NumberKind::E164)?;
        // E.164 has 15 digits at most, and a prefix has one at least.
        let mut key = number.prefix().map_or(0, |prefix| prefix.len() as u64 - 1);
        let mut shift = u64::BITS;
        for digit in digits {
            shift -= DIGIT_BITS;
            key |= u64::from(digit - b'0' + 1) << shift;
        }
        Some(Self(key))
    }

    /// The key of these bits; 0 is none.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        (bits != 0).then_some(Self(bits))
    }

    /// Never 0.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Appends the number's text to `text`, and returns how many bytes of it are the prefix.
    pub(crate) fn write(self, text: &mut String) -> usize {
        text.push('+');
        let mut digits = self.0 >> DIGIT_BITS << DIGIT_BITS;
        while digits != 0 {
            text.push(char::from(b'0' + (digits >> (u64::BITS - DIGIT_BITS)) as u8 - 1));
            digits <<= DIGIT_BITS;
        }
        1 + self.prefix_digits() as usize
    }

    /// The same for all numbers of a prefix, and for no others. Its text is the prefix.
    pub(crate) fn prefix(self) -> Self {
        let digits = self.prefix_digits();
        let kept = u64::MAX.checked_shl(u64::BITS - DIGIT_BITS * digits).unwrap_or(0);
        Self(self.0 & kept | u64::from(digits))
    }

    fn prefix_digits(self) -> u32 {
        (self.0 & u64::from(DIGITS_MAX)) as u32
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_numbers_in_their_order(numbers in prop::collection::vec("\\+(1|44|7|49|998)[0-9]{6,12}", 2..10)) {
            let plan = cdr::NumberPlan::new("US").unwrap();
            let numbers: Vec<Number> = numbers.iter().filter_map(|text| plan.parse(text).ok()).collect();
            for one in &numbers {
                let key = PhoneKey::of(one).unwrap();
                let mut text = String::new();
                let prefix_bytes = key.write(&mut text);
                prop_assert_eq!((text.as_str(), text.get(..prefix_bytes)), (one.as_str(), one.prefix()));
                prop_assert_eq!(PhoneKey::from_bits(key.bits()), Some(key));
                let mut prefix = String::new();
                key.prefix().write(&mut prefix);
                prop_assert_eq!(Some(prefix.as_str()), one.prefix());
                for other in &numbers {
                    let key_of_other = PhoneKey::of(other).unwrap();
                    prop_assert_eq!(key.cmp(&key_of_other), one.as_str().cmp(other.as_str()));
                    prop_assert_eq!(key.prefix() == key_of_other.prefix(), one.prefix() == other.prefix());
                }
            }
        }
    }

    #[test]
    fn other_numbers_have_no_key() {
        let plan = cdr::NumberPlan::new("US").unwrap();
        for other in ["anonymous", "ext:hq/1001", "short:1:911", "alpha:1:BANK"] {
            assert_eq!(PhoneKey::of(&plan.parse(other).unwrap()), None);
        }
    }
}
