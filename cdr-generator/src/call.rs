//! A generated call and its JSON form.

use std::borrow::Cow;
use std::fmt::Write;

use call_files::CallRow;
use cdr::{CallRecord, Channel, NumberPlan, Outcome, RawRecord, RecordError};
use smol_str::SmolStr;

/// One call or message as its switch would record it. Numbers are canonical. All times are milliseconds since
/// 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedCall {
    /// Different for every call of a data set.
    pub call_id: SmolStr,
    /// The A-number.
    pub caller: SmolStr,
    /// The B-number.
    pub callee: SmolStr,
    /// When the attempt began.
    pub started_at_ms: i64,
    /// When the callee picked up; present exactly when the outcome is [`Outcome::Answered`].
    pub answered_at_ms: Option<i64>,
    /// When the attempt was over.
    pub ended_at_ms: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// Voice or message.
    pub channel: Channel,
    /// The trunk, for calls that leave the country or come from another.
    pub trunk: Option<SmolStr>,
    /// The caller's radio cell.
    pub cell_id: Option<SmolStr>,
    /// The caller's handset.
    pub imei: Option<SmolStr>,
    /// Cost in millionths of `currency`.
    pub cost_micros: Option<i64>,
    /// ISO 4217 code of the cost.
    pub currency: Option<&'static str>,
    /// Where a caller that uses the internet signalled from.
    pub caller_ip: Option<SmolStr>,
}

impl GeneratedCall {
    /// A call with nothing but what every call has; the rest is filled in.
    pub(crate) fn attempt(caller: SmolStr, callee: SmolStr, started_at_ms: i64, end: Ending) -> Self {
        let Ending { outcome, ring_ms, talk_ms } = end;
        Self {
            call_id: SmolStr::default(),
            caller,
            callee,
            started_at_ms,
            answered_at_ms: (outcome == Outcome::Answered).then_some(started_at_ms + ring_ms),
            ended_at_ms: started_at_ms + ring_ms + talk_ms,
            outcome,
            channel: Channel::Voice,
            trunk: None,
            cell_id: None,
            imei: None,
            cost_micros: None,
            currency: None,
            caller_ip: None,
        }
    }

    /// Time in conversation, in milliseconds; 0 if it was not answered.
    pub fn talk_ms(&self) -> i64 {
        self.answered_at_ms.map_or(0, |answered| self.ended_at_ms - answered)
    }

    /// Time until it was answered or given up, in milliseconds.
    pub fn ring_ms(&self) -> i64 {
        self.answered_at_ms.unwrap_or(self.ended_at_ms) - self.started_at_ms
    }

    /// Bills the conversation at a price a minute, in millionths of `currency`.
    pub(crate) fn bill(&mut self, micros_a_minute: i64, currency: &'static str) {
        self.cost_micros = Some(self.talk_ms() * micros_a_minute / 60_000);
        self.currency = Some(currency);
    }

