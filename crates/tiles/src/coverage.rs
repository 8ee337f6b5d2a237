//! Since when the stream has been counted under a feature set.
//!
//! A table without tiles of an entity may mean that nothing happened, or that nobody was counting yet. One item a
//! feature set tells them apart; whoever counts first writes it, and nobody changes it.

use crate::{StoreError, StoredTile, TileKey, TileStore, TileVersion};

const SORT_KEY: &str = "since";
/// 2100-01-01: it outlives every tile.
const EXPIRES_AT_S: i64 = 4_102_444_800;

/// Notes that calls which begin at `since_ms` or later are counted under `version`, unless that was noted before.
/// Gives the write units billed.
pub async fn note_coverage(store: &impl TileStore, version: &str, since_ms: i64) -> Result<f64, StoreError> {
    let state = since_ms.to_be_bytes().to_vec();
    // It counts no call of its own.
    let tile = StoredTile { version: TileVersion::Calls(0), calls: Vec::new(), state, expires_at_s: EXPIRES_AT_S };
    let outcome = store.compare_and_set(&coverage_key(version), None, &tile).await?;
    Ok(outcome.units())
}

/// Since when calls are counted under `version`, in milliseconds since 1970 UTC; `None` if none ever was.
pub async fn read_coverage(store: &impl TileStore, version: &str) -> Result<Option<i64>, StoreError> {
    let key = coverage_key(version);
    let found = store.query(&key.pk, SORT_KEY, &format!("{SORT_KEY}~")).await?;
    let Some((_, tile)) = found.first() else { return Ok(None) };
    let broken = |_| StoreError::Fatal("the note of coverage cannot be read".to_owned());
    let bytes = <[u8; 8]>::try_from(tile.state.as_slice()).map_err(broken)?;
    Ok(Some(i64::from_be_bytes(bytes)))
}

/// The key of the note.
pub fn coverage_key(version: &str) -> TileKey {
    TileKey { pk: format!("{version}#coverage").into(), sk: SORT_KEY.into() }
}
