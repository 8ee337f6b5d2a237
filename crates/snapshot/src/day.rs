//! A UTC day.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A UTC day, in days since 1970. Its text is `2026-11-21`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UtcDay(i32);

/// A text that is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a day is written YYYY-MM-DD, such as 2026-11-21")]
pub struct UtcDayError;

const EPOCH: Date = Date::constant(1970, 1, 1);

impl UtcDay {
    /// The day that is `days` after 1970-01-01.
    pub const fn new(days: i32) -> Self {
        Self(days)
    }

    /// The day of an instant in milliseconds since 1970 UTC.
    pub const fn of_ms(at_ms: i64) -> Self {
        Self(at_ms.div_euclid(features::DAY_MS) as i32)
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// The day that is `days` later, or earlier where negative.
    #[must_use]
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0 + days)
    }

    /// Its first millisecond, since 1970 UTC.
    pub const fn start_ms(self) -> i64 {
        self.0 as i64 * features::DAY_MS
    }
}

impl fmt::Display for UtcDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match EPOCH.checked_add(jiff::Span::new().try_days(self.0).unwrap_or_default()) {
            Ok(date) => write!(f, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
            // Years beyond 9999.
            Err(_) => write!(f, "day {}", self.0),
        }
    }
}

impl FromStr for UtcDay {
    type Err = UtcDayError;

    fn from_str(text: &str) -> Result<Self, UtcDayError> {
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let date: Date = if shaped { text.parse().map_err(|_| UtcDayError)? } else { return Err(UtcDayError) };
        let days = date.since(EPOCH).map_err(|_| UtcDayError)?.get_days();
        Ok(Self(days))
    }
}

impl Serialize for UtcDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Instants as RFC 3339 with milliseconds, for the manifest.
pub(crate) mod instant {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de, ser};

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(crate) fn serialize<S: Serializer>(at_ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        match at_ms {
            None => serializer.serialize_none(),
            Some(at_ms) => {
                let at = Timestamp::from_millisecond(*at_ms).map_err(ser::Error::custom)?;
                serializer.collect_str(&format_args!("{at:.3}"))
            }
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(de::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_day_reads_what_it_writes() {
        for (text, days) in [("1970-01-01", 0), ("1969-12-31", -1), ("2026-11-21", 20_778), ("2024-02-29", 19_782)] {
            assert_eq!(text.parse::<UtcDay>().unwrap(), UtcDay::new(days));
            assert_eq!(UtcDay::new(days).to_string(), text);
        }
        assert_eq!(UtcDay::of_ms(-1), UtcDay::new(-1));
        assert_eq!(UtcDay::of_ms(features::DAY_MS), UtcDay::new(1));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "2026-2-1", "2026-02-30", "20261121", "2026-11-21T00", "+002026-11-21"] {
            assert_eq!(text.parse::<UtcDay>(), Err(UtcDayError), "{text}");
        }
    }
}
