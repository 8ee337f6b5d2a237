//! One life of the stream: made, read by the consumer and the archive, fed, drained, deleted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::features::FeatureSet;
use anyhow::{Context as _, anyhow};
use aws_sdk_kinesis::Client as Kinesis;
use cdr::NumberPlan;
use count_calls::{BatchReport, CounterSettings};
use event_source::{Control, RunningSource, Settings};
use local_aws::LocalAws;
use objects::Objects;
use tiles::DynamoTiles;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::archive::Archive;
use crate::clock;
use crate::defaults::STREAM;
use crate::failure::{Blame as _, Failure, Outcome};
use crate::observed::Observed;
use crate::pipeline::{Consumer, ConsumerParts, Running};
use crate::up::SHARDS;
use crate::up::feeder::{Ended, Feeder};
use crate::up::snapshots::Archived;
use crate::up::state::State;

/// Bytes of records after which a new stream is begun. The emulator keeps all of a stream for a day, and takes no
/// more than 2 GiB.
const BYTES_MAX: usize = 512 << 20;

/// Everything that outlives a stream.
pub(crate) struct System {
    pub(crate) local: LocalAws,
    pub(crate) tiles: DynamoTiles,
    pub(crate) data: Objects,
    pub(crate) set: Arc<FeatureSet>,
    pub(crate) plan: Arc<NumberPlan>,
    pub(crate) archived: Archived,
    pub(crate) state: State,
    pub(crate) service: Running,
    /// Where records are taken over HTTP, if they are.
    pub(crate) ingest: Option<std::net::SocketAddr>,
    pub(crate) observed: Observed,
}

/// A stream and those who read it.
pub(crate) struct Epoch {
    kinesis: Kinesis,
    consumer: Reader,
    archive: Reader,
    totals: Totals,
}

/// What the consumer of a stream has done so far.
#[derive(Clone)]
pub(crate) struct Totals(Arc<Mutex<BatchReport>>);

impl Totals {
    /// The counts now.
    pub(crate) fn now(&self) -> BatchReport {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One that reads the stream, in a task of its own.
struct Reader {
    control: Control,
    /// None once its end was reported.
    task: Option<JoinHandle<Result<(), event_source::Error>>>,
}

impl Reader {
    fn new(running: RunningSource) -> Self {
        Self { control: running.control(), task: Some(tokio::spawn(running.wait())) }
    }

    /// Why it ended before it was told to.
    async fn broke(&mut self, who: &str) -> anyhow::Error {
        match self.ended().await {
            Ok(()) => anyhow!("the {who} ended by itself"),
            Err(error) => error.context(format!("the {who} failed")),
        }
    }

    /// Has it read what is there and end.
    async fn drain(mut self, who: &str) -> anyhow::Result<()> {
        self.control.drain();
        self.ended().await.with_context(|| format!("the {who} failed"))
    }

    async fn ended(&mut self) -> anyhow::Result<()> {
        let Some(task) = &mut self.task else { return Ok(()) };
        let ended = task.await;
        self.task = None;
        Ok(ended??)
    }
}

impl System {
    /// A generation that no stream has had. It is on the disk before it is used.
    pub(crate) fn raise_generation(&mut self) -> Result<u32, Failure> {
        self.state.change(|remembered| remembered.generation += 1).or_internal()?;
        Ok(self.state.remembered.generation)
    }

    /// Makes the stream and begins to read it.
    pub(crate) async fn begin_epoch(&mut self) -> Result<Epoch, Failure> {
        let generation = self.raise_generation()?;
        self.local.create_stream(STREAM, SHARDS).await.or_internal()?;
        let kinesis = self.local.kinesis().or_internal()?;
        let now_ms = clock::now_ms();
        let parts = ConsumerParts {
            kinesis: kinesis.clone(),
            stream: STREAM.to_owned(),
            tiles: self.tiles.clone(),
            quarantine: self.data.clone(),
            set: Arc::clone(&self.set),
            counter: CounterSettings { generation, ..CounterSettings::default() },
            source: Settings {
                batch_size: 1_000,
                batching_window: Duration::from_millis(100),
                poll_interval: Duration::from_millis(50),
                ..Settings::default()
            },
            watch: self.observed.watch(),
        };
        let consumer = Consumer::start(parts, now_ms).await.or_internal()?;
        let archive = Archive {
            objects: self.data.clone(),
            plan: Arc::clone(&self.plan),
            generation,
            archived: Arc::clone(&self.archived.shards),
        };
        let archive = archive.start(kinesis.clone(), STREAM, now_ms).await.or_internal()?;
        let Consumer { running, totals } = consumer;
        let (consumer, archive) = (Reader::new(running), Reader::new(archive));
        Ok(Epoch { kinesis, consumer, archive, totals: Totals(totals) })
    }

    /// Stops the service and the endpoints, and notes that all is well if it is.
    pub(crate) async fn end(mut self, lived: Outcome) -> Outcome {
        self.service.stop().await.or_internal()?;
        self.observed.finish().await;
        self.local.shutdown().await;
        if lived.is_ok() {
            let until_ms = clock::now_ms();
            let ended = self.state.change(|remembered| {
                remembered.is_running = false;
                remembered.archived_until_ms = Some(until_ms);
            });
            ended.or_internal()?;
        }
        lived
    }
}

impl Epoch {
    /// What the consumer does, to be watched.
    pub(crate) fn totals(&self) -> Totals {
        self.totals.clone()
    }

    /// Feeds the stream until it is full or told to stop. Fails where the stream or one who reads it does.
    pub(crate) async fn run(
        &mut self,
        feeder: &mut Feeder,
        stop: &mut watch::Receiver<bool>,
    ) -> anyhow::Result<Ended> {
        tokio::select! {
            fed = feeder.feed(&self.kinesis, BYTES_MAX, stop) => fed,
            error = self.consumer.broke("consumer") => Err(error),
            error = self.archive.broke("archive") => Err(error),
        }
    }

    /// Has everything read that the stream holds, then deletes it.
    pub(crate) async fn drain(self) -> (BatchReport, anyhow::Result<()>) {
        let (counted, archived) = tokio::join!(self.consumer.drain("consumer"), self.archive.drain("archive"));
        // Its memory is given back.
        let deleted = self.kinesis.delete_stream().stream_name(STREAM).send().await;
        let deleted = deleted.map(drop).context("the stream cannot be deleted");
        (self.totals.now(), counted.and(archived).and(deleted))
    }
}
