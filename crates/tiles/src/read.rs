//! Reading windows back: hour tiles for whole hours inside, minute tiles at both ends, shards summed.

use std::collections::BTreeMap;

use features::{Entity, FeatureSet, Level, State};
use futures::future::try_join_all;

use crate::key::sort_bound;
use crate::{Granularity, StoreError, TileKey, TileStore, partition_key};

/// Event time from `from_ms` up to but not including `to_ms`; both on a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval {
    /// Start, in milliseconds since 1970 UTC.
    pub from_ms: i64,
    /// End, exclusive.
    pub to_ms: i64,
}

/// What the tiles say of one interval.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowState {
    /// All tiles merged.
    pub state: State,
    /// Whether calls are in it that were not checked for duplicates, for their caller made more in a minute
    /// than a tile remembers.
    pub duplicates_unchecked: bool,
}

/// Why a window cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An interval that does not begin and end on a minute has no tiles of its own.
    #[error("a window must begin and end on a minute")]
    Unaligned,
}

/// The merged state of each interval, in the order asked. Tiles that expired before `now_s` are left out: the
/// store may not have deleted them yet. Intervals that overlap are read once.
pub async fn read_states(
    store: &impl TileStore,
    set: &FeatureSet,
    entity: &Entity,
    intervals: &[Interval],
    now_s: i64,
) -> Result<Vec<WindowState>, ReadError> {
    let minute = Granularity::Minute;
    if intervals.iter().any(|i| minute.floor(i.from_ms) != i.from_ms || minute.floor(i.to_ms) != i.to_ms) {
        return Err(ReadError::Unaligned);
    }
    let pieces: Vec<Vec<Piece>> = intervals.iter().map(|interval| cut(entity.level, *interval)).collect();
    let partition = partition_key(set.version(), entity);
    let queries = coalesce(pieces.iter().flatten().copied().collect());
    let answers = try_join_all(queries.iter().map(|piece| {
        let (from, to) = (sort_bound(piece.granularity, piece.from_ms), sort_bound(piece.granularity, piece.to_ms));
        let partition = partition.as_str();
        async move { store.query(partition, &from, &to).await }
    }))
    .await?;

    let slots = set.slots(entity.party);
    let mut tiles: BTreeMap<(Granularity, i64), WindowState> = BTreeMap::new();
    for (piece, found) in queries.iter().zip(answers) {
        for (sk, stored) in found.into_iter().filter(|(_, stored)| stored.expires_at_s >= now_s) {
            let broken = |why: String| StoreError::Fatal(format!("a tile cannot be read: {why}"));
            let start_ms = TileKey::start_ms(piece.granularity, &sk)
                .ok_or_else(|| broken("its sort key names no time".to_owned()))?;
            let state = State::decode(slots, &stored.state).map_err(|error| broken(error.to_string()))?;
            let is_overflow = is_caller_tile(entity) && TileKey::is_derived(&sk);
            let tile = tiles.entry((piece.granularity, start_ms)).or_insert_with(|| nothing(slots));
            tile.state.merge(&state);
            tile.duplicates_unchecked |= is_overflow;
        }
    }
    Ok(pieces
        .iter()
        .map(|pieces| {
            let mut window = nothing(slots);
            for piece in pieces {
                for (_, tile) in tiles.range((piece.granularity, piece.from_ms)..(piece.granularity, piece.to_ms)) {
                    window.state.merge(&tile.state);
                    window.duplicates_unchecked |= tile.duplicates_unchecked;
                }
            }
            window
        })
        .collect())
}

/// Tiles of one granularity from one start to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    granularity: Granularity,
    from_ms: i64,
    to_ms: i64,
}

fn nothing(slots: &[features::Slot]) -> WindowState {
    WindowState { state: State::empty(slots), duplicates_unchecked: false }
}

fn is_caller_tile(entity: &Entity) -> bool {
    entity.party == features::Party::Caller && entity.level == Level::Phone
}

/// Phones have minute tiles only. Where hours are kept too, they cover what is whole.
fn cut(level: Level, interval: Interval) -> Vec<Piece> {
    let Interval { from_ms, to_ms } = interval;
    let minutes = |from_ms, to_ms| Piece { granularity: Granularity::Minute, from_ms, to_ms };
    let hour = Granularity::Hour;
    let first_hour = hour.floor(from_ms + hour.duration_ms() - 1);
    let last_hour = hour.floor(to_ms);
    let mut pieces = if level == Level::Phone || first_hour >= last_hour {
        vec![minutes(from_ms, to_ms)]
    } else {
        let whole = Piece { granularity: hour, from_ms: first_hour, to_ms: last_hour };
        vec![minutes(from_ms, first_hour), whole, minutes(last_hour, to_ms)]
    };
    pieces.retain(|piece| piece.from_ms < piece.to_ms);
    pieces
}

/// As few pieces as cover the same tiles.
fn coalesce(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.sort_unstable();
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match joined.last_mut() {
            Some(last) if last.granularity == piece.granularity && piece.from_ms <= last.to_ms => {
                last.to_ms = last.to_ms.max(piece.to_ms);
            }
            _ => joined.push(piece),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use features::{HOUR_MS, MINUTE_MS};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_cover_the_interval_once(from in 0i64..4000, length in 0i64..3000) {
            let interval = Interval { from_ms: from * MINUTE_MS, to_ms: (from + length) * MINUTE_MS };
            for level in [Level::Phone, Level::Prefix] {
                let pieces = cut(level, interval);
                let mut at = interval.from_ms;
                for piece in &pieces {
                    prop_assert_eq!(piece.from_ms, at);
                    prop_assert_eq!(piece.granularity.floor(piece.from_ms), piece.from_ms);
                    prop_assert_eq!(piece.granularity.floor(piece.to_ms), piece.to_ms);
                    at = piece.to_ms;
                }
                prop_assert_eq!(at, interval.to_ms.max(interval.from_ms));
                // At most an hour less a minute at either end is read minute by minute.
                if level == Level::Prefix {
                    let minutes: i64 = pieces.iter().filter(|p| p.granularity == Granularity::Minute).map(|p| p.to_ms - p.from_ms).sum();
                    prop_assert!(minutes < 2 * HOUR_MS);
                }
            }
        }
    }

    #[test]
    fn overlapping_pieces_are_read_once() {
        let piece = |from, to| Piece { granularity: Granularity::Minute, from_ms: from, to_ms: to };
        assert_eq!(coalesce(vec![piece(5, 9), piece(1, 6), piece(20, 30)]), [piece(1, 9), piece(20, 30)]);
    }
}
