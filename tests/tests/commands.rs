//! The commands that work on files, as users run them: what they make, what they say, and what they refuse.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use call_files::ReadOptions;
use cdr::{CallRecord, NumberKind, NumberPlan};
use features::{FeatureSet, Level, Party, Value};
use futures::TryStreamExt as _;
use local_aws::{LocalAws, LocalAwsConfig};
use objects::Objects;
use snapshot::{CURRENT, Snapshot};
use tempfile::TempDir;
use tests::{run, said};

/// Runs the command, which must do it, and returns what it says.
#[track_caller]
fn done(folder: &Path, arguments: &str) -> String {
    said(arguments, run(folder, arguments))
}

/// Runs the command, which must refuse it as the user's mistake with each of these words, and leave nothing.
#[track_caller]
fn refused(folder: &Path, arguments: &str, words: &[&str]) {
    let before = tree(folder);
    let output = run(folder, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{arguments}");
    for word in words {
        assert!(said.contains(word), "{arguments}: {word:?} is not in: {said}");
    }
    assert_eq!(tree(folder), before, "{arguments}");
}

/// Every folder, file and its bytes below a folder.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_owned();
            if path.is_dir() {
                found.insert(name, Vec::new());
                folders.push(path);
            } else {
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

fn read(path: &Path) -> Vec<CallRecord> {
    let plan = NumberPlan::new("US").unwrap();
    let calls = call_files::open(path, &plan, &ReadOptions::default()).unwrap();
    calls.map(|call| call.unwrap().call).collect()
}

fn asterisk(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("crates/call-files/testdata/asterisk").join(name).display().to_string()
}

/// Three days of calls, too few for a campaign.
const GENERATE: &str = "generate --subscribers 150 --days 3 --campaigns 0 --end 2026-11-21";

#[tokio::test]
async fn generated_calls_become_a_snapshot_that_holds_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let said = done(folder, &format!("{GENERATE} --duplicates 0.2 --output calls"));
    assert!(said.starts_with("wrote 3 files of calls and labels.csv to calls\n"), "{said}");
    assert!(said.contains("from 2026-11-18 to 2026-11-20 UTC"), "{said}");
    let files = ["calls-2026-11-18.parquet", "calls-2026-11-19.parquet", "calls-2026-11-20.parquet"];
    let records: Vec<CallRecord> = files.iter().flat_map(|file| read(&folder.join("calls").join(file))).collect();

    let told = "--complete-before 2026-11-21T00:00:00Z";
    let report = done(folder, &format!("batch --input calls --output data --as-of 2026-11-20 {told} --json"));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let mut ids = HashSet::new();
    let mut expected: HashMap<&str, i64> = HashMap::new();
    for call in records.iter().filter(|call| ids.insert(&call.call_id)) {
        if call.caller.kind() != NumberKind::Anonymous {
            *expected.entry(call.caller.as_str()).or_default() += 1;
        }
    }
    assert!(ids.len() > 300 && records.len() > ids.len() + 30, "{} of {}", ids.len(), records.len());
    assert_eq!(report["calls"]["read"], records.len());
    assert_eq!(report["calls"]["counted"], ids.len());
    assert_eq!(report["calls"]["duplicates"], records.len() - ids.len());
    assert_eq!(report["days"], 3);
    assert!(report["seconds"]["roll_up_windows"].as_f64().unwrap() > 0.0);
    assert_eq!((&report["published"], &report["records_read"]), (&"snapshot".into(), &report["calls"]["read"]));
    assert_eq!(report["missing_days"].as_array().unwrap().len(), 87);

    let set = Arc::new(FeatureSet::default_set().unwrap());
    let snapshot = Snapshot::open(Objects::in_folder(folder.join("data")), set).await.unwrap().unwrap();
    assert_eq!(report["run"], snapshot.manifest().run.as_str());
    assert_eq!(snapshot.manifest().complete_for_arrivals_before, Some(1_795_219_200_000));
    let calls: HashMap<String, Value> =
        snapshot.column(Party::Caller, Level::Phone, "calls_7d").try_collect().await.unwrap();
    let expected: HashMap<String, Value> =
        expected.into_iter().map(|(caller, calls)| (caller.to_owned(), Value::Integer(calls))).collect();
    assert_eq!(calls, expected);

    let again = done(folder, "batch --input calls --output data --as-of 2026-11-20");
    assert!(again.starts_with("nothing new: the snapshot of 2026-11-20 in data (run "), "{again}");
    assert!(again.contains(snapshot.manifest().run.as_str()), "{again}");

    let other = "batch --input calls/calls-2026-11-20.parquet --output data --as-of 2026-11-20";
    refused(folder, other, &["data has day tiles of the calls in", "calls-2026-11-20.parquet", "--rebuild"]);
    let again = done(folder, &format!("{other} --rebuild"));
    assert!(again.starts_with("published the snapshot of 2026-11-20 in data (run "), "{again}");
    assert!(!again.contains(snapshot.manifest().run.as_str()), "{again}");
    assert!(again.contains("calls of 1 days"), "{again}");
}

#[test]
fn the_same_seed_gives_the_same_files_and_another_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (seed, output) in [(7, "first"), (7, "second"), (8, "third")] {
        done(folder, &format!("{GENERATE} --seed {seed} --format jsonl --output {output}"));
    }
    let [first, second, third] = ["first", "second", "third"].map(|name| tree(&folder.join(name)));
    assert_eq!(first.len(), 4);
    assert_eq!(first, second);
    assert_ne!(first, third);

    refused(folder, &format!("{GENERATE} --output first"), &["first is not empty"]);
    refused(folder, &format!("{GENERATE} --output first/labels.csv"), &["cannot write to first/labels.csv"]);
    refused(folder, "generate --output new --subscribers 0", &["--subscribers", "1..=5000000"]);
    refused(folder, "generate --output new --late 1.5", &["--late", "between 0 and 1"]);
    refused(folder, "generate --output new --strength 0", &["--strength", "from 0.01 to 4"]);
    refused(folder, "generate --output new --calls-per-day 0", &["--calls-per-day is 0"]);
    refused(folder, "generate --output new --end noon", &["--end", "RFC 3339"]);
    refused(folder, "generate --output new --end 2000-01-02", &["--end and --days 90"]);
}

