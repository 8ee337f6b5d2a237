//! Times and days as users write them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use snapshot::UtcDay;

/// Reads RFC 3339 (`2026-11-21T10:00:00Z`), or a date, which is its first moment in UTC. Milliseconds since 1970
/// UTC.
pub(crate) fn parse_time(text: &str) -> Result<i64, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    parse_day(text)
        .map(UtcDay::start_ms)
        .map_err(|_| format!("{text} is no time: give RFC 3339 with a zone, such as 2026-11-21T10:00:00Z, or a date"))
}

/// Reads `2026-11-21`.
pub(crate) fn parse_day(text: &str) -> Result<UtcDay, String> {
    let no_date = || format!("{text} is no date: give YEAR-MONTH-DAY");
    // A date with a time but no zone would be read as its date.
    if text.len() != "YYYY-MM-DD".len() {
        return Err(no_date());
    }
    let date: Date = text.parse().map_err(|_| no_date())?;
    let start = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| format!("{text} is out of range"))?;
    Ok(UtcDay::of_ms(start.timestamp().as_millisecond()))
}

/// Reads `90s`, `15m`, `12h` or `7d`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        "d" => Duration::from_hours(24),
        _ => return None,
    };
    unit.checked_mul(digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("2d"), Some(Duration::from_hours(48)));
        for text in ["", "m", "15", "-1m", "1w", "1\u{e9}", "99999999999h"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn times_and_days() {
        assert_eq!(parse_time("1970-01-02T00:00:00Z").unwrap(), 86_400_000);
        assert_eq!(parse_time("1970-01-02T01:00:00+01:00").unwrap(), 86_400_000);
        assert_eq!(parse_time("1970-01-02").unwrap(), 86_400_000);
        assert!(parse_time("1970-01-02T00:00:00").is_err());
        assert!(parse_day("2026-02-30").is_err());
    }
}
