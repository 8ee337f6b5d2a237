//! Tiles in memory, for tests and simulation.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use smol_str::SmolStr;

use crate::{CasOutcome, StoreError, StoredTile, TileKey, TileStore, TileVersion, write_units};

/// A store that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryTiles {
    tiles: Mutex<BTreeMap<TileKey, StoredTile>>,
}

impl MemoryTiles {
    /// Every tile, in key order.
    pub fn all(&self) -> Vec<(TileKey, StoredTile)> {
        self.lock().iter().map(|(key, tile)| (key.clone(), tile.clone())).collect()
    }

    /// The tile with this key.
    pub fn get(&self, key: &TileKey) -> Option<StoredTile> {
        self.lock().get(key).cloned()
    }

    /// Forgets a tile, as DynamoDB does when it has expired.
    pub fn remove(&self, key: &TileKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TileKey, StoredTile>> {
        // No invariant spans two tiles: what a panicking thread left is still a store.
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TileStore for MemoryTiles {
    async fn compare_and_set(
        &self,
        key: &TileKey,
        expected: Option<TileVersion>,
        tile: &StoredTile,
    ) -> Result<CasOutcome, StoreError> {
        let mut tiles = self.lock();
        let current = tiles.get(key);
        if current.map(|tile| tile.version) != expected {
            let units = current.map_or(1.0, |tile| write_units(key, tile));
            return Ok(CasOutcome::Refused { current: current.cloned(), units });
        }
        let before = current.map_or(0.0, |tile| write_units(key, tile));
        tiles.insert(key.clone(), tile.clone());
        Ok(CasOutcome::Written { units: write_units(key, tile).max(before) })
    }

    async fn query(&self, partition: &str, from: &str, to: &str) -> Result<Vec<(SmolStr, StoredTile)>, StoreError> {
        let bound = |sk: &str| TileKey { pk: SmolStr::new(partition), sk: SmolStr::new(sk) };
        if from >= to {
            return Ok(Vec::new());
        }
        let tiles = self.lock();
        Ok(tiles.range(bound(from)..bound(to)).map(|(key, tile)| (key.sk.clone(), tile.clone())).collect())
    }
}
