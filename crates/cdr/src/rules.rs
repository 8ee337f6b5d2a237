//! The rules of the fields, one by one. [`crate::RawRecord::validate`] applies them to a record; readers of columns
//! apply them to each different value once.

use std::net::IpAddr;

use smol_str::{SmolStr, ToSmolStr};

use crate::limits::{
    MAX_CALL_ID_BYTES, MAX_COST_MICROS, MAX_DURATION_MS, MAX_TEXT_BYTES, TIME_FROM_MS, TIME_UNTIL_MS,
};
use crate::{Channel, Number, NumberPlan, NumberShape, Outcome, Reason, RecordError};

/// An empty text is absent.
pub fn present(value: Option<&str>) -> Option<&str> {
    value.filter(|text| !text.is_empty())
}

const MISSING: &str = "is missing: it is required";

/// A text that has to be there.
pub fn required<'v>(field: &'static str, value: Option<&'v str>) -> Result<&'v str, RecordError> {
    present(value).ok_or(RecordError::of_field(Reason::MissingField, field, 0, MISSING))
}

/// `call_id`.
pub fn call_id(value: Option<&str>) -> Result<&str, RecordError> {
    let call_id = required("call_id", value)?;
    if call_id.len() > MAX_CALL_ID_BYTES {
        let rule = "is too long: wants 1 to 128 bytes";
        return Err(RecordError::of_field(Reason::BadCallId, "call_id", call_id.len(), rule));
    }
    Ok(call_id)
}

/// `caller` or `callee`.
pub fn number(plan: &NumberPlan, field: &'static str, value: Option<&str>) -> Result<Number, RecordError> {
    let raw = required(field, value)?;
    plan.parse(raw).map_err(|error| {
        let shape = Some(NumberShape::of(raw));
        RecordError { shape, ..RecordError::of_field(Reason::BadNumber, field, raw.len(), error.rule()) }
    })
}

/// `started_at` or `ended_at`.
pub fn required_time(field: &'static str, value: Option<i64>) -> Result<i64, RecordError> {
    in_range(field, value.ok_or(RecordError::of_field(Reason::MissingField, field, 0, MISSING))?)
}

/// A time, where there is one: from 2000 to 2099.
pub fn in_range(field: &'static str, ms: i64) -> Result<i64, RecordError> {
    let rule = "is out of range: wants a time from 2000-01-01 to 2099-12-31, in milliseconds where it is a number";
    if (TIME_FROM_MS..TIME_UNTIL_MS).contains(&ms) {
        Ok(ms)
    } else {
        Err(RecordError::of_field(Reason::BadTime, field, 0, rule))
    }
}

/// Started, answered, ended, within [`MAX_DURATION_MS`].
pub fn check_order(started: i64, answered: Option<i64>, ended: i64) -> Result<(), RecordError> {
    let wrong = |reason, field, rule| Err(RecordError::of_field(reason, field, 0, rule));
    if answered.is_some_and(|answered| answered < started) {
        return wrong(Reason::TimeOrder, "answered_at", "is before started_at");
    }
    if answered.is_some_and(|answered| ended < answered) {
        return wrong(Reason::TimeOrder, "ended_at", "is before answered_at");
    }
    if ended < started {
        return wrong(Reason::TimeOrder, "ended_at", "is before started_at");
    }
    if ended - started > MAX_DURATION_MS {
        return wrong(Reason::BadDuration, "ended_at", "is more than 7 days after started_at");
    }
    Ok(())
}

/// `outcome`, by its name.
pub fn outcome(name: &str) -> Result<Outcome, RecordError> {
    let rule = "is no outcome: wants answered, no_answer, busy, failed or canceled";
    Outcome::from_name(name).ok_or(RecordError::of_field(Reason::BadOutcome, "outcome", name.len(), rule))
}

/// `answered_at` is there for calls that were answered, and for no others.
pub fn check_answered(outcome: Outcome, answered: Option<i64>) -> Result<(), RecordError> {
    let rule = match (outcome == Outcome::Answered, answered.is_some()) {
        (true, false) => "is missing though the outcome is answered",
        (false, true) => "is there though the outcome is not answered",
        _ => return Ok(()),
    };
    Err(RecordError::of_field(Reason::AnsweredMismatch, "answered_at", 0, rule))
}

/// `channel`, by its name.
pub fn channel(name: &str) -> Result<Channel, RecordError> {
    let rule = "is no channel: wants voice or sms";
    Channel::from_name(name).ok_or(RecordError::of_field(Reason::BadChannel, "channel", name.len(), rule))
}

/// `trunk`, `cell_id` or `imei`.
pub fn text<'v>(field: &'static str, value: Option<&'v str>) -> Result<Option<&'v str>, RecordError> {
    let Some(text) = present(value) else {
        return Ok(None);
    };
    if text.len() > MAX_TEXT_BYTES {
        let rule = "is too long: wants at most 128 bytes";
        return Err(RecordError::of_field(Reason::BadText, field, text.len(), rule));
    }
    Ok(Some(text))
}

/// `currency`.
pub fn currency(code: &str) -> Result<&str, RecordError> {
    if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(code);
    }
    let rule = "is no currency: wants three capital letters of ISO 4217, such as USD";
    Err(RecordError::of_field(Reason::BadCurrency, "currency", code.len(), rule))
}

/// `cost_micros` is in range and has a currency.
pub fn check_cost(cost_micros: Option<i64>, has_currency: bool) -> Result<(), RecordError> {
    let Some(cost_micros) = cost_micros else {
        return Ok(());
    };
    if !(-MAX_COST_MICROS..=MAX_COST_MICROS).contains(&cost_micros) {
        let rule = "is out of range: wants at most 1000000000000 either way, in millionths of the currency";
        return Err(RecordError::of_field(Reason::BadCost, "cost_micros", 0, rule));
    }
    if !has_currency {
        let rule = "is missing: cost_micros needs one, such as USD";
        return Err(RecordError::of_field(Reason::MissingField, "currency", 0, rule));
    }
    Ok(())
}

/// `caller_ip`: an address in its one canonical text, so that distinct addresses can be counted as texts.
pub fn address(raw: &str) -> Result<SmolStr, RecordError> {
    let rule = "is no IP address: wants IPv4 such as 192.0.2.7 or IPv6 such as 2001:db8::7, without a port";
    let address: IpAddr =
        raw.parse().map_err(|_| RecordError::of_field(Reason::BadIp, "caller_ip", raw.len(), rule))?;
    Ok(address.to_smolstr())
}
