//! Run after run over files that arrive, late and twice, change and vanish: every snapshot is that of one run over
//! everything, row by row, and what a recount says that shares no code with any of it.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use batch::{BatchOptions, BatchReport, Outcome, Rebuild};
use cdr::CallRecord;
use features::{BATCH_DAYS_MAX, Denominator, FeatureSet, Level, Party, State, Value};
use futures::TryStreamExt as _;
use objects::Objects;
use oracle::{Answer, Recount};
use snapshot::{Ledger, Manifest, PackedReader, Quality, Snapshot, UtcDay};
use support::{Dice, answers, as_of, calls_of_days, options, set, small_set, write_calls};

/// The calls of each file, in the order of its lines.
type Files = BTreeMap<String, Vec<CallRecord>>;

async fn run_as_of(input: &Path, output: &Path, run: &str, set: Arc<FeatureSet>, as_of: UtcDay) -> BatchReport {
    let options = BatchOptions { as_of, ..options(input, output, run) };
    batch::run(options, set, |_| ()).await.unwrap()
}

async fn open(output: &Path, set: &Arc<FeatureSet>) -> Snapshot {
    Snapshot::open(Objects::in_folder(output), Arc::clone(set)).await.unwrap().unwrap()
}

async fn ledger(output: &Path, manifest: &Manifest) -> Ledger {
    Ledger::read(&Objects::in_folder(output), manifest.ledger.as_ref().unwrap()).await.unwrap()
}

async fn quality(output: &Path, manifest: &Manifest) -> Quality {
    Quality::read(&Objects::in_folder(output), manifest.quality.as_ref().unwrap()).await.unwrap()
}

fn oracle_call(call: &CallRecord) -> oracle::Call {
    let text = |text: &str| -> Arc<str> { text.into() };
    oracle::Call {
        call_id: text(&call.call_id),
        caller: text(call.caller.as_str()),
        callee: text(call.callee.as_str()),
        started_at_ms: call.started_at_ms,
        answered_at_ms: call.answered_at_ms,
        ended_at_ms: call.ended_at_ms,
        outcome: text(call.outcome.as_str()),
        channel: call.channel.map(|channel| text(channel.as_str())),
        cell_id: call.cell_id.as_deref().map(text),
        imei: call.imei.as_deref().map(text),
        cost_micros: call.cost_micros,
        currency: call.currency.as_deref().map(text),
    }
}

/// What the recount knows: the copy in the first file counts.
fn recount(files: &Files) -> Recount {
    let calls = files.values().flatten().map(oracle_call).collect();
    Recount::new(oracle::distinct_calls(calls), include_str!("../../lists/irsf.csv"))
}

fn agrees(ours: Value, theirs: Answer) -> bool {
    match (ours, theirs) {
        (Value::Missing, Answer::Missing) => true,
        (Value::Integer(ours), Answer::Integer(theirs)) => ours == theirs,
        // Sums are taken in another order.
        (Value::Number(ours), Answer::Number(theirs)) => (ours - theirs).abs() <= 1e-9 * theirs.abs().max(1e-3),
        _ => false,
    }
}

fn oracle_names(party: Party, level: Level) -> (oracle::Party, oracle::Level) {
    let party = if party == Party::Caller { oracle::Party::Caller } else { oracle::Party::Callee };
    let level = match level {
        Level::Phone => oracle::Level::Phone,
        Level::Prefix => oracle::Level::Prefix,
        Level::Range => oracle::Level::Range,
    };
    (party, level)
}

