//! A row of the online face: the states of every batch window of an entity.
//!
//! Format 1, all numbers little-endian: a byte `1`, the number of windows (u8); then for each window its days
//! (u8) and [`STATES_A_WINDOW`] times the length (u32) and bytes of a [`State`].

use features::{DecodeError, FeatureSet, Level, Party, Slot, SlotMask, State};

/// States kept of a window: see [`WindowStates::states`].
pub const STATES_A_WINDOW: usize = 3;

const ROW_FORMAT: u8 = 1;

/// The states of a window of `d` days of a snapshot as of day `D`.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowStates {
    /// `d`.
    pub days: u32,
    /// `[D-d+1, D]`, the window; `[D-d+2, D-1]`, to which the stream adds the days `D` and `D+1`; `[D-d+3, D-1]`,
    /// to which it adds `D` to `D+2`. The latter two are empty where they would hold no day.
    pub states: [State; STATES_A_WINDOW],
}

/// What the online face knows of one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineRow {
    /// One for each of [`FeatureSet::batch_windows`], in that order.
    pub windows: Vec<WindowStates>,
}

/// Bytes that are no row of this feature set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The frame around the states.
    #[error("a row {0}")]
    Frame(&'static str),
    /// A state.
    #[error(transparent)]
    State(#[from] DecodeError),
}

impl OnlineRow {
    /// The states of the window of `days` days.
    pub fn window(&self, days: u32) -> Option<&WindowStates> {
        self.windows.iter().find(|window| window.days == days)
    }

    /// Appends the stored form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut encoder = RowEncoder::new(out, self.windows.len());
        for window in &self.windows {
            encoder.window(window.days);
            window.states.iter().for_each(|state| encoder.state(state));
        }
    }

    /// Reads what [`Self::encode`] wrote for the windows and slots of this party and level.
    pub fn decode(set: &FeatureSet, party: Party, level: Level, bytes: &[u8]) -> Result<Self, RowError> {
        let expected = set.batch_windows(party, level);
        let (mut rest, count) = Rest::begin(bytes)?;
        if count != expected.len() {
            return Err(RowError::Frame("has other windows than the feature set"));
        }
        let mut windows = Vec::with_capacity(expected.len());
        for window in expected {
            let (days, states) = rest.window()?;
            if days != window.days() {
                return Err(RowError::Frame("has other windows than the feature set"));
            }
            let state = |bytes| State::decode(set.slots(party), bytes);
            let [full, day_after, second_day_after] = states;
            windows.push(WindowStates { days, states: [state(full)?, state(day_after)?, state(second_day_after)?] });
        }
        if rest.0.is_empty() { Ok(Self { windows }) } else { Err(RowError::Frame("has bytes left over")) }
    }
}

/// A row in its stored form, which takes a tenth of the memory of an [`OnlineRow`]. It was decoded once, to know that it
/// can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow(Box<[u8]>);

impl StoredRow {
    /// Takes bytes that [`OnlineRow::decode`] can read.
    pub fn check(set: &FeatureSet, party: Party, level: Level, bytes: &[u8]) -> Result<Self, RowError> {
        OnlineRow::decode(set, party, level, bytes)?;
        Ok(Self(bytes.into()))
    }

    /// The whole row.
    pub fn decode(&self, set: &FeatureSet, party: Party, level: Level) -> Result<OnlineRow, RowError> {
        OnlineRow::decode(set, party, level, &self.0)
    }

