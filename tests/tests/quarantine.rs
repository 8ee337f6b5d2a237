//! Records that were set aside: listed, shown, put back on the stream as they came and repaired, and counted once
//! however often that is done.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use features::{DAY_MS, MINUTE_MS};
use local_aws::{DynamoStorage, LocalAws, LocalAwsConfig};
use serde_json::Value;
use tempfile::TempDir;
use tiles::{DynamoTiles, TileVersion};

const STREAM: &str = "calls";
const TABLE: &str = "tiles";

/// Endpoints in this process, and a folder for what the commands keep.
struct World {
    local: LocalAws,
    tiles: DynamoTiles,
    folder: TempDir,
}

impl World {
    async fn start() -> Self {
        let config = LocalAwsConfig::default().with_dynamodb(DynamoStorage::Memory).with_kinesis();
        let local = LocalAws::start(config).await.unwrap();
        local.create_stream(STREAM, 2).await.unwrap();
        let tiles = DynamoTiles::new(local.dynamodb().unwrap(), TABLE);
        tiles.create_table_if_missing().await.unwrap();
        Self { local, tiles, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn put(&self, records: &[Vec<u8>]) {
        let entry = |bytes: &Vec<u8>| {
            let data = Blob::new(bytes.clone());
            PutRecordsRequestEntry::builder().partition_key("p").data(data).build().unwrap()
        };
        let entries = records.iter().map(entry).collect();
        let kinesis = self.local.kinesis().unwrap();
        let put = kinesis.put_records().stream_name(STREAM).set_records(Some(entries)).send().await.unwrap();
        assert_eq!(put.failed_record_count(), Some(0));
    }

    fn run(&self, arguments: &str) -> Output {
        let mut command = tests::tollwatch();
        command.args(arguments.split_whitespace()).current_dir(self.path());
        tokio::task::block_in_place(|| command.output().unwrap())
    }

    #[track_caller]
    fn done(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, arguments: &str, words: &[&str]) {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
        for word in words {
            assert!(said.contains(word), "{arguments}: {word:?} is not in: {said}");
        }
    }

    /// Takes everything that is on the stream; what it says at its end.
    #[track_caller]
    fn consume(&self, more: &str) -> String {
        let endpoints = self.local.endpoints();
        let (kinesis, dynamodb) = (endpoints.kinesis.unwrap(), endpoints.dynamodb.unwrap());
        self.done(&format!(
            "consume --stream {STREAM} --table {TABLE} --quarantine .tollwatch --checkpoints checkpoints.json \
             --kinesis-endpoint {kinesis} --dynamodb-endpoint {dynamodb} --until-drained {more}"
        ))
    }

    fn redrive(&self, more: &str) -> String {
        format!(
            "quarantine redrive --stream {STREAM} --endpoint-url {} {more}",
            self.local.endpoints().kinesis.unwrap()
        )
    }

    fn lines(&self) -> Vec<Value> {
        let said = self.done("quarantine list --json");
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What is in quarantine, by reason.
    fn reasons(&self) -> BTreeMap<String, usize> {
        let mut reasons = BTreeMap::new();
        for line in self.lines() {
            *reasons.entry(line["reason"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        reasons
    }

    /// Calls that caller tiles have counted, by the key of their partition.
    async fn counted(&self) -> u64 {
        let mut counted = 0;
        let visit = |_, tile: tiles::StoredTile| {
            if let TileVersion::Calls(calls) = tile.version {
                counted += u64::from(calls);
            }
        };
        self.tiles.scan(visit).await.unwrap();
        counted
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn call(id: &str, started_ms: i64) -> Vec<u8> {
    let (started, ended) = (cdr::format_time(started_ms), cdr::format_time(started_ms + 9_000));
    format!(
        r#"{{"call_id":"{id}","caller":"+12025550101","callee":"+442079460018","started_at":"{started}","ended_at":"{ended}","outcome":"busy"}}"#
    )
    .into_bytes()
}

fn of_reason<'a>(lines: &'a [Value], reason: &str) -> &'a Value {
    lines.iter().find(|line| line["reason"] == reason).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn write_lines(path: &Path, lines: &[&Value]) {
    let text = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    std::fs::write(path, text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_is_listed_repaired_put_back_and_counted_once() {
    let world = World::start().await;
    let started_ms = now_ms() - 5 * MINUTE_MS;
    let whole = call("whole", started_ms);
    let cut = &whole[..whole.len() - 20];
    let late = call("late", now_ms() - 3 * DAY_MS);
    let aggregate = cdr::aggregate([("a", &whole[..]), ("b", &late[..])]);
    // One bit of its checksum.
    let mut broken_aggregate = aggregate.clone();
    *broken_aggregate.last_mut().unwrap() ^= 1;
    let protobuf = vec![0x0a, 0xff, 0xfe];
    let records = [call("good", started_ms), cut.to_vec(), late.clone(), broken_aggregate.clone(), protobuf.clone()];
    world.put(&records).await;
    world.consume("");
    assert_eq!(world.counted().await, 1);

    // What is listed is what was sent.
    let lines = world.lines();
    let poison = BTreeMap::from([("bad_aggregate", 1), ("too_late", 1), ("unparseable", 2)]);
    let poison: BTreeMap<String, usize> = poison.into_iter().map(|(reason, n)| (reason.to_owned(), n)).collect();
    assert_eq!(world.reasons(), poison);
    let originals: Vec<&str> = lines.iter().filter_map(|line| line["record"].as_str()).collect();
    assert_eq!(originals.len(), 2, "{lines:?}");
    assert!(originals.contains(&text(cut)) && originals.contains(&text(&late)));
    assert_eq!(lines.iter().filter(|line| line["record_base64"].is_string()).count(), 2, "{lines:?}");
    let table = world.done("quarantine list");
    assert!(table.starts_with("REASON ") && table.contains("\n4 in quarantine\n"), "{table}");
    let of_reason_only = world.done("quarantine list --reason too_late");
    assert!(of_reason_only.contains("\n1 in quarantine\n  too_late"), "{of_reason_only}");
    assert!(!table.contains("2025550101") && !of_reason_only.contains("2025550101"), "{table}");

    let line = lines.iter().find(|line| line["record"] == text(cut)).unwrap();
    for name in ["key", "position"] {
        let shown = world.done(&format!("quarantine show {}", line[name].as_str().unwrap()));
        for word in [line["key"].as_str().unwrap(), line["arrived_at"].as_str().unwrap(), text(cut)] {
            assert!(shown.contains(word), "{shown}");
        }
    }

    // Repaired, it counts. Put back twice because the redrive died before it could delete, it counts once.
    let object = world.path().join(".tollwatch").join(line["key"].as_str().unwrap());
    let bytes = std::fs::read(&object).unwrap();
    let mut repaired = line.clone();
    repaired["record"] = text(&whole).into();
    write_lines(&world.path().join("repaired.jsonl"), &[&repaired]);
    let redrive = world.redrive("--from repaired.jsonl");
    let said = world.done(&format!("{redrive} --dry-run"));
    assert!(said.starts_with("1 records would be put back") && object.exists(), "{said}");
    for attempt in 1..=2 {
        std::fs::write(&object, &bytes).unwrap();
        assert!(world.done(&redrive).starts_with("put 1 records back on stream calls\n  unparseable"));
        assert!(!object.exists());
        let said = world.consume("");
        assert_eq!(world.counted().await, 2, "redrive {attempt}: {said}");
        assert_eq!(said.contains(" 1 duplicates"), attempt == 2, "{said}");
    }
    world.refused(&redrive, &["none of the records of repaired.jsonl", "--at"]);

    // As they came, they are set aside again, each under its new position.
    let said = world.run(&world.redrive(""));
    assert!(said.status.success(), "{said:?}");
    let notes = String::from_utf8(said.stderr).unwrap();
    assert!(notes.contains("1 records were too late") && notes.contains("2 records are no call"), "{notes}");
    assert_eq!(world.lines().len(), 0);
    assert_eq!(world.done("quarantine list"), "nothing is in quarantine\n");
    assert_eq!(world.done(&world.redrive("")), "nothing to put back\n");
    world.consume("");
    let again = world.lines();
    assert_eq!(again.len(), 3);
    let [whole_before, whole_again] = [&lines, &again].map(|lines| of_reason(lines, "bad_aggregate"));
    assert_eq!(whole_again["record_base64"], whole_before["record_base64"]);
    assert_ne!(whole_again["key"], whole_before["key"]);

    // Late ones count where more is allowed. An aggregate may be taken apart by hand.
    world.done(&world.redrive("--reason too_late"));
    let mut parts = [whole_again.clone(), whole_again.clone()];
    for (part, bytes) in parts.iter_mut().zip([call("one", started_ms), call("two", started_ms)]) {
        part.as_object_mut().unwrap().remove("record_base64");
        part["record"] = text(&bytes).into();
    }
    write_lines(&world.path().join("parts.jsonl"), &[&parts[0], &parts[1]]);
    world.done(&world.redrive("--from parts.jsonl"));
    world.consume("--allowed-lateness 96");
    assert_eq!(world.counted().await, 5);
    assert_eq!(world.reasons(), BTreeMap::from([("unparseable".to_owned(), 1)]));
    world.local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused() {
    let world = World::start().await;
    world.refused("quarantine list", &[".tollwatch does not exist", "--at"]);
    std::fs::create_dir(world.path().join(".tollwatch")).unwrap();
    world.refused("quarantine list --reason late", &["late is no reason", "too_late"]);
    let key = "quarantine/too_late/calls/1/shardId-000000000000/0a.json";
    for name in [key, "0a", "../secret", "quarantine/../../secret.json"] {
        world.refused(&format!("quarantine show {name}"), &[name]);
    }
    let redrive = world.redrive("");
    world.refused(&format!("{redrive} --from absent.jsonl"), &["cannot read absent.jsonl"]);
    let secret = "+12025550101";
    for (n, line) in [
        secret.to_owned(),
        format!(r#"{{"key":"{key}"}}"#),
        format!(r#"{{"key":"{secret}","record":"{secret}"}}"#),
        format!(r#"{{"key":"{key}","record_base64":"{secret}!"}}"#),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("wrong-{n}.jsonl");
        std::fs::write(world.path().join(&name), format!("\n{line}\n")).unwrap();
        let output = world.run(&format!("{redrive} --from {name}"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("line 2 of {name}")) && !said.contains(secret), "{said}");
    }
    std::fs::create_dir_all(world.path().join(".tollwatch/quarantine/too_late")).unwrap();
    std::fs::write(world.path().join(".tollwatch/quarantine/too_late/notes.json"), "notes").unwrap();
    world.refused("quarantine list", &["quarantine/too_late/notes.json", "move it"]);
    world.refused("quarantine redrive --stream other --endpoint-url localhost", &["is no local endpoint"]);
    let url = world.local.endpoints().kinesis.unwrap();
    world.refused(
        &format!("quarantine redrive --stream other --endpoint-url {url}"),
        &["there is no stream other", "--endpoint-url"],
    );

    let dynamodb = world.local.endpoints().dynamodb.unwrap();
    let consume = format!(
        "consume --quarantine q --checkpoints c.json --kinesis-endpoint {url} --dynamodb-endpoint {dynamodb} \
         --until-drained"
    );
    world.refused(&format!("{consume} --stream other"), &["there is no stream other", "--kinesis-endpoint"]);
    world.refused(&format!("{consume} --stream calls --table other"), &["table other", "--table"]);
    world.refused(&format!("{consume} --stream calls --table tiles --batch-size 0"), &["batch_size is 0"]);
    std::fs::write(world.path().join("c.json"), "calls").unwrap();
    world.refused(&format!("{consume} --stream calls --table tiles"), &["c.json", "checkpoint"]);
    world.local.shutdown().await;
}
