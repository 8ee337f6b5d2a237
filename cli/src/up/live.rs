//! Synthetic calls as they happen: so many a second at any hour, with one fraud of each scheme at work, late,
//! twice and broken as the generator has it.
//!
//! Time is cut into stretches, each made by a generator of its own: its rate is set for the hour that it lies in,
//! and its frauds run through it. Subscribers and frauds are the same in all of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet};

use ::features::MINUTE_MS;
use cdr_generator::{Arrival, Config, ConfigError, Delivered, Generator, Scheme};
use smol_str::SmolStr;
use tokio::sync::mpsc;

/// The least and the most calls a second: what comes in while one machine is put to other use too.
pub(crate) const RATES: std::ops::RangeInclusive<f64> = 0.1..=2_000.0;
/// How long a stretch is.
const STRETCH_MS: i64 = 10 * MINUTE_MS;
/// How long after a stretch its generator ends: calls end by then, and the frauds, which begin an hour before that
/// end, are at work from the beginning of the stretch on.
const TAIL_MS: i64 = 50 * MINUTE_MS;
/// Calls made to find out what a rate asks of the generator at an hour.
const TRIAL_CALLS: f64 = 5_000.0;
/// Days of the generator: the end may lie on the day after the stretch.
const DAYS: u32 = 2;

/// What calls are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    pub(crate) seed: u64,
    pub(crate) subscribers: u32,
    /// Calls a second, without duplicates and broken records.
    pub(crate) rate: f64,
}

/// Numbers that call, for people to ask about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Examples {
    /// The subscriber that calls most.
    pub(crate) busy: Option<String>,
    /// A machine that calls everybody; none where so few calls are asked for that there is no fraud.
    pub(crate) robocaller: Option<String>,
}

impl Traffic {
    /// Numbers that call at a moment.
    pub(crate) fn examples(&self, at_ms: i64) -> Result<Examples, ConfigError> {
        let from_ms = stretch_of(at_ms);
        let generator = Generator::new(self.config(from_ms)?)?;
        let labels = generator.labels();
        let mut calls: BTreeMap<String, usize> = BTreeMap::new();
        for call in generator.calls(from_ms, from_ms + STRETCH_MS) {
            if call.caller.starts_with('+') && !labels.iter().any(|label| label.number == call.caller) {
                *calls.entry(call.caller.to_string()).or_default() += 1;
            }
        }
        // Of equals the first in the order of numbers.
        let busy = calls.into_iter().max_by_key(|(number, calls)| (*calls, Reverse(number.clone())));
        let robocaller = labels.iter().find(|label| label.scheme == Scheme::Robocall);
        Ok(Examples {
            busy: busy.map(|(number, _)| number),
            robocaller: robocaller.map(|label| label.number.to_string()),
        })
    }

    /// Sends what arrives from a moment on, in order of arrival, until nobody takes it any more. Of calls that
    /// began in the stretch before, those that arrive later are sent too. To be called on a thread of its own.
    pub(crate) fn produce(&self, from_ms: i64, sender: &mpsc::Sender<Arrival>) -> Result<(), ConfigError> {
        let mut later = BinaryHeap::new();
        let mut begun = HashSet::new();
        let mut stretch_ms = stretch_of(from_ms) - STRETCH_MS;
        loop {
            let (config, end_ms) = (self.config(stretch_ms)?, stretch_ms + STRETCH_MS);
            let generator = Generator::new(config)?;
            for arrival in generator.arrivals(stretch_ms, end_ms) {
                if stretch_ms < from_ms && !follows(&arrival, from_ms, &mut begun) {
                    continue;
                }
                if arrival.arrival_ms >= end_ms {
                    later.push(Reverse(Later(arrival)));
                    continue;
                }
                while let Some(first) = pop_until(&mut later, arrival.arrival_ms) {
                    if sender.blocking_send(first).is_err() {
                        return Ok(());
                    }
                }
                if sender.blocking_send(arrival).is_err() {
                    return Ok(());
                }
            }
            stretch_ms = end_ms;
        }
    }

