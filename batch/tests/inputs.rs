//! Archives, Parquet and buckets as input.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use batch::{BatchError, BatchOptions, Input, Stage};
use call_files::write_archive_line;
use cdr::CallRecord;
use features::{HOUR_MS, Level, Party, Value};
use futures::TryStreamExt as _;
use local_aws::{LocalAws, LocalAwsConfig};
use objects::{Location, Objects};
use snapshot::{Snapshot, UtcDay, raw_key};
use support::{as_of, options, published, random_calls, run, set, tree, write_calls, write_parquet};

async fn column(snapshot: &Snapshot, feature: &str) -> BTreeMap<String, Value> {
    snapshot.column(Party::Caller, Level::Phone, feature).try_collect().await.unwrap()
}

/// Writes lines of the archive for one hour of arrival.
fn archive<'a>(folder: &Path, arrived_at_ms: i64, name: &str, calls: impl IntoIterator<Item = &'a CallRecord>) {
    let path = folder.join(raw_key(arrived_at_ms, name)).with_extension("");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut lines = String::new();
    for (number, call) in calls.into_iter().enumerate() {
        write_archive_line(&mut lines, &format!("{name}{number:06}"), arrived_at_ms, call);
    }
    fs::write(path, lines).unwrap();
}

#[tokio::test]
async fn late_records_count_on_the_day_on_which_they_began() {
    let folder = tempfile::tempdir().unwrap();
    let (input, archived) = (folder.path().join("calls"), folder.path().join("archive"));
    let calls = random_calls(11, 300);
    write_calls(&input.join("a.jsonl"), &calls);
    run(&input, &folder.path().join("plain"), "r1").await.unwrap();
    // A third arrives days after the snapshot's day; its objects lie under other hours than the calls'.
    let (late, prompt): (Vec<_>, Vec<_>) = calls.iter().enumerate().partition(|(number, _)| number % 3 == 0);
    archive(&archived, as_of().start_ms(), "0-", prompt.into_iter().map(|(_, call)| call));
    archive(&archived, as_of().plus(6).start_ms() + 3 * HOUR_MS, "1-", late.into_iter().map(|(_, call)| call));
    run(&archived, &folder.path().join("late"), "r1").await.unwrap();
    let plain = published(&folder.path().join("plain")).await.unwrap();
    let late = published(&folder.path().join("late")).await.unwrap();
    for feature in ["calls_1d", "calls_7d", "calls_90d", "talk_ms_30d", "distinct_callees_7d"] {
        assert_eq!(column(&plain, feature).await, column(&late, feature).await, "{feature}");
    }
}

#[tokio::test]
async fn of_copies_that_differ_the_one_that_arrived_first_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("calls"), folder.path().join("out"));
    let calls: Vec<CallRecord> =
        random_calls(12, 200).into_iter().filter(|call| call.answered_at_ms.is_some()).collect();
    write_calls(&input.join("a.jsonl"), &calls);
    run(&input, &folder.path().join("right"), "r1").await.unwrap();
    let mut longer = calls.clone();
    for call in &mut longer {
        call.ended_at_ms += 1_000_000;
    }
    let archived = folder.path().join("archive");
    // The name and the hour of the first copies come last; what counts is when they arrived.
    archive(&archived.join("z"), as_of().start_ms(), "0-", &calls);
    archive(&archived.join("a"), as_of().start_ms() + HOUR_MS, "1-", &longer);
    let report = run(&archived, &output, "r1").await.unwrap();
    assert_eq!(report.manifest.calls.differing_duplicates, report.manifest.calls.counted);
    let (right, found) = (published(&folder.path().join("right")).await, published(&output).await);
    for feature in ["talk_ms_90d", "mean_talk_ms_90d", "max_talk_ms_7d"] {
        assert_eq!(column(right.as_ref().unwrap(), feature).await, column(found.as_ref().unwrap(), feature).await);
    }
}

#[tokio::test]
async fn parquet_is_read_and_a_cut_file_fails_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, columns, output) =
        (folder.path().join("lines"), folder.path().join("columns"), folder.path().join("out"));
    let calls = random_calls(13, 200);
    write_calls(&lines.join("a.jsonl"), &calls);
    run(&lines, &folder.path().join("right"), "r1").await.unwrap();
    fs::create_dir(&columns).unwrap();
    let path = columns.join("a.parquet");
    write_parquet(&path, &calls);
    fs::write(columns.join("an-hour-without-calls.jsonl"), "").unwrap();
    let report = run(&columns, &output, "r1").await.unwrap();
    assert_eq!((report.input_files, report.empty_files), (2, 1));
    let (right, found) = (published(&folder.path().join("right")).await, published(&output).await);
    assert_eq!(
        column(right.as_ref().unwrap(), "cost_usd_micros_30d").await,
        column(found.as_ref().unwrap(), "cost_usd_micros_30d").await
    );

    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = run(&columns, &output, "r2").await.unwrap_err();
    assert!(matches!(&error, BatchError::File { file, .. } if file == "a.parquet"), "{error}");
    assert_eq!(published(&output).await.unwrap().manifest().run.as_str(), "r1");
}

/// A file a day, and one with other copies of calls of many days, which come first where `late_copies` is false.
fn files_of_days(late_copies: bool) -> Vec<(String, Vec<CallRecord>)> {
    let calls = random_calls(14, 600);
    let mut days: BTreeMap<UtcDay, Vec<CallRecord>> = BTreeMap::new();
    for call in &calls {
        days.entry(UtcDay::of_ms(call.started_at_ms)).or_default().push(call.clone());
    }
    let mut copies: Vec<CallRecord> = calls.into_iter().step_by(5).collect();
    copies.iter_mut().for_each(|call| call.ended_at_ms += 1_000);
    let mut files: Vec<_> = days.into_iter().map(|(day, calls)| (format!("calls-{day}"), calls)).collect();
    files.push((if late_copies { "z" } else { "a" }.to_owned(), copies));
    files
}

