//! A Kinesis batch as Lambda sends it, with the moments at which its records arrived.

use aws_lambda_events::encodings::SecondTimestamp;
use aws_lambda_events::kinesis::KinesisEvent;
use chrono::DateTime;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

/// An event with its arrivals to the millisecond. `aws_lambda_events` 1.2 reads the fraction of a second as a number of
/// its own, so that 7.5 s become 7.005 s; archive and ingest-calls would then judge lateness by other moments.
#[derive(Clone, Debug)]
pub struct TimedEvent(pub KinesisEvent);

impl<'de> Deserialize<'de> for TimedEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        // The parser's own message may quote a value.
        let wrong = |error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            D::Error::custom(format!("no batch of Kinesis records, at line {line}, column {column} of the event"))
        };
        let mut event: KinesisEvent = serde_json::from_str(json.get()).map_err(wrong)?;
        let arrivals: Arrivals = serde_json::from_str(json.get()).map_err(wrong)?;
        for (record, arrival) in event.records.iter_mut().zip(arrivals.records) {
            let ms = (arrival.kinesis.seconds * 1_000.0).round() as i64;
            if let Some(time) = DateTime::from_timestamp_millis(ms) {
                record.kinesis.approximate_arrival_timestamp = SecondTimestamp(time);
            }
        }
        Ok(Self(event))
    }
}

#[derive(serde::Deserialize)]
struct Arrivals {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(serde::Deserialize)]
struct Record {
    kinesis: Arrival,
}

#[derive(serde::Deserialize)]
struct Arrival {
    #[serde(rename = "approximateArrivalTimestamp")]
    seconds: f64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn event(seconds: &str) -> String {
        format!(
            r#"{{"Records":[{{"eventID":"shardId-0:7","eventVersion":"1.0","kinesis":{{"data":"","partitionKey":"k",
            "approximateArrivalTimestamp":{seconds},"sequenceNumber":"7","kinesisSchemaVersion":"1.0"}}}}]}}"#
        )
    }

    #[test]
    fn every_millisecond_of_an_arrival_is_read_as_lambda_writes_it() {
        for ms in 1_795_311_228_000..1_795_311_229_000_i64 {
            let read: TimedEvent = serde_json::from_str(&event(&(ms as f64 / 1_000.0).to_string())).unwrap();
            assert_eq!(read.0.records[0].kinesis.approximate_arrival_timestamp.timestamp_millis(), ms);
        }
    }

    #[test]
    fn what_is_no_batch_is_told_without_its_values() {
        let error = serde_json::from_str::<TimedEvent>(&event("\"+12025550101\"")).unwrap_err().to_string();
        assert!(error.contains("no batch of Kinesis records") && !error.contains("1202"), "{error}");
    }
}
