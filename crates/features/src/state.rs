//! The mergeable state of one entity over one interval.

use crate::codec::{DecodeError, Reader, write_varint};
use crate::{Observation, Sketch, Slot, SlotMask, SlotState};

/// First byte of a stored state; a change of the format raises it and, with it, the feature set's version.
pub(crate) const STATE_FORMAT: u8 = 1;

/// One content for each slot of a party, and the newest event seen. Slots that a level does not need stay
/// empty and take no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    newest_event_ms: Option<i64>,
    slots: Vec<SlotState>,
}

impl State {
    /// The state that saw no call.
    pub fn empty(slots: &[Slot]) -> Self {
        Self { newest_event_ms: None, slots: slots.iter().map(|slot| SlotState::empty(slot.kind)).collect() }
    }

    /// From its parts, as the batch job computes them: the newest event time, then one content a slot in the
    /// order of [`crate::FeatureSet::slots`].
    pub const fn from_parts(newest_event_ms: Option<i64>, slots: Vec<SlotState>) -> Self {
        Self { newest_event_ms, slots }
    }

    /// Makes it another one from its parts, as [`Self::from_parts`] does, in the same memory.
    pub fn refill(&mut self, newest_event_ms: Option<i64>, slots: impl Iterator<Item = SlotState>) {
        self.newest_event_ms = newest_event_ms;
        self.slots.clear();
        self.slots.extend(slots);
    }

    /// Event time of the newest call in it, in milliseconds since 1970 UTC; `None` when there is none.
    pub const fn newest_event_ms(&self) -> Option<i64> {
        self.newest_event_ms
    }

    /// Whether no call is in it.
    pub const fn is_empty(&self) -> bool {
        self.newest_event_ms.is_none()
    }

    /// The content of a slot.
    pub fn slot(&self, index: usize) -> &SlotState {
        &self.slots[index]
    }

    /// Takes in one call, into the slots of `mask`.
    pub fn add(&mut self, call: &Observation<'_>, mask: SlotMask) {
        self.newest_event_ms = self.newest_event_ms.max(Some(call.started_at_ms));
        for (index, (slot, input)) in self.slots.iter_mut().zip(call.inputs).enumerate() {
            if mask.has(index) {
                slot.add(*input);
            }
        }
    }

    /// Takes in all that another state of the same party has seen.
    pub fn merge(&mut self, other: &Self) {
        self.newest_event_ms = self.newest_event_ms.max(other.newest_event_ms);
        for (mine, theirs) in self.slots.iter_mut().zip(&other.slots) {
            mine.merge(theirs);
        }
    }

    /// Takes in another state of the same party, in the slots of `mask` alone: phone states rolled up to a
    /// level that keeps fewer slots.
    pub fn merge_masked(&mut self, other: &Self, mask: SlotMask) {
        self.newest_event_ms = self.newest_event_ms.max(other.newest_event_ms);
        for (index, (mine, theirs)) in self.slots.iter_mut().zip(&other.slots).enumerate() {
            if mask.has(index) {
                mine.merge(theirs);
            }
        }
    }

    /// Appends the stored form: format, newest event time, a bitmap of the slots that are not empty, and those
    /// slots. The empty state is one byte.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(STATE_FORMAT);
        let Some(newest_event_ms) = self.newest_event_ms else { return };
        write_varint(out, newest_event_ms.cast_unsigned().into());
        let filled = self.slots.iter().enumerate().filter(|(_, slot)| !slot.is_empty());
        write_varint(out, filled.clone().fold(0, |bits, (index, _)| bits | 1u128 << index));
        filled.for_each(|(_, slot)| slot.encode(out));
    }

    /// Bytes its contents take in memory, roughly: what a cache counts.
    pub fn weight_bytes(&self) -> usize {
        let content = |slot: &SlotState| match slot {
            SlotState::Distinct(Sketch::Sparse(hashes)) if hashes.spilled() => hashes.capacity() * 8,
            SlotState::Distinct(Sketch::Dense(registers)) => registers.len(),
            _ => 0,
        };
        self.slots.iter().map(|slot| size_of::<SlotState>() + content(slot)).sum()
    }

    /// The stored form as bytes of its own.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        self.encode(&mut out);
        out
    }

    /// Takes in a stored state of the same party, in the slots of `mask` alone: what [`Self::merge_masked`] does with
    /// what [`Self::decode`] reads, without a state of its own in between. Of the other slots only the lengths are looked
    /// at. After an error a part of it is in.
    pub fn merge_stored(&mut self, slots: &[Slot], bytes: &[u8], mask: SlotMask) -> Result<(), DecodeError> {
        let mine = &mut self.slots;
        let newest = read_stored(slots, bytes, mask, |index, theirs| {
            if mine[index].is_empty() {
                mine[index] = theirs;
            } else {
                mine[index].merge(&theirs);
            }
        })?;
        self.newest_event_ms = self.newest_event_ms.max(newest);
        Ok(())
    }

    /// Reads what [`Self::encode`] wrote for the same slots.
    pub fn decode(slots: &[Slot], bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut state = Self::empty(slots);
        state.newest_event_ms = read_stored(slots, bytes, SlotMask::ALL, |index, slot| state.slots[index] = slot)?;
        Ok(state)
    }
}

