//! What every tile store must do. Each backend's tests call [`check_store`].

use crate::{
    CasOutcome, Position, StoreError, StoredTile, TileKey, TileStore, TileVersion, note_coverage, read_coverage,
};

/// Runs the whole contract against an empty store; the message names the rule that does not hold.
pub async fn check_store(store: &impl TileStore) -> Result<(), String> {
    check_counting(store).await?;
    writes_are_billed(store).await
}

/// The contract without what writes cost, which not every emulator knows.
pub async fn check_counting(store: &impl TileStore) -> Result<(), String> {
    write_needs_the_version(store).await?;
    refusal_brings_the_tile_back(store).await?;
    one_of_many_writers_wins(store).await?;
    coverage_is_noted_once(store).await?;
    query_is_ordered_and_half_open(store).await
}

fn tile(version: TileVersion, state: &[u8]) -> StoredTile {
    let calls = if matches!(version, TileVersion::Calls(_)) { vec![7; 16] } else { Vec::new() };
    StoredTile { version, calls, state: state.to_vec(), expires_at_s: 4_000_000_000 }
}

fn applied(sequence: u32) -> TileVersion {
    TileVersion::Applied(Position::parse(&sequence.to_string(), 0).unwrap_or_else(|| unreachable!("digits")))
}

fn key(partition: &str, sk: &str) -> TileKey {
    TileKey { pk: partition.into(), sk: sk.into() }
}

async fn set(
    store: &impl TileStore,
    key: &TileKey,
    expected: Option<TileVersion>,
    tile: &StoredTile,
) -> Result<CasOutcome, String> {
    store.compare_and_set(key, expected, tile).await.map_err(|error: StoreError| error.to_string())
}

fn rule(holds: bool, rule: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("the store breaks its contract: {rule}")) }
}

async fn coverage_is_noted_once(store: &impl TileStore) -> Result<(), String> {
    let told = |error: StoreError| error.to_string();
    rule(read_coverage(store, "v").await.map_err(told)?.is_none(), "nothing is covered before it is noted")?;
    for since_ms in [1_795_176_000_123, 5] {
        note_coverage(store, "v", since_ms).await.map_err(told)?;
        let noted = read_coverage(store, "v").await.map_err(told)?;
        rule(noted == Some(1_795_176_000_123), "coverage is what was noted first")?;
    }
    Ok(())
}

async fn write_needs_the_version(store: &impl TileStore) -> Result<(), String> {
    let key = key("cas", "a");
    let (one, two) = (tile(applied(1), b"one"), tile(applied(2), b"two"));
    let early = set(store, &key, Some(applied(1)), &two).await?;
    rule(matches!(early, CasOutcome::Refused { current: None, .. }), "a version of nothing is refused")?;
    let first = set(store, &key, None, &one).await?;
    rule(matches!(first, CasOutcome::Written { .. }), "a first write is written")?;
    let again = set(store, &key, None, &two).await?;
    rule(matches!(again, CasOutcome::Refused { current: Some(_), .. }), "a second first write is refused")?;
    let next = set(store, &key, Some(applied(1)), &two).await?;
    rule(matches!(next, CasOutcome::Written { .. }), "the version found is accepted")?;
    let stale = set(store, &key, Some(applied(1)), &one).await?;
    rule(matches!(stale, CasOutcome::Refused { .. }), "a version that has passed is refused")
}

async fn refusal_brings_the_tile_back(store: &impl TileStore) -> Result<(), String> {
    for (sk, version) in [("calls", TileVersion::Calls(3)), ("applied", applied(9))] {
        let (key, stored) = (key("back", sk), tile(version, b"state"));
        set(store, &key, None, &stored).await?;
        match set(store, &key, None, &stored).await? {
            CasOutcome::Refused { current, .. } => {
                rule(current.as_ref() == Some(&stored), "a refusal brings back the tile as written")?;
            }
            CasOutcome::Written { .. } => rule(false, "a tile is not written twice as new")?,
        }
    }
    Ok(())
}

async fn writes_are_billed(store: &impl TileStore) -> Result<(), String> {
    let (key, stored) = (key("billed", "a"), tile(applied(1), b"state"));
    let written = set(store, &key, None, &stored).await?;
    rule(matches!(written, CasOutcome::Written { units } if units >= 1.0), "a write is billed")?;
    let refused = set(store, &key, None, &stored).await?;
    rule(matches!(refused, CasOutcome::Refused { units, .. } if units >= 1.0), "a refusal is billed")
}

async fn one_of_many_writers_wins(store: &impl TileStore) -> Result<(), String> {
    let key = key("race", "a");
    let tiles: Vec<_> = (1..=8).map(|n| tile(TileVersion::Calls(n), b"x")).collect();
    let writes = futures::future::join_all(tiles.iter().map(|tile| set(store, &key, None, tile))).await;
    let written = writes.iter().filter(|outcome| matches!(outcome, Ok(CasOutcome::Written { .. }))).count();
    rule(written == 1, "exactly one of eight writers of a new tile wins")
}

async fn query_is_ordered_and_half_open(store: &impl TileStore) -> Result<(), String> {
    for sk in ["b", "d", "a", "c"] {
        set(store, &key("range", sk), None, &tile(applied(1), sk.as_bytes())).await?;
    }
    let keys = |found: Vec<(smol_str::SmolStr, StoredTile)>| {
        found.iter().map(|(sk, tile)| format!("{sk}{}", tile.state.len())).collect::<Vec<_>>()
    };
    let query = |from, to| async move { store.query("range", from, to).await.map_err(|error| error.to_string()) };
    rule(keys(query("a", "d").await?) == ["a1", "b1", "c1"], "a query is ordered, without its upper bound")?;
    rule(query("b", "b").await?.is_empty(), "an empty range holds nothing")?;
    rule(query("x", "z").await?.is_empty(), "a range without tiles holds nothing")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::MemoryTiles;

    #[tokio::test]
    async fn memory_keeps_the_contract() {
        check_store(&MemoryTiles::default()).await.unwrap();
    }

    /// The suite is worth something only if it can fail.
    #[tokio::test]
    async fn a_store_without_conditions_breaks_the_contract() {
        struct Careless(MemoryTiles);
        impl TileStore for Careless {
            async fn compare_and_set(
                &self,
                key: &TileKey,
                _: Option<TileVersion>,
                tile: &StoredTile,
            ) -> Result<CasOutcome, StoreError> {
                let expected = self.0.all().into_iter().find(|(k, _)| k == key).map(|(_, tile)| tile.version);
                self.0.compare_and_set(key, expected, tile).await
            }

            async fn query(
                &self,
                partition: &str,
                from: &str,
                to: &str,
            ) -> Result<Vec<(smol_str::SmolStr, StoredTile)>, StoreError> {
                self.0.query(partition, from, to).await
            }
        }
        assert!(check_store(&Careless(MemoryTiles::default())).await.is_err());
    }
}
