#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn plan() -> NumberPlan {
    NumberPlan::new("US").unwrap()
}

/// Text, prefix and country.
fn facts(number: &Number) -> (String, Option<String>, Option<String>) {
    (number.as_str().to_owned(), number.prefix().map(str::to_owned), number.country().map(str::to_owned))
}

#[test]
fn prefix_is_country_code_and_national_destination_code() {
    let plan = plan();
    for (text, prefix, country) in [
        ("+12025550101", "+1202", Some("US")),
        ("+14165550101", "+1416", Some("CA")),
        ("+442079460000", "+4420", Some("GB")),
        ("+447400123456", "+447400", Some("GB")),
        ("+447911123456", "+447911", Some("GG")),
        // Reserved for films: nobody of GB, GG, IM and JE has it.
        ("+447700900123", "+447700", None),
        ("+5491123456789", "+54911", Some("AR")),
        ("+390612345678", "+3906", Some("IT")),
        ("+6591234567", "+659123", Some("SG")),
        ("+77012345678", "+7701", Some("KZ")),
        ("+80012345678", "+8001234", Some("001")),
        ("+29022158", "+290", Some("SH")),
        ("+88213123456789", "+88213", Some("001")),
    ] {
        let number = plan.parse(text).unwrap();
        assert_eq!(number.as_str(), text);
        assert_eq!(number.country(), country, "{text}");
        assert_eq!(number.prefix(), Some(prefix), "{text}");
    }
}

#[test]
fn numbers_nobody_was_assigned_are_numbers() {
    let plan = plan();
    for text in ["+10000000000", "+11234567890", "+1999999", "+449999999999", "+999999999999999"] {
        match plan.parse(text) {
            Ok(number) => assert!(number.as_str().len() >= 8, "{number:?}"),
            Err(error) => assert_eq!((text, error), ("+999999999999999", NumberError::UnknownCallingCode)),
        }
    }
}

#[test]
fn other_kinds_are_themselves() {
    let plan = plan();
    for (text, kind) in [
        ("ext:hq/1001", NumberKind::Extension),
        ("ext:site-2.eu/*72", NumberKind::Extension),
        ("short:1:911", NumberKind::Short),
        ("short:44:60050", NumberKind::Short),
        ("alpha:44:BANK", NumberKind::Alpha),
        ("alpha:44:My Bank", NumberKind::Alpha),
        ("anonymous", NumberKind::Anonymous),
    ] {
        let number = plan.parse(text).unwrap();
        assert_eq!((number.as_str(), number.kind(), number.prefix()), (text, kind, None));
        assert_eq!((number.range(4), number.country()), (None, None));
    }
    assert_eq!(plan.parse("Anonymous").unwrap().as_str(), "anonymous");
    let longest = format!("ext:{}/{}", "s".repeat(32), "n".repeat(32));
    assert_eq!(plan.parse(&longest).unwrap().as_str(), longest);
}

#[test]
fn national_numbers_become_e164() {
    let american = plan();
    for (raw, text) in [
        ("(202) 555-0101", "+12025550101"),
        ("2025550101", "+12025550101"),
        ("1-202-555-0101", "+12025550101"),
        (" +1 (202) 555-0101 ", "+12025550101"),
        ("011442079460000", "+442079460000"),
        ("00442079460000", "+442079460000"),
        ("+4402079460000", "+442079460000"),
        ("tel:+1-202-555-0101", "+12025550101"),
    ] {
        assert_eq!(american.parse(raw).map(|number| number.as_str().to_owned()).as_deref(), Ok(text), "{raw}");
    }
    let british = NumberPlan::new("GB").unwrap();
    for (raw, text) in [("020 7946 0000", "+442079460000"), ("0012025550101", "+12025550101")] {
        assert_eq!(british.parse(raw).unwrap().as_str(), text, "{raw}");
    }
}

#[test]
fn what_is_no_number_is_refused_by_its_rule() {
    let plan = plan();
    let long = format!("+1{}", "2".repeat(100));
    let long_site = format!("ext:{}/1", "s".repeat(33));
    for (raw, error) in [
        ("", NumberError::Empty),
        ("  ", NumberError::Empty),
        (long.as_str(), NumberError::TooLong),
        ("+123456", NumberError::WrongLength),
        ("+1234567890123456", NumberError::WrongLength),
        ("+", NumberError::WrongLength),
        ("+2101234567", NumberError::UnknownCallingCode),
        ("+0123456789", NumberError::UnknownCallingCode),
        ("1001", NumberError::NotNational),
        ("5550101", NumberError::NotNational),
        ("unknown", NumberError::NotANumber),
        ("EXT:hq/1", NumberError::NotNational),
        ("ext:hq", NumberError::BadExtension),
        ("ext:/1", NumberError::BadExtension),
        ("ext:hq/1/2", NumberError::BadExtension),
        (long_site.as_str(), NumberError::BadExtension),
        ("short:911", NumberError::BadShortCode),
        ("short:210:911", NumberError::BadShortCode),
        ("short:01:911", NumberError::BadShortCode),
        ("short:1:9", NumberError::BadShortCode),
        ("alpha:44:", NumberError::BadSender),
        ("alpha:44:a#b", NumberError::BadSender),
        ("alpha:UK:BANK", NumberError::BadSender),
    ] {
        assert_eq!(plan.parse(raw), Err(error), "{raw}");
    }
}

