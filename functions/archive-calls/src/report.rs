//! What became of the records of an invocation, in numbers.

use std::collections::BTreeMap;

/// Counts of one invocation. Firehose asks again after a failure, so sums over invocations count what was answered, not
/// what lies in the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ArchiveReport {
    /// Records delivered.
    pub received: u64,
    /// Lines made. An aggregate that came whole has one for each of its records.
    pub lines: u64,
    /// Lines among them that hold bytes, for they are no call.
    pub unreadable: u64,
    /// Records answered `ProcessingFailed`, which Firehose keeps as they came, by why.
    pub not_archived: BTreeMap<&'static str, u64>,
}

/// Why there is no line for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotArchived {
    /// The answer has no room for it: the delivery stream gathers more for an invocation than it should.
    AnswerFull,
    /// It does not say where it stands in its shard, or when it arrived: the source of the delivery stream is no Kinesis
    /// stream.
    NoPosition,
    /// Its data is no Base64.
    NotBase64,
}

impl NotArchived {
    /// The stable code, `lower_snake_case`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnswerFull => "answer_full",
            Self::NoPosition => "no_position",
            Self::NotBase64 => "not_base64",
        }
    }
}

impl ArchiveReport {
    pub(crate) fn not_archived(&mut self, why: NotArchived) {
        *self.not_archived.entry(why.as_str()).or_default() += 1;
    }

    /// Records without a line, for any reason.
    pub fn records_not_archived(&self) -> u64 {
        self.not_archived.values().sum()
    }
}
