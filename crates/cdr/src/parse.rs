//! A record of the stream: which format it is in, and what it says.

use smol_str::SmolStr;

use crate::limits::MAX_RECORD_BYTES;
use crate::{
    AggregateError, CallRecord, NumberPlan, Reason, RecordError, deaggregate, is_aggregate, parse_json,
    parse_protobuf,
};

/// A call record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The call.
    pub record: CallRecord,
    /// How many fields the record has that we do not know: producers may move first.
    pub unknown_fields: usize,
    /// Which trace the record belongs to, as the producer sent it, to be read as W3C Trace Context has it. It came
    /// with the record and is no part of the call.
    pub traceparent: Option<SmolStr>,
}

/// Reads a record of the stream: a first byte `{` means JSON, anything else the protobuf message
/// `tollwatch.v1.CallRecord`. What comes out depends on the bytes and the number plan alone.
///
/// An aggregate is refused, with what is wrong with it: [`crate::deaggregate`] comes first.
pub fn parse(plan: &NumberPlan, bytes: &[u8]) -> Result<Parsed, RecordError> {
    // Before the size, of which an aggregate may have more.
    if is_aggregate(bytes) {
        // What is whole here was found inside another.
        return Err(match deaggregate(bytes) {
            Err(broken) => broken.to_record_error(bytes.len()),
            Ok(_) => AggregateError::Nested { at: 0 }.to_record_error(bytes.len()),
        });
    }
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
    parse_protobuf(plan, bytes)
}
