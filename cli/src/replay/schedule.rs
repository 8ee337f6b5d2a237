//! When each record is put: in the order in which they came, or late, out of order and twice, as a seed decides.

use anyhow::anyhow;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::times::parse_duration;

/// Copies of six in ten records that are put twice come within this time: the producer has had no answer.
const RETRY_MS: i64 = 30_000;
/// How long records are held back that others are to overtake, as those of `tollwatch generate` are.
const OVERTAKEN_MS: (i64, i64) = (2_000, 120_000);

/// What is to go wrong on the way.
#[derive(clap::Args, Clone, Copy, Debug, PartialEq)]
pub(crate) struct Disturbance {
    /// Share of calls whose record is put twice, with the same bytes: most within 30 seconds, others up to --delay-by
    /// later
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(crate) duplicates: f64,
    /// Share of records that are put up to --delay-by after their time. At --speed max that is their place among the
    /// others
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(crate) delay: f64,
    /// The longest delay, in event time, such as 5m or 2h
    #[arg(long = "delay-by", value_name = "TIME", default_value = "1h", value_parser = delay_ms)]
    pub(crate) delay_by_ms: i64,
    /// Share of records that are overtaken by those of up to two minutes later
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(crate) disorder: f64,
    /// Decides which records these are
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// A record to be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Put {
    /// When, by the clock of the calls: milliseconds since 1970 UTC.
    pub(crate) at_ms: i64,
    /// The place of its call.
    pub(crate) call: usize,
}

/// All records to be put, in their order, and how many of them are not where they should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) puts: Vec<Put>,
    pub(crate) duplicates: u64,
    pub(crate) delayed: u64,
    pub(crate) overtaken: u64,
}

impl Schedule {
    /// The schedule of calls that came at these times, which are in order. What is drawn for a call depends on the seed
    /// and its place alone: another share changes for how many calls it happens, and nothing else.
    pub(crate) fn of(came_ms: impl IntoIterator<Item = i64>, disturbance: &Disturbance) -> Self {
        let mut schedule = Self::default();
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(disturbance.seed));
        for (call, came_ms) in came_ms.into_iter().enumerate() {
            let (is_delayed, delay_ms) = (dice.chance(disturbance.delay), dice.between(1, disturbance.delay_by_ms));
            let (low, high) = OVERTAKEN_MS;
            let (is_overtaken, held_back_ms) = (dice.chance(disturbance.disorder), dice.between(low, high));
            let (is_twice, is_retry) = (dice.chance(disturbance.duplicates), dice.chance(0.6));
            let again_ms = dice.between(0, if is_retry { RETRY_MS } else { disturbance.delay_by_ms });
            let at_ms = match (is_delayed, is_overtaken) {
                (true, _) => came_ms + delay_ms,
                (false, true) => came_ms + held_back_ms,
                (false, false) => came_ms,
            };
            schedule.delayed += u64::from(is_delayed);
            schedule.overtaken += u64::from(is_overtaken && !is_delayed);
            schedule.puts.push(Put { at_ms, call });
            if is_twice {
                schedule.duplicates += 1;
                schedule.puts.push(Put { at_ms: at_ms + again_ms, call });
            }
        }
        // Equal ones keep their order, so that a copy stays behind its original.
        schedule.puts.sort_by_key(|put| put.at_ms);
        schedule
    }
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn chance(&mut self, share: f64) -> bool {
        ((self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64) < share
    }

    /// In `low..=high`.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        let size = (high - low + 1).max(1) as u128;
        low + ((u128::from(self.0.next_u64()) * size) >> 64) as i64
    }
}

fn share(text: &str) -> Result<f64, String> {
    // Written so that NaN is refused.
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "wants a share between 0 and 1, such as 0.01".to_owned())
}

/// As long as Kinesis keeps a record at most, a year: more is a slip of the keyboard.
const DELAY_DAYS_MAX: u64 = 365;

