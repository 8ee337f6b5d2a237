//! Caller tiles decide what counts: one caller, one minute, and the set of calls counted.

use features::{Observation, Slot, SlotMask, State};

use crate::sabotage::{Sabotage, is_on};
use crate::{StoreError, StoredTile, TileVersion};

/// Calls that one caller tile remembers. A call takes 16 bytes of an item that DynamoDB limits to 400 KB, and
/// each write is billed at the item's size: past this, calls are counted without a check for duplicates.
pub const CALLS_PER_TILE_MAX: usize = 5_000;

const MARK_BYTES: usize = 16;

/// What a caller tile remembers of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallMark {
    /// Hash of the call id.
    pub call: u64,
    /// Hash of shard key and position: which delivery of the call it was that counted.
    pub delivery: u64,
}

/// What is to become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Not seen before: it counts, here and in derived tiles.
    New,
    /// This very record was counted by an earlier delivery: it still counts in derived tiles, which know by
    /// its position whether they have it.
    CountedBefore,
    /// The producer sent the call twice: it counts nowhere.
    Duplicate,
    /// The tile is full: it counts, in derived tiles alone.
    Overflow,
}

impl Verdict {
    /// Whether derived tiles count the record.
    pub const fn is_accepted(self) -> bool {
        !matches!(self, Self::Duplicate)
    }
}

/// The calls of one caller in one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerTile {
    marks: Vec<CallMark>,
    state: State,
}

impl CallerTile {
    /// A tile that counted nothing yet.
    pub fn empty(slots: &[Slot]) -> Self {
        Self { marks: Vec::new(), state: State::empty(slots) }
    }

    /// Reads a stored tile.
    pub fn from_stored(stored: &StoredTile, slots: &[Slot]) -> Result<Self, StoreError> {
        let broken = |why: String| StoreError::Fatal(format!("a caller tile cannot be read: {why}"));
        let (pairs, rest) = stored.calls.as_chunks::<MARK_BYTES>();
        let marks: Vec<_> = pairs.iter().map(|pair| unpack(*pair)).collect();
        if !rest.is_empty() || stored.version != TileVersion::Calls(marks.len() as u32) {
            return Err(broken(format!("it names {:?} and holds {} calls", stored.version, marks.len())));
        }
        let state = State::decode(slots, &stored.state).map_err(|error| broken(error.to_string()))?;
        Ok(Self { marks, state })
    }

    /// The stored form.
    pub fn to_stored(&self, expires_at_s: i64) -> StoredTile {
        let calls = self.marks.iter().flat_map(|mark| pack(*mark)).collect();
        StoredTile { version: self.version(), calls, state: self.state.to_bytes(), expires_at_s }
    }

    /// Its version: how many calls it counted.
    pub const fn version(&self) -> TileVersion {
        TileVersion::Calls(self.marks.len() as u32)
    }

    /// The version a write that replaces this tile must expect; `None` for a tile that is not stored yet.
    pub fn expected(&self) -> Option<TileVersion> {
        (!self.marks.is_empty()).then(|| self.version())
    }

    /// Bytes it takes in memory, roughly: what a cache counts.
    pub const fn weight_bytes(&self) -> usize {
        512 + self.marks.len() * MARK_BYTES
    }

    /// What is to become of the call with this mark. Changes nothing.
    pub fn classify(&self, mark: CallMark) -> Verdict {
        let forgotten = if is_on(Sabotage::CallerRemembersOne) { self.marks.len().saturating_sub(1) } else { 0 };
        match self.marks[forgotten..].iter().find(|seen| seen.call == mark.call) {
            Some(_) if is_on(Sabotage::DeliveryForgotten) => Verdict::Duplicate,
            Some(seen) if seen.delivery == mark.delivery => Verdict::CountedBefore,
            Some(_) => Verdict::Duplicate,
            None if self.marks.len() >= CALLS_PER_TILE_MAX => Verdict::Overflow,
            None => Verdict::New,
        }
    }

    /// Classifies the call and, where it is new, counts it.
    pub fn admit(&mut self, mark: CallMark, call: &Observation<'_>, mask: SlotMask) -> Verdict {
        let verdict = self.classify(mark);
        if verdict == Verdict::New {
            self.marks.push(mark);
            self.state.add(call, mask);
        }
        verdict
    }
}

fn pack(mark: CallMark) -> [u8; MARK_BYTES] {
    (u128::from(mark.call) << 64 | u128::from(mark.delivery)).to_be_bytes()
}

fn unpack(bytes: [u8; MARK_BYTES]) -> CallMark {
    let both = u128::from_be_bytes(bytes);
    CallMark { call: (both >> 64) as u64, delivery: both as u64 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CALL: Observation<'static> = Observation { started_at_ms: 1_000, inputs: &[] };

    fn mark(call: u64, delivery: u64) -> CallMark {
        CallMark { call, delivery }
    }

    #[test]
    fn a_call_counts_once_and_its_redelivery_is_known() {
        let mut tile = CallerTile::empty(&[]);
        let mask = SlotMask::default();
        assert_eq!(tile.admit(mark(1, 10), &CALL, mask), Verdict::New);
        assert_eq!(tile.admit(mark(1, 10), &CALL, mask), Verdict::CountedBefore);
        assert_eq!(tile.admit(mark(1, 11), &CALL, mask), Verdict::Duplicate);
        assert_eq!(tile.admit(mark(2, 12), &CALL, mask), Verdict::New);
        assert_eq!(tile.expected(), Some(TileVersion::Calls(2)));
        assert_eq!(CallerTile::from_stored(&tile.to_stored(0), &[]).unwrap(), tile);
    }

    #[test]
    fn a_full_tile_still_knows_its_own_calls() {
        let mut tile = CallerTile::empty(&[]);
        for n in 0..CALLS_PER_TILE_MAX as u64 {
            assert_eq!(tile.admit(mark(n, n), &CALL, SlotMask::default()), Verdict::New);
        }
        assert_eq!(tile.classify(mark(9_999, 1)), Verdict::Overflow);
        assert_eq!(tile.classify(mark(7, 7)), Verdict::CountedBefore);
        assert_eq!(tile.classify(mark(7, 8)), Verdict::Duplicate);
    }

    #[test]
    fn a_tile_that_contradicts_itself_is_refused() {
        let mut stored = CallerTile::empty(&[]).to_stored(0);
        stored.version = TileVersion::Calls(3);
        assert!(CallerTile::from_stored(&stored, &[]).unwrap_err().to_string().contains("holds 0 calls"));
    }
}
