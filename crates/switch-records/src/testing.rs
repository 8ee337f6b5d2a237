//! What readers gave, as text for snapshots.

use std::fmt::Write;

use cdr::RecordError;

use crate::Leg;

/// A line a row: its number, role, links and call, or what is wrong with it.
pub(crate) fn told(rows: impl Iterator<Item = Result<Option<Leg>, RecordError>>) -> String {
    let mut text = String::new();
    for (row, leg) in rows.enumerate() {
        let row = row + 1;
        // Writing to a text cannot fail.
        let _ = match leg {
            Ok(Some(leg)) => writeln!(text, "{row}: {:?} {:?} {}", leg.role, leg.links, leg.call.to_json()),
            Ok(None) => writeln!(text, "{row}: no call"),
            Err(error) => writeln!(text, "{row}: {}: {error}", error.reason),
        };
    }
    text
}
