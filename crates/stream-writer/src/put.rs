//! `PutRecords`, request by request and attempt by attempt.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError};
use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use tokio::time::{Instant, sleep, timeout_at};

/// Records of one `PutRecords`, an AWS quota
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>).
pub const PUT_RECORDS_MAX: usize = 500;
/// Bytes of data and partition keys of one `PutRecords`: half the quota of 10 MiB, which was 5 MiB before there were large
/// records, and still is with other implementations of the API.
pub const PUT_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Characters of a partition key that Kinesis takes.
const KEY_CHARS_MAX: usize = 256;
/// Longest pause before records are put again, as a multiple of the first.
const PAUSE_FACTOR_MAX: u32 = 64;

/// One record for the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The caller, so that a caller's calls share a shard. What Kinesis does not take as a key (more than 256 characters,
    /// or none) is cut, or replaced by `-`.
    pub partition_key: String,
    /// A call record in any of its forms.
    pub bytes: Vec<u8>,
}

/// How long records are put again that the stream turned away.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Attempts at the records of one request.
    pub attempts_max: u32,
    /// Pause after the first attempt; doubled each time, up to 64 times as long.
    pub first_pause: Duration,
    /// When it ends whatever the attempts: a request that has no answer by then counts as failed.
    pub until: Option<Instant>,
}

/// Ten attempts within some 13 seconds: a shard that is full is free again within one, unless it needs to be split.
impl Default for Patience {
    fn default() -> Self {
        Self { attempts_max: 10, first_pause: Duration::from_millis(50), until: None }
    }
}

/// Where the stream put a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Id of the shard.
    pub shard: String,
    /// Sequence number in the shard.
    pub sequence_number: String,
}

/// What became of records.
#[derive(Debug)]
pub struct Put {
    /// A place for each record that the stream has, in the order they were given.
    pub placed: Vec<Option<Placed>>,
    /// Requests made.
    pub attempts: u32,
    /// Records that were put again because the stream had turned them away, each time counted.
    pub again: usize,
    /// Why records have no place; `None` where all have.
    pub error: Option<PutError>,
}

/// Why the stream does not have records. They may be put again: see the crate.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// It turned records away until patience ended.
    #[error(
        "stream {stream} turned {records} records away {attempts} times, with {code}: it needs more shards, or time to scale"
    )]
    TurnedAway {
        /// Name of the stream.
        stream: String,
        /// Records of the request that it turned away.
        records: usize,
        /// Attempts.
        attempts: u32,
        /// What it said of the first, such as `ProvisionedThroughputExceededException`.
        code: String,
    },
    /// A request failed, after the attempts of the SDK.
    #[error("records could not be put on stream {stream}: {detail}")]
    Request {
        /// Name of the stream.
        stream: String,
        /// The code of the error, or why there was no answer. What Kinesis says beside its code may quote a key.
        detail: String,
    },
    /// A request had no answer when the time was over.
    #[error("stream {stream} did not answer in time")]
    NoAnswer {
        /// Name of the stream.
        stream: String,
    },
}

impl Put {
    /// Whether the stream has all of them; the error where it has not.
    pub fn all(self) -> Result<(), PutError> {
        self.error.map_or(Ok(()), Err)
    }
}

/// Puts records on the stream, request by request, and those of a request again that it turns away. Ends with the first
/// request whose records it does not have in the end: later ones are not tried.
pub async fn put_records(kinesis: &Client, stream: &str, records: &[Outgoing], patience: Patience) -> Put {
    let mut put = Put { placed: vec![None; records.len()], attempts: 0, again: 0, error: None };
    for request in requests(records) {
        put.error = put_request(kinesis, stream, records, request, patience, &mut put).await.err();
        if put.error.is_some() {
            break;
        }
    }
    put
}

