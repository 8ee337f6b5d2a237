//! The entities of labels, found by the numbers of a call.

use std::collections::HashMap;

use cdr::CallRecord;
use features::{Level, Party};
use smol_str::SmolStr;

use crate::labels::Label;

/// Place of an entity in [`Entities`].
pub type EntityId = u32;

/// The entities that are asked for.
#[derive(Debug)]
pub struct Entities {
    range_digits: u8,
    by_key: [[HashMap<SmolStr, EntityId>; 3]; 2],
    count: EntityId,
}

impl Entities {
    /// These entities; `range_digits` is what a range leaves off a number.
    pub fn of<'a>(asked: impl Iterator<Item = (Party, Level, &'a str)>, range_digits: u8) -> Self {
        let mut entities = Self { range_digits, by_key: Default::default(), count: 0 };
        for (party, level, key) in asked {
            let next = entities.count;
            let id = *entities.by_key[party as usize][level as usize].entry(SmolStr::new(key)).or_insert(next);
            entities.count += EntityId::from(id == next);
        }
        entities
    }

    /// Those of labels.
    pub(crate) fn of_labels(labels: &[Label], range_digits: u8) -> Self {
        let asked = labels
            .iter()
            .flat_map(|label| parties(label).map(|party| (party, label.target.level, label.target.key.as_str())));
        Self::of(asked, range_digits)
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.count as usize
    }

    /// The place of an entity, if it is asked for.
    pub fn id(&self, party: Party, level: Level, key: &str) -> Option<EntityId> {
        self.by_key[party as usize][level as usize].get(key).copied()
    }

    /// The entities that a call touches.
    pub(crate) fn touched<'a>(&'a self, call: &'a CallRecord) -> impl Iterator<Item = EntityId> + 'a {
        Party::ALL.into_iter().flat_map(move |party| self.touched_by(party, call))
    }

    /// Those of them that one party of the call touches.
    pub(crate) fn touched_by<'a>(
        &'a self,
        party: Party,
        call: &'a CallRecord,
    ) -> impl Iterator<Item = EntityId> + 'a {
        let number = party.number(call);
        Level::ALL.into_iter().filter_map(move |level| {
            let keys = &self.by_key[party as usize][level as usize];
            // Most files of labels have one level.
            if keys.is_empty() { None } else { keys.get(level.key(number, self.range_digits)?).copied() }
        })
    }
}

/// The parties that a label asks for.
pub(crate) fn parties(label: &Label) -> impl Iterator<Item = Party> + use<> {
    let asked = label.target.party;
    Party::ALL.into_iter().filter(move |party| asked.is_none_or(|asked| asked == *party))
}