    /// Merges one of the states of the window of `days` days, in the slots of `mask` alone, into a state of the same
    /// `slots`; false where there is no such window. `part` is a place in [`WindowStates::states`].
    pub fn merge_into(
        &self,
        state: &mut State,
        days: u32,
        part: usize,
        slots: &[Slot],
        mask: SlotMask,
    ) -> Result<bool, RowError> {
        let (mut rest, count) = Rest::begin(&self.0)?;
        for _ in 0..count {
            let (found, states) = rest.window()?;
            if found == days {
                state.merge_stored(slots, states[part], mask)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Its length.
    pub const fn len_bytes(&self) -> usize {
        self.0.len()
    }
}

/// Writes the stored form of a row state by state: for each window [`Self::window`], then [`STATES_A_WINDOW`]
/// times [`Self::state`].
#[derive(Debug)]
pub struct RowEncoder<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> RowEncoder<'a> {
    /// Begins a row of so many windows; a feature set has at most 90.
    pub fn new(out: &'a mut Vec<u8>, windows: usize) -> Self {
        out.push(ROW_FORMAT);
        out.push(windows as u8);
        Self { out }
    }

    /// Begins a window.
    pub fn window(&mut self, days: u32) {
        self.out.push(days as u8);
    }

    /// Appends a state.
    pub fn state(&mut self, state: &State) {
        let at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        state.encode(self.out);
        // A state has at most 64 slots of some 3 KB.
        let length = (self.out.len() - at - 4) as u32;
        self.out[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// Appends a state that [`State::encode`] has written already.
    pub fn stored_state(&mut self, state: &[u8]) {
        self.out.extend_from_slice(&(state.len() as u32).to_le_bytes());
        self.out.extend_from_slice(state);
    }
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// What comes after the head of a row, and how many windows it has.
    fn begin(row: &'a [u8]) -> Result<(Self, usize), RowError> {
        let mut rest = Self(row);
        if rest.take(1)? != [ROW_FORMAT] {
            return Err(RowError::Frame("is of an unknown format"));
        }
        let windows = rest.take(1)?[0];
        Ok((rest, windows.into()))
    }

    /// The days and the states of the next window.
    fn window(&mut self) -> Result<(u32, [&'a [u8]; STATES_A_WINDOW]), RowError> {
        let days = self.take(1)?[0];
        Ok((days.into(), [self.state()?, self.state()?, self.state()?]))
    }

    fn state(&mut self) -> Result<&'a [u8], RowError> {
        let length: [u8; 4] = self.take(4)?.try_into().map_err(|_| RowError::Frame("ends too early"))?;
        self.take(u32::from_le_bytes(length) as usize)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], RowError> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(RowError::Frame("ends too early"))?;
        self.0 = rest;
        Ok(head)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use features::{DaySet, Sketch, SlotKind, SlotState, hash_text};
    use proptest::prelude::*;

    use super::*;

    /// A state with something in every slot, made from one number.
    pub(crate) fn state(set: &FeatureSet, party: Party, seed: u64) -> State {
        if seed == 0 {
            return State::empty(set.slots(party));
        }
        let hashes = |n: u64| (0..n % 900).map(|at| hash_text(&(seed ^ at << 20).to_string())).collect();
        let slot = |(at, slot): (usize, &features::Slot)| {
            let mixed = seed.rotate_left(at as u32 * 7);
            match slot.kind {
                SlotKind::Count => SlotState::Count(mixed),
                SlotKind::Sum => SlotState::Sum(-i128::from(mixed)),
                SlotKind::SumSquares => SlotState::SumSquares(u128::from(mixed) << 31),
                SlotKind::Min => SlotState::Min(Some(mixed as i64)),
                SlotKind::Max => SlotState::Max((mixed & 1 == 1).then_some(mixed as i64)),
                SlotKind::Distinct => SlotState::Distinct(Sketch::of_hashes(hashes(mixed))),
                SlotKind::Days => SlotState::Days(DaySet::of((mixed % 30_000) as i32)),
            }
        };
        State::from_parts(Some((seed >> 20) as i64), set.slots(party).iter().enumerate().map(slot).collect())
    }

    fn row(set: &FeatureSet, party: Party, level: Level, seeds: &[u64]) -> OnlineRow {
        let mut seeds = seeds.iter().cycle();
        let mut next = || state(set, party, *seeds.next().unwrap());
        let windows = set.batch_windows(party, level);
        let windows = windows
            .iter()
            .map(|window| WindowStates { days: window.days(), states: [next(), next(), next()] })
            .collect();
        OnlineRow { windows }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_row_reads_what_it_writes(seeds in prop::collection::vec(prop_oneof![Just(0), any::<u64>()], 1..12)) {
            let set = FeatureSet::default_set().unwrap();
            for (party, level) in [(Party::Caller, Level::Phone), (Party::Callee, Level::Range)] {
                let row = row(&set, party, level, &seeds);
                let mut bytes = Vec::new();
                row.encode(&mut bytes);
                let slots = set.slots(party);
                let mask = SlotMask::of(&(0..slots.len()).step_by(3).collect::<Vec<_>>());
                let stored = StoredRow::check(&set, party, level, &bytes).unwrap();
                for window in &row.windows {
                    for (part, expected) in window.states.iter().enumerate() {
                        let [mut found, mut wanted] = [(); 2].map(|()| State::empty(slots));
                        prop_assert_eq!(stored.merge_into(&mut found, window.days, part, slots, mask), Ok(true));
                        wanted.merge_masked(expected, mask);
                        prop_assert_eq!(found, wanted);
                    }
                }
                prop_assert_eq!(stored.merge_into(&mut State::empty(slots), 5, 0, slots, mask), Ok(false));
                prop_assert_eq!(OnlineRow::decode(&set, party, level, &bytes), Ok(row));
            }
        }

        #[test]
        fn other_bytes_are_an_error(bytes: Vec<u8>, cut: prop::sample::Index) {
            let set = FeatureSet::default_set().unwrap();
            let _ = OnlineRow::decode(&set, Party::Caller, Level::Phone, &bytes);
            let mut whole = Vec::new();
            row(&set, Party::Caller, Level::Phone, &[5, 0]).encode(&mut whole);
            let cut = &whole[..cut.index(whole.len())];
            prop_assert!(OnlineRow::decode(&set, Party::Caller, Level::Phone, cut).is_err());
            whole.push(0);
            prop_assert!(OnlineRow::decode(&set, Party::Caller, Level::Phone, &whole).is_err());
        }
    }
}