#[test]
fn asterisk_files_become_call_records_and_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let files = ["columns-16.csv", "columns-17-userfield.csv", "columns-21.csv"].map(asterisk).join(" ");
    let said = done(folder, &format!("import {files} --output all.jsonl --site hq --zone America/New_York"));
    let calls = read(&folder.join("all.jsonl"));
    assert!(said.contains(&format!("imported {} calls into all.jsonl\n", calls.len())), "{said}");
    assert!(said.contains("refused  0\n"), "{said}");
    assert!(calls.len() == 7 && calls.iter().any(|call| call.caller.as_str().starts_with("ext:hq/")), "{said}");

    done(folder, &format!("import {files} --output each --site hq --zone America/New_York"));
    let names: Vec<PathBuf> = tree(&folder.join("each")).into_keys().collect();
    let expected = ["columns-16", "columns-17-userfield", "columns-21"];
    assert_eq!(names, expected.map(|name| PathBuf::from(format!("{name}.parquet"))));
    let mut each: Vec<CallRecord> = names.iter().flat_map(|name| read(&folder.join("each").join(name))).collect();
    // A call of several rows comes when its last leg must have come, perhaps behind those of another file.
    let mut all = calls.clone();
    for calls in [&mut each, &mut all] {
        calls.sort_by(|a, b| (a.started_at_ms, &a.call_id).cmp(&(b.started_at_ms, &b.call_id)));
    }
    assert_eq!(each, all);

    // In another zone the hour that New York has twice is one in which calls end before they begin.
    let said = done(folder, &format!("import {files} --output berlin.jsonl --zone Europe/Berlin"));
    assert!(said.contains("imported 6 calls") && said.contains("2 time_order\n"), "{said}");

    // What is imported can be imported, in any format, and counted.
    done(folder, "import all.jsonl --output copy.jsonl.gz");
    assert_eq!(read(&folder.join("copy.jsonl.gz")), calls);
    let last = calls.iter().map(|call| call.started_at_ms).max().unwrap();
    let as_of = snapshot::UtcDay::of_ms(last);
    let report = done(folder, &format!("batch --input each --output data --as-of {as_of} --json"));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["calls"]["read"], calls.len());
    assert!(folder.join("data").join(CURRENT).exists());
}

#[test]
fn rows_that_cannot_be_used_are_listed_each_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let output = run(folder, &format!("import {} --output good.parquet --refused bad.csv", asterisk("bad-rows.csv")));
    assert!(output.status.success(), "{output:?}");
    let good = read(&folder.join("good.parquet")).len();
    let listed = fs::read_to_string(folder.join("bad.csv")).unwrap();
    let rows = fs::read_to_string(asterisk("bad-rows.csv")).unwrap().lines().count();
    assert!(listed.starts_with("file,row,reason,problem\n"), "{listed}");
    let bad = listed.lines().count() - 1;
    assert!(good >= 1 && bad >= 7 && good + bad <= rows, "{good} and {bad} of {rows}");
    assert!(listed.contains(",2,unparseable,"), "{listed}");
    assert!(listed.contains(",3,bad_time,"), "{listed}");
    assert!(listed.contains(",4,bad_outcome,"), "{listed}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(&format!("refused  {bad}\n")) && said.contains("1 bad_outcome\n"), "{said}");
    let shown = String::from_utf8(output.stderr).unwrap();
    assert_eq!(shown.lines().filter(|line| line.starts_with("refused: ")).count(), bad, "{shown}");
    // The rule's own example is no number of the file's.
    let values = shown.replace("such as +12025550101", "");
    assert!(!values.contains("555010"), "a number is shown: {values}");

    // Ten are shown, the others counted.
    let many = "{}\n".repeat(14) + &fs::read_to_string(one_call(folder)).unwrap();
    fs::write(folder.join("many.jsonl"), many).unwrap();
    let output = run(folder, "import many.jsonl --output some.jsonl");
    let shown = String::from_utf8(output.stderr).unwrap();
    assert_eq!(shown.lines().count(), 11, "{shown}");
    assert!(shown.contains("refused: 4 more; --refused FILE"), "{shown}");
    assert_eq!(read(&folder.join("some.jsonl")).len(), 1);

    // The list is there also where nothing else is.
    fs::write(folder.join("bad.jsonl"), "{}\nno\n").unwrap();
    let output = run(folder, "import bad.jsonl --output none.jsonl --refused why.csv");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(folder.join("why.csv")).unwrap().lines().count(), 3);
    assert!(!folder.join("none.jsonl").exists());
}

