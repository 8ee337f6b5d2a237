//! The one place where a record becomes a call record, whatever format it came in.

use std::borrow::Cow;

use smol_str::SmolStr;

use crate::rules::{
    address, call_id, channel, check_answered, check_cost, check_order, currency, in_range, number, outcome, present,
    required, required_time, text,
};
use crate::{CallRecord, NumberPlan, Reason, RecordError, parse_time};

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
    /// The name of an [`crate::Outcome`].
    pub outcome: Option<Cow<'a, str>>,
    /// The name of a [`crate::Channel`].
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
        let call_id = call_id(self.call_id.as_deref())?;
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
            trunk: trunk.map(SmolStr::new),
            cell_id: cell_id.map(SmolStr::new),
            imei: imei.map(SmolStr::new),
            cost_micros: self.cost_micros,
            currency: currency.map(SmolStr::new),
            caller_ip,
        })
    }
}
