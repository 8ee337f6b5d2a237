//! Invocations over an archive in a bucket: day after day, overtaken, out of time, after one that was cut off.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use batch::{BatchOptions, HardFindings, Input, Progress, Rebuild, Stage};
use call_files::{ReadOptions, write_archive_line};
use cdr::NumberPlan;
use features::{DAY_MS, FeatureSet, Level, Party, Value};
use futures::TryStreamExt as _;
use lambda_runtime::Diagnostic;
use local_aws::{LocalAws, LocalAwsConfig};
use objects::{Location, Objects};
use recompute_features::{Configuration, Moments, Recompute, RecomputeError, RecomputeEvent, Recomputed};
use snapshot::{CURRENT, Snapshot, UtcDay, raw_key};
use tokio::time::Instant;

static SET: LazyLock<Arc<FeatureSet>> = LazyLock::new(|| Arc::new(FeatureSet::default_set().unwrap()));

/// An account with an archive and room for snapshots, and a disk.
struct World {
    folder: tempfile::TempDir,
    local: LocalAws,
}

fn day(text: &str) -> UtcDay {
    text.parse().unwrap()
}

fn location(text: &str) -> Location {
    text.parse().unwrap()
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for path in ["s3/archive", "s3/snapshots", "tmp"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        let local = LocalAws::start(LocalAwsConfig::default().with_s3(folder.path().join("s3"))).await.unwrap();
        Self { folder, local }
    }

    fn temporary(&self) -> std::path::PathBuf {
        self.folder.path().join("tmp")
    }

    fn objects(&self, at: &str) -> Objects {
        Objects::open(&location(at), Some(self.local.s3().unwrap())).unwrap()
    }

    /// Archives calls of a day, spread over it evenly; they arrive within the minute.
    async fn archive(&self, of: &str, calls: i64) {
        let plan = NumberPlan::new("US").unwrap();
        let mut lines = String::new();
        let start_ms = day(of).start_ms();
        for n in 0..calls {
            let at_ms = start_ms + n * DAY_MS / calls;
            let (caller, callee) = (n % 5, n % 3);
            let json = format!(
                r#"{{"call_id":"{of}-{n}","caller":"+1202555010{caller}","callee":"+44207946001{callee}","started_at":"{}","ended_at":"{}","outcome":"busy"}}"#,
                cdr::format_time(at_ms),
                cdr::format_time(at_ms + 9_000),
            );
            let call = cdr::parse(&plan, json.as_bytes()).unwrap().record;
            write_archive_line(&mut lines, &format!("{of}{n:04}"), at_ms + 10_000, &call);
        }
        let key = raw_key(start_ms, &format!("{of}-{calls}"));
        self.objects("s3://archive").put(&key.replace(".gz", ""), lines).await.unwrap();
    }

    fn job(&self) -> Recompute {
        let configuration = Configuration {
            input: location("s3://archive/raw"),
            output: location("s3://snapshots"),
            features_file: None,
            archive_delay_minutes: Some(20),
            threads: None,
            stack: None,
        };
        Recompute::new(&configuration, Some(self.local.s3().unwrap()), Arc::clone(&SET), self.temporary()).unwrap()
    }

    async fn published(&self, at: &str) -> Snapshot {
        Snapshot::open(self.objects(at), Arc::clone(&SET)).await.unwrap().unwrap()
    }
}

fn scheduled(at: &str) -> RecomputeEvent {
    serde_json::from_value(serde_json::json!({ "scheduled_time": at })).unwrap()
}

fn moments(now: &str) -> Moments {
    Moments { now_ms: cdr::parse_time(now).unwrap(), deadline: Instant::now() + Duration::from_mins(15) }
}

async fn invoke(job: &Recompute, at: &str, random: u32) -> Result<Recomputed, RecomputeError> {
    job.run(&scheduled(at), moments(at), random, |_| ()).await
}

