//! Drives one shard: does what [`ShardProgress`] says.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::event_source::{Error, Mode, Shared, pause};
use crate::{
    Batch, Checkpoint, Discarded, Fetched, Handler, Progress, Reader as _, ShardProgress, Source, SourceError,
    StartAt, Step, Verdict, kinesis_event,
};

/// The wait after a read that found nothing although there is more: Kinesis gives empty answers while it looks
/// through a stretch without records, and allows 5 reads a second.
const GAP_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// How reading a shard came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The shard is closed and all of it is settled.
    Ended,
    /// All that was in it when draining was asked for is settled.
    AtTip,
    /// It was told to stop.
    Stopped,
}

/// The task of one shard.
pub(crate) struct ShardTask<S: Source, H> {
    shared: Arc<Shared<S, H>>,
    shard_id: String,
    mode: watch::Receiver<Mode>,
    reader: Option<S::Reader>,
    read_failures: u32,
    /// A read that began after draining was asked for reached the tip.
    is_at_tip: bool,
    /// The shard is known to be closed: there is a tip, but also an end to wait for.
    is_closed: bool,
    /// Batches that the handler took.
    taken_batches: u64,
}

impl<S: Source, H: Handler> ShardTask<S, H> {
    pub(crate) fn new(shared: Arc<Shared<S, H>>, shard_id: String, mode: watch::Receiver<Mode>) -> Self {
        Self {
            shared,
            shard_id,
            mode,
            reader: None,
            read_failures: 0,
            is_at_tip: false,
            is_closed: false,
            taken_batches: 0,
        }
    }

    /// Reads and delivers until the shard ends or the mode says so.
    pub(crate) async fn run(mut self, from: StartAt) -> Result<Outcome, Error> {
        self.shared.progress.set_behind(&self.shard_id, 0);
        let outcome = self.drive(from).await;
        self.shared.progress.remove_shard(&self.shard_id);
        outcome
    }

    async fn drive(&mut self, from: StartAt) -> Result<Outcome, Error> {
        let checkpoint = if let StartAt::After(number) = &from { Some(number.clone()) } else { None };
        let settings = self.shared.settings.clone();
        let mut progress = ShardProgress::new(settings, self.shared.source.stream_arn(), &self.shard_id, checkpoint);
        loop {
            let mode = *self.mode.borrow_and_update();
            if mode == Mode::Stop {
                return Ok(Outcome::Stopped);
            }
            match progress.next(self.shared.clock.now_ms(), mode == Mode::Drain) {
                Step::Read { .. } if self.is_at_tip => return Ok(Outcome::AtTip),
                Step::Read { limit, deliver_at_ms } => {
                    self.read(&mut progress, &from, mode, limit, deliver_at_ms).await?;
                }
                Step::Wait { until_ms } => pause(self.shared.clock.until(until_ms), &mut self.mode).await,
                Step::Deliver(batch) => self.deliver(&mut progress, batch).await?,
                Step::Discard(discarded) => {
                    self.report(&discarded);
                    self.save(&progress).await?;
                }
                Step::Finished => {
                    self.shared.checkpoints.save(&self.shard_id, Checkpoint::Ended).await?;
                    return Ok(Outcome::Ended);
                }
                // `deliver` settles its batch before it returns.
                Step::Await => return Err(Error::Broken { detail: "a batch was not settled".to_owned() }),
            }
        }
    }

