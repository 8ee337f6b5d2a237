//! Whether a number of shards carries the calls of the busiest minutes.

use crate::cost::Volume;
use crate::cost::bill::{Counting, Design};
use crate::cost::figures::{SECONDS_A_DAY, assumed, measured, rules};

/// What shards carry, beside what they have to.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(super) struct Capacity {
    /// Calls a second in the busiest minutes.
    pub(super) peak_calls_a_second: f64,
    /// Calls a second that a shard carries.
    pub(super) calls_a_second_a_shard: f64,
    /// What it is that carries no more.
    pub(super) limit: &'static str,
    /// The fewest shards that carry the peak.
    pub(super) shards_needed: u32,
}

impl Capacity {
    /// Of a volume.
    pub(super) fn of(volume: &Volume) -> Self {
        let peak = volume.calls_a_day / SECONDS_A_DAY * assumed::PEAK_TO_MEAN;
        // At the peak a batch is full, and a shard has one batch in hand.
        let mut busy = Counting::of(volume, Design::Tollwatch);
        busy.batch = assumed::BATCH_RECORDS_MAX;
        let limits = [
            (rules::SHARD_RECORDS_A_SECOND, "the records that a shard takes"),
            (rules::SHARD_BYTES_IN_A_SECOND / measured::RECORD_BYTES, "the bytes that a shard takes"),
            (
                rules::SHARD_BYTES_OUT_A_SECOND / 2.0 / measured::RECORD_BYTES,
                "the bytes that a shard gives two readers",
            ),
            (busy.batch / busy.batch_s(), "count-calls, one batch of a shard at a time"),
        ];
        let (each, limit) = limits.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((1.0, ""));
        let shards_needed = (peak / each).ceil().max(1.0) as u32;
        Self { peak_calls_a_second: peak, calls_a_second_a_shard: each, limit, shards_needed }
    }

    /// The same in a sentence.
    pub(super) fn told(&self, shards: Option<u32>) -> String {
        let Self { peak_calls_a_second: peak, calls_a_second_a_shard: each, limit, shards_needed } = *self;
        let peak = format!("the peak, taken as {peak:.0} calls a second,");
        match shards {
            Some(shards) if shards < shards_needed => format!(
                "NOT ENOUGH: {peak} needs {shards_needed} shards, and there are {shards}: each carries {each:.0} calls a \
                 second ({limit}). Give --shards {shards_needed}"
            ),
            Some(shards) => format!(
                "{shards} shards carry {:.0} calls a second ({limit}); {peak} needs {shards_needed}",
                f64::from(shards) * each
            ),
            None => {
                let shards = if shards_needed == 1 { "shard" } else { "shards" };
                format!("on demand; {peak} would need {shards_needed} provisioned {shards}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_shards_are_told() {
        let volume = |calls_a_day, shards| Volume { calls_a_day, lookups_a_day: 0.0, shards: Some(shards) };
        // 100 million calls a day are 1,157 a second, 3,472 at the peak, and a shard takes 1,000 records a second.
        let capacity = Capacity::of(&volume(1e8, 3));
        assert_eq!(capacity.shards_needed, 4);
        assert!(capacity.told(Some(3)).starts_with("NOT ENOUGH"), "{}", capacity.told(Some(3)));
        assert!(capacity.told(Some(4)).starts_with("4 shards carry 4000"), "{}", capacity.told(Some(4)));
        assert_eq!(Capacity::of(&volume(1.0, 1)).shards_needed, 1);
    }
}