async fn put_request(
    kinesis: &Client,
    stream: &str,
    records: &[Outgoing],
    request: Range<usize>,
    patience: Patience,
    put: &mut Put,
) -> Result<(), PutError> {
    let mut waiting: Vec<usize> = request.collect();
    let mut pause = patience.first_pause;
    for attempt in 1.. {
        put.attempts += 1;
        put.again += if attempt > 1 { waiting.len() } else { 0 };
        let answer = send(kinesis, stream, waiting.iter().map(|index| &records[*index]), patience.until).await?;
        let mut code = None;
        let mut answers = answer.records.into_iter();
        waiting.retain(|index| {
            let Some(answer) = answers.next() else { return true };
            match (answer.shard_id, answer.sequence_number) {
                (Some(shard), Some(sequence_number)) if answer.error_code.is_none() => {
                    put.placed[*index] = Some(Placed { shard, sequence_number });
                    false
                }
                _ => {
                    code = code.take().or(answer.error_code);
                    true
                }
            }
        });
        let is_over = patience.until.is_some_and(|until| Instant::now() + pause >= until);
        if waiting.is_empty() {
            break;
        }
        if attempt >= patience.attempts_max || is_over {
            let code = code.unwrap_or_else(|| "no word of them".to_owned());
            let (stream, records) = (stream.to_owned(), waiting.len());
            return Err(PutError::TurnedAway { stream, records, attempts: attempt, code });
        }
        sleep(pause).await;
        pause = (pause * 2).min(patience.first_pause * PAUSE_FACTOR_MAX);
    }
    Ok(())
}

async fn send(
    kinesis: &Client,
    stream: &str,
    records: impl Iterator<Item = &Outgoing>,
    until: Option<Instant>,
) -> Result<PutRecordsOutput, PutError> {
    let failed = |detail| PutError::Request { stream: stream.to_owned(), detail };
    let entries: Result<Vec<_>, _> = records
        .map(|record| {
            let data = Blob::new(record.bytes.clone());
            PutRecordsRequestEntry::builder().partition_key(key(&record.partition_key)).data(data).build()
        })
        .collect();
    let entries = entries.map_err(|error| failed(error.to_string()))?;
    let sent = kinesis.put_records().stream_name(stream).set_records(Some(entries)).send();
    let answer = match until {
        Some(until) => timeout_at(until, sent).await.map_err(|_| PutError::NoAnswer { stream: stream.to_owned() })?,
        None => sent.await,
    };
    answer.map_err(|error| {
        failed(match &error {
            SdkError::ServiceError(refused) => {
                refused.err().code().map_or_else(|| refused.raw().status().to_string(), str::to_owned)
            }
            // Not what came: an answer that nobody can read may have calls in it.
            SdkError::ResponseError(unreadable) => {
                format!("an answer of status {} that cannot be read", unreadable.raw().status())
            }
            error => DisplayErrorContext(error).to_string(),
        })
    })
}

/// The records of each request, as many as it takes.
fn requests(records: &[Outgoing]) -> Vec<Range<usize>> {
    let mut requests: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, record) in records.iter().enumerate() {
        let more = record.bytes.len() + record.partition_key.len();
        match requests.last_mut() {
            Some(request) if request.len() < PUT_RECORDS_MAX && bytes + more <= PUT_BYTES_MAX => {
                request.end += 1;
                bytes += more;
            }
            _ => {
                requests.push(index..index + 1);
                bytes = more;
            }
        }
    }
    requests
}

fn key(wanted: &str) -> String {
    let key: String = wanted.chars().take(KEY_CHARS_MAX).collect();
    if key.is_empty() { "-".to_owned() } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_no_more_records_and_bytes_than_it_may() {
        let record = |bytes: usize| Outgoing { partition_key: "k".to_owned(), bytes: vec![0; bytes] };
        assert!(requests(&[]).is_empty());
        assert_eq!(requests(&vec![record(10); 501]), [0..500, 500..501]);
        let largest = PUT_BYTES_MAX / 2 - 1;
        assert_eq!(requests(&[record(largest), record(largest), record(0)]), [0..2, 2..3]);
        // What is larger than a request may be goes alone: the stream says what it thinks of it.
        assert_eq!(requests(&[record(1), record(PUT_BYTES_MAX), record(1)]), [0..1, 1..2, 2..3]);
    }

    #[test]
    fn keys_are_such_as_kinesis_takes() {
        assert_eq!(key(""), "-");
        assert_eq!(key(&"é".repeat(300)).chars().count(), 256);
    }
}
