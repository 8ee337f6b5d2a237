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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use telemetry::Function;

    use super::*;

    #[test]
    fn each_count_is_told_under_its_own_name() {
        let report = BatchReport {
            received: 1,
            counted: 2,
            counted_before: 3,
            duplicates: 4,
            unchecked: 5,
            quarantined: BTreeMap::from([("bad_time", 6)]),
            unknown_fields: 7,
            undone: 8,
            writes: 9,
            refusals: 10,
            write_units: 11.5,
            latest_ms: 12_500,
            lateness: BTreeMap::from([("5m", 13)]),
        };
        let told: BTreeMap<String, f64> = report
            .measurements()
            .into_iter()
            .map(|told| {
                (
                    told.labels.iter().fold(told.metric.name.to_owned(), |name, (_, value)| name + " " + value),
                    told.value,
                )
            })
            .collect();
        let expected = [
            ("records_received", 1.0),
            ("calls_counted", 2.0),
            ("calls_counted_before", 3.0),
            ("calls_duplicate", 4.0),
            ("calls_unchecked", 5.0),
            ("records_quarantined bad_time", 6.0),
            ("unknown_fields", 7.0),
            ("records_undone", 8.0),
            ("tile_writes", 9.0),
            ("tile_refusals", 10.0),
            ("write_units", 11.5),
            ("lateness_max_seconds", 12.5),
            ("calls_by_lateness 5m", 13.0),
        ];
        assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value)).into());
        let all = telemetry::metrics().filter(|metric| metric.function == Function::CountCalls).count();
        assert_eq!(told.len(), all, "one of each");
        let quiet = BatchReport::default().measurements();
        assert!(quiet.iter().all(|told| told.metric.name != "lateness_max_seconds"), "no call was late by 0 seconds");
    }
}
