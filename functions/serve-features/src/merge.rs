//! Calendar arithmetic: which moments a window covers, which days of it come from the snapshot and which from
//! the stream. Nothing here reads a store or a clock.
//!
//! A snapshot of day `s` holds, for a window of `d` days, the states of `[s-(d-1), s]`, `[s-d+2, s-1]` and
//! `[s-d+3, s-1]`. The second, with the stream's tiles from day `s` on, is the window of the day after; the
//! third that of the day after it. The stream counts day `s` again, so that calls that came too late for the
//! snapshot are in.

use features::{DAY_MS, MINUTE_MS};
use tiles::Interval;

/// How far back tiles can be read. They are kept for at least 4 days after their end; a tile that began 4 days
/// ago is still there.
pub const TILES_KEPT_MS: i64 = 4 * DAY_MS;

/// The moment that is answered for, and the moment it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// The end of every window: now, or a past minute.
    ms: i64,
    /// What the service's clock says.
    now_ms: i64,
}

impl AsOf {
    /// Answers for now.
    pub const fn now(now_ms: i64) -> Self {
        Self { ms: now_ms, now_ms }
    }

    /// Answers for `as_of_ms`, floored to its minute if it is past; `None` if it is in the future.
    pub const fn at(as_of_ms: i64, now_ms: i64) -> Option<Self> {
        if as_of_ms > now_ms {
            None
        } else if as_of_ms == now_ms {
            Some(Self::now(now_ms))
        } else {
            Some(Self { ms: floor_to_minute(as_of_ms), now_ms })
        }
    }

    /// The end of every window, in milliseconds since 1970 UTC.
    pub const fn ms(self) -> i64 {
        self.ms
    }

    /// Whether it is answered for now.
    pub const fn is_now(self) -> bool {
        self.ms == self.now_ms
    }

    /// The UTC day it lies in, as days since 1970.
    pub const fn day(self) -> i32 {
        self.ms.div_euclid(DAY_MS) as i32
    }

    /// Where reading of tiles ends: after the minute that is running, if it is now.
    const fn read_to_ms(self) -> i64 {
        if self.is_now() { floor_to_minute(self.ms) + MINUTE_MS } else { self.ms }
    }

    /// The tiles to read for what happened from `from_ms` on; `None` if the first of them may have expired.
    const fn tiles_from(self, from_ms: i64) -> Option<Interval> {
        if from_ms + TILES_KEPT_MS < floor_to_minute(self.now_ms) {
            None
        } else {
            Some(Interval { from_ms, to_ms: self.read_to_ms() })
        }
    }
}

/// What a snapshot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotDay {
    /// The last day of its windows, as days since 1970 UTC.
    pub day: i32,
    /// It counts every call that arrived before this, in milliseconds since 1970 UTC; `None` if it does not say.
    pub complete_before_ms: Option<i64>,
}

/// Which of the states that a snapshot of day `s` keeps for a window of `d` days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// `[s-(d-1), s]`: the window itself.
    Full,
    /// `[s-d+2, s-1]`: for the day after `s`.
    DayAfter,
    /// `[s-d+3, s-1]`: for the second day after `s`.
    SecondDayAfter,
}

impl Part {
    /// Its place in [`snapshot::WindowStates::states`].
    pub const fn place(self) -> usize {
        match self {
            Self::Full => 0,
            Self::DayAfter => 1,
            Self::SecondDayAfter => 2,
        }
    }

    /// The days it covers, for a window of `days` days in a snapshot of `day`; empty where the first is after
    /// the last.
    pub const fn days(self, days: u32, day: i32) -> std::ops::RangeInclusive<i32> {
        let days = days.cast_signed();
        match self {
            Self::Full => day - days + 1..=day,
            Self::DayAfter => day - days + 2..=day - 1,
            Self::SecondDayAfter => day - days + 3..=day - 1,
        }
    }
}

/// How much of an interval the stream has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// All of it.
    Whole,
    /// What began before calls were counted is not.
    Partly,
    /// It was over before calls were counted, or none ever was.
    No,
}

impl Counted {
    /// What `since`, since when calls are counted, says of an interval. Where the store does not say it is all: that is in
    /// the same table as the tiles, which will not be read either, or be read whole.
    pub fn of<E>(interval: Interval, since: &Result<Option<i64>, E>) -> Self {
        let since_ms = since.as_ref().map_or(i64::MIN, |since_ms| since_ms.unwrap_or(i64::MAX));
        if since_ms >= interval.to_ms {
            Self::No
        } else if since_ms > interval.from_ms {
            Self::Partly
        } else {
            Self::Whole
        }
    }
}

