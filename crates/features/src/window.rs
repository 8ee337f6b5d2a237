//! Windows: minutes and hours that end now, and whole UTC days.

use std::fmt;

/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60_000;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a UTC day.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// The longest stream window, a day: tiles are read back at each question.
pub const STREAM_MINUTES_MAX: u32 = 1440;
/// The longest batch window; a [`crate::DaySet`] holds 128 days.
pub const BATCH_DAYS_MAX: u32 = 90;

/// A window of minutes that ends at the moment of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamWindow {
    minutes: u32,
}

impl StreamWindow {
    /// A window of 1 to [`STREAM_MINUTES_MAX`] minutes.
    pub fn new(minutes: u32) -> Option<Self> {
        (1..=STREAM_MINUTES_MAX).contains(&minutes).then_some(Self { minutes })
    }

    /// Its nominal length in milliseconds.
    pub const fn duration_ms(self) -> i64 {
        self.minutes as i64 * MINUTE_MS
    }
}

/// A window of whole UTC days, the last one being the day asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchWindow {
    days: u32,
}

impl BatchWindow {
    /// A window of 1 to [`BATCH_DAYS_MAX`] days.
    pub fn new(days: u32) -> Option<Self> {
        (1..=BATCH_DAYS_MAX).contains(&days).then_some(Self { days })
    }

    /// How many UTC days it covers.
    pub const fn days(self) -> u32 {
        self.days
    }
}

/// Either kind. The text (`5m`, `24h`, `30d`) ends a feature id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// Answered from tiles.
    Stream(StreamWindow),
    /// Answered from snapshots, and merged with tiles up to now.
    Batch(BatchWindow),
}

impl Window {
    /// Reads `5m`, `24h` or `30d`.
    pub fn parse(text: &str) -> Option<Self> {
        let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let count: u32 = digits.parse().ok()?;
        match unit {
            "m" => StreamWindow::new(count).map(Self::Stream),
            "h" => StreamWindow::new(count.checked_mul(60)?).map(Self::Stream),
            "d" => BatchWindow::new(count).map(Self::Batch),
            _ => None,
        }
    }
}

impl fmt::Display for StreamWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minutes {
            minutes if minutes % 60 == 0 => write!(f, "{}h", minutes / 60),
            minutes => write!(f, "{minutes}m"),
        }
    }
}

impl fmt::Display for BatchWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d", self.days)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(window) => window.fmt(f),
            Self::Batch(window) => window.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn windows_read_what_they_write() {
        for text in ["1m", "5m", "1h", "6h", "24h", "1d", "90d"] {
            assert_eq!(Window::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Window::parse("60m").unwrap().to_string(), "1h");
    }

    #[test]
    fn no_window_is_longer_than_its_layer_keeps() {
        for text in ["", "m", "0m", "05m", "25h", "1441m", "91d", "-1d", "1w", "1é"] {
            assert_eq!(Window::parse(text), None, "{text}");
        }
    }
}
