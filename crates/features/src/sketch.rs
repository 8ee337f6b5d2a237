//! Counting different values: exact while few, a HyperLogLog estimate beyond.
//!
//! A value is hashed to the first 8 bytes of the MD5 of its UTF-8 text, which any SQL engine can compute. Up
//! to [`SPARSE_MAX`] different hashes are kept as they are and the count is exact. Beyond, the set becomes
//! [`SKETCH_REGISTERS`] registers: the first 12 bits of the hash choose one, which keeps the largest number of
//! leading zeros, plus one, seen in the other 52. Either form depends on the set of hashes alone, not on order
//! or on how it was merged, so equal sets have equal bytes.

use md5::{Digest, Md5};
use smallvec::SmallVec;

use crate::codec::{DecodeError, Reader, write_varint};

/// Registers of a dense sketch: 2^12, a relative standard error of 1.04 / sqrt(4096) = 1.6 %.
pub const SKETCH_REGISTERS: usize = 1 << INDEX_BITS;
/// Different values that are counted exactly: as many as fit into the bytes of the dense form.
pub const SPARSE_MAX: usize = DENSE_BYTES / 8;

const INDEX_BITS: u32 = 12;
const RANK_BITS: u32 = 64 - INDEX_BITS;
/// 4,096 registers of 6 bits.
const DENSE_BYTES: usize = SKETCH_REGISTERS * 6 / 8;

/// The hash that a sketch keeps of a value.
pub fn hash_text(text: &str) -> u64 {
    hash_parts(&[text.as_bytes()])
}

/// The same hash, of bytes that stand in several places.
pub fn hash_parts(parts: &[&[u8]]) -> u64 {
    let mut hasher = Md5::new();
    parts.iter().for_each(|part| hasher.update(part));
    let digest = hasher.finalize();
    u64::from_be_bytes(std::array::from_fn(|i| digest[i]))
}

/// A mergeable count of different values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sketch {
    /// Sorted hashes, at most [`SPARSE_MAX`]. A minute of one number has one or two, which stand in place.
    Sparse(SmallVec<[u64; 2]>),
    /// [`SKETCH_REGISTERS`] registers.
    Dense(Box<[u8]>),
}

impl Default for Sketch {
    fn default() -> Self {
        Self::Sparse(SmallVec::new())
    }
}

impl Sketch {
    /// The standard error of a dense sketch, relative to the count.
    pub fn relative_error() -> f64 {
        1.04 / (SKETCH_REGISTERS as f64).sqrt()
    }

    /// The sketch of hashes in any order, repeated or not.
    pub fn of_hashes(mut hashes: Vec<u64>) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        let mut sketch = Self::Sparse(SmallVec::from_vec(hashes));
        sketch.densify_if_large();
        sketch
    }

    /// Whether nothing was ever inserted.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Sparse(hashes) if hashes.is_empty())
    }

    /// Whether [`Self::count`] is exact.
    pub const fn is_exact(&self) -> bool {
        matches!(self, Self::Sparse(_))
    }

    /// Adds a hash made by [`hash_text`].
    pub fn insert(&mut self, hash: u64) {
        match self {
            Self::Sparse(hashes) => {
                if let Err(at) = hashes.binary_search(&hash) {
                    hashes.insert(at, hash);
                    self.densify_if_large();
                }
            }
            Self::Dense(registers) => raise(registers, hash),
        }
    }

    /// Adds everything that `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (_, Self::Sparse(theirs)) if theirs.is_empty() => {}
            (Self::Sparse(mine), _) if mine.is_empty() => *self = other.clone(),
            (Self::Sparse(mine), Self::Sparse(theirs)) => {
                *mine = union_sorted(mine, theirs);
                self.densify_if_large();
            }
            (Self::Dense(registers), Self::Sparse(theirs)) => {
                theirs.iter().for_each(|hash| raise(registers, *hash));
            }
            (Self::Sparse(mine), Self::Dense(theirs)) => {
                let mut registers = theirs.clone();
                mine.iter().for_each(|hash| raise(&mut registers, *hash));
                *self = Self::Dense(registers);
            }
            (Self::Dense(registers), Self::Dense(theirs)) => {
                for (mine, theirs) in registers.iter_mut().zip(theirs) {
                    *mine = (*mine).max(*theirs);
                }
            }
        }
    }

    /// How many different values were inserted: exact when sparse, else estimated with Ertl's improved raw
    /// estimator (O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm
    /// 6), which needs no bias tables.
    pub fn count(&self) -> u64 {
        match self {
            Self::Sparse(hashes) => hashes.len() as u64,
            Self::Dense(registers) => estimate(registers).round() as u64,
        }
    }

    /// Appends the stored form: the number of hashes and the hashes, or 0 and the packed registers.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sparse(hashes) => {
                write_varint(out, hashes.len() as u128);
                hashes.iter().for_each(|hash| out.extend_from_slice(&hash.to_be_bytes()));
            }
            Self::Dense(registers) => {
                write_varint(out, 0);
                for four in registers.chunks_exact(4) {
                    let packed = four.iter().fold(0u32, |bits, register| bits << 6 | u32::from(*register));
                    out.extend_from_slice(&packed.to_be_bytes()[1..]);
                }
            }
        }
    }

    /// Steps over what [`Self::encode`] wrote.
    pub(crate) fn skip(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let count = usize::try_from(reader.varint()?).ok().filter(|count| *count <= SPARSE_MAX);
        let count = count.ok_or(DecodeError("a sparse sketch holds too many hashes"))?;
        reader.bytes(if count == 0 { DENSE_BYTES } else { count * size_of::<u64>() })?;
        Ok(())
    }

    /// Reads what [`Self::encode`] wrote; an empty sketch is never stored.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.varint()?;
        if count > SPARSE_MAX as u128 {
            return Err(DecodeError("a sparse sketch holds too many hashes"));
        }
        if count == 0 {
            let packed = reader.bytes(DENSE_BYTES)?;
            let mut registers = Vec::with_capacity(SKETCH_REGISTERS);
            for three in packed.chunks_exact(3) {
                let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
                registers.extend([18, 12, 6, 0].map(|shift| (bits >> shift & 0x3f) as u8));
            }
            if registers.iter().any(|rank| u32::from(*rank) > RANK_BITS + 1) {
                return Err(DecodeError("a sketch register is out of range"));
            }
            return Ok(Self::Dense(registers.into_boxed_slice()));
        }
        let bytes = reader.bytes(count as usize * 8)?;
        let hashes: SmallVec<[u64; 2]> =
            bytes.chunks_exact(8).map(|hash| u64::from_be_bytes(std::array::from_fn(|i| hash[i]))).collect();
        if !hashes.is_sorted_by(|a, b| a < b) {
            return Err(DecodeError("the hashes of a sparse sketch are not in order"));
        }
        Ok(Self::Sparse(hashes))
    }

    fn densify_if_large(&mut self) {
        if let Self::Sparse(hashes) = self
            && hashes.len() > SPARSE_MAX
        {
            let mut registers = vec![0; SKETCH_REGISTERS].into_boxed_slice();
            hashes.iter().for_each(|hash| raise(&mut registers, *hash));
            *self = Self::Dense(registers);
        }
    }
}

