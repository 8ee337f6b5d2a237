//! Records with arrivals, an archive of them, and a training set read back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use call_files::{ReadOptions, write_archive_line};
use cdr::{CallRecord, NumberPlan, Outcome};
use features::{DAY_MS, FeatureSet, Level, Party};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use point_in_time::{Archive, CallFile, Labels, Options, Report, Target, TrainingError, TrainingSet};
use tempfile::TempDir;

/// 2026-11-21T00:00:00Z.
pub const MIDNIGHT: i64 = 1_795_219_200_000;

/// The last three are no labels of these tests.
pub const NUMBERS: [&str; 12] = [
    "+12025550101",
    "+12025550102",
    "+12025551101",
    "+12125550101",
    "+442079460000",
    "+442079460001",
    "+5352345678",
    "ext:hq/1001",
    "short:1:911",
    "+2526151234567",
    "+493012345678",
    "anonymous",
];

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

/// What all tests share.
pub struct World {
    pub set: Arc<FeatureSet>,
    pub plan: NumberPlan,
}

impl World {
    pub fn new() -> Self {
        Self { set: Arc::new(FeatureSet::default_set().unwrap()), plan: NumberPlan::new("US").unwrap() }
    }

    /// The entity of a number at a level.
    pub fn resolve(&self, number: &str, party: Option<Party>, level: Option<Level>) -> Target {
        let level = level.unwrap_or(Level::Phone);
        let number = self.plan.parse(number).unwrap();
        Target { party, level, key: level.key(&number, 4).unwrap().to_owned() }
    }
}

/// A call as it came in.
#[derive(Clone)]
pub struct Record {
    pub call: CallRecord,
    pub arrived_at_ms: Option<i64>,
}

impl Record {
    /// An answered call of two minutes.
    pub fn of(
        world: &World,
        id: &str,
        caller: &str,
        callee: &str,
        started_at_ms: i64,
        arrived_at_ms: Option<i64>,
    ) -> Self {
        let call = CallRecord {
            call_id: id.into(),
            caller: world.plan.parse(caller).unwrap(),
            callee: world.plan.parse(callee).unwrap(),
            started_at_ms,
            answered_at_ms: Some(started_at_ms + 3_000),
            ended_at_ms: started_at_ms + 123_000,
            outcome: Outcome::Answered,
            channel: None,
            trunk: None,
            cell_id: None,
            imei: None,
            cost_micros: None,
            currency: None,
            caller_ip: None,
        };
        Self { call, arrived_at_ms }
    }

    /// The same for the recount.
    pub fn arrived(&self) -> oracle::Arrived {
        let call = &self.call;
        let text = |text: &Option<smol_str::SmolStr>| text.as_deref().map(Arc::from);
        oracle::Arrived {
            call: oracle::Call {
                call_id: call.call_id.as_str().into(),
                caller: call.caller.as_str().into(),
                callee: call.callee.as_str().into(),
                started_at_ms: call.started_at_ms,
                answered_at_ms: call.answered_at_ms,
                ended_at_ms: call.ended_at_ms,
                outcome: call.outcome.as_str().into(),
                channel: call.channel.map(|channel| channel.as_str().into()),
                cell_id: text(&call.cell_id),
                imei: text(&call.imei),
                cost_micros: call.cost_micros,
                currency: text(&call.currency),
            },
            arrived_at_ms: self.arrived_at_ms,
        }
    }
}

