//! The consumer as a process that is killed, again and again, in the middle of its work. Endpoints, checkpoints and
//! quarantine outlive it. In the end every tile must hold each call once; the recount is plain loops and shares
//! nothing with the tiles.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use features::{FeatureSet, Formula, HOUR_MS, MINUTE_MS, Party, SlotState, State};
use local_aws::{DynamoStorage, Endpoints, LocalAws, LocalAwsConfig};
use objects::Objects;
use serde_json::Value;
use tempfile::TempDir;
use tiles::{DynamoTiles, TileVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::timeout;

const SEED: u64 = 20_261_121;
const KILLS: usize = 50;
/// Requests to DynamoDB that a consumer may make before it is killed, at most.
const REQUESTS_MAX: u64 = 220;
/// Records put on the stream before the first start, and beside each life.
const RECORDS_BEFORE: usize = 200;
const RECORDS_A_LIFE: usize = 50;
/// Records of a batch in a life: small, so that it comes to the end of some. Each life cuts them anew.
const BATCH_SIZES: std::ops::Range<u64> = 5..25;
/// The same in the last life, which is to come to an end.
const LAST_BATCH_SIZE: u64 = 500;
/// How long anything may take: far longer than it does, on a machine with other work.
const PATIENCE: Duration = Duration::from_mins(1);

/// Numbers that call and are called, and their prefixes.
const NUMBERS: [(&str, &str); 8] = [
    ("+12025550101", "+1202"),
    ("+12025550102", "+1202"),
    ("+12025550103", "+1202"),
    ("+13105550104", "+1310"),
    ("+13105550105", "+1310"),
    ("+442079460018", "+4420"),
    ("+442079460019", "+4420"),
    ("anonymous", ""),
];

/// Seeded numbers.
struct Dice(u64);

impl Dice {
    /// A number below `bound`, by splitmix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }
}

/// A call in the test's own words; the numbers are places in [`NUMBERS`].
#[derive(Clone, Debug)]
struct Call {
    id: usize,
    caller: usize,
    callee: usize,
    started_ms: i64,
    talk_ms: i64,
}

impl Call {
    fn json(&self) -> Vec<u8> {
        let time = |after_ms| cdr::format_time(self.started_ms + after_ms);
        format!(
            r#"{{"call_id":"c{}","caller":"{}","callee":"{}","started_at":"{}","answered_at":"{}","ended_at":"{}","outcome":"answered"}}"#,
            self.id,
            NUMBERS[self.caller].0,
            NUMBERS[self.callee].0,
            time(0),
            time(2_000),
            time(2_000 + self.talk_ms),
        )
        .into_bytes()
    }
}

/// What a producer sends, and what of it must count.
struct Producer {
    dice: Dice,
    /// On an hour, so that calls lie on both sides of it.
    hour_ms: i64,
    calls: Vec<Call>,
    duplicates: usize,
    garbage: BTreeMap<&'static str, usize>,
}

impl Producer {
    /// One whose calls begin about an hour ago: lateness is judged by arrival at the stream.
    fn start() -> Self {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let hour_ms = now_ms - now_ms.rem_euclid(HOUR_MS) - HOUR_MS;
        let (calls, garbage) = (Vec::new(), BTreeMap::new());
        Self { dice: Dice(SEED), hour_ms, calls, duplicates: 0, garbage }
    }

    /// Partition keys and records.
    fn records(&mut self, count: usize) -> Vec<(String, Vec<u8>)> {
        (0..count).map(|_| self.record()).collect()
    }

    fn record(&mut self) -> (String, Vec<u8>) {
        match self.dice.below(20) {
            0 => self.garbage(),
            1 => {
                let parts: Vec<_> = (0..self.dice.below(4)).map(|_| self.call_or_copy()).collect();
                let mut parts: Vec<(&str, &[u8])> = parts.iter().map(|(key, bytes)| (&key[..], &bytes[..])).collect();
                if self.dice.below(3) == 0 {
                    parts.push(("p", b"no call"));
                    *self.garbage.entry("unparseable").or_default() += 1;
                }
                ("aggregate".to_owned(), cdr::aggregate(parts))
            }
            _ => self.call_or_copy(),
        }
    }

    fn call_or_copy(&mut self) -> (String, Vec<u8>) {
        if !self.calls.is_empty() && self.dice.below(6) == 0 {
            self.duplicates += 1;
            let copied = self.dice.below(self.calls.len() as u64) as usize;
            // Some copies come through the other shard.
            let key = self.dice.below(4).to_string();
            return (key, self.calls[copied].json());
        }
        // Few callers and minutes, so that tiles are written many times.
        let minute = self.dice.below(6) as i64 - 3;
        let call = Call {
            id: self.calls.len(),
            caller: self.dice.below(NUMBERS.len() as u64) as usize,
            callee: self.dice.below(7) as usize,
            started_ms: self.hour_ms + minute * MINUTE_MS + self.dice.below(60_000) as i64,
            talk_ms: self.dice.below(100_000) as i64,
        };
        let record = (NUMBERS[call.caller].0.to_owned(), call.json());
        self.calls.push(call);
        record
    }

    fn garbage(&mut self) -> (String, Vec<u8>) {
        let call = Call {
            id: 0,
            caller: 0,
            callee: 0,
            started_ms: self.hour_ms - 48 * HOUR_MS,
            talk_ms: self.dice.below(1_000) as i64,
        };
        let json = String::from_utf8(call.json()).unwrap();
        let (reason, bytes) = match self.dice.below(3) {
            0 => ("too_late", json),
            1 => ("unparseable", json[..json.len() / 2].to_owned()),
            _ => ("bad_number", json.replace("+12025550101", "12")),
        };
        *self.garbage.entry(reason).or_default() += 1;
        (self.dice.below(4).to_string(), bytes.into_bytes())
    }
}

/// Stands before an endpoint and counts the requests that come through: the clock by which consumers are killed.
async fn counting_proxy(endpoint: &str) -> (String, watch::Receiver<u64>) {
    let upstream = endpoint.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, upstream.clone(), count.clone()));
        }
    });
    (url, counted)
}