fn raise(registers: &mut [u8], hash: u64) {
    let register = &mut registers[(hash >> RANK_BITS) as usize];
    // The guard bit makes the rank of 52 zeros 53.
    let rank = (hash << INDEX_BITS | 1 << (INDEX_BITS - 1)).leading_zeros() + 1;
    *register = (*register).max(rank as u8);
}

fn union_sorted(a: &[u64], b: &[u64]) -> SmallVec<[u64; 2]> {
    let mut union = SmallVec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let (x, y) = (a[i], b[j]);
        union.push(x.min(y));
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    union.extend_from_slice(&a[i..]);
    union.extend_from_slice(&b[j..]);
    union
}

fn estimate(registers: &[u8]) -> f64 {
    let mut counts = [0u32; RANK_BITS as usize + 2];
    registers.iter().for_each(|rank| counts[usize::from(*rank)] += 1);
    let m = registers.len() as f64;
    let mut z = m * tau(1.0 - f64::from(counts[RANK_BITS as usize + 1]) / m);
    for count in counts[1..=RANK_BITS as usize].iter().rev() {
        z = 0.5 * (z + f64::from(*count));
    }
    z += m * sigma(f64::from(counts[0]) / m);
    m * m / (2.0 * std::f64::consts::LN_2 * z)
}

/// The sum over `k` of `x^(2^k) * 2^(k-1)`, plus `x`: the part of untouched registers.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

/// The part of saturated registers.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(range: std::ops::Range<u32>) -> Sketch {
        Sketch::of_hashes(range.map(|n| hash_text(&n.to_string())).collect())
    }

    fn encoded(sketch: &Sketch) -> Vec<u8> {
        let mut bytes = Vec::new();
        sketch.encode(&mut bytes);
        bytes
    }

    #[test]
    fn the_hash_is_the_head_of_the_md5() {
        // RFC 1321, appendix A.5: the digest of the empty string.
        assert_eq!(format!("{:016x}", hash_text("")), "d41d8cd98f00b204");
    }

    #[test]
    fn exact_up_to_the_limit_and_estimated_beyond() {
        assert_eq!(of(0..SPARSE_MAX as u32).count(), SPARSE_MAX as u64);
        assert!(of(0..SPARSE_MAX as u32).is_exact());
        assert!(!of(0..SPARSE_MAX as u32 + 1).is_exact());
        for n in [385, 1_000, 5_000, 20_000, 100_000] {
            let error = of(0..n).count() as f64 / f64::from(n) - 1.0;
            assert!(error.abs() < 4.0 * Sketch::relative_error(), "{n}: {error}");
        }
    }

    #[test]
    fn a_register_is_what_a_plain_reading_of_the_rule_gives() {
        let hashes: Vec<u64> = (0..2_000u32).map(|n| hash_text(&n.to_string())).collect();
        let mut plain = vec![0u8; 4096];
        for hash in &hashes {
            let bits = format!("{hash:064b}");
            let index = usize::from_str_radix(&bits[..12], 2).unwrap();
            let zeros = bits[12..].find('1').unwrap_or(52);
            plain[index] = plain[index].max(zeros as u8 + 1);
        }
        assert_eq!(Sketch::of_hashes(hashes), Sketch::Dense(plain.into_boxed_slice()));
    }

    proptest! {
        #[test]
        fn merging_is_inserting(a in prop::collection::vec(0u32..1500, 0..900), b in prop::collection::vec(0u32..1500, 0..900)) {
            let hash = |values: &[u32]| values.iter().map(|n| hash_text(&n.to_string())).collect::<Vec<_>>();
            let mut merged = Sketch::of_hashes(hash(&a));
            merged.merge(&Sketch::of_hashes(hash(&b)));
            let mut inserted = Sketch::default();
            hash(&a).into_iter().chain(hash(&b)).for_each(|h| inserted.insert(h));
            prop_assert_eq!(&merged, &inserted);
            let distinct = a.iter().chain(&b).collect::<BTreeSet<_>>().len();
            if distinct <= SPARSE_MAX {
                prop_assert_eq!(merged.count() as usize, distinct);
            }
            if !merged.is_empty() {
                prop_assert_eq!(Sketch::decode(&mut Reader::new(&encoded(&merged))).unwrap(), merged);
            }
        }
    }
}
