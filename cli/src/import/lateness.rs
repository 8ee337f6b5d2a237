//! What becomes of calls that are old when they arrive on a stream.

use ::features::{DAY_MS, HOUR_MS};
use indicatif::ProgressBar;

/// What a consumer allows that is not told otherwise.
const DEFAULT_LATENESS_MS: i64 = DAY_MS;

/// Says once, with the first call that is too old, that a consumer may set such calls aside: so that whoever did not
/// know can stop.
pub(crate) struct LatenessNote {
    now_ms: i64,
    is_said: bool,
    oldest_ms: i64,
}

impl LatenessNote {
    /// For calls that arrive from now on.
    pub(crate) fn at(now_ms: i64) -> Self {
        Self { now_ms, is_said: false, oldest_ms: i64::MAX }
    }

    /// Looks at when a call began.
    pub(crate) fn look_at(&mut self, bar: &ProgressBar, started_at_ms: i64) {
        self.oldest_ms = self.oldest_ms.min(started_at_ms);
        if !self.is_said && self.now_ms - started_at_ms > DEFAULT_LATENESS_MS {
            self.is_said = true;
            let hours = self.hours();
            bar.suspend(|| {
                eprintln!(
                    "note: a consumer judges lateness by arrival, and there are calls here that began {hours} hours ago: \
                     one that allows less (24 hours by default) quarantines them as too_late, and counts them once they \
                     are put back. For old calls use `tollwatch batch`, or raise ALLOWED_LATENESS_HOURS."
                );
            });
        }
    }

    /// What the setting has to be above, where the default is not enough.
    pub(crate) fn hours_needed(&self) -> Option<i64> {
        (self.is_said).then(|| self.hours())
    }

    /// Since the oldest began. One more, since putting takes time too.
    const fn hours(&self) -> i64 {
        (self.now_ms - self.oldest_ms) / HOUR_MS + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_call_says_what_is_needed() {
        let mut note = LatenessNote::at(100 * HOUR_MS);
        let bar = ProgressBar::hidden();
        note.look_at(&bar, 76 * HOUR_MS);
        assert_eq!(note.hours_needed(), None);
        note.look_at(&bar, 76 * HOUR_MS - 1);
        assert_eq!(note.hours_needed(), Some(25));
        note.look_at(&bar, 50 * HOUR_MS);
        note.look_at(&bar, 99 * HOUR_MS);
        assert_eq!(note.hours_needed(), Some(51));
    }
}
