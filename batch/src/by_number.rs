//! The calls of a day in the order of a party's numbers.

use features::Party;
use polars::prelude::{DataFrame, PolarsResult};

use crate::day_columns::{key_name, other_name};
use crate::phone_key::PhoneKey;

/// Rows of a frame by number.
#[derive(Debug, Default)]
pub(crate) struct ByNumber {
    /// All rows, those of a number side by side.
    rows: Vec<u32>,
    /// E.164 numbers in their order, and where in `rows` the rows of each end.
    e164: Vec<(PhoneKey, usize)>,
    /// Numbers that are not E.164, likewise; behind the others.
    others: Vec<(String, usize)>,
}

/// A number of a day.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DayNumber<'n> {
    E164(PhoneKey),
    Other(&'n str),
}

impl ByNumber {
    pub(crate) fn of(frame: &DataFrame, party: Party) -> PolarsResult<Self> {
        let (mut keys, mut texts) = (Vec::with_capacity(frame.height()), Vec::new());
        let others = frame.column(other_name(party))?.str()?;
        for (row, key) in (0..).zip(frame.column(key_name(party))?.u64()?.iter()) {
            match key.and_then(PhoneKey::from_bits) {
                Some(key) => keys.push((key, row)),
                None => texts.push((others.get(row as usize).unwrap_or_default(), row)),
            }
        }
        keys.sort_unstable_by_key(|(key, _)| *key);
        texts.sort_unstable();
        let mut found = Self { rows: Vec::with_capacity(frame.height()), ..Self::default() };
        for same in keys.chunk_by(|one, next| one.0 == next.0) {
            found.rows.extend(same.iter().map(|(_, row)| *row));
            found.e164.push((same[0].0, found.rows.len()));
        }
        for same in texts.chunk_by(|one, next| one.0 == next.0) {
            found.rows.extend(same.iter().map(|(_, row)| *row));
            found.others.push((same[0].0.to_owned(), found.rows.len()));
        }
        Ok(found)
    }

    /// Every number and its rows, in the order of the numbers' texts: `+` comes before all letters.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (DayNumber<'_>, &[u32])> {
        let e164 = self.e164.iter().map(|(key, end)| (DayNumber::E164(*key), *end));
        let others = self.others.iter().map(|(text, end)| (DayNumber::Other(text), *end));
        e164.chain(others).scan(0, |start, (number, end)| {
            let rows = &self.rows[*start..end];
            *start = end;
            Some((number, rows))
        })
    }
}
