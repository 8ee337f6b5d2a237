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

/// A cache of whole numbers, in sets of eight. A number is found or not; it is never taken for another, since an
/// entry holds all its digits. An entry is one word, so that a reader sees all of it or none.
pub(crate) struct NumberCache {
    entries: Box<[AtomicU64]>,
}

impl NumberCache {
    pub fn new() -> Self {
        Self { entries: (0..WAYS << SETS_LOG2).map(|_| AtomicU64::new(EMPTY)).collect() }
    }

    /// What was put for the number of these digits, unless others have taken its place since.
    pub fn get(&self, digits: u64) -> Option<Known> {
        // Nothing else is published by an entry: no ordering is needed.
        let words = self.set(digits).iter().map(|entry| entry.load(Ordering::Relaxed));
        let word = words.into_iter().find(|word| word & mask(DIGITS_BITS) == digits && digits != EMPTY)?;
        Some(Known {
            prefix_len: (word >> DIGITS_BITS & mask(PREFIX_BITS)) as u8,
            region: (word >> (DIGITS_BITS + PREFIX_BITS)) as u8,
        })
    }

    /// Keeps what is known of the number of these digits, at most 15.
    pub fn put(&self, digits: u64, known: Known) {
        let word = digits
            | u64::from(known.prefix_len) << DIGITS_BITS
            | u64::from(known.region) << (DIGITS_BITS + PREFIX_BITS);
        let set = self.set(digits);
        let free = set.iter().position(|entry| entry.load(Ordering::Relaxed) == EMPTY);
        // In a full set the number's own digits choose whose place it takes: as good as chance, and the same
        // every time.
        let way = free.unwrap_or(hash(digits) as usize % WAYS);
        set[way].store(word, Ordering::Relaxed);
    }

    fn set(&self, digits: u64) -> &[AtomicU64] {
        let first = (hash(digits) >> (64 - SETS_LOG2)) as usize * WAYS;
        &self.entries[first..first + WAYS]
    }
}

/// Entries of a set: as many as a line of the processor's cache holds, so that a look costs one.
const WAYS: usize = 8;
/// Sets of the cache: 524,288 numbers in 4 MiB.
const SETS_LOG2: u32 = 16;

/// No number: calling codes do not begin with 0.
const EMPTY: u64 = 0;

/// 10^15 - 1, the largest number of 15 digits, is below 2^50.
const DIGITS_BITS: u32 = 50;
const PREFIX_BITS: u32 = 5;

fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// Mixes all bits (the finisher of `SplitMix64`): neighbours, as in a number block, land far apart.
fn hash(digits: u64) -> u64 {
    let mut mixed = digits.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
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
    fn a_full_set_gives_up_one_number_for_the_next() {
        let cache = NumberCache::new();
        let first = 12_025_550_101_u64;
        let set = |digits| hash(digits) >> (64 - SETS_LOG2);
        let same_set: Vec<u64> =
            (first..first + 100_000_000).filter(|&digits| set(digits) == set(first)).take(WAYS + 1).collect();
        for (region, &digits) in (0..).zip(&same_set) {
            cache.put(digits, Known { prefix_len: 5, region });
        }
        let found: Vec<Option<u8>> =
            same_set.iter().map(|&digits| cache.get(digits).map(|known| known.region)).collect();
        assert_eq!(found.len(), WAYS + 1);
        assert_eq!(found.iter().flatten().count(), WAYS);
        assert_eq!(found[WAYS], Some(WAYS as u8));
        for (region, found) in (0..).zip(found) {
            assert!(found.is_none_or(|found| found == region));
        }
    }
}
