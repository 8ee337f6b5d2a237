//! Reading: plans every window, reads tiles and the snapshot row side by side, merges, and makes values last.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use features::{Answer, Denominator, Entity, Feature, Level, Party, Slot, SlotMask, State, Value, Window};
use snapshot::{DayGap, GapReason, StoredRow};
use tiles::{Interval, WindowState};

use crate::catalog::{Asked, Catalog};
use crate::degradation::Degradation;
use crate::error::AnswerError;
use crate::merge::{self, AsOf, Counted, Gap, Part, Plan, SnapshotDay};
use crate::sources::{Current, Snapshot, SnapshotSource, SourceError, TileSource};

/// Which layer a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Tiles alone.
    Stream,
    /// A snapshot alone.
    Batch,
    /// A snapshot and the tiles after it.
    Merged,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The feature has no value over no calls.
    NoCalls,
    /// No snapshot of these definitions has been published.
    NoSnapshot,
    /// The window reaches back further than is kept.
    Expired,
    /// The store did not answer.
    Unavailable,
    /// No records of that time were counted.
    NoRecords,
}

/// One value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// The feature and window.
    pub asked: Asked,
    /// The value, or why there is none.
    pub value: Result<Answer, Missing>,
    /// What it covers.
    pub window: Interval,
    /// Where it comes from; `None` if nothing was read.
    pub source: Option<Source>,
    /// Event time of the entity's newest call in the window.
    pub newest_event_ms: Option<i64>,
    /// Whether calls are in it that were not checked for duplicates.
    pub duplicates_unchecked: bool,
    /// Days of the window of which the snapshot knows less than all.
    pub gap_days: u32,
}

/// The answer for one key.
#[derive(Debug, Default)]
pub struct Reply {
    /// One value for each that was asked, in that order.
    pub values: Vec<Served>,
    /// What makes it worse than it ought to be.
    pub degraded: BTreeSet<Degradation>,
    /// The snapshot that was read counts every call that arrived before this.
    pub complete_before_ms: Option<i64>,
    /// Days of the windows of which the snapshot knows less than all.
    pub gaps: BTreeSet<DayGap>,
    /// When the snapshot that was read was last seen to be the newest; `None` if none was read.
    pub snapshot_checked_at_ms: Option<i64>,
}

/// The snapshot that one request is answered from.
pub struct Pinned(pub(crate) Result<Arc<dyn Snapshot>, NoSnapshot>);

/// Why a request is answered without a snapshot.
#[derive(Debug)]
pub(crate) enum NoSnapshot {
    Unavailable,
    Unusable(Degradation),
}

/// Answers questions about one key from tiles and snapshots.
pub struct Lookup {
    catalog: Catalog,
    pub(crate) tiles: Arc<dyn TileSource>,
    snapshots: Arc<dyn SnapshotSource>,
}

impl Lookup {
    /// Reads from these stores.
    pub fn new(catalog: Catalog, tiles: Arc<dyn TileSource>, snapshots: Arc<dyn SnapshotSource>) -> Self {
        Self { catalog, tiles, snapshots }
    }

    /// The features that can be asked for.
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The snapshot that is published now. Everything that one request asks is answered from it.
    pub async fn pin(&self) -> Pinned {
        Pinned(match self.snapshots.current().await {
            Ok(Current::Open(snapshot)) => Ok(snapshot),
            Ok(Current::OtherVersion(snapshot)) => {
                let service = self.catalog.set().version().to_owned();
                Err(NoSnapshot::Unusable(Degradation::SnapshotOfOtherVersion { snapshot, service }))
            }
            Ok(Current::None) => Err(NoSnapshot::Unusable(Degradation::SnapshotMissing)),
            Err(_) => Err(NoSnapshot::Unavailable),
        })
    }

