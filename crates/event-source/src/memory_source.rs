//! A stream in memory, for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Fetched, Reader, Record, Shard, Source, SourceError, StartAt};

/// A stream in memory that is filled, split and broken by the test that owns it. Clones share the stream.
#[derive(Clone, Debug)]
pub struct MemorySource {
    arn: String,
    stream: Arc<Mutex<Stream>>,
}

#[derive(Debug, Default)]
struct Stream {
    shards: BTreeMap<String, MemoryShard>,
    next_sequence_number: u64,
    failing_calls: usize,
}

#[derive(Debug, Default)]
struct MemoryShard {
    parents: Vec<String>,
    is_closed: bool,
    records: Vec<Record>,
}

impl MemorySource {
    /// A stream of that name without shards.
    pub fn new(stream_name: &str) -> Self {
        Self { arn: format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream_name}"), stream: Arc::default() }
    }

    /// Adds a shard that came from `parents`, which are closed by it.
    pub fn add_shard(&self, shard_id: &str, parents: &[&str]) {
        let mut stream = self.stream();
        for parent in parents {
            if let Some(parent) = stream.shards.get_mut(*parent) {
                parent.is_closed = true;
            }
        }
        let parents = parents.iter().map(|&parent| parent.to_owned()).collect();
        stream.shards.insert(shard_id.to_owned(), MemoryShard { parents, ..MemoryShard::default() });
    }

    /// Puts a record into a shard and returns its sequence number; `None` when the shard is closed or unknown.
    /// Sequence numbers rise over the whole stream.
    pub fn put(&self, shard_id: &str, partition_key: &str, data: &[u8], arrived_at_ms: i64) -> Option<String> {
        let mut stream = self.stream();
        stream.next_sequence_number += 1;
        let sequence_number = stream.next_sequence_number.to_string();
        let shard = stream.shards.get_mut(shard_id).filter(|shard| !shard.is_closed)?;
        shard.records.push(Record {
            sequence_number: sequence_number.clone(),
            partition_key: partition_key.to_owned(),
            data: data.to_vec(),
            arrived_at_ms,
        });
        Some(sequence_number)
    }

    /// Makes the next calls fail, retryably.
    pub fn fail_next_calls(&self, calls: usize) {
        self.stream().failing_calls = calls;
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self) -> Result<MutexGuard<'_, Stream>, SourceError> {
        let mut stream = self.stream();
        if stream.failing_calls > 0 {
            stream.failing_calls -= 1;
            return Err(SourceError::Retryable("made to fail".to_owned()));
        }
        Ok(stream)
    }
}

impl Source for MemorySource {
    type Reader = MemoryReader;

    fn stream_arn(&self) -> &str {
        &self.arn
    }

    async fn shards(&self) -> Result<Vec<Shard>, SourceError> {
        let stream = self.call()?;
        let shard = |(id, shard): (&String, &MemoryShard)| Shard {
            id: id.clone(),
            parents: shard.parents.clone(),
            is_closed: shard.is_closed,
        };
        Ok(stream.shards.iter().map(shard).collect())
    }

    async fn open(&self, shard_id: &str, from: StartAt) -> Result<MemoryReader, SourceError> {
        let stream = self.call()?;
        let shard = stream.shards.get(shard_id).ok_or_else(|| no_shard(shard_id))?;
        let next = match from {
            StartAt::TrimHorizon => 0,
            StartAt::Latest => shard.records.len(),
            StartAt::After(number) => shard
                .records
                .iter()
                .position(|record| record.sequence_number == number)
                .map(|index| index + 1)
                .ok_or_else(|| SourceError::Fatal(format!("no record {number} in {shard_id}")))?,
        };
        Ok(MemoryReader { source: self.clone(), shard_id: shard_id.to_owned(), next })
    }
}

/// Reads a shard of a [`MemorySource`].
#[derive(Debug)]
pub struct MemoryReader {
    source: MemorySource,
    shard_id: String,
    next: usize,
}

impl Reader for MemoryReader {
    async fn read(&mut self, limit: usize) -> Result<Fetched, SourceError> {
        let (records, is_last, is_end) = {
            let stream = self.source.call()?;
            let shard = stream.shards.get(&self.shard_id).ok_or_else(|| no_shard(&self.shard_id))?;
            let records: Vec<Record> = shard.records.iter().skip(self.next).take(limit).cloned().collect();
            let is_last = self.next + records.len() == shard.records.len();
            (records, is_last, is_last && shard.is_closed)
        };
        self.next += records.len();
        Ok(Fetched { records, behind_latest_ms: i64::from(!is_last), is_end })
    }
}

fn no_shard(shard_id: &str) -> SourceError {
    SourceError::Fatal(format!("no shard {shard_id}"))
}
