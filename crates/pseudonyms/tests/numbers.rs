//! Numbers of all countries: what stays, and that no two become one.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use cdr::{CallRecord, NumberPlan, RawRecord};
use proptest::prelude::*;
use pseudonyms::{Key, PseudonymError, Pseudonyms, RangeDigitsError};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

static PLAN: LazyLock<NumberPlan> = LazyLock::new(|| NumberPlan::new("US").unwrap());

fn pseudonyms(range_digits: u8) -> Pseudonyms {
    Pseudonyms::new(&Key::new(b"a key of no importance").unwrap(), range_digits).unwrap()
}

fn call(caller: &str, callee: &str) -> CallRecord {
    let raw = RawRecord {
        call_id: Some("7".into()),
        caller: Some(caller.into()),
        callee: Some(callee.into()),
        started_at_ms: Some(1_795_273_200_500),
        ended_at_ms: Some(1_795_273_209_500),
        outcome: Some("busy".into()),
        ..RawRecord::default()
    };
    raw.validate(&PLAN).unwrap()
}

fn caller(pseudonyms: &Pseudonyms, number: &str) -> Result<String, PseudonymError> {
    let call = pseudonyms.call(&PLAN, call(number, "anonymous"))?;
    Ok(call.caller.as_str().to_owned())
}

/// Every number of a range that is one.
fn numbers_of(range: &str) -> Vec<String> {
    let texts = (0..10_000).map(|tail| format!("{range}{tail:04}"));
    texts.filter(|text| PLAN.parse(text).is_ok_and(|number| number.as_str() == text)).collect()
}

#[test]
fn a_range_becomes_itself_number_by_number() {
    let pseudonyms = pseudonyms(4);
    for range in ["+1202555", "+4930901"] {
        let numbers = numbers_of(range);
        assert_eq!(numbers.len(), 10_000, "{range}");
        let mut images = BTreeMap::new();
        for number in &numbers {
            let image = caller(&pseudonyms, number).unwrap();
            images.insert(image, number);
        }
        let found: Vec<String> = images.keys().cloned().collect();
        assert_eq!(found, numbers, "{range}");
        let stay = images.iter().filter(|(image, number)| image == *number).count();
        assert!(stay < 8, "{range}: {stay}");
    }
}

#[test]
fn a_range_of_two_countries_becomes_itself_country_by_country() {
    // +44 7911 1 and 7 are of Guernsey, the others of Great Britain, and a range of six digits has both.
    let pseudonyms = pseudonyms(6);
    let country = |text: &str| PLAN.parse(text).unwrap().country().map(str::to_owned);
    let numbers: Vec<String> = (0..400).map(|n| format!("+447911{:06}", n * 2_500)).collect();
    let of_guernsey = numbers.iter().filter(|number| country(number).as_deref() == Some("GG")).count();
    assert_eq!(of_guernsey, 80);
    let mut images = HashSet::new();
    for number in &numbers {
        let image = caller(&pseudonyms, number).unwrap();
        assert_eq!(country(&image), country(number));
        images.insert(image);
    }
    assert_eq!(images.len(), numbers.len());
}

#[test]
fn another_key_gives_other_pseudonyms() {
    let other = Pseudonyms::new(&Key::new(b"another key as unimportant").unwrap(), 4).unwrap();
    let numbers: Vec<String> = (0..100).map(|tail| format!("+4930901820{tail:02}")).collect();
    let of = |pseudonyms: &Pseudonyms| -> Vec<String> {
        numbers.iter().map(|number| caller(pseudonyms, number).unwrap()).collect()
    };
    let (first, second) = (of(&pseudonyms(4)), of(&other));
    let same = first.iter().zip(&second).filter(|(first, second)| first == second).count();
    assert!(same < 4, "{same}");
    assert_eq!(first, of(&pseudonyms(4)));
}

#[test]
fn ranges_of_too_few_or_too_many_digits_are_refused() {
    let key = Key::new(b"a key of no importance").unwrap();
    for digits in [0, 2, 7] {
        let error = Pseudonyms::new(&key, digits).unwrap_err();
        assert_eq!(error, RangeDigitsError { digits });
        assert!(error.to_string().contains("wants 3 to 6"));
    }
}

#[test]
fn example_numbers_of_every_country_have_pseudonyms() {
    let pseudonyms = pseudonyms(4);
    let (mut hidden, mut refused) = (0, Vec::new());
    for example in examples() {
        match caller(&pseudonyms, &example) {
            Ok(_) => hidden += 1,
            Err(error) => refused.push((example, error)),
        }
    }
    assert!(refused.is_empty() && hidden > 240, "{hidden}, {refused:?}");
}

/// An example number of each region, and of each calling code without one.
fn examples() -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    for region in PHONE_NUMBER_UTIL.get_supported_regions() {
        if let Ok(example) = PHONE_NUMBER_UTIL.get_example_number(region) {
            examples.push(PHONE_NUMBER_UTIL.format(&example, PhoneNumberFormat::E164).into_owned());
        }
    }
    for code in PHONE_NUMBER_UTIL.get_supported_global_network_calling_codes() {
        if let Ok(example) = PHONE_NUMBER_UTIL.get_example_number_for_non_geo_entity(code) {
            examples.push(PHONE_NUMBER_UTIL.format(&example, PhoneNumberFormat::E164).into_owned());
        }
    }
    examples.sort();
    examples
}

/// Example numbers with the last digits changed, and noise after a calling code.
fn any_number() -> impl Strategy<Value = String> {
    let mut codes: Vec<i32> = PHONE_NUMBER_UTIL.get_supported_calling_codes().collect();
    codes.sort_unstable();
    prop_oneof![
        (proptest::sample::select(examples()), "[0-9]{1,6}").prop_map(|(example, tail)| {
            let keep = example.len().saturating_sub(tail.len()).max(4);
            format!("{}{}", &example[..keep], &tail[..example.len() - keep])
        }),
        (proptest::sample::select(codes), "[0-9]{6,12}").prop_map(|(code, rest)| format!("+{code}{rest}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn country_prefix_range_and_kind_stay(text in any_number(), range_digits in 3_u8..=6) {
        if let Ok(number) = PLAN.parse(&text) {
            match pseudonyms(range_digits).call(&PLAN, call(number.as_str(), "anonymous")) {
                Ok(call) => {
                    let image = call.caller;
                    prop_assert_eq!(&PLAN.parse(image.as_str()).unwrap(), &image);
                    prop_assert_eq!(
                        (image.kind(), image.country(), image.prefix(), image.range(range_digits)),
                        (number.kind(), number.country(), number.prefix(), number.range(range_digits))
                    );
                }
                // The prefix is nearly the whole number.
                Err(error) => {
                    let left = number.as_str().len() - number.prefix().unwrap().len();
                    prop_assert!(left < 3 || range_digits > 4, "{error}: {left} digits");
                }
            }
        }
    }
}
