//! Whole calls: what is hidden, what stays, and that neither changes from one version to the next.
#![allow(clippy::unwrap_used)]

use cdr::{CallRecord, NumberPlan, RecordError};
use pseudonyms::{Key, Pseudonyms};

fn hidden(json: &str) -> Result<CallRecord, RecordError> {
    let plan = NumberPlan::new("US").unwrap();
    let key = Key::new(b"0123456789abcdef0123456789abcdef").unwrap();
    let call = cdr::parse(&plan, json.as_bytes()).unwrap().record;
    Pseudonyms::new(&key, 4).unwrap().call(&plan, call).map_err(RecordError::from)
}

const WHOLE: &str = r#"{"call_id":"1795273200.17","caller":"+12025550101","callee":"+442079460018","started_at":"2026-11-21T15:00:00.500Z","answered_at":"2026-11-21T15:00:04.000Z","ended_at":"2026-11-21T15:01:00.000Z","outcome":"answered","channel":"voice","trunk":"PJSIP/carrier","cell_id":"310-410-1234-5678","imei":"490154203237518","cost_micros":12500,"currency":"USD","caller_ip":"192.0.2.7"}"#;

#[test]
fn a_key_means_the_same_in_every_version() {
    // A change here makes strangers of the numbers in everybody's files. A second implementation in Python gave these.
    assert_eq!(hidden(WHOLE).unwrap().to_json(), WHOLE_HIDDEN);
    let of = |caller: &str| hidden(&WHOLE.replace("+12025550101", caller)).unwrap().caller.as_str().to_owned();
    for (number, pseudonym) in OTHERS {
        assert_eq!(of(number), pseudonym, "{number}");
    }
}

const WHOLE_HIDDEN: &str = r#"{"call_id":"8eda431a489997c23300c18e41a4b3f3","caller":"+12025552607","callee":"+442079469342","started_at":"2026-11-21T15:00:00.500Z","answered_at":"2026-11-21T15:00:04.000Z","ended_at":"2026-11-21T15:01:00.000Z","outcome":"answered","channel":"voice","trunk":"c054fd43796ba608a3a1947dc61cfe5a","cell_id":"bdb6853c8ec9521b03d1d78a503cd2f7","imei":"146278648253802","cost_micros":12500,"currency":"USD","caller_ip":"2001:db8:24ad:6fb9:1ff6:b6af:39cc:1dc6"}"#;
const OTHERS: [(&str, &str); 5] = [
    ("+12025550102", "+12025552623"),
    ("ext:hq/1001", "ext:hq/4104"),
    ("ext:hq/12345", "ext:hq/60811"),
    ("ext:hq/alice", "ext:hq/x17e15d749d849e46248f"),
    ("+6591234567", "+6591239158"),
];

#[test]
fn services_and_withheld_numbers_stay() {
    for number in ["short:1:911", "alpha:44:BANK", "anonymous"] {
        let call = hidden(&WHOLE.replace("+12025550101", number)).unwrap();
        assert_eq!(call.caller.as_str(), number);
        assert_ne!(call.callee.as_str(), "+442079460018");
    }
}

#[test]
fn equal_values_stay_equal_and_others_do_not_meet() {
    let base = hidden(WHOLE).unwrap();
    // The caller's number as a callee is the same person.
    let turned = hidden(&WHOLE.replace("+12025550101", "+12025550199").replace("+442079460018", "+12025550101"));
    assert_eq!(turned.unwrap().callee, base.caller);
    let other = |from: &str, to: &str| hidden(&WHOLE.replace(from, to)).unwrap();
    assert_ne!(other("200.17", "200.18").call_id, base.call_id);
    assert_ne!(other("490154203237518", "490154203237526").imei, base.imei);
    assert_ne!(other("490154203237518", "handset 9").imei, base.imei);
    assert_ne!(other("192.0.2.7", "192.0.2.8").caller_ip, base.caller_ip);
    assert_ne!(other("1234-5678", "1234-5679").cell_id, base.cell_id);
    // An address is a fact, however it is written; the same text as two fields is two tokens.
    assert_eq!(other("192.0.2.7", "2001:DB8::7").caller_ip, other("192.0.2.7", "2001:db8:0::7").caller_ip);
    let same = other("310-410-1234-5678", "PJSIP/carrier");
    assert_ne!(same.cell_id, same.trunk);
    // A site's extensions are its own.
    assert_ne!(
        other("+12025550101", "ext:hq/1001").caller.as_str().replace("hq", "lab"),
        other("+12025550101", "ext:lab/1001").caller.as_str()
    );
}

#[test]
fn what_cannot_be_hidden_is_an_error_without_the_number() {
    let error = hidden(&WHOLE.replace("+12025550101", TOO_SHORT)).unwrap_err();
    assert_eq!((error.reason.as_str(), error.field), ("bad_number", "caller"));
    let said = error.to_string();
    assert!(said.contains("too few numbers share its prefix and range") && !said.contains(&TOO_SHORT[2..]), "{said}");
}

/// Its prefix is all of it but two digits.
const TOO_SHORT: &str = "+49200000";
