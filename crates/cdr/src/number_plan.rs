//! The number plan: turns what switches write into canonical numbers.

use std::borrow::Cow;
use std::fmt;

use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberFormat, Region};
use smol_str::SmolStr;

use crate::limits::MAX_NUMBER_BYTES;
use crate::number_cache::{Known, NumberCache};
use crate::{Number, NumberKind};

/// Normalises numbers, and knows their prefix and country. Shared between threads; what it answers depends on
/// the default region and [`NumberPlan::metadata_version`] alone.
pub struct NumberPlan {
    default_region: Region,
    /// Codes of all regions, in order; the first, empty one is "unknown".
    regions: Vec<SmolStr>,
    cache: NumberCache,
}

/// A default region that the number plan does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("default region {region:?} is unknown: wants an ISO 3166-1 alpha-2 code in capital letters, such as US")]
pub struct UnknownRegion {
    /// What was given.
    pub region: String,
}

/// Why a text is no number. [`fmt::Display`] says the rule, never the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NumberError {
    /// Nothing, or only blanks.
    Empty,
    /// Longer than any number with its punctuation.
    TooLong,
    /// No form of number that is known.
    NotANumber,
    /// `+` and digits that begin with no calling code.
    UnknownCallingCode,
    /// `+` and fewer than 7 or more than 15 digits.
    WrongLength,
    /// A national number that the default region cannot have.
    NotNational,
    /// `ext:` without a site and an extension of the allowed characters.
    BadExtension,
    /// `short:` without a calling code and a code.
    BadShortCode,
    /// `alpha:` without a calling code and a name.
    BadSender,
}

impl NumberError {
    /// What is wrong and what is wanted, as a sentence's end.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Empty => "is empty: wants a number, or `anonymous` where it was withheld",
            Self::TooLong => "is too long for a number: wants at most 80 bytes",
            Self::NotANumber => {
                "is no number: wants E.164 such as +12025550101, a national number of the default region, \
                 ext:<site>/<n>, short:<calling code>:<n>, alpha:<calling code>:<name> or anonymous"
            }
            Self::UnknownCallingCode => "begins with no known calling code: wants E.164 such as +12025550101",
            Self::WrongLength => "has the wrong length for E.164: wants + and 7 to 15 digits",
            Self::NotNational => {
                "is no possible number of the default region: wants E.164 such as +12025550101, or a national \
                 number with its area code"
            }
            Self::BadExtension => {
                "is no extension: wants ext:<site>/<n>, site and n of 1 to 32 letters, digits and . _ - (n also * +)"
            }
            Self::BadShortCode => "is no short code: wants short:<calling code>:<n>, n of 2 to 10 digits or *",
            Self::BadSender => {
                "is no SMS sender: wants alpha:<calling code>:<name>, a name of 1 to 16 letters, digits, blanks \
                 and . _ & ' ! + -"
            }
        }
    }
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())
    }
}

/// Names the metadata and our rules on top of it. `cargo test` holds it against `Cargo.lock`.
const METADATA_VERSION: &str = "rlibphonenumber-2.2.15/1";

