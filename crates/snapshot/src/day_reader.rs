//! Reads one row of a day tile.

use std::sync::Arc;

use features::{FeatureSet, State};
use objects::Objects;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::cache::ENTRY_BYTES;
use crate::remote_file::RemoteFile;
use crate::row_group::Footer;
use crate::{SnapshotError, TileFile};

/// Reads what entities did on single days, from the day tiles that a manifest lists. A tile is never written again under
/// its key, so what was read stays true from one manifest to the next.
pub struct DayReader {
    objects: Objects,
    set: Arc<FeatureSet>,
    footers: Cache<String, Arc<Footer>, Weigh>,
    rows: Cache<Place, Option<Arc<[u8]>>, Weigh>,
}

/// The keys of a tile and of an entity.
type Place = (String, String);

impl DayReader {
    /// Reads tiles of `set` below `objects`, remembering what takes `bytes` at most: footers in four fifths of them, of
    /// which 30 days of a million phones have 16 MB, and states.
    pub fn new(objects: Objects, set: Arc<FeatureSet>, bytes: u64) -> Self {
        let rows = bytes / 5;
        let footers = Cache::with_weighter(256, bytes - rows, Weigh);
        Self { objects, set, footers, rows: Cache::with_weighter(16 * 1024, rows, Weigh) }
    }

    /// What an entity did on the day of a tile of its party and level; `None` where it did nothing. What is not in the
    /// cache is one ranged read of a row group, some 256 KB before it was packed, and once a tile one for its footer.
    pub async fn get(&self, tile: &TileFile, key: &str) -> Result<Option<State>, SnapshotError> {
        let place = (tile.key.clone(), key.to_owned());
        let states = self.rows.get_or_insert_async(&place, self.read(tile, key)).await?;
        let decode = |states: Arc<[u8]>| State::decode(self.set.slots(tile.party), &states);
        states.map(decode).transpose().map_err(|error| SnapshotError::corrupt(&tile.key, error))
    }

    async fn read(&self, tile: &TileFile, key: &str) -> Result<Option<Arc<[u8]>>, SnapshotError> {
        if tile.rows == 0 {
            return Ok(None);
        }
        let file = RemoteFile::of_tile(&self.objects, tile);
        let footer = self.footers.get_or_insert_async(tile.key.as_str(), file.footer()).await?;
        let Some(group) = footer.group_of(key) else { return Ok(None) };
        Ok(file.block(&footer, group).await?.find(key).map(Arc::from))
    }
}

impl std::fmt::Debug for DayReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DayReader").field("objects", &self.objects).finish_non_exhaustive()
    }
}

/// Weighs what is cached.
#[derive(Clone)]
struct Weigh;

impl Weighter<String, Arc<Footer>> for Weigh {
    fn weight(&self, key: &String, footer: &Arc<Footer>) -> u64 {
        ENTRY_BYTES + (key.len() + footer.weight_bytes()) as u64
    }
}

