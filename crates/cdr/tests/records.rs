//! Records in JSON and protobuf, good and bad, and that the two say the same.
#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use cdr::{CallRecord, Channel, NumberPlan, Outcome, Parsed, Reason, RecordError, parse};
use proptest::prelude::*;

static PLAN: LazyLock<NumberPlan> = LazyLock::new(|| NumberPlan::new("US").unwrap());

const GOOD: &str = r#"{"call_id":"c-1","caller":"+12025550101","callee":"+442079460000","started_at":"2026-11-21T07:06:05.004Z","answered_at":"2026-11-21T07:06:09Z","ended_at":"2026-11-21T07:07:00.5Z","outcome":"answered","channel":"voice","trunk":"t1","cell_id":"310-260-1","imei":"490154203237518","cost_micros":120000,"currency":"USD","caller_ip":"192.0.2.7"}"#;

fn refused(json: &str) -> RecordError {
    parse(&PLAN, json.as_bytes()).unwrap_err()
}

/// The good record with one piece of its text replaced.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

#[test]
fn json_is_read_field_by_field() {
    let Parsed { record, unknown_fields, .. } = parse(&PLAN, GOOD.as_bytes()).unwrap();
    assert_eq!(unknown_fields, 0);
    assert_eq!(record.call_id, "c-1");
    assert_eq!(record.caller.as_str(), "+12025550101");
    assert_eq!(record.callee.as_str(), "+442079460000");
    assert_eq!(record.started_at_ms, 1_795_244_765_004);
    assert_eq!(record.answered_at_ms, Some(1_795_244_769_000));
    assert_eq!(record.ended_at_ms, 1_795_244_820_500);
    assert_eq!((record.outcome, record.channel), (Outcome::Answered, Some(Channel::Voice)));
    assert_eq!(record.trunk.as_deref(), Some("t1"));
    assert_eq!(record.cell_id.as_deref(), Some("310-260-1"));
    assert_eq!(record.imei.as_deref(), Some("490154203237518"));
    assert_eq!((record.cost_micros, record.currency.as_deref()), (Some(120_000), Some("USD")));
    assert_eq!(record.caller_ip.as_deref(), Some("192.0.2.7"));
    assert_eq!(record.to_json(), GOOD.replace("07:06:09Z", "07:06:09.000Z").replace("07:07:00.5Z", "07:07:00.500Z"));
}

#[test]
fn null_and_empty_are_absent_and_unknown_fields_are_counted() {
    let json = r#" {"call_id":"c","caller":"anonymous","callee":"(202) 555-0101","started_at":"2026-01-01T00:00:00Z",
        "answered_at":null,"ended_at":"2026-01-01T00:00:01Z","outcome":"busy","channel":null,"trunk":"","imei":null,
        "new":{"caller":[1,2,{"a":null}]},"newer":1e99}"#;
    let Parsed { record, unknown_fields, .. } = parse(&PLAN, json.trim_start().as_bytes()).unwrap();
    assert_eq!(unknown_fields, 2);
    assert_eq!(record.callee.as_str(), "+12025550101");
    assert_eq!((record.answered_at_ms, record.channel, record.trunk, record.imei), (None, None, None, None));
}

#[test]
fn addresses_have_one_text() {
    let json = with("192.0.2.7", "2001:DB8:0::0007");
    assert_eq!(parse(&PLAN, json.as_bytes()).unwrap().record.caller_ip.as_deref(), Some("2001:db8::7"));
}

