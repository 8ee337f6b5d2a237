//! What the generated code writes is what `cdr` reads: it has a reader of its own, held to the .proto here.

#![allow(clippy::unwrap_used)]

use buffa::Message;
use cdr::NumberPlan;
use proto::call::{CallRecord, Channel, Outcome};
use proto::from_millis;

/// 2026-11-21, 00:00 UTC.
const STARTED_MS: i64 = 20_778 * 86_400_000;

fn sent() -> CallRecord {
    CallRecord {
        call_id: "c-1".to_owned(),
        caller: "+12025550101".to_owned(),
        callee: "+442079460123".to_owned(),
        started_at: from_millis(STARTED_MS).into(),
        answered_at: from_millis(STARTED_MS + 2_001).into(),
        ended_at: from_millis(STARTED_MS + 9_999).into(),
        outcome: Outcome::OUTCOME_ANSWERED.into(),
        channel: Channel::CHANNEL_VOICE.into(),
        trunk: "trunk-7".to_owned(),
        cell_id: "310-410-1".to_owned(),
        imei: "356938035643809".to_owned(),
        cost_micros: Some(-25),
        currency: "USD".to_owned(),
        caller_ip: "192.0.2.1".to_owned(),
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
        ..Default::default()
    }
}

fn read(sent: &CallRecord) -> cdr::Parsed {
    cdr::parse(&NumberPlan::new("US").unwrap(), &sent.encode_to_vec()).unwrap()
}

#[test]
fn every_field_arrives() {
    let parsed = read(&sent());
    let record = parsed.record;
    assert_eq!(parsed.unknown_fields, 0);
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(parsed.traceparent.as_deref(), Some(traceparent));
    assert_eq!(record.call_id, "c-1");
    assert_eq!((record.caller.as_str(), record.callee.as_str()), ("+12025550101", "+442079460123"));
    assert_eq!(record.started_at_ms, STARTED_MS);
    assert_eq!(record.answered_at_ms, Some(STARTED_MS + 2_001));
    assert_eq!(record.ended_at_ms, STARTED_MS + 9_999);
    assert_eq!(record.outcome, cdr::Outcome::Answered);
    assert_eq!(record.channel, Some(cdr::Channel::Voice));
    assert_eq!(record.trunk.as_deref(), Some("trunk-7"));
    assert_eq!(record.cell_id.as_deref(), Some("310-410-1"));
    assert_eq!(record.imei.as_deref(), Some("356938035643809"));
    assert_eq!(record.cost_micros, Some(-25));
    assert_eq!(record.currency.as_deref(), Some("USD"));
    assert_eq!(record.caller_ip.as_deref(), Some("192.0.2.1"));
}

#[test]
fn every_enum_value_means_the_same() {
    let outcomes = [
        Outcome::OUTCOME_ANSWERED,
        Outcome::OUTCOME_NO_ANSWER,
        Outcome::OUTCOME_BUSY,
        Outcome::OUTCOME_FAILED,
        Outcome::OUTCOME_CANCELED,
    ];
    for (outcome, expected) in outcomes.into_iter().zip(cdr::Outcome::ALL) {
        let mut sent = sent();
        sent.outcome = outcome.into();
        if outcome != Outcome::OUTCOME_ANSWERED {
            sent.answered_at = None.into();
        }
        assert_eq!(read(&sent).record.outcome, expected);
    }
    for (channel, expected) in [Channel::CHANNEL_VOICE, Channel::CHANNEL_SMS].into_iter().zip(cdr::Channel::ALL) {
        let mut sent = sent();
        sent.channel = channel.into();
        assert_eq!(read(&sent).record.channel, Some(expected));
    }
}

#[test]
fn what_is_left_out_is_absent() {
    let sent = CallRecord {
        call_id: "c-1".to_owned(),
        caller: "+12025550101".to_owned(),
        callee: "+442079460123".to_owned(),
        started_at: from_millis(STARTED_MS).into(),
        ended_at: from_millis(STARTED_MS).into(),
        outcome: Outcome::OUTCOME_BUSY.into(),
        ..Default::default()
    };
    let record = read(&sent).record;
    assert_eq!((record.answered_at_ms, record.cost_micros, record.channel), (None, None, None));
    assert_eq!((record.trunk, record.cell_id, record.imei), (None, None, None));
    assert_eq!((record.currency, record.caller_ip), (None, None));
    // A cost of nothing is a cost.
    let free = CallRecord { cost_micros: Some(0), currency: "USD".to_owned(), ..sent };
    assert_eq!(read(&free).record.cost_micros, Some(0));
}