impl Weighter<Place, Option<Arc<[u8]>>> for Weigh {
    fn weight(&self, (tile, key): &Place, states: &Option<Arc<[u8]>>) -> u64 {
        ENTRY_BYTES + (tile.len() + key.len() + states.as_deref().map_or(0, <[u8]>::len)) as u64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use features::{Level, Party, SlotState};

    use super::*;
    use crate::PackedWriter;

    const BYTES: u64 = 20 * 1024 * 1024;

    /// A tile of keys +1000000, +1000003, ..., whose states count their place.
    fn write(folder: &Path, set: &FeatureSet, rows: u64) -> TileFile {
        let key = "daily/date=2026-11-20/run=a/caller.parquet".to_owned();
        std::fs::create_dir_all(folder.join(&key).parent().unwrap()).unwrap();
        let mut writer = PackedWriter::tile(Vec::new(), "t", &[]).unwrap();
        for row in 0..rows {
            writer.push(&number(row * 3), &counting(set, row + 1).to_bytes(), Some("+1"), None).unwrap();
        }
        let (written, bytes) = writer.finish_counted().unwrap();
        std::fs::write(folder.join(&key), &bytes).unwrap();
        let (bytes, footer_crc32) = (bytes.len() as u64, Some(written.footer_crc32));
        TileFile { party: Party::Caller, level: Level::Phone, key, rows, bytes, footer_crc32 }
    }

    fn number(n: u64) -> String {
        format!("+1{n:06}")
    }

    fn counting(set: &FeatureSet, calls: u64) -> State {
        let slots = set.slots(Party::Caller);
        let count = |slot: &features::Slot| match slot.kind {
            features::SlotKind::Count => SlotState::Count(calls),
            kind => SlotState::empty(kind),
        };
        State::from_parts(Some(1), slots.iter().map(count).collect())
    }

    #[tokio::test]
    async fn every_row_is_found_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let set = Arc::new(FeatureSet::default_set().unwrap());
        let tile = write(folder.path(), &set, 20_000);
        let reader = DayReader::new(Objects::in_folder(folder.path()), Arc::clone(&set), BYTES);
        assert!(RemoteFile::of_tile(&reader.objects, &tile).footer().await.unwrap().groups() > 2);
        for row in [0, 1, 9_999, 12_345, 19_999] {
            let found = reader.get(&tile, &number(row * 3)).await.unwrap();
            assert_eq!(found, Some(counting(&set, row + 1)), "{row}");
            for between in [row * 3 + 1, row * 3 + 2] {
                assert_eq!(reader.get(&tile, &number(between)).await.unwrap(), None, "{between}");
            }
        }
        for outside in ["", "+0", "+9", "ext:hq/1"] {
            assert_eq!(reader.get(&tile, outside).await.unwrap(), None, "{outside}");
        }
        let nobody = write(folder.path(), &set, 0);
        assert_eq!(reader.get(&nobody, "+1").await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_was_read_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let set = Arc::new(FeatureSet::default_set().unwrap());
        let tile = write(folder.path(), &set, 10);
        let reader = DayReader::new(Objects::in_folder(folder.path()), Arc::clone(&set), BYTES);
        let before = (reader.get(&tile, &number(3)).await.unwrap(), reader.get(&tile, &number(4)).await.unwrap());
        assert_eq!(before, (Some(counting(&set, 2)), None));
        std::fs::remove_file(folder.path().join(&tile.key)).unwrap();
        let after = (reader.get(&tile, &number(3)).await.unwrap(), reader.get(&tile, &number(4)).await.unwrap());
        assert_eq!(after, before);
        let error = reader.get(&tile, &number(6)).await.unwrap_err();
        assert!(matches!(error, SnapshotError::Gone { .. }), "{error}");
    }

    #[tokio::test]
    async fn the_cache_is_bounded_in_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let reader =
            DayReader::new(Objects::in_folder(folder.path()), Arc::new(FeatureSet::default_set().unwrap()), BYTES);
        for n in 0..1_000 {
            reader.rows.insert(("tile".to_owned(), number(n)), Some(Arc::from(vec![0_u8; 100_000])));
            assert!(reader.rows.weight() <= BYTES / 5);
        }
        assert!((30..=41).contains(&reader.rows.len()), "{}", reader.rows.len());
    }

    #[tokio::test]
    async fn a_flipped_bit_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let set = Arc::new(FeatureSet::default_set().unwrap());
        let tile = write(folder.path(), &set, 100);
        let path = folder.path().join(&tile.key);
        let whole = std::fs::read(&path).unwrap();
        let mut noticed = 0;
        for at in (0..whole.len()).step_by(7) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, &flipped).unwrap();
            match DayReader::new(Objects::in_folder(folder.path()), Arc::clone(&set), BYTES)
                .get(&tile, &number(150))
                .await
            {
                Ok(found) => assert_eq!(found, Some(counting(&set, 51)), "at {at}"),
                Err(error) => {
                    assert!(error.to_string().contains(&tile.key), "{error}");
                    noticed += 1;
                }
            }
        }
        assert!(noticed > 20, "{noticed} of {}", whole.len() / 7);
    }
}
