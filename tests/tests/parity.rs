//! `tollwatch parity`: answers of the service over a stream and a snapshot, logged and printed, against the calls.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use call_files::ReadOptions;
use cdr::{NumberKind, NumberPlan};
use features::{HOUR_MS, MINUTE_MS};
use local_aws::{DynamoStorage, LocalAws, LocalAwsConfig};
use serde_json::Value;
use snapshot::UtcDay;
use tempfile::TempDir;
use tests::Service;
use tiles::DynamoTiles;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn run(folder: &Path, arguments: &str) -> Output {
    tokio::task::block_in_place(|| tests::run(folder, arguments))
}

#[track_caller]
fn done(folder: &Path, arguments: &str) -> String {
    tests::said(arguments, run(folder, arguments))
}

/// The files of calls of a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "parquet"));
    files.sort();
    files
}

/// Numbers that called from a moment on.
fn callers(files: &[PathBuf], from_ms: i64) -> BTreeSet<String> {
    let plan = NumberPlan::new("US").unwrap();
    let read = ReadOptions::default();
    let calls =
        files.iter().flat_map(|file| call_files::open(file, &plan, &read).unwrap()).map(|row| row.unwrap().call);
    calls
        .filter(|call| call.started_at_ms >= from_ms && call.caller.kind() == NumberKind::E164)
        .map(|call| call.caller.as_str().to_owned())
        .collect()
}

/// Writes the log again with one line changed; returns its name.
fn changed(folder: &Path, log: &str, change: impl FnOnce(&mut Value) -> bool) -> String {
    let mut lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut change = Some(change);
    let wanted =
        |value: &Value| value["id"] == "calls_24h" && value["integer"].as_str().is_some_and(|calls| calls != "0");
    let values = lines.iter_mut().flat_map(|line| line["response"]["values"].as_array_mut().unwrap());
    for value in values.filter(|value| wanted(value)).take(1) {
        assert!(change.take().unwrap()(value));
    }
    assert!(change.is_none());
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    fs::write(folder.join("changed.jsonl"), lines.join("\n")).unwrap();
    "changed.jsonl".to_owned()
}

/// A folder with calls and the answers that a service gave over them.
struct Answered {
    folder: TempDir,
    /// Numbers that called since yesterday.
    numbers: BTreeSet<String>,
    /// The last moment of the calls.
    end_ms: i64,
    /// What starts the service once more.
    serve: String,
    local: LocalAws,
}

/// Answers that were asked for.
const ANSWERS: usize = 30;

impl Answered {
    /// Calls through the batch job and the stream, and questions of every kind about some of their callers.
    async fn make() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        // Every call has long ended, and none is of tomorrow, whenever this runs.
        let now = now_ms();
        let end_ms = now - now.rem_euclid(MINUTE_MS) - 3 * HOUR_MS;
        let yesterday = UtcDay::of_ms(now).plus(-1);
        // A day of four hours ago begins two dates before today in the first hours of a day.
        let covered = UtcDay::of_ms(now).plus(-2);
        let generate =
            "generate --subscribers 100 --days 5 --campaigns 0 --duplicates 0.2 --late 0 --output calls --end";
        done(folder, &format!("{generate} {}", cdr::format_time(end_ms)));
        let files = files(&folder.join("calls"));
        let names = files.iter().map(|file| format!("calls/{}", file.file_name().unwrap().to_str().unwrap()));
        let streamed: Vec<String> = names.filter(|name| *name >= format!("calls/calls-{covered}")).collect();
        done(folder, &format!("batch --input calls --output data --as-of {yesterday}"));

        let local = LocalAws::start(LocalAwsConfig::default().with_dynamodb(DynamoStorage::Memory).with_kinesis());
        let local = local.await.unwrap();
        local.create_stream("calls", 2).await.unwrap();
        let tiles = DynamoTiles::new(local.dynamodb().unwrap(), "tiles");
        tiles.create_table_if_missing().await.unwrap();
        let endpoints = local.endpoints();
        let (kinesis, dynamodb) = (endpoints.kinesis.unwrap(), endpoints.dynamodb.unwrap());
        done(folder, &format!("replay --from {} --stream calls --endpoint-url {kinesis}", streamed.join(" ")));
        let consume = "consume --stream calls --table tiles --quarantine data --checkpoints checkpoints.json \
                       --until-drained --allowed-lateness 120";
        let endpoints = format!("--kinesis-endpoint {kinesis} --dynamodb-endpoint {dynamodb}");
        done(folder, &format!("{consume} --covers-from {covered} {endpoints}"));

