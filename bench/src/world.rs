//! What the feature service is measured on: phones and their calls, the snapshot and the tiles that they make, and what
//! a plain count over the same calls says, which knows nothing of states, windows or merging.
//!
//! Phones are of some thousand kinds, and all of a kind make the same calls: so ten million of them are made in
//! minutes. Which kind a phone is of follows from its number, not from its place among its neighbours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use cdr::{CallRecord, Channel, NumberPlan, Outcome};
use features::{DAY_MS, Entity, FeatureSet, HOUR_MS, Level, Observer, Party, State, hash_text};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, LogNormal, Poisson};
use snapshot::{
    Face, LevelRows, Manifest, OnlineRow, OnlineWriter, RunId, UtcDay, WindowStates, online_files, online_key,
};
use tiles::{Granularity, StoreError, StoredTile, TileKey, TileStore, TileVersion, note_coverage, partition_key};

/// 2026-11-21, as days since 1970 UTC: the day that is answered for.
pub const TODAY: i32 = 20_778;
/// The moment that is answered for, 09:30 UTC.
pub const NOW_MS: i64 = TODAY as i64 * DAY_MS + 9 * HOUR_MS + HOUR_MS / 2;
/// The last day of the snapshot.
pub const SNAPSHOT_DAY: i32 = TODAY - 1;
/// The measures that are asked for, each over [`DAYS`].
pub const MEASURES: [&str; 5] = ["calls", "velocity", "active_days", "talk_ms", "answered_calls"];
/// The windows that are asked for, in days.
pub const DAYS: [i32; 4] = [1, 7, 30, 90];

const KINDS: usize = 4_096;
/// 2096: tiles outlive the measurement.
const EXPIRES_AT_S: i64 = 4_000_000_000;
const WRITES_AT_ONCE: usize = 32;
/// Area codes; the numbers of each follow each other.
const AREAS: [u64; 10] = [202, 212, 303, 312, 404, 415, 512, 617, 702, 808];
const DEFINITIONS: &str = include_str!("../../features.toml");
const IRSF: &str = include_str!("../../lists/irsf.csv");
const STREAMED: &str = "caller = [\"phone\", \"prefix\"]\ncallee = [\"phone\"]\n";

/// The ids of the features that are asked for.
pub fn feature_ids() -> Vec<String> {
    MEASURES.iter().flat_map(|measure| DAYS.map(|days| format!("{measure}_{days}d"))).collect()
}

/// Phone number `n` of `phones`. They ascend.
pub fn phone(n: u64, phones: u64) -> String {
    let each = phones.div_ceil(AREAS.len() as u64);
    format!("+1{}{}", AREAS[(n / each) as usize], 2_000_000 + n % each)
}

/// Definitions that differ from the default ones in that the stream keeps no tiles: every value is of the snapshot, as
/// those of the peers are.
pub fn definitions_without_stream() -> anyhow::Result<FeatureSet> {
    let text = DEFINITIONS.replace(STREAMED, "caller = []\ncallee = []\n");
    anyhow::ensure!(text != DEFINITIONS, "features.toml names other stream levels than this measurement expects");
    let read_list =
        |path: &str| if path == "lists/irsf.csv" { Ok(IRSF.to_owned()) } else { Err("unknown".to_owned()) };
    Ok(FeatureSet::parse(&text, read_list)?)
}

/// The calls that every phone of a kind makes.
struct Kind {
    calls: Vec<CallRecord>,
}

/// All kinds of phones.
pub struct World {
    set: Arc<FeatureSet>,
    kinds: Vec<Kind>,
    phones: u64,
}

impl World {
    /// A world of so many phones, which make `calls_a_day` calls each in the mean, some of them none and a few many.
    pub fn new(set: Arc<FeatureSet>, phones: u64, calls_a_day: f64) -> anyhow::Result<Self> {
        let plan = NumberPlan::new(&set.settings().default_region)?;
        let kinds = (0..KINDS).map(|kind| Kind::new(kind as u64, calls_a_day, &plan)).collect::<Result<_, _>>()?;
        Ok(Self { set, kinds, phones })
    }

    /// What is defined.
    pub const fn set(&self) -> &Arc<FeatureSet> {
        &self.set
    }

    /// How many phones there are.
    pub const fn phones(&self) -> u64 {
        self.phones
    }

    fn kind_of(phone: &str) -> usize {
        (hash_text(phone) >> 32) as usize % KINDS
    }

