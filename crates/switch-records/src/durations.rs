//! A duration that a switch writes beside the times that it follows from.

use cdr::{Reason, RecordError};

/// How far a written duration may be from what the times say, in milliseconds: both are whole seconds, cut or rounded up.
pub(crate) const TOLERANCE_MS: i64 = 2_000;

/// Checks that a written duration is the time between two moments. If it is not, one of the three numbers is wrong, and
/// nobody can tell which: the row is refused.
pub(crate) fn check(
    field: &'static str,
    len: usize,
    seconds: i64,
    from_ms: i64,
    to_ms: i64,
) -> Result<(), RecordError> {
    let between_ms = to_ms.saturating_sub(from_ms);
    if seconds.saturating_mul(1_000).abs_diff(between_ms) <= TOLERANCE_MS.unsigned_abs() {
        return Ok(());
    }
    let rule = "contradicts the times of the row by more than 2 seconds: wants the zone that the switch writes in";
    Err(RecordError::of_field(Reason::BadDuration, field, len, rule))
}

/// Checks that an end is not before what it ends: that is said before their difference is found wrong.
pub(crate) fn check_order(field: &'static str, from_ms: i64, to_ms: i64) -> Result<(), RecordError> {
    let rule = "is before the start or the answer";
    if to_ms < from_ms { Err(RecordError::of_field(Reason::TimeOrder, field, 0, rule)) } else { Ok(()) }
}

/// The whole seconds of a text, a fraction cut; `None` if it is no number of seconds.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (is_digits(whole) && is_digits(fraction)).then(|| whole.parse::<u32>().ok().map(i64::from)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_and_what_is_rounded_agrees() {
        for (seconds, between_ms) in [(0, 0), (10, 10_000), (10, 12_000), (10, 8_000), (10, 10_999)] {
            assert_eq!(check("billsec", 2, seconds, 5, 5 + between_ms), Ok(()), "{seconds} {between_ms}");
        }
        for (seconds, between_ms) in [(10, 12_001), (10, 7_999), (0, 3_600_000), (3_600, 0), (i64::MAX, 0)] {
            let error = check("billsec", 2, seconds, 5, 5 + between_ms);
            assert_eq!(error.map_err(|error| error.reason), Err(Reason::BadDuration), "{seconds} {between_ms}");
        }
    }

    #[test]
    fn seconds_are_digits_and_may_have_a_fraction() {
        assert_eq!(
            ["55", "0", "55.912", "4294967295"].map(seconds),
            [Some(55), Some(0), Some(55), Some(4_294_967_295)]
        );
        for text in ["", "-1", "1.", ".5", "1e3", "4294967296", "12:34"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