    /// Reads once; after a read that found nothing, waits a while.
    async fn read(
        &mut self,
        progress: &mut ShardProgress,
        from: &StartAt,
        mode: Mode,
        limit: usize,
        deliver_at_ms: Option<i64>,
    ) -> Result<(), Error> {
        let fetched = match self.fetch(from, limit).await {
            Ok(fetched) => fetched,
            Err(SourceError::Retryable(detail)) => {
                tracing::warn!(shard_id = self.shard_id, detail, "a shard could not be read");
                Progress::add(&self.shared.progress.read_errors, 1);
                self.read_failures += 1;
                let wait = self.shared.settings.retry_backoff.after(self.read_failures);
                pause(wait, &mut self.mode).await;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.read_failures = 0;
        let read = fetched.records.len();
        Progress::add(&self.shared.progress.records_read, read);
        self.shared.progress.set_behind(&self.shard_id, fetched.behind_latest_ms);
        // A read that was cut off by its limit is not at the tip, even where a source says that it is 0 ms behind.
        let is_tip = fetched.behind_latest_ms == 0 && read < limit && !fetched.is_end;
        if mode == Mode::Drain && is_tip && !self.is_closed {
            self.reached_tip().await?;
        }
        progress.push(self.shared.clock.now_ms(), fetched.records, fetched.is_end);
        if read == 0 && !fetched.is_end && !self.is_at_tip {
            let poll = self.shared.settings.poll_interval;
            let poll = if fetched.behind_latest_ms > 0 { poll.min(GAP_POLL_INTERVAL) } else { poll };
            let wait = deliver_at_ms.map_or(poll, |ms| poll.min(self.shared.clock.until(ms)));
            pause(wait, &mut self.mode).await;
        }
        Ok(())
    }

    async fn fetch(&mut self, from: &StartAt, limit: usize) -> Result<Fetched, SourceError> {
        if let Some(reader) = &mut self.reader {
            return reader.read(limit).await;
        }
        let reader = self.shared.source.open(&self.shard_id, from.clone()).await?;
        self.reader.insert(reader).read(limit).await
    }

    /// A read while draining reached the tip. If the shard was split or merged, it has an end to be read to: its
    /// children may hold records from before draining was asked for, and they come after it.
    async fn reached_tip(&mut self) -> Result<(), Error> {
        match self.shared.source.shards().await {
            Ok(shards) => {
                self.is_closed = shards.iter().any(|shard| shard.id == self.shard_id && shard.is_closed);
                self.is_at_tip = !self.is_closed;
                Ok(())
            }
            // Not known; the next read that reaches the tip asks again.
            Err(SourceError::Retryable(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands a batch to the handler and settles it.
    async fn deliver(&mut self, progress: &mut ShardProgress, batch: Batch) -> Result<(), Error> {
        let counters = self.shared.progress.clone();
        Progress::add(&counters.batches, 1);
        Progress::add(&counters.records_delivered, batch.len);
        Progress::add(&counters.records_redelivered, batch.redelivered);
        let verdict = self.call(progress, batch).await;
        match verdict {
            Verdict::Done => {
                self.taken_batches += 1;
                let redeliver = self.shared.settings.redeliver.as_ref();
                let lost = redeliver.and_then(|r| r.decide(&self.shard_id, self.taken_batches, batch.len));
                if let Some(recut) = lost {
                    Progress::add(&counters.lost_batches, 1);
                    progress.lose(recut);
                    return Ok(());
                }
            }
            Verdict::FailedFrom(index) if index > 0 => Progress::add(&counters.partial_batches, 1),
            Verdict::FailedFrom(_) | Verdict::Failed => Progress::add(&counters.failed_batches, 1),
        }
        let settled = progress.settle(self.shared.clock.now_ms(), verdict);
        Progress::add(&counters.records_done, settled.done);
        if let Some(discarded) = &settled.discarded {
            self.report(discarded);
        }
        if settled.done > 0 || settled.discarded.is_some() {
            self.save(progress).await?;
        }
        Ok(())
    }

    async fn call(&mut self, progress: &ShardProgress, batch: Batch) -> Verdict {
        let event = kinesis_event(self.shared.source.stream_arn(), &self.shard_id, progress.records(batch.len));
        let handled = AssertUnwindSafe(self.shared.handler.handle(event)).catch_unwind();
        let why = match timeout(self.shared.settings.function_timeout, handled).await {
            Ok(Ok(Ok(response))) => return Verdict::of(&response, progress.records(batch.len)),
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) => "the handler panicked".to_owned(),
            Err(_) => format!("the handler took longer than {:?}", self.shared.settings.function_timeout),
        };
        tracing::warn!(shard_id = self.shard_id, records = batch.len, why, "a batch failed");
        Verdict::Failed
    }

    fn report(&self, discarded: &Discarded) {
        tracing::error!(
            shard_id = self.shard_id,
            records = discarded.records,
            first = discarded.first,
            last = discarded.last,
            reason = ?discarded.reason,
            "records were given up"
        );
        Progress::add(&self.shared.progress.records_discarded, discarded.records);
        if let Some(on_discard) = &self.shared.on_discard {
            on_discard(&self.shard_id, discarded);
        }
    }

    async fn save(&mut self, progress: &ShardProgress) -> Result<(), Error> {
        if let Some(number) = progress.checkpoint() {
            self.shared.checkpoints.save(&self.shard_id, Checkpoint::After(number.to_owned())).await?;
        }
        Ok(())
    }
}
