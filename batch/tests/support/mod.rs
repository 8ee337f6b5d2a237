//! Random calls, and a run over them in a folder.
// Each test uses what it needs of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use batch::{BatchError, BatchOptions, BatchReport, HardFindings, Input, Rebuild};
use call_files::ParquetWriter;
use cdr::{CallRecord, NumberPlan, Outcome};
use features::{DAY_MS, FeatureSet, Level, Party, Value};
use futures::TryStreamExt as _;
use objects::Objects;
use snapshot::{OnlineRow, Snapshot, UtcDay};

/// The day that snapshots of these tests are as of.
pub fn as_of() -> UtcDay {
    "2026-11-20".parse().unwrap()
}

/// The default features, loaded once.
pub fn set() -> Arc<FeatureSet> {
    Arc::new(FeatureSet::default_set().unwrap())
}

/// A small seeded generator (`SplitMix64`).
pub struct Dice(pub u64);

impl Dice {
    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % n
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

const NUMBERS: [&str; 12] = [
    "+12025550101",
    "+12025550102",
    "+12025551101",
    "+12125550101",
    "+442079460000",
    "+442079460001",
    "+5352345678",
    "+2526151234567",
    "+493012345678",
    "anonymous",
    "ext:hq/1001",
    "short:1:911",
];

/// Valid calls with different ids, many of them at the very edges of days, of 95 days before `as_of` to a day
/// after it.
pub fn random_calls(seed: u64, count: usize) -> Vec<CallRecord> {
    let plan = NumberPlan::new("US").unwrap();
    let mut dice = Dice(seed);
    (0..count)
        .map(|n| {
            let back = if dice.below(3) == 0 { dice.below(9) } else { dice.below(97) } as i32;
            let day = as_of().plus(1 - back);
            let edges = [0, 1, DAY_MS - 1, DAY_MS - 60_000];
            let within = if dice.below(4) == 0 { dice.one_of(&edges) } else { dice.below(DAY_MS as u64) as i64 };
            let started_at_ms = day.start_ms() + within;
            let outcome = dice.one_of(&Outcome::ALL);
            let ring = dice.below(20_000) as i64;
            let answered = (outcome == Outcome::Answered).then_some(started_at_ms + ring);
            let talk = if dice.below(2) == 0 { dice.below(12_000) } else { dice.below(600_000) } as i64;
            let costs = dice.below(3) > 0;
            CallRecord {
                call_id: format!("call-{n}").into(),
                caller: plan.parse(dice.one_of(&NUMBERS)).unwrap(),
                callee: plan.parse(dice.one_of(&NUMBERS)).unwrap(),
                started_at_ms,
                answered_at_ms: answered,
                ended_at_ms: answered.map_or(started_at_ms + ring, |answered| answered + talk),
                outcome,
                channel: None,
                trunk: None,
                cell_id: (dice.below(2) == 0).then(|| format!("cell-{}", dice.below(3)).into()),
                imei: None,
                cost_micros: costs.then(|| dice.below(3_000_000) as i64),
                currency: costs.then(|| dice.one_of(&["USD", "EUR"]).into()),
                caller_ip: None,
            }
        })
        .collect()
}

/// Writes calls as lines of JSON.
pub fn write_calls<'a>(path: &Path, calls: impl IntoIterator<Item = &'a CallRecord>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text: String = calls.into_iter().map(|call| call.to_json() + "\n").collect();
    std::fs::write(path, text).unwrap();
}

/// The options of a run from one folder to another.
pub fn options(input: &Path, output: &Path, run: &str) -> BatchOptions {
    BatchOptions {
        input: Input::all(Objects::in_folder(input)),
        output: Objects::in_folder(output),
        as_of: as_of(),
        run: run.parse().unwrap(),
        complete_for_arrivals_before: None,
        rebuild: Rebuild::Never,
        hard_findings: HardFindings::Stop,
        temporary: None,
        read: call_files::ReadOptions::default(),
        threads: 2,
    }
}

/// Runs with the default features.
pub async fn run(input: &Path, output: &Path, run: &str) -> Result<BatchReport, BatchError> {
    batch::run(options(input, output, run), set(), |_| ()).await
}

/// The snapshot that is published in a folder.
pub async fn published(output: &Path) -> Option<Snapshot> {
    Snapshot::open(Objects::in_folder(output), set()).await.unwrap()
}

/// A few features of few levels, for tests of many runs.
pub fn small_set() -> Arc<FeatureSet> {
    let file = "[settings]\ndefault_region = 'US'\nrange_digits = 4\nzone = 'UTC'\n\
        stream_levels = { caller = ['phone'], callee = ['phone'] }\n\
        [[feature]]\nname='calls'\nof='count'\nparty=['caller']\nlevel=['phone','prefix']\nbatch=['1d','7d']\n\
        [[feature]]\nname='distinct_callers'\nof='distinct(caller)'\nparty=['callee']\nlevel=['phone']\nbatch=['7d']\n";
    Arc::new(FeatureSet::parse(file, |_| Err("there is none".to_owned())).unwrap())
}

/// Calls that begin on the days that are so many before [`as_of`].
pub fn calls_of_days(seed: u64, count: usize, days_before: &[i32]) -> Vec<CallRecord> {
    let mut dice = Dice(seed ^ 0x5eed);
    let mut calls = random_calls(seed, count);
    for call in &mut calls {
        let day = as_of().plus(-dice.one_of(days_before));
        let shift = day.start_ms() + call.started_at_ms.rem_euclid(DAY_MS) - call.started_at_ms;
        call.started_at_ms += shift;
        call.ended_at_ms += shift;
        call.answered_at_ms = call.answered_at_ms.map(|at| at + shift);
    }
    calls
}

/// Every row of every face of a snapshot: what all its readers see.
pub async fn answers(snapshot: &Snapshot, set: &FeatureSet) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for party in Party::ALL {
        for level in Level::ALL {
            let at = format!("{} {}", party.as_str(), level.as_str());
            let rows: Vec<(String, OnlineRow)> = snapshot.scan(party, level).try_collect().await.unwrap();
            found.extend(rows.into_iter().map(|(key, row)| (format!("{at} {key}"), format!("{row:?}"))));
            for feature in set.features_at(party, level) {
                for window in &feature.batch {
                    let id = feature.id(features::Window::Batch(*window));
                    let column: Vec<(String, Value)> =
                        snapshot.column(party, level, &id).try_collect().await.unwrap();
                    found.extend(
                        column.into_iter().map(|(key, value)| (format!("{at} {key} {id}"), format!("{value:?}"))),
                    );
                }
            }
        }
    }
    found
}

/// Writes calls as Parquet.
pub fn write_parquet(path: &Path, calls: &[CallRecord]) {
    let mut writer = ParquetWriter::create(path).unwrap();
    calls.iter().for_each(|call| writer.write(call).unwrap());
    writer.finish().unwrap();
}

/// Every file below a folder.
pub fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}