/// Every value of the snapshot's wide face, and no entity more. How many values.
async fn check_windows(snapshot: &Snapshot, set: &FeatureSet, truth: &Recount, seed: u64) -> usize {
    let (as_of, mut checked) = (snapshot.manifest().as_of, 0);
    let end_ms = as_of.plus(1).start_ms();
    for party in Party::ALL {
        for level in Level::ALL {
            let (their_party, their_level) = oracle_names(party, level);
            let longest = (as_of.plus(1 - BATCH_DAYS_MAX.cast_signed()).start_ms(), end_ms);
            let mut expected = truth.entities(their_party, their_level);
            expected.retain(|key| truth.calls(their_party, their_level, key, longest) > 0);
            for feature in set.features_at(party, level) {
                for window in &feature.batch {
                    let (days, id) = (window.days(), feature.id(features::Window::Batch(*window)));
                    let column: Vec<(String, Value)> =
                        snapshot.column(party, level, &id).try_collect().await.unwrap();
                    assert!(column.iter().map(|(key, _)| key.as_str()).eq(expected.iter().map(|key| &**key)), "{id}");
                    let interval = (as_of.plus(1 - days.cast_signed()).start_ms(), end_ms);
                    for (key, ours) in column {
                        let covered = oracle::Denominator::Days(days.into());
                        let theirs =
                            truth.answer(&feature.name, their_party, their_level, &key, interval, covered).unwrap();
                        assert!(
                            agrees(ours, theirs),
                            "seed {seed}: {id} of {level:?}: {ours:?}, recounted {theirs:?}"
                        );
                        checked += 1;
                    }
                }
            }
        }
    }
    checked
}

/// Every state of every day tile that the manifest names. How many values.
fn check_tiles(output: &Path, manifest: &Manifest, set: &FeatureSet, truth: &Recount, seed: u64) -> usize {
    let mut checked = 0;
    for day in &manifest.days {
        let interval = (day.date.start_ms(), day.date.plus(1).start_ms());
        for tile in &day.tiles {
            let (party, level) = oracle_names(tile.party, tile.level);
            let mut expected = truth.entities(party, level);
            expected.retain(|key| truth.calls(party, level, key, interval) > 0);
            let mut keys = Vec::new();
            let mut rows = PackedReader::open(&output.join(&tile.key)).unwrap();
            while let Some(row) = rows.next_row().unwrap() {
                let state = State::decode(set.slots(tile.party), &row.states).unwrap();
                for feature in set.features_at(tile.party, tile.level).filter(|feature| !feature.batch.is_empty()) {
                    let ours = feature.formula.answer(&state, Denominator::BatchDays(1), feature.decimals).value;
                    let covered = oracle::Denominator::Days(1);
                    let theirs = truth.answer(&feature.name, party, level, &row.key, interval, covered).unwrap();
                    assert!(
                        agrees(ours, theirs),
                        "seed {seed}: {} on {}: {ours:?}, {theirs:?}",
                        feature.name,
                        day.date
                    );
                    checked += 1;
                }
                keys.push(row.key);
            }
            assert_eq!(keys.len() as u64, tile.rows);
            assert!(
                keys.iter().map(String::as_str).eq(expected.iter().map(|key| &**key)),
                "seed {seed}: {}",
                day.date
            );
        }
    }
    checked
}

fn days_of(calls: &[CallRecord]) -> BTreeSet<UtcDay> {
    calls.iter().map(|call| UtcDay::of_ms(call.started_at_ms)).collect()
}

/// An input that changes, and everything that was ever in it.
struct World {
    dice: Dice,
    pool: Vec<CallRecord>,
    input: PathBuf,
    /// The same, with what has vanished from the input.
    everything: PathBuf,
    files: Files,
    /// Days of objects that are gone: nothing new comes for them, or their tiles would be without it.
    closed: BTreeSet<UtcDay>,
    /// Days of what was written since the last run: nothing of them may vanish unread.
    open: BTreeSet<UtcDay>,
    /// The last day of the last run.
    as_of: UtcDay,
    written: u32,
}

impl World {
    fn new(seed: u64, folder: &Path) -> Self {
        let days: Vec<i32> = (-3..12).chain([88, 89, 90, 95]).collect();
        Self {
            dice: Dice(seed),
            pool: calls_of_days(seed, 400, &days),
            input: folder.join("input"),
            everything: folder.join("everything"),
            files: Files::new(),
            closed: BTreeSet::new(),
            open: BTreeSet::new(),
            as_of: as_of().plus(-200),
            written: 0,
        }
    }

