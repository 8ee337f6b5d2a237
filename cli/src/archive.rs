//! The archive of the local run: what Firehose and archive-calls are on AWS. A second consumer of the stream that
//! writes every record as a line of `raw/YYYY/MM/DD/HH/<generation and shard>-<first position>.jsonl.gz`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use archive_calls::write_line;
use aws_lambda_events::kinesis::KinesisEvent;
use aws_lambda_events::streams::KinesisEventResponse;
use aws_sdk_kinesis::Client as Kinesis;
use cdr::NumberPlan;
use count_calls::{ShardBatch, read_event};
use event_source::{EventSource, KinesisSource, MAX_BATCH_SIZE, RunningSource, Settings};
use flate2::{Compression, GzBuilder};
use objects::Objects;
use snapshot::raw_key;

/// How long records are gathered for one object: what a run that is killed, rather than stopped, does not have in
/// its archive.
const BATCHING_WINDOW: Duration = Duration::from_secs(30);
/// The wait after a read that found nothing. Nobody waits for the archive.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// What a line adds to a record: its position, its arrival, what is derived from it, and names.
const LINE_FRAME_BYTES: usize = 400;

/// Where records are archived, and how they are read.
#[derive(Clone)]
pub(crate) struct Archive {
    /// Below it lies `raw/`.
    pub(crate) objects: Objects,
    pub(crate) plan: Arc<NumberPlan>,
    /// Of the stream: sequence numbers begin anew with each.
    pub(crate) generation: u32,
    /// Arrival of the last record archived (milliseconds since 1970 UTC), by shard.
    pub(crate) archived: Arc<Mutex<BTreeMap<String, i64>>>,
}

impl Archive {
    /// Starts to archive the records of a stream.
    pub(crate) async fn start(self, kinesis: Kinesis, stream: &str, now_ms: i64) -> anyhow::Result<RunningSource> {
        let settings = Settings {
            batch_size: MAX_BATCH_SIZE,
            batching_window: BATCHING_WINDOW,
            poll_interval: POLL_INTERVAL,
            ..Settings::default()
        };
        let source = EventSource::new(KinesisSource::new(kinesis, stream).await?, settings)?;
        let handler = move |event: KinesisEvent| {
            let archive = self.clone();
            // With its causes: the event source keeps the text alone.
            async move { archive.write(event).await.map_err(|error| format!("{error:#}")) }
        };
        Ok(source.start(now_ms, handler))
    }

    /// Writes one object. Its name is that of the first record and its bytes follow from the records, so that a
    /// batch that is delivered again replaces what it left.
    async fn write(&self, event: KinesisEvent) -> anyhow::Result<KinesisEventResponse> {
        if event.records.is_empty() {
            return Ok(KinesisEventResponse::default());
        }
        let batch = read_event(event)?;
        let last = batch.records.last().map(|record| (batch.shard.clone(), record.arrived_at_ms));
        let (plan, generation) = (Arc::clone(&self.plan), self.generation);
        // Parsing and compressing thousands of lines would hold up the service.
        let packed = tokio::task::spawn_blocking(move || pack(&plan, generation, &batch)).await;
        let (key, bytes) = packed.context("the archive broke")??;
        self.objects.put(&key, bytes).await.with_context(|| format!("the archive cannot write {key}"))?;
        self.archived.lock().unwrap_or_else(PoisonError::into_inner).extend(last);
        Ok(KinesisEventResponse::default())
    }
}