    /// Answers what is asked of a key. Fails if a store did not answer and nothing is left to say.
    pub async fn answer(
        &self,
        level: Level,
        key: &str,
        asked: &[Asked],
        as_of: AsOf,
        pinned: &Pinned,
    ) -> Result<Reply, AnswerError> {
        let of = |party| {
            let mut windows = BTreeMap::<Window, SlotMask>::new();
            for asked in asked {
                let feature = self.catalog.feature(*asked);
                if feature.party == party {
                    let mask = windows.entry(asked.window).or_default();
                    *mask = mask.union(feature.formula.slots());
                }
            }
            self.evidence(Entity::new(party, level, key), windows, as_of, pinned)
        };
        let parties = <[_; 2]>::from(futures::join!(of(Party::Caller), of(Party::Callee)));
        let mut reply = Reply::default();
        for asked in asked {
            let feature = self.catalog.feature(*asked);
            let evidence = &parties[feature.party as usize];
            reply.values.push(evidence.windows[&asked.window].serve(*asked, feature));
        }
        if let Some(read) = parties.iter().find_map(|evidence| evidence.snapshot) {
            reply.complete_before_ms = read.day().complete_before_ms;
            reply.snapshot_checked_at_ms = Some(read.checked_at_ms());
        }
        for evidence in parties {
            reply.degraded.extend(evidence.degraded);
            reply.gaps.extend(evidence.gaps);
        }
        let known = reply.values.iter().any(|served| served.source.is_some());
        if !known && reply.values.iter().any(|served| served.value == Err(Missing::Unavailable)) {
            return Err(AnswerError::Unavailable("the store that holds the features did not answer"));
        }
        Ok(reply)
    }

    /// What is known of an entity over each window, in the slots that are asked for.
    async fn evidence<'a>(
        &'a self,
        entity: Entity,
        windows: BTreeMap<Window, SlotMask>,
        as_of: AsOf,
        pinned: &'a Pinned,
    ) -> PartyEvidence<'a> {
        let streamed = self.catalog.set().is_streamed(entity.party, entity.level);
        let day = pinned.0.as_ref().ok().map(|snapshot| snapshot.day());
        let plans: Vec<(Window, Plan)> = windows
            .keys()
            .map(|&window| match window {
                Window::Stream(stream) => (window, merge::stream_window(stream.duration_ms(), as_of)),
                Window::Batch(batch) => (window, merge::batch_window(batch.days(), as_of, day, streamed)),
            })
            .collect();
        let (tiles, since, row) = futures::join!(
            self.read_tiles(&entity, &plans),
            self.tiles.counted_since(),
            read_row(&entity, &plans, pinned)
        );
        let slots = self.catalog.set().slots(entity.party);
        let mut read = Reading { slots, tiles, since, row, pinned };
        let mut degraded = read.stream_lacks();
        let plans: Vec<(Window, Plan)> =
            plans.into_iter().map(|(window, plan)| (window, read.settle(window, plan, as_of, day))).collect();
        if read.row.is_none() {
            read.row = read_row(&entity, &plans, pinned).await;
        }
        let windows: BTreeMap<Window, Evidence<'a>> = plans
            .into_iter()
            .map(|(window, plan)| (window, read.resolve(window, windows[&window], plan, &mut degraded)))
            .collect();
        let gaps: BTreeSet<DayGap> = windows.values().flat_map(Evidence::gaps).copied().collect();
        let left_out = || gaps.iter().filter(|gap| gap.reason == GapReason::LeftOut).map(|gap| gap.day.days());
        if let Some((first, last)) = left_out().next().zip(left_out().next_back()) {
            degraded.insert(Degradation::RecordsLeftOut { days: left_out().count(), first, last });
        }
        let snapshot = match (&read.row, &pinned.0) {
            (Some(Ok(_)), Ok(snapshot)) => Some(snapshot.as_ref()),
            _ => None,
        };
        PartyEvidence { windows, degraded, gaps, snapshot }
    }

    /// The states of all tile intervals of the plans, in one read; `None` if the store did not answer.
    async fn read_tiles(&self, entity: &Entity, plans: &[(Window, Plan)]) -> Option<BTreeMap<Interval, WindowState>> {
        let intervals: BTreeSet<Interval> = plans.iter().filter_map(|(_, plan)| plan.tiles()).collect();
        if intervals.is_empty() {
            return Some(BTreeMap::new());
        }
        let intervals: Vec<Interval> = intervals.into_iter().collect();
        match self.tiles.read(entity, &intervals).await {
            Ok(states) => Some(intervals.into_iter().zip(states).collect()),
            Err(_) => None,
        }
    }
}

/// The snapshot row, if a plan needs it: `Some(Ok(None))` where nothing happened in the longest window.
type RowRead = Option<Result<Option<Arc<StoredRow>>, SourceError>>;

