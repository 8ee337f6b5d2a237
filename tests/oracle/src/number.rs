//! What the number plan says of a number, asked of `rlibphonenumber` directly.

use std::sync::Arc;

use rlibphonenumber::PhoneNumber;

/// What a range leaves off a number.
const RANGE_DIGITS: usize = 4;

/// Facts about one number; all absent for one that does not begin with `+`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) anonymous: bool,
    pub(crate) country: Option<Arc<str>>,
    pub(crate) prefix: Option<Arc<str>>,
    pub(crate) range: Option<Arc<str>>,
}

/// The facts of each number, in their order, on two threads: the number plan takes microseconds a number, and there can be a
/// million of them.
pub(crate) fn facts_of(numbers: &[Arc<str>]) -> Vec<Arc<Facts>> {
    let (left, right) = numbers.split_at(numbers.len() / 2);
    let look_up = |half: &[Arc<str>]| -> Vec<Facts> { half.iter().map(|number| facts(number)).collect() };
    let (mut found, rest) = std::thread::scope(|scope| {
        let second = scope.spawn(|| look_up(right));
        let first = look_up(left);
        match second.join() {
            Ok(second) => (first, second),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    found.extend(rest);
    found.into_iter().map(Arc::new).collect()
}

fn facts(number: &str) -> Facts {
    if !number.starts_with('+') {
        return Facts { anonymous: number == "anonymous", ..Facts::default() };
    }
    let range = Some(number[..number.len().saturating_sub(RANGE_DIGITS).max(1)].into());
    let Ok(parsed) = number.parse::<PhoneNumber>() else {
        return Facts { range, ..Facts::default() };
    };
    let country_code_digits = parsed.country_code.to_string().len();
    let prefix_len = 1 + country_code_digits + parsed.get_length_of_national_destination_code();
    Facts {
        anonymous: false,
        country: parsed.get_region_code().map(|region| region.to_string().into()),
        prefix: number.get(..prefix_len).map(Into::into),
        range,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn seen(number: &str) -> (Option<String>, Option<String>, Option<String>) {
        let facts = facts(number);
        let text = |part: Option<Arc<str>>| part.map(|part| part.to_string());
        (text(facts.country), text(facts.prefix), text(facts.range))
    }

    fn is(country: &str, prefix: &str, range: &str) -> (Option<String>, Option<String>, Option<String>) {
        (Some(country.into()), Some(prefix.into()), Some(range.into()))
    }

    #[test]
    fn numbers_of_several_plans() {
        assert_eq!(seen("+12025550101"), is("US", "+1202", "+1202555"));
        assert_eq!(seen("+442079460018"), is("GB", "+4420", "+44207946"));
        // Denmark has no destination codes, but the format groups in twos.
        assert_eq!(seen("+4532123456").0.as_deref(), Some("DK"));
        // 883 is a network code of the whole world.
        assert_eq!(seen("+883510012345").0.as_deref(), Some("001"));
    }

    #[test]
    fn only_plus_numbers_have_a_place() {
        for number in ["ext:hq/12", "short:1:911", "alpha:44:BANK", "anonymous"] {
            assert_eq!(seen(number), (None, None, None), "{number}");
        }
        assert!(facts("anonymous").anonymous);
        assert!(!facts("ext:hq/12").anonymous);
    }

    #[test]
    fn both_halves_keep_their_numbers() {
        let numbers: Vec<Arc<str>> =
            ["+12025550101", "anonymous", "+442079460018"].into_iter().map(Into::into).collect();
        let all = facts_of(&numbers);
        assert_eq!(all.len(), numbers.len());
        for (number, found) in numbers.iter().zip(all) {
            assert_eq!(*found, facts(number));
        }
    }
}
