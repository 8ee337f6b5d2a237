//! The moment that a row is about, and the windows that end with it.

use features::{DAY_MS, FeatureSet, Level, MINUTE_MS, Party, Window};

/// A label's time, as the service answers for it: `as_of` is the time floored to a minute, which ends every window,
/// exclusively.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The label's time, in milliseconds since 1970 UTC: what had not become known before counts nowhere.
    pub time_ms: i64,
    /// What the service makes of it: no call counts that began at it or later.
    pub as_of_ms: i64,
}

impl Moment {
    /// The moment of a time in milliseconds since 1970 UTC.
    pub const fn of(time_ms: i64) -> Self {
        Self { time_ms, as_of_ms: time_ms - time_ms.rem_euclid(MINUTE_MS) }
    }

    /// First moment and end, exclusive, of what a window covers, in milliseconds since 1970 UTC; `None` where the
    /// service does not answer it.
    ///
    /// A stream window W is `[as_of - W, as_of)`. A window of d days is `[today - (d-1), as_of)` in whole UTC days
    /// but for the last. Where the stream keeps no tiles of the party and level, there is no stream window, and the
    /// service answers days from the snapshot of the day before: `[today - d, today)`.
    pub fn interval(self, set: &FeatureSet, party: Party, level: Level, window: Window) -> Option<(i64, i64)> {
        let is_streamed = set.is_streamed(party, level);
        let midnight_ms = self.as_of_ms - self.as_of_ms.rem_euclid(DAY_MS);
        match window {
            Window::Stream(window) => is_streamed.then_some((self.as_of_ms - window.duration_ms(), self.as_of_ms)),
            Window::Batch(window) => {
                let days_ms = i64::from(window.days()) * DAY_MS;
                Some(match is_streamed {
                    true => (midnight_ms + DAY_MS - days_ms, self.as_of_ms),
                    false => (midnight_ms - days_ms, midnight_ms),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// 2026-11-21T00:00:00Z.
    const MIDNIGHT: i64 = 1_795_219_200_000;

    #[test]
    fn windows_end_with_the_minute_and_days_are_calendar_days() {
        let set = FeatureSet::default_set().unwrap();
        let at = |time_ms, level, window| {
            Moment::of(time_ms).interval(&set, Party::Caller, level, Window::parse(window).unwrap())
        };
        let time_ms = MIDNIGHT + 7 * 3_600_000 + 65_004;
        let as_of_ms = MIDNIGHT + 7 * 3_600_000 + 60_000;
        assert_eq!(Moment::of(time_ms), Moment { time_ms, as_of_ms });
        assert_eq!(at(time_ms, Level::Phone, "5m"), Some((as_of_ms - 300_000, as_of_ms)));
        assert_eq!(at(time_ms, Level::Prefix, "24h"), Some((as_of_ms - DAY_MS, as_of_ms)));
        assert_eq!(at(time_ms, Level::Phone, "1d"), Some((MIDNIGHT, as_of_ms)));
        assert_eq!(at(time_ms, Level::Phone, "7d"), Some((MIDNIGHT - 6 * DAY_MS, as_of_ms)));
        // At midnight the new day has begun and is empty.
        assert_eq!(at(MIDNIGHT, Level::Phone, "1d"), Some((MIDNIGHT, MIDNIGHT)));
        // Ranges are answered from the snapshot of the day before.
        assert_eq!(at(time_ms, Level::Range, "5m"), None);
        assert_eq!(at(time_ms, Level::Range, "7d"), Some((MIDNIGHT - 7 * DAY_MS, MIDNIGHT)));
    }
}