        let serve = format!("serve --address 127.0.0.1:0 --tiles tiles --data data --endpoint-url {dynamodb}");
        let arguments = format!("{serve} --answer-log answers.jsonl --answer-log-rate 1");
        let service = Service::start(folder, &arguments, Stdio::inherit());
        assert!(service.url.starts_with("http://"), "{}", service.url);
        let numbers = callers(&files, yesterday.start_ms());
        assert!(numbers.len() > 20, "{}", numbers.len());
        let past = format!("--as-of {}", cdr::format_time(end_ms - HOUR_MS));
        let mut printed = String::new();
        for number in numbers.iter().take(ANSWERS / 5) {
            for more in ["", "--level prefix", "--level range", "--party callee", &past] {
                printed += &done(folder, &format!("get {number} {more} --json --url {}", service.url));
            }
        }
        fs::write(folder.join("printed.jsonl"), printed).unwrap();
        Self { folder: temporary, numbers, end_ms, serve, local }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path().join("answers.jsonl")).unwrap()
    }

    /// Both kinds of lines agree with the calls, in every value.
    fn agrees(&self) {
        assert_eq!(self.log().lines().count(), ANSWERS);
        let mode = fs::metadata(self.path().join("answers.jsonl")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for responses in ["answers.jsonl", "printed.jsonl"] {
            let parity = format!("parity --responses {responses} --input calls --settle 0");
            let facts: Value = serde_json::from_str(&done(self.path(), &format!("{parity} --json"))).unwrap();
            let total = |name: &str| facts["total"][name].as_u64().unwrap();
            assert_eq!(facts["answers"], ANSWERS, "{facts}");
            assert!(total("matched") > 50 * ANSWERS as u64, "{facts}");
            // Everything is settled: no value may hide behind a call that was on its way.
            assert_eq!((total("different"), total("unsettled"), total("degraded")), (0, 0, 0), "{facts}");
        }
    }

    /// The report of answers that differ in one value; no number is in it.
    #[track_caller]
    fn differs(&self, responses: &str, words: &[&str]) {
        let output = run(self.path(), &format!("parity --responses {responses} --input calls --settle 0"));
        let said = String::from_utf8(output.stdout).unwrap();
        let failed = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}{failed}");
        assert!(failed.contains("are not what the archive says"), "{failed}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
        assert!(self.numbers.iter().all(|number| !said.contains(number.as_str())), "{said}");
    }

    #[track_caller]
    fn refused(&self, arguments: &str, words: &[&str]) {
        let output = run(self.path(), arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_what_the_calls_say_and_one_that_is_not_is_found() {
    let answered = Answered::make().await;
    let folder = answered.path();
    answered.agrees();

    // What the service would have got wrong.
    let log = answered.log();
    let one_more = changed(folder, &log, |value| {
        let calls: i64 = value["integer"].as_str().unwrap().parse().unwrap();
        value["integer"] = (calls + 1).to_string().into();
        true
    });
    answered.differs(&one_more, &["differs: line ", "caller calls_24h: answered ", ", recounted "]);
    let other_window = changed(folder, &log, |value| {
        value["windowStart"] = value["windowEnd"].clone();
        value["windowStart"].is_string()
    });
    answered.differs(&other_window, &["which is not its window as of"]);
    let nothing = changed(folder, &log, |value| {
        value["missingReason"] = "MISSING_REASON_NO_CALLS".into();
        value.as_object_mut().unwrap().remove("integer").is_some()
    });
    answered.differs(&nothing, &["answered nothing, recounted "]);

    // A call that the service never had.
    let (began, ended) = (cdr::format_time(answered.end_ms - HOUR_MS), cdr::format_time(answered.end_ms));
    let number = answered.numbers.first().unwrap();
    let call = format!(
        r#"{{"call_id":"never-streamed","caller":"{number}","callee":"+442079460018","started_at":"{began}","ended_at":"{ended}","outcome":"busy"}}"#
    );
    fs::write(folder.join("calls/more.jsonl"), call).unwrap();
    answered.differs("answers.jsonl", &["caller calls_24h: answered "]);
    fs::remove_file(folder.join("calls/more.jsonl")).unwrap();

    fs::write(folder.join("words.jsonl"), "what is this\n").unwrap();
    fs::write(folder.join("other.jsonl"), log.replace(&version(&log), "00000000")).unwrap();
    fs::write(folder.join("shared.jsonl"), "").unwrap();
    fs::set_permissions(folder.join("shared.jsonl"), fs::Permissions::from_mode(0o644)).unwrap();
    let serve = &answered.serve;
    answered.refused("parity --responses absent.jsonl --input calls", &["cannot read absent.jsonl"]);
    answered.refused("parity --responses words.jsonl --input calls", &["words.jsonl, line 1", "is no JSON object"]);
    answered.refused("parity --responses answers.jsonl --input absent", &["absent does not exist"]);
    answered
        .refused("parity --responses other.jsonl --input calls", &["no value could be held against", "30 of them"]);
    answered.refused(&format!("{serve} --answer-log-rate 0.5"), &["--answer-log"]);
    answered.refused(&format!("{serve} --answer-log a.jsonl --answer-log-rate 2"), &["above 0 and at most 1"]);
    answered.refused(&format!("{serve} --answer-log shared.jsonl"), &["can be read by others (mode 644)"]);
    answered.local.shutdown().await;
}

fn version(log: &str) -> String {
    let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    line["response"]["featureSetVersion"].as_str().unwrap().to_owned()
}
