//! The stream layer of the local run, put together from the same parts as on AWS: a producer that puts records,
//! the event source, the handler of count-calls, and the service.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use ::features::FeatureSet;
use aws_lambda_events::kinesis::KinesisEvent;
use aws_sdk_kinesis::Client as Kinesis;
use cdr::NumberPlan;
use count_calls::{BatchReport, CallCounter, CounterSettings, ObjectQuarantine};
use event_source::{Checkpoints, EventSource, KinesisSource, MemoryCheckpoints, RunningSource, Settings};
use objects::Objects;
use serve_features::answer_log::AnswerLog;
use serve_features::metrics_page::Metrics;
use serve_features::native::{Exposure, NativeServer};
use serve_features::sources::{SnapshotSource, TileSource};
use serve_features::stores::{NoTiles, PublishedSnapshots, StoredTiles};
use serve_features::{Clock, Service};
use snapshot::SnapshotCache;
pub(crate) use stream_writer::Outgoing;
use stream_writer::{Patience, PutError};
use telemetry::Watch;
use tiles::DynamoTiles;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::observed::Observed;

/// Puts records on the stream; those that it turns away are put again.
pub(crate) async fn put_records(kinesis: &Kinesis, stream: &str, records: &[Outgoing]) -> Result<(), PutError> {
    stream_writer::put_records(kinesis, stream, records, Patience::default()).await.all()
}

/// What the consumer needs.
pub(crate) struct ConsumerParts {
    pub(crate) kinesis: Kinesis,
    pub(crate) stream: String,
    pub(crate) tiles: DynamoTiles,
    pub(crate) quarantine: Objects,
    pub(crate) set: Arc<FeatureSet>,
    pub(crate) counter: CounterSettings,
    pub(crate) source: Settings,
    /// Told of each batch.
    pub(crate) watch: Watch,
}

/// The consumer, running.
pub(crate) struct Consumer {
    pub(crate) running: RunningSource,
    pub(crate) totals: Arc<StdMutex<BatchReport>>,
}

impl Consumer {
    /// Starts to consume the stream as Lambda would, from its beginning.
    pub(crate) async fn start(parts: ConsumerParts, now_ms: i64) -> anyhow::Result<Self> {
        Self::start_from(parts, Arc::new(MemoryCheckpoints::default()), now_ms).await
    }

    /// The same from where the checkpoints stand.
    pub(crate) async fn start_from(
        parts: ConsumerParts,
        checkpoints: Arc<dyn Checkpoints>,
        now_ms: i64,
    ) -> anyhow::Result<Self> {
        let ConsumerParts { kinesis, stream, tiles, quarantine, set, counter, source, watch } = parts;
        let plan = Arc::new(NumberPlan::new(&set.settings().default_region)?);
        let timeout = source.function_timeout;
        let totals = Arc::new(StdMutex::new(BatchReport::default()));
        let seen = Arc::clone(&totals);
        // As on Lambda, a function keeps its tiles from batch to batch of its shard.
        let functions: Functions = Arc::default();
        let handler = move |event: KinesisEvent| {
            let (functions, seen, sink) = (Arc::clone(&functions), Arc::clone(&seen), watch.sink.clone());
            let shard = shard_of(&event);
            let fresh = || {
                let quarantine = ObjectQuarantine::new(quarantine.clone());
                let counter =
                    CallCounter::new(tiles.clone(), quarantine, Arc::clone(&set), Arc::clone(&plan), counter);
                counter.with_tracer(watch.tracer.clone())
            };
            let function = {
                let mut functions = functions.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(functions.entry(shard).or_insert_with(|| Arc::new(Mutex::new(fresh()))))
            };
            async move {
                let (response, report) = function.lock().await.handle(event, Instant::now() + timeout).await?;
                tracing::info!(report = %serde_json::to_string(&report).unwrap_or_default(), "batch");
                if let Some(sink) = sink {
                    sink.record(&report.measurements());
                }
                seen.lock().unwrap_or_else(PoisonError::into_inner).merge(&report);
                Ok::<_, count_calls::HandleError>(response)
            }
        };
        let source = EventSource::new(KinesisSource::new(kinesis, &stream).await?, source)?;
        let source = source.with_checkpoints(checkpoints);
        Ok(Self { running: source.start(now_ms, handler), totals })
    }
}

type Functions = Arc<StdMutex<HashMap<String, Arc<Mutex<CallCounter<DynamoTiles, ObjectQuarantine>>>>>>;

fn shard_of(event: &KinesisEvent) -> String {
    let id = event.records.first().and_then(|record| record.event_id.as_deref()).unwrap_or_default();
    id.split(':').next().unwrap_or_default().to_owned()
}

/// The service, running.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), serve_features::native::NativeError>>,
}

impl Running {
    /// Starts the service, which shows what is observed to whoever may ask it.
    pub(crate) async fn start(
        address: SocketAddr,
        service: Service,
        exposure: Exposure,
        observed: &Observed,
    ) -> anyhow::Result<Self> {
        let service = Arc::new(service);
        let metrics = observed.exposition.clone();
        let metrics = metrics.map(|exposition| Metrics { exposition, service: Arc::clone(&service) });
        let server = NativeServer::bind_with(address, service, exposure).await?.with_watch(observed.watch(), metrics);
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.serve(async {
            // A sender that is gone wants it stopped too.
            let _ = stopped.await;
        }));
        Ok(Self { address, stop, task })
    }

    /// Finishes what is in flight and stops.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let _ = self.stop.send(());
        self.task.await??;
        Ok(())
    }
}

/// The snapshots below `data`.
pub(crate) fn snapshots(
    set: &Arc<FeatureSet>,
    data: Objects,
    clock: Clock,
    cache: Arc<SnapshotCache>,
) -> Arc<dyn SnapshotSource> {
    Arc::new(PublishedSnapshots::new(data, Arc::clone(set), cache, clock))
}

/// The service over a table of tiles, if there is one, and snapshots; a sample of its answers goes to the log.
pub(crate) fn service(
    set: &Arc<FeatureSet>,
    tiles: Option<DynamoTiles>,
    snapshots: Arc<dyn SnapshotSource>,
    clock: Clock,
    answer_log: Option<AnswerLog>,
) -> anyhow::Result<Service> {
    let plan = NumberPlan::new(&set.settings().default_region)?;
    let tiles: Arc<dyn TileSource> = match tiles {
        Some(tiles) => Arc::new(StoredTiles::new(tiles, Arc::clone(set), Arc::clone(&clock))),
        None => Arc::new(NoTiles::new(Arc::clone(set))),
    };
    let service = Service::new(Arc::clone(set), plan, tiles, snapshots, clock);
    Ok(match answer_log {
        Some(log) => service.with_answer_log(log),
        None => service,
    })
}
