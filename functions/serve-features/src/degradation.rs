//! What makes an answer worse than it ought to be, in words for people.

use std::fmt;

use crate::merge::{Stale, start_of};

/// One reason why a response is marked degraded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Degradation {
    /// The tile store did not answer.
    TilesUnavailable,
    /// Nothing has been counted under the service's definitions.
    NothingCounted,
    /// The tile store did not say since when calls are counted under the service's definitions.
    CoverageUnknown,
    /// Windows begin before calls were counted under the service's definitions.
    CountedSince {
        /// The first moment from which on they are, in milliseconds since 1970 UTC.
        since_ms: i64,
    },
    /// The snapshot could not be read.
    SnapshotUnavailable,
    /// No snapshot has been published.
    SnapshotMissing,
    /// The snapshot is of other definitions than the service's.
    SnapshotOfOtherVersion {
        /// The version it was computed with.
        snapshot: String,
        /// The version that the service answers with.
        service: String,
    },
    /// Records of days of the windows are not in the snapshot, and its input does not have them any more.
    RecordsLeftOut {
        /// How many days.
        days: usize,
        /// The first, as days since 1970 UTC.
        first: i32,
        /// The last.
        last: i32,
    },
    /// The snapshot is not what the moment needs.
    SnapshotStale {
        /// Its day, as days since 1970 UTC.
        day: i32,
        /// Why.
        stale: Stale,
    },
}

impl fmt::Display for Degradation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TilesUnavailable => f.write_str(
                "the tile store did not answer: stream windows are missing, windows of days end with the snapshot",
            ),
            Self::NothingCounted => f.write_str(
                "no call of the stream has been counted with these definitions: stream windows are missing, windows of \
                 days end with the snapshot",
            ),
            Self::CoverageUnknown => f.write_str(
                "the tile store did not say since when the stream is counted with these definitions: windows may lack \
                 calls",
            ),
            Self::CountedSince { since_ms } => write!(
                f,
                "the stream has been counted with these definitions since {}: stream windows that begin before lack \
                 the calls before, or are missing, and windows of days that need them end with the snapshot",
                cdr::format_time(*since_ms)
            ),
            Self::SnapshotUnavailable => {
                f.write_str("the snapshot could not be read: windows of more than a day are missing")
            }
            Self::SnapshotMissing => {
                f.write_str("no snapshot has been published: windows of more than a day are missing")
            }
            Self::SnapshotOfOtherVersion { snapshot, service } => write!(
                f,
                "the snapshot was computed with feature set {snapshot}, this service answers with {service}: windows \
                 of more than a day are missing until the batch job has run with the same definitions"
            ),
            Self::RecordsLeftOut { days: 1, first, .. } => write!(
                f,
                "the snapshot lacks records of {} that came when others of that day had expired: windows with this day \
                 in them lack these calls",
                Date(*first)
            ),
            Self::RecordsLeftOut { days, first, last } => write!(
                f,
                "the snapshot lacks records of {days} days from {} to {} that came when others of these days had \
                 expired: windows with such a day in them lack these calls",
                Date(*first),
                Date(*last)
            ),
            Self::SnapshotStale { day, stale } => {
                let date = Date(*day);
                match stale {
                    Stale::Old => write!(
                        f,
                        "the newest snapshot is of {date}, which is too old to be completed from the stream: windows \
                         of more than a day end with it"
                    ),
                    Stale::MadeToday => write!(
                        f,
                        "the snapshot is of {date}, the day that is answered for, and was made before its end: \
                         windows of more than a day lack the calls that arrived since"
                    ),
                    Stale::TilesExpired => write!(
                        f,
                        "the tiles of the days after {date} have expired: windows of more than a day end with the \
                         snapshot"
                    ),
                }
            }
        }
    }
}

/// A UTC day as ISO 8601.
struct Date(i32);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(start_of(self.0)) {
            Ok(midnight) => midnight.to_zoned(jiff::tz::TimeZone::UTC).date().fmt(f),
            // Beyond the year 9999; no manifest says so.
            Err(_) => write!(f, "day {} since 1970", self.0),
        }
    }
}
