//! What a request asks for, checked: the entity and the moment.

use cdr::{Number, NumberKind, NumberPlan};
use features::{Level, Party};
use proto::{Timestamp, v1};
use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL};

use crate::error::RequestError;
use crate::merge::AsOf;

/// Digits of an E.164 number (ITU-T E.164, 6.2.1).
const E164_DIGITS_MAX: usize = 15;

/// Whom a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The side of the call; `None` is both.
    pub party: Option<Party>,
    /// Phone, prefix or range.
    pub level: Level,
    /// The number, prefix or range, normalised.
    pub key: String,
}

/// Reads the target of a request. `level` and `party` are as sent; a text that begins with `prefix:` or `range:`
/// names its level and is taken as it is. Any other text at those levels is a number if it can be one; at range
/// level it must also have the length of one, since most ranges are as long as a short number.
pub fn target(
    plan: &NumberPlan,
    range_digits: u8,
    number: &str,
    party: buffa::EnumValue<v1::Party>,
    level: buffa::EnumValue<v1::Level>,
) -> Result<Target, RequestError> {
    let party = party_of(party)?;
    let field = level_of("level", level)?;
    let tagged = [Level::Prefix, Level::Range].into_iter().find_map(|level| {
        let key = number.strip_prefix(level.as_str())?.strip_prefix(':')?;
        Some((level, key))
    });
    let (level, key) = match (tagged, field) {
        _ if number.is_empty() => return Err(RequestError::NumberMissing),
        (Some((text, _)), Some(field)) if text != field => return Err(RequestError::LevelTwice { text, field }),
        (Some((level, key)), _) => (level, direct(level, key)?),
        (None, field) => {
            let level = field.unwrap_or(Level::Phone);
            (level, key_of(plan, range_digits, number, level)?)
        }
    };
    Ok(Target { party, level, key })
}

/// The further levels of a request for a number at `level`.
pub fn more_levels(sent: &[buffa::EnumValue<v1::Level>], level: Level) -> Result<Vec<Level>, RequestError> {
    let mut levels = Vec::new();
    for (index, sent) in sent.iter().enumerate() {
        let Some(more) = level_of("more_levels", *sent)? else { return Err(RequestError::LevelUnnamed { index }) };
        if more == level || levels.contains(&more) {
            return Err(RequestError::LevelRepeated { index, level: more });
        }
        levels.push(more);
    }
    Ok(levels)
}

/// The moment a request asks for; absent is now.
pub fn as_of(sent: Option<&Timestamp>, now_ms: i64) -> Result<AsOf, RequestError> {
    let Some(sent) = sent else { return Ok(AsOf::now(now_ms)) };
    // Windows reach back from it, and years before 1 have no timestamp.
    let ms = proto::to_millis(sent).filter(|ms| *ms >= 0).ok_or(RequestError::AsOfInvalid)?;
    AsOf::at(ms, now_ms).ok_or(RequestError::AsOfFuture { ahead_ms: ms - now_ms })
}

fn party_of(sent: buffa::EnumValue<v1::Party>) -> Result<Option<Party>, RequestError> {
    match sent.as_known() {
        Some(v1::Party::PARTY_UNSPECIFIED) => Ok(None),
        Some(v1::Party::PARTY_CALLER) => Ok(Some(Party::Caller)),
        Some(v1::Party::PARTY_CALLEE) => Ok(Some(Party::Callee)),
        None => Err(RequestError::EnumUnknown { field: "party", value: sent.to_i32() }),
    }
}

fn level_of(field: &'static str, sent: buffa::EnumValue<v1::Level>) -> Result<Option<Level>, RequestError> {
    match sent.as_known() {
        Some(v1::Level::LEVEL_UNSPECIFIED) => Ok(None),
        Some(v1::Level::LEVEL_PHONE) => Ok(Some(Level::Phone)),
        Some(v1::Level::LEVEL_PREFIX) => Ok(Some(Level::Prefix)),
        Some(v1::Level::LEVEL_RANGE) => Ok(Some(Level::Range)),
        None => Err(RequestError::EnumUnknown { field, value: sent.to_i32() }),
    }
}

