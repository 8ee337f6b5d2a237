//! The one place where a record becomes a call record, whatever format it came in.

use std::borrow::Cow;
use std::net::IpAddr;

use smol_str::{SmolStr, ToSmolStr};

use crate::limits::{
    MAX_CALL_ID_BYTES, MAX_COST_MICROS, MAX_DURATION_MS, MAX_TEXT_BYTES, TIME_FROM_MS, TIME_UNTIL_MS,
};
use crate::{CallRecord, Channel, Number, NumberPlan, Outcome, Reason, RecordError, parse_time};

/// A record as a format gives it: nothing is checked, everything may be absent. An empty text is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRecord<'a> {
    /// The producer's name for the call.
    pub call_id: Option<Cow<'a, str>>,
    /// The A-number in any form that [`NumberPlan::parse`] takes.
    pub caller: Option<Cow<'a, str>>,
    /// The B-number, likewise.
    pub callee: Option<Cow<'a, str>>,
    /// Milliseconds since 1970 UTC.
    pub started_at_ms: Option<i64>,
    /// Milliseconds since 1970 UTC.
    pub answered_at_ms: Option<i64>,
    /// Milliseconds since 1970 UTC.
    pub ended_at_ms: Option<i64>,
    /// The name of an [`Outcome`].
    pub outcome: Option<Cow<'a, str>>,
    /// The name of a [`Channel`].
    pub channel: Option<Cow<'a, str>>,
    /// The trunk.
    pub trunk: Option<Cow<'a, str>>,
    /// The radio cell.
    pub cell_id: Option<Cow<'a, str>>,
    /// The handset.
    pub imei: Option<Cow<'a, str>>,
    /// Millionths of `currency`.
    pub cost_micros: Option<i64>,
    /// ISO 4217 code.
    pub currency: Option<Cow<'a, str>>,
    /// An IPv4 or IPv6 address as text.
    pub caller_ip: Option<Cow<'a, str>>,
}

impl RawRecord<'_> {
    /// Reads the text of a time field, for formats whose times are text.
    pub fn time(field: &'static str, text: &str) -> Result<i64, RecordError> {
        parse_time(text).ok_or(RecordError::of_field(
            Reason::BadTime,
            field,
            text.len(),
            "is no time: wants RFC 3339 with a zone, such as 2026-11-21T07:06:05.004Z",
        ))
    }

    /// The call record, or the first rule that the record breaks, in the order of the fields.
    #[allow(clippy::similar_names)] // The fields are called so.
    pub fn validate(&self, plan: &NumberPlan) -> Result<CallRecord, RecordError> {
        let call_id = required("call_id", self.call_id.as_deref())?;
        if call_id.len() > MAX_CALL_ID_BYTES {
            let rule = "is too long: wants 1 to 128 bytes";
            return Err(RecordError::of_field(Reason::BadCallId, "call_id", call_id.len(), rule));
        }
        let caller = number(plan, "caller", self.caller.as_deref())?;
        let callee = number(plan, "callee", self.callee.as_deref())?;
        let started_at_ms = required_time("started_at", self.started_at_ms)?;
        let answered_at_ms = self.answered_at_ms.map(|ms| in_range("answered_at", ms)).transpose()?;
        let ended_at_ms = required_time("ended_at", self.ended_at_ms)?;
        check_order(started_at_ms, answered_at_ms, ended_at_ms)?;
        let outcome = outcome(required("outcome", self.outcome.as_deref())?)?;
        check_answered(outcome, answered_at_ms)?;
        let channel = present(self.channel.as_deref()).map(channel).transpose()?;
        let trunk = text("trunk", self.trunk.as_deref())?;
        let cell_id = text("cell_id", self.cell_id.as_deref())?;
        let imei = text("imei", self.imei.as_deref())?;
        let currency = present(self.currency.as_deref()).map(currency).transpose()?;
        check_cost(self.cost_micros, currency.is_some())?;
        let caller_ip = present(self.caller_ip.as_deref()).map(address).transpose()?;
        Ok(CallRecord {
            call_id: SmolStr::new(call_id),
            caller,
            callee,
            started_at_ms,
            answered_at_ms,
            ended_at_ms,
            outcome,
            channel,
            trunk,
            cell_id,
            imei,
            cost_micros: self.cost_micros,
            currency,
            caller_ip,
        })
    }
}

