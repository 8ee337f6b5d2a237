//! Times and days as users write them.

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_and_days() {
        assert_eq!(parse_time("1970-01-02T00:00:00Z").unwrap(), 86_400_000);
        assert_eq!(parse_time("1970-01-02T01:00:00+01:00").unwrap(), 86_400_000);
        assert_eq!(parse_time("1970-01-02").unwrap(), 86_400_000);
        assert!(parse_time("1970-01-02T00:00:00").is_err());
        assert!(parse_day("2026-02-30").is_err());
    }
}