async fn read_row(entity: &Entity, plans: &[(Window, Plan)], pinned: &Pinned) -> RowRead {
    let needed = plans.iter().any(|(_, plan)| matches!(plan, Plan::Merged { .. } | Plan::Snapshot { .. }));
    let Ok(snapshot) = &pinned.0 else { return None };
    if !needed {
        return None;
    }
    Some(snapshot.row(entity).await)
}

/// What is known of one party of a key.
struct PartyEvidence<'a> {
    windows: BTreeMap<Window, Evidence<'a>>,
    degraded: BTreeSet<Degradation>,
    gaps: BTreeSet<DayGap>,
    /// Where its row was read.
    snapshot: Option<&'a dyn Snapshot>,
}

/// What is known of an entity over one window.
enum Evidence<'a> {
    /// `gaps` are those of the days that come from the snapshot.
    Known {
        read: WindowState,
        denominator: Denominator,
        window: Interval,
        source: Source,
        gaps: &'a [DayGap],
    },
    Missing {
        missing: Missing,
        window: Interval,
    },
}

impl<'a> Evidence<'a> {
    const fn gaps(&self) -> &'a [DayGap] {
        match self {
            Self::Known { gaps, .. } => gaps,
            Self::Missing { .. } => &[],
        }
    }

    /// The value of a feature, made from the state at the very end.
    fn serve(&self, asked: Asked, feature: &Feature) -> Served {
        match self {
            Self::Known { read, denominator, window, source, gaps } => {
                let answer = feature.formula.answer(&read.state, *denominator, feature.decimals);
                Served {
                    asked,
                    value: if answer.value == Value::Missing { Err(Missing::NoCalls) } else { Ok(answer) },
                    window: *window,
                    source: Some(*source),
                    newest_event_ms: read.state.newest_event_ms(),
                    duplicates_unchecked: read.duplicates_unchecked,
                    gap_days: gaps.len() as u32,
                }
            }
            Self::Missing { missing, window } => Served {
                asked,
                value: Err(*missing),
                window: *window,
                source: None,
                newest_event_ms: None,
                duplicates_unchecked: false,
                gap_days: 0,
            },
        }
    }
}

/// What was read for one entity.
struct Reading<'a> {
    slots: &'a [Slot],
    /// `None` if the store did not answer.
    tiles: Option<BTreeMap<Interval, WindowState>>,
    /// Since when calls are counted.
    since: Result<Option<i64>, SourceError>,
    row: RowRead,
    pinned: &'a Pinned,
}

impl<'a> Reading<'a> {
    /// What is wrong with the tiles that were asked for. Of tiles that could not be read there is nothing to doubt.
    fn stream_lacks(&self) -> BTreeSet<Degradation> {
        let Some(tiles) = &self.tiles else { return BTreeSet::from([Degradation::TilesUnavailable]) };
        if tiles.is_empty() {
            return BTreeSet::new();
        }
        BTreeSet::from_iter(match self.since {
            Ok(None) => Some(Degradation::NothingCounted),
            Ok(Some(_)) if tiles.keys().all(|tiles| self.counted(*tiles) == Counted::Whole) => None,
            Ok(Some(since_ms)) => Some(Degradation::CountedSince { since_ms }),
            Err(_) => Some(Degradation::CoverageUnknown),
        })
    }

    fn counted(&self, tiles: Interval) -> Counted {
        Counted::of(tiles, &self.since)
    }

    /// The plan that can be carried out. A window of days for which the stream does not know every call that it ought to
    /// add is answered from the snapshot alone, if that has an answer: the snapshot's own day, which the stream was to
    /// count again, would be missing otherwise.
    fn settle(&self, window: Window, plan: Plan, as_of: AsOf, snapshot: Option<SnapshotDay>) -> Plan {
        let (Window::Batch(batch), Some(tiles)) = (window, plan.tiles()) else { return plan };
        if self.tiles.is_some() && self.counted(tiles) == Counted::Whole {
            return plan;
        }
        match merge::batch_window(batch.days(), as_of, snapshot, false) {
            alone @ Plan::Snapshot { .. } => alone,
            _ => plan,
        }
    }

