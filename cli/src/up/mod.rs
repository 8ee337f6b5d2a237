//! `tollwatch up`: the whole system live, from synthetic calls to answers, with its state in one folder.
//!
//! Kinesis is in memory, everything else on the disk. Each start, and each time the stream has grown enough, begins
//! a new stream of the same name: its generation is raised and remembered before it is read.

mod epoch;
mod feeder;
mod hints;
mod history;
mod ingest;
mod live;
mod snapshots;
mod state;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use cdr::NumberPlan;
use count_calls::BatchReport;
use indicatif::HumanCount;
use ingest_calls::{Configuration, Ingest};
use local_aws::{DynamoStorage, LocalAws, LocalAwsConfig, Ports};
use objects::Objects;
use serve_features::native::Exposure;
use snapshot::{RAW, SnapshotCache};
use telemetry::Function;
use tiles::DynamoTiles;
use tokio::sync::watch;

use crate::answer_log::AnswerLogFlags;
use crate::defaults::{FeatureFile, STATE_FOLDER, STREAM, TILE_TABLE};
use crate::failure::{Blame as _, Failure, Outcome};
use crate::interrupt::stop_signal;
use crate::observed::Observed;
use crate::output::print;
use crate::pipeline::{self, Running, service};
use crate::up::epoch::{System, Totals};
use crate::up::feeder::{Ended, Feeder, Sent};
use crate::up::history::Parts;
use crate::up::live::{RATES, Traffic};
use crate::up::snapshots::{Archived, Snapshots};
use crate::up::state::{History, State};
use crate::{clock, progress, times};

/// Shards of the stream.
const SHARDS: u32 = 2;
/// What of the catalogue it exports: what it runs.
const FUNCTIONS: [Function; 3] = [Function::CountCalls, Function::ServeFeatures, Function::RecomputeFeatures];
/// Days of history before the one of the first start.
const HISTORY_DAYS: u32 = 7;
/// How often tiles that expired are deleted: the embedded table does not do it by itself.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// The least time between two batch runs: one takes some seconds.
const BATCH_EVERY_MIN: Duration = Duration::from_secs(10);

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Calls a second
    #[arg(long, default_value_t = 20.0, value_parser = parse_rate)]
    rate: f64,
    /// Numbers that place ordinary calls
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(cdr_generator::MAX_SUBSCRIBERS)))]
    subscribers: u32,
    /// Decides who they are and what they do
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where everything is kept from one run to the next
    #[arg(long, value_name = "FOLDER", default_value = STATE_FOLDER)]
    folder: PathBuf,
    /// Port of the service on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 50_051)]
    port: u16,
    /// Port of the local DynamoDB; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    dynamodb_port: u16,
    /// Port of the local Kinesis; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    kinesis_port: u16,
    /// Takes call records and webhooks over HTTP too, on this port of 127.0.0.1; 0 takes a free one. docs/ingest.md says
    /// what, and which variables switch webhooks on
    #[arg(long, value_name = "PORT")]
    ingest_port: Option<u16>,
    /// How often the batch job runs, such as 90s, 15m or 1h
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_every)]
    batch_every: Duration,
    /// At the first start, begin without a week of calls in the past
    #[arg(long)]
    no_history: bool,
    #[command(flatten)]
    answer_log: AnswerLogFlags,
    #[command(flatten)]
    definitions: FeatureFile,
}

