//! What engines without a number plan need beside a call: country, prefix and kind of both numbers, and which plan
//! says so. Written with every archived call and as columns of Parquet, never read back: here the plan itself is at
//! hand. What follows from a call by arithmetic is not in it.

use cdr::{CallRecord, Number, NumberPlan};

/// Names of the derived fields, in the order they are written.
pub(crate) const DERIVED: [&str; 7] = [
    "number_plan",
    "caller_country",
    "caller_prefix",
    "caller_kind",
    "callee_country",
    "callee_prefix",
    "callee_kind",
];

/// The value of the field at this place of [`DERIVED`]; `None` where the call has none.
pub(crate) fn derived(call: &CallRecord, place: usize) -> Option<&str> {
    let number: &Number = if place < 4 { &call.caller } else { &call.callee };
    match place {
        0 => Some(NumberPlan::metadata_version()),
        1 | 4 => number.country(),
        2 | 5 => number.prefix(),
        _ => Some(number.kind().as_str()),
    }
}

/// Appends them as a JSON object. Absent ones are left out.
pub(crate) fn write_derived(out: &mut String, call: &CallRecord) {
    let mut separator = '{';
    for (place, name) in DERIVED.iter().enumerate() {
        let Some(value) = derived(call, place) else { continue };
        // Codes, digits and fixed names: nothing that JSON escapes.
        out.push(separator);
        out.extend(["\"", name, "\":\"", value, "\""]);
        separator = ',';
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(caller: &str, callee: &str) -> String {
        let json = format!(
            r#"{{"call_id":"a","caller":"{caller}","callee":"{callee}","started_at":"2026-11-20T00:00:00Z",
            "ended_at":"2026-11-20T00:00:01Z","outcome":"busy"}}"#
        );
        let plan = NumberPlan::new("US").unwrap();
        let mut out = String::new();
        write_derived(&mut out, &cdr::parse(&plan, json.as_bytes()).unwrap().record);
        out.replace(NumberPlan::metadata_version(), "PLAN")
    }

    #[test]
    fn both_numbers_are_told_of() {
        assert_eq!(
            written("202 555 0101", "+442079460018"),
            r#"{"number_plan":"PLAN","caller_country":"US","caller_prefix":"+1202","caller_kind":"e164","callee_country":"GB","callee_prefix":"+4420","callee_kind":"e164"}"#
        );
        assert_eq!(
            written("anonymous", "ext:hq/1001"),
            r#"{"number_plan":"PLAN","caller_kind":"anonymous","callee_kind":"ext"}"#
        );
    }
}