    /// Some calls of a few days; some were in other files before, some of these with another end.
    fn some_calls(&mut self) -> Vec<CallRecord> {
        let about = self.dice.below(400) as usize;
        let day = UtcDay::of_ms(self.pool[about].started_at_ms);
        let is_near = |call: &CallRecord| (UtcDay::of_ms(call.started_at_ms).days() - day.days()).abs() <= 1;
        let mut calls: Vec<CallRecord> = self.pool.iter().filter(|call| is_near(call)).cloned().collect();
        calls.retain(|call| self.dice.below(3) == 0 && !self.closed.contains(&UtcDay::of_ms(call.started_at_ms)));
        for call in &mut calls {
            if call.answered_at_ms.is_some() && self.dice.below(8) == 0 {
                call.ended_at_ms += 1_000;
            }
        }
        calls
    }

    fn write(&mut self, name: &str, calls: Vec<CallRecord>) {
        let before = self.files.get(name).map(|calls| days_of(calls)).unwrap_or_default();
        self.open.extend(before.into_iter().chain(days_of(&calls)));
        for folder in [&self.input, &self.everything] {
            write_calls(&folder.join(name), &calls);
        }
        self.files.insert(name.to_owned(), calls);
    }

    /// Whether the last run has tiles of these days, and nothing is on its way to them.
    fn may_vanish(&self, days: &BTreeSet<UtcDay>) -> bool {
        let first = self.as_of.plus(1 - BATCH_DAYS_MAX.cast_signed());
        days.is_disjoint(&self.open) && days.iter().all(|day| (first..=self.as_of).contains(day))
    }

    fn present(&self) -> Vec<String> {
        self.files.keys().filter(|name| self.input.join(name).exists()).cloned().collect()
    }

