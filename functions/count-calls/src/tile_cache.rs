//! Tiles that this function wrote or was shown, so that the next batch of the shard writes each once.

use lru::LruCache;
use tiles::{CallerTile, DerivedTile, TileKey};

/// The two kinds of tile as a cache sees them.
pub(crate) trait Weighed {
    /// Bytes in memory, roughly.
    fn weight_bytes(&self) -> usize;
}

impl Weighed for CallerTile {
    fn weight_bytes(&self) -> usize {
        CallerTile::weight_bytes(self)
    }
}

impl Weighed for DerivedTile {
    fn weight_bytes(&self) -> usize {
        DerivedTile::weight_bytes(self)
    }
}

/// Least recently used tiles leave when the bound on bytes is passed. A tile in here was confirmed by the store;
/// one that has changed since is refused at the next write and replaced by what the store holds.
#[derive(Debug)]
pub(crate) struct TileCache<T> {
    /// With the weight that each had when it was put.
    tiles: LruCache<TileKey, (T, usize)>,
    bytes: usize,
    bytes_max: usize,
}

impl<T: Weighed> TileCache<T> {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { tiles: LruCache::unbounded(), bytes: 0, bytes_max }
    }

    pub(crate) fn take(&mut self, key: &TileKey) -> Option<T> {
        let (tile, weight) = self.tiles.pop(key)?;
        self.bytes -= weight;
        Some(tile)
    }

    pub(crate) fn put(&mut self, key: TileKey, tile: T) {
        let weight = tile.weight_bytes();
        self.bytes += weight;
        if let Some((_, replaced)) = self.tiles.put(key, (tile, weight)) {
            self.bytes -= replaced;
        }
        while self.bytes > self.bytes_max
            && let Some((_, (_, forgotten))) = self.tiles.pop_lru()
        {
            self.bytes -= forgotten;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_the_oldest_and_stays_within_its_bound() {
        let key = |n: i64| TileKey::caller("p".into(), n * 60_000);
        let tile = CallerTile::empty(&[]);
        let mut cache = TileCache::new(tile.weight_bytes() * 3);
        (0..10).for_each(|n| cache.put(key(n), tile.clone()));
        assert!(cache.take(&key(6)).is_none());
        assert!(cache.take(&key(7)).is_some());
        assert!(cache.take(&key(7)).is_none());
        assert_eq!(cache.bytes, tile.weight_bytes() * 2);
    }
}
