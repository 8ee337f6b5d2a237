//! All tiles but the callers': what this shard contributed to an entity, from accepted calls alone.

use std::collections::HashMap;

use features::{Entity, Level, Party, SlotMask};
use futures::StreamExt as _;
use tiles::{DerivedTile, Granularity, ShardKey, StoreError, StoredTile, TileKey, TileStore, TileVersion, Verdict};
use tokio::time::Instant;

use crate::counter::{Call, Frame};
use crate::limits::REQUESTS_IN_FLIGHT;
use crate::tile_cache::TileCache;
use crate::write::{Cost, Pending, WriteFailure, settle};

/// The accepted calls of one derived tile, as places in the chunk, ascending.
struct Delta {
    key: TileKey,
    party: Party,
    mask: SlotMask,
    expires_at_s: i64,
    calls: Vec<usize>,
}

/// What became of the derived tiles of a chunk.
pub(crate) struct DerivedStage {
    /// Place of the first call that a tile lacks.
    pub(crate) first_undone: Option<usize>,
    pub(crate) cost: Cost,
    pub(crate) failures: Vec<WriteFailure>,
}

/// Writes the derived tiles of the accepted calls among `calls`; `verdicts` has one entry for each.
pub(crate) async fn write_derived_tiles<S: TileStore>(
    frame: &Frame<'_, S>,
    shard: &ShardKey,
    calls: &[Call],
    verdicts: &[Verdict],
    cache: &mut TileCache<DerivedTile>,
    deadline: Instant,
) -> DerivedStage {
    let deltas = reduce(frame, shard, calls, verdicts);
    let mut cached: Vec<_> = deltas.iter().map(|delta| cache.take(&delta.key)).collect();
    let tasks: Vec<_> = deltas
        .into_iter()
        .zip(cached.drain(..))
        .map(|(delta, base)| async move {
            let mut pending = PendingDerived::new(frame, calls, &delta, base);
            let mut cost = Cost::default();
            let settled = settle(frame.store, &delta.key, &mut pending, deadline, &mut cost).await;
            let PendingDerived { first_missing, tile, .. } = pending;
            (settled, cost, first_missing, tile, delta)
        })
        .collect();
    let mut stage = DerivedStage { first_undone: None, cost: Cost::default(), failures: Vec::new() };
    let mut done = futures::stream::iter(tasks).buffer_unordered(REQUESTS_IN_FLIGHT);
    while let Some((settled, cost, first_missing, tile, delta)) = done.next().await {
        stage.cost.add(cost);
        match settled {
            Ok(()) => cache.put(delta.key, tile),
            Err(failure) => {
                let place = first_missing.or(delta.calls.first().copied());
                stage.first_undone = [stage.first_undone, place].into_iter().flatten().min();
                stage.failures.push(failure);
            }
        }
    }
    stage
}

/// One delta a tile. At phone level there are minute tiles; at prefix and range level, where many calls meet,
/// hour tiles too.
fn reduce<S>(frame: &Frame<'_, S>, shard: &ShardKey, calls: &[Call], verdicts: &[Verdict]) -> Vec<Delta> {
    let mut places: HashMap<TileKey, usize> = HashMap::new();
    let mut deltas: Vec<Delta> = Vec::new();
    let mut contribute = |entity: &Entity, granularity: Granularity, mask, place: usize| {
        let start_ms = granularity.floor(calls[place].record.started_at_ms);
        let partition = tiles::partition_key(frame.set.version(), entity);
        let key = TileKey::derived(&partition, granularity, start_ms, shard);
        let at = *places.entry(key.clone()).or_insert_with(|| {
            let expires_at_s = frame.life.derived_expiry_s(start_ms + granularity.duration_ms());
            deltas.push(Delta { key, party: entity.party, mask, expires_at_s, calls: Vec::new() });
            deltas.len() - 1
        });
        deltas[at].calls.push(place);
    };
    for (place, (call, verdict)) in calls.iter().zip(verdicts).enumerate() {
        if !verdict.is_accepted() {
            continue;
        }
        for party in Party::ALL {
            for level in Level::ALL {
                let Some(key) = level.key(party.number(&call.record), frame.range_digits()) else { continue };
                let is_caller_tile = party == Party::Caller && level == Level::Phone;
                let is_kept = match is_caller_tile {
                    // Their calls are in the caller tile, unless it was full.
                    true => *verdict == Verdict::Overflow,
                    false => frame.set.is_streamed(party, level),
                };
                if !is_kept {
                    continue;
                }
                let entity = Entity::new(party, level, key);
                let mask = frame.mask(party, level);
                contribute(&entity, Granularity::Minute, mask, place);
                if level != Level::Phone {
                    contribute(&entity, Granularity::Hour, mask, place);
                }
            }
        }
    }
    deltas
}

/// A derived tile with the delta applied.
struct PendingDerived<'a, S> {
    frame: &'a Frame<'a, S>,
    calls: &'a [Call],
    delta: &'a Delta,
    expected: Option<TileVersion>,
    tile: DerivedTile,
    /// Place of the first call that the stored tile lacks.
    first_missing: Option<usize>,
}

impl<'a, S> PendingDerived<'a, S> {
    fn new(frame: &'a Frame<'a, S>, calls: &'a [Call], delta: &'a Delta, base: Option<DerivedTile>) -> Self {
        let base = base.unwrap_or_else(|| DerivedTile::empty(frame.set.slots(delta.party)));
        let mut pending = Self { frame, calls, delta, expected: None, tile: base.clone(), first_missing: None };
        pending.apply_to(base);
        pending
    }

    fn apply_to(&mut self, base: DerivedTile) {
        self.expected = base.expected();
        self.tile = base;
        self.first_missing = None;
        for place in &self.delta.calls {
            let call = &self.calls[*place];
            let observation = self.frame.observation(call, self.delta.party);
            if self.tile.apply(call.position, &observation, self.delta.mask) {
                self.first_missing.get_or_insert(*place);
            }
        }
    }
}

impl<S> Pending for PendingDerived<'_, S> {
    fn rebase(&mut self, current: Option<&StoredTile>) -> Result<(), StoreError> {
        let slots = self.frame.set.slots(self.delta.party);
        let base = match current {
            Some(stored) => DerivedTile::from_stored(stored, slots)?,
            None => DerivedTile::empty(slots),
        };
        self.apply_to(base);
        Ok(())
    }

    fn next(&self) -> Option<(Option<TileVersion>, StoredTile)> {
        self.first_missing?;
        self.tile.to_stored(self.delta.expires_at_s).map(|tile| (self.expected, tile))
    }
}
