//! What became of a batch, in numbers.

use std::collections::BTreeMap;

use cdr::Reason;

/// Counts of one invocation. Deliveries are counted as they come: a redelivered record is received again and
/// shows as `counted_before`, so sums over invocations tell of the stream, not of the calls. The calls are in
/// the tiles.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct BatchReport {
    /// Records delivered.
    pub received: u64,
    /// Calls counted for the first time.
    pub counted: u64,
    /// Records that an earlier delivery had counted.
    pub counted_before: u64,
    /// Calls that the producer had sent before.
    pub duplicates: u64,
    /// Calls counted without a check for duplicates, for their caller's tile was full.
    pub unchecked: u64,
    /// Records set aside, by reason code.
    pub quarantined: BTreeMap<&'static str, u64>,
    /// Fields that no version of the record knows.
    pub unknown_fields: u64,
    /// Records from the first undone one on, which the stream will deliver again.
    pub undone: u64,
    /// Tiles written.
    pub writes: u64,
    /// Writes refused because the tile had changed.
    pub refusals: u64,
    /// Write units billed.
    pub write_units: f64,
    /// The largest time from a call's beginning to its arrival, in milliseconds.
    pub latest_ms: i64,
    /// Calls by how long after their beginning they arrived: within `1m`, `5m`, `1h`, `6h` or `24h`, or `more`.
    pub lateness: BTreeMap<&'static str, u64>,
}

/// Bounds of [`BatchReport::lateness`], in milliseconds.
const LATENESS_BOUNDS: [(i64, &str); 5] =
    [(60_000, "1m"), (300_000, "5m"), (3_600_000, "1h"), (21_600_000, "6h"), (86_400_000, "24h")];

impl BatchReport {
    pub(crate) fn quarantine(&mut self, reason: Reason) {
        *self.quarantined.entry(reason.as_str()).or_default() += 1;
    }

    pub(crate) fn arrived_after(&mut self, late_ms: i64) {
        self.latest_ms = self.latest_ms.max(late_ms);
        let within =
            LATENESS_BOUNDS.iter().find(|(bound_ms, _)| late_ms <= *bound_ms).map_or("more", |(_, name)| name);
        *self.lateness.entry(within).or_default() += 1;
    }

    /// Adds the counts of another report.
    pub fn merge(&mut self, other: &Self) {
        self.received += other.received;
        self.counted += other.counted;
        self.counted_before += other.counted_before;
        self.duplicates += other.duplicates;
        self.unchecked += other.unchecked;
        for (reason, count) in &other.quarantined {
            *self.quarantined.entry(reason).or_default() += count;
        }
        self.unknown_fields += other.unknown_fields;
        self.undone += other.undone;
        self.writes += other.writes;
        self.refusals += other.refusals;
        self.write_units += other.write_units;
        self.latest_ms = self.latest_ms.max(other.latest_ms);
        for (within, count) in &other.lateness {
            *self.lateness.entry(within).or_default() += count;
        }
    }
}
