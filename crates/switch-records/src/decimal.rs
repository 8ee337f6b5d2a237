//! Amounts of money as text.

/// The millionths that a decimal text names, its fraction behind `point`; what is finer than a millionth is cut. `None`
/// if it is no such text, or has more digits than any amount.
pub(crate) fn micros(text: &str, point: u8) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text).as_bytes();
    let end = digits.iter().position(|byte| *byte == point).unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..end], digits.get(end + 1..).unwrap_or_default());
    if whole.len() + fraction.len() == 0 || whole.len() > MAX_WHOLE_DIGITS || fraction.len() > MAX_FRACTION_DIGITS {
        return None;
    }
    if !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    let fraction = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(PLACES);
    let micros = whole.iter().copied().chain(fraction).fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some(if text.starts_with('-') { -micros } else { micros })
}

/// Places of a millionth.
const PLACES: usize = 6;

/// More digits before the point than any cost may have, and few enough for 64 bits with six places behind it.
const MAX_WHOLE_DIGITS: usize = 12;

/// Nobody writes more places; the bound keeps a long text from being read.
const MAX_FRACTION_DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        for (text, wanted) in [
            ("0", 0),
            ("-0.00850", -8_500),
            ("+1.5", 1_500_000),
            (".25", 250_000),
            ("3.", 3_000_000),
            ("0.0000019", 1),
            ("999999999999.999999", 999_999_999_999_999_999),
        ] {
            assert_eq!(micros(text, b'.'), Some(wanted), "{text}");
        }
        assert_eq!(micros("12,34", b','), Some(12_340_000));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let long = "0".repeat(40);
        for text in ["", "-", ".", "1,5", "1.5.5", "1e3", "$1", " 1", "--1", "1000000000000.0", long.as_str()] {
            assert_eq!(micros(text, b'.'), None, "{text}");
        }
    }
}
