//! The Kinesis event-source mapping as a library: what AWS Lambda does between a stream and a function.
//!
//! [`EventSource::start`] reads the shards of a [`Source`], cuts batches, calls a handler with the same
//! `KinesisEvent`s as Lambda would, and honours its answer: partial failures, retries with back-off, bisecting,
//! record age, resharding. Records of a shard come in order, one batch at a time; shards run side by side. Delivery
//! is at least once.
//!
//! Every decision is in code without I/O or a clock: [`ShardProgress`] for one shard, [`Lineage`] for the order of
//! shards, [`Verdict`] for what an answer means. A simulation can drive the same code.
//!
//! Followed: <https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html> and
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html>. Left out: enhanced
//! fan-out, tumbling windows, event filters, and a parallelization factor above 1.

mod checkpoints;
mod event;
mod event_source;
mod handler;
mod kinesis_source;
mod lineage;
mod memory_source;
mod progress;
mod record;
mod redeliver;
mod settings;
mod shard_progress;
mod shard_task;
mod source;
mod verdict;

pub use checkpoints::{Checkpoint, CheckpointError, Checkpoints, FileCheckpoints, MemoryCheckpoints};
pub use event::{kinesis_event, payload_bytes};
pub use event_source::{Control, Error, EventSource, OnDiscard, RunningSource};
pub use handler::Handler;
pub use kinesis_source::{KinesisReader, KinesisSource};
pub use lineage::Lineage;
pub use memory_source::{MemoryReader, MemorySource};
pub use progress::{Progress, ProgressSnapshot};
pub use record::{Record, Shard};
pub use redeliver::{Recut, Redeliver};
pub use settings::{
    MAX_BATCH_BYTES, MAX_BATCH_SIZE, MAX_BATCHING_WINDOW, RetryBackoff, Settings, SettingsError, StartPosition,
};
pub use shard_progress::{Batch, DiscardReason, Discarded, Settled, ShardProgress, Step};
pub use source::{Fetched, Reader, Source, SourceError, StartAt};
pub use verdict::Verdict;