/// Why an answer from a snapshot alone is not what it ought to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stale {
    /// The snapshot is older than the day before yesterday.
    Old,
    /// The snapshot is of the day that is answered for, and was made before that moment.
    MadeToday,
    /// The tiles since the snapshot have expired.
    TilesExpired,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gap {
    /// There is no snapshot.
    NoSnapshot,
    /// The window reaches back further than tiles, or a snapshot of that time, are kept.
    Expired,
}

/// Where a value is to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// From tiles alone.
    Stream {
        /// The tiles to read.
        tiles: Interval,
        /// What the value covers.
        window: Interval,
    },
    /// From a snapshot's state and the tiles after it.
    Merged {
        /// The state to take from the snapshot.
        part: Part,
        /// The tiles to read.
        tiles: Interval,
        /// What the value covers.
        window: Interval,
    },
    /// From the snapshot's own window.
    Snapshot {
        /// What the value covers.
        window: Interval,
        /// Why that is worse than it ought to be.
        stale: Option<Stale>,
    },
    /// It cannot be answered.
    Missing {
        /// What the value would cover.
        window: Interval,
        /// Why not.
        gap: Gap,
    },
}

impl Plan {
    /// The tiles to read for it.
    pub const fn tiles(&self) -> Option<Interval> {
        match self {
            Self::Stream { tiles, .. } | Self::Merged { tiles, .. } => Some(*tiles),
            Self::Snapshot { .. } | Self::Missing { .. } => None,
        }
    }
}

/// The plan for a stream window of `width_ms`: `[floor_to_minute(as_of) - width, as_of]`.
pub const fn stream_window(width_ms: i64, as_of: AsOf) -> Plan {
    let window = Interval { from_ms: floor_to_minute(as_of.ms) - width_ms, to_ms: as_of.ms };
    match as_of.tiles_from(window.from_ms) {
        Some(tiles) => Plan::Stream { tiles, window },
        None => Plan::Missing { window, gap: Gap::Expired },
    }
}

/// The plan for a batch window of `days` calendar days up to `as_of`, given the snapshot there is and whether
/// the stream keeps tiles of the entity.
///
/// A snapshot of the day before, or of the day before that, is completed with tiles. So is no snapshot at all
/// where all days are in tiles. An older one is answered as it is: its own interval, and stale. A snapshot of
/// the very day that is answered for is also answered as it is (leaving out one day too many, as its other
/// states do, would be worse), unless it may count calls after a past `as_of`. A snapshot of a later day is no
/// answer.
pub fn batch_window(days: u32, as_of: AsOf, snapshot: Option<SnapshotDay>, stream: bool) -> Plan {
    let today = as_of.day();
    let first_day = today - days.cast_signed() + 1;
    let window = Interval { from_ms: start_of(first_day), to_ms: as_of.ms };
    if stream && let Some(tiles) = as_of.tiles_from(window.from_ms) {
        return Plan::Stream { tiles, window };
    }
    let Some(snapshot) = snapshot else {
        return Plan::Missing { window, gap: Gap::NoSnapshot };
    };
    let age_days = today - snapshot.day;
    let part = match age_days {
        ..0 => {
            return Plan::Missing { window, gap: Gap::Expired };
        }
        0 => return made_today(as_of, snapshot, window),
        1 => Part::DayAfter,
        2 => Part::SecondDayAfter,
        3.. => return own_window(days, snapshot, Some(Stale::Old)),
    };
    if !stream {
        return own_window(days, snapshot, None);
    }
    match as_of.tiles_from(start_of(snapshot.day)) {
        Some(tiles) => Plan::Merged { part, tiles, window },
        None => own_window(days, snapshot, Some(Stale::TilesExpired)),
    }
}

/// The snapshot's own window of `days` days.
const fn own_window(days: u32, snapshot: SnapshotDay, stale: Option<Stale>) -> Plan {
    let window =
        Interval { from_ms: start_of(snapshot.day - days.cast_signed() + 1), to_ms: start_of(snapshot.day + 1) };
    Plan::Snapshot { window, stale }
}

/// The first moment of a UTC day, in milliseconds since 1970.
pub const fn start_of(day: i32) -> i64 {
    day as i64 * DAY_MS
}

/// The first moment of a minute.
pub(crate) const fn floor_to_minute(ms: i64) -> i64 {
    ms - ms.rem_euclid(MINUTE_MS)
}