#[test]
fn default_region_must_be_known() {
    for region in ["", "USA", "us", "ZZ", "001", "XX", "é"] {
        assert_eq!(NumberPlan::new(region).unwrap_err(), UnknownRegion { region: region.to_owned() });
    }
}

#[test]
fn the_metadata_version_names_the_crate_that_is_locked() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    let (_, after) = lock.split_once("name = \"rlibphonenumber\"\nversion = \"").unwrap();
    let (version, _) = after.split_once('"').unwrap();
    assert_eq!(NumberPlan::metadata_version(), format!("rlibphonenumber-{version}/1"));
}

#[test]
fn regions_fit_the_cache() {
    let codes = region_codes();
    assert!(codes.len() <= 256, "{}", codes.len());
    assert_eq!((codes[0].as_str(), codes[1].as_str()), ("", "001"));
    assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
}

/// What the library says without any of our short cuts.
fn by_the_library(text: &str) -> (String, Option<String>, Option<String>) {
    let parsed = PHONE_NUMBER_UTIL.parse(text, None).unwrap();
    let canonical = PHONE_NUMBER_UTIL.format(&parsed, PhoneNumberFormat::E164).into_owned();
    let destination_len = PHONE_NUMBER_UTIL.get_length_of_national_destination_code(&parsed);
    let prefix = canonical[..1 + parsed.country_code.to_string().len() + destination_len].to_owned();
    let country = PHONE_NUMBER_UTIL.get_region_for_number(&parsed);
    (canonical, Some(prefix), country.map(|region| region.as_region_str().to_string()))
}

/// Numbers of every calling code: its example numbers with the last digits changed, and noise.
fn any_number() -> impl Strategy<Value = String> {
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
    assert!(examples.len() > 240, "{}", examples.len());
    let codes: Vec<i32> = {
        let mut codes: Vec<_> = PHONE_NUMBER_UTIL.get_supported_calling_codes().collect();
        codes.sort_unstable();
        codes
    };
    prop_oneof![
        (proptest::sample::select(examples), "[0-9]{1,8}").prop_map(|(example, tail)| {
            let keep = example.len().saturating_sub(tail.len()).max(4);
            format!("{}{}", &example[..keep], &tail[..example.len() - keep])
        }),
        (proptest::sample::select(codes), "[0-9]{6,12}").prop_map(|(code, rest)| format!("+{code}{rest}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_short_cuts_answer_what_the_library_answers(text in any_number()) {
        let plan = shared();
        if let Ok(number) = plan.parse(&text) {
            // What comes out is canonical, and the library agrees with every part of it, cold and warm.
            let canonical = number.as_str().to_owned();
            prop_assert_eq!(facts(&number), by_the_library(&canonical));
            prop_assert_eq!(&plan.parse(&canonical).unwrap(), &number);
            prop_assert_eq!(&plan.parse(&text).unwrap(), &number);
            // The cache changes nothing.
            prop_assert_eq!(&fresh(&text), &number);
        } else {
            prop_assert!(!(8..=16).contains(&text.len()) || plan.parse(&text).is_err());
        }
    }

    #[test]
    fn any_text_is_answered_and_what_comes_out_is_canonical(text in "\\PC{0,24}|[+0-9() ./-]{0,24}|(ext|short|alpha):[0-9a-z:/]{0,12}") {
        if let Ok(number) = shared().parse(&text) {
            let again = shared().parse(number.as_str());
            prop_assert_eq!(again, Ok(number));
        }
    }
}

fn shared() -> &'static NumberPlan {
    static PLAN: std::sync::LazyLock<NumberPlan> = std::sync::LazyLock::new(plan);
    &PLAN
}

/// The number by the library alone.
fn fresh(text: &str) -> Number {
    let mut canonical = by_the_library(text).0;
    loop {
        let facts = by_the_library(&canonical);
        if facts.0 == canonical {
            let (prefix, country) = (facts.1.unwrap(), facts.2.unwrap_or_default());
            return Number::new(SmolStr::new(canonical), NumberKind::E164, prefix.len() as u8, SmolStr::new(country));
        }
        canonical = facts.0;
    }
}
