//! What became of a batch, as measurements.

use telemetry::Measurement;
use telemetry::catalogue::count_calls::{
    CALLS_BY_LATENESS, CALLS_COUNTED, CALLS_COUNTED_BEFORE, CALLS_DUPLICATE, CALLS_UNCHECKED, LATENESS_MAX_SECONDS,
    RECORDS_QUARANTINED, RECORDS_RECEIVED, RECORDS_UNDONE, TILE_REFUSALS, TILE_WRITES, UNKNOWN_FIELDS, WRITE_UNITS,
};

use crate::BatchReport;

impl BatchReport {
    /// The report as measurements. Counts of nothing are among them, so that an alarm sees that there is nothing.
    pub fn measurements(&self) -> Vec<Measurement> {
        let mut measured = vec![
            RECORDS_RECEIVED.of(self.received as f64),
            CALLS_COUNTED.of(self.counted as f64),
            CALLS_COUNTED_BEFORE.of(self.counted_before as f64),
            CALLS_DUPLICATE.of(self.duplicates as f64),
            CALLS_UNCHECKED.of(self.unchecked as f64),
            UNKNOWN_FIELDS.of(self.unknown_fields as f64),
            RECORDS_UNDONE.of(self.undone as f64),
            TILE_WRITES.of(self.writes as f64),
            TILE_REFUSALS.of(self.refusals as f64),
            WRITE_UNITS.of(self.write_units),
        ];
        let quarantined = self.quarantined.iter();
        measured.extend(quarantined.map(|(reason, records)| RECORDS_QUARANTINED.with([*reason], *records as f64)));
        let lateness = self.lateness.iter();
        measured.extend(lateness.map(|(within, calls)| CALLS_BY_LATENESS.with([*within], *calls as f64)));
        if !self.lateness.is_empty() {
            measured.push(LATENESS_MAX_SECONDS.of(self.latest_ms as f64 / 1_000.0));
        }
        measured
    }
}
