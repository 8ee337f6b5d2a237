//! A table that was lost, counted again from the archive: every entity's tiles must come out as the stream had made
//! them, also where the backfill is killed again and again.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cdr::NumberPlan;
use cdr_generator::{Arrival, Config, Generator};
use count_calls::{CallCounter, CounterSettings, ObjectQuarantine};
use event_source::{Record, kinesis_event};
use features::{FeatureSet, HOUR_MS, Party, State};
use local_aws::{DynamoStorage, LocalAws, LocalAwsConfig};
use objects::Objects;
use snapshot::{RAW, UtcDay, raw_key};
use tiles::{DynamoTiles, TileVersion, read_coverage};
use tokio::time::Instant;

/// 2026-11-20T12:00:00Z.
const END_MS: i64 = 1_795_176_000_000;
const HOURS: i64 = 3;
const SHARDS: usize = 2;
const STREAM_ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/calls";
/// How often the backfill is killed, and how many tiles each life writes before: fewer than a group of objects makes,
/// so that it dies between the tiles that decide what counts and those that follow from them.
const KILLS: usize = 6;
const TILES_A_LIFE: usize = 40;

/// The contents of a table by entity, start and kind of tile, whoever wrote them: calls counted and state.
type Contents = BTreeMap<(String, String), (u64, Vec<u8>)>;

fn since() -> String {
    cdr::format_time(END_MS - (HOURS + 2) * HOUR_MS)
}

async fn table(local: &LocalAws, name: &str) -> DynamoTiles {
    let tiles = DynamoTiles::new(local.dynamodb().unwrap(), name);
    tiles.create_table_if_missing().await.unwrap();
    tiles
}

fn arrivals() -> Vec<Arrival> {
    let mut config = Config::new(11, END_MS, 2, 300);
    config.campaigns_per_scheme = 0;
    config.calls_per_subscriber_day = 20.0;
    Generator::new(config).unwrap().arrivals(END_MS - HOURS * HOUR_MS, END_MS).collect()
}

/// A caller's calls come through one shard, in order.
fn shards(arrivals: &[Arrival]) -> Vec<Vec<Record>> {
    let mut shards = vec![Vec::new(); SHARDS];
    for arrival in arrivals {
        let shard = &mut shards[features::hash_text(&arrival.partition_key) as usize % SHARDS];
        shard.push(Record {
            sequence_number: (shard.len() + 1).to_string(),
            partition_key: arrival.partition_key.to_string(),
            data: arrival.bytes.clone(),
            arrived_at_ms: arrival.arrival_ms,
        });
    }
    shards
}

async fn stream(shards: &[Vec<Record>], tiles: &DynamoTiles, set: &Arc<FeatureSet>, quarantine: &Path) -> u64 {
    let plan = Arc::new(NumberPlan::new("US").unwrap());
    let mut counted = 0;
    for (number, records) in shards.iter().enumerate() {
        let quarantine = ObjectQuarantine::new(Objects::in_folder(quarantine));
        let settings = CounterSettings::default();
        let mut counter = CallCounter::new(tiles.clone(), quarantine, Arc::clone(set), Arc::clone(&plan), settings);
        for batch in records.chunks(700) {
            let event = kinesis_event(STREAM_ARN, &format!("shardId-{number:012}"), batch);
            let deadline = Instant::now() + Duration::from_mins(5);
            let (response, report) = counter.handle(event, deadline).await.unwrap();
            assert!(response.batch_item_failures.is_empty());
            counted += report.counted;
        }
    }
    counted
}

/// One file an hour and shard, as the local archive has them; records that are no call are in it too.
fn archive(shards: &[Vec<Record>], folder: &Path) {
    let plan = NumberPlan::new("US").unwrap();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (number, records) in shards.iter().enumerate() {
        for record in records {
            let key = raw_key(record.arrived_at_ms, &number.to_string());
            let key = key.strip_prefix(RAW).unwrap().strip_suffix(".gz").unwrap().to_owned();
            let lines = files.entry(key).or_default();
            match cdr::parse(&plan, &record.data) {
                Ok(parsed) => {
                    let position = &record.sequence_number;
                    call_files::write_archive_line(lines, position, record.arrived_at_ms, &parsed.record);
                }
                Err(_) => *lines += "{\"position\":\"0\",\"arrived_at\":\"2026-11-20T00:00:00Z\",\"bytes\":\"!\"}\n",
            }
        }
    }
    for (key, lines) in files {
        let path = folder.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, lines).unwrap();
    }
}

