//! A small world: calls, the tiles and the snapshot that they make, and what a plain count over the same calls
//! says. The plain count knows nothing of tiles, snapshots or merging.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use cdr::{CallRecord, NumberPlan, Outcome};
use features::{DAY_MS, Entity, FeatureSet, Level, MINUTE_MS, Observer, Party, State};
use futures::FutureExt;
use futures::future::BoxFuture;
use objects::Objects;
use proto::v1;
use serve_features::Service;
use serve_features::merge::{Part, SnapshotDay};
use serve_features::sources::{Current, Days, Recorded, Snapshot, SnapshotSource, SourceError, TileSource};
use serve_features::stores::{PublishedSnapshots, StoredTiles};
use snapshot::{
    DayGap, DayTiles, Face, LeftOut, Manifest, MissingDay, OnlineRow, OnlineWriter, PackedWriter, Publication, RunId,
    SnapshotCache, StoredRow, TileFile, UtcDay, WindowStates, daily_key, online_key,
};
use tempfile::TempDir;
use tiles::{
    CasOutcome, Granularity, Interval, MemoryTiles, Position, ShardKey, StoredTile, TileKey, TileStore, TileVersion,
    WindowState, note_coverage, partition_key,
};
use tokio::sync::Notify;

/// 2026-11-21, 00:00 UTC.
pub const MIDNIGHT: i64 = 20_778 * DAY_MS;
pub const TODAY: i32 = 20_778;
/// In the order of the states of a window.
const PARTS: [Part; 3] = [Part::Full, Part::DayAfter, Part::SecondDayAfter];
/// Days of which a snapshot has tiles, where it has any.
pub const TILE_DAYS: i32 = 40;
pub const CALLER: &str = "+12025550101";

/// Made once: it compiles the patterns of the whole number plan.
static PLAN: LazyLock<NumberPlan> = LazyLock::new(|| NumberPlan::new("US").unwrap());

/// An answered call of `talk_ms`, or one that nobody answered.
pub fn call(caller: &str, callee: &str, started_at_ms: i64, talk_ms: Option<i64>) -> CallRecord {
    let ring_ms = 1_000 + started_at_ms.rem_euclid(997);
    let answered_at_ms = talk_ms.map(|_| started_at_ms + ring_ms);
    CallRecord {
        call_id: format!("{caller}-{callee}-{started_at_ms}").into(),
        caller: PLAN.parse(caller).unwrap(),
        callee: PLAN.parse(callee).unwrap(),
        started_at_ms,
        answered_at_ms,
        ended_at_ms: started_at_ms + ring_ms + talk_ms.unwrap_or(10_000),
        outcome: if talk_ms.is_some() { Outcome::Answered } else { Outcome::NoAnswer },
        channel: None,
        trunk: None,
        cell_id: None,
        imei: None,
        cost_micros: None,
        currency: None,
        caller_ip: None,
    }
}

/// The service over these calls.
pub struct World {
    pub set: Arc<FeatureSet>,
    pub calls: Vec<CallRecord>,
    /// The snapshot's day and until when calls have arrived in it, if there is one.
    pub snapshot: Option<SnapshotDay>,
    /// Calls that had not arrived when the snapshot was made, by their place.
    pub late: BTreeSet<usize>,
    pub now_ms: i64,
    pub tiles_down: Arc<AtomicBool>,
    pub snapshot_down: Arc<AtomicBool>,
    pub moods: Arc<Moods>,
    pub snapshot_version: Option<String>,
    /// What the manifest says of days without calls, and of days that lack some.
    pub missing_days: Vec<MissingDay>,
    pub left_out: Vec<LeftOut>,
    /// Whether the snapshot has the tiles of [`TILE_DAYS`] days that it was made from.
    pub day_tiles: bool,
    /// Since when calls are counted; `None`: nothing was.
    pub counted_since_ms: Option<i64>,
    folder: Arc<TempDir>,
}

impl World {
    pub fn new(calls: Vec<CallRecord>, now_ms: i64) -> Self {
        Self {
            set: Arc::new(with_callee_prefixes()),
            calls,
            snapshot: None,
            late: BTreeSet::new(),
            now_ms,
            tiles_down: Arc::default(),
            snapshot_down: Arc::default(),
            moods: Arc::default(),
            snapshot_version: None,
            missing_days: Vec::new(),
            left_out: Vec::new(),
            day_tiles: false,
            counted_since_ms: Some(0),
            folder: Arc::new(tempfile::tempdir().unwrap()),
        }
    }

