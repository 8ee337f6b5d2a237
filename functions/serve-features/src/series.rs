//! One feature minute by minute and day by day. A point is made from the state of its own time, so that any feature has
//! a series; points do not add up to windows unless the feature's states do.
//!
//! Days before the snapshot's come from its day tiles, those from its own day on from the stream: late calls are there.
//! Where one of the two does not know the whole day, the other is asked.

use std::collections::{BTreeMap, BTreeSet};

use features::{Answer, DAY_MS, Denominator, Entity, Feature, MINUTE_MS, State, Value};
use futures::{StreamExt, stream};
use tiles::{Interval, WindowState};

use crate::degradation::Degradation;
use crate::error::AnswerError;
use crate::lookup::{Lookup, Missing, NoSnapshot, Pinned, Source};
use crate::merge::{AsOf, Counted, TILES_KEPT_MS, floor_to_minute, start_of};
use crate::sources::{Recorded, SourceError};

/// Whole minutes before the one that is running.
pub const MINUTES: i64 = 60;
/// UTC days, today among them.
pub const DAYS: i32 = 30;
/// Day tiles that are read at once: the answer is for people, who wait for it among requests that machines wait for.
const DAYS_AT_ONCE: usize = 6;

/// A feature of an entity over time.
#[derive(Debug, Default)]
pub struct Series {
    /// [`MINUTES`] and the one that is running; none where the stream keeps no tiles.
    pub minutes: Vec<Point>,
    /// [`DAYS`].
    pub days: Vec<Point>,
    /// What makes it worse than it ought to be.
    pub degraded: BTreeSet<Degradation>,
}

/// A minute or a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its first moment, in milliseconds since 1970 UTC.
    pub start_ms: i64,
    /// The value, or why there is none.
    pub value: Result<Answer, Missing>,
    /// Where it comes from; `None` if nothing was read.
    pub source: Option<Source>,
    /// Whether calls of it are known to be left out, or may yet come.
    pub incomplete: bool,
    /// Whether calls are in it that were not checked for duplicates.
    pub duplicates_unchecked: bool,
}

impl Lookup {
    /// A feature of an entity up to now. Fails if a store did not answer and nothing is left to say.
    pub async fn series(
        &self,
        feature: &Feature,
        entity: &Entity,
        as_of: AsOf,
        pinned: &Pinned,
    ) -> Result<Series, AnswerError> {
        let set = self.catalog().set();
        let streamed = set.is_streamed(entity.party, entity.level);
        let since = if streamed { self.tiles.counted_since().await } else { Ok(None) };
        let mut plans = Plans { streamed, as_of, since, tiles: None, entity, pinned };
        let minutes: Vec<Interval> = if streamed { plans.minutes().collect() } else { Vec::new() };
        let days: Vec<i32> = (as_of.day() - DAYS + 1..=as_of.day()).collect();
        let streamed_days = days.iter().copied().filter(|day| plans.wants_tiles(*day)).map(|day| plans.day(day));
        let intervals: Vec<Interval> = streamed_days.chain(minutes.iter().copied()).collect();
        if !intervals.is_empty() {
            let read = self.tiles.read(entity, &intervals).await;
            plans.tiles = Some(read.map(|states| intervals.into_iter().zip(states).collect()));
        }

        let empty = State::empty(set.slots(entity.party));
        let make = |start_ms, evidence: Evidence, denominator| evidence.point(start_ms, feature, denominator, &empty);
        let mut series = Series::default();
        for minute in minutes {
            let evidence = plans.minute(minute);
            series.minutes.push(make(minute.from_ms, evidence, Denominator::StreamMs(MINUTE_MS)));
        }
        let (plans, make) = (&plans, &make);
        let points = stream::iter(days)
            .map(|day| async move { make(start_of(day), plans.evidence(day).await, Denominator::BatchDays(1)) });
        series.days = points.buffered(DAYS_AT_ONCE).collect().await;
        series.degraded = plans.degraded(&series);
        let mut points = series.minutes.iter().chain(&series.days);
        let known = points.any(|point| point.source.is_some());
        if !known && series.days.iter().any(|point| point.value == Err(Missing::Unavailable)) {
            return Err(AnswerError::Unavailable("the store that holds the series did not answer"));
        }
        Ok(series)
    }
}

