//! What a reader remembers of the files of snapshots. Files of a run never change, so nothing here is ever stale: what
//! is not asked for any more falls out.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use features::{Level, Party};
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use crate::block::Block;
use crate::row_group::Footer;
use crate::{RangeCache, StoredRow};

/// What an entry costs beside its contents, roughly.
pub(crate) const ENTRY_BYTES: u64 = 128;

/// How much memory a [`SnapshotCache`] takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSizes {
    /// Footers, of which every file has one: some 200 bytes for each 96 KB of the file.
    pub footers: u64,
    /// Row groups of online files, decoded: some 100 KB each.
    pub blocks: u64,
    /// Rows, as they are stored.
    pub rows: u64,
    /// What a [`crate::DayReader`] remembers: footers of day tiles, and states.
    pub days: u64,
}

impl CacheSizes {
    /// Divides an amount of memory.
    pub const fn of_total(bytes: u64) -> Self {
        Self { footers: bytes / 4, blocks: bytes / 8 * 3, rows: bytes / 4, days: bytes / 8 }
    }
}

impl Default for CacheSizes {
    /// 128 MB in all.
    fn default() -> Self {
        Self::of_total(128 * 1024 * 1024)
    }
}

/// What a cache has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// Rows asked for.
    pub rows: u64,
    /// Of them, those that were there.
    pub row_hits: u64,
    /// Blocks read: one ranged read each, of a file or from the shared cache.
    pub block_reads: u64,
    /// Footers read: mostly one ranged read each.
    pub footer_reads: u64,
    /// Memory taken, in bytes.
    pub bytes: u64,
}

/// Footers, blocks and rows of all snapshots of one [`crate::SnapshotReader`], bounded in bytes.
pub struct SnapshotCache {
    footers: Cache<FileId, Arc<Footer>, Weigh>,
    blocks: Cache<BlockId, Arc<Block>, Weigh>,
    rows: Cache<RowId, Option<Arc<StoredRow>>, Weigh>,
    shared: Option<Arc<dyn RangeCache>>,
    sizes: CacheSizes,
    // What was asked for and not there the cache counts more than once where several wait for it.
    block_reads: AtomicU64,
    footer_reads: AtomicU64,
}

impl SnapshotCache {
    /// An empty one.
    pub fn new(sizes: CacheSizes) -> Self {
        // How many there may be, for the cache's own tables: small rows, and footers of small files.
        let items = |bytes: u64, each: u64| usize::try_from(bytes / each).unwrap_or(usize::MAX).max(16);
        Self {
            footers: Cache::with_weighter(items(sizes.footers, 64 * 1024), sizes.footers, Weigh),
            blocks: Cache::with_weighter(items(sizes.blocks, 100 * 1024), sizes.blocks, Weigh),
            rows: Cache::with_weighter(items(sizes.rows, 4 * 1024), sizes.rows, Weigh),
            shared: None,
            sizes,
            block_reads: AtomicU64::new(0),
            footer_reads: AtomicU64::new(0),
        }
    }

    /// Asks another cache for bytes before they are read from a file, and gives it what was read.
    #[must_use]
    pub fn with_shared(mut self, shared: Arc<dyn RangeCache>) -> Self {
        self.shared = Some(shared);
        self
    }

    /// What it may take.
    pub const fn sizes(&self) -> CacheSizes {
        self.sizes
    }

    pub(crate) fn shared(&self) -> Option<&dyn RangeCache> {
        self.shared.as_deref()
    }

    /// What it has done so far.
    pub fn usage(&self) -> CacheUse {
        CacheUse {
            rows: self.rows.hits() + self.rows.misses(),
            row_hits: self.rows.hits(),
            block_reads: self.block_reads.load(Ordering::Relaxed),
            footer_reads: self.footer_reads.load(Ordering::Relaxed),
            bytes: self.footers.weight() + self.blocks.weight() + self.rows.weight(),
        }
    }

    /// The footer of a file, made by `read` where it is not there. Of several that ask at a time, one reads.
    pub(crate) async fn footer<E>(
        &self,
        id: FileId,
        read: impl Future<Output = Result<Arc<Footer>, E>>,
    ) -> Result<Arc<Footer>, E> {
        self.footers.get_or_insert_async(&id, counted(&self.footer_reads, read)).await
    }

