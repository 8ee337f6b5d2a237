//! What a seed puts on the stream: calls, copies, poison, aggregates, shards that split and merge. Nothing in here
//! comes from the engine but the writer of aggregates: times, keys and positions are written out by hand.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

/// When the simulation begins: 2026-11-20T12:00:00Z.
pub const START_MS: i64 = 1_795_176_000_000;
/// How old a call may be when it arrives.
pub const LATENESS_MS: i64 = 24 * HOUR_MS;
/// How far ahead of its arrival a call may begin.
pub const AHEAD_MS: i64 = 10 * MINUTE_MS;
/// The stream's name.
pub const STREAM: &str = "calls";

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Callers and the prefix of each; the anonymous one has none.
pub const CALLERS: [(&str, &str); 4] =
    [("anonymous", ""), ("+12025550101", "+1202"), ("+12025550102", "+1202"), ("+442079460003", "+4420")];
/// Callees and the prefix of each.
pub const CALLEES: [(&str, &str); 3] =
    [("+442079460100", "+4420"), ("+442079460101", "+4420"), ("+12025550177", "+1202")];

/// A call in the simulation's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `call_id` is `c` and this number.
    pub id: u32,
    /// Place in [`CALLERS`].
    pub caller: usize,
    /// Place in [`CALLEES`].
    pub callee: usize,
    /// When it began, in milliseconds since 1970 UTC.
    pub started_at_ms: i64,
    /// How long it was talked, in seconds.
    pub talk_s: u32,
}

/// What a user record of the stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A call that can be read; it may be too old or too new.
    Call(Call),
    /// Bytes that are no record, each different.
    Garbage(u32),
}

/// One record of a shard: a user record, or several in an aggregate.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its sequence number.
    pub sequence: u64,
    /// When it arrived, in milliseconds since 1970 UTC.
    pub arrived_at_ms: i64,
    /// What is in it.
    pub contents: Vec<Content>,
    /// Whether it is an aggregate.
    pub is_aggregate: bool,
    /// Whether the aggregate's checksum is wrong.
    pub is_broken: bool,
}

/// One shard of one life of the stream.
#[derive(Clone, Debug)]
pub struct ShardPlan {
    /// Shard id.
    pub id: String,
    /// The shards that it came from.
    pub parents: Vec<String>,
    /// What it holds, in order.
    pub entries: Vec<Entry>,
}

/// A stream from its creation to its removal. Names and sequence numbers of the next life begin anew.
#[derive(Clone, Debug)]
pub struct Life {
    /// The generation that the consumer is told.
    pub generation: u32,
    /// The shards.
    pub shards: Vec<ShardPlan>,
}

/// Everything that a seed decides about the calls.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// One life, or two.
    pub lives: Vec<Life>,
}

impl Scenario {
    /// Draws a scenario.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut draw = Draw { next_id: 0, sent: Vec::new(), at_ms: START_MS };
        let lives = if rng.random_bool(0.25) { 2 } else { 1 };
        Self { lives: (1..=lives).map(|generation| draw.life(rng, generation)).collect() }
    }
}

struct Draw {
    next_id: u32,
    sent: Vec<Call>,
    at_ms: i64,
}

impl Draw {
    fn life(&mut self, rng: &mut ChaCha8Rng, generation: u32) -> Life {
        let mut shards: Vec<ShardPlan> = (0..rng.random_range(1..=3)).map(|n| shard(n, &[])).collect();
        let mut open: Vec<usize> = (0..shards.len()).collect();
        let records = rng.random_range(3..30);
        let reshard_at = rng.random_bool(0.4).then(|| rng.random_range(0..records));
        let mut sequence = 1_000;
        let mut is_day_passed = false;
        for n in 0..records {
            if reshard_at == Some(n) {
                reshard(rng, &mut shards, &mut open);
            }
            self.at_ms += rng.random_range(0..3_000);
            // Once in a while most of a day goes by, and copies of old calls arrive.
            if !is_day_passed && rng.random_bool(0.02) {
                self.at_ms += rng.random_range(13..22) * HOUR_MS;
                is_day_passed = true;
            }
            sequence += rng.random_range(1..50);
            let is_aggregate = rng.random_bool(0.2);
            let contents: Vec<Content> = if is_aggregate {
                (0..rng.random_range(1..5)).map(|_| self.content(rng)).collect()
            } else {
                vec![self.content(rng)]
            };
            let by_caller = match &contents[0] {
                Content::Call(call) if rng.random_bool(0.7) => call.caller,
                _ => rng.random_range(0..16),
            };
            let place = open[by_caller % open.len()];
            let is_broken = is_aggregate && rng.random_bool(0.15);
            let arrived_at_ms = self.at_ms;
            shards[place].entries.push(Entry { sequence, arrived_at_ms, contents, is_aggregate, is_broken });
        }
        Life { generation, shards }
    }

