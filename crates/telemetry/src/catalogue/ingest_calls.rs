//! The way in for producers that speak HTTP.

use super::{Function, Kind, Metric, Unit};

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric::new(Function::IngestCalls, name, Kind::Counter, Unit::Count, help)
}

/// Every metric of the way in.
pub static METRICS: [&Metric; 4] = [&RECORDS_INGESTED, &RECORDS_REFUSED, &RECORDS_FAILED, &PUT_ATTEMPTS];

/// Records that the stream has.
pub static RECORDS_INGESTED: Metric = counter("records_ingested", "Records that the stream has taken");
/// Records refused, by reason code.
pub static RECORDS_REFUSED: Metric =
    counter("records_refused", "Records that can never count and were refused").labelled(&["reason"]);
/// Records that did not get to the stream.
pub static RECORDS_FAILED: Metric = counter("records_failed", "Records that the stream did not take in time");
/// Requests to the stream.
pub static PUT_ATTEMPTS: Metric =
    counter("put_attempts", "Requests that put records on the stream, repeated ones too");
