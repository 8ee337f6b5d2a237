//! The dialects, and what is written differently in them. Everything else is the SQL that both have.

use std::fmt::Write as _;
use std::str::FromStr;

use features::HOUR_MS;

/// The longest statement that Athena takes, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 262_144;

/// The engine that runs the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Spark SQL, 3.4 and later.
    Spark,
    /// Athena, engine version 3: Trino's SQL.
    Athena,
}

impl Target {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Spark, Self::Athena];

    /// `spark` or `athena`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spark => "spark",
            Self::Athena => "athena",
        }
    }

    /// The type of texts.
    pub(crate) const fn text_type(self) -> &'static str {
        match self {
            Self::Spark => "string",
            Self::Athena => "varchar",
        }
    }

    /// A name that a dialect may read as a word of its own.
    pub(crate) fn name(self, name: &str) -> String {
        match self {
            Self::Spark => format!("`{name}`"),
            Self::Athena => format!("\"{name}\""),
        }
    }

    /// A text literal.
    pub(crate) fn text(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 2);
        out.push('\'');
        for letter in text.chars() {
            match (self, letter) {
                (Self::Athena, '\'') => out.push_str("''"),
                // Spark reads escapes, joins 'a''b' to ab, and replaces ${names} before it parses.
                (Self::Spark, '\'' | '\\' | '$') => {
                    let _ = write!(out, "\\u{:04x}", u32::from(letter));
                }
                _ => out.push(letter),
            }
        }
        out.push('\'');
        out
    }

    /// Milliseconds since 1970 UTC of a text such as `2026-11-21T07:06:05.004Z`; null of null.
    pub(crate) fn ms_of_text(self, text: &str) -> String {
        match self {
            Self::Spark => format!("unix_millis(try_cast({text} as timestamp))"),
            Self::Athena => format!("date_diff('millisecond', from_unixtime(0), from_iso8601_timestamp({text}))"),
        }
    }

    /// Milliseconds since 1970 UTC of a column of Parquet.
    pub(crate) fn ms_of_timestamp(self, time: &str) -> String {
        match self {
            Self::Spark => format!("unix_millis({time})"),
            Self::Athena => format!("date_diff('millisecond', timestamp '1970-01-01 00:00:00', {time})"),
        }
    }

    /// The query of one row, `as_of_day`: days from 1970 to the parameter, the last UTC day of every window. Athena
    /// takes parameters in conditions only, and sequences of at most 10,000: the days of its query end in 2106.
    pub(crate) const fn as_of(self) -> &'static str {
        match self {
            Self::Spark => "select datediff(cast(:as_of as date), date '1970-01-01') as as_of_day",
            Self::Athena => {
                "select h.hundreds * 100 + o.ones as as_of_day\nfrom unnest(sequence(0, 499)) as h (hundreds)\n\
                 cross join unnest(sequence(0, 99)) as o (ones)\n\
                 where h.hundreds * 100 + o.ones = date_diff('day', date '1970-01-01', cast(? as date))"
            }
        }
    }

    /// The first 16 hex digits of the MD5 of a text in UTF-8, lower case: what a sketch keeps of it.
    pub(crate) fn hash(self, text: &str) -> String {
        match self {
            Self::Spark => format!("substr(md5({text}), 1, 16)"),
            Self::Athena => format!("substr(lower(to_hex(md5(to_utf8({text})))), 1, 16)"),
        }
    }

    /// The hour of the day in a zone, 0 to 23, of milliseconds since 1970 UTC.
    pub(crate) fn hour(self, ms: &str, zone: &str) -> String {
        match (zone, self) {
            ("UTC", _) => format!("mod({}, 24)", whole_units(ms, HOUR_MS)),
            (_, Self::Spark) => format!("mod({}, 24)", whole_units(&self.spark_local_ms(ms, zone), HOUR_MS)),
            (_, Self::Athena) => format!("cast(hour({}) as bigint)", self.athena_local_time(ms, zone)),
        }
    }

    /// The day of the week in a zone, 1 Monday to 7 Sunday.
    pub(crate) fn weekday(self, ms: &str, zone: &str) -> String {
        // 1970-01-01 was a Thursday, day 4 of the week. No call is older.
        let of_ms = |ms: &str| format!("(mod({} + 3, 7) + 1)", whole_units(ms, 24 * HOUR_MS));
        match (zone, self) {
            ("UTC", _) => of_ms(ms),
            (_, Self::Spark) => of_ms(&self.spark_local_ms(ms, zone)),
            (_, Self::Athena) => format!("cast(day_of_week({}) as bigint)", self.athena_local_time(ms, zone)),
        }
    }

    /// What the clocks of a zone show, as milliseconds. It does not depend on the zone of the session.
    fn spark_local_ms(self, ms: &str, zone: &str) -> String {
        format!("unix_millis(from_utc_timestamp(timestamp_millis({ms}), {}))", self.text(zone))
    }

    fn athena_local_time(self, ms: &str, zone: &str) -> String {
        format!("from_unixtime(cast({ms} as double) / 1E3) at time zone {}", self.text(zone))
    }
}

/// A text that names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a target is spark or athena")]
pub struct UnknownTarget;

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, UnknownTarget> {
        Self::ALL.into_iter().find(|target| target.as_str() == text).ok_or(UnknownTarget)
    }
}

/// How many whole units are in milliseconds, rounded down. Division of integers has a different sign in each dialect;
/// in doubles it is one, and exact here: times are below 2^53, and no quotient comes nearer to the next whole number
/// than one unit, which is far more than a double's last bit.
pub(crate) fn whole_units(ms: &str, unit_ms: i64) -> String {
    format!("cast(floor(cast({ms} as double) / {unit_ms}E0) as bigint)")
}