fn key_of(plan: &NumberPlan, range_digits: u8, text: &str, level: Level) -> Result<String, RequestError> {
    let length = text.len();
    let parsed = plan.parse(text);
    match read_as(plan, range_digits, text, parsed.as_ref().ok(), level) {
        ReadAs::Number => {}
        ReadAs::Key => return direct(level, text),
        ReadAs::Either => return Err(RequestError::KeyAmbiguous { length, level }),
    }
    let number = parsed.map_err(|error| RequestError::NumberInvalid { length, rule: error.to_string() })?;
    let kind = number.kind();
    if kind == NumberKind::Anonymous {
        return Err(RequestError::NumberAnonymous);
    }
    let key = level.key(&number, range_digits).ok_or(RequestError::NoSuchLevel { length, kind, level })?;
    Ok(key.to_owned())
}

/// What a text is at a level.
enum ReadAs {
    /// A number, of which the level's key is made.
    Number,
    /// The prefix or range itself.
    Key,
    /// It could be a number, and it could be a range.
    Either,
}

/// Many prefixes and ranges are as long as a short number of their country. A valid number is one; of what is none, a
/// text is a prefix if longer numbers have it as theirs, and either a number or a range if both could be. `parsed` is
/// what the plan takes it for.
fn read_as(plan: &NumberPlan, range_digits: u8, text: &str, parsed: Option<&Number>, level: Level) -> ReadAs {
    let is_bare = text.strip_prefix('+').is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    if level == Level::Phone || !is_bare {
        return ReadAs::Number;
    }
    match parsed {
        // Too short for a number, or too long.
        None => ReadAs::Key,
        Some(number) if number.kind() != NumberKind::E164 => ReadAs::Number,
        Some(number) if is_valid(number.as_str()) => ReadAs::Number,
        Some(number) if !is_possible(number.as_str()) => ReadAs::Key,
        Some(_) if level == Level::Prefix => {
            let is_prefix = || FILLERS.iter().any(|filler| has_prefix(plan, text, filler));
            if is_prefix() { ReadAs::Key } else { ReadAs::Number }
        }
        Some(_) => {
            let longer = format!("{text}{}", "0".repeat(range_digits.into()));
            if is_possible(&longer) { ReadAs::Either } else { ReadAs::Number }
        }
    }
}

/// What the rest of a number may be: which numbers a plan has is not regular.
const FILLERS: [&str; 4] = ["0000000000", "1111111111", "2222222222", "5555555555"];

/// Whether a number that begins with `text` and goes on with digits of `filler` has it as its prefix.
fn has_prefix(plan: &NumberPlan, text: &str, filler: &str) -> bool {
    (3..=filler.len()).any(|more| {
        let longer = plan.parse(&format!("{text}{}", &filler[..more]));
        longer.is_ok_and(|number| number.prefix() == Some(text))
    })
}

/// Whether an E.164 number is one that its country gives out, as far as the library knows.
fn is_valid(number: &str) -> bool {
    let parsed = PHONE_NUMBER_UTIL.parse(number, None);
    parsed.is_ok_and(|parsed| PHONE_NUMBER_UTIL.is_valid_number(&parsed))
}

/// Whether an E.164 number has a length that numbers of its country have.
fn is_possible(number: &str) -> bool {
    let parsed = PHONE_NUMBER_UTIL.parse(number, None);
    parsed.is_ok_and(|parsed| {
        matches!(PHONE_NUMBER_UTIL.is_possible_number_with_reason(&parsed), Ok(NumberLengthType::IsPossible))
    })
}

