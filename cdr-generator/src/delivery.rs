//! How records arrive: late, out of order, twice, and some of them broken.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};

use cdr::Reason;
use smol_str::SmolStr;

use crate::call::GeneratedCall;
use crate::config::{HOUR_MS, MINUTE_MS};
use crate::dice::{Dice, Purpose, Streams};
use crate::durations::travel_ms;
use crate::flaw::Flaw;
use crate::generator::{Calls, Generator};

/// What a delivered record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The first record of a call.
    Call(GeneratedCall),
    /// A record that was sent before, with the same bytes.
    Duplicate(GeneratedCall),
    /// A record that cannot count, and why it must be refused.
    Invalid(Reason),
}

/// One record as it reaches the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it arrives, in milliseconds since 1970 UTC: never before the call has ended.
    pub arrival_ms: i64,
    /// What to partition the stream by: the caller as the switch knows it, also of broken records.
    pub partition_key: SmolStr,
    /// The record.
    pub bytes: Vec<u8>,
    /// What it is.
    pub delivered: Delivered,
}

/// What has been delivered: what a consumer must end up with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Calls, each counted once.
    pub unique_calls: u64,
    /// Records beyond the first of a call.
    pub duplicates: u64,
    /// Records that cannot count, by the reason they must be refused for.
    pub invalid: BTreeMap<Reason, u64>,
    /// First records that arrived more than [`LATE_FROM_MS`] after the end of their call.
    pub late_calls: u64,
}

impl Ledger {
    /// Every record, of whatever kind.
    pub fn records(&self) -> u64 {
        self.unique_calls + self.duplicates + self.invalid.values().sum::<u64>()
    }

    fn enter(&mut self, arrival: &Arrival) {
        match &arrival.delivered {
            Delivered::Call(call) => {
                self.unique_calls += 1;
                self.late_calls += u64::from(arrival.arrival_ms - call.ended_at_ms > LATE_FROM_MS);
            }
            Delivered::Duplicate(_) => self.duplicates += 1,
            Delivered::Invalid(reason) => *self.invalid.entry(*reason).or_default() += 1,
        }
    }
}

/// From how long after the end of its call on a record is called late, in milliseconds.
pub const LATE_FROM_MS: i64 = 5 * MINUTE_MS;

/// How long after its call has begun a record arrives at the latest, in milliseconds: within the day that a
/// consumer allows by default.
pub const LATEST_MS: i64 = 23 * HOUR_MS;

impl Generator {
    /// The records of the calls that begin in `from_ms..to_ms` (milliseconds since 1970 UTC), in the order in
    /// which they arrive. Some arrive after `to_ms`, by as much as [`LATEST_MS`]. What happens to a call's
    /// record does not depend on the stretch that is asked for.
    pub fn arrivals(&self, from_ms: i64, to_ms: i64) -> Arrivals<'_> {
        Arrivals {
            calls: self.calls(from_ms, to_ms),
            settings: self.config(),
            streams: Streams::new(self.config().seed, Purpose::Delivery, 0),
            on_the_way: BinaryHeap::new(),
            sent: 0,
            ledger: Ledger::default(),
            read_until_ms: i64::MIN,
        }
    }
}

/// Records in order of arrival. Made by [`Generator::arrivals`]. It holds what is on its way: the calls of
/// some minutes, and the late ones of a day.
#[derive(Debug)]
pub struct Arrivals<'a> {
    calls: Calls<'a>,
    settings: &'a crate::Config,
    streams: Streams,
    on_the_way: BinaryHeap<Reverse<OnTheWay>>,
    /// How many records were sent; of those that arrive in one millisecond the first sent comes first.
    sent: u64,
    ledger: Ledger,
    /// When the last call that was read began; those still to be read begin no earlier.
    read_until_ms: i64,
}

impl Arrivals<'_> {
    /// What has been delivered so far.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Sends what follows from one call.
    fn send(&mut self, call: &GeneratedCall) {
        self.read_until_ms = call.started_at_ms;
        let mut dice = self.streams.stream(hash(&call.call_id));
        let latest_ms = call.started_at_ms + LATEST_MS;
        let arrival_ms = (call.ended_at_ms + self.delay_ms(&mut dice)).min(latest_ms);
        let bytes = call.to_json().into_bytes();
        if dice.chance(self.settings.duplicate_share) {
            // Producers repeat at once when a reply was lost, and hours later when a batch was run twice.
            let again_ms = if dice.chance(0.6) {
                dice.between(0, 30_000)
            } else {
                dice.log_uniform(600_000.0, 28_800_000.0) as i64
            };
            let copy = Delivered::Duplicate(call.clone());
            let again_ms = (arrival_ms + again_ms).min(latest_ms);
            self.put(arrival_ms, call, bytes.clone(), Delivered::Call(call.clone()));
            self.put(again_ms, call, bytes, copy);
        } else {
            self.put(arrival_ms, call, bytes, Delivered::Call(call.clone()));
        }
        if dice.chance(self.settings.invalid_share) {
            let flaw = dice.pick(&Flaw::ALL);
            let bytes = flaw.bytes(call, &mut dice);
            self.put(arrival_ms, call, bytes, Delivered::Invalid(flaw.reason()));
        }
    }

    /// How long a record travels.
    fn delay_ms(&self, dice: &mut Dice) -> i64 {
        let travel_ms = travel_ms(dice.bits());
        if dice.chance(self.settings.late_share) {
            return travel_ms + dice.log_uniform(LATE_FROM_MS as f64, LATEST_MS as f64) as i64;
        }
        if dice.chance(self.settings.disorder_share) {
            return travel_ms + dice.between(2_000, 120_000);
        }
        travel_ms
    }

    fn put(&mut self, arrival_ms: i64, call: &GeneratedCall, bytes: Vec<u8>, delivered: Delivered) {
        let arrival = Arrival { arrival_ms, partition_key: call.caller.clone(), bytes, delivered };
        self.on_the_way.push(Reverse(OnTheWay { sent: self.sent, arrival }));
        self.sent += 1;
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        // Nothing arrives before it began: what arrives before that is not overtaken any more.
        loop {
            let first_ms = self.on_the_way.peek().map(|Reverse(first)| first.arrival.arrival_ms);
            if first_ms.is_some_and(|first_ms| first_ms < self.read_until_ms) {
                break;
            }
            match self.calls.next() {
                Some(call) => self.send(&call),
                None => break,
            }
        }
        let Reverse(first) = self.on_the_way.pop()?;
        self.ledger.enter(&first.arrival);
        Some(first.arrival)
    }
}

/// FNV-1a: names the stream that decides about one call's record, whatever was asked for before it.
fn hash(call_id: &str) -> u64 {
    call_id.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

/// A record between its call and its arrival.
#[derive(Debug)]
struct OnTheWay {
    sent: u64,
    arrival: Arrival,
}

impl OnTheWay {
    const fn order(&self) -> (i64, u64) {
        (self.arrival.arrival_ms, self.sent)
    }
}

impl Ord for OnTheWay {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for OnTheWay {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for OnTheWay {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for OnTheWay {}
