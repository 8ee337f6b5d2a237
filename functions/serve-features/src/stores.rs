//! The real stores behind the ports of [`crate::sources`].

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use features::{Entity, FeatureSet, Level, Party, State};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use objects::Objects;
use snapshot::{DayGap, DayReader, GapReason, SnapshotCache, SnapshotError, SnapshotReader, StoredRow, TileFile};
use tiles::{Interval, TileStore, WindowState, read_coverage, read_states};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::deadline;
use crate::merge::{SnapshotDay, start_of};
use crate::outage::Announcements;
use crate::service::Clock;
use crate::sources::{Current, Days, Recorded, Snapshot, SnapshotSource, SourceError, TileSource};

/// How long a snapshot is answered from before the manifest is read again, and how long since when calls are counted is
/// known. Old runs outlive every cached manifest.
pub const REFRESH_AFTER: Duration = Duration::from_secs(30);
/// How long the manifest is left alone where there is no snapshot to answer from, or it could not be read.
pub const RETRY_AFTER: Duration = Duration::from_secs(2);

/// How long a request waits for the manifest to be read again, before it is answered from the snapshot there is.
pub const LOOK_PATIENCE: Duration = Duration::from_millis(250);

/// The tiles of a feature set in a tile store.
pub struct StoredTiles<S> {
    store: S,
    set: Arc<FeatureSet>,
    clock: Clock,
    counted_since: RwLock<Option<CountedSince>>,
}

/// What the store said last, for [`REFRESH_AFTER`]: a backfill moves it back, and a table can be lost.
#[derive(Clone, Copy)]
struct CountedSince {
    since_ms: i64,
    read_again_at: Instant,
}

impl<S: TileStore> StoredTiles<S> {
    /// Reads the tiles of `set`. `clock` says which have expired.
    pub fn new(store: S, set: Arc<FeatureSet>, clock: Clock) -> Self {
        Self { store, set, clock, counted_since: RwLock::default() }
    }
}

impl<S: TileStore + 'static> TileSource for StoredTiles<S> {
    fn read<'a>(
        &'a self,
        entity: &'a Entity,
        intervals: &'a [Interval],
    ) -> BoxFuture<'a, Result<Vec<WindowState>, SourceError>> {
        let now_s = (self.clock)().div_euclid(1000);
        let states = read_states(&self.store, &self.set, entity, intervals, now_s);
        states.map(|states| states.map_err(SourceError::new)).boxed()
    }

    fn counted_since(&self) -> BoxFuture<'_, Result<Option<i64>, SourceError>> {
        async {
            let known = *self.counted_since.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = known
                && Instant::now() < known.read_again_at
            {
                return Ok(Some(known.since_ms));
            }
            // Where nothing was counted yet it is asked again each time: the first call may just have come.
            let since_ms = read_coverage(&self.store, self.set.version()).await.map_err(SourceError::new)?;
            let read_again_at = Instant::now() + REFRESH_AFTER;
            *self.counted_since.write().unwrap_or_else(PoisonError::into_inner) =
                since_ms.map(|since_ms| CountedSince { since_ms, read_again_at });
            Ok(since_ms)
        }
        .boxed()
    }
}

/// What stands for the tiles where there is no stream: no call was ever counted.
pub struct NoTiles(Arc<FeatureSet>);

impl NoTiles {
    /// Tiles of `set`, of which there are none.
    pub const fn new(set: Arc<FeatureSet>) -> Self {
        Self(set)
    }
}

impl TileSource for NoTiles {
    fn read<'a>(
        &'a self,
        entity: &'a Entity,
        intervals: &'a [Interval],
    ) -> BoxFuture<'a, Result<Vec<WindowState>, SourceError>> {
        let nothing = WindowState { state: State::empty(self.0.slots(entity.party)), duplicates_unchecked: false };
        ready(Ok(vec![nothing; intervals.len()])).boxed()
    }

    fn counted_since(&self) -> BoxFuture<'_, Result<Option<i64>, SourceError>> {
        ready(Ok(None)).boxed()
    }
}

