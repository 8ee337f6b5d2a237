//! The minute tiles of one number and, where a busy hour has many, a tile of the hour.

use std::collections::{BTreeMap, VecDeque};

use features::{Observation, Slot, SlotMask, State};

use crate::limits::HOUR_TILE_FROM;

/// Minutes of an hour.
const HOUR: i64 = 60;

/// What a number did in the minutes of the longest window. Minutes are counted since 1970 UTC.
#[derive(Debug, Default)]
pub(crate) struct EntityTiles {
    minutes: VecDeque<(i64, State)>,
    hours: BTreeMap<i64, State>,
}

impl EntityTiles {
    /// Counts a call in the minute that it began in.
    pub(crate) fn add(&mut self, minute: i64, call: &Observation<'_>, mask: SlotMask, slots: &[Slot]) {
        let at = self.minutes.partition_point(|(other, _)| *other < minute);
        if self.minutes.get(at).is_none_or(|(other, _)| *other != minute) {
            self.minutes.insert(at, (minute, State::empty(slots)));
        }
        self.minutes[at].1.add(call, mask);
        let hour = minute.div_euclid(HOUR);
        if let Some(state) = self.hours.get_mut(&hour) {
            state.add(call, mask);
            return;
        }
        let (from, to) = self.places(hour * HOUR, (hour + 1) * HOUR);
        if to - from > HOUR_TILE_FROM {
            let mut state = State::empty(slots);
            self.minutes.range(from..to).for_each(|(_, minute)| state.merge_masked(minute, mask));
            self.hours.insert(hour, state);
        }
    }

    /// Merges what began in the minutes `from..to` into a state.
    pub(crate) fn merge_into(&self, state: &mut State, mask: SlotMask, from: i64, to: i64) {
        let (mut at, _) = self.places(from, from);
        while let Some((minute, tile)) = self.minutes.get(at).filter(|(minute, _)| *minute < to) {
            let hour = minute.div_euclid(HOUR);
            let is_whole = hour * HOUR >= from && (hour + 1) * HOUR <= to;
            if let Some(tile) = self.hours.get(&hour).filter(|_| is_whole) {
                state.merge_masked(tile, mask);
                (at, _) = self.places((hour + 1) * HOUR, to);
            } else {
                state.merge_masked(tile, mask);
                at += 1;
            }
        }
    }

    /// Drops what began before a minute. What is left of its hour is not asked for whole any more.
    pub(crate) fn forget_before(&mut self, minute: i64) {
        let (gone, _) = self.places(minute, minute);
        self.minutes.drain(..gone);
        self.hours = self.hours.split_off(&minute.div_euclid(HOUR));
        if self.minutes.is_empty() {
            *self = Self::default();
        }
    }

    /// Where the tiles of the minutes `from..to` stand.
    fn places(&self, from: i64, to: i64) -> (usize, usize) {
        let place = |minute| self.minutes.partition_point(|(other, _)| *other < minute);
        (place(from), place(to))
    }
}