fn delay_ms(text: &str) -> anyhow::Result<i64> {
    let delay = parse_duration(text).filter(|delay| (1..=DELAY_DAYS_MAX * 86_400).contains(&delay.as_secs()));
    let delay = delay.ok_or_else(|| anyhow!("wants a time such as 90s, 5m or 2h, from a second to 365 days"))?;
    Ok(delay.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NONE: Disturbance =
        Disturbance { duplicates: 0.0, delay: 0.0, delay_by_ms: 300_000, disorder: 0.0, seed: 7 };

    /// A record each second.
    fn schedule(disturbance: Disturbance) -> Schedule {
        Schedule::of((0..10_000).map(|second| second * 1_000), &disturbance)
    }

    fn places(schedule: &Schedule) -> Vec<usize> {
        schedule.puts.iter().map(|put| put.call).collect()
    }

    #[test]
    fn without_disturbance_records_are_put_when_they_came() {
        let schedule = schedule(NONE);
        let expected: Vec<Put> = (0..10_000).map(|call| Put { at_ms: call * 1_000, call: call as usize }).collect();
        assert_eq!(schedule, Schedule { puts: expected, ..Schedule::default() });
    }

    #[test]
    fn duplicates_follow_their_original() {
        let schedule = schedule(Disturbance { duplicates: 0.1, ..NONE });
        assert!((900..1_100).contains(&schedule.duplicates), "{}", schedule.duplicates);
        assert_eq!(schedule.puts.len(), 10_000 + schedule.duplicates as usize);
        let mut first = vec![None; 10_000];
        let mut gaps = Vec::new();
        for put in &schedule.puts {
            match first[put.call] {
                None => first[put.call] = Some(put.at_ms),
                Some(at_ms) => gaps.push(put.at_ms - at_ms),
            }
        }
        // Originals are where they were; of the copies six in ten are retries, and of the others a tenth is as early.
        assert!(first.iter().zip(0..).all(|(at_ms, second)| *at_ms == Some(second * 1_000)));
        assert_eq!(gaps.len() as u64, schedule.duplicates);
        assert!(gaps.iter().all(|gap| (0..=300_000).contains(gap)));
        let retries = gaps.iter().filter(|gap| **gap <= RETRY_MS).count() as f64 / gaps.len() as f64;
        assert!((0.58..0.70).contains(&retries), "{retries}");
    }

    #[test]
    fn delayed_and_overtaken_records_are_put_later_and_never_before_they_came() {
        let schedule = schedule(Disturbance { delay: 0.1, disorder: 0.2, ..NONE });
        assert!((900..1_100).contains(&schedule.delayed), "{}", schedule.delayed);
        // Those that are delayed are not counted twice.
        assert!((1_650..1_950).contains(&schedule.overtaken), "{}", schedule.overtaken);
        let late: Vec<i64> = schedule.puts.iter().map(|put| put.at_ms - put.call as i64 * 1_000).collect();
        assert!(late.iter().all(|late| (0..=300_000).contains(late)));
        assert_eq!(late.iter().filter(|late| **late > 0).count() as u64, schedule.delayed + schedule.overtaken);
        assert!(schedule.puts.is_sorted_by_key(|put| put.at_ms));
        let mut sorted = places(&schedule);
        sorted.sort_unstable();
        assert!(!places(&schedule).is_sorted() && sorted == places(&self::schedule(NONE)));
    }

    #[test]
    fn the_seed_decides_and_shares_do_not_disturb_each_other() {
        let disturbed = Disturbance { duplicates: 0.1, delay: 0.1, disorder: 0.1, ..NONE };
        assert_eq!(schedule(disturbed), schedule(disturbed));
        assert_ne!(schedule(disturbed), schedule(Disturbance { seed: 8, ..disturbed }));
        let (both, one) = (schedule(disturbed), schedule(Disturbance { duplicates: 0.0, ..disturbed }));
        assert_eq!((both.delayed, both.overtaken), (one.delayed, one.overtaken));
    }

    #[test]
    fn shares_and_delays_have_bounds() {
        assert_eq!(share("0.25"), Ok(0.25));
        for text in ["-0.1", "1.1", "NaN", "half"] {
            assert!(share(text).is_err(), "{text}");
        }
        assert_eq!(delay_ms("5m").unwrap(), 300_000);
        for text in ["0s", "366d", "5", "5 minutes"] {
            assert!(delay_ms(text).is_err(), "{text}");
        }
    }
}