impl NumberPlan {
    /// A plan that reads national numbers as those of `default_region` (ISO 3166-1 alpha-2, such as `US`).
    ///
    /// The first plan of a process decodes the metadata, which takes some milliseconds.
    pub fn new(default_region: &str) -> Result<Self, UnknownRegion> {
        let unknown = || UnknownRegion { region: default_region.to_owned() };
        if !default_region.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(unknown());
        }
        let region = Region::from_code(default_region).map_err(|_| unknown())?;
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).ok_or_else(unknown)?;
        Ok(Self { default_region: region, regions: region_codes(), cache: NumberCache::new() })
    }

    /// A stable name of all that decides what [`NumberPlan::parse`] answers, default region aside.
    pub const fn metadata_version() -> &'static str {
        METADATA_VERSION
    }

    /// The number that `raw` writes, in canonical form. Canonical forms are themselves; blanks around are
    /// ignored.
    ///
    /// A `+` number needs a known calling code and 7 to 15 digits, but not to be assigned: fraud calls from
    /// numbers that are not.
    pub fn parse(&self, raw: &str) -> Result<Number, NumberError> {
        if let Some(digits) = e164_digits(raw)
            && let Some(known) = self.cache.get(digits)
        {
            return Ok(self.number(raw, known));
        }
        let raw = raw.trim_ascii();
        if raw.is_empty() {
            return Err(NumberError::Empty);
        }
        if raw.len() > MAX_NUMBER_BYTES {
            return Err(NumberError::TooLong);
        }
        if let Some(rest) = raw.strip_prefix("ext:") {
            return extension(raw, rest).ok_or(NumberError::BadExtension);
        }
        if let Some(rest) = raw.strip_prefix("short:") {
            return short_code(raw, rest).ok_or(NumberError::BadShortCode);
        }
        if let Some(rest) = raw.strip_prefix("alpha:") {
            return sender(raw, rest).ok_or(NumberError::BadSender);
        }
        if raw.eq_ignore_ascii_case("anonymous") {
            return Ok(other("anonymous", NumberKind::Anonymous));
        }
        if raw.starts_with('+') { self.international(raw) } else { self.national(raw) }
    }

    fn international(&self, raw: &str) -> Result<Number, NumberError> {
        if let Some(len) = bare_digits(raw) {
            if !E164_DIGITS.contains(&len) {
                return Err(NumberError::WrongLength);
            }
            return self.settle(Cow::Borrowed(raw));
        }
        let parsed = PHONE_NUMBER_UTIL.parse(raw, None).map_err(|error| refusal(&error))?;
        self.settle(canonical(&parsed))
    }

    fn national(&self, raw: &str) -> Result<Number, NumberError> {
        if let Ok(parsed) = PHONE_NUMBER_UTIL.parse(raw, Some(self.default_region))
            && is_possible(&parsed)
        {
            return self.settle(canonical(&parsed));
        }
        // 00 is the international prefix of most of the world, and of gateways that do not know where they are.
        let international = raw.strip_prefix("00").map(|rest| format!("+{rest}"));
        match international.map(|raw| PHONE_NUMBER_UTIL.parse(raw, None)) {
            Some(Ok(parsed)) if is_possible(&parsed) => self.settle(canonical(&parsed)),
            _ if raw.bytes().any(|byte| byte.is_ascii_digit()) => Err(NumberError::NotNational),
            _ => Err(NumberError::NotANumber),
        }
    }

    /// Parses `+` and digits until they are their own canonical form: a number that comes back from the archive
    /// must be the number that went in. The library takes off national prefixes (`+44 020...`), and what is left
    /// may begin with another.
    fn settle(&self, mut text: Cow<'_, str>) -> Result<Number, NumberError> {
        for _ in 0..MAX_ROUNDS {
            let digits = e164_digits(&text);
            if let Some(known) = digits.and_then(|digits| self.cache.get(digits)) {
                return Ok(self.number(&text, known));
            }
            let parsed = PHONE_NUMBER_UTIL.parse(&text, None).map_err(|error| refusal(&error))?;
            let again = canonical(&parsed);
            if again == text {
                let known = self.look_up(&parsed, text.len());
                self.cache.put(digits.ok_or(NumberError::WrongLength)?, known);
                return Ok(self.number(&text, known));
            }
            text = Cow::Owned(again.into_owned());
        }
        Err(NumberError::NotANumber)
    }

    fn look_up(&self, parsed: &PhoneNumber, text_len: usize) -> Known {
        let calling_code_len = parsed.country_code.to_string().len();
        let destination_len = destination_len(parsed);
        let region = PHONE_NUMBER_UTIL
            .get_region_for_number(parsed)
            .and_then(|region| self.regions.binary_search_by(|code| code.as_str().cmp(&region.as_region_str())).ok());
        Known {
            // At most 16, as the text is.
            prefix_len: (1 + calling_code_len + destination_len).min(text_len) as u8,
            // At most 255: checked by a test over all regions.
            region: region.unwrap_or(0) as u8,
        }
    }

    fn number(&self, text: &str, known: Known) -> Number {
        let country = self.regions[usize::from(known.region)].clone();
        Number::new(SmolStr::new(text), NumberKind::E164, known.prefix_len, country)
    }
}

impl fmt::Debug for NumberPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NumberPlan").field("default_region", &self.default_region).finish_non_exhaustive()
    }
}

