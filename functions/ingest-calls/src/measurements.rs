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