/// The line of a text that holds a word first, from 1.
fn line_of(text: &str, word: &str) -> usize {
    text.lines().position(|line| line.contains(word)).unwrap() + 1
}

/// A file of one call.
fn one_call(folder: &Path) -> PathBuf {
    let path = folder.join("one.jsonl");
    let call = r#"{"call_id":"a","caller":"+12025550101","callee":"+442079460000","started_at":"2026-11-20T10:00:00Z","ended_at":"2026-11-20T10:00:09Z","outcome":"busy"}"#;
    fs::write(&path, format!("{call}\n")).unwrap();
    path
}

/// A folder with a file for each thing that can be wrong with one.
fn bad_files() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    one_call(folder.path());
    fs::write(at("empty.jsonl"), "").unwrap();
    fs::write(at("garbage.jsonl"), [0, 159, 146, 150, 255, 1, 2]).unwrap();
    fs::write(at("words.jsonl"), "what is this\n").unwrap();
    fs::write(at("invalid.jsonl"), "{\"call_id\":\"a\"}\n").unwrap();
    done(folder.path(), "import one.jsonl --output whole.parquet");
    let whole = fs::read(at("whole.parquet")).unwrap();
    fs::write(at("cut.parquet"), &whole[..whole.len() / 2]).unwrap();
    fs::remove_file(at("whole.parquet")).unwrap();
    fs::create_dir(at("nothing")).unwrap();
    folder
}

#[test]
fn import_refuses_what_it_cannot_use_and_leaves_nothing() {
    let files = bad_files();
    let folder = files.path();
    for (arguments, words) in [
        ("absent.csv --output new.parquet", ["cannot read absent.csv", "No such file"]),
        ("nothing --output new.parquet", ["nothing is a folder", "give its files"]),
        ("empty.jsonl --output new.parquet", ["empty.jsonl is empty", "no call of empty.jsonl can be used"]),
        ("garbage.jsonl --output new.parquet", ["garbage.jsonl is binary", "wants call records"]),
        ("words.jsonl --output new.parquet", ["words.jsonl has 1 comma-separated column", "wants"]),
        ("invalid.jsonl --output new.parquet", ["line 1", "1 missing_field"]),
        ("one.jsonl --format asterisk --output new.parquet", ["one.jsonl has", "Asterisk"]),
        ("one.jsonl --format parquet --output new.parquet", ["one.jsonl", "Parquet"]),
        ("cut.parquet --output new.parquet", ["cut.parquet is damaged", "copy it again"]),
        ("one.jsonl cut.parquet --output new.parquet", ["cut.parquet is damaged", "copy it again"]),
        ("one.jsonl cut.parquet --output new", ["cut.parquet is damaged", "copy it again"]),
        ("one.jsonl ./one.jsonl --output new", ["two files would both become one.parquet", ""]),
        ("one.jsonl --output one.jsonl", ["one.jsonl would be replaced", "choose another output"]),
        (
            "one.jsonl --output new.parquet --refused one.jsonl",
            ["one.jsonl would be replaced", "choose another output"],
        ),
        ("one.jsonl --output new.jsonl --refused ./new.jsonl", ["--refused ./new.jsonl", "the output too"]),
        ("one.jsonl --output absent/new.parquet", ["cannot write to absent", "no such folder"]),
        ("one.jsonl --output one.jsonl/new", ["cannot write to one.jsonl/new", ""]),
        ("one.jsonl --output new.xls", ["new.xls has no known ending", "--as FORMAT"]),
        ("one.jsonl --output new.parquet --as jsonl", ["new.parquet", "different formats"]),
        ("one.jsonl --output s3://bucket/new.parquet", ["s3://bucket/new.parquet", "this machine"]),
        ("one.jsonl --output new.parquet --zone Mars/Base", ["\"Mars/Base\" is unknown", "IANA"]),
        ("one.jsonl --output new.parquet --site a/b", ["\"a/b\" names no PBX", "wants"]),
        ("one.jsonl --output new.parquet --region Atlantis", ["\"Atlantis\" is unknown", "ISO 3166-1"]),
    ] {
        refused(folder, &format!("import {arguments}"), &words);
    }
    // An empty file among others, such as one just rotated, is passed over.
    done(folder, "import empty.jsonl one.jsonl --output new.parquet");
    assert_eq!(read(&folder.join("new.parquet")).len(), 1);
}

