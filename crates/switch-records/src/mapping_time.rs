//! The forms of time that a mapping may name.

use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use crate::decimal::micros;
use crate::twilio;

/// How a file writes its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    /// Seconds since 1970 UTC, also with a fraction.
    EpochSeconds,
    /// Milliseconds since 1970 UTC.
    EpochMillis,
    /// RFC 3339, which names a zone.
    Rfc3339,
    /// RFC 2822, which names a zone.
    Rfc2822,
    /// By a pattern as of `strptime`.
    Pattern(String),
}

/// A time as it is written.
pub(crate) enum Written {
    /// A moment, in milliseconds since 1970 UTC.
    Moment(i64),
    /// A time of a clock, in a zone that is not written.
    Local(DateTime),
}

impl TimeFormat {
    /// A format by its name or pattern; `None` if no time can be read with it.
    pub fn of(text: &str) -> Option<Self> {
        match text {
            "epoch_s" => Some(Self::EpochSeconds),
            "epoch_ms" => Some(Self::EpochMillis),
            "rfc3339" => Some(Self::Rfc3339),
            "rfc2822" => Some(Self::Rfc2822),
            pattern => is_whole(pattern).then(|| Self::Pattern(pattern.to_owned())),
        }
    }

    /// Reads a time; `None` if it is not written so.
    pub fn read(&self, text: &str) -> Option<Written> {
        match self {
            Self::EpochSeconds => Some(Written::Moment(micros(text, b'.')? / 1000)),
            Self::EpochMillis => whole(text).map(Written::Moment),
            Self::Rfc3339 => cdr::parse_time(text).map(Written::Moment),
            Self::Rfc2822 => twilio::rfc_2822(text).map(Written::Moment),
            Self::Pattern(pattern) => read(pattern, text),
        }
    }
}

/// A whole number of few enough digits for 64 bits.
fn whole(text: &str) -> Option<i64> {
    let is_number = text.len() <= MAX_MILLIS_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// 13 until the year 2286.
const MAX_MILLIS_DIGITS: usize = 15;

fn read(pattern: &str, text: &str) -> Option<Written> {
    let time = BrokenDownTime::parse(pattern, text).ok()?;
    if time.timestamp().is_some() || time.offset().is_some() {
        return Some(Written::Moment(time.to_timestamp().ok()?.as_millisecond()));
    }
    time.to_datetime().ok().map(Written::Local)
}

/// Whether a pattern has a date and a time: some time that is written by it has to be read as itself.
fn is_whole(pattern: &str) -> bool {
    let sample = civil::date(2026, 11, 21).at(17, 6, 5, 0);
    let Ok(zoned) = sample.to_zoned(TimeZone::UTC) else { return false };
    let Ok(text) = strtime::format(pattern, &zoned) else { return false };
    match read(pattern, &text) {
        Some(Written::Moment(ms)) => Timestamp::from_millisecond(ms).is_ok_and(|moment| is_near(moment, &zoned)),
        Some(Written::Local(local)) => local.date() == sample.date() && local.hour() == sample.hour(),
        None => false,
    }
}

/// The same minute.
fn is_near(moment: Timestamp, wanted: &jiff::Zoned) -> bool {
    (wanted.timestamp().as_second() - moment.as_second()).abs() < 60
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(format: &str, text: &str) -> Option<i64> {
        match TimeFormat::of(format)?.read(text)? {
            Written::Moment(ms) => Some(ms),
            Written::Local(local) => {
                local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_millisecond())
            }
        }
    }

    #[test]
    fn the_same_moment_in_every_form() {
        for (format, text) in [
            ("epoch_s", "1795280765"),
            ("epoch_s", "1795280765.000"),
            ("epoch_ms", "1795280765000"),
            ("rfc3339", "2026-11-21T17:06:05Z"),
            ("rfc2822", "Sat, 21 Nov 2026 18:06:05 +0100"),
            ("%d.%m.%Y %H:%M:%S", "21.11.2026 17:06:05"),
            ("%m/%d/%y %I:%M:%S %p", "11/21/26 05:06:05 PM"),
            ("%Y%m%d%H%M%S", "20261121170605"),
            ("%F %T %z", "2026-11-21 19:06:05 +0200"),
            ("%F %T%.f", "2026-11-21 17:06:05.000"),
        ] {
            assert_eq!(ms(format, text), Some(1_795_280_765_000), "{format}");
        }
    }

    #[test]
    fn a_pattern_without_date_or_time_is_none() {
        for pattern in ["", "yesterday", "%H:%M:%S", "%d.%m.%Y", "%d.%m. %H:%M", "%Q", "%", "%F %Z"] {
            assert_eq!(TimeFormat::of(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn what_is_written_otherwise_is_none() {
        for (format, text) in [
            ("epoch_s", "2026-11-21"),
            ("epoch_ms", ""),
            ("%d.%m.%Y %H:%M:%S", "11/21/2026 17:06:05"),
            ("%d.%m.%Y %H:%M:%S", "31.02.2026 17:06:05"),
            ("%d.%m.%Y %H:%M:%S", "21.11.2026 17:06:05 +0100"),
        ] {
            assert_eq!(ms(format, text), None, "{format} {text}");
        }
    }
}