/// How many digits an E.164 number has. The standard names no least length; 7 is what the shortest countries
/// have with their calling code.
const E164_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// How often a canonical text is parsed again before it is given up: each round takes at least a digit off,
/// and no national prefix comes more than twice in practice.
const MAX_ROUNDS: usize = 8;

fn region_codes() -> Vec<SmolStr> {
    let regions = PHONE_NUMBER_UTIL.get_supported_regions();
    let mut codes: Vec<SmolStr> = regions.map(|region| SmolStr::new(region.as_region_str().as_str())).collect();
    codes.extend([SmolStr::new_static(""), SmolStr::new_static("001")]);
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// The digits of a text that is exactly `+` and 7 to 15 digits, the first not 0, as one integer.
fn e164_digits(text: &str) -> Option<u64> {
    let digits = text.as_bytes().strip_prefix(b"+")?;
    if !E164_DIGITS.contains(&digits.len()) || digits[0] == b'0' {
        return None;
    }
    digits.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0')))
}

/// How many digits follow the `+` of a text that holds nothing else.
fn bare_digits(text: &str) -> Option<usize> {
    let digits = text.strip_prefix('+')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits.len())
}

/// The library's `get_length_of_national_destination_code`: the second of the groups of digits that the number is
/// written in, if there are three. It asks for the type of every number, which takes most of its time, and needs it
/// only where mobile numbers have a token before that code; there it is asked itself.
fn destination_len(number: &PhoneNumber) -> usize {
    if PHONE_NUMBER_UTIL.get_country_mobile_token(number.country_code).is_some() {
        return PHONE_NUMBER_UTIL.get_length_of_national_destination_code(number);
    }
    let written = PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::International);
    let mut groups = written.split(|char: char| !char.is_ascii_digit()).filter(|group| !group.is_empty()).skip(1);
    match (groups.next(), groups.next()) {
        (Some(destination), Some(_)) => destination.len(),
        _ => 0,
    }
}

fn canonical(number: &PhoneNumber) -> Cow<'_, str> {
    PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::E164)
}

fn refusal(error: &ParseError) -> NumberError {
    match error {
        ParseError::InvalidCountryCode => NumberError::UnknownCallingCode,
        ParseError::NotANumber(_) => NumberError::NotANumber,
        _ => NumberError::WrongLength,
    }
}

fn is_possible(number: &PhoneNumber) -> bool {
    matches!(PHONE_NUMBER_UTIL.is_possible_number_with_reason(number), Ok(NumberLengthType::IsPossible))
}

fn extension(raw: &str, rest: &str) -> Option<Number> {
    let (site, extension) = rest.split_once('/')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let ok = is_made_of(site, 1..=32, plain)
        && is_made_of(extension, 1..=32, |byte| plain(byte) || matches!(byte, b'*' | b'+'));
    ok.then(|| other(raw, NumberKind::Extension))
}

fn short_code(raw: &str, rest: &str) -> Option<Number> {
    let (calling_code, code) = rest.split_once(':')?;
    let ok = is_calling_code(calling_code) && is_made_of(code, 2..=10, |byte| byte.is_ascii_digit() || byte == b'*');
    ok.then(|| other(raw, NumberKind::Short))
}

fn sender(raw: &str, rest: &str) -> Option<Number> {
    let (calling_code, name) = rest.split_once(':')?;
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'.' | b'_' | b'&' | b'\'' | b'!' | b'+' | b'-')
    };
    (is_calling_code(calling_code) && is_made_of(name, 1..=16, allowed)).then(|| other(raw, NumberKind::Alpha))
}

fn is_calling_code(text: &str) -> bool {
    is_made_of(text, 1..=3, |byte| byte.is_ascii_digit())
        && !text.starts_with('0')
        && text.parse().is_ok_and(|code| PHONE_NUMBER_UTIL.get_region_for_country_code(code).is_some())
}

fn is_made_of(text: &str, len: std::ops::RangeInclusive<usize>, allowed: impl Fn(u8) -> bool) -> bool {
    len.contains(&text.len()) && text.bytes().all(allowed)
}

fn other(text: &str, kind: NumberKind) -> Number {
    Number::new(SmolStr::new(text), kind, 0, SmolStr::default())
}

#[cfg(test)]
mod tests;
