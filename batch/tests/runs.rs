//! What runs do with copies, bad input, each other and themselves.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use batch::{BatchError, Progress, Rebuild, Stage};
use cdr::CallRecord;
use features::{Level, Party, Value};
use futures::TryStreamExt as _;
use snapshot::{CURRENT, Manifest, SnapshotError};
use support::{options, published, random_calls, run, set, tree, write_calls};

async fn calls_90d(output: &Path) -> BTreeMap<String, Value> {
    let snapshot = published(output).await.unwrap();
    snapshot.column(Party::Caller, Level::Phone, "calls_90d").try_collect().await.unwrap()
}

#[tokio::test]
async fn copies_count_once_across_files_and_minutes_tell_calls_apart() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("calls");
    let calls = random_calls(3, 120);
    write_calls(&input.join("1.jsonl"), &calls);
    run(&input, &folder.path().join("once"), "r1").await.unwrap();

    let mut differing: Vec<CallRecord> = calls[..10].to_vec();
    for call in &mut differing {
        call.trunk = Some("another".into());
    }
    // Seconds later in the same minute would be a copy; another minute is another call.
    let mut other_minute = calls[0].clone();
    let shift = if other_minute.started_at_ms % 86_400_000 < 60_000 { 60_000 } else { -60_000 };
    other_minute.started_at_ms += shift;
    other_minute.ended_at_ms += shift;
    other_minute.answered_at_ms = other_minute.answered_at_ms.map(|at| at + shift);
    write_calls(&input.join("2.jsonl"), calls.iter().rev().chain(&differing));
    let report = run(&input, &folder.path().join("twice"), "r1").await.unwrap();
    assert_eq!(calls_90d(&folder.path().join("once")).await, calls_90d(&folder.path().join("twice")).await);
    let once = published(&folder.path().join("once")).await.unwrap().manifest().calls.clone();
    let twice = report.manifest.calls.clone();
    assert_eq!(twice.read, 250);
    assert_eq!(twice.counted, once.counted);
    assert_eq!(twice.counted + twice.duplicates + twice.outside, 250);
    assert!(twice.differing_duplicates > 0 && twice.differing_duplicates <= 10);

    write_calls(&input.join("3.jsonl"), [&other_minute]);
    let report = run(&input, &folder.path().join("thrice"), "r1").await.unwrap();
    let outside = report.manifest.calls.outside - twice.outside;
    assert_eq!(report.manifest.calls.counted + outside, twice.counted + 1);
}

#[tokio::test]
async fn the_same_run_makes_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("calls");
    let calls = random_calls(4, 400);
    for (number, some) in calls.chunks(90).enumerate() {
        write_calls(&input.join(format!("{number}.jsonl")), some);
    }
    let mut trees = Vec::new();
    for threads in [1, 3] {
        let output = folder.path().join(threads.to_string());
        let mut options = options(&input, &output, "r1");
        options.threads = threads;
        batch::run(options, set(), |_| ()).await.unwrap();
        trees.push(tree(&output));
    }
    assert!(trees[0].keys().any(|name| name.starts_with("daily/date=2026-11-20/run=r1/caller.parquet")));
    assert!(trees[0].keys().eq(trees[1].keys()));
    for (name, bytes) in &trees[0] {
        assert!(*bytes == trees[1][name], "{name}");
    }
}

#[tokio::test]
async fn a_run_that_is_overtaken_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("calls"), folder.path().join("out"));
    write_calls(&input.join("a.jsonl"), &random_calls(5, 50));
    run(&input, &output, "first").await.unwrap();
    write_calls(&input.join("b.jsonl"), &random_calls(55, 20));
    let current = output.join(CURRENT);
    let first = Manifest::parse(&fs::read(&current).unwrap()).unwrap();
    let theirs = Manifest { run: "theirs".parse().unwrap(), ..first }.to_json().unwrap();
    let overtake = {
        let (current, theirs) = (current.clone(), theirs.clone());
        move |progress: Progress| {
            if progress.stage == Stage::Days {
                fs::write(&current, &theirs).unwrap();
            }
        }
    };
    let error = batch::run(options(&input, &output, "second"), set(), overtake).await.unwrap_err();
    assert!(matches!(&error, BatchError::Snapshot(SnapshotError::Overtaken { run }) if run == "second"), "{error}");
    assert_eq!(fs::read(&current).unwrap(), theirs);
    // The files of a published run are never written again.
    let error = run(&input, &output, "theirs").await.unwrap_err();
    assert!(matches!(error, BatchError::Snapshot(SnapshotError::RunInUse { .. })), "{error}");
    run(&input, &output, "third").await.unwrap();
    assert_eq!(published(&output).await.unwrap().manifest().run.as_str(), "third");
}