    /// The same for a block.
    pub(crate) async fn block<E>(
        &self,
        id: BlockId,
        read: impl Future<Output = Result<Arc<Block>, E>>,
    ) -> Result<Arc<Block>, E> {
        self.blocks.get_or_insert_async(&id, counted(&self.block_reads, read)).await
    }

    /// What is known of a row.
    pub(crate) fn row(&self, id: &RowRef<'_>) -> Option<KnownRow> {
        self.rows.get(id).map(KnownRow)
    }

    pub(crate) fn put_row(&self, id: &RowRef<'_>, row: Option<Arc<StoredRow>>) {
        let RowRef { snapshot, party, level, key } = *id;
        self.rows.insert(RowId { snapshot, party, level, key: key.into() }, row);
    }
}

impl Default for SnapshotCache {
    fn default() -> Self {
        Self::new(CacheSizes::default())
    }
}

impl std::fmt::Debug for SnapshotCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotCache").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

async fn counted<T>(reads: &AtomicU64, read: impl Future<Output = T>) -> T {
    reads.fetch_add(1, Ordering::Relaxed);
    read.await
}

/// A row, or that there is none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KnownRow(pub(crate) Option<Arc<StoredRow>>);

/// A file: the number of the snapshot in this process, and the file's place in its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    pub(crate) snapshot: u64,
    pub(crate) file: usize,
}

/// A row group of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BlockId {
    pub(crate) file: FileId,
    pub(crate) group: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RowId {
    snapshot: u64,
    party: Party,
    level: Level,
    key: Box<str>,
}

/// The row of an entity in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RowRef<'a> {
    pub(crate) snapshot: u64,
    pub(crate) party: Party,
    pub(crate) level: Level,
    pub(crate) key: &'a str,
}

impl Equivalent<RowId> for RowRef<'_> {
    fn equivalent(&self, row: &RowId) -> bool {
        (self.snapshot, self.party, self.level, self.key) == (row.snapshot, row.party, row.level, &*row.key)
    }
}

/// Weighs what is cached.
#[derive(Clone)]
struct Weigh;

impl Weighter<FileId, Arc<Footer>> for Weigh {
    fn weight(&self, _: &FileId, footer: &Arc<Footer>) -> u64 {
        ENTRY_BYTES + footer.weight_bytes() as u64
    }
}

impl Weighter<BlockId, Arc<Block>> for Weigh {
    fn weight(&self, _: &BlockId, block: &Arc<Block>) -> u64 {
        ENTRY_BYTES + block.weight_bytes() as u64
    }
}

impl Weighter<RowId, Option<Arc<StoredRow>>> for Weigh {
    fn weight(&self, id: &RowId, row: &Option<Arc<StoredRow>>) -> u64 {
        ENTRY_BYTES + (id.key.len() + row.as_ref().map_or(0, |row| row.len_bytes())) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;

    #[test]
    fn a_row_is_found_by_a_borrowed_id() {
        let cache = SnapshotCache::new(CacheSizes::of_total(1 << 20));
        let id = |key| RowRef { snapshot: 1, party: Party::Caller, level: Level::Phone, key };
        cache.put_row(&id("+12025550101"), None);
        assert_eq!(cache.row(&id("+12025550101")), Some(KnownRow(None)));
        assert_eq!(cache.row(&id("+12025550102")), None);
        assert_eq!(cache.row(&RowRef { snapshot: 2, ..id("+12025550101") }), None);
        assert_eq!((cache.usage().rows, cache.usage().row_hits), (3, 1));
        // What the cache relies on.
        let hash = RandomState::new();
        let owned = RowId { snapshot: 1, party: Party::Caller, level: Level::Phone, key: "+1".into() };
        assert_eq!(hash.hash_one(id("+1")), hash.hash_one(&owned));
    }

    #[test]
    fn it_takes_no_more_memory_than_it_is_given() {
        let cache = SnapshotCache::new(CacheSizes { footers: 0, blocks: 0, rows: 64 * 1024, days: 0 });
        for n in 0..10_000 {
            let key = format!("+1202555{n:04}");
            cache.put_row(&RowRef { snapshot: 1, party: Party::Caller, level: Level::Phone, key: &key }, None);
        }
        let bytes = cache.usage().bytes;
        assert!((32 * 1024..=64 * 1024).contains(&bytes), "{bytes}");
    }
}
