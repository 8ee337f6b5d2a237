//! Twilio's status callback: the form that it posts when a call is over.

use cdr::{Reason, RecordError};

use crate::local_time::Hint;
use crate::twilio::{Resource, duration, is_not_over, leg, missing, moment, present};
use crate::{Leg, Legs, Site};

/// The leg of a status callback, or none if its call is not over yet, given its form's fields, decoded: `CallSid`, `ParentCallSid`, `From`, `To`,
/// `CallStatus`, `CallDuration` (whole seconds), `Timestamp` (RFC 2822); others are passed over.
///
/// The callback says when the call ended, not when it began: an answered call begins and is answered `CallDuration`
/// before its `Timestamp`, any other at it. A call that is counted by its callback and read again from an export may
/// begin in another minute there, and count twice: use one of the two.
pub fn status_callback<'f>(
    site: &Site<'_>,
    fields: impl IntoIterator<Item = (&'f str, &'f str)>,
) -> Result<Option<Leg>, RecordError> {
    let mut form = Form::default();
    for (name, value) in fields {
        form.set(name, value)?;
    }
    if form.call.status.is_some_and(is_not_over) {
        return Ok(None);
    }
    let ended = moment("Timestamp", present(form.timestamp).ok_or(missing("Timestamp"))?, Hint::NONE)?;
    let seconds = duration("CallDuration", form.duration)?.unwrap_or_default();
    let call = Resource { start: Some("start"), end: Some("end"), ..form.call };
    let talked = form.call.status.is_some_and(|status| status.eq_ignore_ascii_case("completed"));
    let started = if talked { ended - seconds * 1000 } else { ended };
    let at = |field: &'static str, _: &str, _: Hint| Ok(if field == "start_time" { started } else { ended });
    let leg = leg(site, Legs::Merged, &call, at);
    leg.map(Some).map_err(|error| RecordError { field: name_of(error.field), ..error })
}

#[derive(Default)]
struct Form<'f> {
    call: Resource<'f>,
    timestamp: Option<&'f str>,
    duration: Option<&'f str>,
}

impl<'f> Form<'f> {
    fn set(&mut self, name: &str, value: &'f str) -> Result<(), RecordError> {
        let (known, place) = match name {
            "CallSid" => ("CallSid", &mut self.call.sid),
            "ParentCallSid" => ("ParentCallSid", &mut self.call.parent_sid),
            "From" => ("From", &mut self.call.from),
            "To" => ("To", &mut self.call.to),
            "CallStatus" => ("CallStatus", &mut self.call.status),
            "CallDuration" => ("CallDuration", &mut self.duration),
            "Timestamp" => ("Timestamp", &mut self.timestamp),
            _ => return Ok(()),
        };
        if place.replace(value).is_some() {
            return Err(RecordError::of_field(Reason::DuplicateField, known, value.len(), "is given twice"));
        }
        Ok(())
    }
}

/// The field of the form that a property was made of.
fn name_of(property: &'static str) -> &'static str {
    match property {
        "sid" => "CallSid",
        "from" => "From",
        "to" => "To",
        "status" => "CallStatus",
        "duration" => "CallDuration",
        "start_time" | "end_time" => "Timestamp",
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cdr::{NumberPlan, format_time};

    use super::*;

    const FORM: [(&str, &str); 8] = [
        ("CallSid", "CA00000000000000000000000000000001"),
        ("AccountSid", "AC00000000000000000000000000000001"),
        ("From", "+12025550101"),
        ("To", "+12025550102"),
        ("CallStatus", "completed"),
        ("CallDuration", "60"),
        ("Timestamp", "Tue, 01 Dec 2026 10:01:15 +0000"),
        ("CallbackSource", "call-progress-events"),
    ];

    fn read<'f>(fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> Result<Leg, RecordError> {
        let plan = NumberPlan::new("US").unwrap();
        status_callback(&Site::new(&plan, "tw", "UTC").unwrap(), fields).map(Option::unwrap)
    }

    fn with(name: &'static str, value: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
        FORM.into_iter().filter(move |field| field.0 != name).chain([(name, value)])
    }

    #[test]
    fn an_answered_call_begins_its_duration_before_the_callback() {
        let call = read(FORM).unwrap().call;
        assert_eq!(format_time(call.started_at_ms), "2026-12-01T10:00:15.000Z");
        assert_eq!(call.answered_at_ms, Some(call.started_at_ms));
        assert_eq!(format_time(call.ended_at_ms), "2026-12-01T10:01:15.000Z");
    }

    #[test]
    fn a_call_that_was_not_answered_is_over_as_it_begins() {
        let call = read(with("CallStatus", "no-answer")).unwrap().call;
        assert_eq!(format_time(call.started_at_ms), "2026-12-01T10:01:15.000Z");
        assert_eq!((call.answered_at_ms, call.ended_at_ms), (None, call.started_at_ms));
    }

    #[test]
    fn a_call_that_is_not_over_is_no_leg_yet() {
        let plan = NumberPlan::new("US").unwrap();
        let site = Site::new(&plan, "tw", "UTC").unwrap();
        for status in ["queued", "initiated", "ringing", "in-progress"] {
            assert_eq!(status_callback(&site, with("CallStatus", status)), Ok(None), "{status}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_as_in_the_form() {
        for (name, value, reason) in [
            ("CallStatus", "gone", Reason::BadOutcome),
            ("CallDuration", "a minute", Reason::BadDuration),
            ("Timestamp", "", Reason::MissingField),
            ("Timestamp", "yesterday", Reason::BadTime),
            ("CallSid", "", Reason::MissingField),
            ("To", "nobody at all", Reason::BadNumber),
        ] {
            let error = read(with(name, value)).unwrap_err();
            assert_eq!((error.field, error.reason), (name, reason));
        }
        let twice = read(FORM.into_iter().chain([("From", "+12025550103")])).unwrap_err();
        assert_eq!((twice.field, twice.reason), ("From", Reason::DuplicateField));
    }
}