/// Runs until Ctrl-C.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let set = arguments.definitions.read()?;
    let folder = &arguments.folder;
    let address = (Ipv4Addr::LOCALHOST, arguments.port).into();
    check_port(address)?;
    let answer_log = arguments.answer_log.open()?;
    let observed = Observed::start("tollwatch-up", &FUNCTIONS)?;
    let cannot = || format!("cannot write to the folder {}: choose another with --folder", folder.display());
    std::fs::create_dir_all(folder.join(RAW)).with_context(cannot).or_user()?;
    let mut stop = watch_for_stop();

    // Only one process can have the table, so it comes before what relies on being alone.
    let config = LocalAwsConfig::default()
        .with_dynamodb(DynamoStorage::File(folder.join("tiles.sqlite")))
        .with_kinesis()
        .with_ports(Ports { dynamodb: arguments.dynamodb_port, kinesis: arguments.kinesis_port, s3: 0 });
    let local = LocalAws::start(config).await.or_user()?;
    let mut state = State::open(folder).or_user()?;
    let dynamodb = local.dynamodb().or_internal()?;
    if state.remembered.history.as_ref().is_some_and(|history| !history.is_done) {
        // The first start was broken off, perhaps between two tiles of a call. Nothing else was ever counted.
        let deleted = dynamodb.delete_table().table_name(TILE_TABLE).send().await;
        let is_gone = |error: &aws_sdk_dynamodb::operation::delete_table::DeleteTableError| {
            error.is_resource_not_found_exception()
        };
        if let Err(error) = deleted
            && !error.as_service_error().is_some_and(is_gone)
        {
            return Err(error).context("the tiles of a start that was broken off cannot be deleted").or_internal();
        }
    }
    let tiles = DynamoTiles::new(dynamodb, TILE_TABLE);
    tiles.create_table_if_missing().await.or_internal()?;
    let data = Objects::in_folder(folder);
    let now_ms = Arc::new(clock::now_ms);
    let cache = Arc::new(SnapshotCache::default());
    let snapshots = pipeline::snapshots(&set, data.clone(), now_ms.clone(), Arc::clone(&cache));
    let mut service = service(&set, Some(tiles.clone()), snapshots, now_ms, answer_log).or_user()?;
    if let Some(sink) = observed.sink() {
        service = service.with_metrics(sink, Some(cache));
    }
    let service = Running::start(address, service, Exposure::default(), &observed).await.or_user()?;

    let plan = Arc::new(NumberPlan::new(&set.settings().default_region).or_internal()?);
    let ingest = match arguments.ingest_port {
        None => None,
        Some(port) => Some(ingest::start(port, ingest_of(&local, &set)?).await?),
    };
    let archived = begin(&mut state, &arguments)?;
    let snapshots = Snapshots { data: data.clone(), set: Arc::clone(&set), sink: observed.sink() };
    let mut system = System { local, tiles, data, set, plan, archived, state, service, ingest, observed };
    let prepared = tokio::select! {
        prepared = prepare(&mut system, &snapshots, &arguments.folder) => prepared.map(|()| true),
        stopped = stop.changed() => Ok(stopped.is_err()),
    };
    let lived = match prepared {
        Ok(true) => live(&mut system, &snapshots, &arguments, &mut stop).await,
        Ok(false) => print("stopped before the history was whole: the next start makes it again\n"),
        Err(failure) => Err(failure),
    };
    system.end(lived).await
}

/// What takes records over HTTP, configured by the variables of the function, but for the stream: that is ours.
fn ingest_of(local: &LocalAws, set: &::features::FeatureSet) -> Result<Ingest, Failure> {
    let variable =
        |name: &str| if name == "STREAM_NAME" { Some(STREAM.to_owned()) } else { std::env::var(name).ok() };
    let configuration = Configuration::read(variable).or_user()?;
    let plan = NumberPlan::new(&set.settings().default_region).or_internal()?;
    let ingest = Ingest::new(local.kinesis().or_internal()?, STREAM.to_owned(), plan, configuration.lateness);
    Ok(ingest.with_webhooks(configuration.webhooks))
}

/// Says that a port is in use before anything is made. Whether it is free, listening on it says.
fn check_port(address: SocketAddr) -> Outcome {
    match TcpListener::bind(address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let port = address.port();
            let why = anyhow!("port {port} is in use: stop what listens there, or choose another with --port");
            Err(Failure::user(why))
        }
        _ => Ok(()),
    }
}