#[test]
fn legs_in_files_of_their_own_are_one_call() {
    let folder = tempfile::tempdir().unwrap();
    let legs = include_str!("../../crates/switch-records/testdata/freeswitch_json/legs.json");
    fs::write(folder.path().join("together.json"), legs).unwrap();
    let mut files = Vec::new();
    for (n, leg) in serde_json::Deserializer::from_str(legs).into_iter::<serde_json::Value>().enumerate() {
        fs::write(folder.path().join(format!("{n}.json")), leg.unwrap().to_string()).unwrap();
        files.push(format!("{n}.json"));
    }
    let sorted = |arguments: &str, output: &str| {
        let said = done(folder.path(), &format!("import {arguments} --output {output}"));
        assert!(said.contains("rows     4\n  calls    3,"), "{said}");
        let text = fs::read_to_string(folder.path().join(output)).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&files.join(" "), "apart.jsonl"), sorted("together.json", "whole.jsonl"));
}

#[test]
fn batch_refuses_what_it_cannot_use_and_publishes_nothing() {
    let files = bad_files();
    let folder = files.path();
    let typo = include_str!("../../features.toml").replace("talk_ms < 6000", "tlak_ms < 6000");
    let typo_at = format!("typo.toml:{}:", line_of(&typo, "tlak_ms"));
    fs::write(folder.join("typo.toml"), typo).unwrap();
    fs::create_dir(folder.join("bad")).unwrap();
    for file in ["cut.parquet", "garbage.jsonl"] {
        fs::copy(folder.join(file), folder.join("bad").join(file)).unwrap();
    }
    fs::create_dir(folder.join("lists")).unwrap();
    fs::write(folder.join("lists/irsf.csv"), include_str!("../../lists/irsf.csv")).unwrap();
    for (arguments, words) in [
        ("--input absent --output new", ["absent does not exist", "nothing was published"]),
        ("--input nothing --output new", ["nothing holds no file of calls", "wants files that end in"]),
        ("--input empty.jsonl --output new", ["empty.jsonl", "no valid call"]),
        ("--input invalid.jsonl --output new", ["1 missing_field", "no valid call"]),
        ("--input garbage.jsonl --output new", ["garbage.jsonl is binary", "wants call records"]),
        ("--input cut.parquet --output new", ["cut.parquet is damaged", "copy it again"]),
        // Of several bad files, the first by name.
        ("--input bad --output new", ["cut.parquet is damaged", "leave it out"]),
        ("--input . --output new", ["new lies in the input .", "outside of it"]),
        ("--input bad --output bad", ["bad lies in the input bad", "outside of it"]),
        ("--input one.jsonl --output one.jsonl", ["cannot write to one.jsonl", ""]),
        ("--input one.jsonl --output new --as-of 2025-01-01", ["as of 2025-01-01", "2026-11-20"]),
        ("--input one.jsonl --output new --as-of 2026-02-30", ["--as-of", "YEAR-MONTH-DAY"]),
        ("--input one.jsonl --output new --complete-before 2999-01-01", ["--complete-before", "is in the future"]),
        ("--input one.jsonl --output new --threads 0", ["--threads", "0"]),
        ("--input one.jsonl --output new --zone Mars/Base", ["\"Mars/Base\" is unknown", "IANA"]),
        ("--input gs://calls --output new", ["gs://", "s3://"]),
        ("--input one.jsonl --output new --definitions typo.toml", [typo_at.as_str(), "did you mean talk_ms?"]),
        ("--input one.jsonl --output new --definitions absent.toml", ["cannot read absent.toml", "No such file"]),
    ] {
        let as_of = if arguments.contains("--as-of") { "" } else { "--as-of 2026-11-20" };
        refused(folder, &format!("batch {arguments} {as_of}"), &words);
    }
    done(folder, "batch --input one.jsonl --output new --as-of 2026-11-20");
    let published = tree(&folder.join("new"));
    refused(folder, "batch --input invalid.jsonl --output new --as-of 2026-11-20 --rebuild", &["no valid call"]);
    assert_eq!(tree(&folder.join("new")), published);
}

/// Writes so many calls of a day of November 2026.
fn write_day(folder: &Path, day: u32, calls: usize) {
    let call = |n: usize| {
        let (hour, minute, second) = (n / 60 % 24, n % 60, n / 1_440);
        format!(
            r#"{{"call_id":"{day}-{n}","caller":"+1202555{:04}","callee":"+442079460{:03}","outcome":"busy",
            "started_at":"2026-11-{day:02}T{hour:02}:{minute:02}:{second:02}Z",
            "ended_at":"2026-11-{day:02}T{hour:02}:{minute:02}:{second:02}Z"}}"#,
            n % 50,
            n % 70
        )
        .replace('\n', "")
    };
    let lines: String = (0..calls).map(|n| call(n) + "\n").collect();
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(format!("{day}.jsonl")), lines).unwrap();
}

