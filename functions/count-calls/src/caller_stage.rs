//! Caller tiles first: they decide which calls are accepted.

use std::collections::HashMap;

use features::{Entity, Level, Party, SlotMask};
use tiles::sabotage::{Sabotage, is_on};
use tiles::{CallMark, CallerTile, StoreError, StoredTile, TileKey, TileStore, TileVersion, Verdict};
use tokio::time::Instant;

use crate::counter::{Call, Frame};
use crate::tile_cache::TileCache;
use crate::write::{Cost, Pending, Settled, WriteFailure, settle_all};

/// The calls of one caller tile, as places in the chunk, ascending.
struct Group {
    key: TileKey,
    expires_at_s: i64,
    mask: SlotMask,
    calls: Vec<usize>,
}

/// What the caller tile of each call said; `None` where its tile is not written.
pub(crate) struct CallerStage {
    pub(crate) verdicts: Vec<Option<Verdict>>,
    pub(crate) cost: Cost,
    pub(crate) failures: Vec<WriteFailure>,
}

/// Writes the caller tiles of all calls of a chunk.
pub(crate) async fn write_caller_tiles<S: TileStore>(
    frame: &Frame<'_, S>,
    calls: &[Call],
    cache: &mut TileCache<CallerTile>,
    deadline: Instant,
) -> CallerStage {
    let tiles = group(frame, calls)
        .into_iter()
        .map(|group| {
            let base = cache.take(&group.key).unwrap_or_else(|| CallerTile::empty(frame.set.slots(Party::Caller)));
            PendingCaller::new(frame, calls, group, base)
        })
        .collect();
    let mut stage = CallerStage { verdicts: vec![None; calls.len()], cost: Cost::default(), failures: Vec::new() };
    for Settled { pending, outcome, cost } in settle_all(frame.store, tiles, frame.in_flight, deadline).await {
        stage.cost.add(cost);
        match outcome {
            Ok(()) => {
                for (place, verdict) in pending.group.calls.iter().zip(pending.verdicts) {
                    stage.verdicts[*place] = Some(verdict);
                }
                cache.put(pending.group.key, pending.tile);
            }
            Err(failure) => {
                if is_on(Sabotage::CacheTrustedAfterFailure) {
                    cache.put(pending.group.key, pending.tile);
                }
                stage.failures.push(failure);
            }
        }
    }
    stage
}

/// Groups in the order of their first call, so that what is done when time runs out is the head of the chunk.
fn group<S>(frame: &Frame<'_, S>, calls: &[Call]) -> Vec<Group> {
    // By number, ledger and minute: the key as it is stored is made once a tile, not once a call.
    let mut places: HashMap<(Option<&str>, u64, i64), usize> = HashMap::with_capacity(calls.len());
    let mut groups: Vec<Group> = Vec::new();
    let phone_mask = frame.mask(Party::Caller, Level::Phone);
    for (place, call) in calls.iter().enumerate() {
        let start_ms = call.record.start_minute() * features::MINUTE_MS;
        let key = Level::Phone.key(&call.record.caller, frame.range_digits());
        let ledger = if key.is_some() { 0 } else { tiles::ledger_of(call.mark.call) };
        let at = *places.entry((key, ledger, start_ms)).or_insert_with(|| {
            // Calls of anonymous callers share no entity: their tile remembers them and says nothing.
            let (partition, mask) = match key {
                Some(key) => {
                    let entity = Entity::new(Party::Caller, Level::Phone, key);
                    (tiles::partition_key(frame.set.version(), &entity), phone_mask)
                }
                None => (tiles::ledger_key(frame.set.version(), ledger), SlotMask::default()),
            };
            let key = TileKey::caller(partition, start_ms);
            let expires_at_s = frame.life.caller_expiry_s(start_ms + features::MINUTE_MS);
            groups.push(Group { key, expires_at_s, mask, calls: Vec::new() });
            groups.len() - 1
        });
        groups[at].calls.push(place);
    }
    groups
}

/// A caller tile with the group's calls admitted.
struct PendingCaller<'a, S> {
    frame: &'a Frame<'a, S>,
    calls: &'a [Call],
    group: Group,
    expected: Option<TileVersion>,
    tile: CallerTile,
    verdicts: Vec<Verdict>,
}

impl<'a, S> PendingCaller<'a, S> {
    fn new(frame: &'a Frame<'a, S>, calls: &'a [Call], group: Group, base: CallerTile) -> Self {
        let verdicts = Vec::with_capacity(group.calls.len());
        let mut pending = Self { frame, calls, group, expected: None, tile: base, verdicts };
        pending.admit();
        pending
    }

    fn admit(&mut self) {
        self.expected = self.tile.expected();
        self.verdicts.clear();
        for place in &self.group.calls {
            let call = &self.calls[*place];
            let observation = self.frame.observation(call, Party::Caller);
            self.verdicts.push(self.tile.admit(call.mark, &observation, self.group.mask));
        }
    }
}

impl<S> Pending for PendingCaller<'_, S> {
    fn key(&self) -> &TileKey {
        &self.group.key
    }

    fn rebase(&mut self, current: Option<&StoredTile>) -> Result<(), StoreError> {
        let slots = self.frame.set.slots(Party::Caller);
        self.tile = match current {
            Some(stored) => CallerTile::from_stored(stored, slots)?,
            None => CallerTile::empty(slots),
        };
        self.admit();
        Ok(())
    }

    fn next(&self) -> Option<(Option<TileVersion>, StoredTile)> {
        self.verdicts.contains(&Verdict::New).then(|| (self.expected, self.tile.to_stored(self.group.expires_at_s)))
    }
}

/// The mark of a record: which call, and which delivery of it.
pub(crate) fn mark(shard: &tiles::ShardKey, position: tiles::Position, call_id: &str) -> CallMark {
    CallMark {
        call: features::hash_text(call_id),
        delivery: features::hash_parts(&[shard.as_str().as_bytes(), position.as_bytes()]),
    }
}