/// What was found of a minute or a day.
enum Evidence {
    Tiles { read: WindowState, incomplete: bool },
    Recorded { state: Option<State>, incomplete: bool },
    Missing(Missing),
}

impl Evidence {
    /// The value is made from the state at the very end.
    fn point(self, start_ms: i64, feature: &Feature, denominator: Denominator, empty: &State) -> Point {
        let (state, source, incomplete, duplicates_unchecked) = match self {
            Self::Missing(missing) => {
                let value = Err(missing);
                return Point { start_ms, value, source: None, incomplete: false, duplicates_unchecked: false };
            }
            Self::Tiles { read, incomplete } => {
                (Some(read.state), Source::Stream, incomplete, read.duplicates_unchecked)
            }
            Self::Recorded { state, incomplete } => (state, Source::Batch, incomplete, false),
        };
        let answer = feature.formula.answer(state.as_ref().unwrap_or(empty), denominator, feature.decimals);
        let value = if answer.value == Value::Missing { Err(Missing::NoCalls) } else { Ok(answer) };
        Point { start_ms, value, source: Some(source), incomplete, duplicates_unchecked }
    }
}

/// Where each point comes from.
struct Plans<'a> {
    streamed: bool,
    as_of: AsOf,
    since: Result<Option<i64>, SourceError>,
    /// What was read; `None` if nothing was asked.
    tiles: Option<Result<BTreeMap<Interval, WindowState>, SourceError>>,
    entity: &'a Entity,
    pinned: &'a Pinned,
}

