//! The handler: one batch, chunk by chunk.

use std::num::NonZeroUsize;
use std::sync::Arc;

use aws_lambda_events::kinesis::KinesisEvent;
use aws_lambda_events::streams::KinesisEventResponse;
use cdr::{CallRecord, Lateness, NumberPlan, Parsed};
use features::{FeatureSet, Level, Observation, Observer, Party, SlotInput, SlotMask};
use futures::StreamExt as _;
use telemetry::Tracer;
use tiles::sabotage::{Sabotage, is_on};
use tiles::{CallMark, CallerTile, DerivedTile, Position, ShardKey, TileStore, Verdict, note_coverage};
use tokio::time::Instant;

use crate::batch_span::BatchSpan;
use crate::caller_stage::{mark, write_caller_tiles};
use crate::cut::{first_undone, first_unsettled, settled_calls};
use crate::derived_stage::write_derived_tiles;
use crate::intake::{Received, ShardBatch, judge, read_event};
use crate::limits::{CACHE_BYTES, CHUNK_RECORDS, DEADLINE_MARGIN, NOTE_TIME_MAX, TILE_LIFE_MIN_MS};
use crate::quarantine::{Quarantine, set_aside};
use crate::report::BatchReport;
use crate::tile_cache::TileCache;
use crate::write::{Cost, WriteFailure};

/// What a deployment chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterSettings {
    /// Raised when a stream of the same name is recreated: its sequence numbers begin anew.
    pub generation: u32,
    /// How old a call may be when it arrives.
    pub lateness: Lateness,
    /// How long the stream keeps records, in milliseconds: a redelivery may come that late.
    pub retention_ms: i64,
    /// Since when the stream holds every call, in milliseconds since 1970 UTC, for calls that are replayed; `None`:
    /// since the first record arrived. Noted once a feature set: answers about earlier times are marked.
    pub covers_from_ms: Option<i64>,
    /// Requests to the tile store that wait for their answers at a time, and as many to quarantine.
    pub requests_in_flight: NonZeroUsize,
}

/// Why an event was not worked through at all; the stream delivers the whole batch again.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// Not what an event-source mapping of Kinesis sends.
    #[error("the event is no Kinesis batch: {0}; map the function to a stream with ParallelizationFactor 1")]
    Event(&'static str),
    /// Trying again does not help until somebody acts.
    #[error("{0}")]
    Fatal(String),
}

/// Counts the calls of one shard's batches. It keeps tiles from batch to batch: use one for each shard.
#[derive(Debug)]
pub struct CallCounter<S, Q> {
    store: S,
    quarantine: Q,
    set: Arc<FeatureSet>,
    plan: Arc<NumberPlan>,
    settings: CounterSettings,
    observer: Observer,
    caller_tiles: TileCache<CallerTile>,
    derived_tiles: TileCache<DerivedTile>,
    is_coverage_noted: bool,
    tracer: Option<Tracer>,
    /// Emptied at each chunk, kept for its room: giving megabytes back and forth took an eighth of the time.
    arena: [Vec<SlotInput>; 2],
}

impl<S: TileStore, Q: Quarantine> CallCounter<S, Q> {
    /// A counter that has seen no batch.
    pub fn new(
        store: S,
        quarantine: Q,
        set: Arc<FeatureSet>,
        plan: Arc<NumberPlan>,
        settings: CounterSettings,
    ) -> Self {
        let observer = Observer::new(Arc::clone(&set));
        let (caller_tiles, derived_tiles) = (TileCache::new(CACHE_BYTES / 2), TileCache::new(CACHE_BYTES / 2));
        Self {
            store,
            quarantine,
            set,
            plan,
            settings,
            observer,
            caller_tiles,
            derived_tiles,
            is_coverage_noted: false,
            tracer: None,
            arena: [Vec::new(), Vec::new()],
        }
    }

    /// Makes a span of each batch, with links to those who sent its records.
    #[must_use]
    pub fn with_tracer(mut self, tracer: Option<Tracer>) -> Self {
        self.tracer = tracer;
        self
    }