    /// What the features of [`feature_ids`] are of a phone, in that order: of the days of the snapshot, or up to now.
    pub fn values(&self, phone: &str, up_to_now: bool) -> Vec<f64> {
        let last = if up_to_now { TODAY } else { SNAPSHOT_DAY };
        let calls = &self.kinds[Self::kind_of(phone)].calls;
        let day = |call: &CallRecord| call.started_at_ms.div_euclid(DAY_MS) as i32;
        let mut values = Vec::new();
        for measure in MEASURES {
            for days in DAYS {
                let within = calls.iter().filter(|call| (last - days + 1..=last).contains(&day(call)));
                values.push(match measure {
                    "calls" => within.count() as f64,
                    "velocity" => (within.count() as f64 * 100.0 / f64::from(days)).round() / 100.0,
                    "active_days" => within.map(day).collect::<BTreeSet<_>>().len() as f64,
                    "talk_ms" => {
                        within.filter_map(|call| Some(call.ended_at_ms - call.answered_at_ms?)).sum::<i64>() as f64
                    }
                    _ => within.filter(|call| call.answered_at_ms.is_some()).count() as f64,
                });
            }
        }
        values
    }

    /// Writes the values of all phones as CSV, with a header.
    pub fn write_values(&self, path: &Path, up_to_now: bool) -> anyhow::Result<()> {
        let mut text = format!("phone,{}\n", feature_ids().join(","));
        for n in 0..self.phones {
            let phone = phone(n, self.phones);
            let values: Vec<String> = self.values(&phone, up_to_now).iter().map(ToString::to_string).collect();
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{phone},{}", values.join(","));
        }
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the snapshot of the phones as callers below `data`, and publishes it. Returns the mean bytes of a row.
    pub fn write_snapshot(&self, data: &Path) -> anyhow::Result<f64> {
        let (party, level, as_of) = (Party::Caller, Level::Phone, UtcDay::new(SNAPSHOT_DAY));
        let run: RunId = format!("bench-{}", self.phones).parse()?;
        let rows: Vec<Vec<u8>> = self.kinds.iter().map(|kind| kind.row(&self.set)).collect();
        let files = online_files(self.phones);
        let key_of = |part| online_key(as_of, &run, party, level, part);
        let first = data.join(key_of(0));
        let folder = first.parent().context("no folder")?;
        fs::create_dir_all(folder)?;
        let mut writer = OnlineWriter::create(folder, files, &[])?;
        let mut bytes = 0;
        for n in 0..self.phones {
            let phone = phone(n, self.phones);
            let row = &rows[Self::kind_of(&phone)];
            bytes += row.len() as u64;
            writer.push(&phone, row)?;
        }
        let parts = writer.finish()?.into_iter().enumerate();
        let files = parts.map(|(part, local)| local.listed(party, level, Face::Online, key_of(part))).collect();
        let manifest = Manifest {
            complete_for_arrivals_before: Some(i64::from(TODAY) * DAY_MS),
            rows: vec![LevelRows { party, level, rows: self.phones }],
            files,
            ..Manifest::new(&self.set, as_of, run.clone(), "bench")
        };
        fs::write(data.join(snapshot::CURRENT), manifest.to_json()?)?;
        Ok(bytes as f64 / self.phones as f64)
    }

    /// Writes the tiles of the first `phones` phones since the snapshot's last day, and the note since when calls are
    /// counted. Returns how many tiles there are.
    pub async fn write_tiles(&self, store: &impl TileStore, phones: u64) -> anyhow::Result<u64> {
        note_coverage(store, self.set.version(), 0).await?;
        let tiles: Vec<Vec<(i64, State)>> = self.kinds.iter().map(|kind| kind.tiles(&self.set)).collect();
        let write = async |n| {
            let phone = phone(n, self.phones);
            let partition = partition_key(self.set.version(), &Entity::new(Party::Caller, Level::Phone, &phone));
            let tiles = &tiles[Self::kind_of(&phone)];
            for (start_ms, state) in tiles {
                let key = TileKey::caller(partition.clone(), *start_ms);
                let (version, state) = (TileVersion::Calls(1), state.to_bytes());
                let tile = StoredTile { version, calls: Vec::new(), state, expires_at_s: EXPIRES_AT_S };
                store.compare_and_set(&key, None, &tile).await?;
            }
            Ok::<_, StoreError>(tiles.len() as u64)
        };
        let written = stream::iter(0..phones).map(write).buffer_unordered(WRITES_AT_ONCE);
        Ok(written.try_fold(0, async |sum, tiles| Ok(sum + tiles)).await?)
    }
}

impl Kind {
    fn new(seed: u64, calls_a_day: f64, plan: &NumberPlan) -> anyhow::Result<Self> {
        const SPREAD: f64 = 1.2;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // The mean of a log-normal variable is exp(mu + sigma^2 / 2).
        let mean = LogNormal::new(calls_a_day.ln() - SPREAD * SPREAD / 2.0, SPREAD)?.sample(&mut random).min(100.0);
        let caller = plan.parse("+12025550100")?;
        let circle: Vec<_> = (0..4 + (mean * 10.0) as u64)
            .map(|_| {
                if random.random_range(0..20) == 0 {
                    plan.parse(&format!("+4420794{:05}", random.random_range(0..100_000)))
                } else {
                    let area = AREAS[random.random_range(0..AREAS.len())];
                    plan.parse(&format!("+1{area}{}", random.random_range(2_000_000..10_000_000)))
                }
            })
            .collect::<Result<_, _>>()?;
        let calls_of_day = Poisson::new(mean)?;
        let mut calls = Vec::new();
        for day in TODAY - 90..=TODAY {
            let until_ms = if day == TODAY { NOW_MS } else { i64::from(day + 1) * DAY_MS };
            for call in 0..calls_of_day.sample(&mut random) as u64 {
                let started_at_ms = i64::from(day) * DAY_MS + random.random_range(0..DAY_MS);
                if started_at_ms >= until_ms {
                    continue;
                }
                // Contacts that are called often, and others.
                let contact = random.random_range(0.0..1.0_f64).powi(3) * circle.len() as f64;
                let answered = random.random_range(0..10) < 7;
                let ring_ms = random.random_range(500..20_000);
                let talk_ms = if answered { random.random_range(1_000..600_000) } else { 0 };
                calls.push(CallRecord {
                    call_id: format!("{seed}-{day}-{call}").into(),
                    caller: caller.clone(),
                    callee: circle[contact as usize].clone(),
                    started_at_ms,
                    answered_at_ms: answered.then_some(started_at_ms + ring_ms),
                    ended_at_ms: started_at_ms + ring_ms + talk_ms,
                    outcome: if answered { Outcome::Answered } else { Outcome::NoAnswer },
                    channel: Some(Channel::Voice),
                    trunk: None,
                    cell_id: Some(format!("310-410-{}", random.random_range(0..4)).into()),
                    imei: None,
                    cost_micros: answered.then_some(talk_ms / 6),
                    currency: answered.then(|| "USD".into()),
                    caller_ip: None,
                });
            }
        }
        Ok(Self { calls })
    }

