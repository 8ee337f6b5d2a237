//! `tollwatch demo`: the whole system on one command, checked against a brute-force recount.
//!
//! History goes through the batch job; the last day and what there is of today go through Kinesis, the handler
//! and DynamoDB, with batches delivered again on purpose; the service answers over gRPC. Then every value is
//! recounted by the oracle, which shares no code with any of this.

mod batch_check;
mod compare;
mod ledger;
mod material;
mod report;
mod serve_check;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::features::{DAY_MS, FeatureSet};
use anyhow::Context as _;
use batch::{BatchOptions, HardFindings, Input, Rebuild};
use cdr::NumberPlan;
use count_calls::{CounterSettings, Lateness};
use event_source::{Redeliver, Settings};
use local_aws::{DynamoStorage, LocalAws, LocalAwsConfig};
use objects::Objects;
use oracle::Recount;
use serve_features::native::Exposure;
use snapshot::{RunId, Snapshot};
use telemetry::Watch;
use tiles::DynamoTiles;

use crate::batch_progress::BatchProgress;
use crate::defaults::{STREAM, TILE_TABLE};
use crate::demo::material::Material;
use crate::demo::report::{DemoReport, Step};
use crate::failure::{Blame as _, Failure, Outcome};
use crate::interrupt::unless_interrupted;
use crate::observed::Observed;
use crate::pipeline::{Consumer, ConsumerParts, Running, put_records, service, snapshots};
use crate::run_folder;
use crate::{clock, progress, times};

/// Shards of the demo's stream.
const SHARDS: u32 = 2;
/// Records put on the stream between two looks at the bar.
const PUT_STEP: usize = 2_000;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Decides the synthetic calls
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Numbers that place ordinary calls
    #[arg(long, default_value_t = 20_000)]
    subscribers: u32,
    /// Days of history
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// The last moment of the synthetic calls [default: 02:00 UTC today, or yesterday before that]
    #[arg(long, value_name = "TIME", value_parser = times::parse_time)]
    end: Option<i64>,
    /// Your own calls instead: a file or folder of Asterisk's Master.csv, JSON lines or Parquet
    #[arg(long, value_name = "PATH", conflicts_with_all = ["seed", "subscribers", "days", "end"])]
    from: Option<PathBuf>,
    /// Site of the extensions in an Asterisk file
    #[arg(long, default_value = "pbx", requires = "from")]
    site: String,
    /// Time zone of an Asterisk file
    #[arg(long, default_value = "UTC", requires = "from")]
    zone: String,
    /// Keep calls, snapshot and quarantine in this folder
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

/// Runs the demo; fails if any value differs from the recount.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let temporary = run_folder::make()?;
    let work = play(arguments, temporary.path());
    unless_interrupted("the demo is not over", Some(temporary.path()), work).await
}

async fn play(arguments: Arguments, temporary: &Path) -> Outcome {
    // The recount knows the default features only.
    let set = Arc::new(definition_file::read(None).or_internal()?);
    let folder = arguments.keep.clone().unwrap_or_else(|| temporary.to_owned());
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot write to {}", folder.display())).or_user()?;

    let mut report = DemoReport::default();
    let plan = NumberPlan::new(&set.settings().default_region).or_internal()?;
    let mut material = report.time(Step::Generate, || match &arguments.from {
        Some(path) => material::from_files(path, &plan, &arguments.site, &arguments.zone),
        None => {
            let end_ms = arguments.end.unwrap_or_else(|| two_in_the_morning(clock::now_ms()));
            material::generate(&arguments.subject(end_ms), &folder.join("calls"))
        }
    })?;
    report.describe(&material);

    // The recount is made ready while the batch job and the stream run.
    let calls = std::mem::take(&mut material.calls);
    let started = Instant::now();
    let truth = tokio::task::spawn_blocking(move || {
        let truth = Arc::new(Recount::new(calls, include_str!("../../../lists/irsf.csv")));
        (truth, started.elapsed())
    });

    let data = Objects::in_folder(folder.join("data"));
    run_batch(&material, &set, &data, temporary, &mut report).await?;
    let stream = stream_calls(&material, &set, &folder, &mut report).await?;

    let (truth, took) = truth.await.context("the recount broke").or_internal()?;
    report.took(Step::Recount, took);
    let snapshot = Snapshot::open(data.clone(), Arc::clone(&set)).await.or_internal()?;
    let snapshot = snapshot.context("the batch job published nothing").or_internal()?;
    report.rows(snapshot.manifest());

    let started = Instant::now();
    let checked = batch_check::check(&snapshot, &set, &truth, material.as_of).await.or_internal()?;
    report.batch = checked;
    report.took(Step::CheckBatch, started.elapsed());

    let end_ms = material.end_ms;
    let clock = Arc::new(move || end_ms);
    let snapshots = snapshots(&set, data, clock.clone(), Arc::default());
    let service = service(&set, Some(stream.tiles.clone()), snapshots, clock, None).or_internal()?;
    let service = Running::start(([127, 0, 0, 1], 0).into(), service, Exposure::default(), &Observed::default())
        .await
        .or_internal()?;
    let url = format!("http://{}", service.address);
    let started = Instant::now();
    let served = serve_check::check(&url, &set, &truth, &material).await.or_internal()?;
    report.stream = served.stream;
    report.merged = served.merged;
    report.took(Step::CheckService, started.elapsed());
    let started = Instant::now();
    report.lookups(&serve_check::time_lookups(&url, &truth, &material).await.or_internal()?);
    report.took(Step::Lookups, started.elapsed());
    report.campaigns = serve_check::campaigns(&url, &truth, &material).await.or_internal()?;
    service.stop().await.or_internal()?;
    stream.local.shutdown().await;

    if arguments.json {
        report.print_json().or_internal()?;
    } else {
        report.print(arguments.keep.as_deref());
    }
    match report.differences() {
        0 => Ok(()),
        count => Err(Failure::internal(anyhow::anyhow!("{count} facts differ from the recount"))),
    }
}

