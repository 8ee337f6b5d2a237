//! Who is called and who calls, as Twilio writes them.
//!
//! From Twilio's documentation of the Call resource and of Voice: E.164 numbers, `sip:user@host`, `client:name`;
//! a caller who withholds the number is a word (`anonymous`), or that word as keys of a telephone with a `+` before it.

use std::borrow::Cow;
use std::fmt::Write;

use md5::{Digest, Md5};

use crate::Site;

/// The number as the number plan reads it.
pub(crate) fn number<'t>(site: &Site<'_>, text: &'t str) -> Cow<'t, str> {
    let text = text.trim_ascii();
    if is_withheld(text) {
        return Cow::Borrowed("anonymous");
    }
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    match scheme.to_ascii_lowercase().as_str() {
        "client" => name(site, rest),
        "sip" | "sips" => user(site, sip_user(rest)),
        "whatsapp" | "tel" => Cow::Borrowed(rest),
        _ if is_short(text) => extension(site, text),
        _ => Cow::Borrowed(text),
    }
}

/// ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE on the keys of a telephone.
const WITHHELD_KEYS: [&str; 5] = ["+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"];

const WITHHELD_WORDS: [&str; 7] = ["", "anonymous", "restricted", "blocked", "unknown", "unavailable", "private"];

fn is_withheld(text: &str) -> bool {
    WITHHELD_KEYS.contains(&text) || WITHHELD_WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// The user of `user:password@host;parameters`; what has no user is its host.
fn sip_user(rest: &str) -> &str {
    let address = rest.split([';', '?']).next().unwrap_or_default();
    let user = address.split_once('@').map_or(address, |(user, _)| user);
    user.split_once(':').map_or(user, |(user, _)| user)
}

/// A user of SIP is a number where it looks like one, and else an extension.
fn user<'t>(site: &Site<'_>, user: &'t str) -> Cow<'t, str> {
    if is_withheld(user) {
        return Cow::Borrowed("anonymous");
    }
    let escaped = user.strip_prefix("%2B").or_else(|| user.strip_prefix("%2b"));
    let digits = escaped.or_else(|| user.strip_prefix('+'));
    if let Some(digits) = digits.filter(|digits| is_digits(digits)) {
        return if escaped.is_some() { Cow::Owned(format!("+{digits}")) } else { Cow::Borrowed(user) };
    }
    if is_digits(user) && user.len() > MAX_SHORT_DIGITS { Cow::Borrowed(user) } else { name(site, user) }
}

/// A name as an extension; one that no extension can have is named by its hash, so that it stays one and the same.
fn name<'t>(site: &Site<'_>, name: &str) -> Cow<'t, str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'*' | b'+');
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(fits) {
        return extension(site, name);
    }
    let mut hashed = String::with_capacity(4 + 2 * HASH_BYTES);
    hashed.push_str("md5-");
    for byte in &Md5::digest(name)[..HASH_BYTES] {
        // Writing to a text cannot fail.
        let _ = write!(hashed, "{byte:02x}");
    }
    extension(site, &hashed)
}

fn extension<'t>(site: &Site<'_>, name: &str) -> Cow<'t, str> {
    Cow::Owned(format!("ext:{}/{name}", site.name))
}

/// The longest name that an extension may have.
const MAX_NAME_BYTES: usize = 32;

/// Bytes of a hash that names a name: enough that no two of a site meet.
const HASH_BYTES: usize = 12;

/// The longest number that is one of the site, not of the network.
const MAX_SHORT_DIGITS: usize = 6;

fn is_short(text: &str) -> bool {
    text.len() <= MAX_SHORT_DIGITS && is_digits(text)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cdr::NumberPlan;

    use super::*;

    #[test]
    fn addresses_become_numbers_of_the_plan() {
        let plan = NumberPlan::new("US").unwrap();
        let site = Site::new(&plan, "tw", "UTC").unwrap();
        for (text, wanted) in [
            ("+12025550101", "+12025550101"),
            (" +12025550101 ", "+12025550101"),
            ("client:alice", "ext:tw/alice"),
            ("Client:alice", "ext:tw/alice"),
            ("client:", "anonymous-not"),
            ("sip:bob@example.com", "ext:tw/bob"),
            ("sip:1001@example.com:5060;transport=tls", "ext:tw/1001"),
            ("sip:+12025550102@example.com", "+12025550102"),
            ("sip:%2B12025550102@example.com?x=y", "+12025550102"),
            ("sip:2025550102:secret@example.com", "+12025550102"),
            ("sips:anonymous@anonymous.invalid", "anonymous"),
            ("whatsapp:+12025550103", "+12025550103"),
            ("12345", "ext:tw/12345"),
            ("", "anonymous"),
            ("Anonymous", "anonymous"),
            ("+266696687", "anonymous"),
            ("+7378742833", "anonymous"),
            ("+2562533", "anonymous"),
            ("+8656696", "anonymous"),
            ("+86282452253", "anonymous"),
        ] {
            if wanted == "anonymous-not" {
                assert!(plan.parse(&number(&site, text)).unwrap().as_str().starts_with("ext:tw/md5-"));
                continue;
            }
            assert_eq!(plan.parse(&number(&site, text)).unwrap().as_str(), wanted, "{text}");
        }
    }

    #[test]
    fn a_name_that_no_extension_can_have_is_always_the_same_hash() {
        let plan = NumberPlan::new("US").unwrap();
        let site = Site::new(&plan, "tw", "UTC").unwrap();
        let (one, other) = (number(&site, "client:alice@example.com"), number(&site, "client:bob@example.com"));
        assert_ne!(one, other);
        assert_eq!(one, number(&site, "client:alice@example.com"));
        assert_eq!(plan.parse(&one).unwrap().as_str(), "ext:tw/md5-c160f8cc69a4f0bf2b036275");
    }
}
