//! The row evaluator: what one call puts into every slot of a party.

use std::sync::Arc;

use cdr::CallRecord;

use crate::expression::{Datum, Row};
use crate::{DAY_MS, FeatureSet, Party, Slot, SlotInput, SlotKind, hash_text};

/// What a call contributes to the slots of one party.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// Event time of the call.
    pub started_at_ms: i64,
    /// One input a slot, in the order of [`FeatureSet::slots`].
    pub inputs: &'a [SlotInput],
}

/// Evaluates the expressions of a feature set on one call at a time. It keeps buffers: one for each thread.
#[derive(Debug)]
pub struct Observer {
    set: Arc<FeatureSet>,
    inputs: [Vec<SlotInput>; 2],
}

impl Observer {
    /// An observer for the features of `set`.
    pub fn new(set: Arc<FeatureSet>) -> Self {
        Self { set, inputs: [Vec::new(), Vec::new()] }
    }

    /// Evaluates `call` once for both parties; [`Observed::of`] hands out either.
    pub fn observe(&mut self, call: &CallRecord) -> Observed<'_> {
        let row = Row::new(call, self.set.settings());
        for party in Party::ALL {
            let inputs = &mut self.inputs[party as usize];
            inputs.clear();
            inputs.extend(self.set.slots(party).iter().map(|slot| slot_input(slot, &row)));
        }
        Observed { started_at_ms: call.started_at_ms, inputs: &self.inputs }
    }
}

/// A call, evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    started_at_ms: i64,
    inputs: &'a [Vec<SlotInput>; 2],
}

impl<'a> Observed<'a> {
    /// What the call contributes to a party's slots.
    pub const fn of(&self, party: Party) -> Observation<'a> {
        let inputs: &'a [Vec<SlotInput>; 2] = self.inputs;
        Observation { started_at_ms: self.started_at_ms, inputs: inputs[party as usize].as_slice() }
    }
}

fn slot_input(slot: &Slot, row: &Row<'_>) -> SlotInput {
    if slot.condition.as_ref().is_some_and(|condition| !condition.holds(row)) {
        return SlotInput::Nothing;
    }
    match (slot.kind, &slot.input) {
        (SlotKind::Days, _) => SlotInput::Day(row.call().started_at_ms.div_euclid(DAY_MS) as i32),
        (_, None) => SlotInput::One,
        (SlotKind::Distinct, Some(input)) => match input.evaluate(row) {
            Datum::Text(text) => SlotInput::Hash(hash_text(text)),
            Datum::Integer(number) => SlotInput::Hash(hash_text(&number.to_string())),
            Datum::Null | Datum::Boolean(_) => SlotInput::Nothing,
        },
        (_, Some(input)) => match input.evaluate(row) {
            Datum::Integer(number) => SlotInput::Integer(number),
            _ => SlotInput::Nothing,
        },
    }
}