#[tokio::test]
async fn bad_records_are_counted_by_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("calls"), folder.path().join("out"));
    let calls = random_calls(6, 60);
    write_calls(&input.join("a.jsonl"), &calls);
    let path = input.join("a.jsonl");
    let good = fs::read_to_string(&path).unwrap();
    let no_callee = good.lines().next().unwrap().replace("\"callee\"", "\"calle\"");
    fs::write(&path, format!("{good}{no_callee}\n{{\"call_id\"\n{no_callee}\n")).unwrap();
    let report = run(&input, &output, "r1").await.unwrap();
    let counts = &report.manifest.calls;
    assert_eq!((counts.read, counts.invalid_total()), (63, 3));
    assert_eq!(counts.invalid["missing_field"], 2);
    assert_eq!(counts.counted + counts.outside, 60);
}

#[tokio::test]
async fn an_input_without_calls_is_an_error_and_leaves_the_snapshot_before() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("calls"), folder.path().join("out"));
    write_calls(&input.join("a.jsonl"), &random_calls(7, 50));
    run(&input, &output, "first").await.unwrap();
    let before = tree(&output);

    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("notes.txt"), "no calls").unwrap();
    let bad = folder.path().join("bad");
    fs::create_dir(&bad).unwrap();
    fs::write(bad.join("a.jsonl"), "{}\n{}\n").unwrap();
    let old = folder.path().join("old");
    let mut call = random_calls(8, 1).remove(0);
    call.started_at_ms = 1_600_000_000_000;
    call.answered_at_ms = None;
    call.outcome = cdr::Outcome::Busy;
    call.ended_at_ms = call.started_at_ms + 1;
    write_calls(&old.join("a.jsonl"), [&call]);

    let cases = [
        (folder.path().join("nowhere"), "does not exist"),
        (empty, "holds no file of calls (0 other files)"),
        (other, "holds no file of calls (1 other files)"),
        (bad, "hold no valid call: 2 records were read (2 missing_field)"),
        (old, "the 1 calls of the input began from 2020-09-13 to 2020-09-13"),
    ];
    for (input, expected) in cases {
        let mut options = options(&input, &output, "second");
        options.rebuild = Rebuild::Always;
        let error = batch::run(options, set(), |_| ()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(tree(&output) == before, "something was written");
}

#[tokio::test]
async fn a_level_without_entities_has_files_without_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("calls"), folder.path().join("out"));
    let plan = cdr::NumberPlan::new("US").unwrap();
    let mut calls = random_calls(9, 20);
    for call in &mut calls {
        call.caller = plan.parse("anonymous").unwrap();
        call.callee = plan.parse("ext:hq/1001").unwrap();
    }
    write_calls(&input.join("a.jsonl"), &calls);
    let report = run(&input, &output, "r1").await.unwrap();
    let rows = |of: &snapshot::LevelRows| (of.party, of.level, of.rows);
    let found: Vec<_> = report.manifest.rows.iter().map(rows).filter(|(_, _, rows)| *rows > 0).collect();
    assert_eq!(found, [(Party::Callee, Level::Phone, 1)]);
    assert!(calls_90d(&output).await.is_empty());
    let snapshot = published(&output).await.unwrap();
    assert_eq!(snapshot.get(Party::Caller, Level::Phone, "anonymous").await.unwrap(), None);
    let unknown: Result<Vec<_>, _> = snapshot.column(Party::Caller, Level::Phone, "calls_2d").try_collect().await;
    assert!(matches!(unknown, Err(SnapshotError::NoFeature { .. })));
}
