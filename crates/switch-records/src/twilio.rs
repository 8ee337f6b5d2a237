//! Twilio's Call resource as a leg, whatever form it comes in: the REST API's JSON, an export as CSV, a status callback.
//!
//! Facts are those of Twilio's documentation of the Call resource. What is made of them:
//! - `call_id` is the sid of the parent call where there is one, else the call's own ([`Legs::Each`]: always its own): a
//!   parent and what it dialled are one call, in one file or in callbacks that come one by one. The parent wins, since it lasts as long as the call
//!   does, and its numbers are those of the one who called and of what was called. Of a call made by the REST API the
//!   first leg has no parent either.
//! - `started_at` is `start_time`, or `date_created` for a call that was never dialled.
//! - `duration` counts from the answer, so that the answer is that much before `end_time`.
//! - A price is negative where it is charged; a cost is what is charged. A price without its unit is passed over.
//! - queued, initiated, ringing and in-progress calls are refused: they are not over.

use std::borrow::Cow;

use cdr::{CallRecord, RawRecord, Reason, RecordError};
use jiff::fmt::rfc2822;
use smol_str::SmolStr;

use crate::decimal::micros;
use crate::durations::TOLERANCE_MS;
use crate::local_time::Hint;
use crate::twilio_number::number;
use crate::{Leg, Legs, Role, Site};

/// The properties of a Call resource that are used; empty texts are absent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resource<'a> {
    pub sid: Option<&'a str>,
    pub parent_sid: Option<&'a str>,
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
    pub status: Option<&'a str>,
    pub created: Option<&'a str>,
    pub start: Option<&'a str>,
    pub end: Option<&'a str>,
    /// Seconds.
    pub duration: Option<&'a str>,
    pub price: Option<&'a str>,
    pub price_unit: Option<&'a str>,
}

/// The leg of a resource, its times read by `moment`.
pub(crate) fn leg(
    site: &Site<'_>,
    legs: Legs,
    call: &Resource<'_>,
    moment: impl Fn(&'static str, &str, Hint) -> Result<i64, RecordError>,
) -> Result<Leg, RecordError> {
    let time = |field, text: Option<&str>, hint| present(text).map(|text| moment(field, text, hint)).transpose();
    let outcome = outcome(call.status)?;
    let start = time("start_time", call.start, Hint::NONE)?;
    let started = if start.is_some() { start } else { time("date_created", call.created, Hint::NONE)? };
    let talk_ms = duration("duration", call.duration)?.map(|seconds| seconds * 1000);
    let expected = started.zip(talk_ms).map(|(started, talk_ms)| started + talk_ms);
    let hint = Hint { not_before: started.unwrap_or(i64::MIN), expected };
    let end = time("end_time", call.end, hint)?;
    let (answered, ended) = match outcome {
        "answered" => {
            let ended = end.or_else(|| Some(started? + talk_ms?));
            let answered = match (started, ended, talk_ms) {
                (Some(started), Some(ended), Some(talk_ms)) => Some(answered(started, ended, talk_ms)?),
                _ => started,
            };
            (answered, ended)
        }
        _ => (None, end.or(started)),
    };
    let currency = present(call.price_unit);
    let cost_micros = cost(call.price.filter(|_| currency.is_some()))?;
    let sid = present(call.sid).ok_or(missing("sid"))?;
    let parent_sid = present(call.parent_sid);
    let raw = RawRecord {
        call_id: Some(Cow::Borrowed(parent_sid.filter(|_| legs == Legs::Merged).unwrap_or(sid))),
        caller: Some(number(site, call.from.unwrap_or_default())),
        callee: present(call.to).map(|to| number(site, to)),
        started_at_ms: started,
        answered_at_ms: answered,
        ended_at_ms: ended,
        outcome: Some(Cow::Borrowed(outcome)),
        channel: Some(Cow::Borrowed("voice")),
        cost_micros,
        currency: currency.map(|unit| Cow::Owned(unit.to_ascii_uppercase())),
        ..RawRecord::default()
    };
    let links = std::iter::once(sid).chain(parent_sid).map(SmolStr::new).collect();
    let role = if parent_sid.is_some() { Role::Terminating } else { Role::Originating };
    Ok(Leg { links, role, call: validated(site, &raw)? })
}

/// A moment as the REST API writes it, RFC 2822, or as bulk exports and the helper libraries do, RFC 3339.
pub(crate) fn moment(field: &'static str, text: &str, _: Hint) -> Result<i64, RecordError> {
    with_zone(text).ok_or(RecordError::of_field(
        Reason::BadTime,
        field,
        text.len(),
        "is no time: wants RFC 2822 such as Tue, 31 Aug 2010 20:36:28 +0000, or RFC 3339",
    ))
}

/// A moment in one of the forms that name a zone.
pub(crate) fn with_zone(text: &str) -> Option<i64> {
    cdr::parse_time(text).or_else(|| rfc_2822(text))
}

/// A moment as RFC 2822 writes it.
pub(crate) fn rfc_2822(text: &str) -> Option<i64> {
    Some(RFC_2822.parse_timestamp(text).ok()?.as_millisecond())
}

/// Whole seconds, where there are any.
pub(crate) fn duration(field: &'static str, text: Option<&str>) -> Result<Option<i64>, RecordError> {
    let Some(text) = present(text) else { return Ok(None) };
    let seconds: Option<u32> = text.parse().ok();
    let rule = "is no duration: wants whole seconds";
    let wrong = RecordError::of_field(Reason::BadDuration, field, text.len(), rule);
    seconds.map(|seconds| Some(i64::from(seconds))).ok_or(wrong)
}

/// An empty text is absent, and so is null, which some exports write.
pub(crate) fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty() && *text != "null")
}