/// Turns the first signal into a wish to stop, and the second into an end.
fn watch_for_stop() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let mut asked = false;
        while stop_signal().await.is_ok() {
            if asked {
                eprintln!("tollwatch: stopped at once; what the stream still held is lost");
                std::process::exit(crate::interrupt::INTERRUPTED);
            }
            asked = true;
            stop.send_replace(true);
        }
    });
    stopped
}

/// Notes that a run has begun, and what the one before left.
fn begin(state: &mut State, arguments: &Arguments) -> Result<Archived, Failure> {
    let now_ms = clock::now_ms();
    let is_first_start = state.is_first_start;
    if state.remembered.is_running {
        eprintln!(
            "tollwatch: the last run did not come to its end: its last calls may be missing from the tiles, and those \
             of its last half minute from the archive"
        );
    }
    state
        .change(|remembered| {
            remembered.is_archive_whole &= !remembered.is_running;
            remembered.is_running = true;
            if is_first_start && !arguments.no_history {
                remembered.history = Some(History {
                    seed: arguments.seed,
                    subscribers: arguments.subscribers,
                    days: HISTORY_DAYS,
                    end_ms: now_ms - now_ms.rem_euclid(::features::MINUTE_MS),
                    is_done: false,
                });
            }
        })
        .or_user()?;
    let remembered = &state.remembered;
    let of_history = remembered.history.as_ref().map(|history| history.end_ms);
    Ok(Archived {
        is_whole: remembered.is_archive_whole,
        until_ms: remembered.archived_until_ms.max(of_history),
        ..Archived::default()
    })
}

/// Makes what is missing of the history, and a snapshot of yesterday unless there is one.
async fn prepare(system: &mut System, snapshots: &Snapshots, folder: &Path) -> Outcome {
    let history = system.state.remembered.history.clone().filter(|history| !history.is_done);
    if let Some(history) = &history {
        eprintln!(
            "tollwatch: the first start makes {HISTORY_DAYS} days of calls, which takes a while; --no-history leaves them out"
        );
        history::write(history, folder).await?;
        let generation = system.raise_generation()?;
        let parts = Parts {
            local: &system.local,
            shards: SHARDS,
            tiles: system.tiles.clone(),
            data: system.data.clone(),
            set: Arc::clone(&system.set),
            generation,
        };
        history::stream(history, parts).await?;
        let done = system.state.change(|remembered| {
            if let Some(history) = &mut remembered.history {
                history.is_done = true;
            }
        });
        done.or_internal()?;
    }
    if history.is_some() || !snapshots.is_current(clock::now_ms()).await.or_internal()? {
        let spinner = progress::spinner("batch job");
        let made = snapshots.make(clock::now_ms(), system.archived.complete_before(SHARDS)).await;
        spinner.finish_and_clear();
        report_batch(made.map(drop));
    }
    Ok(())
}

/// Feeds stream after stream until it is told to stop; the batch job and the sweep run beside it.
async fn live(
    system: &mut System,
    snapshots: &Snapshots,
    arguments: &Arguments,
    stop: &mut watch::Receiver<bool>,
) -> Outcome {
    let traffic = Traffic { seed: arguments.seed, subscribers: arguments.subscribers, rate: arguments.rate };
    let examples = tokio::task::spawn_blocking(move || traffic.examples(clock::now_ms())).await;
    let examples = examples.context("the generator broke").or_internal()?.or_user()?;
    let mut feeder = Feeder::start(traffic, system.observed.tracer.clone());
    let mut counted = BatchReport::default();
    let batches = keep_snapshots(snapshots.clone(), system.archived.clone(), arguments.batch_every);
    let sweeps = keep_swept(system.tiles.clone());
    let mut batches = std::pin::pin!(batches);
    let mut sweeps = std::pin::pin!(sweeps);
    let mut is_told = false;
    let ended = loop {
        let mut epoch = system.begin_epoch().await?;
        if !is_told {
            print(&hints::text(system, &examples, arguments))?;
            is_told = true;
        }
        let shown = progress::spinner("live");
        let status = show_status(&shown, Arc::clone(&feeder.sent), epoch.totals(), &counted);
        let fed = tokio::select! {
            fed = epoch.run(&mut feeder, stop) => fed,
            never = &mut batches => match never {},
            never = &mut sweeps => match never {},
            never = status => match never {},
        };
        shown.finish_and_clear();
        if matches!(fed, Ok(Ended::Stopped)) {
            eprintln!("tollwatch: finishing what the stream holds; Ctrl-C again stops at once");
        }
        let (totals, drained) = epoch.drain().await;
        counted.merge(&totals);
        match fed.and_then(|fed| drained.map(|()| fed)) {
            Ok(Ended::Full) => {}
            Ok(Ended::Stopped) => break Ok(()),
            Err(error) => break Err(error).or_internal(),
        }
    };
    print(&totals(&feeder.sent, &counted))?;
    ended
}

