//! What Firehose sends to a function that transforms its records, and what it wants back
//! (<https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html>).
//!
//! The types of `aws_lambda_events` are not used for it: they lose a millisecond of every second arrival by way of a
//! fraction, and refuse a whole event for the sake of a `subsequenceNumber` that is an empty text, as it is in AWS's own
//! example.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

/// Records that Firehose has gathered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FirehoseEvent {
    /// Of any shards, those of a shard in order.
    pub records: Vec<FirehoseRecord>,
}

/// A record.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FirehoseRecord {
    /// What its answer is told apart by.
    pub record_id: String,
    /// What the producer sent, in Base64.
    pub data: String,
    /// Where the record was on the stream; absent where the source is no stream.
    pub kinesis_record_metadata: Option<StreamRecord>,
}

/// Where a record was on the Kinesis stream.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRecord {
    /// The sequence number as Kinesis writes it.
    pub sequence_number: String,
    /// Which record of an aggregate it is, where Firehose has taken that apart; 0 or absent for others.
    #[serde(default, deserialize_with = "whole_number")]
    pub subsequence_number: Option<i64>,
    /// When it arrived at the stream, in milliseconds since 1970 UTC.
    #[serde(default, deserialize_with = "whole_number")]
    pub approximate_arrival_timestamp: Option<i64>,
}

/// An answer for each record, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FirehoseResponse {
    /// The answers.
    pub records: Vec<ArchivedRecord>,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchivedRecord {
    /// The record's.
    pub record_id: String,
    /// What Firehose is to do.
    pub result: Outcome,
    /// The lines of the record, in Base64; absent unless it is [`Outcome::Ok`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// What Firehose is to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// Deliver the lines.
    Ok,
    /// Nothing: it is an aggregate of no records.
    Dropped,
    /// Keep it as it came, below `raw-failed/`.
    ProcessingFailed,
}

/// A whole number, the text of one, or for times RFC 3339; `None` for null and for an empty text.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    deserializer.deserialize_any(WholeNumber)
}

struct WholeNumber;

impl Visitor<'_> for WholeNumber {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or a time")
    }

    fn visit_unit<E>(self) -> Result<Option<i64>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Option<i64>, E> {
        Ok(Some(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<i64>, E> {
        i64::try_from(number).map(Some).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Option<i64>, E> {
        // Every whole number of milliseconds that a date can be is one of a double.
        if number.fract() == 0.0 && number.abs() < 9e15 {
            Ok(Some(number as i64))
        } else {
            Err(E::custom("it is no whole number"))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<i64>, E> {
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse().ok().or_else(|| cdr::parse_time(text));
        number.map(Some).ok_or_else(|| E::custom("it is neither a whole number nor a time"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_and_times_come_in_any_form() {
        let read = |metadata: &str| {
            let json = format!(
                r#"{{"invocationId":"i","records":[{{"recordId":"1","approximateArrivalTimestamp":1,"data":"e30=",
                "kinesisRecordMetadata":{{"sequenceNumber":"7"{metadata}}}}}]}}"#
            );
            let event: FirehoseEvent = serde_json::from_str(&json).unwrap();
            let metadata = event.records[0].kinesis_record_metadata.clone().unwrap();
            (metadata.subsequence_number, metadata.approximate_arrival_timestamp)
        };
        assert_eq!(read(""), (None, None));
        // As in the documentation.
        let documented = r#","subsequenceNumber":"","approximateArrivalTimestamp":"2012-04-23T18:25:43.511Z""#;
        assert_eq!(read(documented), (None, Some(1_335_205_543_511)));
        let sent = r#","subsequenceNumber":3,"approximateArrivalTimestamp":1507217624302"#;
        assert_eq!(read(sent), (Some(3), Some(1_507_217_624_302)));
        let texts = r#","subsequenceNumber":"3","approximateArrivalTimestamp":1.507217624302e12"#;
        assert_eq!(read(texts), (Some(3), Some(1_507_217_624_302)));
    }
}