#[test]
fn a_day_that_lacks_calls_is_published_only_after_a_look() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    for day in 1..=9 {
        write_day(&folder.join("in"), day, 600);
    }
    let said = done(folder, "batch --input in --output data --as-of 2026-11-09");
    assert!(said.contains("  quality    passed\n"), "{said}");
    assert!(said.contains("  quality    not judged: 2026-11-07: 6 of the 28 days"), "{said}");
    let current = fs::read(folder.join("data").join(CURRENT)).unwrap();
    write_day(&folder.join("in"), 10, 300);
    let output = run(folder, "batch --input in --output data --as-of 2026-11-10 --json");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    for word in ["nothing was published", "volume_low, calls of 2026-11-10", "50.0%", "60.0%", "--accept-quality"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("+1202555"), "{said}");
    let stopped: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(stopped["published"], "nothing");
    assert_eq!(stopped["quality"]["verdict"], "stopped");
    assert_eq!(stopped["quality"]["findings"][0]["rule"], "volume_low");
    let object = folder.join(stopped["quality"]["object"].as_str().unwrap());
    assert!(said.contains("quality.json") && object.is_file(), "{object:?}");
    assert_eq!(fs::read(folder.join("data").join(CURRENT)).unwrap(), current);

    let accepted = "batch --input in --output data --as-of 2026-11-10 --accept-quality --json";
    let report: serde_json::Value = serde_json::from_str(&done(folder, accepted)).unwrap();
    assert_eq!((&report["published"], &report["quality"]["verdict"]), (&"snapshot".into(), &"accepted".into()));
    assert_eq!(report["quality"]["findings"][0]["accepted_by"], report["run"]);
    write_day(&folder.join("in"), 10, 310);
    let again = done(folder, "batch --input in --output data --as-of 2026-11-10");
    assert!(again.contains("  quality    warned\n"), "{again}");
    assert!(again.contains("  quality    hard, accepted by run 20"), "{again}");
}

#[test]
fn calls_of_days_to_come_are_told_apart_from_others_outside_of_the_windows() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    write_day(&folder.join("in"), 9, 3);
    let of_that_day = fs::read_to_string(folder.join("in/9.jsonl")).unwrap();
    for (year, count) in [("2025", 1), ("2099", 2)] {
        let lines = of_that_day.lines().take(count).map(|line| line.replace("\"2026-", &format!("\"{year}-")) + "\n");
        fs::write(folder.join("in").join(year).with_extension("jsonl"), lines.collect::<String>()).unwrap();
    }
    let said = done(folder, "batch --input in --output data --as-of 2026-11-09");
    assert!(said.contains("  outside    3 calls of other days, 2 of them of days after today: "), "{said}");
    let again = done(folder, "batch --input in --output data --as-of 2026-11-09 --json");
    let report: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!((&report["published"], &report["calls_of_days_to_come"]), (&"nothing".into(), &2.into()));
    assert_eq!(report["calls"]["outside"], 3);
}

/// Runs the command where no file may be longer than some kilobytes: every write beyond fails, as on a full disk.
fn run_with_room_for(kilobytes: u32, folder: &Path, arguments: &str) -> Output {
    let command = tests::tollwatch();
    let limited = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" {arguments}");
    let mut bash = Command::new("bash");
    bash.args(["-c", &limited]).arg(command.get_program()).current_dir(folder);
    bash.env_remove("TOLLWATCH_LOG").env("TMPDIR", folder.join("tmp")).output().unwrap()
}

#[test]
fn a_disk_that_is_full_leaves_the_snapshot_before_and_no_temporary_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &format!("{GENERATE} --output calls"));
    fs::create_dir(folder.join("in")).unwrap();
    let arrives = |day: &str| {
        let name = format!("calls-2026-11-{day}.parquet");
        fs::copy(folder.join("calls").join(&name), folder.join("in").join(name)).unwrap();
    };
    arrives("18");
    let batch = "batch --input in --output data --as-of 2026-11-20";
    done(folder, batch);
    arrives("19");
    let current = fs::read(folder.join("data").join(CURRENT)).unwrap();
    fs::create_dir(folder.join("tmp")).unwrap();
    // Too little for a day tile, and for a wide face of phones.
    for (kilobytes, cause) in [(2, "File too large"), (20, "needs a folder with room")] {
        let output = run_with_room_for(kilobytes, folder, &format!("{batch} --threads 1"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("nothing was published"), "{kilobytes}: {said}");
        assert!(said.contains(cause), "{kilobytes}: {said}");
        assert_eq!(fs::read(folder.join("data").join(CURRENT)).unwrap(), current);
        assert_eq!(fs::read_dir(folder.join("tmp")).unwrap().count(), 0);
    }
    let said = done(folder, batch);
    assert!(said.starts_with("published the snapshot of 2026-11-20 in data"), "{said}");
    assert!(said.contains("2, 1 of them new"), "{said}");
}

