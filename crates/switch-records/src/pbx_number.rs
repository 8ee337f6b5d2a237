//! Numbers as a PBX writes them.

use std::borrow::Cow;

use crate::Site;

/// What the number plan is to read: `anonymous` of an empty or withheld one; an extension of the site of up to six
/// digits, of a feature code (`*97`) and of a name (`alice`, `s`); and the number itself of all else.
pub(crate) fn number<'t>(site: &Site<'_>, text: &'t str) -> Cow<'t, str> {
    let text = text.trim();
    if WITHHELD.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Cow::Borrowed("anonymous");
    }
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_code = text.len() <= MAX_EXTENSION_DIGITS
        && text.starts_with('*')
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*');
    let is_name = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if is_digits && text.len() <= MAX_EXTENSION_DIGITS || is_code || is_name {
        return Cow::Owned(format!("ext:{}/{text}", site.name));
    }
    Cow::Borrowed(text)
}

/// Words that switches write where the number was withheld.
const WITHHELD: [&str; 7] = ["", "anonymous", "restricted", "private", "withheld", "unavailable", "unknown"];

/// The longest extension of digits: above that it is a number of the network.
const MAX_EXTENSION_DIGITS: usize = 6;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cdr::NumberPlan;

    use super::*;

    #[test]
    fn short_ones_are_extensions_and_withheld_ones_anonymous() {
        let plan = NumberPlan::new("US").unwrap();
        let site = Site::new(&plan, "hq", "UTC").unwrap();
        for (text, wanted) in [
            ("1001", "ext:hq/1001"),
            ("123456", "ext:hq/123456"),
            ("2025550101", "2025550101"),
            ("+12025550101", "+12025550101"),
            ("*97", "ext:hq/*97"),
            ("s", "ext:hq/s"),
            ("alice.b-1_2", "ext:hq/alice.b-1_2"),
            (" 1001 ", "ext:hq/1001"),
            ("", "anonymous"),
            ("Restricted", "anonymous"),
            ("Unknown", "anonymous"),
        ] {
            assert_eq!(number(&site, text), wanted, "{text}");
        }
    }
}