/// Gives each filled slot of a stored state that is in `mask`, and returns the newest event time.
fn read_stored(
    slots: &[Slot],
    bytes: &[u8],
    mask: SlotMask,
    mut take: impl FnMut(usize, SlotState),
) -> Result<Option<i64>, DecodeError> {
    let mut reader = Reader::new(bytes);
    if reader.bytes(1)? != [STATE_FORMAT] {
        return Err(DecodeError("its format is not known"));
    }
    if reader.is_empty() {
        return Ok(None);
    }
    let newest = u64::try_from(reader.varint()?).map_err(|_| DecodeError("a time is out of range"))?;
    let filled = reader.varint()?;
    if slots.len() < 128 && filled >> slots.len() != 0 {
        return Err(DecodeError("it has more slots than the feature set"));
    }
    for (index, slot) in slots.iter().enumerate() {
        if filled >> index & 1 == 1 {
            if mask.has(index) {
                take(index, SlotState::decode(slot.kind, &mut reader)?);
            } else {
                SlotState::skip(slot.kind, &mut reader)?;
            }
        }
    }
    if !reader.is_empty() {
        return Err(DecodeError("bytes are left over"));
    }
    Ok(Some(newest.cast_signed()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::{FeatureSet, Party, SlotInput, SlotKind};

    /// Inputs as an observer would make them, one row a call.
    fn calls(slots: &[Slot]) -> impl Strategy<Value = Vec<(i64, Vec<SlotInput>)>> + use<> {
        let kinds: Vec<SlotKind> = slots.iter().map(|slot| slot.kind).collect();
        let input = |kind: SlotKind, passes: bool, value: i64| match kind {
            _ if !passes => SlotInput::Nothing,
            SlotKind::Count => SlotInput::One,
            SlotKind::Distinct => SlotInput::Hash(value.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            SlotKind::Days => SlotInput::Day(20_000 + (value.rem_euclid(90)) as i32),
            _ => SlotInput::Integer(value),
        };
        let row = prop::collection::vec((any::<bool>(), -1_000_000_000_000i64..1_000_000_000_000), kinds.len());
        let row = row.prop_map(move |row| {
            kinds.iter().zip(row).map(|(kind, (passes, value))| input(*kind, passes, value)).collect::<Vec<_>>()
        });
        prop::collection::vec((1i64..4_000_000_000_000, row), 0..30)
    }

    fn state_of(slots: &[Slot], calls: &[(i64, Vec<SlotInput>)], mask: SlotMask) -> State {
        let mut state = State::empty(slots);
        for (started_at_ms, inputs) in calls {
            state.add(&Observation { started_at_ms: *started_at_ms, inputs }, mask);
        }
        state
    }

    fn all(slots: &[Slot]) -> SlotMask {
        SlotMask::of(&(0..slots.len()).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn a_state_reads_what_it_writes_and_merges_as_if_it_had_seen_all(
            (first, second) in {
                let set = FeatureSet::default_set().unwrap();
                (calls(set.slots(Party::Caller)), calls(set.slots(Party::Caller)))
            },
        ) {
            let set = FeatureSet::default_set().unwrap();
            let slots = set.slots(Party::Caller);
            let (a, b) = (state_of(slots, &first, all(slots)), state_of(slots, &second, all(slots)));
            prop_assert_eq!(&State::decode(slots, &a.to_bytes()).unwrap(), &a);
            let mut merged = a.clone();
            merged.merge(&b);
            let both: Vec<_> = first.into_iter().chain(second).collect();
            prop_assert_eq!(&merged, &state_of(slots, &both, all(slots)));
            let mask = SlotMask::of(&(0..slots.len()).step_by(2).collect::<Vec<_>>());
            let (mut through_bytes, mut directly) = (a.clone(), a.clone());
            through_bytes.merge_stored(slots, &b.to_bytes(), mask).unwrap();
            directly.merge_masked(&b, mask);
            prop_assert_eq!(through_bytes, directly);
            let mut other_way = b;
            other_way.merge(&a);
            prop_assert_eq!(other_way.to_bytes(), merged.to_bytes());
        }

        #[test]
        fn garbage_is_refused_or_a_state(bytes: Vec<u8>) {
            let set = FeatureSet::default_set().unwrap();
            let slots = set.slots(Party::Caller);
            if let Ok(state) = State::decode(slots, &bytes) {
                prop_assert_eq!(State::decode(slots, &state.to_bytes()), Ok(state));
            }
        }
    }

    #[test]
    fn an_empty_state_is_one_byte_and_a_cut_one_is_refused() {
        let set = FeatureSet::default_set().unwrap();
        let slots = set.slots(Party::Callee);
        assert_eq!(State::empty(slots).to_bytes(), [STATE_FORMAT]);
        let row: Vec<SlotInput> = slots
            .iter()
            .map(|slot| match slot.kind {
                SlotKind::Distinct => SlotInput::Hash(7),
                SlotKind::Sum => SlotInput::Integer(9),
                _ => SlotInput::One,
            })
            .collect();
        let bytes = state_of(slots, &[(1_000, row)], all(slots)).to_bytes();
        for end in 2..bytes.len() {
            assert!(State::decode(slots, &bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_mask_leaves_slots_alone() {
        let set = FeatureSet::default_set().unwrap();
        let slots = set.slots(Party::Callee);
        let row = vec![SlotInput::One; slots.len()];
        let state = state_of(slots, &[(1_000, row)], SlotMask::default());
        assert!((0..slots.len()).all(|slot| state.slot(slot).is_empty()));
        assert_eq!(state.newest_event_ms(), Some(1_000));
    }
}
