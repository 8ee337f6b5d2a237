//! How late it is at the switch, as far as its rows tell.

/// The clock of a switch: the latest end of a leg, and the time that has passed since that was read. A clock or a zone
/// that is set wrong moves it along, so that legs wait for each other as long as they should.
pub(crate) struct SwitchClock {
    /// How far two ends may be apart to bear each other out, in milliseconds.
    near_ms: i64,
    /// The latest end that is believed, and when it was read.
    latest: Option<(i64, i64)>,
    /// An end that lies in the future and that one leg has told of.
    ahead_ms: Option<i64>,
}

impl SwitchClock {
    pub const fn new(near_ms: i64) -> Self {
        Self { near_ms, latest: None, ahead_ms: None }
    }

    /// A leg that ended then was read now. One that says a time that is yet to come is believed once another does.
    pub fn see(&mut self, ended_at_ms: i64, now_ms: i64) {
        let here_ms = self.at(now_ms);
        if here_ms.is_some_and(|here_ms| ended_at_ms <= here_ms) {
            return;
        }
        if ended_at_ms <= now_ms || ended_at_ms - here_ms.unwrap_or(now_ms) <= self.near_ms {
            self.latest = Some((ended_at_ms, now_ms));
            return;
        }
        match self.ahead_ms {
            Some(ahead_ms) if ended_at_ms >= ahead_ms - self.near_ms => {
                self.latest = Some((ahead_ms.min(ended_at_ms), now_ms));
                self.ahead_ms = Some(ended_at_ms).filter(|_| ended_at_ms > ahead_ms);
            }
            // The lesser one is the more likely.
            _ => self.ahead_ms = Some(ended_at_ms),
        }
    }

    /// How late it is there; `None` before any leg.
    pub fn at(&self, now_ms: i64) -> Option<i64> {
        self.latest.map(|(ended_at_ms, read_ms)| ended_at_ms + (now_ms - read_ms).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the clock says after legs that ended and were read then.
    fn at(legs: &[(i64, i64)], now_ms: i64) -> Option<i64> {
        let mut clock = SwitchClock::new(10);
        legs.iter().for_each(|(ended, read)| clock.see(*ended, *read));
        clock.at(now_ms)
    }

    #[test]
    fn it_goes_on_by_itself_and_with_every_leg() {
        assert_eq!(at(&[], 5), None);
        assert_eq!(at(&[(100, 103)], 203), Some(200));
        assert_eq!(at(&[(100, 103), (150, 203)], 203), Some(200), "an end from before");
        assert_eq!(at(&[(100, 1_000), (900, 1_000)], 1_001), Some(901), "what is caught up with");
    }

    #[test]
    fn a_switch_that_is_ahead_moves_it_and_a_single_wrong_time_does_not() {
        assert_eq!(at(&[(5_000, 1_000), (5_200, 1_000), (5_205, 1_000)], 1_000), Some(5_200));
        assert_eq!(at(&[(990, 1_000), (7_000, 1_000), (995, 1_001)], 1_002), Some(996));
        assert_eq!(at(&[(7_000, 1_000)], 1_001), None, "nor does the first time of all");
        assert_eq!(at(&[(7_000, 1_000), (995, 1_001)], 1_002), Some(996));
        assert_eq!(at(&[(5_000, 1_000), (90_000, 1_000), (6_000, 1_000), (6_001, 1_000)], 1_000), Some(6_000));
    }
}
