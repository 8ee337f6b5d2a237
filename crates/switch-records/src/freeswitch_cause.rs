//! What became of a leg, by FreeSWITCH's hangup cause.

use cdr::{Outcome, Reason, RecordError};

use crate::q850;

/// The outcome of a cause: its name in `switch_types.h`, or its number, which below 128 is Q.850's.
///
/// Of a leg that was not answered, `ORIGINATOR_CANCEL` was given up by the caller, and so was one that ended with
/// `NORMAL_CLEARING`, that was answered elsewhere or that was transferred; `USER_BUSY` and `CALL_REJECTED` are busy;
/// `NO_ANSWER`, `NO_USER_RESPONSE`, `SUBSCRIBER_ABSENT`, `NORMAL_UNSPECIFIED` and the timeouts rang in vain. Every other
/// cause is a failure.
pub(crate) fn outcome(cause: &str, is_answered: bool) -> Result<Outcome, RecordError> {
    if is_answered {
        return Ok(Outcome::Answered);
    }
    if cause.is_empty() {
        let rule = "is missing: it is required where there is no answer";
        return Err(RecordError::of_field(Reason::MissingField, FIELD, 0, rule));
    }
    if let Ok(number) = cause.parse::<u32>() {
        return Ok(match number {
            CANCEL => Outcome::Canceled,
            number => q850::outcome(number, false),
        });
    }
    if !is_name(cause) {
        let rule = "is no cause: wants one such as NORMAL_CLEARING";
        return Err(RecordError::of_field(Reason::BadOutcome, FIELD, cause.len(), rule));
    }
    Ok(match cause {
        "ORIGINATOR_CANCEL" | "NORMAL_CLEARING" | "LOSE_RACE" | "PICKED_OFF" | "BLIND_TRANSFER"
        | "ATTENDED_TRANSFER" => Outcome::Canceled,
        "USER_BUSY" | "CALL_REJECTED" => Outcome::Busy,
        "NO_ANSWER" | "NO_USER_RESPONSE" | "SUBSCRIBER_ABSENT" | "NORMAL_UNSPECIFIED" | "ALLOTTED_TIMEOUT"
        | "PROGRESS_TIMEOUT" => Outcome::NoAnswer,
        _ => Outcome::Failed,
    })
}

/// Whether a text has the form of a cause's name.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() > 2
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

const FIELD: &str = "hangup_cause";

/// The number of `ORIGINATOR_CANCEL`, which is that of SIP.
const CANCEL: u32 = 487;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_known_by_name_and_number() {
        let of = |cause| outcome(cause, false).map_err(|error| error.reason);
        for (cause, wanted) in [
            ("ORIGINATOR_CANCEL", Outcome::Canceled),
            ("487", Outcome::Canceled),
            ("NORMAL_CLEARING", Outcome::Canceled),
            ("16", Outcome::Canceled),
            ("USER_BUSY", Outcome::Busy),
            ("17", Outcome::Busy),
            ("CALL_REJECTED", Outcome::Busy),
            ("NO_USER_RESPONSE", Outcome::NoAnswer),
            ("19", Outcome::NoAnswer),
            ("UNALLOCATED_NUMBER", Outcome::Failed),
            ("1", Outcome::Failed),
            ("USER_NOT_REGISTERED", Outcome::Failed),
        ] {
            assert_eq!(of(cause), Ok(wanted), "{cause}");
            assert_eq!(outcome(cause, true), Ok(Outcome::Answered));
        }
        assert_eq!(of(""), Err(Reason::MissingField));
        assert_eq!(of("hung up"), Err(Reason::BadOutcome));
    }
}