async fn pass_on(mut client: TcpStream, upstream: String, count: watch::Sender<u64>) {
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let there = async {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
            if bytes[..read].starts_with(b"POST ") {
                count.send_modify(|count| *count += 1);
            }
            if to_server.write_all(&bytes[..read]).await.is_err() {
                break;
            }
        }
    };
    // Either end that is gone ends both: a killed process takes its connections with it.
    tokio::select! {
        () = there => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}

/// Endpoints in this process, and a folder for what consumers keep.
struct World {
    local: LocalAws,
    endpoints: Endpoints,
    tiles: DynamoTiles,
    folder: TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = LocalAwsConfig::default().with_kinesis();
        let config = config.with_dynamodb(DynamoStorage::File(folder.path().join("tiles.sqlite")));
        let local = LocalAws::start(config).await.unwrap();
        local.create_stream("calls", 2).await.unwrap();
        let tiles = DynamoTiles::new(local.dynamodb().unwrap(), "tiles");
        tiles.create_table_if_missing().await.unwrap();
        Self { endpoints: local.endpoints(), local, tiles, folder }
    }

    fn consume(&self, dynamodb: &str, batch_size: u64) -> Command {
        let kinesis = self.endpoints.kinesis.as_ref().unwrap();
        let mut command = tests::tollwatch();
        command.args(["consume", "--stream", "calls", "--table", "tiles", "--quarantine", "aside"]);
        command.args(["--checkpoints", "checkpoints.json", "--batch-size", &batch_size.to_string()]);
        command.args(["--kinesis-endpoint", kinesis, "--dynamodb-endpoint", dynamodb]);
        command.current_dir(self.folder.path()).env("TOLLWATCH_LOG", "cli=info").env("NO_COLOR", "1");
        command
    }
}

