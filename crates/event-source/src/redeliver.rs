//! A fault on purpose: batches that were taken are delivered again, as after a lost reply.

/// Delivers every n-th batch of a shard again after the handler took it, cut the same or otherwise. The same seed
/// makes the same choices for the same batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeliver {
    /// Chooses how the batches are cut.
    pub seed: u64,
    /// At least 2, so that every other batch counts.
    pub every_nth_batch: u64,
}

/// How records that were delivered are cut when they are delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recut {
    /// As the same batch.
    Same,
    /// In two batches, the first with this many records.
    Split(usize),
    /// As if they had never been delivered: with what has come since.
    Fresh,
}

impl Redeliver {
    /// What to do with the `batch`-th batch of a shard (from 1) of `len` records, which the handler took: `None` to
    /// let it count.
    pub fn decide(&self, shard_id: &str, batch: u64, len: usize) -> Option<Recut> {
        if !batch.is_multiple_of(self.every_nth_batch) {
            return None;
        }
        let shard = shard_id.bytes().fold(0_u64, |hash, byte| mix(hash ^ u64::from(byte)));
        let random = mix(self.seed ^ mix(shard ^ mix(batch)));
        Some(match random % 3 {
            0 => Recut::Same,
            1 if len > 1 => Recut::Split(1 + (random / 3 % (len as u64 - 1)) as usize),
            _ => Recut::Fresh,
        })
    }
}

/// The finalizer of `SplitMix64`: every bit of the input changes about half of those of the output.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nth_batch_is_lost_in_every_way_and_the_same_way_again() {
        let redeliver = Redeliver { seed: 7, every_nth_batch: 3 };
        let decide = |redeliver: &Redeliver| -> Vec<_> {
            (1..=300).map(|batch| redeliver.decide("shardId-000000000001", batch, 10)).collect()
        };
        let decisions = decide(&redeliver);
        assert_eq!(decisions, decide(&redeliver));
        assert_ne!(decisions, decide(&Redeliver { seed: 8, ..redeliver }));
        assert_eq!(decisions.iter().flatten().count(), 100);
        assert!(decisions.contains(&Some(Recut::Same)));
        assert!(decisions.contains(&Some(Recut::Fresh)));
        let splits: Vec<usize> = decisions
            .iter()
            .filter_map(|cut| if let Some(Recut::Split(at)) = cut { Some(*at) } else { None })
            .collect();
        assert!(splits.iter().all(|at| (1..10).contains(at)) && splits.len() > 10, "{splits:?}");
    }
}