    /// Works through a batch and says from which record on the stream is to deliver again, if from any. It
    /// stops, with what it has done, shortly before `deadline`.
    pub async fn handle(
        &mut self,
        event: KinesisEvent,
        deadline: Instant,
    ) -> Result<(KinesisEventResponse, BatchReport), HandleError> {
        let mut response = KinesisEventResponse::default();
        let mut report = BatchReport::default();
        if event.records.is_empty() {
            return Ok((response, report));
        }
        let ShardBatch { stream, shard, records } = read_event(event)?;
        let mut span = BatchSpan::begin(self.tracer.as_ref(), &stream, &shard, records.len());
        let generation = if is_on(Sabotage::GenerationNotRaised) { 1 } else { self.settings.generation };
        let shard = ShardKey::new(&stream, generation, &shard);
        let stop_at = deadline.checked_sub(DEADLINE_MARGIN).unwrap_or(deadline);
        report.received = records.len() as u64;
        if !self.is_coverage_noted {
            let since_ms = self.settings.covers_from_ms.unwrap_or(records[0].arrived_at_ms);
            let noted = note_coverage(&self.store, self.set.version(), since_ms);
            // Where it does not work the next batch tries again; answers are marked until then.
            match tokio::time::timeout(NOTE_TIME_MAX, noted).await {
                Ok(Ok(units)) => {
                    self.is_coverage_noted = true;
                    report.write_units += units;
                }
                Ok(Err(error)) => tracing::warn!(%error, "since when calls are counted could not be noted"),
                Err(_) => tracing::warn!("since when calls are counted could not be noted in time"),
            }
        }
        for (n, chunk) in records.chunks(CHUNK_RECORDS).enumerate() {
            let counted = self.count_chunk(&shard, chunk, stop_at, &mut report, &mut span).await;
            if let Some(undone) = counted.inspect_err(|_| span.fail("fatal"))? {
                span.fail("records_undone");
                let undone = n * CHUNK_RECORDS + undone;
                report.undone = (records.len() - undone) as u64;
                let reported = undone + usize::from(is_on(Sabotage::FailureReportedOneLate));
                if let Some(record) = records.get(reported) {
                    // Of a record inside an aggregate, the aggregate comes again, and what was done of it is known.
                    response.add_failure(record.sequence_number.as_str());
                }
                break;
            }
        }
        Ok((response, report))
    }

    /// Counts a chunk; the place of its first undone record, if there is one.
    async fn count_chunk(
        &mut self,
        shard: &ShardKey,
        chunk: &[Received],
        deadline: Instant,
        report: &mut BatchReport,
        span: &mut BatchSpan,
    ) -> Result<Option<usize>, HandleError> {
        let Intake { calls, refused } = self.take_in(shard, chunk, report, span);
        let frame = Frame {
            store: &self.store,
            set: &self.set,
            life: TileLife { settings: self.settings },
            in_flight: self.settings.requests_in_flight,
            masks: Party::ALL.map(|party| Level::ALL.map(|level| self.set.mask(party, level))),
            arena: &self.arena,
        };

        if is_on(Sabotage::DerivedBeforeVerdict) {
            let presumed = vec![Verdict::New; calls.len()];
            let cache = &mut self.derived_tiles;
            let derived = write_derived_tiles(&frame, shard, &calls, &presumed, cache, deadline).await;
            stop_if_fatal(&derived.failures)?;
        }
        let quarantined = quarantine_all(&self.quarantine, refused, self.settings.requests_in_flight);
        let written = write_caller_tiles(&frame, &calls, &mut self.caller_tiles, deadline);
        let (lost, callers) = futures::join!(quarantined, written);
        report.cost(callers.cost);
        stop_if_fatal(&callers.failures)?;

        let places = calls.iter().map(|call| call.record_at);
        let unsettled = first_unsettled(lost, places.clone().zip(callers.verdicts.iter().copied()));
        let settled =
            if is_on(Sabotage::DerivedBeyondUnsettled) { calls.len() } else { settled_calls(places, unsettled) };
        let known = |verdict: &Option<Verdict>| verdict.unwrap_or(Verdict::Duplicate);
        let verdicts: Vec<Verdict> = callers.verdicts.iter().take(settled).map(known).collect();
        report.verdicts(&verdicts);
        let derived =
            write_derived_tiles(&frame, shard, &calls[..settled], &verdicts, &mut self.derived_tiles, deadline).await;
        report.cost(derived.cost);
        stop_if_fatal(&derived.failures)?;
        let underived = derived.first_undone.map(|place| calls[place].record_at);
        if let Some(WriteFailure::Undone(why)) = callers.failures.first().or(derived.failures.first()) {
            tracing::warn!(shard = shard.as_str(), why, "a tile was not written; the stream will deliver again");
        }
        Ok(first_undone(unsettled, underived))
    }

    fn take_in(
        &mut self,
        shard: &ShardKey,
        chunk: &[Received],
        report: &mut BatchReport,
        span: &mut BatchSpan,
    ) -> Intake {
        let mut intake = Intake { calls: Vec::with_capacity(chunk.len()), refused: Vec::new() };
        self.arena.iter_mut().for_each(Vec::clear);
        for (record_at, received) in chunk.iter().enumerate() {
            match judge(&self.plan, self.settings.lateness, received) {
                Ok(Parsed { record, unknown_fields, traceparent }) => {
                    span.link(traceparent.as_deref());
                    report.unknown_fields += unknown_fields as u64;
                    report.arrived_after(received.arrived_at_ms - record.started_at_ms);
                    let observed = self.observer.observe(&record);
                    for party in Party::ALL {
                        self.arena[party as usize].extend_from_slice(observed.of(party).inputs);
                    }
                    let mark = mark(shard, received.position, &record.call_id);
                    let index = intake.calls.len();
                    intake.calls.push(Call { record, position: received.position, mark, record_at, index });
                }
                Err(error) => {
                    report.quarantine(error.reason);
                    let (key, record) = set_aside(shard, received, &error);
                    intake.refused.push((record_at, key, record));
                }
            }
        }
        intake
    }
}