/// A consumer, running. Killed where the test fails.
struct Consumer {
    child: Child,
    said: UnboundedReceiver<String>,
    /// Lines that came before the one that says that it is ready: there are two pipes.
    early: Vec<String>,
}

impl Consumer {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, said) = unbounded_channel();
        tell(child.stdout.take().unwrap(), sender.clone());
        tell(child.stderr.take().unwrap(), sender);
        Self { child, said, early: Vec::new() }
    }

    /// Waits until it says that it is ready.
    async fn ready(&mut self) {
        loop {
            let line = timeout(PATIENCE, self.said.recv()).await.unwrap();
            let line = line.unwrap_or_else(|| panic!("it never was: {:?}", self.early));
            if line.starts_with("consuming stream calls") {
                break;
            }
            self.early.push(line);
        }
    }

    /// Kills it (SIGKILL) and returns the reports of the batches that it came to an end with.
    async fn kill(&mut self) -> Vec<Value> {
        assert_eq!(self.child.try_wait().unwrap(), None, "it ended by itself");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut lines = std::mem::take(&mut self.early);
        while let Some(line) = self.said.recv().await {
            lines.push(line);
        }
        // The last line may be cut.
        let report = |line: &String| serde_json::from_str(line.split_once("report=")?.1).ok();
        lines.iter().filter_map(report).collect()
    }

    /// Waits until it ends by itself; what it says.
    async fn ended(&mut self) -> String {
        let mut text = String::new();
        while let Some(line) = timeout(PATIENCE, self.said.recv()).await.unwrap() {
            text += &line;
            text.push('\n');
        }
        assert!(self.child.wait().unwrap().success(), "{text}");
        text
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tell(from: impl Read + Send + 'static, to: UnboundedSender<String>) {
    std::thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| to.send(line)));
}

/// What a tile says: calls, talk time, and how many different numbers were at the other end.
#[derive(Clone, Debug, Default, PartialEq)]
struct Facts {
    calls: u64,
    talk_ms: i128,
    others: u64,
}

/// Facts by what stands in the keys of tiles: entity, granularity and start.
type Recount = BTreeMap<(String, String), Facts>;

fn recount(calls: &[Call]) -> Recount {
    let mut seen: BTreeMap<(String, String), (u64, i128, BTreeSet<usize>)> = BTreeMap::new();
    for call in calls {
        let minute = format!("1m#{:010}", call.started_ms.div_euclid(MINUTE_MS));
        let hour = format!("1h#{:010}", call.started_ms.div_euclid(HOUR_MS) * 60);
        let ((caller, prefix), callee) = (NUMBERS[call.caller], NUMBERS[call.callee].0);
        let mut tiles = vec![(format!("callee:phone:{callee}"), &minute, call.caller)];
        if !prefix.is_empty() {
            tiles.push((format!("caller:phone:{caller}"), &minute, call.callee));
            tiles.push((format!("caller:prefix:{prefix}"), &minute, call.callee));
            tiles.push((format!("caller:prefix:{prefix}"), &hour, call.callee));
        }
        for (entity, start, other) in tiles {
            let (calls, talk_ms, others) = seen.entry((entity, start.clone())).or_default();
            *calls += 1;
            *talk_ms += i128::from(call.talk_ms);
            others.insert(other);
        }
    }
    let facts = |(calls, talk_ms, others): (u64, i128, BTreeSet<usize>)| {
        let others = others.len() as u64;
        Facts { calls, talk_ms, others }
    };
    seen.into_iter().map(|(key, seen)| (key, facts(seen))).collect()
}