/// Starts a batch run over calls enough for it to be broken off, and returns it with its temporary folder, once that has
/// something in it.
fn start_batch(folder: &Path) -> (Child, PathBuf) {
    let before: Vec<PathBuf> = fs::read_dir(folder.join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut command = tests::tollwatch();
    command.args(["batch", "--input", "in", "--output", "data", "--as-of", "2026-11-09"]).current_dir(folder);
    let mut run = command.env("TMPDIR", folder.join("tmp")).stderr(Stdio::null()).spawn().unwrap();
    loop {
        assert!(run.try_wait().unwrap().is_none(), "it was done before it could be broken off");
        let made = fs::read_dir(folder.join("tmp")).unwrap().map(|entry| entry.unwrap().path());
        // One that is being removed has no more to be read.
        let mut of_run = made.filter(|path| !before.contains(path));
        let is_used = |path: &PathBuf| fs::read_dir(path).is_ok_and(|entries| entries.count() > 1);
        if let Some(made) = of_run.find(is_used) {
            return (run, made);
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_run_that_is_broken_off_leaves_no_calls_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    fs::create_dir(folder.join("tmp")).unwrap();
    for day in 1..=9 {
        write_day(&folder.join("in"), day, 8_000);
    }
    let (mut run, _) = start_batch(folder);
    let stopped = Command::new("kill").arg(run.id().to_string()).status().unwrap();
    assert!(stopped.success());
    assert_eq!(run.wait().unwrap().code(), Some(143));
    assert_eq!(tree(&folder.join("tmp")), BTreeMap::new());

    // Nothing can be done by one that is killed, but by the next.
    let (mut run, left) = start_batch(folder);
    assert_eq!(left.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(left.exists());
    let (mut alive, other) = start_batch(folder);
    assert!(!left.exists() && other.exists());
    alive.kill().unwrap();
    alive.wait().unwrap();
    let next = tests::tollwatch()
        .args(["batch", "--input", "in", "--output", "data", "--as-of", "2026-11-09"])
        .env("TMPDIR", folder.join("tmp"))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(next.status.success(), "{next:?}");
    assert_eq!(tree(&folder.join("tmp")), BTreeMap::new());
}

#[test]
fn stages_are_lines_of_a_log_where_there_is_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    one_call(folder);
    let output = run(folder, "batch --input one.jsonl --output data --as-of 2026-11-20");
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let stages = ["fetch new files", "read new files", "compute days", "roll up windows", "publish"];
    assert_eq!(lines.len(), stages.len(), "{said}");
    for (line, stage) in lines.iter().zip(stages) {
        assert!(line.contains("INFO") && line.contains(&format!("stage=\"{stage}\"")), "{line}");
        let number = |name: &str| line.split_once(&format!(" {name}=")).unwrap().1.split(' ').next().unwrap();
        assert_eq!(number("done"), number("total"), "{line}");
    }
    assert!(lines[1].contains("records=1 records_per_s="), "{said}");
}

#[test]
fn old_snapshots_are_listed_and_pruned_without_what_the_current_one_needs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &format!("{GENERATE} --output calls"));
    fs::create_dir(folder.join("in")).unwrap();
    for day in ["18", "19", "20"] {
        let name = format!("calls-2026-11-{day}.parquet");
        fs::copy(folder.join("calls").join(&name), folder.join("in").join(name)).unwrap();
        done(folder, &format!("batch --input in --output data --as-of 2026-11-{day}"));
    }
    let listed: serde_json::Value =
        serde_json::from_str(&done(folder, "snapshots list --output data --json")).unwrap();
    let days: Vec<&str> = listed.as_array().unwrap().iter().map(|run| run["as_of"].as_str().unwrap()).collect();
    assert_eq!(days, ["2026-11-20", "2026-11-19", "2026-11-18"]);
    let table = done(folder, "snapshots list --output data");
    assert_eq!(table.lines().count(), 1 + 3 + 1, "{table}");

    let before = tree(&folder.join("data"));
    let said = done(folder, "snapshots prune --output data --keep 1 --yes");
    assert!(said.starts_with("nothing to delete; 3 published runs"), "what was in use today stays: {said}");
    // Two days pass.
    let past = std::time::SystemTime::now() - std::time::Duration::from_hours(48);
    for (name, bytes) in &before {
        if !bytes.is_empty() {
            fs::File::options().write(true).open(folder.join("data").join(name)).unwrap().set_modified(past).unwrap();
        }
    }
    let left = folder.join("data/daily/date=2026-11-20/.objects-41-0");
    fs::write(&left, "half").unwrap();
    fs::File::options().write(true).open(&left).unwrap().set_modified(past).unwrap();
    let before = tree(&folder.join("data"));
    let said = done(folder, "snapshots prune --output data --keep 1");
    assert!(said.contains("half-written, of runs that were killed") && said.contains("1 files, 4 B\n"), "{said}");
    assert!(said.contains("would be deleted: repeat with --yes; 1 published runs"), "{said}");
    assert_eq!(tree(&folder.join("data")), before);
    let said = done(folder, "snapshots prune --output data --keep 2 --yes");
    assert!(said.contains("deleted ") && said.contains("2 published runs"), "{said}");
    assert!(!left.exists());
    done(folder, "snapshots prune --output data --keep 1 --yes");
    let listed: serde_json::Value =
        serde_json::from_str(&done(folder, "snapshots list --output data --json")).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    // What is left is enough to be read and gone on with.
    assert!(done(folder, "top calls_7d --data data").lines().count() > 10);
    let said = done(folder, "batch --input in --output data --as-of 2026-11-21");
    assert!(
        said.contains("3, 0 of them new") && said.contains("0 of 3 days, the others are of earlier runs"),
        "{said}"
    );

    // A snapshot of an earlier day takes its place, and that is said.
    let output = run(folder, "batch --input in --output data --as-of 2026-11-19 --json");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && said.contains("the snapshot of 2026-11-19 has replaced that of 2026-11-21"),
        "{said}"
    );
    let output = run(folder, "batch --input in --output data --as-of 2026-11-19");
    assert!(!String::from_utf8(output.stderr).unwrap().contains("warning"), "nothing was published");

    refused(folder, "snapshots prune --output data --older-than 5m", &["--older-than", "at least 1h"]);
    refused(folder, "snapshots list --output absent", &["absent does not exist"]);
    fs::create_dir(folder.join("empty")).unwrap();
    assert_eq!(done(folder, "snapshots list --output empty"), "nothing is published in empty\n");
}

