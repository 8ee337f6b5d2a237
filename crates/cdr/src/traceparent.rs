//! Which trace a record belongs to: what travels with a record and is no part of the call. It is neither compared nor
//! archived, and a record is as good without it.

use std::borrow::Cow;

use smol_str::SmolStr;

use crate::limits::MAX_TRACEPARENT_BYTES;
use crate::wire::put_bytes;

/// Its name in JSON, which is that of W3C's header.
pub(crate) const TRACEPARENT: &str = "traceparent";
/// Its number in protobuf.
pub(crate) const FIELD: u32 = 15;

/// A record of the stream, JSON or protobuf, with the trace that it belongs to. The record must have none yet. What
/// cannot have one, such as an aggregate or no record at all, stays as it is.
///
/// ```
/// let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let record = cdr::with_traceparent(br#"{"call_id":"c-1"}"#.to_vec(), traceparent);
/// assert!(record.ends_with(br#"e4736-00f067aa0ba902b7-01"}"#));
/// ```
#[must_use]
pub fn with_traceparent(mut record: Vec<u8>, traceparent: &str) -> Vec<u8> {
    let is_plain = traceparent.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric());
    if traceparent.is_empty()
        || traceparent.len() > MAX_TRACEPARENT_BYTES
        || !is_plain
        || crate::is_aggregate(&record)
    {
        return record;
    }
    match record.first() {
        None => {}
        Some(b'{') => {
            let end = record.trim_ascii_end().len();
            // An object that has a field already: the comma wants one.
            if record[..end].ends_with(b"}") && record[1..end - 1].contains(&b':') {
                record.truncate(end - 1);
                record.extend_from_slice(format!(",\"{TRACEPARENT}\":\"{traceparent}\"}}").as_bytes());
            }
        }
        Some(_) => put_bytes(&mut record, FIELD, traceparent.as_bytes()),
    }
    record
}

/// What of a `traceparent` goes on with the call.
pub(crate) fn transported(text: Option<Cow<'_, str>>) -> Option<SmolStr> {
    text.filter(|text| !text.is_empty() && text.len() <= MAX_TRACEPARENT_BYTES).map(SmolStr::new)
}
