//! Why a call record is refused.

use std::fmt;

use crate::NumberShape;

/// The kind of refusal. Its code, [`Reason::as_str`], is part of quarantine keys and metrics and never
/// changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Neither JSON nor protobuf that can be read to its end.
    Unparseable,
    /// An aggregate of the Kinesis Producer Library that is broken, or that is where one call should be.
    BadAggregate,
    /// The record is longer than [`crate::MAX_RECORD_BYTES`].
    TooLarge,
    /// A required field is absent, null or empty.
    MissingField,
    /// A field of the record is given twice, and which one is meant cannot be known.
    DuplicateField,
    /// A field has another type than it should, such as a number for a string.
    WrongType,
    /// `call_id` is too long.
    BadCallId,
    /// `caller` or `callee` is no number in any form.
    BadNumber,
    /// A time cannot be read, has no zone, or lies outside the years 2000 to 2099.
    BadTime,
    /// The times contradict each other: the order is started, answered, ended.
    TimeOrder,
    /// The call lasts longer than [`crate::MAX_DURATION_MS`].
    BadDuration,
    /// `answered_at` is there and the outcome says otherwise, or the reverse.
    AnsweredMismatch,
    /// `outcome` is none of the outcomes.
    BadOutcome,
    /// `channel` is none of the channels.
    BadChannel,
    /// `cost_micros` is out of range.
    BadCost,
    /// `currency` is not three capital letters.
    BadCurrency,
    /// `caller_ip` is no IP address.
    BadIp,
    /// A text is too long or not UTF-8.
    BadText,
    /// The call began before the allowed lateness; judged where the record arrived, not here.
    TooLate,
    /// The call begins after it arrived; judged where the record arrived, not here.
    FromFuture,
    /// A leg of a call that came after its call was given; judged where legs are merged, not here.
    LateLeg,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 21] = [
        Self::Unparseable,
        Self::BadAggregate,
        Self::TooLarge,
        Self::MissingField,
        Self::DuplicateField,
        Self::WrongType,
        Self::BadCallId,
        Self::BadNumber,
        Self::BadTime,
        Self::TimeOrder,
        Self::BadDuration,
        Self::AnsweredMismatch,
        Self::BadOutcome,
        Self::BadChannel,
        Self::BadCost,
        Self::BadCurrency,
        Self::BadIp,
        Self::BadText,
        Self::TooLate,
        Self::FromFuture,
        Self::LateLeg,
    ];

    /// The stable code, `lower_snake_case`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unparseable => "unparseable",
            Self::BadAggregate => "bad_aggregate",
            Self::TooLarge => "too_large",
            Self::MissingField => "missing_field",
            Self::DuplicateField => "duplicate_field",
            Self::WrongType => "wrong_type",
            Self::BadCallId => "bad_call_id",
            Self::BadNumber => "bad_number",
            Self::BadTime => "bad_time",
            Self::TimeOrder => "time_order",
            Self::BadDuration => "bad_duration",
            Self::AnsweredMismatch => "answered_mismatch",
            Self::BadOutcome => "bad_outcome",
            Self::BadChannel => "bad_channel",
            Self::BadCost => "bad_cost",
            Self::BadCurrency => "bad_currency",
            Self::BadIp => "bad_ip",
            Self::BadText => "bad_text",
            Self::TooLate => "too_late",
            Self::FromFuture => "from_future",
            Self::LateLeg => "late_leg",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused call record: which field, how long its value is, and the rule it breaks. Never the value itself:
/// it may be a telephone number, and this is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub struct RecordError {
    /// The kind of refusal.
    pub reason: Reason,
    /// The field, by its name in JSON; empty where it is the record as a whole.
    pub field: &'static str,
    /// Length of the field's value in bytes as it came in, or of the record; 0 where there is none.
    pub len: usize,
    /// Byte of the record at which reading stopped, where that is known.
    pub at: Option<usize>,
    /// What is wrong and what is wanted, to follow the field's name.
    pub rule: &'static str,
    /// What the value looks like, of a [`Reason::BadNumber`]: a help for those who look for a setting, not to be logged.
    pub shape: Option<NumberShape>,
}

impl RecordError {
    /// A refusal because of one field, whose value is `len` bytes long.
    pub const fn of_field(reason: Reason, field: &'static str, len: usize, rule: &'static str) -> Self {
        Self { reason, field, len, at: None, rule, shape: None }
    }

    /// A refusal of a record of `len` bytes as a whole.
    pub const fn of_record(reason: Reason, len: usize, rule: &'static str) -> Self {
        Self { reason, field: "", len, at: None, rule, shape: None }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str("the record")?;
        } else {
            write!(f, "field {}", self.field)?;
        }
        if self.len > 0 {
            write!(f, " ({} bytes)", self.len)?;
        }
        write!(f, " {}", self.rule)?;
        if let Some(at) = self.at {
            write!(f, " (reading stopped at byte {at})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_lower_snake_case() {
        let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::ALL.len());
    }

    #[test]
    fn the_message_names_field_length_rule_and_place() {
        let field = RecordError::of_field(Reason::BadNumber, "caller", 12, "is no number");
        assert_eq!(field.to_string(), "field caller (12 bytes) is no number");
        let record = RecordError { at: Some(7), ..RecordError::of_record(Reason::Unparseable, 9, "is no JSON") };
        assert_eq!(record.to_string(), "the record (9 bytes) is no JSON (reading stopped at byte 7)");
    }
}