    /// Carries out a plan with what was read, and notes what is worse than it ought to be.
    fn resolve(
        &self,
        window: Window,
        mask: SlotMask,
        plan: Plan,
        degraded: &mut BTreeSet<Degradation>,
    ) -> Evidence<'a> {
        let known = |read, covered: Interval, source, gaps: &'a [DayGap]| {
            let denominator = match window {
                Window::Stream(_) => Denominator::StreamMs(covered.to_ms - covered.from_ms),
                Window::Batch(batch) => Denominator::BatchDays(batch.days()),
            };
            Evidence::Known { read, denominator, window: covered, source, gaps }
        };
        let streamed = |tiles: &Interval| self.tiles.as_ref().and_then(|read| read.get(tiles));
        match plan {
            Plan::Stream { tiles, window } => match streamed(&tiles) {
                Some(_) if self.counted(tiles) == Counted::No => {
                    Evidence::Missing { missing: Missing::NoRecords, window }
                }
                Some(read) => known(read.clone(), window, Source::Stream, &[]),
                None => Evidence::Missing { missing: Missing::Unavailable, window },
            },
            Plan::Merged { part, tiles, window: covered } => match (streamed(&tiles), self.state(window, part, mask))
            {
                (Some(recent), Some(mut state)) => {
                    state.merge_masked(&recent.state, mask);
                    let read = WindowState { state, duplicates_unchecked: recent.duplicates_unchecked };
                    known(read, covered, Source::Merged, self.gaps(window, part))
                }
                (_, None) => snapshot_unavailable(covered, degraded),
                (None, Some(_)) => Evidence::Missing { missing: Missing::Unavailable, window: covered },
            },
            Plan::Snapshot { window: covered, stale } => match self.state(window, Part::Full, mask) {
                Some(state) => {
                    if let (Some(stale), Ok(snapshot)) = (stale, &self.pinned.0) {
                        degraded.insert(Degradation::SnapshotStale { day: snapshot.day().day, stale });
                    }
                    let gaps = self.gaps(window, Part::Full);
                    known(WindowState { state, duplicates_unchecked: false }, covered, Source::Batch, gaps)
                }
                None => snapshot_unavailable(covered, degraded),
            },
            Plan::Missing { window, gap: Gap::Expired } => Evidence::Missing { missing: Missing::Expired, window },
            Plan::Missing { window, gap: Gap::NoSnapshot } => match &self.pinned.0 {
                Err(NoSnapshot::Unusable(why)) => {
                    degraded.insert(why.clone());
                    Evidence::Missing { missing: Missing::NoSnapshot, window }
                }
                _ => snapshot_unavailable(window, degraded),
            },
        }
    }

    /// The gaps in the days of a part.
    fn gaps(&self, window: Window, part: Part) -> &'a [DayGap] {
        match (window, &self.pinned.0) {
            (Window::Batch(batch), Ok(snapshot)) => {
                gaps_within(snapshot.gaps(), &part.days(batch.days(), snapshot.day().day))
            }
            _ => &[],
        }
    }

    /// A state of the snapshot, in some slots; `None` if it could not be read.
    fn state(&self, window: Window, part: Part, mask: SlotMask) -> Option<State> {
        let (Window::Batch(batch), Ok(snapshot)) = (window, &self.pinned.0) else { return None };
        let mut state = State::empty(self.slots);
        if part.days(batch.days(), snapshot.day().day).is_empty() {
            return Some(state);
        }
        let Some(row) = self.row.as_ref()?.as_ref().ok()? else { return Some(state) };
        match row.merge_into(&mut state, batch.days(), part.place(), self.slots, mask) {
            Ok(true) => Some(state),
            Ok(false) => None,
            Err(error) => {
                tracing::warn!(%error, "a row of the snapshot could not be read");
                None
            }
        }
    }
}

/// Those of `gaps`, which are in order, that lie in `days`.
fn gaps_within<'a>(gaps: &'a [DayGap], days: &RangeInclusive<i32>) -> &'a [DayGap] {
    let from = gaps.partition_point(|gap| gap.day.days() < *days.start());
    let to = gaps.partition_point(|gap| gap.day.days() <= *days.end());
    // The days of a part that has none end before they begin.
    gaps.get(from..to).unwrap_or_default()
}

fn snapshot_unavailable(window: Interval, degraded: &mut BTreeSet<Degradation>) -> Evidence<'static> {
    degraded.insert(Degradation::SnapshotUnavailable);
    Evidence::Missing { missing: Missing::Unavailable, window }
}