async fn contents(tiles: &DynamoTiles, set: &FeatureSet) -> Contents {
    let mut states: BTreeMap<(String, String), (u64, State)> = BTreeMap::new();
    tiles
        .scan(|key, tile| {
            if key.pk.ends_with("#coverage") {
                return;
            }
            let party = if key.pk.contains("#callee:") { Party::Callee } else { Party::Caller };
            // Derived tiles end in the name of their shard.
            let start: String = key.sk.split('#').take(2).collect::<Vec<_>>().join("#");
            let calls = match tile.version {
                TileVersion::Calls(calls) => u64::from(calls),
                TileVersion::Applied(_) => 0,
            };
            let state = State::decode(set.slots(party), &tile.state).unwrap();
            let sum =
                states.entry((key.pk.to_string(), start)).or_insert_with(|| (0, State::empty(set.slots(party))));
            sum.0 += calls;
            sum.1.merge(&state);
        })
        .await
        .unwrap();
    states.into_iter().map(|(key, (calls, state))| (key, (calls, state.to_bytes()))).collect()
}

async fn count(tiles: &DynamoTiles) -> usize {
    let mut count = 0;
    tiles.scan(|_, _| count += 1).await.unwrap();
    count
}

fn command(raw: &Path, table: &str, endpoint: &str, plan: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollwatch-under-test"));
    command.args(["backfill", "--to", table, "--dynamodb-endpoint", endpoint, "--since", &since(), "--from"]);
    command.arg(raw).arg("--plan").arg(plan).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).replace(',', ""));
    both.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_table_is_counted_again_from_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    let set = Arc::new(FeatureSet::default_set().unwrap());
    let local = LocalAws::start(LocalAwsConfig::default().with_dynamodb(DynamoStorage::Memory)).await.unwrap();
    let endpoint = local.endpoints().dynamodb.unwrap();
    let streamed = table(&local, "streamed").await;

    let shards = shards(&arrivals());
    let counted = stream(&shards, &streamed, &set, &folder.path().join("quarantine")).await;
    archive(&shards, &raw);
    let expected = contents(&streamed, &set).await;
    assert!(counted > 500 && expected.len() > 1_000, "{counted} calls, {} tiles", expected.len());

    // Undisturbed.
    let again = table(&local, "again").await;
    let plan = folder.path().join("again.json");
    let run = |table: &str, plan: &Path| command(&raw, table, &endpoint, plan).output().unwrap();
    let output = run("again", &plan);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains(&format!("counted  {counted} calls")), "{counted}: {}", said(&output));
    assert!(contents(&again, &set).await == expected, "the tables differ");
    let since_ms = UtcDay::of_ms(END_MS).start_ms() + (12 - HOURS - 2) * HOUR_MS;
    assert_eq!(read_coverage(&again, set.version()).await.unwrap(), Some(since_ms));
    assert!(said(&run("again", &plan)).contains("nothing to do"));
    let refused = |table: &str, endpoint: &str, plan: &Path, more: &[&str], words: &[&str]| {
        let output = command(&raw, table, endpoint, plan).args(more).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
        assert!(!["{ ", "ServiceError", "Some(", "source:"].iter().any(|debug| said.contains(debug)), "{said}");
    };
    let words = ["is of another backfill: --allowed-lateness is 24 in the plan and 2 now. ", "--plan"];
    refused("again", &endpoint, &plan, &["--allowed-lateness", "2"], &words);
    let new = folder.path().join("new.json");
    let words = [
        "there is no table absent in the DynamoDB at http://",
        "check --to and --dynamodb-endpoint",
        "docs/batch.md",
    ];
    refused("absent", &endpoint, &new, &[], &words);
    let words = ["table again of the DynamoDB at http://127.0.0.1:9 cannot be reached", "check --dynamodb-endpoint"];
    refused("again", "http://127.0.0.1:9", &new, &[], &words);
    assert!(!new.exists());
    // Another backfill of the same calls finds them all counted.
    let output = run("again", &folder.path().join("more.json"));
    assert!(said(&output).contains("counted  0 calls"), "{}", said(&output));
    assert!(contents(&again, &set).await == expected, "the tables differ");

    // Killed, again and again.
    let killed = table(&local, "killed").await;
    let plan = folder.path().join("killed.json");
    let mut kills = 0;
    for _ in 0..KILLS {
        let enough = count(&killed).await + TILES_A_LIFE;
        let mut child = command(&raw, "killed", &endpoint, &plan).stdout(Stdio::null()).spawn().unwrap();
        while count(&killed).await < enough && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        child.kill().unwrap();
        kills += usize::from(!child.wait().unwrap().success());
    }
    assert!(kills > 2, "it was killed at work {kills} times only");
    let output = run("killed", &plan);
    assert!(output.status.success(), "{}", said(&output));
    assert!(contents(&killed, &set).await == expected, "the tables differ after kills: {}", said(&output));

    // The archive changed under a plan that is not done.
    let plan = folder.path().join("changed.json");
    let text = fs::read_to_string(folder.path().join("killed.json")).unwrap();
    let mut changed: serde_json::Value = serde_json::from_str(&text).unwrap();
    changed["done"] = 0.into();
    fs::write(&plan, changed.to_string()).unwrap();
    let victim = fs::read_dir(raw.join("2026/11/20/10")).unwrap().next().unwrap().unwrap().path();
    fs::write(&victim, "").unwrap();
    let output = run("killed", &plan);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("gone or changed"), "{}", said(&output));
    local.shutdown().await;
}
