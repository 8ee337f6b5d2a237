//! The bytes of stored states: varints and a bounded reader.

/// Stored bytes that are no state of this feature set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored state cannot be read: {0}")]
pub struct DecodeError(pub(crate) &'static str);

/// Appends an unsigned LEB128 number.
pub(crate) fn write_varint(out: &mut Vec<u8>, mut value: u128) {
    // Most fit, and 128 bits are slow.
    if let Ok(mut value) = u64::try_from(value) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        return out.push(value as u8);
    }
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number, folded so that small magnitudes are short.
pub(crate) fn write_signed(out: &mut Vec<u8>, value: i128) {
    write_varint(out, ((value << 1) ^ (value >> 127)) as u128);
}

/// Bytes of a number whose bits fit into 64.
const SHORT_BYTES: usize = 9;

/// Reads stored bytes from front to back; never past the end.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(DecodeError("it ends too early"))?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn varint(&mut self) -> Result<u128, DecodeError> {
        // Most end within 63 bits, and 128 bits are slow.
        let mut short = 0u64;
        for (at, byte) in self.rest.iter().take(SHORT_BYTES).enumerate() {
            short |= u64::from(byte & 0x7f) << (at * 7);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Ok(u128::from(short));
            }
        }
        let mut value = 0u128;
        for shift in (0..u128::BITS).step_by(7) {
            let byte = self.bytes(1)?[0];
            let bits = u128::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError("a number is longer than 128 bits"))
    }

    pub(crate) fn signed(&mut self) -> Result<i128, DecodeError> {
        let folded = self.varint()?;
        Ok((folded >> 1) as i128 ^ -((folded & 1) as i128))
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_read_as_written(unsigned: u128, signed: i128) {
            let mut bytes = Vec::new();
            write_varint(&mut bytes, unsigned);
            write_signed(&mut bytes, signed);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Ok(unsigned));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn garbage_is_an_error_or_a_number(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.varint().is_ok() {}
        }
    }
}