/// The key and the bytes of a batch that is not empty.
fn pack(plan: &NumberPlan, generation: u32, batch: &ShardBatch) -> anyhow::Result<(String, Vec<u8>)> {
    let first = batch.records.first().context("a batch without records has no name")?;
    let name = format!("g{generation}-{}-{}", batch.shard, first.position);
    let key = raw_key(first.arrived_at_ms, &name);
    // Without a time of writing in its head, a file of the same lines has the same bytes.
    let mut file = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    let mut line = String::new();
    for record in &batch.records {
        line.clear();
        line.reserve(record.bytes.len() + LINE_FRAME_BYTES);
        write_line(&mut line, plan, record.position, record.arrived_at_ms, &record.bytes);
        file.write_all(line.as_bytes())?;
    }
    Ok((key, file.finish()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use archive_calls::{FirehoseEvent, transform};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use call_files::{ReadError, ReadOptions};
    use count_calls::Received;
    use serde_json::json;
    use tiles::Position;

    use super::*;

    const CALL: &str = r#"{"call_id":"a-1","caller":"+12025550101","callee":"+442079460018","started_at":"2026-11-21T07:06:05.004Z","ended_at":"2026-11-21T07:06:06.004Z","outcome":"busy"}"#;
    /// 2026-11-21T07:06:06.500Z.
    const ARRIVED_MS: i64 = 1_795_244_766_500;

    fn batch() -> ShardBatch {
        let record = |number: u32, bytes: &[u8]| Received {
            position: Position::parse(&number.to_string(), 0).unwrap(),
            sequence_number: number.to_string().into(),
            arrived_at_ms: ARRIVED_MS + i64::from(number),
            bytes: bytes.to_vec(),
        };
        let records = vec![record(7, CALL.as_bytes()), record(8, b"no call"), record(9, b"")];
        ShardBatch { stream: "calls".to_owned(), shard: "shardId-000000000001".to_owned(), records }
    }

    #[test]
    fn a_batch_is_one_object_of_the_hour_it_arrived_in_with_the_same_bytes_each_time() {
        let plan = NumberPlan::new("US").unwrap();
        let (key, bytes) = pack(&plan, 3, &batch()).unwrap();
        let position = format!("{:048x}00000000", 7);
        assert_eq!(key, format!("raw/2026/11/21/07/g3-shardId-000000000001-{position}.jsonl.gz"));
        assert_eq!(pack(&plan, 3, &batch()).unwrap(), (key, bytes));
    }

    #[test]
    fn the_batch_job_reads_what_was_archived() {
        let plan = NumberPlan::new("US").unwrap();
        let (_, bytes) = pack(&plan, 3, &batch()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.jsonl.gz");
        std::fs::write(&path, bytes).unwrap();
        let rows: Vec<_> = call_files::open(&path, &plan, &ReadOptions::default()).unwrap().collect();
        assert_eq!(rows.len(), 3);
        let call = rows[0].as_ref().unwrap();
        assert_eq!(call.call, cdr::parse(&plan, CALL.as_bytes()).unwrap().record);
        assert_eq!(call.arrived_at_ms, Some(ARRIVED_MS + 7));
        for (row, number) in [(&rows[1], 8), (&rows[2], 9)] {
            let Err(ReadError::Row(refused)) = row else { panic!("a broken record was taken for a call") };
            assert_eq!(refused.arrived_at_ms, Some(ARRIVED_MS + number));
            assert_eq!(refused.position, Some(format!("{number:048x}00000000")));
        }
    }

    #[test]
    fn firehose_makes_the_same_lines() {
        let plan = NumberPlan::new("US").unwrap();
        let (_, bytes) = pack(&plan, 3, &batch()).unwrap();
        let local = std::io::read_to_string(flate2::read::GzDecoder::new(bytes.as_slice())).unwrap();
        let sent = |record: &Received| {
            json!({"recordId": record.sequence_number, "data": STANDARD.encode(&record.bytes), "kinesisRecordMetadata": {
                "sequenceNumber": record.sequence_number,
                "approximateArrivalTimestamp": record.arrived_at_ms,
                "subsequenceNumber": 0,
            }})
        };
        let records: Vec<_> = batch().records.iter().map(sent).collect();
        let event: FirehoseEvent = serde_json::from_value(json!({ "records": records })).unwrap();
        let (response, _) = transform(&plan, event);
        let datas =
            response.records.iter().flat_map(|record| STANDARD.decode(record.data.as_ref().unwrap()).unwrap());
        assert_eq!(String::from_utf8(datas.collect()).unwrap(), local);
    }
}