/// The published snapshot of a location, followed as new ones are published.
pub struct PublishedSnapshots(Arc<Follower>);

struct Follower {
    objects: Objects,
    set: Arc<FeatureSet>,
    cache: Arc<SnapshotCache>,
    clock: Clock,
    /// Outlives the snapshots: their days are mostly the same.
    days: Arc<DayReader>,
    seen: RwLock<Option<Seen>>,
    announced: Announcements,
    /// Held while the manifest is read, so that one reads it for all.
    reading: Arc<Mutex<()>>,
}

impl PublishedSnapshots {
    /// Follows the snapshots below `objects`, remembering what was read in `cache`. `clock` says when
    /// it looked. Nothing is read yet.
    pub fn new(objects: Objects, set: Arc<FeatureSet>, cache: Arc<SnapshotCache>, clock: Clock) -> Self {
        let days = Arc::new(DayReader::new(objects.clone(), Arc::clone(&set), cache.sizes().days));
        let (seen, announced, reading) = (RwLock::default(), Announcements::default(), Arc::default());
        Self(Arc::new(Follower { objects, set, cache, clock, days, seen, announced, reading }))
    }

    async fn follow(&self) -> Result<Current, SourceError> {
        let follower = &self.0;
        let seen = follower.seen();
        if let Some(seen) = &seen
            && Instant::now() < seen.look_again_at
        {
            return follower.current(seen);
        }
        // Who reads it goes on after the one who asked, whose time may be short.
        let looking = Arc::clone(&follower.reading).try_lock_owned().ok().map(|reading| {
            let (follower, before) = (Arc::clone(follower), seen.clone());
            tokio::spawn(async move {
                follower.look(before).await;
                drop(reading);
            })
        });
        match (&seen, looking) {
            // On Lambda it stands still between requests: whoever asks waits for it a little, or the first answer after
            // a long pause would be from an old snapshot. What comes later is for the next request.
            (Some(_), Some(looking)) => {
                let left = deadline::manifest_time_left();
                let _ = timeout(left.map_or(LOOK_PATIENCE, |left| LOOK_PATIENCE.min(left / 2)), looking).await;
            }
            // Somebody is looking: what was seen is good enough meanwhile.
            (Some(_), None) => {}
            (None, _) => drop(follower.reading.lock().await),
        }
        follower.seen().map_or(Ok(Current::None), |seen| follower.current(&seen))
    }
}

impl Follower {
    fn current(&self, seen: &Seen) -> Result<Current, SourceError> {
        match &seen.found {
            Found::Open(reader) => {
                let (snapshot, checked_at_ms) = (reader.current(), seen.checked_at_ms);
                Ok(Current::Open(Arc::new(Opened { snapshot, checked_at_ms, days: Arc::clone(&self.days) })))
            }
            Found::OtherVersion(version) => Ok(Current::OtherVersion(version.clone())),
            Found::Nothing => Ok(Current::None),
            Found::Unreadable(error) => Err(SourceError::new(Arc::clone(error))),
        }
    }