    /// The call as the rest of Tollwatch knows it. Fails only if `plan` does not know the numbers, which would be
    /// a mistake of this crate.
    pub fn to_record(&self, plan: &NumberPlan) -> Result<CallRecord, RecordError> {
        fn optional(text: Option<&SmolStr>) -> Option<Cow<'_, str>> {
            text.map(|text| Cow::Borrowed(text.as_str()))
        }
        RawRecord {
            call_id: optional(Some(&self.call_id)),
            caller: optional(Some(&self.caller)),
            callee: optional(Some(&self.callee)),
            started_at_ms: Some(self.started_at_ms),
            answered_at_ms: self.answered_at_ms,
            ended_at_ms: Some(self.ended_at_ms),
            outcome: Some(Cow::Borrowed(self.outcome.as_str())),
            channel: Some(Cow::Borrowed(self.channel.as_str())),
            trunk: optional(self.trunk.as_ref()),
            cell_id: optional(self.cell_id.as_ref()),
            imei: optional(self.imei.as_ref()),
            cost_micros: self.cost_micros,
            currency: self.currency.map(Cow::Borrowed),
            caller_ip: optional(self.caller_ip.as_ref()),
        }
        .validate(plan)
    }

    /// The call as a row of a file, which is what [`GeneratedCall::to_record`] makes of it.
    pub fn row(&self) -> CallRow<'_> {
        CallRow {
            call_id: &self.call_id,
            caller: &self.caller,
            callee: &self.callee,
            started_at_ms: self.started_at_ms,
            answered_at_ms: self.answered_at_ms,
            ended_at_ms: self.ended_at_ms,
            outcome: self.outcome,
            channel: Some(self.channel),
            trunk: self.trunk.as_deref(),
            cell_id: self.cell_id.as_deref(),
            imei: self.imei.as_deref(),
            cost_micros: self.cost_micros,
            currency: self.currency,
            caller_ip: self.caller_ip.as_deref(),
        }
    }

    /// The JSON object as [`CallRecord::to_json`] writes it, on one line without its end.
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(JSON_BYTES);
        self.write_json(&mut json);
        json
    }

    /// Appends [`GeneratedCall::to_json`] to `out`.
    pub fn write_json(&self, out: &mut String) {
        // No text here holds anything that JSON escapes: they are made of letters, digits and + - : / . _
        text(out, "{\"call_id\":", &self.call_id);
        text(out, ",\"caller\":", &self.caller);
        text(out, ",\"callee\":", &self.callee);
        text(out, ",\"started_at\":", &cdr::format_time(self.started_at_ms));
        if let Some(answered_at_ms) = self.answered_at_ms {
            text(out, ",\"answered_at\":", &cdr::format_time(answered_at_ms));
        }
        text(out, ",\"ended_at\":", &cdr::format_time(self.ended_at_ms));
        text(out, ",\"outcome\":", self.outcome.as_str());
        text(out, ",\"channel\":", self.channel.as_str());
        for (name, value) in
            [(",\"trunk\":", &self.trunk), (",\"cell_id\":", &self.cell_id), (",\"imei\":", &self.imei)]
        {
            if let Some(value) = value {
                text(out, name, value);
            }
        }
        if let (Some(cost_micros), Some(currency)) = (self.cost_micros, self.currency) {
            // Writing to a string does not fail.
            let _ = write!(out, ",\"cost_micros\":{cost_micros}");
            text(out, ",\"currency\":", currency);
        }
        if let Some(caller_ip) = &self.caller_ip {
            text(out, ",\"caller_ip\":", caller_ip);
        }
        out.push('}');
    }
}

/// How an attempt ends. `talk_ms` is 0 unless it was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) ring_ms: i64,
    pub(crate) talk_ms: i64,
}

/// A record with all its optional fields, rounded up.
const JSON_BYTES: usize = 384;

fn text(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push('"');
    out.push_str(value);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_the_fields_that_are_there() {
        let end = Ending { outcome: Outcome::Answered, ring_ms: 4_000, talk_ms: 90_000 };
        let mut call = GeneratedCall::attempt("+12025550101".into(), "+442079460018".into(), 1_795_244_765_004, end);
        call.call_id = "a-1".into();
        call.bill(20_000, "USD");
        call.cell_id = Some("310-260-1-2".into());
        assert_eq!(
            call.to_json(),
            r#"{"call_id":"a-1","caller":"+12025550101","callee":"+442079460018","started_at":"2026-11-21T07:06:05.004Z","answered_at":"2026-11-21T07:06:09.004Z","ended_at":"2026-11-21T07:07:39.004Z","outcome":"answered","channel":"voice","cell_id":"310-260-1-2","cost_micros":30000,"currency":"USD"}"#
        );
        assert_eq!((call.ring_ms(), call.talk_ms()), (4_000, 90_000));
    }

    #[test]
    fn a_call_that_is_not_answered_has_no_answer_time() {
        let end = Ending { outcome: Outcome::Busy, ring_ms: 700, talk_ms: 0 };
        let call = GeneratedCall::attempt("anonymous".into(), "short:1:911".into(), 0, end);
        assert!(!call.to_json().contains("answered_at"));
        assert_eq!((call.answered_at_ms, call.ring_ms(), call.talk_ms()), (None, 700, 0));
    }
}