    /// With a snapshot of that many days ago.
    pub fn with_snapshot(mut self, age_days: i32) -> Self {
        let day = self.now_ms.div_euclid(DAY_MS) as i32 - age_days;
        self.snapshot = Some(SnapshotDay { day, complete_before_ms: Some(i64::from(day + 1) * DAY_MS) });
        self
    }

    /// Where its snapshots are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub async fn service(&self) -> Arc<Service> {
        Arc::new(self.service_alone().await)
    }

    /// The same, not shared yet.
    pub async fn service_alone(&self) -> Service {
        self.service_with(Arc::default()).await
    }

    /// The same with a cache that is looked into.
    pub async fn service_with(&self, cache: Arc<SnapshotCache>) -> Service {
        let now_ms = self.now_ms;
        let clock: serve_features::Clock = Arc::new(move || now_ms);
        let stored = StoredTiles::new(self.tiles().await, Arc::clone(&self.set), Arc::clone(&clock));
        let tiles = Arc::new(Failing {
            inner: stored,
            folder: Arc::clone(&self.folder),
            down: Arc::clone(&self.tiles_down),
            moods: Arc::clone(&self.moods),
        });
        if let Some(day) = self.snapshot {
            self.publish(day).await;
        }
        let published = PublishedSnapshots::new(
            Objects::in_folder(self.folder.path()),
            Arc::clone(&self.set),
            cache,
            Arc::clone(&clock),
        );
        let snapshots = Arc::new(Failing {
            inner: published,
            folder: Arc::clone(&self.folder),
            down: Arc::clone(&self.snapshot_down),
            moods: Arc::clone(&self.moods),
        });
        Service::new(Arc::clone(&self.set), NumberPlan::new("US").unwrap(), tiles, snapshots, clock)
    }

    /// Tiles of the last four days, as the stream would have left them.
    async fn tiles(&self) -> MemoryTiles {
        let mut states: BTreeMap<TileKey, (State, bool)> = BTreeMap::new();
        let mut observer = Observer::new(Arc::clone(&self.set));
        let shard = ShardKey::new("calls", 1, "shardId-000000000000");
        for call in &self.calls {
            if call.started_at_ms < self.now_ms - 4 * DAY_MS {
                continue;
            }
            let observed = observer.observe(call);
            for (party, level) in entities_of(&self.set).filter(|(party, level)| self.set.is_streamed(*party, *level))
            {
                let Some(key) = level.key(party.number(call), 4) else { continue };
                let partition = partition_key(self.set.version(), &Entity::new(party, level, key));
                let is_caller = (party, level) == (Party::Caller, Level::Phone);
                let mut granularities = vec![Granularity::Minute];
                if level != Level::Phone {
                    granularities.push(Granularity::Hour);
                }
                for granularity in granularities {
                    let start = granularity.floor(call.started_at_ms);
                    let key = if is_caller {
                        TileKey::caller(partition.clone(), start)
                    } else {
                        TileKey::derived(partition.clone(), granularity, start, &shard)
                    };
                    let slots = self.set.slots(party);
                    let (state, _) = states.entry(key).or_insert_with(|| (State::empty(slots), is_caller));
                    state.add(&observed.of(party), self.set.mask(party, level));
                }
            }
        }
        let store = MemoryTiles::default();
        if let Some(since_ms) = self.counted_since_ms {
            note_coverage(&store, self.set.version(), since_ms).await.unwrap();
        }
        for (key, (state, is_caller)) in states {
            let version = if is_caller {
                TileVersion::Calls(1)
            } else {
                TileVersion::Applied(Position::parse("1", 0).unwrap())
            };
            let tile = StoredTile { version, calls: Vec::new(), state: state.to_bytes(), expires_at_s: i64::MAX / 2 };
            let outcome = store.compare_and_set(&key, None, &tile).await.unwrap();
            assert!(matches!(outcome, CasOutcome::Written { .. }));
        }
        store
    }

    /// Publishes a snapshot of `day`, from the calls that had arrived.
    pub async fn publish(&self, day: SnapshotDay) {
        let objects = Objects::in_folder(self.folder.path());
        let run: RunId = format!("{}-{}", day.day, day.complete_before_ms.unwrap_or_default()).parse().unwrap();
        let as_of = UtcDay::new(day.day);
        let mut files = Vec::new();
        for (party, level) in entities_of(&self.set) {
            let folder = tempfile::tempdir().unwrap();
            let mut writer = OnlineWriter::create(folder.path(), 2, &[]).unwrap();
            for (key, row) in self.rows(party, level, day.day) {
                let mut bytes = Vec::new();
                row.encode(&mut bytes);
                writer.push(&key, &bytes).unwrap();
            }
            for (number, part) in writer.finish().unwrap().into_iter().enumerate() {
                let key = online_key(as_of, &run, party, level, number);
                objects.put(&key, std::fs::read(&part.path).unwrap()).await.unwrap();
                files.push(part.listed(party, level, Face::Online, key));
            }
        }
        let days = if self.day_tiles { self.publish_days(&objects, &run, as_of).await } else { Vec::new() };
        let mut manifest = Manifest {
            complete_for_arrivals_before: day.complete_before_ms,
            days,
            missing_days: self.missing_days.clone(),
            left_out: self.left_out.clone(),
            files,
            ..Manifest::new(&self.set, as_of, run.clone(), "a test")
        };
        if let Some(version) = &self.snapshot_version {
            manifest.feature_set_version.clone_from(version);
        }
        Publication::begin(objects.clone(), run).await.unwrap().publish(&manifest).await.unwrap();
    }

    /// Day tiles of [`TILE_DAYS`] days up to `as_of`, but for those that are missing.
    async fn publish_days(&self, objects: &Objects, run: &RunId, as_of: UtcDay) -> Vec<DayTiles> {
        let dates = (0..TILE_DAYS).map(|ago| as_of.plus(ago - TILE_DAYS + 1));
        let dates = dates.filter(|date| self.missing_days.iter().all(|missing| missing.date != *date));
        let mut days = Vec::new();
        for date in dates {
            let mut tiles = Vec::new();
            for (party, level) in entities_of(&self.set) {
                let mut states: BTreeMap<&str, State> = BTreeMap::new();
                let mut observer = Observer::new(Arc::clone(&self.set));
                for (place, call) in self.calls.iter().enumerate() {
                    let of_day = call.started_at_ms.div_euclid(DAY_MS) == i64::from(date.days());
                    let Some(key) = level.key(party.number(call), 4) else { continue };
                    if of_day && !self.late.contains(&place) {
                        let state = states.entry(key).or_insert_with(|| State::empty(self.set.slots(party)));
                        state.add(&observer.observe(call).of(party), self.set.mask(party, level));
                    }
                }
                let mut writer = PackedWriter::tile(Vec::new(), "a tile", &[]).unwrap();
                for (key, state) in &states {
                    writer.push(key, &state.to_bytes(), None, None).unwrap();
                }
                let content = writer.finish().unwrap();
                let (key, bytes) = (daily_key(date, run, party, level), content.len() as u64);
                objects.put(&key, content).await.unwrap();
                let rows = states.len() as u64;
                tiles.push(TileFile { party, level, key, rows, bytes, footer_crc32: None });
            }
            days.push(DayTiles { date, run: run.clone(), counted: 0, duplicates: 0, differing_duplicates: 0, tiles });
        }
        days
    }

    /// The rows of a party and level, by key.
    fn rows(&self, party: Party, level: Level, day: i32) -> BTreeMap<String, OnlineRow> {
        let windows = self.set.batch_windows(party, level);
        let empty = || State::empty(self.set.slots(party));
        let nothing = OnlineRow {
            windows: windows
                .iter()
                .map(|window| WindowStates { days: window.days(), states: [empty(), empty(), empty()] })
                .collect(),
        };
        let mask = self.set.mask(party, level);
        let mut rows = BTreeMap::new();
        let mut observer = Observer::new(Arc::clone(&self.set));
        for (place, call) in self.calls.iter().enumerate() {
            let (Some(key), false) = (level.key(party.number(call), 4), self.late.contains(&place)) else { continue };
            let row: &mut OnlineRow = rows.entry(key.to_owned()).or_insert_with(|| nothing.clone());
            let call_day = call.started_at_ms.div_euclid(DAY_MS) as i32;
            let observed = observer.observe(call);
            for window in &mut row.windows {
                for (state, part) in window.states.iter_mut().zip(PARTS) {
                    if part.days(window.days, day).contains(&call_day) {
                        state.add(&observed.of(party), mask);
                    }
                }
            }
        }
        rows
    }

    /// Calls of a caller from one moment up to another.
    pub fn counted(&self, caller: &str, from_ms: i64, to_ms: i64) -> impl Iterator<Item = &CallRecord> {
        let within = move |call: &&CallRecord| (from_ms..to_ms).contains(&call.started_at_ms);
        let caller = caller.to_owned();
        self.calls.iter().filter(move |call| call.caller.as_str() == caller).filter(within)
    }
}