    /// Reads the manifest, and notes what was found. If that fails, a snapshot that was open stays.
    async fn look(&self, before: Option<Seen>) {
        // What is read from now on may be newer than this moment, never older.
        let now_ms = (self.clock)();
        let before = before.and_then(|seen| match seen.found {
            Found::Open(reader) => Some((reader, seen.checked_at_ms)),
            _ => None,
        });
        let (found, checked_at_ms, after) = if let Some((reader, checked_at_ms)) = before {
            match reader.refresh().await {
                Ok(_) => (Found::Open(reader), now_ms, REFRESH_AFTER),
                Err(error) => {
                    tracing::warn!(%error, "the snapshot manifest could not be read again; the snapshot before stays");
                    (Found::Open(reader), checked_at_ms, RETRY_AFTER)
                }
            }
        } else {
            let (set, cache) = (Arc::clone(&self.set), Arc::clone(&self.cache));
            match SnapshotReader::open(self.objects.clone(), set, cache).await {
                Ok(Some(reader)) => (Found::Open(Arc::new(reader)), now_ms, REFRESH_AFTER),
                Ok(None) => (Found::Nothing, now_ms, RETRY_AFTER),
                Err(SnapshotError::FeatureSet { found, .. }) => (Found::OtherVersion(found), now_ms, RETRY_AFTER),
                Err(error) => (Found::Unreadable(Arc::new(error)), now_ms, RETRY_AFTER),
            }
        };
        let seen = Seen { found, checked_at_ms, look_again_at: Instant::now() + after };
        if let Ok(current) = self.current(&seen) {
            self.announced.note(&current);
        }
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    fn seen(&self) -> Option<Seen> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SnapshotSource for PublishedSnapshots {
    fn current(&self) -> BoxFuture<'_, Result<Current, SourceError>> {
        self.follow().boxed()
    }
}

/// What was found when the manifest was last read.
#[derive(Clone)]
struct Seen {
    found: Found,
    /// When the manifest was last read with success, in milliseconds since 1970 UTC.
    checked_at_ms: i64,
    look_again_at: Instant,
}

#[derive(Clone)]
enum Found {
    Open(Arc<SnapshotReader>),
    /// Of another version of the definitions.
    OtherVersion(String),
    Nothing,
    Unreadable(Arc<SnapshotError>),
}

struct Opened {
    snapshot: Arc<snapshot::Snapshot>,
    checked_at_ms: i64,
    days: Arc<DayReader>,
}

impl Snapshot for Opened {
    fn day(&self) -> SnapshotDay {
        let manifest = self.snapshot.manifest();
        SnapshotDay { day: manifest.as_of.days(), complete_before_ms: manifest.complete_for_arrivals_before }
    }

    fn gaps(&self) -> &[DayGap] {
        self.snapshot.gaps()
    }

    fn checked_at_ms(&self) -> i64 {
        self.checked_at_ms
    }

    fn days(&self) -> &dyn Days {
        self
    }

    fn row<'a>(&'a self, entity: &'a Entity) -> BoxFuture<'a, Result<Option<Arc<StoredRow>>, SourceError>> {
        async { self.snapshot.get(entity.party, entity.level, &entity.key).await.map_err(SourceError::new) }.boxed()
    }
}

impl Opened {
    fn tile(&self, party: Party, level: Level, day: i32) -> Option<&TileFile> {
        let days = &self.snapshot.manifest().days;
        let of_day = days.iter().find(|tiles| tiles.date.days() == day)?;
        of_day.tiles.iter().find(|tile| (tile.party, tile.level) == (party, level))
    }
}

impl Days for Opened {
    fn recorded(&self, party: Party, level: Level, day: i32) -> Recorded {
        let manifest = self.snapshot.manifest();
        let gap = self.snapshot.gaps().iter().find(|gap| gap.day.days() == day).map(|gap| gap.reason);
        let over = || manifest.complete_for_arrivals_before.is_some_and(|before_ms| before_ms >= start_of(day + 1));
        match (self.tile(party, level, day), gap) {
            (Some(_), None) if over() => Recorded::Whole,
            (Some(_), _) => Recorded::Partly,
            (None, Some(GapReason::NoCalls | GapReason::NoInput)) => Recorded::Nothing,
            (None, _) => Recorded::NotKept,
        }
    }

    fn state<'a>(&'a self, entity: &'a Entity, day: i32) -> BoxFuture<'a, Result<Option<State>, SourceError>> {
        async move {
            match self.tile(entity.party, entity.level, day) {
                Some(tile) => self.days.get(tile, &entity.key).await.map_err(SourceError::new),
                None => Ok(None),
            }
        }
        .boxed()
    }
}
