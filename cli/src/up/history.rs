//! The days before the first start: files for the batch job, and for the tiles the two last of them through a
//! stream of their own, as a replay is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::features::{DAY_MS, FeatureSet};
use anyhow::Context as _;
use cdr_generator::{Config, Format, Generator};
use count_calls::{CounterSettings, Lateness};
use event_source::Settings;
use local_aws::LocalAws;
use objects::Objects;
use snapshot::{RAW, UtcDay};
use telemetry::Watch;
use tiles::DynamoTiles;

use crate::failure::{Blame as _, Failure};
use crate::pipeline::{Consumer, ConsumerParts, Outgoing, put_records};
use crate::up::state::History;
use crate::{clock, progress};

/// Its stream: derived tiles of a replay have a writer of their own.
const STREAM: &str = "tollwatch-history";
/// Its files, below the archive.
const FOLDER: &str = "history";
/// Planted frauds of each kind. They are most of the calls: a person places one a day.
const CAMPAIGNS_PER_SCHEME: u32 = 2;
/// Records put between two looks at the bar.
const PUT_STEP: usize = 2_000;
/// The day before yesterday's midnight is not 3 days ago, and only calls from yesterday on are streamed.
const LATENESS_MS: i64 = 3 * DAY_MS;

/// What the stream needs.
pub(crate) struct Parts<'a> {
    pub(crate) local: &'a LocalAws,
    pub(crate) shards: u32,
    pub(crate) tiles: DynamoTiles,
    pub(crate) data: Objects,
    pub(crate) set: Arc<FeatureSet>,
    pub(crate) generation: u32,
}

/// Writes the files. The same history makes the same files, so that one that was broken off can be made again.
pub(crate) async fn write(history: &History, data: &Path) -> Result<(), Failure> {
    let folder = data.join(RAW).join(FOLDER);
    let config = config(history);
    let written = tokio::task::spawn_blocking(move || {
        let generator = Generator::new(config).or_user()?;
        let bar = progress::bar("generate history", generator.days().into(), "days");
        let written = cdr_generator::write_files(&generator, &folder, Format::Parquet, |_| bar.inc(1)).or_user();
        bar.finish_and_clear();
        written.map(drop)
    });
    written.await.context("the generator broke").or_internal()?
}

/// Streams yesterday and today: windows that end now take these days from tiles.
pub(crate) async fn stream(history: &History, parts: Parts<'_>) -> Result<(), Failure> {
    let config = config(history);
    let end_ms = history.end_ms;
    let from_ms = UtcDay::of_ms(end_ms - 1).plus(-1).start_ms();
    let made = tokio::task::spawn_blocking(move || {
        let generator = Generator::new(config).or_user()?;
        let arrivals = generator.arrivals(from_ms, end_ms);
        let outgoing = |arrival: cdr_generator::Arrival| Outgoing {
            partition_key: arrival.partition_key.to_string(),
            bytes: arrival.bytes,
        };
        Ok(arrivals.map(outgoing).collect::<Vec<_>>())
    });
    let records = made.await.context("the generator broke").or_internal()??;

    parts.local.create_stream(STREAM, parts.shards).await.or_internal()?;
    let kinesis = parts.local.kinesis().or_internal()?;
    let consumer = Consumer::start(
        ConsumerParts {
            kinesis: kinesis.clone(),
            stream: STREAM.to_owned(),
            tiles: parts.tiles,
            quarantine: parts.data,
            set: parts.set,
            counter: CounterSettings {
                generation: parts.generation,
                lateness: Lateness { allowed_ms: LATENESS_MS },
                covers_from_ms: Some(from_ms),
                ..CounterSettings::default()
            },
            // What was counted before the start is no work of this run.
            watch: Watch::default(),
            source: Settings {
                batch_size: 5_000,
                batching_window: Duration::from_millis(500),
                poll_interval: Duration::from_millis(20),
                ..Settings::default()
            },
        },
        clock::now_ms(),
    );
    let consumer = consumer.await.or_internal()?;
    let bar = progress::bar("stream yesterday and today", records.len() as u64, "records");
    for chunk in records.chunks(PUT_STEP) {
        put_records(&kinesis, STREAM, chunk).await.or_internal()?;
    }
    let delivered = consumer.running.progress();
    let watch = async {
        loop {
            bar.set_position(delivered.snapshot().records_done);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        drained = consumer.running.drain() => drained.or_internal()?,
        () = watch => {}
    }
    bar.finish_and_clear();
    // It is in the tiles; the stream would hold it in memory for a day.
    kinesis.delete_stream().stream_name(STREAM).send().await.or_internal()?;
    Ok(())
}

fn config(history: &History) -> Config {
    // The generator counts the day of the end.
    let config = Config::new(history.seed, history.end_ms, history.days + 1, history.subscribers);
    Config { campaigns_per_scheme: CAMPAIGNS_PER_SCHEME, ..config }
}
