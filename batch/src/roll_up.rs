//! From the day states of one key to its window states: one pass from the newest day to the oldest.

use features::{BatchWindow, DecodeError, Denominator, Feature, FeatureSet, Level, Party, SlotMask, State, Value};
use snapshot::RowEncoder;

/// Rolls up the keys of one party and level.
///
/// A window of `d` days needs three states (see [`snapshot::WindowStates`]). With `B(m)` the union of the days 1
/// to `m` before `as_of`, they are day 0 with `B(d-1)`, `B(d-2)` and `B(d-3)`: one running union serves all
/// windows.
pub(crate) struct RollUp<'a> {
    set: &'a FeatureSet,
    party: Party,
    mask: SlotMask,
    windows: Vec<BatchWindow>,
    /// Every `m` that is needed, ascending.
    depths: Vec<u32>,
    /// Each feature with each of its windows, as columns are ordered: the feature, the place of the window.
    columns: Vec<(&'a Feature, usize)>,
    empty: Vec<u8>,
}

/// What a key has in a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Rolled {
    /// The stored [`snapshot::OnlineRow`].
    pub(crate) row: Vec<u8>,
    /// One value a column.
    pub(crate) values: Vec<Value>,
}

impl<'a> RollUp<'a> {
    pub(crate) fn new(set: &'a FeatureSet, party: Party, level: Level) -> Self {
        let windows = set.batch_windows(party, level);
        let ends = |window: &BatchWindow| [1, 2, 3].map(|less| window.days().saturating_sub(less));
        let mut depths: Vec<u32> = windows.iter().flat_map(ends).collect();
        depths.sort_unstable();
        depths.dedup();
        let place = |window: &BatchWindow| windows.iter().position(|other| other == window).unwrap_or_default();
        let columns = set
            .features_at(party, level)
            .flat_map(|feature| feature.batch.iter().map(move |window| (feature, window)))
            .map(|(feature, window)| (feature, place(window)))
            .collect();
        let empty = State::empty(set.slots(party)).to_bytes();
        Self { set, party, mask: set.mask(party, level), windows, depths, columns, empty }
    }

    /// Each column: its feature and its window.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&'a Feature, BatchWindow)> + '_ {
        self.columns.iter().map(|(feature, window)| (*feature, self.windows[*window]))
    }

    /// The longest window, in days; 0 where there is none.
    pub(crate) fn longest(&self) -> u32 {
        self.windows.last().map_or(0, |window| window.days())
    }

    /// Rolls up a key from its stored states on days before `as_of` (0 is `as_of`), the newest first, all within the
    /// longest window.
    pub(crate) fn roll<'d>(
        &self,
        days: impl Iterator<Item = (u32, &'d [u8])>,
        rolled: &mut Rolled,
    ) -> Result<(), DecodeError> {
        let slots = self.set.slots(self.party);
        let mut newest = None;
        let mut days = days.peekable();
        if let Some((_, states)) = days.next_if(|(day, _)| *day == 0) {
            let mut state = State::empty(slots);
            state.merge_stored(slots, states, self.mask)?;
            newest = Some(state);
        }
        let mut union = State::empty(slots);
        // The stored form of B(m) for each m of `depths`, and the whole windows.
        let mut unions: Vec<Vec<u8>> = Vec::with_capacity(self.depths.len());
        let mut whole: Vec<State> = Vec::with_capacity(self.windows.len());
        let mut taken = 0;
        for depth in &self.depths {
            let before = taken;
            while let Some((_, states)) = days.next_if(|(day, _)| day <= depth) {
                union.merge_stored(slots, states, self.mask)?;
                taken += 1;
            }
            unions.push(match unions.last() {
                Some(same) if before == taken => same.clone(),
                _ if taken == 0 => self.empty.clone(),
                _ => union.to_bytes(),
            });
            if self.windows.iter().any(|window| window.days() == depth + 1) {
                let mut state = union.clone();
                if let Some(newest) = &newest {
                    state.merge(newest);
                }
                whole.push(state);
            }
        }
        let at = |depth: u32| &unions[self.depths.binary_search(&depth).unwrap_or_default()];
        rolled.row.clear();
        let mut encoder = RowEncoder::new(&mut rolled.row, self.windows.len());
        for (window, state) in self.windows.iter().zip(&whole) {
            encoder.window(window.days());
            encoder.state(state);
            encoder.stored_state(at(window.days().saturating_sub(2)));
            encoder.stored_state(at(window.days().saturating_sub(3)));
        }
        rolled.values.clear();
        rolled.values.extend(self.columns.iter().map(|(feature, window)| {
            let days = Denominator::BatchDays(self.windows[*window].days());
            feature.formula.answer(&whole[*window], days, feature.decimals).value
        }));
        Ok(())
    }
}
