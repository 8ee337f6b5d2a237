//! A run that dies at any of its writes, with the write done or not, leaves the snapshot as it was; the next run gives
//! the answers of one that was never disturbed.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use batch::{BatchError, BatchOptions, BatchReport, Input, Outcome};
use cdr::CallRecord;
use local_aws::{LocalAws, LocalAwsConfig};
use objects::{Location, Objects};
use snapshot::{CURRENT, Manifest, Publication, Snapshot, SnapshotError};
use support::{answers, calls_of_days, options, small_set, write_calls};

/// Where a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// Before the request is sent.
    Before,
    /// After S3 has done what was asked, before the answer is read.
    After,
}

/// Lets so many writes be done, and no request after the one that the process died at.
#[derive(Debug)]
struct Killer {
    writes_left: AtomicUsize,
    death: Death,
    is_dead: AtomicBool,
}

impl Killer {
    fn new(writes: usize, death: Death) -> Arc<Self> {
        Arc::new(Self { writes_left: AtomicUsize::new(writes), death, is_dead: AtomicBool::new(false) })
    }

    fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    /// Whether this write is the one.
    fn strikes(&self, method: &str) -> bool {
        let spend = |left: usize| left.checked_sub(1);
        matches!(method, "PUT" | "POST")
            && self.writes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend).is_err()
    }
}

#[derive(Debug)]
struct Kills(Arc<Killer>);

impl Intercept for Kills {
    fn name(&self) -> &'static str {
        "kills"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Kills(killer) = self;
        if killer.is_dead() {
            return Err("the process is dead".into());
        }
        if killer.strikes(context.request().method()) {
            killer.is_dead.store(true, Ordering::SeqCst);
            if killer.death == Death::Before {
                return Err("the process is dead".into());
            }
        }
        Ok(())
    }

    fn read_after_transmit(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.is_dead() { Err("the process is dead".into()) } else { Ok(()) }
    }
}

struct Bucket {
    local: LocalAws,
    client: Client,
}

impl Bucket {
    async fn start(folder: &Path) -> Self {
        let local = LocalAws::start(LocalAwsConfig::default().with_s3(folder.join("s3"))).await.unwrap();
        let client = local.s3().unwrap();
        client.create_bucket().bucket("tollwatch-test").send().await.unwrap();
        Self { local, client }
    }

    fn open(client: &Client, below: &str) -> Objects {
        let location: Location = format!("s3://tollwatch-test/{below}").parse().unwrap();
        Objects::open(&location, Some(client.clone())).unwrap()
    }

    /// A client that a killer watches.
    fn watched(&self, killer: &Arc<Killer>) -> Client {
        let config = self.client.config().to_builder();
        let config = config.retry_config(RetryConfig::disabled()).interceptor(Kills(Arc::clone(killer)));
        Client::from_conf(config.build())
    }

    fn options(client: &Client, run: &str) -> BatchOptions {
        let nowhere = Path::new("nowhere");
        let input = Input::all(Self::open(client, "calls"));
        BatchOptions { input, output: Self::open(client, "out"), ..options(nowhere, nowhere, run) }
    }

    async fn run(client: &Client, run: &str) -> Result<BatchReport, BatchError> {
        batch::run(Self::options(client, run), small_set(), |_| ()).await
    }

    async fn put_calls(&self, key: &str, calls: &[CallRecord]) {
        let lines: String = calls.iter().map(|call| call.to_json() + "\n").collect();
        Self::open(&self.client, "calls").put(key, lines).await.unwrap();
    }

