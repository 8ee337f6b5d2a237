//! Old calls as calls of now: one constant is added to all their times.

use ::features::MINUTE_MS;
use cdr::CallRecord;
use clap::ValueEnum;

use crate::replay::speed::Speed;

/// Which times the calls have on the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Times {
    /// Their own
    Kept,
    /// As if they were made now: all are shifted by the same whole minutes, so that none is put before its end
    Now,
}

/// By how much calls are shifted that came from `first_ms` to `last_ms` and are put from `now_ms` on: the most at which
/// none is put before it came. So the first is of now where they are put as slowly as they came or slower, and the last
/// is of the moment at which it will be put where they are put faster.
///
/// It is whole minutes: calls that were in one minute tile stay in one, and those of two do not meet.
pub(crate) fn shift_ms((first_ms, last_ms): (i64, i64), now_ms: i64, speed: Speed) -> i64 {
    let span_ms = last_ms - first_ms;
    let takes_ms = i64::try_from(speed.due(span_ms).as_millis()).unwrap_or(i64::MAX);
    // What the clock of the calls gains on ours until the last one.
    let gained_ms = (span_ms - takes_ms).max(0);
    (now_ms - first_ms - gained_ms).div_euclid(MINUTE_MS) * MINUTE_MS
}

/// The call, later by so much.
pub(crate) fn shifted(call: CallRecord, by_ms: i64) -> CallRecord {
    CallRecord {
        started_at_ms: call.started_at_ms + by_ms,
        answered_at_ms: call.answered_at_ms.map(|answered| answered + by_ms),
        ended_at_ms: call.ended_at_ms + by_ms,
        ..call
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A day of calls, and a moment weeks later that is no whole minute.
    const SPAN: (i64, i64) = (1_000_000_000, 1_086_400_000);
    const NOW_MS: i64 = 3_000_012_345;

    #[test]
    fn no_call_is_put_before_it_came_and_none_is_a_minute_too_old() {
        for (speed, first_is_due) in [("max", false), ("60", false), ("1", true), ("0.5", true)] {
            let speed: Speed = speed.parse().unwrap();
            let by_ms = shift_ms(SPAN, NOW_MS, speed);
            assert_eq!(by_ms % MINUTE_MS, 0);
            let ahead_ms = |came_ms: i64| {
                let put_ms = NOW_MS + speed.due(came_ms - SPAN.0).as_millis() as i64;
                put_ms - (came_ms + by_ms)
            };
            let ages = [ahead_ms(SPAN.0), ahead_ms(SPAN.1)];
            assert!(ages.iter().all(|age| *age >= 0), "{speed:?}: {ages:?}");
            let newest = if first_is_due { ages[0] } else { ages[1] };
            assert!(newest < MINUTE_MS, "{speed:?}: {ages:?}");
        }
    }

    #[test]
    fn calls_of_the_future_come_back() {
        let by_ms = shift_ms((NOW_MS + 90_000, NOW_MS + 90_000), NOW_MS, Speed::Max);
        assert_eq!(by_ms, -120_000);
    }
}
