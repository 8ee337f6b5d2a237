//! What became of the records of a request, as measurements.

use telemetry::Measurement;
use telemetry::catalogue::ingest_calls::{PUT_ATTEMPTS, RECORDS_FAILED, RECORDS_INGESTED, RECORDS_REFUSED};

use crate::IngestReport;

impl IngestReport {
    /// The report as measurements. Counts of nothing are among them, so that an alarm sees that there is nothing.
    pub fn measurements(&self) -> Vec<Measurement> {
        let mut measured = vec![
            RECORDS_INGESTED.of(self.ingested as f64),
            RECORDS_FAILED.of(self.failed as f64),
            PUT_ATTEMPTS.of(self.put_attempts as f64),
        ];
        let refused = self.refused.iter();
        measured.extend(refused.map(|(reason, records)| RECORDS_REFUSED.with([*reason], *records as f64)));
        measured
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use telemetry::catalogue::ingest_calls::METRICS;

    use super::*;

    #[test]
    fn every_metric_of_the_function_is_told_under_its_own_name() {
        let refused = BTreeMap::from([("bad_time", 3), ("too_late", 4)]);
        let report = IngestReport {
            ingested: 1,
            failed: 2,
            refused,
            unknown_fields: 5,
            put_attempts: 6,
            ..Default::default()
        };
        let told = report.measurements();
        let values: Vec<_> = told.iter().map(|told| (told.metric.name, told.labels.as_slice(), told.value)).collect();
        let expected = [
            ("records_ingested", &[][..], 1.0),
            ("records_failed", &[], 2.0),
            ("put_attempts", &[], 6.0),
            ("records_refused", &[("reason", "bad_time")], 3.0),
            ("records_refused", &[("reason", "too_late")], 4.0),
        ];
        assert_eq!(values, expected);
        let names: BTreeSet<_> = values.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, METRICS.iter().map(|metric| metric.name).collect());
    }
}