pub(crate) const fn missing(field: &'static str) -> RecordError {
    RecordError::of_field(Reason::MissingField, field, 0, "is missing: it is required")
}

const RFC_2822: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new();

fn outcome(status: Option<&str>) -> Result<&'static str, RecordError> {
    let status = present(status).ok_or(missing("status"))?;
    let rule = match status.to_ascii_lowercase().as_str() {
        "completed" => return Ok("answered"),
        "busy" => return Ok("busy"),
        "no-answer" => return Ok("no_answer"),
        "canceled" => return Ok("canceled"),
        "failed" => return Ok("failed"),
        other if is_not_over(other) => "is that of a call that is not over: fetch it again when it is completed",
        _ => "is no call status of Twilio: wants completed, busy, no-answer, canceled or failed",
    };
    Err(RecordError::of_field(Reason::BadOutcome, "status", status.len(), rule))
}

/// Whether a call of this status goes on.
pub(crate) fn is_not_over(status: &str) -> bool {
    let going_on = ["queued", "initiated", "ringing", "answered", "in-progress"];
    going_on.iter().any(|other| status.eq_ignore_ascii_case(other))
}

/// Times are whole seconds, so that a duration may be longer than they say; by more than that, it contradicts them.
fn answered(started: i64, ended: i64, talk_ms: i64) -> Result<i64, RecordError> {
    let answered = ended - talk_ms;
    if answered >= started {
        return Ok(answered);
    }
    if started - answered <= TOLERANCE_MS && started <= ended {
        return Ok(started);
    }
    let rule = "does not add up: it is longer than from start_time to end_time";
    Err(RecordError::of_field(Reason::BadDuration, "duration", 0, rule))
}

fn cost(price: Option<&str>) -> Result<Option<i64>, RecordError> {
    let Some(price) = present(price) else { return Ok(None) };
    let rule = "is no price: wants a decimal number such as -0.0085";
    let charged = micros(price, b'.').ok_or(RecordError::of_field(Reason::BadCost, "price", price.len(), rule))?;
    Ok(Some(-charged))
}

fn validated(site: &Site<'_>, raw: &RawRecord<'_>) -> Result<CallRecord, RecordError> {
    raw.validate(site.plan).map_err(|error| RecordError { field: name_of(error.field), ..error })
}