/// Every tile of the table, the shards of one merged; and the calls of anonymous callers, which have no tile of
/// their own.
async fn read_back(tiles: &DynamoTiles, set: &FeatureSet) -> (Recount, u64) {
    let mut states: BTreeMap<(String, String), (Party, State)> = BTreeMap::new();
    let mut anonymous = 0;
    let visit = |key: tiles::TileKey, tile: tiles::StoredTile| {
        if key == tiles::coverage_key(set.version()) {
            return;
        }
        let (version, entity) = key.pk.split_once('#').unwrap();
        assert_eq!(version, set.version());
        let party: Party = entity.split(':').next().unwrap().parse().unwrap();
        let state = State::decode(set.slots(party), &tile.state).unwrap();
        match tile.version {
            TileVersion::Calls(calls) if entity.contains("anonymous") => anonymous += u64::from(calls),
            version => {
                if let TileVersion::Calls(calls) = version {
                    assert_eq!(state.slot(slot(set, "calls")), &SlotState::Count(calls.into()), "{entity}");
                }
                let start = key.sk[..13].to_owned();
                let empty = || (party, State::empty(set.slots(party)));
                states.entry((entity.to_owned(), start)).or_insert_with(empty).1.merge(&state);
            }
        }
    };
    tiles.scan(visit).await.unwrap();
    let facts = |party: Party, state: &State| {
        let names = match party {
            Party::Caller => ["calls", "talk_ms", "distinct_callees"],
            Party::Callee => ["received_calls", "received_talk_ms", "distinct_callers"],
        };
        match names.map(|name| state.slot(slot(set, name))) {
            [SlotState::Count(calls), SlotState::Sum(talk_ms), SlotState::Distinct(others)] => {
                Facts { calls: *calls, talk_ms: *talk_ms, others: others.count() }
            }
            other => panic!("{other:?}"),
        }
    };
    let facts = states.into_iter().map(|(key, (party, state))| (key, facts(party, &state)));
    (facts.collect(), anonymous)
}

fn slot(set: &FeatureSet, name: &str) -> usize {
    match set.features().iter().find(|feature| feature.name == name).unwrap().formula {
        Formula::Slot(slot) => slot,
        other => panic!("{name} is {other:?}"),
    }
}

async fn put(kinesis: aws_sdk_kinesis::Client, records: Vec<(String, Vec<u8>)>) {
    for chunk in records.chunks(500) {
        let entry = |(key, bytes): &(String, Vec<u8>)| {
            let data = Blob::new(bytes.clone());
            PutRecordsRequestEntry::builder().partition_key(key).data(data).build().unwrap()
        };
        let entries = chunk.iter().map(entry).collect();
        let put = kinesis.put_records().stream_name("calls").set_records(Some(entries)).send().await.unwrap();
        assert_eq!(put.failed_record_count(), Some(0));
    }
}