    /// Its row of the snapshot.
    fn row(&self, set: &Arc<FeatureSet>) -> Vec<u8> {
        let mask = set.mask(Party::Caller, Level::Phone);
        let mut observer = Observer::new(Arc::clone(set));
        let mut windows: Vec<WindowStates> = set
            .batch_windows(Party::Caller, Level::Phone)
            .iter()
            .map(|window| {
                let empty = || State::empty(set.slots(Party::Caller));
                WindowStates { days: window.days(), states: [empty(), empty(), empty()] }
            })
            .collect();
        for call in &self.calls {
            let day = call.started_at_ms.div_euclid(DAY_MS) as i32;
            let observed = observer.observe(call);
            for WindowStates { days, states } in &mut windows {
                let from = SNAPSHOT_DAY - days.cast_signed();
                let parts = [from + 1..=SNAPSHOT_DAY, from + 2..=SNAPSHOT_DAY - 1, from + 3..=SNAPSHOT_DAY - 1];
                for (state, part) in states.iter_mut().zip(parts) {
                    if part.contains(&day) {
                        state.add(&observed.of(Party::Caller), mask);
                    }
                }
            }
        }
        let mut bytes = Vec::new();
        OnlineRow { windows }.encode(&mut bytes);
        bytes
    }

    /// Its tiles since the snapshot's last day.
    fn tiles(&self, set: &Arc<FeatureSet>) -> Vec<(i64, State)> {
        let mask = set.mask(Party::Caller, Level::Phone);
        let mut observer = Observer::new(Arc::clone(set));
        let mut tiles = BTreeMap::new();
        for call in self.calls.iter().filter(|call| call.started_at_ms >= i64::from(SNAPSHOT_DAY) * DAY_MS) {
            let start_ms = Granularity::Minute.floor(call.started_at_ms);
            let tile = tiles.entry(start_ms).or_insert_with(|| State::empty(set.slots(Party::Caller)));
            tile.add(&observer.observe(call).of(Party::Caller), mask);
        }
        tiles.into_iter().collect()
    }
}