fn present(value: Option<&str>) -> Option<&str> {
    value.filter(|text| !text.is_empty())
}

const MISSING: &str = "is missing: it is required";

fn required<'v>(field: &'static str, value: Option<&'v str>) -> Result<&'v str, RecordError> {
    present(value).ok_or(RecordError::of_field(Reason::MissingField, field, 0, MISSING))
}

fn number(plan: &NumberPlan, field: &'static str, value: Option<&str>) -> Result<Number, RecordError> {
    let raw = required(field, value)?;
    plan.parse(raw).map_err(|error| RecordError::of_field(Reason::BadNumber, field, raw.len(), error.rule()))
}

fn required_time(field: &'static str, value: Option<i64>) -> Result<i64, RecordError> {
    in_range(field, value.ok_or(RecordError::of_field(Reason::MissingField, field, 0, MISSING))?)
}

fn in_range(field: &'static str, ms: i64) -> Result<i64, RecordError> {
    let rule = "is out of range: wants a time from 2000-01-01 to 2099-12-31, in milliseconds where it is a number";
    if (TIME_FROM_MS..TIME_UNTIL_MS).contains(&ms) {
        Ok(ms)
    } else {
        Err(RecordError::of_field(Reason::BadTime, field, 0, rule))
    }
}

fn check_order(started: i64, answered: Option<i64>, ended: i64) -> Result<(), RecordError> {
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

fn outcome(name: &str) -> Result<Outcome, RecordError> {
    let rule = "is no outcome: wants answered, no_answer, busy, failed or canceled";
    Outcome::from_name(name).ok_or(RecordError::of_field(Reason::BadOutcome, "outcome", name.len(), rule))
}

fn check_answered(outcome: Outcome, answered: Option<i64>) -> Result<(), RecordError> {
    let rule = match (outcome == Outcome::Answered, answered.is_some()) {
        (true, false) => "is missing though the outcome is answered",
        (false, true) => "is there though the outcome is not answered",
        _ => return Ok(()),
    };
    Err(RecordError::of_field(Reason::AnsweredMismatch, "answered_at", 0, rule))
}

fn channel(name: &str) -> Result<Channel, RecordError> {
    let rule = "is no channel: wants voice or sms";
    Channel::from_name(name).ok_or(RecordError::of_field(Reason::BadChannel, "channel", name.len(), rule))
}

fn text(field: &'static str, value: Option<&str>) -> Result<Option<SmolStr>, RecordError> {
    let Some(text) = present(value) else {
        return Ok(None);
    };
    if text.len() > MAX_TEXT_BYTES {
        let rule = "is too long: wants at most 128 bytes";
        return Err(RecordError::of_field(Reason::BadText, field, text.len(), rule));
    }
    Ok(Some(SmolStr::new(text)))
}

fn currency(code: &str) -> Result<SmolStr, RecordError> {
    if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(SmolStr::new(code));
    }
    let rule = "is no currency: wants three capital letters of ISO 4217, such as USD";
    Err(RecordError::of_field(Reason::BadCurrency, "currency", code.len(), rule))
}

fn check_cost(cost_micros: Option<i64>, has_currency: bool) -> Result<(), RecordError> {
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

/// An address in its one canonical text, so that distinct addresses can be counted as texts.
fn address(raw: &str) -> Result<SmolStr, RecordError> {
    let rule = "is no IP address: wants IPv4 such as 192.0.2.7 or IPv6 such as 2001:db8::7, without a port";
    let address: IpAddr =
        raw.parse().map_err(|_| RecordError::of_field(Reason::BadIp, "caller_ip", raw.len(), rule))?;
    Ok(address.to_smolstr())
}