fn entities_of(set: &FeatureSet) -> impl Iterator<Item = (Party, Level)> + '_ {
    let all = Party::ALL.into_iter().flat_map(|party| Level::ALL.into_iter().map(move |level| (party, level)));
    all.filter(|(party, level)| !set.mask(*party, *level).is_empty())
}

/// How a store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mood {
    /// As it should.
    Well,
    /// With an error at once.
    Failing,
    /// With an error after it was asked to wait, as a throttled one does.
    Throttled,
    /// Never.
    Silent,
    /// As it should, once it is let go.
    Held,
    /// Not at all: its code has a fault.
    Panicking,
}

impl Mood {
    /// What stores do.
    pub const STORES: [Self; 4] = [Self::Well, Self::Failing, Self::Throttled, Self::Silent];
    const ALL: [Self; 6] = [Self::Well, Self::Failing, Self::Throttled, Self::Silent, Self::Held, Self::Panicking];
}

/// How each thing that is read answers.
#[derive(Default)]
pub struct Moods {
    pub tiles: AtomicU8,
    pub since: AtomicU8,
    pub manifest: AtomicU8,
    pub row: AtomicU8,
    /// How many reads have been held or met silence.
    pub waiting: AtomicUsize,
    /// Reads that are held go on.
    pub let_go: Notify,
}