/// Records of 95 days before [`MIDNIGHT`] and a day after it, half of them of the last days. Every fifth comes late,
/// every tenth without an arrival, every fourth twice: some of these copies say something else, another callee too.
pub fn records(world: &World, dice: &mut Dice, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    for n in 0..count {
        let back = if dice.below(2) == 0 { dice.below(5) } else { dice.below(96) } as i64;
        let edges = [0, 1, DAY_MS - 1, DAY_MS - 60_000];
        let within = if dice.below(4) == 0 { dice.one_of(&edges) } else { dice.below(DAY_MS as u64) as i64 };
        let started_at_ms = MIDNIGHT - back * DAY_MS + within;
        let (caller, callee) = (dice.one_of(&NUMBERS), dice.one_of(&NUMBERS));
        let mut record = Record::of(world, &format!("call-{n}"), caller, callee, started_at_ms, None);
        let outcome = dice.one_of(&Outcome::ALL);
        let ring = dice.below(20_000) as i64;
        record.call.outcome = outcome;
        record.call.answered_at_ms = (outcome == Outcome::Answered).then_some(started_at_ms + ring);
        let talk = if dice.below(2) == 0 { dice.below(12_000) } else { dice.below(900_000) } as i64;
        record.call.ended_at_ms = started_at_ms + ring + if outcome == Outcome::Answered { talk } else { 0 };
        record.call.cell_id = (dice.below(2) == 0).then(|| format!("cell-{}", dice.below(3)).into());
        if dice.below(3) > 0 {
            record.call.cost_micros = Some(dice.below(3_000_000) as i64);
            record.call.currency = Some(dice.one_of(&["USD", "EUR"]).into());
        }
        let delay = match dice.below(5) {
            0 => dice.below(3 * DAY_MS as u64),
            _ => dice.below(90_000),
        };
        record.arrived_at_ms = (dice.below(10) > 0).then(|| record.call.ended_at_ms + delay as i64);
        if dice.below(4) == 0 {
            let mut copy = record.clone();
            copy.arrived_at_ms =
                record.arrived_at_ms.map(|at| at + dice.below(2 * DAY_MS as u64) as i64 - DAY_MS / 2);
            if dice.below(2) == 0 {
                copy.call.callee = world.plan.parse(dice.one_of(&NUMBERS)).unwrap();
                copy.call.ended_at_ms += 60_000;
            }
            // Copies of one arrival are told apart by their place, which files decide.
            if copy.arrived_at_ms != record.arrived_at_ms || copy.arrived_at_ms.is_none() {
                records.push(record);
                records.push(copy);
                continue;
            }
        }
        records.push(record);
    }
    records
}

/// An archive of records, in the order in which they are given, and what is made from it.
pub struct Files {
    folder: TempDir,
}

impl Files {
    pub fn of(records: &[Record]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let half = records.len().div_ceil(2).max(1);
        for (file, records) in records.chunks(half).enumerate() {
            let mut text = String::new();
            for (place, record) in records.iter().enumerate() {
                if let Some(at) = record.arrived_at_ms {
                    write_archive_line(&mut text, &format!("{file:04}{place:08}"), at, &record.call);
                } else {
                    record.call.write_json(&mut text);
                    text.push('\n');
                }
            }
            std::fs::write(folder.path().join(format!("{file}.jsonl")), text).unwrap();
        }
        Self { folder }
    }

    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out.parquet")
    }

    /// A file of labels.
    pub fn labels(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn write(&self, world: &World, labels: &Labels, options: Options) -> Result<Report, TrainingError> {
        let mut files: Vec<CallFile> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
            .map(|path| CallFile { name: path.display().to_string(), path })
            .collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let read = ReadOptions::default();
        let archive = Archive { files: &files, plan: &world.plan, read: &read };
        TrainingSet { set: &world.set, archive, options }.write(labels, &self.out(), &|_| ())
    }

    /// Makes a training set and reads its numbers back, by column.
    pub fn training_set(
        &self,
        world: &World,
        text: &str,
        options: Options,
    ) -> (Labels, Vec<BTreeMap<String, Option<f64>>>) {
        let labels = Labels::read(&self.labels(text), |number, party, level| Ok(world.resolve(number, party, level)));
        let labels = labels.unwrap();
        self.write(world, &labels, options).unwrap();
        let file = SerializedFileReader::new(std::fs::File::open(self.out()).unwrap()).unwrap();
        let rows = file.get_row_iter(None).unwrap().map(|row| {
            let row = row.unwrap();
            let number = |field: &Field| match field {
                Field::Long(whole) => Some(*whole as f64),
                Field::Double(number) => Some(*number),
                _ => None,
            };
            row.get_column_iter().map(|(name, field)| (name.clone(), number(field))).collect()
        });
        let rows = rows.collect();
        (labels, rows)
    }
}

pub fn party_of(party: Party) -> oracle::Party {
    match party {
        Party::Caller => oracle::Party::Caller,
        Party::Callee => oracle::Party::Callee,
    }
}

pub fn level_of(level: Level) -> oracle::Level {
    match level {
        Level::Phone => oracle::Level::Phone,
        Level::Prefix => oracle::Level::Prefix,
        Level::Range => oracle::Level::Range,
    }
}
