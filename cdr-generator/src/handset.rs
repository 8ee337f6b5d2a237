//! Numbers of handsets.

use smol_str::SmolStr;

use crate::text::Text;

/// A handset's number: 14 digits and the one that Luhn checks them by.
pub(crate) fn imei(bits: u64) -> SmolStr {
    let body = 35_000_000_000_000 + bits % 1_000_000_000_000;
    let (mut rest, mut sum, mut double) = (body, 0, true);
    while rest > 0 {
        let digit = rest % 10 * if double { 2 } else { 1 };
        sum += digit / 10 + digit % 10;
        double = !double;
        rest /= 10;
    }
    Text::new().decimal(body * 10 + (10 - sum % 10) % 10).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handsets_pass_luhn() {
        assert_eq!(imei(209_900_176_148), "352099001761481");
        assert_eq!(imei(u64::MAX).len(), 15);
    }
}