impl Moods {
    /// Ready at once if all is well; fails or never ends if not.
    async fn meet(&self, mood: &AtomicU8) -> Result<(), SourceError> {
        match Mood::ALL[usize::from(mood.load(Ordering::Relaxed))] {
            Mood::Well => Ok(()),
            Mood::Failing => Err(SourceError::new("no route to the store")),
            Mood::Throttled => {
                tokio::task::yield_now().await;
                Err(SourceError::new("the rate was exceeded"))
            }
            Mood::Silent => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                std::future::pending().await
            }
            Mood::Held => {
                let let_go = self.let_go.notified();
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let_go.await;
                Ok(())
            }
            Mood::Panicking => panic!("a fault, made by a test"),
        }
    }
}

/// A store that can be taken down.
struct Failing<S> {
    inner: S,
    /// What the store reads lies as long as the store.
    folder: Arc<TempDir>,
    down: Arc<AtomicBool>,
    moods: Arc<Moods>,
}

impl<S: TileSource> TileSource for Failing<S> {
    fn read<'a>(
        &'a self,
        entity: &'a Entity,
        intervals: &'a [Interval],
    ) -> BoxFuture<'a, Result<Vec<WindowState>, SourceError>> {
        if self.down.load(Ordering::Relaxed) {
            return async { Err(SourceError::new("no route to the table")) }.boxed();
        }
        async {
            self.moods.meet(&self.moods.tiles).await?;
            self.inner.read(entity, intervals).await
        }
        .boxed()
    }

    fn counted_since(&self) -> BoxFuture<'_, Result<Option<i64>, SourceError>> {
        async {
            self.moods.meet(&self.moods.since).await?;
            self.inner.counted_since().await
        }
        .boxed()
    }
}

