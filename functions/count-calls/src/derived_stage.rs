//! All tiles but the callers': what this shard contributed to an entity, from accepted calls alone.

use std::collections::HashMap;

use features::{Entity, Level, Party, SlotMask};
use smol_str::SmolStr;
use tiles::sabotage::{Sabotage, is_on, shard_has, shard_wrote};
use tiles::{DerivedTile, Granularity, ShardKey, StoreError, StoredTile, TileKey, TileStore, TileVersion, Verdict};
use tokio::time::Instant;

use crate::counter::{Call, Frame};
use crate::tile_cache::TileCache;
use crate::write::{Cost, Pending, Settled, WriteFailure, settle_all};

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
    let tiles = reduce(frame, shard, calls, verdicts)
        .into_iter()
        .map(|delta| {
            let base = cache.take(&delta.key).unwrap_or_else(|| DerivedTile::empty(frame.set.slots(delta.party)));
            PendingDerived::new(frame, shard, calls, delta, base)
        })
        .collect();
    let mut stage = DerivedStage { first_undone: None, cost: Cost::default(), failures: Vec::new() };
    for Settled { pending, outcome, cost } in settle_all(frame.store, tiles, frame.in_flight, deadline).await {
        stage.cost.add(cost);
        match outcome {
            Ok(()) => {
                if is_on(Sabotage::OneCheckpointAShard) {
                    pending.delta.calls.iter().for_each(|place| shard_wrote(shard.as_str(), calls[*place].position));
                }
                cache.put(pending.delta.key, pending.tile);
            }
            Err(failure) => {
                let place = pending.first_missing.or(pending.delta.calls.first().copied());
                stage.first_undone = [stage.first_undone, place].into_iter().flatten().min();
                stage.failures.push(failure);
                if is_on(Sabotage::CacheTrustedAfterFailure) {
                    cache.put(pending.delta.key, pending.tile);
                }
            }
        }
    }
    stage
}

/// One delta a tile. At phone level there are minute tiles; at prefix and range level, where many calls meet,
/// hour tiles too.
fn reduce<S>(frame: &Frame<'_, S>, shard: &ShardKey, calls: &[Call], verdicts: &[Verdict]) -> Vec<Delta> {
    // By what a tile is of: its key as it is stored is made once a tile, not once a call.
    let mut places: HashMap<(Party, Level, &str, Granularity, i64), usize> = HashMap::with_capacity(calls.len() * 2);
    let mut deltas: Vec<Delta> = Vec::new();
    // The calls of a batch began in a few minutes: their tiles share few sort keys.
    let mut sort_keys: HashMap<(Granularity, i64), SmolStr> = HashMap::new();
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
                let granularities: &[Granularity] = match level {
                    Level::Phone => &[Granularity::Minute],
                    Level::Prefix | Level::Range => &[Granularity::Minute, Granularity::Hour],
                };
                for granularity in granularities {
                    let start_ms = granularity.floor(call.record.started_at_ms);
                    let at = *places.entry((party, level, key, *granularity, start_ms)).or_insert_with(|| {
                        let entity = Entity::new(party, level, key);
                        let sk = sort_keys
                            .entry((*granularity, start_ms))
                            .or_insert_with(|| TileKey::derived_sort_key(*granularity, start_ms, shard));
                        deltas.push(Delta {
                            key: TileKey { pk: tiles::partition_key(frame.set.version(), &entity), sk: sk.clone() },
                            party,
                            mask: frame.mask(party, level),
                            expires_at_s: frame.life.derived_expiry_s(start_ms + granularity.duration_ms()),
                            calls: Vec::new(),
                        });
                        deltas.len() - 1
                    });
                    deltas[at].calls.push(place);
                }
            }
        }
    }
    deltas
}

/// A derived tile with the delta applied.
struct PendingDerived<'a, S> {
    frame: &'a Frame<'a, S>,
    shard: &'a ShardKey,
    calls: &'a [Call],
    delta: Delta,
    expected: Option<TileVersion>,
    tile: DerivedTile,
    /// Place of the first call that the stored tile lacks.
    first_missing: Option<usize>,
}

impl<'a, S> PendingDerived<'a, S> {
    fn new(
        frame: &'a Frame<'a, S>,
        shard: &'a ShardKey,
        calls: &'a [Call],
        mut delta: Delta,
        base: DerivedTile,
    ) -> Self {
        if is_on(Sabotage::DerivedBackwards) {
            delta.calls.reverse();
        }
        let mut pending = Self { frame, shard, calls, delta, expected: None, tile: base, first_missing: None };
        pending.apply();
        pending
    }

    fn apply(&mut self) {
        self.expected = self.tile.expected();
        self.first_missing = None;
        for place in &self.delta.calls {
            let call = &self.calls[*place];
            if shard_has(self.shard.as_str(), call.position) {
                continue;
            }
            let observation = self.frame.observation(call, self.delta.party);
            if self.tile.apply(call.position, &observation, self.delta.mask) {
                self.first_missing.get_or_insert(*place);
            }
        }
    }
}

impl<S> Pending for PendingDerived<'_, S> {
    fn key(&self) -> &TileKey {
        &self.delta.key
    }

    fn rebase(&mut self, current: Option<&StoredTile>) -> Result<(), StoreError> {
        let slots = self.frame.set.slots(self.delta.party);
        self.tile = match current {
            Some(stored) => DerivedTile::from_stored(stored, slots)?,
            None => DerivedTile::empty(slots),
        };
        self.apply();
        Ok(())
    }

    fn next(&self) -> Option<(Option<TileVersion>, StoredTile)> {
        self.first_missing?;
        self.tile.to_stored(self.delta.expires_at_s).map(|tile| (self.expected, tile))
    }
}
