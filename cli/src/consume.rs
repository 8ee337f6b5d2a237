//! `tollwatch consume`: the consumer alone, between a stream and a table that others run.
//!
//! It goes on from its checkpoints. Killed between a batch and its checkpoint, it takes the batch again, and the
//! tiles know what they have.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ::features::HOUR_MS;
use count_calls::{CounterSettings, Lateness};
use event_source::{Error, FileCheckpoints, Settings};
use indicatif::HumanCount;
use objects::Location;
use telemetry::Function;
use tiles::DynamoTiles;

use crate::defaults::{FeatureFile, STREAM, TILE_TABLE};
use crate::endpoints::Endpoint;
use crate::failure::{Blame as _, Failure, Outcome};
use crate::interrupt::stop_signal;
use crate::observed::Observed;
use crate::output::print;
use crate::pipeline::{Consumer, ConsumerParts};
use crate::{clock, locations, metrics_server, times};

/// How often a shard of a local stream is read that has nothing new. That of an account has a quota of reads, and
/// is read as often as Lambda reads it.
const LOCAL_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Kinesis keeps records for a year at most.
const HOURS_MAX: i64 = 8_760;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The stream
    #[arg(long, default_value = STREAM)]
    stream: String,
    /// The DynamoDB table of tiles
    #[arg(long, default_value = TILE_TABLE)]
    table: String,
    /// Where records go that can never count: a folder or s3://bucket/prefix
    #[arg(long, value_name = "LOCATION")]
    quarantine: Location,
    /// Where the delivery of each shard stands; made where it is missing. One process at a time
    #[arg(long, value_name = "FILE")]
    checkpoints: PathBuf,
    /// A local Kinesis, such as the one that `tollwatch up` names [default: that of the AWS account]
    #[arg(long, value_name = "URL")]
    kinesis_endpoint: Option<String>,
    /// A local DynamoDB [default: that of the AWS account]
    #[arg(long, value_name = "URL")]
    dynamodb_endpoint: Option<String>,
    /// Records of a batch
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    batch_size: usize,
    /// Raised, with new checkpoints, when a stream of the same name is recreated: its sequence numbers begin anew
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    generation: u32,
    /// For calls that are replayed: since when the stream holds all of them [default: since the first arrived]
    #[arg(long, value_name = "TIME", value_parser = times::parse_time)]
    covers_from: Option<i64>,
    /// Hours that a call may be old when it arrives
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(i64).range(1..=HOURS_MAX))]
    allowed_lateness: i64,
    /// Hours that the stream keeps records
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(i64).range(1..=HOURS_MAX))]
    stream_retention: i64,
    /// End when everything is taken that the stream holds
    #[arg(long)]
    until_drained: bool,
    /// Port on 127.0.0.1 for GET /metrics, which Prometheus reads; 0 takes a free one [default: none]
    #[arg(long, value_name = "PORT")]
    metrics_port: Option<u16>,
    #[command(flatten)]
    definitions: FeatureFile,
}

/// Consumes until Ctrl-C or SIGTERM, or until the stream is at its tip.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let set = arguments.definitions.read()?;
    let settings = Settings {
        batch_size: arguments.batch_size,
        poll_interval: match arguments.kinesis_endpoint {
            Some(_) => LOCAL_POLL_INTERVAL,
            None => Settings::default().poll_interval,
        },
        ..Settings::default()
    };
    settings.check().or_user()?;
    let observed = Observed::start("count-calls", &[Function::CountCalls])?;
    let checkpoints = FileCheckpoints::open(&arguments.checkpoints).or_user()?;
    let quarantine = locations::open(&arguments.quarantine).await?;
    let endpoint = Endpoint { flag: "--kinesis-endpoint", url: arguments.kinesis_endpoint.as_deref() };
    let kinesis = endpoint.kinesis().await?;
    endpoint.check_stream(&kinesis, &arguments.stream).await?;
    let endpoint = Endpoint { flag: "--dynamodb-endpoint", url: arguments.dynamodb_endpoint.as_deref() };
    let tiles = DynamoTiles::new(endpoint.dynamodb().await?, &arguments.table);
    endpoint.check_table(&tiles, &arguments.table, "--table").await?;

    let ready = format!(
        "consuming stream {} into table {}, feature set {}\n",
        arguments.stream,
        arguments.table,
        set.version()
    );
    let parts = ConsumerParts {
        kinesis,
        stream: arguments.stream,
        tiles,
        quarantine,
        set,
        counter: CounterSettings {
            generation: arguments.generation,
            lateness: Lateness { allowed_ms: arguments.allowed_lateness * HOUR_MS },
            retention_ms: arguments.stream_retention * HOUR_MS,
            covers_from_ms: arguments.covers_from,
            ..CounterSettings::default()
        },
        source: settings,
        watch: observed.watch(),
    };
    let metrics = match (arguments.metrics_port, &observed.exposition) {
        (Some(port), Some(exposition)) => Some(metrics_server::start(port, Arc::clone(exposition)).await?),
        _ => None,
    };
    let started = Consumer::start_from(parts, Arc::new(checkpoints), clock::now_ms()).await;
    let Consumer { running, totals } = started.or_internal()?;
    print(&ready)?;
    if let Some((address, _)) = &metrics {
        print(&format!("metrics  http://{address}/metrics\n"))?;
    }
    let (control, progress) = (running.control(), running.progress());
    if arguments.until_drained {
        control.drain();
    }
    let mut ended = pin!(running.wait());
    let ended = tokio::select! {
        ended = &mut ended => ended,
        stop = stop_signal() => {
            stop?;
            eprintln!("tollwatch: finishing the batches in hand");
            control.stop();
            ended.await
        }
    };
    observed.finish().await;
    if let Some((_, serving)) = metrics {
        serving.abort();
    }
    ended.map_err(|error| match error {
        Error::Checkpoint(_) | Error::OtherStream { .. } => Failure::user(error),
        Error::Source(_) | Error::Broken { .. } => Failure::internal(error),
    })?;
    let counted = totals.lock().unwrap_or_else(PoisonError::into_inner).clone();
    print(&format!(
        "took     {} records in {} batches\ncounted  {} calls, {} before, {} duplicates, {} quarantined\n",
        HumanCount(progress.snapshot().records_done),
        HumanCount(progress.snapshot().batches),
        HumanCount(counted.counted + counted.unchecked),
        HumanCount(counted.counted_before),
        HumanCount(counted.duplicates),
        HumanCount(counted.quarantined.values().sum()),
    ))
}
