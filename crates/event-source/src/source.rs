//! Where records come from.

use std::future::Future;

use crate::{Record, Shard};

/// A stream: a real one, the emulator, or a simulation.
pub trait Source: Send + Sync + 'static {
    /// Reads one shard.
    type Reader: Reader;

    /// The ARN of the stream, as it appears in events.
    fn stream_arn(&self) -> &str;

    /// All shards that still hold records, in any order.
    fn shards(&self) -> impl Future<Output = Result<Vec<Shard>, SourceError>> + Send;

    /// Opens a shard at a position.
    fn open(&self, shard_id: &str, from: StartAt) -> impl Future<Output = Result<Self::Reader, SourceError>> + Send;
}

/// Reads one shard onwards from where it was opened. Gives every record once.
pub trait Reader: Send + 'static {
    /// The next records, at most `limit`. After an error the next call carries on at the same place.
    fn read(&mut self, limit: usize) -> impl Future<Output = Result<Fetched, SourceError>> + Send;
}

/// Where to begin in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At the oldest record that the stream still has.
    TrimHorizon,
    /// After the newest record.
    Latest,
    /// After the record with this sequence number.
    After(String),
}

/// What one read gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The records, in order.
    pub records: Vec<Record>,
    /// How far the read was behind the newest record, in milliseconds; 0 at the tip.
    pub behind_latest_ms: i64,
    /// Whether the shard is closed and this was the last of it.
    pub is_end: bool,
}

/// Why a stream could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It may work later: throttling, timeouts, a server error.
    #[error("the stream could not be read for now: {0}")]
    Retryable(String),
    /// It will not work: no such stream, no permission.
    #[error("the stream cannot be read: {0}")]
    Fatal(String),
}