#[test]
fn definitions_are_listed_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let set = FeatureSet::default_set().unwrap();
    let ok = format!("ok: {} features, version {}\n", set.features().len(), set.version());
    assert_eq!(done(folder, "features validate"), ok);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert_eq!(done(root, "features validate features.toml"), ok);

    let table = done(folder, "features list");
    assert_eq!(table.lines().count(), set.features().len() + 2);
    let row = "short_calls                caller  phone prefix range  1m 5m 10m 1h 6h 24h 1d 7d 30d 90d  Answered voice calls under 6 seconds";
    assert!(table.lines().any(|line| line == row), "{table}");
    let listed: serde_json::Value = serde_json::from_str(&done(folder, "features list --json")).unwrap();
    assert_eq!(listed["version"], set.version());
    assert_eq!(listed["features"].as_array().unwrap().len(), set.features().len());
    assert_eq!(listed["features"][0]["batch"], serde_json::json!(["1d", "7d", "30d", "90d"]));

    let text = fs::read_to_string(root.join("features.toml")).unwrap();
    let bad = text.replace("[\"callee\"]", "[\"calle\"]");
    let place = format!("\nbad.toml:{}:10: party must be one of", line_of(&bad, "party = [\"calle\"]"));
    fs::write(folder.join("bad.toml"), bad).unwrap();
    fs::create_dir(folder.join("lists")).unwrap();
    fs::copy(root.join("lists/irsf.csv"), folder.join("lists/irsf.csv")).unwrap();
    refused(folder, "features validate bad.toml", &["bad.toml is refused:\n", &place]);
    fs::write(folder.join("words.toml"), "what is this\n").unwrap();
    refused(folder, "features validate words.toml", &["\nwords.toml:1:"]);
    refused(folder, "features validate .", &["cannot read ."]);
    refused(folder, "features list --definitions words.toml", &["\nwords.toml:1:"]);
}

#[test]
fn definitions_are_compiled_to_sql() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let version = FeatureSet::default_set().unwrap().version().to_owned();
    let levels = "caller:phone caller:prefix caller:range callee:phone callee:prefix callee:range";
    for (target, archive) in [("spark", ""), ("athena", "archive ")] {
        let compile = format!("features compile --target {target}");
        let script = done(folder, &compile);
        assert!(script.starts_with(&format!("-- Features of version {version}, for {target}\n")), "{script}");
        let names: Vec<&str> = script.lines().skip(1).filter_map(|line| line.strip_prefix("-- ")).collect();
        assert_eq!(names.join(" "), format!("{archive}calls check {levels}"));
        for name in names {
            let statement = done(folder, &format!("{compile} --only {name}"));
            assert!(script.contains(&format!("\n-- {name}\n{};\n", statement.trim_end())), "{name}");
        }
        let compiled: serde_json::Value = serde_json::from_str(&done(folder, &format!("{compile} --json"))).unwrap();
        assert_eq!(
            (&compiled["target"], &compiled["feature_set_version"]),
            (&target.into(), &version.as_str().into())
        );
        let tables = compiled["tables"].as_array().unwrap();
        assert!(tables.len() == 6 && tables[0]["columns"][0] == "calls_1d", "{tables:?}");
    }
    let table = done(folder, "features compile --target athena --only archive --archive s3://bucket/calls/raw");
    assert!(table.ends_with("location 's3://bucket/calls/raw/'\n"), "{table}");
    refused(
        folder,
        "features compile --target spark --only archive",
        &["\"archive\" is no statement", "caller:phone"],
    );
    refused(folder, "features compile --target hive", &["hive", "spark, athena"]);
    refused(folder, "features compile --target spark --definitions absent.toml", &["cannot read absent.toml"]);
}