/// Runs the batch job from time to time. A run that fails is told of; the next one may do better.
async fn keep_snapshots(snapshots: Snapshots, archived: Archived, every: Duration) -> Infallible {
    loop {
        tokio::time::sleep(every).await;
        let made = snapshots.make(clock::now_ms(), archived.complete_before(SHARDS)).await.map(drop);
        report_batch(made);
        report_batch(snapshots.delete_old(clock::now_ms()).await);
    }
}

fn report_batch(done: anyhow::Result<()>) {
    if let Err(error) = done {
        eprintln!("tollwatch: {error:#}");
    }
}

async fn keep_swept(tiles: DynamoTiles) -> Infallible {
    loop {
        if let Err(error) = tiles.sweep(clock::now_ms().div_euclid(1_000)).await {
            tracing::warn!(%error, "expired tiles were not deleted");
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Keeps one line on a terminal up to date.
async fn show_status(
    line: &indicatif::ProgressBar,
    sent: Arc<Sent>,
    consumed: Totals,
    before: &BatchReport,
) -> Infallible {
    let tick = Duration::from_secs(1);
    let mut last = sent.calls.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(tick).await;
        let calls = sent.calls.load(Ordering::Relaxed);
        let mut counted = before.clone();
        counted.merge(&consumed.now());
        line.set_message(format!(
            "{} records in, {} calls counted, {} duplicates, {} quarantined, {} calls/s",
            HumanCount(sent.records()),
            HumanCount(counted.counted + counted.unchecked),
            HumanCount(counted.duplicates),
            HumanCount(counted.quarantined.values().sum()),
            calls - last,
        ));
        last = calls;
    }
}

fn totals(sent: &Sent, counted: &BatchReport) -> String {
    let of = |count: &std::sync::atomic::AtomicU64| HumanCount(count.load(Ordering::Relaxed));
    format!(
        "sent     {} calls, {} duplicates, {} broken records\ncounted  {} calls, {} duplicates, {} quarantined\n",
        of(&sent.calls),
        of(&sent.duplicates),
        of(&sent.broken),
        HumanCount(counted.counted + counted.unchecked),
        HumanCount(counted.duplicates),
        HumanCount(counted.quarantined.values().sum()),
    )
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok();
    rate.filter(|rate| RATES.contains(rate))
        .ok_or_else(|| format!("{text} is no rate: give {} to {} calls a second", RATES.start(), RATES.end()))
}

fn parse_every(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is no time between runs: give at least 10s, such as 90s, 15m or 1h");
    times::parse_duration(text).filter(|every| *every >= BATCH_EVERY_MIN).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_between_runs_have_a_unit_and_a_least() {
        assert_eq!(parse_every("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(parse_every("1h").unwrap(), Duration::from_hours(1));
        for text in ["", "m", "15", "9s", "0h"] {
            assert!(parse_every(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_bounded() {
        assert!(parse_rate("0.5").is_ok());
        for text in ["0", "-1", "NaN", "inf", "1e9", "fast"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
