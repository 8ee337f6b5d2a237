//! How records arrive: late, out of order, twice, and some of them broken.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use cdr::Reason;
use smol_str::SmolStr;

use crate::call::GeneratedCall;
use crate::config::{HOUR_MS, MINUTE_MS};
use crate::dice::{Dice, Purpose, mix};
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

    fn enter(&mut self, parcel: &Parcel) {
        match parcel.content {
            Content::First => {
                self.unique_calls += 1;
                self.late_calls += u64::from(parcel.arrival_ms - parcel.call.ended_at_ms > LATE_FROM_MS);
            }
            Content::Again => self.duplicates += 1,
            Content::Broken(reason, _) => *self.invalid.entry(reason).or_default() += 1,
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
            seed: mix(self.config().seed, Purpose::Delivery as u64),
            on_the_way: BinaryHeap::new(),
            parcels: Vec::new(),
            free: Vec::new(),
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
    seed: u64,
    on_the_way: BinaryHeap<Reverse<OnTheWay>>,
    /// What is on the way, by place: the heap moves places rather than calls.
    parcels: Vec<Option<Parcel>>,
    /// Places that are free.
    free: Vec<u32>,
    /// How many records were sent; of those that arrive in one millisecond the first sent comes first.
    sent: u64,
    ledger: Ledger,
    /// When the last call that was read began; those still to be read begin no earlier.
    read_until_ms: i64,
}

/// A record that is not written yet.
#[derive(Debug)]
pub(crate) struct Parcel {
    arrival_ms: i64,
    pub(crate) call: GeneratedCall,
    pub(crate) content: Content,
}

/// What a record is.
#[derive(Debug)]
pub(crate) enum Content {
    First,
    Again,
    Broken(Reason, Vec<u8>),
}

impl Arrivals<'_> {
    /// What has been delivered so far.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The next record, without the bytes that it is sent as.
    pub(crate) fn next_parcel(&mut self) -> Option<Parcel> {
        // Nothing arrives before it began: what arrives before that is not overtaken any more.
        loop {
            let first_ms = self.on_the_way.peek().map(|Reverse(first)| first.arrival_ms);
            if first_ms.is_some_and(|first_ms| first_ms < self.read_until_ms) {
                break;
            }
            match self.calls.next() {
                Some(call) => self.send(call),
                None => break,
            }
        }
        let Reverse(first) = self.on_the_way.pop()?;
        self.free.push(first.place);
        let parcel = self.parcels[first.place as usize].take()?;
        self.ledger.enter(&parcel);
        Some(parcel)
    }

    /// Sends what follows from one call.
    fn send(&mut self, call: GeneratedCall) {
        self.read_until_ms = call.started_at_ms;
        let mut dice = Dice::of(mix(self.seed, hash(&call.call_id)));
        let latest_ms = call.started_at_ms + LATEST_MS;
        let arrival_ms = (call.ended_at_ms + self.delay_ms(&mut dice)).min(latest_ms);
        // In the order in which they are sent: of those that arrive together the first sent comes first.
        let again_ms = dice.chance(self.settings.duplicate_share).then(|| {
            // Producers repeat at once when a reply was lost, and hours later when a batch was run twice.
            let again_ms = if dice.chance(0.6) {
                dice.between(0, 30_000)
            } else {
                dice.log_uniform(600_000.0, 28_800_000.0) as i64
            };
            (arrival_ms + again_ms).min(latest_ms)
        });
        let broken = dice.chance(self.settings.invalid_share).then(|| {
            let flaw = dice.pick(&Flaw::ALL);
            Content::Broken(flaw.reason(), flaw.bytes(&call, &mut dice))
        });
        let (again, flawed) = (again_ms.map(|_| call.clone()), broken.as_ref().map(|_| call.clone()));
        self.put(Parcel { arrival_ms, call, content: Content::First });
        if let (Some(arrival_ms), Some(call)) = (again_ms, again) {
            self.put(Parcel { arrival_ms, call, content: Content::Again });
        }
        if let (Some(content), Some(call)) = (broken, flawed) {
            self.put(Parcel { arrival_ms, call, content });
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

    fn put(&mut self, parcel: Parcel) {
        let arrival_ms = parcel.arrival_ms;
        let place = self.free.pop().unwrap_or_else(|| {
            self.parcels.push(None);
            self.parcels.len() as u32 - 1
        });
        self.parcels[place as usize] = Some(parcel);
        self.on_the_way.push(Reverse(OnTheWay { arrival_ms, sent: self.sent, place }));
        self.sent += 1;
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let Parcel { arrival_ms, call, content } = self.next_parcel()?;
        let partition_key = call.caller.clone();
        let (bytes, delivered) = match content {
            Content::First => (call.to_json().into_bytes(), Delivered::Call(call)),
            Content::Again => (call.to_json().into_bytes(), Delivered::Duplicate(call)),
            Content::Broken(reason, bytes) => (bytes, Delivered::Invalid(reason)),
        };
        Some(Arrival { arrival_ms, partition_key, bytes, delivered })
    }
}

/// FNV-1a: names the dice that decide about one call's record, whatever was asked for before it.
fn hash(call_id: &str) -> u64 {
    call_id.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

/// A record between its call and its arrival: in this order they arrive.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OnTheWay {
    arrival_ms: i64,
    sent: u64,
    /// Where its parcel is.
    place: u32,
}