    /// The generator of the stretch from a moment on: as many ordinary calls as are missing at the rate.
    fn config(&self, from_ms: i64) -> Result<Config, ConfigError> {
        let to_ms = from_ms + STRETCH_MS;
        let of = |calls_per_subscriber_day, campaigns_per_scheme| Config {
            calls_per_subscriber_day,
            campaigns_per_scheme,
            ..Config::new(self.seed, to_ms + TAIL_MS, DAYS, self.subscribers)
        };
        let count = |config| Ok(Generator::new(config)?.calls(from_ms, to_ms).count() as f64);
        let seconds = STRETCH_MS as f64 / 1_000.0;
        let wanted = self.rate * seconds;
        let frauds = count(of(f64::MIN_POSITIVE, 1))?;
        // Where they would be most of the calls, there are none.
        let (campaigns, ordinary) = if frauds > wanted / 2.0 { (0, wanted) } else { (1, wanted - frauds) };
        let trial = TRIAL_CALLS / seconds * 86_400.0 / f64::from(self.subscribers);
        let made = count(of(trial, 0))?;
        Ok(of(trial * ordinary / made.max(1.0), campaigns))
    }
}

fn stretch_of(at_ms: i64) -> i64 {
    at_ms.div_euclid(STRETCH_MS) * STRETCH_MS
}

/// Whether a record arrives from the beginning on, and repeats none that came before it.
fn follows(arrival: &Arrival, from_ms: i64, begun: &mut HashSet<SmolStr>) -> bool {
    if arrival.arrival_ms < from_ms {
        return false;
    }
    match &arrival.delivered {
        Delivered::Call(call) => begun.insert(call.call_id.clone()),
        Delivered::Duplicate(call) => begun.contains(&call.call_id),
        Delivered::Invalid(_) => true,
    }
}

/// The first of those that arrive before a moment.
fn pop_until(later: &mut BinaryHeap<Reverse<Later>>, until_ms: i64) -> Option<Arrival> {
    let is_due = later.peek().is_some_and(|Reverse(Later(first))| first.arrival_ms <= until_ms);
    if is_due { later.pop().map(|Reverse(Later(first))| first) } else { None }
}

/// A record of an earlier stretch, by its arrival.
struct Later(Arrival);

impl Later {
    fn order(&self) -> (i64, &[u8]) {
        (self.0.arrival_ms, &self.0.bytes)
    }
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Later {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// 2026-11-21T23:47:12.345Z: the stretches run over midnight.
    const NOW_MS: i64 = 1_795_304_832_345;

    fn arrivals(traffic: Traffic, minutes: i64) -> Vec<Arrival> {
        let (sender, mut receiver) = mpsc::channel(64);
        let producer = std::thread::spawn(move || traffic.produce(NOW_MS, &sender));
        let mut taken = Vec::new();
        while let Some(arrival) = receiver.blocking_recv() {
            if arrival.arrival_ms >= NOW_MS + minutes * MINUTE_MS {
                break;
            }
            taken.push(arrival);
        }
        drop(receiver);
        producer.join().unwrap().unwrap();
        taken
    }

    #[test]
    fn calls_come_in_order_at_the_rate_from_now_on_with_fraud_among_them() {
        let traffic = Traffic { seed: 5, subscribers: 300, rate: 10.0 };
        let taken = arrivals(traffic, 40);
        assert!(taken.iter().all(|arrival| arrival.arrival_ms >= NOW_MS));
        assert!(taken.is_sorted_by_key(|arrival| arrival.arrival_ms));
        let calls = taken.iter().filter(|arrival| matches!(arrival.delivered, Delivered::Call(_))).count();
        let wanted = 10.0 * 40.0 * 60.0;
        assert!((calls as f64 / wanted - 1.0).abs() < 0.05, "{calls} of {wanted}");
        let robocaller = traffic.examples(NOW_MS).unwrap().robocaller.unwrap();
        for minute in 0..40 {
            let from_ms = NOW_MS + minute * MINUTE_MS;
            let of_minute =
                taken.iter().filter(|arrival| (from_ms..from_ms + MINUTE_MS).contains(&arrival.arrival_ms));
            assert!(of_minute.clone().any(|arrival| arrival.partition_key == robocaller), "minute {minute}");
        }
    }

    #[test]
    fn a_record_is_sent_before_it_is_repeated() {
        let traffic = Traffic { seed: 6, subscribers: 300, rate: 10.0 };
        let mut seen = HashSet::new();
        for arrival in arrivals(traffic, 30) {
            match arrival.delivered {
                Delivered::Call(_) => assert!(seen.insert(arrival.bytes)),
                Delivered::Duplicate(_) => assert!(seen.contains(&arrival.bytes)),
                Delivered::Invalid(_) => {}
            }
        }
    }

    #[test]
    fn few_calls_are_all_ordinary() {
        let traffic = Traffic { seed: 5, subscribers: 50, rate: 0.5 };
        let examples = traffic.examples(NOW_MS).unwrap();
        assert_eq!(examples.robocaller, None);
        assert!(examples.busy.unwrap().starts_with('+'));
    }
}
