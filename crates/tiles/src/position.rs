//! Where a record stands in its shard, and which shard that is.

use std::fmt;

use smol_str::SmolStr;

/// Bytes of a Kinesis sequence number: up to 186 bits, more than any number type of DynamoDB holds.
const SEQUENCE_BYTES: usize = 24;
const BYTES: usize = SEQUENCE_BYTES + 4;

/// The place of a record in its shard: the sequence number as fixed-width big-endian bytes, then the
/// sub-sequence number of a record inside an aggregate. Byte order is shard order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position([u8; BYTES]);

impl Position {
    /// From the decimal sequence number that Kinesis gives and the sub-sequence number (0 outside aggregates).
    /// `None` where the text is no number of at most 192 bits.
    pub fn parse(sequence_number: &str, sub_sequence: u32) -> Option<Self> {
        if sequence_number.is_empty() {
            return None;
        }
        // Eighteen digits at a time, the most that fit into a limb; the lowest limb last.
        let mut limbs = [0u64; SEQUENCE_BYTES / 8];
        for digits in sequence_number.as_bytes().chunks(18) {
            let (mut scale, mut carry) = (1u64, 0u64);
            for digit in digits {
                carry = carry * 10 + u64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
                scale *= 10;
            }
            for limb in limbs.iter_mut().rev() {
                let product = u128::from(*limb) * u128::from(scale) + u128::from(carry);
                *limb = product as u64;
                carry = (product >> 64) as u64;
            }
            if carry > 0 {
                return None;
            }
        }
        let mut bytes = [0u8; BYTES];
        for (place, limb) in bytes.chunks_exact_mut(8).zip(limbs) {
            place.copy_from_slice(&limb.to_be_bytes());
        }
        bytes[SEQUENCE_BYTES..].copy_from_slice(&sub_sequence.to_be_bytes());
        Some(Self(bytes))
    }

    /// The place of a record inside the aggregate at this place.
    #[must_use]
    pub fn with_sub_sequence(mut self, sub_sequence: u32) -> Self {
        self.0[SEQUENCE_BYTES..].copy_from_slice(&sub_sequence.to_be_bytes());
        self
    }

    /// The stored form.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From the stored form.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// Lower-case hex, which sorts as positions do.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
    }
}

/// One shard of one life of a stream: stream name, generation, shard id. The generation is raised when a
/// stream is recreated, for its sequence numbers begin anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardKey(SmolStr);

impl ShardKey {
    /// The key of a shard.
    pub fn new(stream: &str, generation: u32, shard_id: &str) -> Self {
        Self(SmolStr::new(format!("{stream}/{generation}/{shard_id}")))
    }

    /// The text at the end of the sort keys of its derived tiles.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn order_of_bytes_is_order_of_numbers(a: u128, b: u128, x: u32, y: u32) {
            let position = |n: u128, sub| Position::parse(&n.to_string(), sub).unwrap();
            prop_assert_eq!((a, x).cmp(&(b, y)), position(a, x).cmp(&position(b, y)));
            let bytes = position(a, 0);
            prop_assert_eq!(&bytes.as_bytes()[8..24], &a.to_be_bytes());
            // A number of two limbs and more, moved up by ten digits: long multiplication by hand.
            let moved = Position::parse(&format!("{a}{x:010}"), 0).unwrap();
            let mut carry = u128::from(x);
            for (place, byte) in bytes.as_bytes()[..24].iter().enumerate().rev() {
                let product = u128::from(*byte) * 10_000_000_000 + carry;
                prop_assert_eq!(moved.as_bytes()[place], product as u8);
                carry = product >> 8;
            }
            prop_assert_eq!(carry, 0);
        }
    }

    #[test]
    fn sequence_numbers_as_kinesis_writes_them() {
        let a = Position::parse("49590338271490256608559692538361571095921575989136588898", 0).unwrap();
        let b = Position::parse("49590338271490256608559692540925702759324208523137515618", 0).unwrap();
        assert!(a < b);
        assert_eq!(Position::from_bytes(a.as_bytes()), Some(a));
        // 2^192 - 1 is the largest, 2^192 is too large.
        let largest = "6277101735386680763835789423207666416102355444464034512895";
        assert_eq!(Position::parse(largest, 0).unwrap().as_bytes()[..24], [0xff; 24]);
        for wrong in ["", "12a", "-1", &"9".repeat(60), "6277101735386680763835789423207666416102355444464034512896"]
        {
            assert_eq!(Position::parse(wrong, 0), None, "{wrong}");
        }
    }
}
