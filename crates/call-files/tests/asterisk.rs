//! Asterisk's files, from `testdata/asterisk`: our own writing after the columns of `cdr_csv.c`.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use call_files::{FileError, Format, Legs, ReadError, ReadOptions, SwitchFormat, SwitchOptions, open};
use cdr::{CallRecord, NumberPlan, Outcome, Reason};

static PLAN: LazyLock<NumberPlan> = LazyLock::new(|| NumberPlan::new("US").unwrap());

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/asterisk").join(name)
}

fn options(site: &str, zone: &str) -> ReadOptions {
    let switch = SwitchOptions { site: site.to_owned(), zone: zone.to_owned(), ..SwitchOptions::default() };
    ReadOptions { switch, ..ReadOptions::default() }
}

fn calls(name: &str, zone: &str) -> Vec<CallRecord> {
    read(name, &options("hq", zone))
}

/// Every row for itself.
fn rows(name: &str, zone: &str) -> Vec<CallRecord> {
    let mut options = options("hq", zone);
    options.switch.legs = Legs::Each;
    read(name, &options)
}

fn read(name: &str, options: &ReadOptions) -> Vec<CallRecord> {
    let reader = open(&fixture(name), &PLAN, options).unwrap();
    assert_eq!(reader.format(), Format::Switch(SwitchFormat::Asterisk));
    reader.map(|call| call.unwrap().call).collect()
}

/// The rows of a file as JSON lines, for a snapshot.
fn json(name: &str, zone: &str) -> String {
    rows(name, zone).iter().map(|call| call.to_json() + "\n").collect()
}

#[test]
fn sixteen_columns() {
    insta::assert_snapshot!(json("columns-16.csv", "UTC"));
}

#[test]
fn eighteen_columns() {
    insta::assert_snapshot!(json("columns-18.csv", "Europe/London"));
}

#[test]
fn twenty_one_columns() {
    insta::assert_snapshot!(json("columns-21.csv", "America/New_York"));
}

#[test]
fn local_times_are_of_the_zone_and_order_the_hour_that_comes_twice() {
    let london = calls("columns-18.csv", "Europe/London");
    let utc = calls("columns-18.csv", "UTC");
    assert_eq!(utc[0].started_at_ms - london[0].started_at_ms, 3_600_000);
    // 01:59:50 in summer time, 01:00:10 in winter time: twenty seconds.
    let new_york = rows("columns-21.csv", "America/New_York");
    assert_eq!(new_york[0].ended_at_ms - new_york[0].started_at_ms, 20_000);
    assert_eq!(new_york[0].talk_ms(), 15_000);
    // No end, and 4 seconds' duration.
    assert_eq!(new_york[2].ended_at_ms - new_york[2].started_at_ms, 4_000);
}

#[test]
fn rows_are_named_by_unique_id_and_sequence_or_by_themselves() {
    let ids = |name, zone| rows(name, zone).into_iter().map(|call| call.call_id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids("columns-21.csv", "America/New_York")[..2], ["pbx1-1793512790.7-11", "pbx1-1793512790.7-12"]);
    assert_eq!(ids("columns-18.csv", "UTC")[0], "1780293600.1");
    let by_itself = ids("columns-16.csv", "UTC");
    assert_eq!(by_itself, ids("columns-16.csv", "UTC"));
    assert!(by_itself.iter().all(|id| id.starts_with("row-") && id.len() == 36));
    assert_ne!(by_itself[0], by_itself[1]);
    // The seventeenth column is whichever of the two is switched on.
    let seventeen = ids("columns-17-userfield.csv", "UTC");
    assert!(seventeen[0].starts_with("row-"));
    assert_eq!(seventeen[1], "1795244766.9");
}

#[test]
fn rows_of_a_linkedid_are_one_call() {
    let calls = calls("columns-21.csv", "America/New_York");
    // Two telephones rang, one was answered; and a call of one row.
    let told: Vec<_> = calls.iter().map(|call| (call.call_id.as_str(), call.outcome, call.talk_ms())).collect();
    assert_eq!(told, [("pbx1-1793512790.7", Outcome::Answered, 15_000), ("pbx1-1793552400.8", Outcome::Failed, 0)]);
}