    async fn published(&self) -> (Manifest, BTreeMap<String, String>) {
        let set = small_set();
        let snapshot = Snapshot::open(Self::open(&self.client, "out"), Arc::clone(&set)).await.unwrap().unwrap();
        let found = answers(&snapshot, &set).await;
        (snapshot.manifest().clone(), found)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_dies_at_any_write_changes_nothing_and_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Bucket::start(folder.path()).await;
    let first = calls_of_days(31, 60, &[0, 1, 2]);
    // Late calls of two days, and copies of calls of all three.
    let late: Vec<CallRecord> = calls_of_days(32, 20, &[1, 2]).into_iter().chain(first[..10].to_vec()).collect();
    bucket.put_calls("a.jsonl", &first[..40]).await;
    bucket.put_calls("b.jsonl", &first[40..]).await;
    Bucket::run(&bucket.client, "first").await.unwrap();
    let (_, before) = bucket.published().await;
    let out = Bucket::open(&bucket.client, "out");
    let current = out.get(CURRENT).await.unwrap();
    bucket.put_calls("c.jsonl", &late).await;

    // What an undisturbed run over all of it says.
    let all = folder.path().join("all");
    write_calls(&all.join("a.jsonl"), first.iter().chain(&late));
    let right = folder.path().join("right");
    batch::run(options(&all, &right, "right"), small_set(), |_| ()).await.unwrap();
    let right = Snapshot::open(Objects::in_folder(&right), small_set()).await.unwrap().unwrap();
    let right = answers(&right, &small_set()).await;
    assert_ne!(before, right);

    let mut deaths = 0;
    for death in [Death::Before, Death::After] {
        for writes in 0.. {
            let killer = Killer::new(writes, death);
            let run = format!("{death:?}-{writes}");
            let done = Bucket::run(&bucket.watched(&killer), &run).await;
            let (manifest, found) = bucket.published().await;
            if !killer.is_dead() {
                assert_eq!((done.unwrap().manifest.run.as_str(), &found), (run.as_str(), &right), "{run}");
                // Those of the tiles of three days, the faces, ledger, quality and both copies of the manifest.
                assert_eq!(writes, 3 * 3 + 6 + 1 + 1 + 2, "writes of a run");
                break;
            }
            deaths += 1;
            assert!(done.is_err(), "{run}");
            // The last write is the manifest: it may have been done.
            match manifest.run.as_str() {
                "first" => assert_eq!(found, before, "{run}"),
                published => {
                    assert_eq!((published, death), (run.as_str(), Death::After));
                    assert_eq!(found, right, "{run}");
                }
            }
            let report = Bucket::run(&bucket.client, &format!("again-{run}")).await.unwrap();
            let expected = if manifest.run.as_str() == "first" { Outcome::Snapshot } else { Outcome::Nothing };
            assert_eq!(report.outcome, expected, "{run}");
            assert_eq!(bucket.published().await.1, right, "{run}");
            out.put(CURRENT, current.clone()).await.unwrap();
        }
        out.put(CURRENT, current.clone()).await.unwrap();
    }
    assert_eq!(deaths, 2 * 19);
    bucket.local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_run_that_dies_leaves_nothing_that_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Bucket::start(folder.path()).await;
    bucket.put_calls("a.jsonl", &calls_of_days(33, 30, &[0])).await;
    let out = Bucket::open(&bucket.client, "out");
    for (writes, death) in [(0, Death::Before), (5, Death::After), (10, Death::Before)] {
        Bucket::run(&bucket.watched(&Killer::new(writes, death)), "dies").await.unwrap_err();
        assert!(out.get(CURRENT).await.unwrap_err().is_not_found());
    }
    // Also under the id of the one that died.
    Bucket::run(&bucket.client, "dies").await.unwrap();
    assert_eq!(bucket.published().await.0.run.as_str(), "dies");
    bucket.local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runs_that_begin_at_the_same_snapshot_one_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("calls"), folder.path().join("out"));
    write_calls(&input.join("a.jsonl"), &calls_of_days(34, 40, &[0, 1, 2]));
    batch::run(options(&input, &output, "first"), small_set(), |_| ()).await.unwrap();
    write_calls(&input.join("b.jsonl"), &calls_of_days(35, 20, &[1]));
    let runs = ["x", "y", "z"].map(|run| batch::run(options(&input, &output, run), small_set(), |_| ()));
    let done = futures::future::join_all(runs).await;
    let published: Vec<&BatchReport> =
        done.iter().flatten().filter(|report| report.outcome == Outcome::Snapshot).collect();
    assert_eq!(published.len(), 1);
    for failed in done.iter().filter_map(|done| done.as_ref().err()) {
        assert!(matches!(failed, BatchError::Snapshot(SnapshotError::Overtaken { .. })), "{failed}");
    }
    let objects = Objects::in_folder(&output);
    let current = Publication::begin(objects.clone(), "next".parse().unwrap()).await.unwrap();
    assert_eq!(current.current(), Some(&published[0].manifest));
    for key in published[0].manifest.keys() {
        assert!(objects.head(&key).await.is_ok(), "{key}");
    }
    // Whoever was overtaken finds nothing to do.
    let again = batch::run(options(&input, &output, "again"), small_set(), |_| ()).await.unwrap();
    assert_eq!(again.outcome, Outcome::Nothing);
}
