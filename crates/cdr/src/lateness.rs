//! How a call's beginning may lie to its arrival.

use crate::{Reason, RecordError};

/// How far a call may begin after it arrived, in milliseconds: clocks of switches differ.
pub const FUTURE_TOLERANCE_MS: i64 = 10 * 60 * 1000;

/// How old a call may be when it arrives at the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    /// Longest time from a call's beginning to its arrival, in milliseconds.
    pub allowed_ms: i64,
}

impl Lateness {
    /// Refuses a call that is too late ([`Reason::TooLate`]) or from the future ([`Reason::FromFuture`]). Both moments
    /// in milliseconds since 1970 UTC: the verdict depends on them and the setting alone, so that a redelivery is judged
    /// the same.
    pub fn judge(self, started_at_ms: i64, arrived_at_ms: i64) -> Result<(), RecordError> {
        let age_ms = arrived_at_ms - started_at_ms;
        if age_ms > self.allowed_ms {
            let rule = "is older than the allowed lateness: raise ALLOWED_LATENESS_HOURS or replay it as history";
            return Err(RecordError::of_field(Reason::TooLate, "started_at", 0, rule));
        }
        if age_ms < -FUTURE_TOLERANCE_MS {
            let rule = "is later than its arrival by more than 10 minutes: set the producer's clock";
            return Err(RecordError::of_field(Reason::FromFuture, "started_at", 0, rule));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_are_still_in_time() {
        let reason = |age_ms: i64| {
            let lateness = Lateness { allowed_ms: 3_600_000 };
            lateness.judge(1_795_000_000_000, 1_795_000_000_000 + age_ms).err().map(|error| error.reason)
        };
        assert_eq!([reason(3_600_000), reason(-600_000)], [None, None]);
        assert_eq!(reason(3_600_001), Some(Reason::TooLate));
        assert_eq!(reason(-600_001), Some(Reason::FromFuture));
    }
}
