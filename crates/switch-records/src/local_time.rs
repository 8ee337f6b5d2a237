//! Times as a switch's own clock shows them, made moments.
//!
//! Twice a year a zone with daylight saving has an hour that comes twice, and one that never comes. Of the two moments
//! that a time of the first kind may be, the one is taken that fits what else the row says; where it says nothing, the
//! first that is not before what came before it. A time of the second kind is an error: no clock of that zone has ever
//! shown it, so that the zone is not the one that the switch writes in, and every other time of its file is wrong too.

use cdr::{Reason, RecordError};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// What a time is compared with where it may be two moments. All in milliseconds since 1970 UTC.
#[derive(Clone, Copy)]
pub(crate) struct Hint {
    /// The moment that it cannot be before, such as the start for an end.
    pub not_before: i64,
    /// The moment that it ought to be, such as start and duration for an end.
    pub expected: Option<i64>,
}

impl Hint {
    /// Nothing is known.
    pub const NONE: Self = Self { not_before: i64::MIN, expected: None };
}

/// The moment, in milliseconds since 1970 UTC, of a text such as `2026-11-21 07:06:05` in the zone; `None` of an empty
/// one. Seconds may have a fraction.
pub(crate) fn moment(
    zone: &TimeZone,
    field: &'static str,
    text: &str,
    hint: Hint,
) -> Result<Option<i64>, RecordError> {
    if text.is_empty() {
        return Ok(None);
    }
    let rule = "is no time: wants one such as 2026-11-21 07:06:05, in the zone given";
    let (local, millis) = civil(text).ok_or(RecordError::of_field(Reason::BadTime, field, text.len(), rule))?;
    moment_of(zone, field, text.len(), local, hint).map(|ms| Some(ms + millis))
}

/// The moment of a local time that a text of `len` bytes told, in milliseconds since 1970 UTC.
pub(crate) fn moment_of(
    zone: &TimeZone,
    field: &'static str,
    len: usize,
    local: DateTime,
    hint: Hint,
) -> Result<i64, RecordError> {
    let wrong = |rule| RecordError::of_field(Reason::BadTime, field, len, rule);
    let at = |offset: Offset| offset.to_timestamp(local).map(jiff::Timestamp::as_millisecond);
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => at(offset).map_err(|_| wrong("is out of range")),
        AmbiguousOffset::Fold { before, after } => {
            let earlier = at(before).map_err(|_| wrong("is out of range"))?;
            let later = at(after).map_err(|_| wrong("is out of range"))?;
            let is_later = match hint.expected {
                Some(expected) => expected.abs_diff(later) < expected.abs_diff(earlier),
                None => earlier < hint.not_before && later >= hint.not_before,
            };
            Ok(if is_later { later } else { earlier })
        }
        AmbiguousOffset::Gap { .. } => Err(wrong(
            "does not exist in the zone given, where clocks are put forward then: wants the zone that the switch writes in",
        )),
    }
}

/// The local time of `2026-11-21 07:06:05`, and its milliseconds where it has a fraction.
fn civil(text: &str) -> Option<(DateTime, i64)> {
    let bytes = text.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if bytes.len() < TIME_LEN
        || marks.iter().any(|(at, mark)| bytes[*at] != *mark)
        || !matches!(bytes[10], b' ' | b'T')
    {
        return None;
    }
    let date = Date::new(digits(&bytes[..4])?, narrow(&bytes[5..7])?, narrow(&bytes[8..10])?).ok()?;
    let time = Time::new(narrow(&bytes[11..13])?, narrow(&bytes[14..16])?, narrow(&bytes[17..19])?, 0).ok()?;
    Some((date.to_datetime(time), millis(&bytes[TIME_LEN..])?))
}

/// Bytes of `2026-11-21 07:06:05`.
const TIME_LEN: usize = 19;

/// Digits of a fraction that are read: nobody writes more than nanoseconds.
const MAX_FRACTION_DIGITS: usize = 9;

fn millis(fraction: &[u8]) -> Option<i64> {
    let Some(digits) = fraction.strip_prefix(b".") else {
        return fraction.is_empty().then_some(0);
    };
    if digits.is_empty() || digits.len() > MAX_FRACTION_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((0..3).fold(0, |value, at| value * 10 + digits.get(at).map_or(0, |digit| i64::from(digit - b'0'))))
}

fn digits(bytes: &[u8]) -> Option<i16> {
    bytes.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i16::from(byte - b'0')))
}

/// Two digits.
fn narrow(bytes: &[u8]) -> Option<i8> {
    digits(bytes).and_then(|value| i8::try_from(value).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn new_york() -> TimeZone {
        TimeZone::get("America/New_York").unwrap()
    }

    fn utc(text: &str) -> i64 {
        cdr::parse_time(text).unwrap()
    }

    fn not_before(ms: i64) -> Hint {
        Hint { not_before: ms, expected: None }
    }

    fn read(text: &str, hint: Hint) -> Result<Option<i64>, RecordError> {
        moment(&new_york(), "start", text, hint)
    }

    #[test]
    fn a_local_time_is_of_its_zone_summer_and_winter() {
        assert_eq!(read("2026-07-01 12:00:00", Hint::NONE), Ok(Some(utc("2026-07-01T16:00:00Z"))));
        assert_eq!(read("2026-12-01 12:00:00", Hint::NONE), Ok(Some(utc("2026-12-01T17:00:00Z"))));
        assert_eq!(read("2026-12-01T12:00:00.0459", Hint::NONE), Ok(Some(utc("2026-12-01T17:00:00.045Z"))));
        assert_eq!(read("", Hint::NONE), Ok(None));
    }

    #[test]
    fn the_hour_that_comes_twice_is_the_one_that_fits() {
        let (first, second) = (utc("2026-11-01T05:30:00Z"), utc("2026-11-01T06:30:00Z"));
        let text = "2026-11-01 01:30:00";
        assert_eq!(read(text, Hint::NONE), Ok(Some(first)));
        assert_eq!(read(text, not_before(first)), Ok(Some(first)));
        assert_eq!(read(text, not_before(first + 1)), Ok(Some(second)));
        // After both it is neither, and the order of the times will say so.
        assert_eq!(read(text, not_before(second + 1)), Ok(Some(first)));
        let expected = Hint { not_before: first - 1, expected: Some(second - 900) };
        assert_eq!(read(text, expected), Ok(Some(second)));
    }

    #[test]
    fn a_time_that_no_clock_shows_is_refused() {
        let error = read("2026-03-08 02:30:00", Hint::NONE).unwrap_err();
        assert_eq!((error.reason, error.field, error.len), (Reason::BadTime, "start", 19));
        assert!(error.rule.contains("does not exist in the zone"), "{error}");
        // It does in another.
        assert!(moment(&TimeZone::UTC, "start", "2026-03-08 02:30:00", Hint::NONE).is_ok());
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "2026-11-21",
            "21/11/2026 07:06:05",
            "2026-11-21 07:06:5",
            "2026-11-21 07:06:60",
            "2026-02-29 07:06:05",
            "2026-11-21 24:00:00",
            "2026-11-21 07:06:05Z",
            "2026-11-21 07:06:05+01:00",
            "2026-11-21 07:06:05.",
            "+026-11-21 07:06:05",
            "2026-11-21 07:06:05.0000000000",
        ] {
            let error = read(text, Hint::NONE).unwrap_err();
            assert!(error.rule.starts_with("is no time"), "{text}");
        }
    }
}