    /// A file arrives under some hour, changes, is written again, or vanishes.
    fn step(&mut self) {
        let present = self.present();
        let some = self.dice.below(present.len().max(1) as u64) as usize;
        match (self.dice.below(8), present.get(some)) {
            (0, Some(name)) if days_of(&self.files[name]).is_disjoint(&self.closed) => {
                let calls = self.some_calls();
                self.write(name, calls);
            }
            (1, Some(name)) => {
                let bytes = fs::read(self.input.join(name)).unwrap();
                fs::write(self.input.join(name), bytes).unwrap();
            }
            (2 | 3, Some(name)) if self.may_vanish(&days_of(&self.files[name])) => {
                fs::remove_file(self.input.join(name)).unwrap();
                self.closed.extend(days_of(&self.files[name]));
            }
            _ => {
                let hour = self.dice.below(24);
                let name = format!("2026/11/{:02}/{hour:02}/{}.jsonl", 10 + self.dice.below(12), self.written);
                self.written += 1;
                let calls = self.some_calls();
                self.write(&name, calls);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn run_after_run_is_one_run_over_everything_and_what_a_recount_says() {
    let set = set();
    let (mut reused, mut values) = (0, 0);
    for seed in [1, 2, 3, 4] {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(seed, folder.path());
        let output = folder.path().join("out");
        let mut day = as_of();
        for _ in 0..6 {
            world.step();
        }
        for number in 0..5 {
            (world.as_of, world.open) = (day, BTreeSet::new());
            let report = run_as_of(&world.input, &output, &format!("r{number}"), Arc::clone(&set), day).await;
            let full = folder.path().join(format!("full-{number}"));
            let anew = run_as_of(&world.everything, &full, "full", Arc::clone(&set), day).await;
            let (found, expected) = (open(&output, &set).await, open(&full, &set).await);
            assert!(answers(&found, &set).await == answers(&expected, &set).await, "seed {seed}, run {number}");
            let (found, expected) = (found.manifest(), expected.manifest());
            assert_eq!(found.calls, expected.calls, "seed {seed}, run {number}");
            assert_eq!(found.missing_days, expected.missing_days, "seed {seed}, run {number}");
            assert_eq!((&found.left_out, &found.rows), (&expected.left_out, &expected.rows));
            // Measures of a day are those of one run over everything, whichever run took them.
            let (ours, theirs) = (quality(&output, found).await, quality(&full, expected).await);
            assert!(ours.days.keys().eq(found.days.iter().map(|tiles| &tiles.date)), "seed {seed}, run {number}");
            for (day, measures) in &theirs.days {
                assert_eq!(&ours.days[day], measures, "seed {seed}, run {number}: {day}");
                assert!(measures.counted == 0 || measures.callers.total() == measures.counted);
            }
            for tiles in &anew.manifest.days {
                let ours = found.days.iter().find(|ours| ours.date == tiles.date).unwrap();
                for (tile, ours) in tiles.tiles.iter().zip(&ours.tiles) {
                    let same = fs::read(full.join(&tile.key)).unwrap() == fs::read(output.join(&ours.key)).unwrap();
                    assert!(same, "seed {seed}, run {number}: {}", ours.key);
                }
            }
            reused += found.days.len() - report.rebuilt.len().min(found.days.len());
            if number == 4 {
                let truth = recount(&world.files);
                values += check_windows(&open(&output, &set).await, &set, &truth, seed).await;
                values += check_tiles(&output, found, &set, &truth, seed);
            }
            for _ in 0..=world.dice.below(3) {
                world.step();
            }
            day = day.plus(world.dice.below(3) as i32 - i32::from(number == 2));
        }
    }
    // Else nothing of it was proven.
    assert!(reused > 100 && values > 20_000, "{reused} tiles taken over, {values} values compared");
}

#[tokio::test]
async fn a_late_copy_in_an_old_hour_reaches_its_day_once_and_reads_little() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let of_day = |day: i32| calls_of_days(100 + day as u64, 30, &[day]);
    for day in 0..4 {
        write_calls(&input.join(format!("2026/11/{}/00/a.jsonl", 20 - day)), &of_day(day));
    }
    let first = run_as_of(&input, &output, "r1", small_set(), as_of()).await;
    assert_eq!((first.new_files, first.older_files, first.rebuilt.len()), (4, 0, 4));
    // An hour before all others, delivered last: a call of the day before yesterday with a copy of one that is there.
    let late = calls_of_days(200, 1, &[2]);
    write_calls(&input.join("2026/11/01/00/late.jsonl"), late.iter().chain(&of_day(2)[..5]));
    let second = run_as_of(&input, &output, "r2", small_set(), as_of()).await;
    assert_eq!((second.new_files, second.older_files, second.records_read), (1, 1, 36));
    assert_eq!(second.rebuilt, [as_of().plus(-2)]);
    let (before, after) = (&first.manifest.calls, &second.manifest.calls);
    assert_eq!((after.counted, after.duplicates), (before.counted + 1, before.duplicates + 5));
    let runs: Vec<&str> = second.manifest.days.iter().map(|day| day.run.as_str()).collect();
    assert_eq!(runs, ["r1", "r2", "r1", "r1"]);
}

#[tokio::test]
async fn nothing_new_writes_nothing_and_a_new_day_reads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    write_calls(&input.join("a.jsonl"), &calls_of_days(41, 60, &[0, 1, 2]));
    run_as_of(&input, &output, "r1", small_set(), as_of()).await;
    let current = fs::read(output.join(snapshot::CURRENT)).unwrap();
    // The same bytes, copied anew.
    fs::write(input.join("a.jsonl"), fs::read(input.join("a.jsonl")).unwrap()).unwrap();
    let again = run_as_of(&input, &output, "r2", small_set(), as_of()).await;
    assert_eq!((again.outcome, again.records_read, again.manifest.run.as_str()), (Outcome::Nothing, 0, "r1"));
    assert_eq!(fs::read(output.join(snapshot::CURRENT)).unwrap(), current);
    assert!(!output.join("snapshots/as_of=2026-11-20/run=r2").exists());

    let tomorrow = run_as_of(&input, &output, "r3", small_set(), as_of().plus(1)).await;
    assert_eq!((tomorrow.outcome, tomorrow.records_read), (Outcome::Snapshot, 0));
    assert_eq!((tomorrow.rebuilt.len(), tomorrow.manifest.days.len()), (0, 3));
    // Calls of days to come belong to no window yet: they are noted, and read again when their day is over.
    write_calls(&input.join("b.jsonl"), &calls_of_days(42, 20, &[-2, -3]));
    let noted = run_as_of(&input, &output, "r4", small_set(), as_of().plus(1)).await;
    assert_eq!((noted.outcome, noted.new_files), (Outcome::LedgerOnly, 1));
    assert_eq!(noted.manifest.files, tomorrow.manifest.files);
    assert_eq!(noted.manifest.calls.outside, 20);
    assert_eq!(run_as_of(&input, &output, "r5", small_set(), as_of().plus(1)).await.outcome, Outcome::Nothing);
    let later = run_as_of(&input, &output, "r6", small_set(), as_of().plus(2)).await;
    assert_eq!((later.outcome, later.new_files, later.older_files), (Outcome::Snapshot, 0, 1));
    assert_eq!(later.rebuilt, [as_of().plus(2)]);
}

#[tokio::test]
async fn a_day_whose_files_are_gone_keeps_its_calls_and_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    write_calls(&input.join("a.jsonl"), &calls_of_days(51, 40, &[1, 2]));
    write_calls(&input.join("b.jsonl"), &calls_of_days(52, 40, &[0]));
    let first = run_as_of(&input, &output, "r1", small_set(), as_of()).await;
    let old = fs::read(input.join("a.jsonl")).unwrap();
    fs::remove_file(input.join("a.jsonl")).unwrap();
    write_calls(&input.join("c.jsonl"), &calls_of_days(53, 10, &[1, 1, 0]));
    let second = run_as_of(&input, &output, "r2", small_set(), as_of()).await;
    let late = ledger(&output, &second.manifest).await.objects["c.jsonl"].days[&as_of().plus(-1)];
    assert!(late > 0 && late < 10);
    let left_out: Vec<(UtcDay, u64)> =
        second.manifest.left_out.iter().map(|left_out| (left_out.date, left_out.records)).collect();
    assert_eq!(left_out, [(as_of().plus(-1), late)]);
    assert_eq!((second.gone_files, second.rebuilt.clone()), (1, vec![as_of()]));
    assert_eq!(second.manifest.calls.counted, first.manifest.calls.counted + 10 - late);
    assert_eq!(run_as_of(&input, &output, "r3", small_set(), as_of()).await.outcome, Outcome::Nothing);
    // All files gone: a new day is rolled up from the tiles.
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).unwrap();
    for name in ["b.jsonl", "c.jsonl"] {
        fs::rename(input.join(name), kept.join(name)).unwrap();
    }
    let none = run_as_of(&input, &output, "r4", small_set(), as_of().plus(1)).await;
    assert_eq!((none.gone_files, none.manifest.left_out.len()), (3, 1));
    assert_eq!(none.manifest.calls.counted, second.manifest.calls.counted);
    // They come back, and the day takes in what it lacks.
    for name in ["b.jsonl", "c.jsonl"] {
        fs::rename(kept.join(name), input.join(name)).unwrap();
    }
    fs::write(input.join("a.jsonl"), old).unwrap();
    let whole = run_as_of(&input, &output, "r5", small_set(), as_of().plus(1)).await;
    assert_eq!((whole.manifest.left_out.len(), whole.rebuilt.clone()), (0, vec![as_of().plus(-1)]));
    assert_eq!(whole.manifest.calls.counted, first.manifest.calls.counted + 10);
}

#[tokio::test]
async fn what_is_rebuilt_forgets_what_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    write_calls(&input.join("a.jsonl"), &calls_of_days(61, 40, &[1]));
    write_calls(&input.join("b.jsonl"), &calls_of_days(62, 40, &[0]));
    run_as_of(&input, &output, "r1", small_set(), as_of()).await;
    fs::remove_file(input.join("a.jsonl")).unwrap();
    let options = BatchOptions { rebuild: Rebuild::Always, ..options(&input, &output, "r2") };
    let anew = batch::run(options, small_set(), |_| ()).await.unwrap();
    assert_eq!((anew.manifest.calls.counted, anew.gone_files, anew.manifest.days.len()), (40, 0, 1));
    assert_eq!(anew.manifest.previous.as_ref().map(|last| last.run.as_str()), Some("r1"));
}
