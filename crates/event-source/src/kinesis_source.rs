//! A Kinesis data stream, on AWS or emulated.

use std::time::SystemTime;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;

use crate::{Fetched, MAX_BATCH_SIZE, Reader, Record, Shard, Source, SourceError, StartAt};

/// Codes that are worth another try although their status is 400.
const RETRYABLE_CODES: [&str; 6] = [
    "ProvisionedThroughputExceededException",
    "KMSThrottlingException",
    "LimitExceededException",
    "ThrottlingException",
    "ExpiredTokenException",
    "InternalFailureException",
];

/// A Kinesis data stream, read by polling.
#[derive(Clone, Debug)]
pub struct KinesisSource {
    client: Client,
    stream_name: String,
    stream_arn: String,
}

impl KinesisSource {
    /// Looks the stream up; it must exist.
    pub async fn new(client: Client, stream_name: &str) -> Result<Self, SourceError> {
        let described = client
            .describe_stream_summary()
            .stream_name(stream_name)
            .send()
            .await
            .map_err(|error| source_error("the stream could not be described", stream_name, &error))?;
        let stream_arn = described.stream_description_summary.map(|summary| summary.stream_arn).unwrap_or_default();
        Ok(Self { client, stream_name: stream_name.to_owned(), stream_arn })
    }
}

impl Source for KinesisSource {
    type Reader = KinesisReader;

    fn stream_arn(&self) -> &str {
        &self.stream_arn
    }

    async fn shards(&self) -> Result<Vec<Shard>, SourceError> {
        let mut shards = Vec::new();
        let mut next_token: Option<String> = None;
        loop {
            let request = self.client.list_shards();
            let request = match next_token {
                // A token stands for the stream; both together are refused.
                Some(token) => request.next_token(token),
                None => request.stream_name(&self.stream_name),
            };
            let page = request
                .send()
                .await
                .map_err(|error| source_error("the shards could not be listed", &self.stream_name, &error))?;
            shards.extend(page.shards.unwrap_or_default().into_iter().map(|shard| Shard {
                id: shard.shard_id,
                parents: shard.parent_shard_id.into_iter().chain(shard.adjacent_parent_shard_id).collect(),
                is_closed: shard.sequence_number_range.is_some_and(|range| range.ending_sequence_number.is_some()),
            }));
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(shards);
            }
        }
    }

    async fn open(&self, shard_id: &str, from: StartAt) -> Result<KinesisReader, SourceError> {
        let mut reader = KinesisReader {
            source: self.clone(),
            shard_id: shard_id.to_owned(),
            // The one use of the machine's clock: where to take up a shard that was opened at its tip and gave
            // nothing before its iterator expired. Kinesis itself compares it with its own clock.
            opened_at: SystemTime::now(),
            from,
            iterator: None,
            has_ended: false,
        };
        // At once, so that the tip is where it is now.
        reader.iterator = Some(reader.new_iterator(false).await?);
        Ok(reader)
    }
}

/// Reads a shard of a [`KinesisSource`]. An iterator that expired (after 5 minutes) is renewed.
#[derive(Debug)]
pub struct KinesisReader {
    source: KinesisSource,
    shard_id: String,
    opened_at: SystemTime,
    /// Where to begin, or after which record to go on.
    from: StartAt,
    iterator: Option<String>,
    has_ended: bool,
}

impl Reader for KinesisReader {
    async fn read(&mut self, limit: usize) -> Result<Fetched, SourceError> {
        if self.has_ended {
            return Ok(Fetched { is_end: true, ..Fetched::default() });
        }
        let iterator = match &self.iterator {
            Some(iterator) => iterator.clone(),
            None => self.new_iterator(true).await?,
        };
        // Within 1 to MAX_BATCH_SIZE, so it fits.
        let limit = limit.clamp(1, MAX_BATCH_SIZE) as i32;
        let read = self.source.client.get_records().shard_iterator(&iterator).limit(limit).send().await;
        let got = match read {
            Ok(got) => got,
            Err(error) => {
                let is_expired = error.code() == Some("ExpiredIteratorException");
                self.iterator = if is_expired { None } else { Some(iterator) };
                return Err(if is_expired {
                    SourceError::Retryable(format!("the iterator of {} expired", self.shard_id))
                } else {
                    source_error("a shard could not be read", &self.shard_id, &error)
                });
            }
        };
        let records: Vec<Record> = got
            .records
            .into_iter()
            .map(|record| Record {
                sequence_number: record.sequence_number,
                partition_key: record.partition_key.unwrap_or_default(),
                data: record.data.into_inner(),
                arrived_at_ms: record
                    .approximate_arrival_timestamp
                    .and_then(|time| time.to_millis().ok())
                    .unwrap_or_default(),
            })
            .collect();
        if let Some(last) = records.last() {
            self.from = StartAt::After(last.sequence_number.clone());
        }
        self.has_ended = got.next_shard_iterator.is_none();
        self.iterator = got.next_shard_iterator;
        Ok(Fetched {
            records,
            behind_latest_ms: got.millis_behind_latest.unwrap_or_default(),
            is_end: self.has_ended,
        })
    }
}

impl KinesisReader {
    async fn new_iterator(&self, is_renewed: bool) -> Result<String, SourceError> {
        let request =
            self.source.client.get_shard_iterator().stream_name(&self.source.stream_name).shard_id(&self.shard_id);
        let request = match &self.from {
            StartAt::TrimHorizon => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            StartAt::Latest if is_renewed => {
                request.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(DateTime::from(self.opened_at))
            }
            StartAt::Latest => request.shard_iterator_type(ShardIteratorType::Latest),
            StartAt::After(number) => {
                request.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(number)
            }
        };
        let got = request
            .send()
            .await
            .map_err(|error| source_error("a shard could not be opened", &self.shard_id, &error))?;
        got.shard_iterator
            .ok_or_else(|| SourceError::Fatal(format!("{} was opened without an iterator", self.shard_id)))
    }
}

fn source_error<E>(what: &str, of: &str, error: &SdkError<E, HttpResponse>) -> SourceError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.code().unwrap_or_default();
    let detail = match error.message() {
        Some(message) => format!("{what} ({of}): {code}: {message}"),
        None => format!("{what} ({of}): {}", DisplayErrorContext(error)),
    };
    let status = error.raw_response().map(|response| response.status().as_u16());
    let is_refused = status.is_some_and(|status| (400..500).contains(&status) && status != 429);
    if is_refused && !RETRYABLE_CODES.contains(&code) || matches!(error, SdkError::ConstructionFailure(_)) {
        SourceError::Fatal(detail)
    } else {
        SourceError::Retryable(detail)
    }
}
