//! A record of the stream as a line of the archive: the one definition of it, for Firehose and for the local run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use call_files::write_archive_line;
use cdr::NumberPlan;
use tiles::Position;

/// What a line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// A call, and what is derived from it.
    Call,
    /// Bytes that are no call, in Base64.
    Bytes,
}

/// Appends the line of a record, its end included: the call, or the bytes where they are none. `arrived_at_ms` is in
/// milliseconds since 1970 UTC. The same record always gives the same line.
pub fn write_line(
    line: &mut String,
    plan: &NumberPlan,
    position: Position,
    arrived_at_ms: i64,
    bytes: &[u8],
) -> Line {
    let position = position.to_string();
    if let Ok(parsed) = cdr::parse(plan, bytes) {
        write_archive_line(line, &position, arrived_at_ms, &parsed.record);
        return Line::Call;
    }
    let arrived_at = cdr::format_time(arrived_at_ms);
    line.extend(["{\"position\":\"", &position, "\",\"arrived_at\":\"", &arrived_at, "\",\"bytes\":\""]);
    STANDARD.encode_string(bytes, line);
    line.push_str("\"}\n");
    Line::Bytes
}
