//! What became of the records of an invocation, as measurements.

use telemetry::Measurement;
use telemetry::catalogue::archive_calls::{LINES_ARCHIVED, LINES_UNREADABLE, RECORDS_NOT_ARCHIVED};

use crate::ArchiveReport;

impl ArchiveReport {
    /// The report as measurements. Counts of nothing are among them, so that an alarm sees that there is nothing.
    pub fn measurements(&self) -> [Measurement; 3] {
        [
            LINES_ARCHIVED.of(self.lines as f64),
            LINES_UNREADABLE.of(self.unreadable as f64),
            RECORDS_NOT_ARCHIVED.of(self.records_not_archived() as f64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use telemetry::catalogue::archive_calls::METRICS;

    use super::*;

    #[test]
    fn every_metric_of_the_function_is_told_under_its_own_name() {
        let not_archived = BTreeMap::from([("answer_full", 4), ("not_base64", 5)]);
        let report = ArchiveReport { received: 1, lines: 2, unreadable: 3, not_archived };
        let told = report.measurements().map(|told| (told.metric.name, told.value));
        assert_eq!(told, [("lines_archived", 2.0), ("lines_unreadable", 3.0), ("records_not_archived", 9.0)]);
        assert_eq!(told.map(|(name, _)| name), METRICS.map(|metric| metric.name));
    }
}