impl Arguments {
    /// What the generator is asked for: the days of history and the beginning of the day after them.
    fn subject(&self, end_ms: i64) -> cdr_generator::Config {
        cdr_generator::Config::new(self.seed, end_ms, self.days + 1, self.subscribers)
    }
}

/// The latest 02:00 UTC that is over: the demo's today has begun, and none of its calls is in the future.
fn two_in_the_morning(now_ms: i64) -> i64 {
    let two = 2 * 3_600_000;
    (now_ms - two).div_euclid(DAY_MS) * DAY_MS + two
}

async fn run_batch(
    material: &Material,
    set: &Arc<FeatureSet>,
    data: &Objects,
    temporary: &Path,
    report: &mut DemoReport,
) -> Result<(), Failure> {
    let options = BatchOptions {
        input: Input::open(&material.batch_input, |location| Objects::open(location, None)).or_user()?,
        output: data.clone(),
        as_of: material.as_of,
        run: "demo".parse::<RunId>().or_internal()?,
        complete_for_arrivals_before: Some(material.end_ms.min(material.as_of.plus(1).start_ms())),
        // A folder that was kept may hold a snapshot of other calls.
        rebuild: Rebuild::Always,
        hard_findings: HardFindings::Accept,
        temporary: Some(temporary.to_owned()),
        read: material.read.clone(),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let started = Instant::now();
    let shown = BatchProgress::new();
    let ran = batch::run(options, Arc::clone(set), move |step| shown.show(step)).await;
    let ran = ran.or_user()?;
    report.took(Step::Batch, started.elapsed());
    report.batch_stages = ran.took;
    Ok(())
}

/// What is left when the stream has been drained.
struct Streamed {
    local: LocalAws,
    tiles: DynamoTiles,
}

async fn stream_calls(
    material: &Material,
    set: &Arc<FeatureSet>,
    folder: &std::path::Path,
    report: &mut DemoReport,
) -> Result<Streamed, Failure> {
    let started = Instant::now();
    let config = LocalAwsConfig::default().with_dynamodb(DynamoStorage::Memory).with_kinesis();
    let local = LocalAws::start(config).await.or_internal()?;
    let tiles = DynamoTiles::new(local.dynamodb().or_internal()?, TILE_TABLE);
    tiles.create_table_if_missing().await.or_internal()?;
    local.create_stream(STREAM, SHARDS).await.or_internal()?;
    let quarantine = Objects::in_folder(folder);
    let now_ms = clock::now_ms();
    // The calls are old and arrive now: the lateness rule is for calls that arrive as they happen.
    let allowed_ms = (now_ms - material.stream_from_ms).max(0) + DAY_MS;
    let consumer = Consumer::start(
        ConsumerParts {
            kinesis: local.kinesis().or_internal()?,
            stream: STREAM.to_owned(),
            tiles: tiles.clone(),
            quarantine: quarantine.clone(),
            set: Arc::clone(set),
            counter: CounterSettings {
                lateness: Lateness { allowed_ms },
                covers_from_ms: Some(material.stream_from_ms),
                ..CounterSettings::default()
            },
            watch: Watch::default(),
            source: Settings {
                batch_size: 1_000,
                batching_window: Duration::from_millis(200),
                poll_interval: Duration::from_millis(20),
                // One batch in three is taken and delivered again, as after a lost reply.
                redeliver: Some(Redeliver { seed: 1, every_nth_batch: 3 }),
                ..Settings::default()
            },
        },
        now_ms,
    )
    .await
    .or_internal()?;

    let kinesis = local.kinesis().or_internal()?;
    let bar = progress::bar("stream calls", material.records.len() as u64 * 2, "records");
    for records in material.records.chunks(PUT_STEP) {
        put_records(&kinesis, STREAM, records).await.or_internal()?;
        bar.inc(records.len() as u64);
    }
    consumer.running.control().drain();
    let delivered = consumer.running.progress();
    let watch = async {
        loop {
            bar.set_position(material.records.len() as u64 + delivered.snapshot().records_done);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let Consumer { running, totals } = consumer;
    tokio::select! {
        drained = running.wait() => drained.or_internal()?,
        () = watch => {}
    }
    bar.finish_and_clear();
    report.took(Step::Stream, started.elapsed());
    report.consumed(&totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner), &delivered.snapshot());
    report.calls = ledger::balance(material, &tiles, &quarantine).await.or_internal()?;
    Ok(Streamed { local, tiles })
}
