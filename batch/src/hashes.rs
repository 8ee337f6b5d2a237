//! Hashes that tell copies of a call from other calls. They are compared within a run only.

use std::hash::{DefaultHasher, Hasher as _};

use cdr::{CallRecord, Number};

use crate::phone_key::PhoneKey;

/// What a part of a record is: equal values of two fields have different hashes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    CallId,
    Caller,
    Callee,
    StartedAt,
    AnsweredAt,
    EndedAt,
    Outcome,
    Channel,
    Trunk,
    CellId,
    Imei,
    CostMicros,
    Currency,
    CallerIp,
}

/// Of a text, whatever field it is of.
pub(crate) fn of_text(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Of a number: its key, or the hash of its text.
pub(crate) fn of_number(number: &Number) -> u64 {
    PhoneKey::of(number).map_or_else(|| of_text(number.as_str()), PhoneKey::bits)
}

/// Of a part of a record that has such a value or hash. The hash of a record is the sum of those of its parts.
pub(crate) fn of_part(part: Part, value: u64) -> u64 {
    mix(value ^ mix(part as u64 + 1))
}

/// Equal for copies of a call. What is not a copy has the same by chance alone, of hashes of its caller and call id.
pub(crate) fn identity(caller: u64, call_id: u64, minute: i64) -> u64 {
    mix(call_id ^ mix(caller ^ mix(minute.cast_unsigned())))
}

/// Equal for equal records.
pub(crate) fn content(call: &CallRecord) -> u64 {
    let texts = [
        (Part::CallId, Some(call.call_id.as_str())),
        (Part::Outcome, Some(call.outcome.as_str())),
        (Part::Channel, call.channel.map(cdr::Channel::as_str)),
        (Part::Trunk, call.trunk.as_deref()),
        (Part::CellId, call.cell_id.as_deref()),
        (Part::Imei, call.imei.as_deref()),
        (Part::Currency, call.currency.as_deref()),
        (Part::CallerIp, call.caller_ip.as_deref()),
    ];
    let wholes = [
        (Part::StartedAt, Some(call.started_at_ms)),
        (Part::AnsweredAt, call.answered_at_ms),
        (Part::EndedAt, Some(call.ended_at_ms)),
        (Part::CostMicros, call.cost_micros),
    ];
    let numbers = [(Part::Caller, of_number(&call.caller)), (Part::Callee, of_number(&call.callee))];
    let texts = texts.into_iter().filter_map(|(part, text)| Some((part, of_text(text?))));
    let wholes = wholes.into_iter().filter_map(|(part, whole)| Some((part, whole?.cast_unsigned())));
    texts.chain(wholes).chain(numbers).fold(0, |sum, (part, value)| sum.wrapping_add(of_part(part, value)))
}

/// Mixes all bits (the finisher of `SplitMix64`).
const fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn copies_that_differ_anywhere_have_another_hash() {
        let plan = cdr::NumberPlan::new("US").unwrap();
        let json = |extra: &str| {
            let json = format!(
                r#"{{"call_id":"a","caller":"+12025550101","callee":"+12025550102","started_at":"2026-11-20T00:00:00Z",
                "ended_at":"2026-11-20T00:00:01Z","outcome":"busy"{extra}}}"#
            );
            content(&cdr::parse(&plan, json.as_bytes()).unwrap().record)
        };
        let bare = json("");
        assert_eq!(bare, json(r#","trunk":null"#));
        for extra in
            [r#","trunk":"t""#, r#","cell_id":"t""#, r#","cost_micros":0,"currency":"USD""#, r#","channel":"sms""#]
        {
            assert_ne!(bare, json(extra), "{extra}");
        }
        assert_ne!(json(r#","trunk":"t""#), json(r#","cell_id":"t""#));
    }
}
