//! What a run refuses, and that the snapshot before it stays: damaged and foreign files, other definitions, another
//! input, clocks that are wrong, days without calls, disks that are full.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use batch::{BatchError, BatchOptions, BatchReport, Rebuild};
use features::FeatureSet;
use polars::prelude::{Column, DataFrame, ParquetWriter as TableWriter};
use snapshot::{CURRENT, MissingReason, SnapshotError};
use support::{as_of, calls_of_days, options, small_set, tree, write_calls, write_parquet};

/// A published snapshot of two days, and its folders.
struct World {
    folder: tempfile::TempDir,
    input: PathBuf,
    output: PathBuf,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in"), folder.path().join("out"));
        write_calls(&input.join("a.jsonl"), &calls_of_days(71, 40, &[0, 1]));
        let world = Self { folder, input, output };
        world.run("first").await.unwrap();
        world
    }

    fn options(&self, run: &str) -> BatchOptions {
        options(&self.input, &self.output, run)
    }

    async fn run(&self, run: &str) -> Result<BatchReport, BatchError> {
        batch::run(self.options(run), small_set(), |_| ()).await
    }

    /// A run that must fail, in these words, and write nothing.
    async fn refused(&self, options: BatchOptions, set: Arc<FeatureSet>, words: &[&str]) -> BatchError {
        let before = tree(&self.output);
        let error = batch::run(options, set, |_| ()).await.unwrap_err();
        let text = error.to_string();
        for word in words {
            assert!(text.contains(word), "{word:?} is not in: {text}");
        }
        assert!(tree(&self.output) == before, "something was written");
        error
    }
}

/// A table that some other program wrote.
fn write_table(path: &Path, columns: Vec<Column>) {
    let mut table = DataFrame::new(2, columns).unwrap();
    TableWriter::new(File::create(path).unwrap()).finish(&mut table).unwrap();
}

#[tokio::test]
async fn damaged_and_foreign_files_are_named_and_change_nothing() {
    let world = World::new().await;
    let bad = world.input.join("b.parquet");
    write_parquet(&bad, &calls_of_days(72, 200, &[0]));
    let whole = fs::read(&bad).unwrap();
    for length in [4, whole.len() / 2, whole.len() - 1] {
        fs::write(&bad, &whole[..length]).unwrap();
        let error = world.refused(world.options("second"), small_set(), &["b.parquet"]).await;
        assert!(matches!(&error, BatchError::File { file, .. } if file == "b.parquet"), "{error}");
    }
    // Another program's table.
    write_table(&bad, vec![Column::new("name".into(), ["a", "b"]), Column::new("sum".into(), [1i64, 2])]);
    world.refused(world.options("second"), small_set(), &["column call_id is missing, it has name, sum"]).await;
    // The right names, and one of another type.
    let texts = ["call_id", "caller", "callee", "started_at", "ended_at", "outcome"];
    let mut columns: Vec<Column> = texts.map(|name| Column::new(name.into(), ["x", "y"])).into();
    write_table(&bad, columns.clone());
    let words = ["column started_at is BYTE_ARRAY", "wants an INT64 TIMESTAMP"];
    world.refused(world.options("second"), small_set(), &words).await;
    columns[0] = Column::new("call_id".into(), [1i64, 2]);
    write_table(&bad, columns);
    world.refused(world.options("second"), small_set(), &["column call_id is INT64: wants a string"]).await;
    // Mended, the same run does it.
    fs::write(&bad, whole).unwrap();
    assert_eq!(world.run("second").await.unwrap().records_read, 240);
}

#[tokio::test]
async fn wrong_clocks_are_counted_and_widen_nothing() {
    let world = World::new().await;
    let mut calls = calls_of_days(73, 3, &[0]);
    for (call, year_ms) in calls.iter_mut().zip([0, 4_070_908_800_000, 4_102_444_800_000]) {
        // 1970, 2099 and 2100: records of 2000 to 2099 are valid.
        call.started_at_ms = year_ms;
        (call.answered_at_ms, call.outcome, call.ended_at_ms) = (None, cdr::Outcome::Busy, year_ms + 1);
    }
    write_calls(&world.input.join("b.jsonl"), &calls);
    let report = world.run("second").await.unwrap();
    let counts = &report.manifest.calls;
    assert_eq!((counts.read, counts.counted, counts.outside), (43, 40, 1));
    assert_eq!(counts.invalid.values().sum::<u64>(), 2, "{:?}", counts.invalid);
    assert_eq!((report.manifest.days.len(), report.rebuilt.len()), (2, 0));
    assert_eq!(report.manifest.missing_days.len(), 88);
}