/// A valid call of a chunk.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) record: CallRecord,
    pub(crate) position: Position,
    pub(crate) mark: CallMark,
    /// Place of its record in the chunk.
    record_at: usize,
    /// Place among the valid calls, by which its observations are found.
    index: usize,
}

/// A chunk, judged.
struct Intake {
    calls: Vec<Call>,
    refused: Vec<(usize, String, crate::QuarantinedRecord)>,
}

/// What both stages need to know of a chunk.
pub(crate) struct Frame<'a, S> {
    pub(crate) store: &'a S,
    pub(crate) set: &'a FeatureSet,
    pub(crate) life: TileLife,
    pub(crate) in_flight: NonZeroUsize,
    masks: [[SlotMask; 3]; 2],
    /// The slot inputs of all calls, one stretch a call, for each party.
    arena: &'a [Vec<SlotInput>; 2],
}

impl<S> Frame<'_, S> {
    pub(crate) const fn range_digits(&self) -> u8 {
        self.set.settings().range_digits
    }

    pub(crate) const fn mask(&self, party: Party, level: Level) -> SlotMask {
        self.masks[party as usize][level as usize]
    }

    pub(crate) fn observation(&self, call: &Call, party: Party) -> Observation<'_> {
        let width = self.set.slots(party).len();
        let inputs = &self.arena[party as usize][call.index * width..(call.index + 1) * width];
        Observation { started_at_ms: call.record.started_at_ms, inputs }
    }
}

/// How long tiles live. A caller tile outlives every derived tile that counted its calls: were it gone first, a
/// duplicate would be accepted afresh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TileLife {
    settings: CounterSettings,
}

impl TileLife {
    /// Expiry of a derived tile that ends at `end_ms`, in seconds since 1970 UTC.
    pub(crate) fn derived_expiry_s(self, end_ms: i64) -> i64 {
        let CounterSettings { lateness, retention_ms, .. } = self.settings;
        let life_ms = (lateness.allowed_ms + retention_ms + features::DAY_MS).max(TILE_LIFE_MIN_MS);
        (end_ms + life_ms) / 1000
    }

    /// Expiry of a caller tile: hour tiles end up to an hour later, and DynamoDB deletes in any order.
    pub(crate) fn caller_expiry_s(self, end_ms: i64) -> i64 {
        if is_on(Sabotage::CallerTileExpiresFirst) {
            return (end_ms + self.settings.lateness.allowed_ms / 2) / 1000;
        }
        self.derived_expiry_s(end_ms) + features::DAY_MS / 1000
    }
}

/// Sets records aside; the place of the first that could not be.
async fn quarantine_all<Q: Quarantine>(
    quarantine: &Q,
    refused: Vec<(usize, String, crate::QuarantinedRecord)>,
    in_flight: NonZeroUsize,
) -> Option<usize> {
    let puts = refused.iter().map(|(record_at, key, record)| async move {
        match quarantine.put(key, record).await {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(%error, "the stream will deliver again");
                (!is_on(Sabotage::QuarantineFailureIgnored)).then_some(*record_at)
            }
        }
    });
    let puts: Vec<_> = puts.collect();
    let lost: Vec<_> = futures::stream::iter(puts).buffer_unordered(in_flight.get()).collect().await;
    lost.into_iter().flatten().min()
}

fn stop_if_fatal(failures: &[WriteFailure]) -> Result<(), HandleError> {
    let fatal = failures.iter().find_map(|failure| match failure {
        WriteFailure::Fatal(why) => Some(why.clone()),
        WriteFailure::Undone(_) => None,
    });
    fatal.map_or(Ok(()), |why| Err(HandleError::Fatal(why)))
}

impl BatchReport {
    fn cost(&mut self, cost: Cost) {
        self.writes += cost.writes;
        self.refusals += cost.refusals;
        self.write_units += cost.units;
    }

    fn verdicts(&mut self, verdicts: &[Verdict]) {
        for verdict in verdicts {
            match verdict {
                Verdict::New => self.counted += 1,
                Verdict::CountedBefore => self.counted_before += 1,
                Verdict::Duplicate => self.duplicates += 1,
                Verdict::Overflow => self.unchecked += 1,
            }
        }
    }
}
