//! Events as Lambda gives them to a function.

use aws_lambda_events::encodings::SecondTimestamp;
use aws_lambda_events::kinesis::{KinesisEvent, KinesisEventRecord, KinesisRecord};
use chrono::DateTime;

use crate::Record;

/// Bytes of a record's JSON besides its own texts: names, quotes, timestamp, constant values.
/// The region and the identity are at most 25 and 100 bytes long.
const FRAME_BYTES: usize = 520;

/// The event of some records of a shard.
pub fn kinesis_event<'a>(
    stream_arn: &str,
    shard_id: &str,
    records: impl IntoIterator<Item = &'a Record>,
) -> KinesisEvent {
    let mut arn = stream_arn.split(':').skip(3);
    let region = arn.next().unwrap_or_default();
    let account = arn.next().unwrap_or_default();
    let identity = format!("arn:aws:iam::{account}:role/event-source");
    let mut event = KinesisEvent::default();
    event.records =
        records.into_iter().map(|record| event_record(stream_arn, region, &identity, shard_id, record)).collect();
    event
}

/// Bytes that a record adds to the JSON of an event, or slightly more.
pub fn payload_bytes(stream_arn: &str, shard_id: &str, record: &Record) -> usize {
    let base64 = record.data.len().div_ceil(3) * 4;
    // A control character becomes six bytes, such as \u0007.
    let key: usize = record.partition_key.chars().map(|c| if c.is_control() { 6 } else { c.len_utf8() + 1 }).sum();
    FRAME_BYTES + base64 + key + 2 * record.sequence_number.len() + stream_arn.len() + shard_id.len()
}

fn event_record(
    stream_arn: &str,
    region: &str,
    identity: &str,
    shard_id: &str,
    record: &Record,
) -> KinesisEventRecord {
    let mut kinesis = KinesisRecord::default();
    // Only times beyond the year 262,000 cannot be given.
    kinesis.approximate_arrival_timestamp =
        SecondTimestamp(DateTime::from_timestamp_millis(record.arrived_at_ms).unwrap_or_default());
    kinesis.data.0.clone_from(&record.data);
    kinesis.partition_key.clone_from(&record.partition_key);
    kinesis.sequence_number.clone_from(&record.sequence_number);
    kinesis.kinesis_schema_version = Some("1.0".to_owned());

    let mut event = KinesisEventRecord::default();
    event.aws_region = Some(region.to_owned());
    event.event_id = Some(format!("{shard_id}:{}", record.sequence_number));
    event.event_name = Some("aws:kinesis:record".to_owned());
    event.event_source = Some("aws:kinesis".to_owned());
    event.event_source_arn = Some(stream_arn.to_owned());
    event.event_version = Some("1.0".to_owned());
    event.invoke_identity_arn = Some(identity.to_owned());
    event.kinesis = kinesis;
    event
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/calls";

    fn record(data: Vec<u8>, partition_key: &str) -> Record {
        Record {
            sequence_number: "49590338271490256608559692538361571095921575989136588898".to_owned(),
            partition_key: partition_key.to_owned(),
            data,
            arrived_at_ms: 1_545_084_650_987,
        }
    }

    /// The example of the Lambda documentation, by its fields.
    #[test]
    fn an_event_looks_like_one_of_lambda() {
        let event = kinesis_event(ARN, "shardId-000000000006", [&record(b"Hello, this is a test.".to_vec(), "1")]);
        let json = serde_json::to_value(&event).unwrap();
        let record = &json["Records"][0];
        assert_eq!(
            record["eventID"],
            "shardId-000000000006:49590338271490256608559692538361571095921575989136588898"
        );
        assert_eq!(record["eventSourceARN"], ARN);
        assert_eq!(record["awsRegion"], "us-east-1");
        assert_eq!(record["invokeIdentityArn"], "arn:aws:iam::000000000000:role/event-source");
        assert_eq!(record["kinesis"]["data"], "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==");
        assert_eq!(record["kinesis"]["approximateArrivalTimestamp"], "1545084650.987");
        assert_eq!(record["kinesis"]["partitionKey"], "1");
    }

    #[test]
    fn the_bytes_of_a_record_are_never_underestimated() {
        for record in
            [record(Vec::new(), "k"), record(vec![7; 1000], "+12025550101"), record(vec![0; 1], "\"\\\u{7}ü")]
        {
            let real = serde_json::to_vec(&kinesis_event(ARN, "shardId-000000000006", [&record])).unwrap().len();
            let estimated = payload_bytes(ARN, "shardId-000000000006", &record);
            assert!(estimated >= real && estimated < real + 250, "{estimated} for {real}");
        }
    }
}