#[tokio::test]
async fn days_without_calls_are_told_from_days_without_input() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    write_calls(&input.join("a.jsonl"), &calls_of_days(74, 40, &[1, 3]));
    // An empty day, between others and at the end.
    write_calls(&input.join("2026-11-18.jsonl"), &[]);
    write_calls(&input.join("2026-11-20.jsonl"), &[]);
    let run = |run: &'static str, complete| {
        let options = BatchOptions { complete_for_arrivals_before: complete, ..options(&input, &output, run) };
        async move { batch::run(options, small_set(), |_| ()).await.unwrap() }
    };
    let report = run("first", None).await;
    assert_eq!((report.empty_files, report.days), (2, 2));
    let reasons = |report: &BatchReport| -> BTreeMap<i32, MissingReason> {
        let as_of = as_of().days();
        let missing = &report.manifest.missing_days;
        missing.iter().map(|missing| (as_of - missing.date.days(), missing.reason)).collect()
    };
    let found = reasons(&report);
    assert_eq!((found.len(), found[&0], found[&2]), (88, MissingReason::NoInput, MissingReason::NoCalls));
    assert!((4..90).all(|day| found[&day] == MissingReason::NoInput));
    write_calls(&input.join("b.jsonl"), &calls_of_days(75, 4, &[1]));
    let report = run("second", Some(as_of().plus(1).start_ms())).await;
    assert_eq!(reasons(&report)[&0], MissingReason::NoCalls);
}

#[tokio::test]
async fn tiles_of_other_definitions_or_another_input_are_never_mixed() {
    let world = World::new().await;
    let other = support::set();
    let words = [small_set().version(), other.version(), "another output folder", "--rebuild"].map(str::to_owned);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let error = world.refused(world.options("second"), Arc::clone(&other), &words).await;
    assert!(matches!(error, BatchError::OtherDefinitions { .. }), "{error}");

    let elsewhere = world.folder.path().join("elsewhere");
    write_calls(&elsewhere.join("a.jsonl"), &calls_of_days(76, 20, &[0]));
    let from_elsewhere = || options(&elsewhere, &world.output, "second");
    let words = [world.input.to_str().unwrap(), elsewhere.to_str().unwrap(), "--rebuild"];
    let error = world.refused(from_elsewhere(), small_set(), &words).await;
    assert!(matches!(error, BatchError::OtherInput { .. }), "{error}");
    // The same files read otherwise are other calls.
    let mut in_berlin = world.options("second");
    in_berlin.read.switch.zone = "Europe/Berlin".to_owned();
    world.refused(in_berlin, small_set(), &["zone UTC", "zone Europe/Berlin"]).await;

    let anew = BatchOptions { rebuild: Rebuild::Always, ..from_elsewhere() };
    let report = batch::run(anew, Arc::clone(&other), |_| ()).await.unwrap();
    assert_eq!((report.manifest.calls.read, report.manifest.days.len()), (20, 1));
    assert_eq!(report.manifest.feature_set_version, other.version());
    // What `up` does after its definitions have changed, and where nothing is other.
    let as_needed = |run| BatchOptions { rebuild: Rebuild::WhereOther, ..world.options(run) };
    let report = batch::run(as_needed("third"), small_set(), |_| ()).await.unwrap();
    assert_eq!((report.manifest.calls.read, report.new_files), (40, 1));
    let report = batch::run(as_needed("fourth"), small_set(), |_| ()).await.unwrap();
    assert_eq!(report.new_files, 0);
}

#[tokio::test]
async fn what_is_damaged_below_the_manifest_is_named_with_what_mends_it() {
    let world = World::new().await;
    let manifest = world.run("none").await.unwrap().manifest;
    write_calls(&world.input.join("b.jsonl"), &calls_of_days(77, 10, &[0]));
    let tile = manifest.days[0].tiles.iter().find(|tile| tile.key.ends_with("/caller.parquet")).unwrap();
    let tile = world.output.join(&tile.key);
    let ledger = world.output.join(&manifest.ledger.as_ref().unwrap().key);
    for (path, named) in
        [(tile.clone(), "caller.parquet"), (ledger, "ledger.jsonl"), (world.output.join(CURRENT), CURRENT)]
    {
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 2]).unwrap();
        let error = world.refused(world.options("second"), small_set(), &[named, "is damaged", "--rebuild"]).await;
        assert!(matches!(error, BatchError::Snapshot(SnapshotError::Corrupt { .. })), "{error}");
        if named != CURRENT {
            fs::remove_file(&path).unwrap();
            world.refused(world.options("second"), small_set(), &[named, "not in", "--rebuild"]).await;
        }
        fs::write(&path, whole).unwrap();
    }
    // A whole tile in the place of another one.
    let [phones, prefixes] = ["caller.parquet", "caller-prefix.parquet"].map(|name| tile.with_file_name(name));
    let whole = fs::read(&phones).unwrap();
    fs::copy(prefixes, &phones).unwrap();
    world.refused(world.options("second"), small_set(), &["caller.parquet is damaged", "the manifest says"]).await;
    fs::write(&phones, whole).unwrap();
    let text = fs::read_to_string(world.output.join(CURRENT)).unwrap();
    fs::write(world.output.join(CURRENT), text.replacen("\"format\": 1", "\"format\": 9", 1)).unwrap();
    world.refused(world.options("second"), small_set(), &["format 9", "format 1", "--rebuild"]).await;
    let anew = BatchOptions { rebuild: Rebuild::Always, ..world.options("second") };
    assert_eq!(batch::run(anew, small_set(), |_| ()).await.unwrap().manifest.calls.read, 50);
}
