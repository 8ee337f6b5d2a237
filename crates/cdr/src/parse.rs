//! A record of the stream: which format it is in, and what it says.

use crate::limits::MAX_RECORD_BYTES;
use crate::{CallRecord, NumberPlan, Reason, RecordError, parse_json, parse_protobuf};

/// A call record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The call.
    pub record: CallRecord,
    /// How many fields the record has that we do not know: producers may move first.
    pub unknown_fields: usize,
}

/// Reads a record of the stream: a first byte `{` means JSON, anything else the protobuf message
/// `tollwatch.v1.CallRecord`. What comes out depends on the bytes and the number plan alone.
pub fn parse(plan: &NumberPlan, bytes: &[u8]) -> Result<Parsed, RecordError> {
    if bytes.len() > MAX_RECORD_BYTES {
        let rule = "is too large: wants at most 1 MiB";
        return Err(RecordError::of_record(Reason::TooLarge, bytes.len(), rule));
    }
    if bytes.is_empty() {
        let rule = "is empty: wants a call record in JSON or protobuf";
        return Err(RecordError::of_record(Reason::Unparseable, 0, rule));
    }
    if bytes[0] == b'{' {
        return parse_json(plan, bytes);
    }
    if bytes.starts_with(&AGGREGATE_MAGIC) {
        let rule = "is an aggregate of the Kinesis Producer Library: wants one call a record, aggregation off";
        return Err(RecordError::of_record(Reason::AggregateUnsupported, bytes.len(), rule));
    }
    parse_protobuf(plan, bytes)
}

/// How the Kinesis Producer Library begins an aggregate. Read as protobuf it would open a group (wire type 3),
/// which no field of ours is.
const AGGREGATE_MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