#[test]
fn an_archive_without_derived_fields_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let call = r#"{"call_id":"a","caller":"+12025550101","callee":"anonymous","started_at":"2026-11-20T10:00:00.000Z","ended_at":"2026-11-20T10:00:01.000Z","outcome":"busy"}"#;
    let old = format!(r#"{{"position":"007","arrived_at":"2026-11-20T10:00:02.000Z","call":{call}"#);
    fs::write(folder.join("old.jsonl"), format!("{old}}}\n")).unwrap();
    fs::write(folder.join("plain.jsonl"), format!("{call}\n")).unwrap();
    done(folder, "import --archive old.jsonl --output new.jsonl");
    let plan = NumberPlan::metadata_version();
    let derived = format!(
        r#"{{"number_plan":"{plan}","caller_country":"US","caller_prefix":"+1202","caller_kind":"e164","callee_kind":"anonymous"}}"#
    );
    let new = fs::read_to_string(folder.join("new.jsonl")).unwrap();
    assert_eq!(new, format!("{old},\"derived\":{derived}}}\n"));
    // Again, it stays what it is.
    done(folder, "import --archive new.jsonl --output again.jsonl");
    assert_eq!(fs::read_to_string(folder.join("again.jsonl")).unwrap(), new);

    // Each file of an archive stays in its hour of arrival, whether it or its folder is named.
    let hours = ["2026/11/20/10", "2026/11/20/11"];
    for hour in hours {
        fs::create_dir_all(folder.join("old/raw").join(hour)).unwrap();
        fs::copy(folder.join("old.jsonl"), folder.join("old/raw").join(hour).join("part-0.jsonl")).unwrap();
    }
    done(folder, "import --archive old/raw --as jsonl --output new");
    let named = hours.map(|hour| format!("old/raw/{hour}/part-0.jsonl")).join(" ");
    done(folder, &format!("import --archive {named} --as jsonl --output named"));
    for hour in hours {
        let at = |output: &str| fs::read_to_string(folder.join(output).join(hour).join("part-0.jsonl")).unwrap();
        assert_eq!((at("new"), at("named")), (new.clone(), new.clone()));
    }
    refused(folder, "import old/raw --output x.jsonl", &["old/raw is a folder"]);
    fs::create_dir(folder.join("nothing")).unwrap();
    refused(folder, "import --archive nothing --output x.jsonl", &["nothing holds no file of calls"]);

    let without = ["plain.jsonl row 1", "no position and arrival", "leave out --archive"];
    refused(folder, "import --archive plain.jsonl --output x.jsonl", &without);
    refused(folder, "import --archive old.jsonl --output x.parquet", &["--archive writes lines", "jsonl.gz"]);
}

#[tokio::test]
async fn replayed_calls_reach_the_stream_in_the_order_in_which_they_ended() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &format!("{GENERATE} --disorder 1 --output calls"));
    let mut records: Vec<CallRecord> = ["18", "20"]
        .iter()
        .flat_map(|day| read(&folder.join(format!("calls/calls-2026-11-{day}.parquet"))))
        .collect();
    records.sort_by_key(|call| call.ended_at_ms);

    let local = LocalAws::start(LocalAwsConfig::default().with_kinesis()).await.unwrap();
    let url = local.endpoints().kinesis.unwrap();
    local.create_stream("calls", 1).await.unwrap();
    let arguments = format!(
        "replay --from calls/calls-2026-11-20.parquet calls/calls-2026-11-18.parquet --endpoint-url {url} --stream"
    );
    let (arguments, at) = (format!("{arguments} calls"), folder.to_owned());
    let said = tokio::task::spawn_blocking(move || done(&at, &arguments)).await.unwrap();
    let (first, last) = (&records[0], &records[records.len() - 1]);
    assert!(said.contains(&cdr::format_time(first.ended_at_ms)), "{said}");
    assert!(said.contains(&cdr::format_time(last.ended_at_ms)), "{said}");

    let kinesis = local.kinesis().unwrap();
    let shards = kinesis.list_shards().stream_name("calls").send().await.unwrap();
    let start = aws_sdk_kinesis::types::ShardIteratorType::TrimHorizon;
    let iterator = kinesis.get_shard_iterator().stream_name("calls").shard_id(shards.shards()[0].shard_id());
    let mut iterator = iterator.shard_iterator_type(start).send().await.unwrap().shard_iterator;
    let mut found: Vec<(String, String)> = Vec::new();
    while found.len() < records.len() {
        let got = kinesis.get_records().shard_iterator(iterator.unwrap()).send().await.unwrap();
        assert!(!got.records.is_empty(), "{} of {} records are on the stream", found.len(), records.len());
        for record in &got.records {
            found.push((
                record.partition_key.clone().unwrap_or_default(),
                String::from_utf8(record.data.as_ref().to_vec()).unwrap(),
            ));
        }
        iterator = got.next_shard_iterator;
    }
    let expected: Vec<(String, String)> =
        records.iter().map(|call| (call.caller.as_str().to_owned(), call.to_json())).collect();
    assert_eq!(found.len(), expected.len());
    let mut sorted = [found.clone(), expected];
    sorted.iter_mut().for_each(|records| records.sort());
    assert_eq!(sorted[0], sorted[1]);
    let plan = NumberPlan::new("US").unwrap();
    let ended: Vec<i64> =
        found.iter().map(|(_, json)| cdr::parse(&plan, json.as_bytes()).unwrap().record.ended_at_ms).collect();
    assert!(ended.is_sorted());

    one_call(folder);
    let at = folder.to_owned();
    let refusals = move || {
        let known = format!("replay --endpoint-url {url} --from");
        refused(&at, &format!("{known} one.jsonl --stream other"), &["there is no stream other"]);
        refused(&at, &format!("{known} absent.jsonl --stream calls"), &["cannot read absent.jsonl"]);
        refused(&at, &format!("{known} calls --stream calls"), &["calls is a folder"]);
        refused(&at, &format!("{known} one.jsonl --stream calls --speed 0"), &["--speed", "above 0"]);
        refused(&at, "replay --from one.jsonl --endpoint-url http://127.0.0.1:9", &["cannot be reached"]);
        refused(&at, "replay --from one.jsonl --endpoint-url localhost", &["is no local endpoint"]);
    };
    tokio::task::spawn_blocking(refusals).await.unwrap();
    local.shutdown().await;
}
