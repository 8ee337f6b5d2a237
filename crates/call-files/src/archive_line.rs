//! A line of our archive: what came in on the stream, with its position and arrival.
//!
//! `{"position":"...","arrived_at":"...","call":{...},"derived":{...}}`, or `"bytes"` in Base64 instead of both for
//! a record that could not be read. `derived` is for engines without a number plan and is passed over here; lines
//! written before there was any are read alike.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cdr::{CallRecord, NumberPlan, Reason, RecordError, format_time, parse_time};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::derived::write_derived;
use crate::{FileCall, Format, RowError};

/// Appends one archive line, its end included. The same call always gives the same bytes.
pub fn write_archive_line(out: &mut String, position: &str, arrived_at_ms: i64, call: &CallRecord) {
    out.push_str("{\"position\":");
    // A string has always a JSON form.
    out.push_str(&serde_json::Value::from(position).to_string());
    out.push_str(",\"arrived_at\":\"");
    out.push_str(&format_time(arrived_at_ms));
    out.push_str("\",\"call\":");
    call.write_json(out);
    out.push_str(",\"derived\":");
    write_derived(out, call);
    out.push_str("}\n");
}

/// The parts of an archive line, not judged yet.
#[derive(Deserialize)]
pub(crate) struct ArchiveLine<'a> {
    #[serde(borrow)]
    position: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arrived_at: Cow<'a, str>,
    #[serde(borrow)]
    call: Option<&'a RawValue>,
    #[serde(borrow)]
    bytes: Option<Cow<'a, str>>,
}

/// The parts of the line if it is an archive line. A call record has no `arrived_at`, and an archive line none
/// of its required fields.
pub(crate) fn recognise(line: &[u8]) -> Option<ArchiveLine<'_>> {
    // A line that cannot be one is not read twice.
    let name = b"\"arrived_at\"";
    if line.starts_with(b"{\"call_id\"") || !line.windows(name.len()).any(|window| window == name) {
        return None;
    }
    let archived: ArchiveLine<'_> = serde_json::from_slice(line).ok()?;
    (archived.call.is_some() || archived.bytes.is_some()).then_some(archived)
}

/// The call of an archive line of `len` bytes.
pub(crate) fn read(
    plan: &NumberPlan,
    row: u64,
    len: usize,
    archived: &ArchiveLine<'_>,
) -> Result<FileCall, RowError> {
    let position = archived.position.as_deref().map(str::to_owned);
    let arrived_at_ms = parse_time(&archived.arrived_at);
    let refused =
        |error| RowError { format: Format::JsonLines, row, position: position.clone(), arrived_at_ms, error };
    if arrived_at_ms.is_none() {
        let rule = "is no time: wants RFC 3339 with a zone, such as 2026-11-21T07:06:05.004Z";
        let error = RecordError::of_field(Reason::BadTime, "arrived_at", archived.arrived_at.len(), rule);
        return Err(refused(error));
    }
    let parsed = match (archived.call, &archived.bytes) {
        (Some(call), _) => cdr::parse_json(plan, call.get().as_bytes()),
        (None, Some(bytes)) => match BASE64_STANDARD.decode(bytes.as_bytes()) {
            Ok(bytes) => cdr::parse(plan, &bytes),
            Err(_) => Err(RecordError::of_field(Reason::BadText, "bytes", bytes.len(), "is no Base64")),
        },
        (None, None) => Err(RecordError::of_record(Reason::Unparseable, len, "has neither call nor bytes")),
    };
    let parsed = parsed.map_err(refused)?;
    Ok(FileCall { row, position, arrived_at_ms, unknown_fields: parsed.unknown_fields, call: parsed.record })
}
