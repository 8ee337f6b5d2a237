//! Small integers as Parquet packs them: its hybrid of runs and packed bits, format "RLE" in the specification of
//! encodings (<https://parquet.apache.org/docs/file-format/data-pages/encodings/>).

/// Bits that the numbers below `count` need; at least one.
pub(crate) fn width_of(count: usize) -> u32 {
    (usize::BITS - count.saturating_sub(1).leading_zeros()).max(1)
}

/// Appends numbers of at most 32 bits: one run where all are the same, else all of them packed.
pub(crate) fn pack(out: &mut Vec<u8>, width: u32, numbers: impl ExactSizeIterator<Item = u32> + Clone) {
    let count = numbers.len();
    let mut look = numbers.clone();
    let first = look.next().unwrap_or(0);
    if look.all(|number| number == first) {
        varint(out, (count as u64) << 1);
        out.extend(&first.to_le_bytes()[..width.div_ceil(8) as usize]);
        return;
    }
    let groups = count.div_ceil(8);
    varint(out, (groups as u64) << 1 | 1);
    let end = out.len() + groups * width as usize;
    out.reserve(groups * width as usize + size_of::<u64>());
    let (mut bits, mut held) = (0_u64, 0);
    for number in numbers {
        bits |= u64::from(number) << held;
        held += width;
        if held >= 32 {
            out.extend((bits as u32).to_le_bytes());
            bits >>= 32;
            held -= 32;
        }
    }
    out.extend(bits.to_le_bytes());
    // What the last group lacks is zeros.
    out.resize(end, 0);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(width: u32, numbers: &[u32]) -> Vec<u8> {
        let mut out = Vec::new();
        pack(&mut out, width, numbers.iter().copied());
        out
    }

    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(packed(3, &[0, 1, 2, 3, 4, 5, 6, 7]), [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
    }

    #[test]
    fn equal_numbers_are_a_run() {
        assert_eq!(packed(9, &[300; 100]), [200, 1, 44, 1]);
        assert_eq!(packed(1, &[1]), [2, 1]);
    }

    #[test]
    fn the_last_group_is_filled() {
        assert_eq!(packed(1, &[1, 0, 1, 0, 0, 0, 0, 0, 1]), [5, 0b101, 1]);
        assert_eq!(packed(17, &[1, 131_071]).len(), 1 + 17);
    }

    #[test]
    fn widths() {
        assert_eq!([0, 1, 2, 3, 4, 5, 256, 257].map(width_of), [1, 1, 1, 2, 2, 3, 8, 9]);
    }
}
