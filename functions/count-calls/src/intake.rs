//! From a Kinesis event to judged records: what counts, and what never can.

use aws_lambda_events::kinesis::{KinesisEvent, KinesisEventRecord};
use cdr::{Lateness, NumberPlan, Parsed, RecordError};
use smol_str::SmolStr;
use tiles::Position;
use tiles::sabotage::{Sabotage, is_on};

use crate::HandleError;

/// One record as it came off the stream.
#[derive(Clone, Debug)]
pub struct Received {
    /// Where it stands in its shard.
    pub position: Position,
    /// The sequence number as Kinesis writes it: what a failed batch is reported from. The records of an aggregate
    /// share it.
    pub sequence_number: SmolStr,
    /// When it arrived at the stream, in milliseconds since 1970 UTC.
    pub arrived_at_ms: i64,
    /// What the producer sent.
    pub bytes: Vec<u8>,
}

/// A batch of one shard.
#[derive(Clone, Debug)]
pub struct ShardBatch {
    /// Name of the stream.
    pub stream: String,
    /// Id of the shard.
    pub shard: String,
    /// Its records, in order of position.
    pub records: Vec<Received>,
}

/// Reads an event as Lambda gives it. An event that is not of one shard, in order, is refused whole.
pub fn read_event(event: KinesisEvent) -> Result<ShardBatch, HandleError> {
    let first = event.records.first().ok_or(HandleError::Event("it holds no records"))?;
    let shard = shard_id(first).ok_or(HandleError::Event("a record does not name its shard"))?;
    let stream = stream_name(first).ok_or(HandleError::Event("a record does not name its stream"))?;
    let mut records = Vec::with_capacity(event.records.len());
    for record in event.records {
        if shard_id(&record).as_deref() != Some(shard.as_str()) {
            return Err(HandleError::Event("its records are of two shards"));
        }
        let sequence_number = SmolStr::new(&record.kinesis.sequence_number);
        let first =
            Position::parse(&sequence_number, 0).ok_or(HandleError::Event("a sequence number is no number"))?;
        let arrived_at_ms = record.kinesis.approximate_arrival_timestamp.timestamp_millis();
        let received = |position, bytes| {
            let sequence_number = sequence_number.clone();
            Received { position, sequence_number, arrived_at_ms, bytes }
        };
        let bytes = record.kinesis.data.0;
        // An aggregate that cannot be taken apart stays whole, and is refused when it is judged.
        let parts = if cdr::is_aggregate(&bytes) { cdr::deaggregate(&bytes).ok() } else { None };
        match parts {
            Some(parts) => records.extend((0..).zip(parts).map(|(n, part)| {
                let n = if is_on(Sabotage::SubSequenceLeftOut) { 0 } else { n };
                received(first.with_sub_sequence(n), part.to_vec())
            })),
            None => records.push(received(first, bytes)),
        }
    }
    if !is_on(Sabotage::SubSequenceLeftOut) && !records.is_sorted_by(|a, b| a.position < b.position) {
        return Err(HandleError::Event("its records are out of order"));
    }
    Ok(ShardBatch { stream, shard, records })
}

/// The call of a record, or why it can never count. The verdict depends on the record, the number plan and the
/// setting alone, so that a redelivery is judged the same.
pub(crate) fn judge(plan: &NumberPlan, lateness: Lateness, record: &Received) -> Result<Parsed, RecordError> {
    let parsed = cdr::parse(plan, &record.bytes)?;
    lateness.judge(parsed.record.started_at_ms, record.arrived_at_ms)?;
    Ok(parsed)
}

/// Event ids are `<shard id>:<sequence number>`.
fn shard_id(record: &KinesisEventRecord) -> Option<String> {
    let (shard, _) = record.event_id.as_deref()?.split_once(':')?;
    Some(shard.to_owned())
}

/// Stream ARNs end in `stream/<name>`.
fn stream_name(record: &KinesisEventRecord) -> Option<String> {
    let (_, name) = record.event_source_arn.as_deref()?.rsplit_once(":stream/")?;
    Some(name.to_owned())
}
