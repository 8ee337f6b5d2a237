//! Handsets: fifteen digits of which the last checks the others (3GPP TS 23.003, annex B), or what a switch writes
//! instead.

use crate::digits::Permutation;
use crate::limits::WALK_STEPS_MAX;

/// Another handset: digits become as many digits, and the check digit is right where it was. `None` for what is no
/// digits.
pub(crate) fn image(permutation: Permutation<'_>, imei: &str) -> Option<String> {
    if is_checked(imei) {
        let (body, _) = imei.split_at(CHECKED_DIGITS - 1);
        let body = permutation.image(body)?;
        return Some((0..10).map(|check| format!("{body}{check}")).find(|image| is_checked(image)).unwrap_or(body));
    }
    // Nine in ten have no right check digit: walking on to one of them keeps the images apart from those above.
    let mut image = permutation.image(imei)?;
    let mut steps = 0;
    while is_checked(&image) && steps < WALK_STEPS_MAX {
        image = permutation.image(&image)?;
        steps += 1;
    }
    Some(image)
}

/// Digits of a whole IMEI.
const CHECKED_DIGITS: usize = 15;

/// Whether the last digit is the one that Luhn's formula gives for the others.
fn is_checked(imei: &str) -> bool {
    if imei.len() != CHECKED_DIGITS || !imei.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let sum = imei.bytes().rev().enumerate().fold(0, |sum, (place, byte)| {
        let digit = u32::from(byte - b'0');
        let doubled = 2 * digit;
        sum + if place % 2 == 0 { digit } else { doubled / 10 + doubled % 10 }
    });
    sum % 10 == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;
    use crate::Key;
    use crate::keyed::{Keyed, Purpose};

    #[test]
    fn check_digits_stay_right_or_wrong_and_no_two_handsets_meet() {
        // The example of GSMA's TS.06 and others: 49015420323751 is checked by 8.
        assert!(is_checked("490154203237518"));
        assert!(!is_checked("490154203237517"));
        assert!(!is_checked("4901542032375186") && !is_checked("49015420323751a"));
        let keyed = Keyed::new(&Key::new(&[7; 32]).unwrap());
        let permutation = Permutation { keyed: &keyed, purpose: Purpose::Imei, tweak: "" };
        let handsets: Vec<String> = (490_154_203_230_000..490_154_203_232_000_u64).map(|n| n.to_string()).collect();
        let images: HashSet<String> = handsets.iter().map(|imei| image(permutation, imei).unwrap()).collect();
        assert_eq!(images.len(), handsets.len());
        for imei in &handsets {
            let image = image(permutation, imei).unwrap();
            assert_eq!((image.len(), is_checked(&image)), (15, is_checked(imei)));
        }
        assert_eq!(image(permutation, "4901542032375186").unwrap().len(), 16);
        assert_eq!(image(permutation, "35-2099"), None);
    }
}
