//! The transformation on the way to the archive.

use super::{Function, Kind, Metric, Unit};

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric::new(Function::ArchiveCalls, name, Kind::Counter, Unit::Count, help)
}

/// Every metric of the transformation.
pub static METRICS: [&Metric; 3] = [&LINES_ARCHIVED, &LINES_UNREADABLE, &RECORDS_NOT_ARCHIVED];

/// Lines handed to the archive.
pub static LINES_ARCHIVED: Metric = counter("lines_archived", "Lines handed to the archive, of good and bad records");
/// Lines of records that are no call.
pub static LINES_UNREADABLE: Metric =
    counter("lines_unreadable", "Lines of the archive that hold bytes which are no call record");
/// Records that could not be turned into lines.
pub static RECORDS_NOT_ARCHIVED: Metric =
    counter("records_not_archived", "Records that could not be turned into lines, and go to the failed ones");