/// Everything in the output but what names the files of the input.
fn of_calls(output: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = tree(output);
    files.retain(|name, _| name.starts_with("daily/") || name.contains("/online/") || name.contains("/features/"));
    files
}

#[tokio::test]
async fn days_that_are_built_while_files_are_read_are_the_same() {
    for late_copies in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("columns")).unwrap();
        for (name, calls) in files_of_days(late_copies) {
            write_calls(&path("lines").join(format!("{name}.jsonl")), &calls);
            write_parquet(&path("columns").join(format!("{name}.parquet")), &calls);
        }
        let lines = run(&path("lines"), &path("from-lines"), "r").await.unwrap();
        let columns = run(&path("columns"), &path("from-columns"), "r").await.unwrap();
        assert!(lines.took.iter().any(|(stage, _)| *stage == Stage::Days));
        assert!(!columns.took.iter().any(|(stage, _)| *stage == Stage::Days));
        assert_eq!((&lines.manifest.calls, &lines.rebuilt), (&columns.manifest.calls, &columns.rebuilt));
        assert!(columns.manifest.calls.differing_duplicates > 50);
        let (lines, columns) = (of_calls(&path("from-lines")), of_calls(&path("from-columns")));
        assert!(lines.len() > 100 && lines.keys().eq(columns.keys()));
        for (name, bytes) in &lines {
            assert!(*bytes == columns[name], "{name}, copies late: {late_copies}");
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_does_not_make_a_footer_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("calls");
    fs::create_dir(&input).unwrap();
    for (name, scale) in [("a", 1_000_000), ("b", -1), ("c", 0)] {
        let mut calls = random_calls(16, 50);
        // Nanoseconds for milliseconds, and clocks that were never set: rows that are no call, and bounds in the footer.
        calls[7].started_at_ms *= scale;
        write_parquet(&input.join(format!("{name}.parquet")), &calls);
    }
    let report = run(&input, &folder.path().join("out"), "r").await.unwrap();
    assert_eq!(report.manifest.calls.invalid.values().sum::<u64>(), 3);
}

#[tokio::test]
async fn a_footer_that_denies_a_day_of_its_calls_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("calls");
    fs::create_dir(&input).unwrap();
    let mut calls = random_calls(15, 50);
    calls.sort_by_key(|call| call.started_at_ms);
    let path = input.join("a.parquet");
    write_parquet(&path, &calls);
    let mut bytes = fs::read(&path).unwrap();
    let (first, last) = (calls[0].started_at_ms.to_le_bytes(), calls[49].started_at_ms.to_le_bytes());
    let end = bytes.len() - 8;
    let footer_bytes = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    let mut changed = 0;
    for at in end - footer_bytes..end - 8 {
        if bytes[at..at + 8] == last {
            bytes[at..at + 8].copy_from_slice(&first);
            changed += 1;
        }
    }
    assert!(changed > 0);
    fs::write(&path, bytes).unwrap();
    let error = run(&input, &folder.path().join("out"), "r").await.unwrap_err();
    let text = error.to_string() + &std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(text.contains("its footer says that calls begin from"), "{text}");
}

#[tokio::test]
async fn one_file_is_an_input_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls of today");
    let calls = random_calls(14, 40);
    write_calls(&path, &calls);
    write_calls(&folder.path().join("others.jsonl"), &random_calls(15, 40));
    let location = Location::Path(path);
    let mut options = options(folder.path(), &folder.path().join("out"), "r1");
    options.input = Input::open(&location, |location| Objects::open(location, None)).unwrap();
    let report = batch::run(options, set(), |_| ()).await.unwrap();
    assert_eq!((report.input_files, report.manifest.calls.read), (1, 40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_read_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalAws::start(LocalAwsConfig::default().with_s3(folder.path().join("s3"))).await.unwrap();
    let client = local.s3().unwrap();
    client.create_bucket().bucket("tollwatch-test").send().await.unwrap();
    let open = |text: &str| Objects::open(&text.parse().unwrap(), Some(client.clone()));
    let calls = random_calls(16, 150);
    let input = folder.path().join("calls");
    write_calls(&input.join("a.jsonl"), &calls[..70]);
    write_calls(&input.join("b.jsonl"), &calls[70..]);
    run(&input, &folder.path().join("right"), "r1").await.unwrap();
    let archive = open("s3://tollwatch-test/raw").unwrap();
    for name in ["a.jsonl", "b.jsonl"] {
        archive.upload_from(&input.join(name), &format!("2026/11/20/{name}")).await.unwrap();
    }
    let output = open("s3://tollwatch-test/tollwatch").unwrap();
    let options = BatchOptions {
        input: Input::open(&"s3://tollwatch-test/raw".parse().unwrap(), |at| open(&at.to_string())).unwrap(),
        output: output.clone(),
        ..options(&input, &input, "r1")
    };
    batch::run(options, set(), |_| ()).await.unwrap();
    let found = Snapshot::open(output, set()).await.unwrap().unwrap();
    let right = published(&folder.path().join("right")).await.unwrap();
    let rows: Vec<_> = right.scan(Party::Caller, Level::Prefix).try_collect().await.unwrap();
    assert!(!rows.is_empty());
    for (key, row) in rows {
        let found = found.get(Party::Caller, Level::Prefix, &key).await.unwrap().unwrap();
        assert_eq!(found.decode(&set(), Party::Caller, Level::Prefix).unwrap(), row);
    }
    assert_eq!(column(&right, "calls_30d").await, column(&found, "calls_30d").await);
    local.shutdown().await;
}
