//! Derived tiles: what one shard contributed to an entity over a minute or an hour.

use features::{Observation, Slot, SlotMask, State};

use crate::sabotage::{Sabotage, is_on};
use crate::{Position, StoreError, StoredTile, TileVersion};

/// The state of all records of one shard up to a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedTile {
    applied: Option<Position>,
    state: State,
}

impl DerivedTile {
    /// A tile to which nothing was applied yet.
    pub fn empty(slots: &[Slot]) -> Self {
        Self { applied: None, state: State::empty(slots) }
    }

    /// Reads a stored tile.
    pub fn from_stored(stored: &StoredTile, slots: &[Slot]) -> Result<Self, StoreError> {
        let TileVersion::Applied(applied) = stored.version else {
            return Err(StoreError::Fatal("a derived tile holds no position".to_owned()));
        };
        let state = State::decode(slots, &stored.state)
            .map_err(|error| StoreError::Fatal(format!("a derived tile cannot be read: {error}")))?;
        Ok(Self { applied: Some(applied), state })
    }

    /// The stored form; `None` while nothing was applied.
    pub fn to_stored(&self, expires_at_s: i64) -> Option<StoredTile> {
        let version = TileVersion::Applied(self.applied?);
        Some(StoredTile { version, calls: Vec::new(), state: self.state.to_bytes(), expires_at_s })
    }

    /// The version a write that replaces this tile must expect; `None` for a tile that is not stored yet.
    pub fn expected(&self) -> Option<TileVersion> {
        self.applied.map(TileVersion::Applied)
    }

    /// Whether the record at `position` is in it: what is at or below the last one applied has been applied,
    /// what is above has not.
    pub fn has(&self, position: Position) -> bool {
        let has = |applied| position < applied || position == applied && !is_on(Sabotage::AppliedIsExclusive);
        self.applied.is_some_and(has)
    }

    /// Applies an accepted record unless it was applied before; says whether it changed. Records of one shard
    /// must be applied in the order of their positions.
    pub fn apply(&mut self, position: Position, call: &Observation<'_>, mask: SlotMask) -> bool {
        if self.has(position) {
            return false;
        }
        self.applied = Some(position);
        self.state.add(call, mask);
        true
    }

    /// Bytes it takes in memory, roughly: what a cache counts.
    pub fn weight_bytes(&self) -> usize {
        512 + self.state.weight_bytes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_at_or_below_the_version_is_applied() {
        let at = |n: u64| Position::parse(&n.to_string(), 0).unwrap();
        let call = Observation { started_at_ms: 5, inputs: &[] };
        let mut tile = DerivedTile::empty(&[]);
        assert_eq!(tile.to_stored(0), None);
        assert!(tile.apply(at(5), &call, SlotMask::default()));
        assert!(!tile.apply(at(5), &call, SlotMask::default()));
        assert!(!tile.apply(at(4), &call, SlotMask::default()));
        assert!(tile.apply(at(6), &call, SlotMask::default()));
        let stored = tile.to_stored(0).unwrap();
        assert_eq!(stored.version, TileVersion::Applied(at(6)));
        assert_eq!(DerivedTile::from_stored(&stored, &[]).unwrap(), tile);
    }
}