#[test]
fn each_rule_has_its_reason_and_field() {
    let long = "x".repeat(129);
    let cases = [
        (with("\"c-1\"", "null"), Reason::MissingField, "call_id"),
        (with("c-1", ""), Reason::MissingField, "call_id"),
        (with("c-1", &long), Reason::BadCallId, "call_id"),
        (with("\"c-1\"", "17"), Reason::WrongType, "call_id"),
        (with("+12025550101", "+123"), Reason::BadNumber, "caller"),
        (with("+442079460000", "nobody"), Reason::BadNumber, "callee"),
        (with("07:06:05.004Z", "07:06:05.004"), Reason::BadTime, "started_at"),
        (with("\"2026-11-21T07:06:05.004Z\"", "1795244765004"), Reason::WrongType, "started_at"),
        (with("2026-11-21T07:06:05.004Z", "1999-12-31T23:59:59.999Z"), Reason::BadTime, "started_at"),
        (with("2026-11-21T07:07:00.5Z", "2100-01-01T00:00:00Z"), Reason::BadTime, "ended_at"),
        (with("07:06:09Z", "07:06:05.003Z"), Reason::TimeOrder, "answered_at"),
        (with("07:06:09Z", "07:07:01Z"), Reason::TimeOrder, "ended_at"),
        (with("2026-11-21T07:07:00.5Z", "2026-11-28T07:06:05.005Z"), Reason::BadDuration, "ended_at"),
        (with("\"answered\"", "\"ANSWERED\""), Reason::BadOutcome, "outcome"),
        (with("\"answered\"", "\"busy\""), Reason::AnsweredMismatch, "answered_at"),
        (with("\"2026-11-21T07:06:09Z\"", "null"), Reason::AnsweredMismatch, "answered_at"),
        (with("voice", "fax"), Reason::BadChannel, "channel"),
        (with("\"t1\"", &format!("\"{long}\"")), Reason::BadText, "trunk"),
        (with("\"t1\"", "[\"t1\"]"), Reason::WrongType, "trunk"),
        (with("120000", "1.5"), Reason::WrongType, "cost_micros"),
        (with("120000", "\"1\""), Reason::WrongType, "cost_micros"),
        (with("120000", "9223372036854775808"), Reason::WrongType, "cost_micros"),
        (with("120000", "1000000000001"), Reason::BadCost, "cost_micros"),
        (with("120000", "-1000000000001"), Reason::BadCost, "cost_micros"),
        (with("\"USD\"", "null"), Reason::MissingField, "currency"),
        (with("USD", "usd"), Reason::BadCurrency, "currency"),
        (with("192.0.2.7", "192.0.2.7:5060"), Reason::BadIp, "caller_ip"),
        (with("\"trunk\"", "\"imei\""), Reason::DuplicateField, "imei"),
    ];
    for (json, reason, field) in cases {
        let error = refused(&json);
        assert_eq!((error.reason, error.field), (reason, field), "{json}: {error}");
    }
    // A call of exactly 7 days and a cost of exactly a million stand.
    let longest = with("2026-11-21T07:07:00.5Z", "2026-11-28T07:06:05.004Z").replace("120000", "-1000000000000");
    assert!(parse(&PLAN, longest.as_bytes()).is_ok());
}

#[test]
fn no_message_holds_a_value() {
    for secret in ["303777020", "+1303777020299999999", "+99930377702"] {
        for json in [with("+12025550101", secret), with("\"+12025550101\"", &format!("\"{secret}\" x"))] {
            let error = refused(&json);
            assert!(!format!("{error} {error:?}").contains("30377702"), "{error:?}");
        }
    }
    let error = refused(&with("+12025550101", "+123"));
    assert_eq!(
        error.to_string(),
        "field caller (4 bytes) has the wrong length for E.164: wants + and 7 to 15 digits"
    );
}

