//! One shard's delivery as a state machine: what to do next, and what an answer changes. No I/O, no clock.
//!
//! The driver asks [`ShardProgress::next`] what to do, does it, and reports with [`ShardProgress::push`],
//! [`ShardProgress::settle`] or [`ShardProgress::lose`]. Times are milliseconds of any clock that the driver chose,
//! the same as that of the records' arrival.

use std::collections::VecDeque;

use crate::{MAX_BATCH_BYTES, Record, Recut, Settings, Verdict, payload_bytes};

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read at most so many records and [`ShardProgress::push`] them. When nothing is there, poll again, at
    /// `deliver_at_ms` at the latest if that is given: then what is held is delivered.
    Read {
        /// Records to read.
        limit: usize,
        /// When the batching window of the records that are held ends.
        deliver_at_ms: Option<i64>,
    },
    /// Wait until then, for the next retry.
    Wait {
        /// When to ask again.
        until_ms: i64,
    },
    /// Hand this batch to the handler, then [`ShardProgress::settle`] or [`ShardProgress::lose`] it.
    Deliver(Batch),
    /// These were given up for their age: report them and save the checkpoint.
    Discard(Discarded),
    /// A batch is with the handler.
    Await,
    /// The shard has ended and every record of it is settled.
    Finished,
}

/// A batch: the oldest records that are not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Records in it; see [`ShardProgress::records`].
    pub len: usize,
    /// How many of them were delivered before.
    pub redelivered: usize,
}

/// Why records were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscardReason {
    /// They failed more often than allowed.
    RetriesExhausted,
    /// They grew too old.
    RecordAgeExceeded,
}

/// Records that were given up, described as in the message of Lambda's on-failure destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// Why.
    pub reason: DiscardReason,
    /// How many.
    pub records: usize,
    /// The first sequence number.
    pub first: String,
    /// The last sequence number.
    pub last: String,
    /// When the first one arrived, in milliseconds since 1970 UTC.
    pub first_arrived_at_ms: i64,
}

/// What settling a batch changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Records that are done.
    pub done: usize,
    /// Records that were given up; the checkpoint is behind them.
    pub discarded: Option<Discarded>,
}

/// The state of one shard's delivery.
#[derive(Clone, Debug)]
pub struct ShardProgress {
    settings: Settings,
    stream_arn: String,
    shard_id: String,
    /// Read and not settled, in order.
    held: VecDeque<Record>,
    /// Lengths of the batches to deliver next, from the front of `held`: what is left of batches that failed. Empty
    /// when the next batch is cut anew.
    pieces: VecDeque<usize>,
    /// Length of the batch that the handler has.
    in_flight: Option<usize>,
    /// Records from the front of `held` that were delivered at least once.
    delivered: usize,
    /// Failures in a row of the record at the front.
    failures: u32,
    /// When the next delivery may be tried, after a failure.
    retry_at_ms: Option<i64>,
    /// When the oldest record of the batch to come was pushed.
    held_since_ms: i64,
    /// Sequence number of the last record that is settled.
    checkpoint: Option<String>,
    has_ended: bool,
}

impl ShardProgress {
    /// A shard of which everything up to `checkpoint` is settled.
    pub fn new(settings: Settings, stream_arn: &str, shard_id: &str, checkpoint: Option<String>) -> Self {
        Self {
            settings,
            stream_arn: stream_arn.to_owned(),
            shard_id: shard_id.to_owned(),
            held: VecDeque::new(),
            pieces: VecDeque::new(),
            in_flight: None,
            delivered: 0,
            failures: 0,
            retry_at_ms: None,
            held_since_ms: 0,
            checkpoint,
            has_ended: false,
        }
    }

    /// What to do at `now_ms`. With `flush`, what is held is delivered without waiting for more, and a read is asked
    /// for only when nothing is held.
    pub fn next(&mut self, now_ms: i64, flush: bool) -> Step {
        if self.in_flight.is_some() {
            return Step::Await;
        }
        if let Some(discarded) = self.discard_old(now_ms) {
            return Step::Discard(discarded);
        }
        if self.held.is_empty() {
            return if self.has_ended {
                Step::Finished
            } else {
                Step::Read { limit: self.settings.batch_size, deliver_at_ms: None }
            };
        }
        if let Some(until_ms) = self.retry_at_ms.filter(|&until_ms| until_ms > now_ms) {
            return Step::Wait { until_ms };
        }
        let len = match self.pieces.front() {
            Some(&len) => len,
            None => match self.cut(now_ms, flush) {
                Ok(len) => len,
                Err(step) => return step,
            },
        };
        self.in_flight = Some(len);
        let redelivered = len.min(self.delivered);
        self.delivered = self.delivered.max(len);
        Step::Deliver(Batch { len, redelivered })
    }

    /// The first `len` records that are not settled: those of the batch in flight.
    pub fn records(&self, len: usize) -> impl Iterator<Item = &Record> + Clone {
        self.held.iter().take(len)
    }