#[test]
fn the_disposition_rules_over_the_answer_time() {
    let calls = calls("columns-18.csv", "UTC");
    assert_eq!((calls[1].outcome, calls[1].talk_ms()), (Outcome::Answered, 0));
    assert_eq!((calls[2].outcome, calls[2].answered_at_ms), (Outcome::NoAnswer, None));
    assert_eq!(calls[2].caller.as_str(), "anonymous");
}

#[test]
fn bad_rows_are_named_and_the_others_read() {
    let reader = open(&fixture("bad-rows.csv"), &PLAN, &options("hq", "UTC")).unwrap();
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for call in reader {
        match call {
            Ok(call) => good.push(call.row),
            Err(ReadError::Row(error)) => bad.push((error.row, error.error.reason, error.error.field)),
            Err(ReadError::File(error)) => panic!("{error}"),
        }
    }
    assert_eq!(good, [1, 10]);
    let expected = [
        (2, Reason::Unparseable, ""),
        (3, Reason::BadTime, "start"),
        (4, Reason::BadOutcome, "disposition"),
        (5, Reason::BadNumber, "src"),
        (6, Reason::MissingField, "dst"),
        (7, Reason::AnsweredMismatch, "answer"),
        (8, Reason::MissingField, "start"),
        (9, Reason::Unparseable, ""),
    ];
    assert_eq!(bad, expected);
}

#[test]
fn messages_name_line_column_and_rule_but_no_number() {
    let reader = open(&fixture("bad-rows.csv"), &PLAN, &options("hq", "UTC")).unwrap();
    let messages: Vec<_> = reader.filter_map(|call| call.err().map(|error| error.to_string())).collect();
    insta::assert_snapshot!(messages.join("\n"));
    // The messages' own sample aside.
    assert!(messages.iter().all(|message| !message.replace("+12025550101", "").contains("555")));
}

#[test]
fn other_csv_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |text: &str| {
        let path = folder.path().join("other.csv");
        std::fs::write(&path, text).unwrap();
        open(&path, &PLAN, &ReadOptions::default()).err().unwrap()
    };
    let freeswitch = "\"Ada\",\"1001\",\"2025550101\",\"default\",\"2026-11-21 07:06:05\",\"\",\"\",\"0\",\"0\"\n";
    let error = refused(freeswitch);
    assert!(
        matches!(&error, FileError::NotThisFormat { found, .. } if found == "has 9 comma-separated columns"),
        "{error}"
    );
    let other_order = format!("{}2026-11-21 07:06:05\n", "x,".repeat(17));
    let error = refused(&other_order);
    assert!(matches!(&error, FileError::NotThisFormat { found, .. } if found.contains("18 ")), "{error}");
    assert!(matches!(refused("just a text\nof two lines\n"), FileError::NotThisFormat { .. }));
    assert!(matches!(refused("\"never closed\n"), FileError::NotThisFormat { .. }));
}

#[test]
fn a_header_is_a_bad_row_and_a_byte_order_mark_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Master.csv");
    let rows = std::fs::read_to_string(fixture("columns-18.csv")).unwrap();
    let header = (0..18).map(|n| format!("column{n}")).collect::<Vec<_>>().join(",");
    std::fs::write(&path, format!("\u{feff}{header}\r\n{}", rows.replace('\n', "\r\n"))).unwrap();
    let read: Vec<_> = open(&path, &PLAN, &ReadOptions::default()).unwrap().collect();
    assert!(matches!(&read[0], Err(ReadError::Row(error)) if error.row == 1));
    let with_crlf: Vec<_> = read.into_iter().skip(1).map(|call| call.unwrap().call).collect();
    let without: Vec<_> = open(&fixture("columns-18.csv"), &PLAN, &ReadOptions::default())
        .unwrap()
        .map(|call| call.unwrap().call)
        .collect();
    assert_eq!(with_crlf, without);
}

#[test]
fn options_that_name_nothing_are_refused() {
    for (site, zone, option) in
        [("hq", "Mars/Olympus", "time zone"), ("head office", "UTC", "site"), ("", "UTC", "site")]
    {
        let error = open(&fixture("columns-16.csv"), &PLAN, &options(site, zone)).err().unwrap();
        assert!(matches!(&error, FileError::Option { option: wrong, .. } if *wrong == option), "{error}");
    }
}