/// A prefix or range given as it is.
fn direct(level: Level, key: &str) -> Result<String, RequestError> {
    let digits = key.strip_prefix('+').unwrap_or_default();
    let valid = (1..=E164_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if valid { Ok(key.to_owned()) } else { Err(RequestError::KeyInvalid { length: key.len(), level }) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proto::v1::{Level as L, Party as P};

    use super::*;

    fn read(number: &str, level: L) -> Result<(Level, String), RequestError> {
        let plan = NumberPlan::new("US").unwrap();
        target(&plan, 4, number, P::PARTY_UNSPECIFIED.into(), level.into()).map(|target| (target.level, target.key))
    }

    #[test]
    fn a_number_is_normalised_and_its_prefix_and_range_are_derived() {
        for number in ["+12025550101", "(202) 555-0101", "+1 202-555-0101"] {
            assert_eq!(read(number, L::LEVEL_UNSPECIFIED).unwrap(), (Level::Phone, "+12025550101".to_owned()));
            assert_eq!(read(number, L::LEVEL_PHONE).unwrap(), (Level::Phone, "+12025550101".to_owned()));
            assert_eq!(read(number, L::LEVEL_PREFIX).unwrap(), (Level::Prefix, "+1202".to_owned()));
            assert_eq!(read(number, L::LEVEL_RANGE).unwrap(), (Level::Range, "+1202555".to_owned()));
        }
        assert_eq!(read("ext:hq/1001", L::LEVEL_PHONE).unwrap().1, "ext:hq/1001");
    }

    #[test]
    fn a_prefix_or_range_can_be_given_as_it_is() {
        assert_eq!(read("+1202", L::LEVEL_PREFIX).unwrap(), (Level::Prefix, "+1202".to_owned()));
        assert_eq!(read("+1202555", L::LEVEL_RANGE).unwrap(), (Level::Range, "+1202555".to_owned()));
        assert_eq!(read("+44207946", L::LEVEL_RANGE).unwrap(), (Level::Range, "+44207946".to_owned()));
        assert_eq!(read("+442079460123", L::LEVEL_RANGE).unwrap(), (Level::Range, "+44207946".to_owned()));
        assert_eq!(read("prefix:+1202", L::LEVEL_UNSPECIFIED).unwrap(), (Level::Prefix, "+1202".to_owned()));
        assert_eq!(read("range:+12025550101", L::LEVEL_RANGE).unwrap(), (Level::Range, "+12025550101".to_owned()));
        let twice = read("range:+1202555", L::LEVEL_PREFIX);
        assert_eq!(twice, Err(RequestError::LevelTwice { text: Level::Range, field: Level::Prefix }));
    }

    #[test]
    fn a_prefix_that_is_as_long_as_a_number_is_a_prefix_and_a_range_like_that_must_say_so() {
        for prefix in ["+4413873", "+4415395", "+4416973", "+4933431"] {
            assert_eq!(read(prefix, L::LEVEL_PREFIX).unwrap(), (Level::Prefix, prefix.to_owned()));
        }
        for range in ["+358123456", "+49100000000", "+861391234"] {
            match read(range, L::LEVEL_RANGE) {
                Ok(found) => assert_eq!(found, (Level::Range, range.to_owned())),
                Err(error) => {
                    assert_eq!(error.reason(), "number_or_range");
                    assert!(error.to_string().contains("range:"), "{error}");
                }
            }
            let tagged = format!("range:{range}");
            assert_eq!(read(&tagged, L::LEVEL_UNSPECIFIED).unwrap(), (Level::Range, range.to_owned()));
        }
        // Numbers of countries whose numbers have many lengths.
        for (number, range) in [("+493022610", "+49302"), ("+358912345678", "+35891234"), ("+4312345678", "+431234")]
        {
            assert_eq!(read(number, L::LEVEL_RANGE).unwrap().1, range);
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_repeating_it() {
        for text in ["prefix:+", "prefix:1202", "prefix:+0202", "range:+1234567890123456", "range:+12o2"] {
            let error = read(text, L::LEVEL_UNSPECIFIED).unwrap_err();
            assert_eq!(error.reason(), "number_no_key", "{text}");
            assert!(!error.to_string().contains("12"), "{error}");
        }
    }

    #[test]
    fn anonymous_and_empty_numbers_have_no_features() {
        for level in [L::LEVEL_UNSPECIFIED, L::LEVEL_PHONE, L::LEVEL_PREFIX, L::LEVEL_RANGE] {
            assert_eq!(read("anonymous", level), Err(RequestError::NumberAnonymous));
            assert_eq!(read("", level), Err(RequestError::NumberMissing));
        }
    }

    #[test]
    fn only_e164_numbers_have_prefixes() {
        let error = read("ext:hq/1001", L::LEVEL_PREFIX).unwrap_err();
        assert_eq!(
            error.to_string(),
            "number of 11 bytes is of kind ext and has no prefix: only numbers that begin with + have one"
        );
    }

    #[test]
    fn further_levels_are_named_and_named_once() {
        let read = |sent: &[L]| {
            let sent: Vec<_> = sent.iter().map(|level| (*level).into()).collect();
            more_levels(&sent, Level::Phone)
        };
        assert_eq!(read(&[]), Ok(Vec::new()));
        assert_eq!(read(&[L::LEVEL_RANGE, L::LEVEL_PREFIX]), Ok(vec![Level::Range, Level::Prefix]));
        let repeated = |index, level| Err(RequestError::LevelRepeated { index, level });
        assert_eq!(read(&[L::LEVEL_PHONE]), repeated(0, Level::Phone));
        assert_eq!(read(&[L::LEVEL_RANGE, L::LEVEL_RANGE]), repeated(1, Level::Range));
        assert_eq!(read(&[L::LEVEL_UNSPECIFIED]), Err(RequestError::LevelUnnamed { index: 0 }));
        let unknown = more_levels(&[9.into()], Level::Phone);
        assert_eq!(unknown, Err(RequestError::EnumUnknown { field: "more_levels", value: 9 }));
    }

    #[test]
    fn a_number_that_is_none_is_refused_without_repeating_it() {
        let error = read("+99920255501", L::LEVEL_PHONE).unwrap_err();
        assert_eq!(error.reason(), "number_invalid");
        assert_eq!(error.field(), ("number", 12));
        assert!(!error.to_string().contains("999"), "{error}");
    }

    #[test]
    fn enum_values_from_the_future_are_refused() {
        let plan = NumberPlan::new("US").unwrap();
        let error = target(&plan, 4, "+12025550101", 9.into(), L::LEVEL_PHONE.into()).unwrap_err();
        assert_eq!(error, RequestError::EnumUnknown { field: "party", value: 9 });
        let error = target(&plan, 4, "+12025550101", P::PARTY_CALLER.into(), 9.into()).unwrap_err();
        assert_eq!(error, RequestError::EnumUnknown { field: "level", value: 9 });
    }

    #[test]
    fn the_future_is_refused_and_the_past_floored() {
        let now = 1_795_000_012_345;
        assert_eq!(as_of(None, now), Ok(AsOf::now(now)));
        assert_eq!(as_of(Some(&proto::from_millis(now - 1)), now).unwrap().ms(), 1_794_999_960_000);
        assert_eq!(as_of(Some(&proto::from_millis(now + 5)), now), Err(RequestError::AsOfFuture { ahead_ms: 5 }));
        let broken = Timestamp { seconds: 0, nanos: -1, ..Default::default() };
        assert_eq!(as_of(Some(&broken), now), Err(RequestError::AsOfInvalid));
        assert_eq!(as_of(Some(&proto::from_millis(-1)), now), Err(RequestError::AsOfInvalid));
        assert_eq!(as_of(Some(&proto::from_millis(0)), now).unwrap().ms(), 0);
    }
}
