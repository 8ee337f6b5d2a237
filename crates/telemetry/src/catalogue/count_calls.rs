//! The consumer: what became of the records of its batches. Deliveries are counted as they come, so a record that is
//! delivered again is received again and counted before.

use super::{Function, Kind, Metric, Unit};

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric::new(Function::CountCalls, name, Kind::Counter, Unit::Count, help)
}

/// Every metric of the consumer.
pub static METRICS: [&Metric; 13] = [
    &RECORDS_RECEIVED,
    &CALLS_COUNTED,
    &CALLS_COUNTED_BEFORE,
    &CALLS_DUPLICATE,
    &CALLS_UNCHECKED,
    &RECORDS_QUARANTINED,
    &UNKNOWN_FIELDS,
    &RECORDS_UNDONE,
    &TILE_WRITES,
    &TILE_REFUSALS,
    &WRITE_UNITS,
    &CALLS_BY_LATENESS,
    &LATENESS_MAX_SECONDS,
];

/// Records delivered.
pub static RECORDS_RECEIVED: Metric = counter("records_received", "Records that the stream delivered");
/// Calls counted for the first time.
pub static CALLS_COUNTED: Metric = counter("calls_counted", "Calls counted for the first time");
/// Deliveries of calls that were counted already.
pub static CALLS_COUNTED_BEFORE: Metric =
    counter("calls_counted_before", "Calls that an earlier delivery of the same record had counted");
/// Copies of calls.
pub static CALLS_DUPLICATE: Metric =
    counter("calls_duplicate", "Calls that their producer had sent before; they count nowhere");
/// Calls that were counted without looking for copies.
pub static CALLS_UNCHECKED: Metric =
    counter("calls_unchecked", "Calls counted without a check for duplicates, for their caller called too often");
/// Records set aside, by reason code.
pub static RECORDS_QUARANTINED: Metric =
    counter("records_quarantined", "Records that can never count and were set aside").labelled(&["reason"]);
/// Fields that no version of the record knows.
pub static UNKNOWN_FIELDS: Metric = counter("unknown_fields", "Fields of records that this version does not know");
/// Records that will be delivered again.
pub static RECORDS_UNDONE: Metric =
    counter("records_undone", "Records that the stream will deliver again, from the first undone one on");
/// Tiles written.
pub static TILE_WRITES: Metric = counter("tile_writes", "Tiles written");
/// Tiles that had changed.
pub static TILE_REFUSALS: Metric = counter("tile_refusals", "Writes refused because the tile had changed");
/// Write units billed.
pub static WRITE_UNITS: Metric = counter("write_units", "Write units of the tile table that were used");
/// Calls by their lateness: `1m`, `5m`, `1h`, `6h`, `24h` or `more`.
pub static CALLS_BY_LATENESS: Metric =
    counter("calls_by_lateness", "Calls by how long after their beginning they arrived").labelled(&["within"]);
/// The latest call of a batch.
pub static LATENESS_MAX_SECONDS: Metric = Metric::new(
    Function::CountCalls,
    "lateness_max_seconds",
    Kind::Gauge,
    Unit::Seconds,
    "Longest time from the beginning of a call to its arrival, of the last batch",
);
