//! Caller tiles first: they decide which calls are accepted.

use std::collections::HashMap;

use features::{Entity, Level, Party, SlotMask};
use futures::StreamExt as _;
use tiles::{CallMark, CallerTile, StoreError, StoredTile, TileKey, TileStore, TileVersion, Verdict};
use tokio::time::Instant;

use crate::counter::{Call, Frame};
use crate::limits::REQUESTS_IN_FLIGHT;
use crate::tile_cache::TileCache;
use crate::write::{Cost, Pending, WriteFailure, settle};

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
    let groups = group(frame, calls);
    let mut cached: Vec<_> = groups.iter().map(|group| cache.take(&group.key)).collect();
    let tasks: Vec<_> = groups
        .into_iter()
        .zip(cached.drain(..))
        .map(|(group, base)| async move {
            let mut pending = PendingCaller::new(frame, calls, &group, base);
            let mut cost = Cost::default();
            let settled = settle(frame.store, &group.key, &mut pending, deadline, &mut cost).await;
            let PendingCaller { verdicts, tile, .. } = pending;
            (settled, cost, verdicts, tile, group)
        })
        .collect();
    let mut stage = CallerStage { verdicts: vec![None; calls.len()], cost: Cost::default(), failures: Vec::new() };
    let mut done = futures::stream::iter(tasks).buffer_unordered(REQUESTS_IN_FLIGHT);
    while let Some((settled, cost, verdicts, tile, group)) = done.next().await {
        stage.cost.add(cost);
        match settled {
            Ok(()) => {
                for (place, verdict) in group.calls.iter().zip(verdicts) {
                    stage.verdicts[*place] = Some(verdict);
                }
                cache.put(group.key, tile);
            }
            Err(failure) => stage.failures.push(failure),
        }
    }
    stage
}

/// Groups in the order of their first call, so that what is done when time runs out is the head of the chunk.
fn group<S>(frame: &Frame<'_, S>, calls: &[Call]) -> Vec<Group> {
    let mut places: HashMap<TileKey, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    let phone_mask = frame.mask(Party::Caller, Level::Phone);
    for (place, call) in calls.iter().enumerate() {
        let start_ms = call.record.start_minute() * features::MINUTE_MS;
        let key = Level::Phone.key(&call.record.caller, frame.range_digits());
        // Calls of anonymous callers share no entity: their tile remembers them and says nothing.
        let (partition, mask) = match key {
            Some(key) => {
                let entity = Entity::new(Party::Caller, Level::Phone, key);
                (tiles::partition_key(frame.set.version(), &entity), phone_mask)
            }
            None => (tiles::ledger_key(frame.set.version(), call.mark.call), SlotMask::default()),
        };
        let key = TileKey::caller(&partition, start_ms);
        let at = *places.entry(key.clone()).or_insert_with(|| {
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
    places: Vec<usize>,
    mask: SlotMask,
    expires_at_s: i64,
    expected: Option<TileVersion>,
    tile: CallerTile,
    verdicts: Vec<Verdict>,
}

impl<'a, S> PendingCaller<'a, S> {
    fn new(frame: &'a Frame<'a, S>, calls: &'a [Call], group: &Group, base: Option<CallerTile>) -> Self {
        let base = base.unwrap_or_else(|| CallerTile::empty(frame.set.slots(Party::Caller)));
        let mut pending = Self {
            frame,
            calls,
            places: group.calls.clone(),
            mask: group.mask,
            expires_at_s: group.expires_at_s,
            expected: None,
            tile: base.clone(),
            verdicts: Vec::new(),
        };
        pending.admit_into(base);
        pending
    }

    fn admit_into(&mut self, base: CallerTile) {
        self.expected = base.expected();
        self.tile = base;
        self.verdicts.clear();
        for place in &self.places {
            let call = &self.calls[*place];
            self.verdicts.push(self.tile.admit(call.mark, &self.frame.observation(call, Party::Caller), self.mask));
        }
    }
}

impl<S> Pending for PendingCaller<'_, S> {
    fn rebase(&mut self, current: Option<&StoredTile>) -> Result<(), StoreError> {
        let slots = self.frame.set.slots(Party::Caller);
        let base = match current {
            Some(stored) => CallerTile::from_stored(stored, slots)?,
            None => CallerTile::empty(slots),
        };
        self.admit_into(base);
        Ok(())
    }

    fn next(&self) -> Option<(Option<TileVersion>, StoredTile)> {
        self.verdicts.contains(&Verdict::New).then(|| (self.expected, self.tile.to_stored(self.expires_at_s)))
    }
}

/// The mark of a record: which call, and which delivery of it.
pub(crate) fn mark(shard: &tiles::ShardKey, position: tiles::Position, call_id: &str) -> CallMark {
    CallMark {
        call: features::hash_text(call_id),
        delivery: features::hash_text(&format!("{}#{position}", shard.as_str())),
    }
}