    /// Takes what a read gave, in order, and whether the shard ends there.
    pub fn push(&mut self, now_ms: i64, records: Vec<Record>, is_end: bool) {
        if self.held.is_empty() {
            self.held_since_ms = now_ms;
        }
        self.held.extend(records);
        self.has_ended |= is_end;
    }

    /// The handler answered for the batch in flight.
    pub fn settle(&mut self, now_ms: i64, verdict: Verdict) -> Settled {
        let Some(len) = self.in_flight.take() else {
            return Settled::default();
        };
        self.pieces.pop_front();
        let (done, is_whole) = match verdict {
            Verdict::Done => (len, false),
            Verdict::FailedFrom(index) => (index.min(len), index == 0),
            Verdict::Failed => (0, true),
        };
        if done > 0 {
            self.remove(done);
            self.failures = 0;
            self.retry_at_ms = None;
        }
        let rest = len - done;
        if rest == 0 {
            return Settled { done, discarded: None };
        }
        let backoff = |failures| self.settings.retry_backoff.after(failures).as_millis() as i64;
        if is_whole && self.settings.bisect_on_error && rest > 1 {
            self.retry_at_ms = Some(now_ms.saturating_add(backoff(1)));
            self.pieces.push_front(rest - rest / 2);
            self.pieces.push_front(rest / 2);
            return Settled { done, discarded: None };
        }
        self.failures += 1;
        if self.settings.max_retries.is_some_and(|max| self.failures > max) {
            let discarded = self.discard(rest, DiscardReason::RetriesExhausted);
            return Settled { done, discarded };
        }
        self.retry_at_ms = Some(now_ms.saturating_add(backoff(self.failures)));
        self.pieces.push_front(rest);
        Settled { done, discarded: None }
    }

    /// The answer for the batch in flight was lost: nothing is settled, and the records are delivered again.
    pub fn lose(&mut self, recut: Recut) {
        let Some(len) = self.in_flight.take() else {
            return;
        };
        self.pieces.pop_front();
        match recut {
            Recut::Split(at) if at > 0 && at < len => {
                self.pieces.push_front(len - at);
                self.pieces.push_front(at);
            }
            Recut::Same | Recut::Split(_) => self.pieces.push_front(len),
            Recut::Fresh => self.pieces.clear(),
        }
    }

    /// The sequence number of the last record that is settled.
    pub fn checkpoint(&self) -> Option<&str> {
        self.checkpoint.as_deref()
    }

    /// Records that are read and not settled.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// The length of a new batch, or what to do before it is cut.
    fn cut(&self, now_ms: i64, flush: bool) -> Result<usize, Step> {
        let mut len = 0;
        // `{"Records":[]}`
        let mut bytes = 14;
        let mut is_full = false;
        for record in self.held.iter().take(self.settings.batch_size) {
            bytes += payload_bytes(&self.stream_arn, &self.shard_id, record);
            if len > 0 && bytes > MAX_BATCH_BYTES {
                is_full = true;
                break;
            }
            len += 1;
        }
        is_full |= len == self.settings.batch_size;
        let deliver_at_ms = self.held_since_ms.saturating_add(self.settings.batching_window.as_millis() as i64);
        if is_full || flush || self.has_ended || deliver_at_ms <= now_ms {
            Ok(len)
        } else {
            Err(Step::Read { limit: self.settings.batch_size - len, deliver_at_ms: Some(deliver_at_ms) })
        }
    }

    fn discard_old(&mut self, now_ms: i64) -> Option<Discarded> {
        let max_age_ms = self.settings.max_record_age?.as_millis() as i64;
        let old =
            self.held.iter().take_while(|record| now_ms.saturating_sub(record.arrived_at_ms) > max_age_ms).count();
        self.discard(old, DiscardReason::RecordAgeExceeded)
    }

    fn discard(&mut self, records: usize, reason: DiscardReason) -> Option<Discarded> {
        let first = self.held.front()?;
        let last = self.held.get(records.checked_sub(1)?)?;
        let discarded = Discarded {
            reason,
            records,
            first: first.sequence_number.clone(),
            last: last.sequence_number.clone(),
            first_arrived_at_ms: first.arrived_at_ms,
        };
        // A batch that failed has been taken off `pieces`; one that grew old has not.
        if reason == DiscardReason::RecordAgeExceeded {
            self.shorten_pieces(records);
        }
        self.remove(records);
        self.failures = 0;
        self.retry_at_ms = None;
        Some(discarded)
    }

    fn shorten_pieces(&mut self, mut records: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            if *piece > records {
                *piece -= records;
                return;
            }
            records -= *piece;
            self.pieces.pop_front();
        }
    }

    /// Settles the first records.
    fn remove(&mut self, records: usize) {
        if let Some(last) = self.held.drain(..records.min(self.held.len())).next_back() {
            self.checkpoint = Some(last.sequence_number);
        }
        self.delivered = self.delivered.saturating_sub(records);
    }
}

#[cfg(test)]
#[path = "shard_progress_tests.rs"]
mod tests;
