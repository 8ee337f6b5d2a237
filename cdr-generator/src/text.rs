//! Short texts put together without the machinery of formatting, which would cost more than the call that they are of.

use smol_str::SmolStr;

/// A short text of ASCII under construction.
pub(crate) struct Text {
    bytes: [u8; MOST_BYTES],
    len: usize,
}

/// The longest text here is a cell's name, of some 20 bytes. What is longer is cut.
const MOST_BYTES: usize = 48;

impl Text {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; MOST_BYTES], len: 0 }
    }

    pub(crate) fn push(mut self, text: &str) -> Self {
        let end = (self.len + text.len()).min(MOST_BYTES);
        self.bytes[self.len..end].copy_from_slice(&text.as_bytes()[..end - self.len]);
        self.len = end;
        self
    }

    /// A number in decimal.
    pub(crate) fn decimal(self, value: u64) -> Self {
        self.padded(value, 1)
    }

    /// A number in decimal, with zeros before it up to a width of at most 20.
    pub(crate) fn padded(self, mut value: u64, width: usize) -> Self {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        while value > 0 {
            first -= 1;
            digits[first] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        let first = first.min(digits.len() - width);
        self.ascii(&digits[first..])
    }

    /// A number in hexadecimal.
    pub(crate) fn hex(self, mut value: u64) -> Self {
        let mut digits = [b'0'; 16];
        let mut first = digits.len();
        while value > 0 || first == digits.len() {
            first -= 1;
            digits[first] = b"0123456789abcdef"[(value % 16) as usize];
            value /= 16;
        }
        self.ascii(&digits[first..])
    }

    pub(crate) fn finish(&self) -> SmolStr {
        // Only ASCII goes in.
        SmolStr::new(std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default())
    }

    fn ascii(mut self, bytes: &[u8]) -> Self {
        let end = (self.len + bytes.len()).min(MOST_BYTES);
        self.bytes[self.len..end].copy_from_slice(&bytes[..end - self.len]);
        self.len = end;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_formatting_makes() {
        for value in [0, 7, 10, 4_711, 65_535, 1_000_000, u64::MAX] {
            assert_eq!(Text::new().decimal(value).finish(), format!("{value}"));
            assert_eq!(Text::new().padded(value, 7).finish(), format!("{value:07}"));
            assert_eq!(Text::new().hex(value).finish(), format!("{value:x}"));
        }
        assert_eq!(Text::new().push("+1").push("202").padded(55, 4).push("").finish(), "+12020055");
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let text = "0123456789".repeat(6);
        assert_eq!(Text::new().push(&text).decimal(5).finish(), text[..MOST_BYTES]);
    }
}