impl Plans<'_> {
    /// The minutes of the series, oldest first.
    fn minutes(&self) -> impl Iterator<Item = Interval> + use<> {
        let running = self.running_minute_ms();
        let starts = (0..=MINUTES).map(move |n| running - (MINUTES - n) * MINUTE_MS);
        starts.map(|from_ms| Interval { from_ms, to_ms: from_ms + MINUTE_MS })
    }

    /// The tiles of a day, up to the end of the minute that is running.
    fn day(&self, day: i32) -> Interval {
        let to_ms = start_of(day + 1).min(self.running_minute_ms() + MINUTE_MS);
        Interval { from_ms: start_of(day), to_ms }
    }

    fn running_minute_ms(&self) -> i64 {
        floor_to_minute(self.as_of.ms())
    }

    /// What the stream has counted of an interval and still keeps, if the store answers; of one that is running, a part.
    fn streamed(&self, interval: Interval, length_ms: i64) -> Counted {
        let whole = Interval { to_ms: interval.from_ms + length_ms, ..interval };
        let kept = interval.from_ms + TILES_KEPT_MS >= self.running_minute_ms();
        match Counted::of(whole, &self.since) {
            _ if !self.streamed || !kept => Counted::No,
            Counted::Whole if whole.to_ms > self.as_of.ms() => Counted::Partly,
            counted => counted,
        }
    }

    fn recorded(&self, day: i32) -> Recorded {
        match &self.pinned.0 {
            Ok(snapshot) => snapshot.days().recorded(self.entity.party, self.entity.level, day),
            Err(_) => Recorded::NotKept,
        }
    }

    /// Whether a day is best answered from the stream: where that knows it whole, from the snapshot's own day on; else
    /// where the snapshot knows no more of it.
    fn wants_tiles(&self, day: i32) -> bool {
        let snapshot_day = self.pinned.0.as_ref().map_or(i32::MIN, |snapshot| snapshot.day().day);
        match (self.streamed(self.day(day), DAY_MS), self.recorded(day)) {
            (Counted::Whole, Recorded::Whole) => day >= snapshot_day,
            // Of the day that is running the stream knows more than any snapshot.
            (Counted::Partly, Recorded::Partly) => day == self.as_of.day(),
            (Counted::No, _) | (Counted::Partly, Recorded::Whole) => false,
            (Counted::Whole, _) | (Counted::Partly, Recorded::Nothing | Recorded::NotKept) => true,
        }
    }

    fn minute(&self, minute: Interval) -> Evidence {
        match self.streamed(minute, MINUTE_MS) {
            Counted::No => Evidence::Missing(Missing::NoRecords),
            streamed => self.read(minute, streamed),
        }
    }

    fn read(&self, interval: Interval, streamed: Counted) -> Evidence {
        let read = self.tiles.as_ref().and_then(|read| read.as_ref().ok()).and_then(|read| read.get(&interval));
        match read {
            Some(read) => Evidence::Tiles { read: read.clone(), incomplete: streamed == Counted::Partly },
            None => Evidence::Missing(Missing::Unavailable),
        }
    }

    async fn evidence(&self, day: i32) -> Evidence {
        let interval = self.day(day);
        let from_tiles = self.wants_tiles(day);
        if from_tiles {
            let evidence = self.read(interval, self.streamed(interval, DAY_MS));
            if !matches!(evidence, Evidence::Missing(_)) {
                return evidence;
            }
        }
        let recorded = self.recorded(day);
        match (&self.pinned.0, recorded) {
            (Ok(snapshot), Recorded::Whole | Recorded::Partly) => match snapshot.days().state(self.entity, day).await
            {
                // Had the stream answered, its late calls would be in.
                Ok(state) => Evidence::Recorded { state, incomplete: recorded == Recorded::Partly || from_tiles },
                Err(_) => Evidence::Missing(Missing::Unavailable),
            },
            _ if from_tiles => Evidence::Missing(Missing::Unavailable),
            (Err(NoSnapshot::Unavailable), _) => Evidence::Missing(Missing::Unavailable),
            (_, Recorded::Nothing) => Evidence::Missing(Missing::NoRecords),
            _ if self.streamed && interval.from_ms + TILES_KEPT_MS >= self.running_minute_ms() => {
                Evidence::Missing(Missing::NoRecords)
            }
            (Err(NoSnapshot::Unusable(_)), _) => Evidence::Missing(Missing::NoSnapshot),
            (Ok(_), _) => Evidence::Missing(Missing::Expired),
        }
    }

    /// Why the series is not what it ought to be.
    fn degraded(&self, series: &Series) -> BTreeSet<Degradation> {
        let mut degraded = BTreeSet::new();
        if matches!(self.tiles, Some(Err(_))) {
            degraded.insert(Degradation::TilesUnavailable);
        }
        let lacks = |missing| series.days.iter().any(|point| point.value == Err(missing));
        match &self.pinned.0 {
            Err(NoSnapshot::Unusable(why)) if lacks(Missing::NoSnapshot) => {
                degraded.insert(why.clone());
            }
            Err(NoSnapshot::Unavailable) => {
                degraded.insert(Degradation::SnapshotUnavailable);
            }
            // What the tiles do not say is said above.
            Ok(_) if lacks(Missing::Unavailable) && degraded.is_empty() => {
                degraded.insert(Degradation::SnapshotUnavailable);
            }
            _ => {}
        }
        if self.streamed {
            let first_ms = series.minutes.first().map_or(i64::MAX, |minute| minute.start_ms);
            let of_stream = series.days.iter().filter(|point| point.source == Some(Source::Stream));
            let first_ms =
                of_stream.map(|point| point.start_ms).min().map_or(first_ms, |day_ms| day_ms.min(first_ms));
            match self.since {
                Ok(None) => _ = degraded.insert(Degradation::NothingCounted),
                Ok(Some(since_ms)) if since_ms > first_ms => {
                    degraded.insert(Degradation::CountedSince { since_ms });
                }
                Ok(Some(_)) | Err(_) => {}
            }
        }
        degraded
    }
}