impl<S: SnapshotSource> SnapshotSource for Failing<S> {
    fn current(&self) -> BoxFuture<'_, Result<Current, SourceError>> {
        async {
            self.moods.meet(&self.moods.manifest).await?;
            Ok(match self.inner.current().await? {
                Current::Open(inner) => Current::Open(Arc::new(Failing {
                    inner,
                    folder: Arc::clone(&self.folder),
                    down: Arc::clone(&self.down),
                    moods: Arc::clone(&self.moods),
                })),
                other => other,
            })
        }
        .boxed()
    }
}

impl Snapshot for Failing<Arc<dyn Snapshot>> {
    fn day(&self) -> SnapshotDay {
        self.inner.day()
    }

    fn gaps(&self) -> &[DayGap] {
        self.inner.gaps()
    }

    fn checked_at_ms(&self) -> i64 {
        self.inner.checked_at_ms()
    }

    fn days(&self) -> &dyn Days {
        self
    }

    fn row<'a>(&'a self, entity: &'a Entity) -> BoxFuture<'a, Result<Option<Arc<StoredRow>>, SourceError>> {
        if self.down.load(Ordering::Relaxed) {
            return async { Err(SourceError::new("no route to the bucket")) }.boxed();
        }
        async {
            self.moods.meet(&self.moods.row).await?;
            self.inner.row(entity).await
        }
        .boxed()
    }
}

impl Days for Failing<Arc<dyn Snapshot>> {
    fn recorded(&self, party: Party, level: Level, day: i32) -> Recorded {
        self.inner.days().recorded(party, level, day)
    }

    fn state<'a>(&'a self, entity: &'a Entity, day: i32) -> BoxFuture<'a, Result<Option<State>, SourceError>> {
        if self.down.load(Ordering::Relaxed) {
            return async { Err(SourceError::new("no route to the bucket")) }.boxed();
        }
        self.inner.days().state(entity, day)
    }
}

/// A request for features of a caller.
pub fn ask(number: &str, features: &[&str]) -> v1::GetFeaturesRequest {
    v1::GetFeaturesRequest {
        number: number.to_owned(),
        features: features.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    }
}

/// The value of an id.
pub fn value<'a>(answer: &'a v1::GetFeaturesResponse, id: &str) -> &'a v1::FeatureValue {
    answer.values.iter().find(|value| value.id == id).unwrap_or_else(|| panic!("no {id}"))
}

pub fn integer(answer: &v1::GetFeaturesResponse, id: &str) -> i64 {
    match value(answer, id).value {
        Some(v1::Value::Integer(integer)) => integer,
        ref other => panic!("{id} is {other:?}"),
    }
}

pub fn number(answer: &v1::GetFeaturesResponse, id: &str) -> f64 {
    match value(answer, id).value {
        Some(v1::Value::Number(number)) => number,
        ref other => panic!("{id} is {other:?}"),
    }
}

/// Start and end of a value's window.
pub fn window(value: &v1::FeatureValue) -> (i64, i64) {
    let ms = |field: Option<&proto::Timestamp>| proto::to_millis(field.unwrap()).unwrap();
    (ms(value.window_start.as_option()), ms(value.window_end.as_option()))
}

/// A caller's history: calls every few hours for 100 days, and a burst in the last minutes before `until_ms`.
pub fn history(until_ms: i64) -> Vec<CallRecord> {
    let mut calls = Vec::new();
    let mut at = until_ms - 100 * DAY_MS;
    let mut n = 0_i64;
    while at < until_ms {
        let callee = format!("+1202556{:04}", n * 7 % 40);
        calls.push(call(CALLER, &callee, at, (n % 3 != 0).then_some(1_000 * (n % 20))));
        at += 2 * 3_600_000 + n % 5 * 17 * MINUTE_MS;
        n += 1;
    }
    for second in 0..20 {
        let callee = format!("+1202557{second:04}");
        calls.push(call(CALLER, &callee, until_ms - 1 - second * 13_000, Some(3_000)));
    }
    calls
}

/// The default set, with tiles of callee prefixes too.
fn with_callee_prefixes() -> FeatureSet {
    let text =
        include_str!("../../../../features.toml").replace("callee = [\"phone\"]", "callee = [\"phone\", \"prefix\"]");
    FeatureSet::parse(&text, |_| Ok(include_str!("../../../../lists/irsf.csv").to_owned())).unwrap()
}