    fn content(&mut self, rng: &mut ChaCha8Rng) -> Content {
        self.next_id += 1;
        if rng.random_bool(0.08) {
            return Content::Garbage(self.next_id);
        }
        if !self.sent.is_empty() && rng.random_bool(0.25) {
            let copy = self.sent[rng.random_range(0..self.sent.len())].clone();
            return Content::Call(copy);
        }
        let age_ms = match rng.random_range(0..20) {
            // On the edge of what is too late or too far ahead: a judgement by another clock falls otherwise.
            0 => LATENESS_MS - rng.random_range(0..1_000),
            1 => LATENESS_MS + rng.random_range(1..MINUTE_MS),
            2 => -AHEAD_MS - rng.random_range(1..1_000),
            3 => rng.random_range(HOUR_MS..LATENESS_MS),
            _ => rng.random_range(0..4) * MINUTE_MS,
        };
        let call = Call {
            id: self.next_id,
            caller: rng.random_range(0..CALLERS.len()),
            callee: rng.random_range(0..CALLEES.len()),
            started_at_ms: self.at_ms - age_ms,
            talk_s: rng.random_range(0..600),
        };
        self.sent.push(call.clone());
        Content::Call(call)
    }
}

fn shard(n: usize, parents: &[&str]) -> ShardPlan {
    let parents = parents.iter().map(|&parent| parent.to_owned()).collect();
    ShardPlan { id: format!("shardId-{n:012}"), parents, entries: Vec::new() }
}

/// One open shard is split, or two are merged.
fn reshard(rng: &mut ChaCha8Rng, shards: &mut Vec<ShardPlan>, open: &mut Vec<usize>) {
    let first = open.remove(rng.random_range(0..open.len()));
    let next = shards.len();
    if !open.is_empty() && rng.random_bool(0.5) {
        let second = open.remove(rng.random_range(0..open.len()));
        let merged = shard(next, &[&shards[first].id, &shards[second].id]);
        shards.push(merged);
        open.push(next);
    } else {
        for n in [next, next + 1] {
            let half = shard(n, &[&shards[first].id]);
            shards.push(half);
            open.push(n);
        }
    }
}

impl Content {
    /// What the producer sends.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Garbage(n) => format!("{{\"call_id\": {n}").into_bytes(),
            Self::Call(call) => call.json().into_bytes(),
        }
    }
}

impl Call {
    fn json(&self) -> String {
        let time = |ms: i64| {
            let (seconds, millis) = (ms.div_euclid(1_000), ms.rem_euclid(1_000));
            let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
            let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
            format!("{}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z", date(days))
        };
        format!(
            r#"{{"call_id":"c{}","caller":"{}","callee":"{}","started_at":"{}","answered_at":"{}","ended_at":"{}","outcome":"answered"}}"#,
            self.id,
            CALLERS[self.caller].0,
            CALLEES[self.callee].0,
            time(self.started_at_ms),
            time(self.started_at_ms + 1_000),
            time(self.started_at_ms + 1_000 + i64::from(self.talk_s) * 1_000),
        )
    }
}

/// The few dates that a simulation can reach.
fn date(days: i64) -> String {
    let first = START_MS.div_euclid(86_400_000) - 20;
    format!("2026-11-{:02}", days - first)
}

impl Entry {
    /// The data of the Kinesis record.
    pub fn bytes(&self) -> Vec<u8> {
        if !self.is_aggregate {
            return self.contents[0].bytes();
        }
        let parts: Vec<Vec<u8>> = self.contents.iter().map(Content::bytes).collect();
        let mut bytes = cdr::aggregate(parts.iter().map(|part| ("p", part.as_slice())));
        if self.is_broken
            && let Some(last) = bytes.last_mut()
        {
            *last ^= 1;
        }
        bytes
    }
}

/// What can never count, by the key of its object in quarantine: the original bytes.
pub fn expected_quarantine(scenario: &Scenario) -> BTreeMap<String, Vec<u8>> {
    let mut objects = BTreeMap::new();
    for (life, shard, entry) in entries(scenario) {
        let mut expect = |reason: &str, sub_sequence: usize, bytes: Vec<u8>| {
            let position = format!("{:048x}{sub_sequence:08x}", entry.sequence);
            let key = format!("quarantine/{reason}/{STREAM}/{}/{}/{position}.json", life.generation, shard.id);
            objects.insert(key, bytes);
        };
        if entry.is_broken {
            expect("bad_aggregate", 0, entry.bytes());
            continue;
        }
        for (n, content) in entry.contents.iter().enumerate() {
            if let Some(reason) = refusal(content, entry.arrived_at_ms) {
                expect(reason, n, content.bytes());
            }
        }
    }
    objects
}

/// Why a record can never count, if it cannot.
pub fn refusal(content: &Content, arrived_at_ms: i64) -> Option<&'static str> {
    match content {
        Content::Garbage(_) => Some("unparseable"),
        Content::Call(call) if arrived_at_ms - call.started_at_ms > LATENESS_MS => Some("too_late"),
        Content::Call(call) if call.started_at_ms - arrived_at_ms > AHEAD_MS => Some("from_future"),
        Content::Call(_) => None,
    }
}

/// Every entry with where it stands.
pub fn entries(scenario: &Scenario) -> impl Iterator<Item = (&Life, &ShardPlan, &Entry)> {
    let shards = scenario.lives.iter().flat_map(|life| life.shards.iter().map(move |shard| (life, shard)));
    shards.flat_map(|(life, shard)| shard.entries.iter().map(move |entry| (life, shard, entry)))
}