/// The property that a field was made of.
fn name_of(field: &'static str) -> &'static str {
    match field {
        "call_id" => "sid",
        "caller" => "from",
        "callee" => "to",
        "started_at" => "start_time",
        "answered_at" => "duration",
        "ended_at" => "end_time",
        "outcome" => "status",
        "cost_micros" => "price",
        "currency" => "price_unit",
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cdr::{NumberPlan, Outcome, format_time};

    use super::*;

    const CALL: Resource<'static> = Resource {
        sid: Some("CA00000000000000000000000000000001"),
        parent_sid: None,
        from: Some("+12025550101"),
        to: Some("+12025550102"),
        status: Some("completed"),
        created: Some("Tue, 01 Dec 2026 10:00:00 +0000"),
        start: Some("Tue, 01 Dec 2026 10:00:05 +0000"),
        end: Some("Tue, 01 Dec 2026 10:01:15 +0000"),
        duration: Some("60"),
        price: Some("-0.00850"),
        price_unit: Some("USD"),
    };

    fn read(call: &Resource<'_>) -> Result<Leg, RecordError> {
        let plan = NumberPlan::new("US").unwrap();
        leg(&Site::new(&plan, "tw", "UTC").unwrap(), Legs::Merged, call, moment)
    }

    #[test]
    fn a_completed_call_is_answered_its_duration_before_its_end() {
        let leg = read(&CALL).unwrap();
        assert_eq!(format_time(leg.call.started_at_ms), "2026-12-01T10:00:05.000Z");
        assert_eq!(format_time(leg.call.answered_at_ms.unwrap()), "2026-12-01T10:00:15.000Z");
        assert_eq!(format_time(leg.call.ended_at_ms), "2026-12-01T10:01:15.000Z");
        assert_eq!((leg.call.cost_micros, leg.call.currency.as_deref()), (Some(8_500), Some("USD")));
        assert_eq!(leg.role, Role::Originating);
        assert_eq!(leg.links, ["CA00000000000000000000000000000001"]);
    }

    #[test]
    fn a_child_is_linked_to_its_parent_and_named_after_it() {
        let parent = "CA00000000000000000000000000000009";
        let parent_sid = Some(parent);
        let leg = read(&Resource { parent_sid, ..CALL }).unwrap();
        assert_eq!(leg.call.call_id, parent);
        assert_eq!(leg.role, Role::Terminating);
        assert_eq!(leg.links, ["CA00000000000000000000000000000001", "CA00000000000000000000000000000009"]);
        let plan = NumberPlan::new("US").unwrap();
        let site = Site::new(&plan, "tw", "UTC").unwrap();
        let by_itself = super::leg(&site, Legs::Each, &Resource { parent_sid, ..CALL }, moment).unwrap();
        assert_eq!(by_itself.call.call_id, "CA00000000000000000000000000000001");
    }

    #[test]
    fn statuses_are_outcomes() {
        for (status, wanted) in [
            ("completed", Outcome::Answered),
            ("busy", Outcome::Busy),
            ("no-answer", Outcome::NoAnswer),
            ("canceled", Outcome::Canceled),
            ("failed", Outcome::Failed),
        ] {
            let leg = read(&Resource { status: Some(status), duration: Some("0"), ..CALL }).unwrap();
            assert_eq!(leg.call.outcome, wanted, "{status}");
        }
    }

    #[test]
    fn a_call_that_is_not_over_is_refused_with_what_to_do() {
        for status in ["queued", "initiated", "ringing", "in-progress"] {
            let error = read(&Resource { status: Some(status), ..CALL }).unwrap_err();
            assert_eq!((error.reason, error.field), (Reason::BadOutcome, "status"));
            assert!(error.rule.contains("fetch it again"), "{error}");
        }
        assert!(read(&Resource { status: Some("gone"), ..CALL }).unwrap_err().rule.contains("no call status"));
    }

    #[test]
    fn a_call_that_was_never_dialled_begins_when_it_was_made() {
        let call = Resource { status: Some("failed"), start: None, end: Some(""), duration: None, ..CALL };
        let leg = read(&call).unwrap();
        assert_eq!(format_time(leg.call.started_at_ms), "2026-12-01T10:00:00.000Z");
        assert_eq!(leg.call.ended_at_ms, leg.call.started_at_ms);
        let error = read(&Resource { created: None, ..call }).unwrap_err();
        assert_eq!((error.reason, error.field), (Reason::MissingField, "start_time"));
    }

    #[test]
    fn a_duration_that_does_not_add_up_is_refused() {
        assert_eq!(read(&Resource { duration: Some("72"), ..CALL }).unwrap().call.talk_ms(), 70_000);
        let error = read(&Resource { duration: Some("73"), ..CALL }).unwrap_err();
        assert_eq!((error.reason, error.field), (Reason::BadDuration, "duration"));
        let error = read(&Resource { duration: Some("-1"), ..CALL }).unwrap_err();
        assert_eq!((error.reason, error.field), (Reason::BadDuration, "duration"));
    }

    #[test]
    fn a_price_without_its_unit_is_passed_over() {
        let call = read(&Resource { price_unit: None, ..CALL }).unwrap().call;
        assert_eq!((call.cost_micros, call.currency), (None, None));
    }

    #[test]
    fn times_name_their_zone() {
        for same in ["Tue, 01 Dec 2026 11:00:05 +0100", "2026-12-01T10:00:05Z", "2026-12-01 10:00:05+00:00"] {
            assert_eq!(moment("start_time", same, Hint::NONE), Ok(1_796_119_205_000), "{same}");
        }
        for wrong in [
            "2026-12-01 10:00:05",
            "Mon, 01 Dec 2026 10:00:05 +0000",
            "1796119205",
            "Tue, 31 Feb 2026 10:00:05 +0000",
        ] {
            assert_eq!(moment("start_time", wrong, Hint::NONE).unwrap_err().reason, Reason::BadTime, "{wrong}");
        }
    }

    #[test]
    fn errors_name_twilios_properties_and_never_a_number() {
        for (call, field) in [
            (Resource { sid: None, ..CALL }, "sid"),
            (Resource { from: Some("+1202555010199999999"), ..CALL }, "from"),
            (Resource { to: Some(""), ..CALL }, "to"),
            (Resource { status: None, ..CALL }, "status"),
            (Resource { price: Some("free"), ..CALL }, "price"),
            (Resource { price_unit: Some("dollars"), ..CALL }, "price_unit"),
            (Resource { end: Some("Tue, 01 Dec 2026 09:00:00 +0000"), duration: None, ..CALL }, "end_time"),
        ] {
            let error = read(&call).unwrap_err();
            assert_eq!(error.field, field);
            assert!(!error.to_string().contains("2025550"), "{error}");
        }
    }
}