/// Everything that a snapshot says of calls.
async fn values(snapshot: &Snapshot) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (party, level) in
        [(Party::Caller, Level::Phone), (Party::Callee, Level::Phone), (Party::Caller, Level::Prefix)]
    {
        for name in ["calls_1d", "calls_7d", "calls_90d", "distinct_callees_7d", "distinct_callers_7d"] {
            let column =
                snapshot.column(party, level, name).try_collect::<std::collections::BTreeMap<String, Value>>();
            // Not each party has each feature.
            let Ok(column) = column.await else { continue };
            all.extend(column.into_iter().map(|(key, value)| (format!("{party:?} {level:?} {name}"), key, value)));
        }
    }
    all
}

fn left_in(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn invocations_of_two_days_leave_the_snapshot_that_the_job_makes_at_once() {
    let world = World::new().await;
    let job = world.job();
    world.archive("2026-11-19", 24).await;
    let first = invoke(&job, "2026-11-20T00:30:00Z", 1).await.unwrap();
    assert_eq!((&first.json["published"], &first.json["as_of"]), (&"snapshot".into(), &"2026-11-19".into()));
    assert_eq!(first.json["calls"]["counted"], 24);
    world.archive("2026-11-20", 24).await;
    let second = invoke(&job, "2026-11-21T00:30:00Z", 2).await.unwrap();
    assert_eq!((&second.json["as_of"], &second.json["files"]["new"]), (&"2026-11-20".into(), &1.into()));
    assert_eq!(second.json["days_built"], serde_json::json!(["2026-11-20"]));
    assert_eq!(second.json["output"], "s3://snapshots");
    assert_eq!(left_in(&world.temporary()), Vec::<String>::new());

    let at_once = BatchOptions {
        input: Input::all(world.objects("s3://archive/raw")),
        output: world.objects("s3://snapshots/at-once"),
        as_of: day("2026-11-20"),
        run: "at-once".parse().unwrap(),
        complete_for_arrivals_before: cdr::parse_time("2026-11-21T00:10:00Z"),
        rebuild: Rebuild::Never,
        hard_findings: HardFindings::Stop,
        temporary: None,
        read: ReadOptions::default(),
        threads: 1,
    };
    let expected = batch::run(at_once, Arc::clone(&SET), |_| ()).await.unwrap().manifest;
    let (made, whole) = (world.published("s3://snapshots").await, world.published("s3://snapshots/at-once").await);
    let manifest = made.manifest();
    assert_eq!((&manifest.calls, &manifest.rows), (&expected.calls, &expected.rows));
    assert_eq!(manifest.complete_for_arrivals_before, expected.complete_for_arrivals_before);
    let values_made = values(&made).await;
    assert!(values_made.len() > 20, "{}", values_made.len());
    assert_eq!(values_made, values(&whole).await);

    // Again, as Lambda does that lost the answer: there is nothing new.
    let again = invoke(&job, "2026-11-21T00:30:00Z", 3).await.unwrap();
    assert_eq!(again.json["published"], "nothing");
}

#[tokio::test]
async fn a_run_that_was_cut_off_leaves_nothing_to_the_next() {
    let world = World::new().await;
    world.archive("2026-11-20", 3).await;
    let left = world.temporary().join("tollwatch-run-cut-off");
    fs::create_dir_all(left.join("fetch new files")).unwrap();
    fs::write(left.join("lock"), "").unwrap();
    fs::write(left.join("fetch new files/0-calls.jsonl"), vec![b'x'; 1 << 20]).unwrap();
    let seen = Arc::new(AtomicBool::new(false));
    let (at, is_there) = (left.clone(), Arc::clone(&seen));
    let watch = move |_: Progress| {
        is_there.fetch_or(at.exists(), Ordering::Relaxed);
    };
    let job = world.job();
    job.run(&scheduled("2026-11-21T00:30:00Z"), moments("2026-11-21T00:30:00Z"), 1, watch).await.unwrap();
    assert!(!seen.load(Ordering::Relaxed), "it was still there while the run needed room");
    assert_eq!(left_in(&world.temporary()), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_overtaken_publishes_nothing() {
    let world = World::new().await;
    let job = world.job();
    world.archive("2026-11-19", 3).await;
    invoke(&job, "2026-11-20T00:30:00Z", 1).await.unwrap();
    world.archive("2026-11-20", 3).await;
    // Another run publishes while this one puts its files in place.
    let snapshots = world.objects("s3://snapshots");
    let before = snapshots.get(CURRENT).await.unwrap();
    let mut other = before.to_vec();
    other.push(b'\n');
    let is_done = AtomicBool::new(false);
    let (runtime, objects, bytes) = (tokio::runtime::Handle::current(), snapshots.clone(), other.clone());
    let overtake = move |step: Progress| {
        if step.stage == Stage::Publish && !is_done.swap(true, Ordering::Relaxed) {
            let (runtime, objects, bytes) = (runtime.clone(), objects.clone(), bytes.clone());
            std::thread::spawn(move || runtime.block_on(objects.put(CURRENT, bytes))).join().unwrap().unwrap();
        }
    };
    let at = "2026-11-21T00:30:00Z";
    let error = job.run(&scheduled(at), moments(at), 2, overtake).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), ("Overtaken", "failed"), "{error}");
    assert_eq!(snapshots.get(CURRENT).await.unwrap(), other);
    // The next does what this one was to do.
    assert_eq!(invoke(&job, at, 3).await.unwrap().json["as_of"], "2026-11-20");
}

#[tokio::test]
async fn a_run_without_time_is_stopped_with_a_word_of_where_to_go() {
    let world = World::new().await;
    world.archive("2026-11-20", 3).await;
    let job = world.job();
    let at = "2026-11-21T00:30:00Z";
    let late = Moments { deadline: Instant::now() + Duration::from_secs(20), ..moments(at) };
    let error = job.run(&scheduled(at), late, 1, |_| ()).await.unwrap_err();
    assert!(job.is_broken_off());
    let told = Diagnostic::from(error);
    assert_eq!(told.error_type, "OutOfTime");
    for word in ["nothing was published", "calls a day", "docs/scale.md", "infra/fargate.yaml"] {
        assert!(told.error_message.contains(word), "{}", told.error_message);
    }
    assert!(world.objects("s3://snapshots").get(CURRENT).await.unwrap_err().is_not_found());
    assert_eq!(left_in(&world.temporary()), Vec::<String>::new());
}

#[tokio::test]
async fn calls_that_look_wrong_stop_the_run_as_an_error_of_its_own() {
    let world = World::new().await;
    let job = world.job();
    // Days are judged by a week at least, of 500 calls a day.
    for days_before in 1..=7 {
        world.archive(&day("2026-11-20").plus(-days_before).to_string(), 500).await;
    }
    invoke(&job, "2026-11-20T00:30:00Z", 1).await.unwrap();
    let before = world.objects("s3://snapshots").get(CURRENT).await.unwrap();
    // A producer has fallen silent.
    world.archive("2026-11-20", 2).await;
    let at = "2026-11-21T00:30:00Z";
    let error = invoke(&job, at, 2).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), ("Quality", "stopped"), "{error}");
    assert_eq!(world.objects("s3://snapshots").get(CURRENT).await.unwrap(), before);
    // Somebody has looked: the same event again, with one more word.
    let accepted = RecomputeEvent { accept_quality: true, ..scheduled(at) };
    let done = job.run(&accepted, moments(at), 3, |_| ()).await.unwrap();
    assert_eq!(done.json["quality"]["verdict"], "accepted");
}

#[tokio::test]
async fn an_event_that_makes_no_sense_is_told_so() {
    let world = World::new().await;
    // A time without a clock is no time.
    let error = world.job().run(&scheduled("2026-11-21"), moments("2026-11-21T00:30:00Z"), 1, |_| ()).await;
    let Err(RecomputeError::Event(error)) = error else { panic!("{error:?}") };
    assert!(error.to_string().contains("scheduled_time"));
}