/// A snapshot of the day that is answered for. It cannot hold calls from after now, and calls that arrived
/// before a past moment did not begin after it; anything else might leak the future into the answer.
fn made_today(as_of: AsOf, snapshot: SnapshotDay, window: Interval) -> Plan {
    let complete_before = snapshot.complete_before_ms;
    if !as_of.is_now() && complete_before.is_none_or(|before| before > as_of.ms) {
        return Plan::Missing { window, gap: Gap::Expired };
    }
    let stale = complete_before.is_none_or(|before| before < as_of.ms).then_some(Stale::MadeToday);
    Plan::Snapshot { window, stale }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-21.
    const TODAY: i32 = 20_778;
    const MIDNIGHT: i64 = TODAY as i64 * DAY_MS;

    #[allow(clippy::unnecessary_wraps)]
    fn snapshot(day: i32) -> Option<SnapshotDay> {
        Some(SnapshotDay { day, complete_before_ms: Some(start_of(day + 1)) })
    }

    fn days_before(n: i32) -> i64 {
        start_of(TODAY - n)
    }

    #[test]
    fn a_stream_window_is_never_shorter_than_its_name() {
        let as_of = AsOf::now(MIDNIGHT + 5 * MINUTE_MS + 12_345);
        let Plan::Stream { tiles, window } = stream_window(5 * MINUTE_MS, as_of) else { panic!() };
        assert_eq!(window, Interval { from_ms: MIDNIGHT, to_ms: MIDNIGHT + 5 * MINUTE_MS + 12_345 });
        // The minute that is running is read whole.
        assert_eq!(tiles, Interval { from_ms: MIDNIGHT, to_ms: MIDNIGHT + 6 * MINUTE_MS });
    }

    #[test]
    fn a_past_moment_ends_its_windows_at_its_minute() {
        let as_of = AsOf::at(MIDNIGHT + 59_999, MIDNIGHT + DAY_MS).unwrap();
        let past = Interval { from_ms: MIDNIGHT - MINUTE_MS, to_ms: MIDNIGHT };
        assert_eq!(stream_window(MINUTE_MS, as_of), Plan::Stream { tiles: past, window: past });
    }

    #[test]
    fn a_future_moment_is_none_and_the_present_one_is_now() {
        assert_eq!(AsOf::at(1_001, 1_000), None);
        assert_eq!(AsOf::at(1_000, 1_000), Some(AsOf::now(1_000)));
    }

    #[test]
    fn a_stream_window_over_expired_tiles_is_missing() {
        let now = MIDNIGHT + 30_000;
        let oldest = AsOf::at(MIDNIGHT - 3 * DAY_MS, now).unwrap();
        assert!(matches!(stream_window(DAY_MS, oldest), Plan::Stream { .. }));
        let older = AsOf::at(MIDNIGHT - 3 * DAY_MS - MINUTE_MS, now).unwrap();
        assert!(matches!(stream_window(DAY_MS, older), Plan::Missing { gap: Gap::Expired, .. }));
    }

    #[test]
    fn yesterdays_snapshot_is_completed_from_yesterday_on() {
        for (now, read_to) in [(MIDNIGHT, MINUTE_MS), (MIDNIGHT + 5 * MINUTE_MS, 6 * MINUTE_MS)] {
            let plan = batch_window(30, AsOf::now(now), snapshot(TODAY - 1), true);
            let tiles = Interval { from_ms: days_before(1), to_ms: MIDNIGHT + read_to };
            let window = Interval { from_ms: days_before(29), to_ms: now };
            assert_eq!(plan, Plan::Merged { part: Part::DayAfter, tiles, window });
        }
    }

    #[test]
    fn the_snapshot_of_the_day_before_is_completed_from_that_day_on() {
        // At midnight it is the newest that can be there.
        for now in [MIDNIGHT, MIDNIGHT + 5 * MINUTE_MS, MIDNIGHT + DAY_MS - 1] {
            let Plan::Merged { part, tiles, window } = batch_window(7, AsOf::now(now), snapshot(TODAY - 2), true)
            else {
                panic!()
            };
            assert_eq!(part, Part::SecondDayAfter);
            assert_eq!(tiles.from_ms, days_before(2));
            assert_eq!(window, Interval { from_ms: days_before(6), to_ms: now });
        }
    }

    #[test]
    fn an_older_snapshot_is_answered_with_its_own_interval_and_is_stale() {
        let plan = batch_window(7, AsOf::now(MIDNIGHT), snapshot(TODAY - 3), true);
        let window = Interval { from_ms: days_before(9), to_ms: days_before(2) };
        assert_eq!(plan, Plan::Snapshot { window, stale: Some(Stale::Old) });
    }

    #[test]
    fn one_day_is_today_and_needs_no_snapshot() {
        for snapshot in [None, snapshot(TODAY - 1), snapshot(TODAY - 2), snapshot(TODAY - 9), snapshot(TODAY)] {
            let now = MIDNIGHT + 5 * MINUTE_MS;
            let plan = batch_window(1, AsOf::now(now), snapshot, true);
            let tiles = Interval { from_ms: MIDNIGHT, to_ms: MIDNIGHT + 6 * MINUTE_MS };
            assert_eq!(plan, Plan::Stream { tiles, window: Interval { from_ms: MIDNIGHT, to_ms: now } });
        }
    }

    #[test]
    fn without_a_snapshot_a_week_is_missing() {
        let plan = batch_window(7, AsOf::now(MIDNIGHT), None, true);
        assert!(matches!(plan, Plan::Missing { gap: Gap::NoSnapshot, .. }), "{plan:?}");
        let plan = batch_window(1, AsOf::now(MIDNIGHT), None, false);
        assert!(matches!(plan, Plan::Missing { gap: Gap::NoSnapshot, .. }), "{plan:?}");
    }

    #[test]
    fn where_the_stream_keeps_nothing_the_snapshot_answers_as_it_is() {
        for (age_days, stale) in [(1, None), (2, None), (3, Some(Stale::Old))] {
            let plan = batch_window(1, AsOf::now(MIDNIGHT), snapshot(TODAY - age_days), false);
            let window = Interval { from_ms: days_before(age_days), to_ms: days_before(age_days - 1) };
            assert_eq!(plan, Plan::Snapshot { window, stale });
        }
    }

    #[test]
    fn a_snapshot_of_today_answers_its_window_as_far_as_it_knows() {
        let now = MIDNIGHT + 6 * 60 * MINUTE_MS;
        let window = Interval { from_ms: days_before(6), to_ms: now };
        let made = |complete_before_ms| Some(SnapshotDay { day: TODAY, complete_before_ms });
        let plan = |as_of, complete: i64| batch_window(7, as_of, made(Some(complete)), true);
        // Nothing can have arrived since.
        assert_eq!(plan(AsOf::now(now), now), Plan::Snapshot { window, stale: None });
        // Calls may have.
        assert_eq!(plan(AsOf::now(now), now - 1), Plan::Snapshot { window, stale: Some(Stale::MadeToday) });
        // It may count calls from after the past moment that is asked for.
        let past = AsOf::at(now, now + 1).unwrap();
        assert_eq!(plan(past, now + 1), Plan::Missing { window, gap: Gap::Expired });
        assert_eq!(plan(past, now), Plan::Snapshot { window, stale: None });
        // It does not say.
        assert_eq!(batch_window(7, past, made(None), true), Plan::Missing { window, gap: Gap::Expired });
    }

    #[test]
    fn a_snapshot_of_a_later_day_does_not_leak_into_the_past() {
        for stream in [true, false] {
            let past = AsOf::at(MIDNIGHT - 5 * DAY_MS, MIDNIGHT).unwrap();
            let plan = batch_window(7, past, snapshot(TODAY - 1), stream);
            assert!(matches!(plan, Plan::Missing { gap: Gap::Expired, .. }), "{plan:?}");
        }
    }

    #[test]
    fn a_past_moment_whose_tiles_are_gone_falls_back_to_the_snapshot_of_that_time() {
        let past = AsOf::at(MIDNIGHT - 9 * DAY_MS, MIDNIGHT).unwrap();
        let plan = batch_window(7, past, snapshot(TODAY - 10), true);
        assert!(matches!(plan, Plan::Snapshot { stale: Some(Stale::TilesExpired), .. }), "{plan:?}");
    }

    proptest! {
        /// What the whole scheme is for: every day of the window is counted, and none twice.
        #[test]
        fn snapshot_and_tiles_cover_each_day_of_the_window_once(
            days in 1_u32..=90,
            age_days in 1_i32..=2,
            ms_of_day in 0..DAY_MS,
        ) {
            let as_of = AsOf::now(MIDNIGHT + ms_of_day);
            let plan = batch_window(days, as_of, snapshot(TODAY - age_days), true);
            let mut covered: Vec<i32> = match plan {
                Plan::Merged { part, .. } => part.days(days, TODAY - age_days).collect(),
                Plan::Stream { .. } => Vec::new(),
                other => panic!("{other:?}"),
            };
            let (Plan::Merged { tiles, window, .. } | Plan::Stream { tiles, window }) = plan else { panic!() };
            covered.extend((tiles.from_ms / DAY_MS) as i32..=TODAY);
            let wanted: Vec<i32> = (TODAY - days.cast_signed() + 1..=TODAY).collect();
            prop_assert_eq!(covered, wanted);
            prop_assert_eq!(window, Interval { from_ms: days_before(days.cast_signed() - 1), to_ms: as_of.ms() });
        }
    }
}
