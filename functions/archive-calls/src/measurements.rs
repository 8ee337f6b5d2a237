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
