//! Since when the stream has been counted under a feature set.
//!
//! A table without tiles of an entity may mean that nothing happened, or that nobody was counting yet. One item a
//! feature set tells them apart. Whoever counts first writes it; a backfill that has counted what came before moves it
//! back, and nobody ever moves it on.

use crate::{CasOutcome, StoreError, StoredTile, TileKey, TileStore, TileVersion};

const SORT_KEY: &str = "since";
/// 2100-01-01: it outlives every tile.
const EXPIRES_AT_S: i64 = 4_102_444_800;

/// Notes that calls which begin at `since_ms` or later are counted under `version`, unless that was noted before.
/// Gives the write units billed.
pub async fn note_coverage(store: &impl TileStore, version: &str, since_ms: i64) -> Result<f64, StoreError> {
    let outcome = store.compare_and_set(&coverage_key(version), None, &note(since_ms, 0)).await?;
    Ok(outcome.units())
}

/// Notes that calls which begin at `since_ms` or later are counted under `version`, if the note says later or there is
/// none. For those who have counted all calls between the two.
pub async fn move_coverage_back(store: &impl TileStore, version: &str, since_ms: i64) -> Result<(), StoreError> {
    let key = coverage_key(version);
    loop {
        let (expected, changes) = match read_note(store, version).await? {
            Some((noted_ms, _)) if noted_ms <= since_ms => return Ok(()),
            Some((_, changes)) => (Some(TileVersion::Calls(changes)), changes + 1),
            None => (None, 0),
        };
        if let CasOutcome::Written { .. } = store.compare_and_set(&key, expected, &note(since_ms, changes)).await? {
            return Ok(());
        }
    }
}

/// The note as a tile: its version is how often it was changed.
fn note(since_ms: i64, changes: u32) -> StoredTile {
    let state = since_ms.to_be_bytes().to_vec();
    StoredTile { version: TileVersion::Calls(changes), calls: Vec::new(), state, expires_at_s: EXPIRES_AT_S }
}

/// Since when calls are counted under `version`, in milliseconds since 1970 UTC; `None` if none ever was.
pub async fn read_coverage(store: &impl TileStore, version: &str) -> Result<Option<i64>, StoreError> {
    Ok(read_note(store, version).await?.map(|(since_ms, _)| since_ms))
}

/// What the note says, and how often it was changed.
async fn read_note(store: &impl TileStore, version: &str) -> Result<Option<(i64, u32)>, StoreError> {
    let key = coverage_key(version);
    let found = store.query(&key.pk, SORT_KEY, &format!("{SORT_KEY}~")).await?;
    let Some((_, tile)) = found.first() else { return Ok(None) };
    match (<[u8; 8]>::try_from(tile.state.as_slice()), tile.version) {
        (Ok(bytes), TileVersion::Calls(changes)) => Ok(Some((i64::from_be_bytes(bytes), changes))),
        _ => Err(StoreError::Fatal("the note of coverage cannot be read".to_owned())),
    }
}

/// The key of the note.
pub fn coverage_key(version: &str) -> TileKey {
    TileKey { pk: format!("{version}#coverage").into(), sk: SORT_KEY.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::MemoryTiles;

    #[tokio::test]
    async fn coverage_moves_back_and_never_on() {
        let store = MemoryTiles::default();
        assert_eq!(read_coverage(&store, "v").await.unwrap(), None);
        move_coverage_back(&store, "v", 50).await.unwrap();
        note_coverage(&store, "v", 90).await.unwrap();
        assert_eq!(read_coverage(&store, "v").await.unwrap(), Some(50));
        for (since_ms, noted_ms) in [(70, 50), (30, 30), (40, 30), (20, 20)] {
            move_coverage_back(&store, "v", since_ms).await.unwrap();
            assert_eq!(read_coverage(&store, "v").await.unwrap(), Some(noted_ms));
        }
    }
}
