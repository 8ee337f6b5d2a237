//! What the number plan knows of the E.164 numbers it met last, without locks.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is kept of a number that is its own canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Bytes of the text, `+` included, that are the prefix: 2 to 16.
    pub prefix_len: u8,
    /// Index of the country in the plan's table of regions.
    pub region: u8,
}

/// A direct-mapped cache of whole numbers. A number is found or not; it is never taken for another, since a
/// slot holds all its digits. A slot is one word, so that a reader sees all of an entry or none.
pub(crate) struct NumberCache {
    slots: Box<[AtomicU64]>,
}

/// Slots of the cache: 1 MiB of memory, about what a core has as its second-level cache.
const SLOTS_LOG2: u32 = 17;

/// 10^15 - 1, the largest number of 15 digits, is below 2^50.
const DIGITS_BITS: u32 = 50;
const PREFIX_BITS: u32 = 5;

impl NumberCache {
    pub fn new() -> Self {
        Self { slots: (0..1_usize << SLOTS_LOG2).map(|_| AtomicU64::new(EMPTY)).collect() }
    }

    /// What was put for the number of these digits, unless another has taken its slot since.
    pub fn get(&self, digits: u64) -> Option<Known> {
        // Nothing else is published by this word: no ordering is needed.
        let word = self.slots[slot(digits)].load(Ordering::Relaxed);
        (word & mask(DIGITS_BITS) == digits && digits != 0).then_some(Known {
            prefix_len: (word >> DIGITS_BITS & mask(PREFIX_BITS)) as u8,
            region: (word >> (DIGITS_BITS + PREFIX_BITS)) as u8,
        })
    }

    /// Keeps what is known of the number of these digits, at most 15.
    pub fn put(&self, digits: u64, known: Known) {
        let word = digits
            | u64::from(known.prefix_len) << DIGITS_BITS
            | u64::from(known.region) << (DIGITS_BITS + PREFIX_BITS);
        self.slots[slot(digits)].store(word, Ordering::Relaxed);
    }
}

/// No number: calling codes do not begin with 0.
const EMPTY: u64 = 0;

fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// Fibonacci hashing: neighbours, as in a number block, land far apart.
fn slot(digits: u64) -> usize {
    (digits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - SLOTS_LOG2)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_whole_and_only_for_its_number() {
        let cache = NumberCache::new();
        let largest = 999_999_999_999_999;
        for (digits, known) in [
            (12_025_550_101, Known { prefix_len: 5, region: 230 }),
            (largest, Known { prefix_len: 16, region: 255 }),
            (1, Known { prefix_len: 2, region: 0 }),
        ] {
            assert_eq!(cache.get(digits), None);
            cache.put(digits, known);
            assert_eq!(cache.get(digits), Some(known));
        }
        assert_eq!(cache.get(0), None);
    }

    #[test]
    fn a_number_in_the_slot_of_another_takes_it() {
        let cache = NumberCache::new();
        let first = 12_025_550_101_u64;
        let second = (first + 1..first + 100_000_000).find(|&other| slot(other) == slot(first)).unwrap_or(0);
        cache.put(first, Known { prefix_len: 5, region: 1 });
        assert_eq!(cache.get(second), None);
        cache.put(second, Known { prefix_len: 5, region: 2 });
        assert_eq!(cache.get(first), None);
        assert_eq!(cache.get(second), Some(Known { prefix_len: 5, region: 2 }));
    }
}
