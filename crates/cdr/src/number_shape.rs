//! What a number that cannot be used looks like, without saying which it is.

use std::fmt;

/// Characters of a shape; what is longer is cut.
const SHAPE_CHARS: usize = 24;
/// Digits that are shown.
const SHOWN_DIGITS: usize = 2;
/// A text shows digits from so many on: the fewest of E.164. Two of a shorter one would be too much of it.
const SHOWN_FROM_DIGITS: usize = 7;

/// The shape of a number: `x` for a digit, `a` for a letter, `?` for what is not ASCII, and what stands between them.
/// The first two digits are themselves where there are seven or more: they tell a trunk prefix (`03`) from an
/// international one (`00`), and are shared by millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NumberShape {
    chars: [u8; SHAPE_CHARS],
    len: u8,
    is_cut: bool,
}

impl NumberShape {
    /// The shape of a text.
    pub fn of(text: &str) -> Self {
        let text = text.trim();
        let has_many = text.bytes().filter(u8::is_ascii_digit).nth(SHOWN_FROM_DIGITS - 1).is_some();
        let mut shown = if has_many { SHOWN_DIGITS } else { 0 };
        let mut shape = Self { chars: [0; SHAPE_CHARS], len: 0, is_cut: text.chars().nth(SHAPE_CHARS).is_some() };
        for (place, char) in shape.chars.iter_mut().zip(text.chars()) {
            *place = match char {
                '0'..='9' if shown > 0 => {
                    shown -= 1;
                    char as u8
                }
                '0'..='9' => b'x',
                'a'..='z' | 'A'..='Z' => b'a',
                ' '..='~' => char as u8,
                _ => b'?',
            };
            shape.len += 1;
        }
        shape
    }
}

impl fmt::Display for NumberShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chars = &self.chars[..usize::from(self.len)];
        f.write_str(std::str::from_utf8(chars).unwrap_or_default())?;
        if self.is_cut { f.write_str("...") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_says_what_a_number_looks_like_and_not_which_it_is() {
        for (number, shape) in [
            ("0049 301234567", "00xx xxxxxxxxx"),
            ("(030) 1234-56", "(03x) xxxx-xx"),
            ("+999 123", "+xxx xxx"),
            ("12", "xx"),
            (" sip:bob@10.0.0.1 ", "aaa:aaa@xx.x.x.x"),
            ("\u{660}\u{661}\t1", "???x"),
            ("", ""),
        ] {
            assert_eq!(NumberShape::of(number).to_string(), shape);
        }
        let long = "1".repeat(25);
        assert_eq!(NumberShape::of(&long[..24]).to_string(), format!("11{}", "x".repeat(22)));
        assert_eq!(NumberShape::of(&long).to_string(), format!("11{}...", "x".repeat(22)));
    }
}