async fn quarantined(folder: &Path) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for object in Objects::in_folder(folder).list("quarantine/").await.unwrap() {
        *reasons.entry(object.key.split('/').nth(1).unwrap().to_owned()).or_default() += 1;
    }
    reasons
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_is_killed_fifty_times_counts_each_call_once() {
    let world = World::start().await;
    let (dynamodb, mut requests) = counting_proxy(&world.endpoints.dynamodb.clone().unwrap()).await;
    let consume = |batch_size| world.consume(&dynamodb, batch_size);
    let kinesis = world.local.kinesis().unwrap();

    let mut producer = Producer::start();
    let mut dice = Dice(SEED + 1);
    put(kinesis.clone(), producer.records(RECORDS_BEFORE)).await;

    let started = Instant::now();
    let (mut at_work, mut delivered_again, mut batches, mut before) = (0, 0, 0, 0);
    for life in 0..KILLS {
        let flowing = tokio::spawn(put(kinesis.clone(), producer.records(RECORDS_A_LIFE)));
        let batch_size = BATCH_SIZES.start + dice.below(BATCH_SIZES.end - BATCH_SIZES.start);
        let mut consumer = Consumer::start(consume(batch_size));
        consumer.ready().await;
        let requests_before = *requests.borrow();
        let kill_at = requests_before + dice.below(REQUESTS_MAX);
        let has_come = timeout(PATIENCE, requests.wait_for(|requests| *requests >= kill_at)).await.is_ok();
        assert!(has_come, "life {life} has nothing to do: {} requests", *requests.borrow() - requests_before);
        let reports = consumer.kill().await;
        flowing.await.unwrap();
        let of_reports = |name: &str| reports.iter().filter_map(|report| report[name].as_u64()).sum::<u64>();
        at_work += usize::from(*requests.borrow() > requests_before);
        // Calls that an earlier life had counted: it was killed before the checkpoint of their batch.
        delivered_again += reports.iter().filter(|report| report["counted_before"].as_u64() > Some(0)).count();
        before += of_reports("counted_before");
        batches += reports.len();
    }
    let killed_for = started.elapsed();
    let mut last = consume(LAST_BATCH_SIZE);
    last.arg("--until-drained");
    let mut last = Consumer::start(last);
    last.ready().await;
    let said = last.ended().await;
    println!(
        "seed {SEED}: {KILLS} kills in {killed_for:.1?}, {at_work} of them at work, all done in {:.1?}; {} requests; \
         {batches} batches, of which {delivered_again} were delivered again with {before} calls counted before; \
         {} calls, {} copies, garbage {:?}",
        started.elapsed(),
        *requests.borrow(),
        producer.calls.len(),
        producer.duplicates,
        producer.garbage,
    );

    let set = FeatureSet::default_set().unwrap();
    let (found, anonymous) = read_back(&world.tiles, &set).await;
    let expected = recount(&producer.calls);
    for (key, facts) in &expected {
        assert_eq!(found.get(key), Some(facts), "seed {SEED}: {key:?}\n{said}");
    }
    assert_eq!(found.len(), expected.len(), "tiles of no call");
    let expected = producer.calls.iter().filter(|call| NUMBERS[call.caller].0 == "anonymous").count();
    assert_eq!(anonymous, expected as u64);
    let garbage: BTreeMap<String, usize> =
        producer.garbage.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
    assert_eq!(quarantined(&world.folder.path().join("aside")).await, garbage);

    // Had the kills hit idle processes, all this would show nothing.
    assert!(at_work >= 40, "{at_work} of {KILLS} kills hit a consumer at work");
    assert!(delivered_again >= 20, "{delivered_again} batches were delivered again");
    world.local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_is_asked_to_stop_goes_on_later_where_it_was() {
    let world = World::start().await;
    let dynamodb = world.endpoints.dynamodb.clone().unwrap();
    let mut producer = Producer::start();
    let records = producer.records(300);
    let count = records.len() as u64;
    put(world.local.kinesis().unwrap(), records).await;
    let took = |said: &str| -> u64 {
        let line = said.lines().find_map(|line| line.strip_prefix("took ")).unwrap_or_else(|| panic!("{said}"));
        line.split_whitespace().next().unwrap().parse().unwrap()
    };

    let mut first = Consumer::start(world.consume(&dynamodb, 10));
    first.ready().await;
    // It has taken a batch, and has more to take.
    timeout(PATIENCE, first.said.recv()).await.unwrap().unwrap();
    let sent = Command::new("kill").args(["-INT", &first.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let first = first.ended().await;
    let mut second = world.consume(&dynamodb, 100);
    second.arg("--until-drained");
    let mut second = Consumer::start(second);
    second.ready().await;
    let second = second.ended().await;
    assert!(took(&first) > 0 && took(&second) > 0, "{first}{second}");
    assert_eq!(took(&first) + took(&second), count, "{first}{second}");
    assert!(second.contains(" 0 before, "), "{second}");

    let set = FeatureSet::default_set().unwrap();
    assert_eq!(read_back(&world.tiles, &set).await.0, recount(&producer.calls));
    world.local.shutdown().await;
}