#[test]
fn broken_json_says_where() {
    for (json, at) in [
        (GOOD[..20].to_owned(), 20),
        (format!("{GOOD}x"), GOOD.len() + 1),
        (format!("{GOOD}{GOOD}"), GOOD.len() + 1),
        ("{\n\"call_id\" 1}".to_owned(), 13),
        ("{]".to_owned(), 2),
    ] {
        let error = refused(&json);
        assert_eq!((error.reason, error.at), (Reason::Unparseable, Some(at)), "{json}");
    }
    assert_eq!(parse(&PLAN, b"{\"call_id\":\"\xff\"}").unwrap_err().reason, Reason::Unparseable);
    let deep = format!("{{\"new\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(refused(&deep).reason, Reason::Unparseable | Reason::MissingField));
    // A wrong field in broken JSON: the JSON is the news.
    assert_eq!(refused("{\"call_id\":1").reason, Reason::Unparseable);
}

#[test]
fn records_of_no_known_kind_have_their_reasons() {
    let reason = |bytes: &[u8]| parse(&PLAN, bytes).unwrap_err().reason;
    assert_eq!(reason(b""), Reason::Unparseable);
    assert_eq!(reason(b"hello there"), Reason::Unparseable);
    assert_eq!(reason(&[0xF3, 0x89, 0x9A, 0xC2, 0x0A, 0x01]), Reason::BadAggregate);
    assert_eq!(reason(&vec![b'{'; 1024 * 1024 + 1]), Reason::TooLarge);
    // A field number of 0, a truncated length, an end of no group, a group that does not end.
    for bytes in [&[0x00, 0x01][..], &[0x0A, 0x05, b'a'], &[0x7C], &[0x7B, 0x08, 0x01], &[0x80; 11]] {
        assert_eq!(reason(bytes), Reason::Unparseable, "{bytes:?}");
    }
}

#[test]
fn protobuf_fields_have_the_numbers_of_the_schema() {
    let record = parse(&PLAN, GOOD.as_bytes()).unwrap().record;
    let schema = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto/tollwatch/v1/call_record.proto"));
    for (number, field) in [
        (1, "call_id"),
        (2, "caller"),
        (3, "callee"),
        (4, "started_at"),
        (5, "answered_at"),
        (6, "ended_at"),
        (7, "outcome"),
        (8, "channel"),
        (9, "trunk"),
        (10, "cell_id"),
        (11, "imei"),
        (12, "cost_micros"),
        (13, "currency"),
        (14, "caller_ip"),
    ] {
        assert!(schema.contains(&format!(" {field} = {number};")), "{field}");
    }
    for (number, outcome) in (1..).zip(Outcome::ALL) {
        let name = format!("OUTCOME_{} = {number};", outcome.as_str().to_uppercase());
        assert!(schema.contains(&name), "{name}");
    }
    let bytes = record.to_protobuf();
    // call_id, then caller; outcome answered and channel voice after the times.
    assert!(bytes.starts_with(b"\x0A\x03c-1\x12\x0C+12025550101\x1A\x0D+442079460000\x22"));
    assert!(bytes.windows(4).any(|window| window == [0x38, 1, 0x40, 1]));
    assert_eq!(parse(&PLAN, &bytes).unwrap(), Parsed { record, unknown_fields: 0, traceparent: None });
}

#[test]
fn protobuf_unknown_fields_are_counted_and_wrong_ones_named() {
    let record = parse(&PLAN, GOOD.as_bytes()).unwrap().record;
    let bytes = record.to_protobuf();
    let and = |more: &[u8]| parse(&PLAN, &[&bytes, more].concat());
    // Field 16 as varint, 64 bits, bytes, a group with a group in it, and 32 bits.
    let unknown = [
        &[0x80, 0x01, 0x01][..],
        &[0x81, 0x01, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0x82, 0x01, 0x02, b'h', b'i'],
        &[0x83, 0x01, 0x0B, 0x0C, 0x84, 0x01],
        &[0x85, 0x01, 1, 2, 3, 4],
    ]
    .concat();
    assert_eq!(and(&unknown).unwrap(), Parsed { record, unknown_fields: 5, traceparent: None });
    for (more, reason, field) in [
        (&[0x08, 0x01][..], Reason::WrongType, "call_id"),
        (&[0x22, 0x01, 0x08][..], Reason::WrongType, "started_at"),
        (&[0x20, 0x02][..], Reason::WrongType, "started_at"),
        (&[0x2A, 0x02, 0x10, 0x80][..], Reason::WrongType, "answered_at"),
        (&[0x22, 0x06, 0x10, 0x80, 0x94, 0xEB, 0xDC, 0x03][..], Reason::BadTime, "started_at"),
        (&[0x38, 0x06][..], Reason::BadOutcome, "outcome"),
        (&[0x38, 0x00][..], Reason::MissingField, "outcome"),
        (&[0x40, 0x03][..], Reason::BadChannel, "channel"),
        (&[0x4A, 0x01, 0xFF][..], Reason::BadText, "trunk"),
        (&[0x12, 0x00][..], Reason::MissingField, "caller"),
    ] {
        let error = and(more).unwrap_err();
        assert_eq!((error.reason, error.field), (reason, field), "{more:?}: {error}");
    }
}

/// Any valid record, its texts full of what has to be escaped.
fn any_record() -> impl Strategy<Value = CallRecord> {
    let number = || {
        prop_oneof![
            "\\+1[2-9][0-9]{9}",
            "\\+44[1-9][0-9]{9}",
            "ext:[a-z]{1,8}/[0-9]{1,6}",
            "short:1:[0-9]{3,6}",
            "alpha:44:[A-Za-z0-9 .&'-]{1,11}",
            Just("anonymous".to_owned()),
        ]
        .prop_filter_map("no number", |text| PLAN.parse(&text).ok())
    };
    let text = || proptest::option::of("\\PC{1,12}|[\\x00-\\x1f\"\\\\]{1,6}").prop_map(|text| text.map(Into::into));
    let times = (946_684_800_000_i64..4_102_000_000_000, 0_i64..600_000, 0_i64..100_000_000);
    let money = proptest::option::of((-1_000_000_000_000_i64..=1_000_000_000_000, "[A-Z]{3}"));
    let address = proptest::option::of(any::<std::net::IpAddr>());
    (
        ("[^\\x00]{1,20}", number(), number(), times),
        (0_usize..5, proptest::option::of(0_usize..2), text(), text(), text(), money, address),
    )
        .prop_map(|((call_id, caller, callee, times), (outcome, channel, trunk, cell_id, imei, money, ip))| {
            let outcome = Outcome::ALL[outcome];
            let answered = times.0 + times.1;
            CallRecord {
                call_id: call_id.into(),
                caller,
                callee,
                started_at_ms: times.0,
                answered_at_ms: (outcome == Outcome::Answered).then_some(answered),
                ended_at_ms: answered + times.2,
                outcome,
                channel: channel.map(|index| Channel::ALL[index]),
                trunk,
                cell_id,
                imei,
                cost_micros: money.as_ref().map(|(cost, _)| *cost),
                currency: money.map(|(_, currency)| currency.into()),
                caller_ip: ip.map(|ip| ip.to_string().into()),
            }
        })
        .prop_filter("the last second of 2099", |record| record.ended_at_ms < 4_102_444_800_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn records_survive_json_and_protobuf(record in any_record()) {
        let json = record.to_json();
        let from_json = parse(&PLAN, json.as_bytes()).unwrap();
        prop_assert_eq!(&from_json.record, &record);
        prop_assert_eq!(from_json.record.to_json(), json);
        let protobuf = record.to_protobuf();
        let from_protobuf = parse(&PLAN, &protobuf).unwrap();
        prop_assert_eq!(&from_protobuf.record, &record);
        prop_assert_eq!(from_protobuf.record.to_protobuf(), protobuf);
    }

    #[test]
    fn cut_and_changed_records_never_panic(record in any_record(), cut in 0_usize..400, at in 0_usize..400, byte: u8) {
        for mut bytes in [record.to_json().into_bytes(), record.to_protobuf()] {
            bytes.truncate(cut);
            let at = at % bytes.len().max(1);
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
            let _ = parse(&PLAN, &bytes);
        }
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&PLAN, &bytes);
    }
}

#[test]
fn a_trace_comes_with_a_record_and_is_no_part_of_the_call() {
    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let record = parse(&PLAN, GOOD.as_bytes()).unwrap().record;
    for bytes in [record.to_json().into_bytes(), format!("{GOOD} \n").into_bytes(), record.to_protobuf()] {
        let traced = cdr::with_traceparent(bytes.clone(), TRACEPARENT);
        let parsed = parse(&PLAN, &traced).unwrap();
        assert_eq!(parsed.traceparent.as_deref(), Some(TRACEPARENT));
        assert_eq!((&parsed.record, parsed.unknown_fields), (&record, 0));
        assert!(!parsed.record.to_json().contains(TRACEPARENT), "what is written of a call is the call");
        for unfit in ["", "a\"b", &"a".repeat(cdr::MAX_TRACEPARENT_BYTES + 1)] {
            assert_eq!(cdr::with_traceparent(bytes.clone(), unfit), bytes, "{unfit}");
        }
    }
    for no_record in [&b""[..], b"{}", b"{ } ", b"{"] {
        assert_eq!(cdr::with_traceparent(no_record.to_vec(), TRACEPARENT), no_record);
    }
    let aggregate = cdr::aggregate([("key", GOOD.as_bytes())]);
    assert_eq!(cdr::with_traceparent(aggregate.clone(), TRACEPARENT), aggregate);
}

/// W3C Trace Context wants a context that cannot be read to be ignored: no call is lost for it.
#[test]
fn a_trace_that_is_wrong_refuses_no_call() {
    let record = parse(&PLAN, GOOD.as_bytes()).unwrap().record;
    let json = record.to_json();
    let of = |more: &str| format!("{},{more}}}", &json[..json.len() - 1]);
    let long = format!("\"traceparent\":\"{}\"", "a".repeat(cdr::MAX_TRACEPARENT_BYTES + 1));
    for (more, expected) in [
        ("\"traceparent\":null", None),
        ("\"traceparent\":\"\"", None),
        ("\"traceparent\":17", None),
        ("\"traceparent\":{\"a\":[1]}", None),
        ("\"traceparent\":\"one\",\"traceparent\":\"two\"", None),
        ("\"traceparent\":17,\"traceparent\":\"two\"", None),
        (long.as_str(), None),
        ("\"traceparent\":\"whatever\"", Some("whatever")),
    ] {
        let parsed = parse(&PLAN, of(more).as_bytes()).unwrap();
        assert_eq!(parsed.traceparent.as_deref(), expected, "{more}");
        assert_eq!((&parsed.record, parsed.unknown_fields), (&record, 0), "{more}");
    }
    let bytes = record.to_protobuf();
    for more in [&[0x78, 0x01][..], &[0x7A, 0x01, 0xFF], &[0x7A, 0x00]] {
        let parsed = parse(&PLAN, &[&bytes, more].concat()).unwrap();
        assert_eq!((parsed.traceparent, parsed.record, parsed.unknown_fields), (None, record.clone(), 0));
    }
}
