//! From the calls of a day to one state a phone: the definitions' expressions, run by Polars, and their aggregates.

use std::collections::HashMap;

use features::{DaySet, FeatureSet, Party, Sketch, Slot, SlotKind, SlotState, State, Type, hash_text};
use polars::prelude::{
    self as pl, BooleanChunked, Column, DataFrame, Int64Chunked, IntoColumn as _, IntoLazy as _, PlSmallStr,
    PolarsResult, StaticArray as _, UInt64Chunked, col, lit, when,
};

use crate::by_number::{ByNumber, DayNumber};
use crate::compile::{compile, evaluate};
use crate::day_columns::STARTED_AT_MS;

/// The state of one phone over one day, with every slot that a level of its party needs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PhoneDay {
    pub(crate) key: String,
    /// Bytes of the key that are its prefix and its range; 0 unless E.164.
    prefix_bytes: usize,
    range_bytes: usize,
    pub(crate) state: State,
}

impl PhoneDay {
    /// `None` unless E.164.
    pub(crate) fn prefix(&self) -> Option<&str> {
        (self.prefix_bytes > 0).then(|| &self.key[..self.prefix_bytes])
    }

    /// `None` unless E.164.
    pub(crate) fn range(&self) -> Option<&str> {
        (self.range_bytes > 0).then(|| &self.key[..self.range_bytes])
    }
}

/// Makes the states of a party's phones from the calls of a day.
pub(crate) struct PhoneDays {
    started_at_ms: Int64Chunked,
    slots: Vec<SlotInput>,
    range_digits: usize,
    day: i32,
}

impl PhoneDays {
    /// Evaluates the definitions on all calls.
    pub(crate) fn new(frame: &DataFrame, set: &FeatureSet, party: Party, day: i32) -> PolarsResult<Self> {
        let slots = set.slots(party);
        let inputs: Vec<pl::Expr> = slots.iter().enumerate().filter_map(|(at, slot)| input(at, slot)).collect();
        let evaluated = if inputs.is_empty() {
            DataFrame::default()
        } else {
            with_hashes(frame.clone(), slots)?.lazy().with_columns(inputs).select(input_names(slots)).collect()?
        };
        let slot_inputs =
            slots.iter().enumerate().map(|(at, slot)| SlotInput::new(slot, evaluated.column(&input_name(at)).ok()));
        Ok(Self {
            started_at_ms: frame.column(STARTED_AT_MS)?.i64()?.rechunk().into_owned(),
            slots: slot_inputs.collect::<PolarsResult<_>>()?,
            range_digits: usize::from(set.settings().range_digits),
            day,
        })
    }

    /// Gives the state of each phone, in the order of their numbers. Anonymous ones have none.
    pub(crate) fn each<E>(
        &self,
        numbers: &ByNumber,
        mut take: impl FnMut(&PhoneDay) -> Result<(), E>,
    ) -> Result<(), E> {
        let started = self.started_at_ms.downcast_as_array();
        let state = State::from_parts(None, Vec::new());
        // One for all: their memory is used again.
        let mut phone = PhoneDay { key: String::new(), prefix_bytes: 0, range_bytes: 0, state };
        for (number, rows) in numbers.numbers() {
            phone.key.clear();
            (phone.prefix_bytes, phone.range_bytes) = match number {
                DayNumber::E164(key) => {
                    let prefix_bytes = key.write(&mut phone.key);
                    (prefix_bytes, phone.key.len().saturating_sub(self.range_digits))
                }
                // All of them have the same text.
                DayNumber::Other(text) if text == cdr::NumberKind::Anonymous.as_str() => continue,
                DayNumber::Other(text) => {
                    phone.key.push_str(text);
                    (0, 0)
                }
            };
            let newest = rows.iter().filter_map(|row| started.get(*row as usize)).max();
            phone.state.refill(newest, self.slots.iter().map(|slot| slot.content(rows, self.day)));
            take(&phone)?;
        }
        Ok(())
    }
}

/// What the calls of a day put into a slot.
struct SlotInput {
    kind: SlotKind,
    column: InputColumn,
}

enum InputColumn {
    /// Every call counts.
    All,
    /// Those that pass do.
    Passing(BooleanChunked),
    Integers(Int64Chunked),
    Hashes(UInt64Chunked),
}

impl SlotInput {
    fn new(slot: &Slot, column: Option<&Column>) -> PolarsResult<Self> {
        let column = match (slot.kind, column) {
            (_, None) => InputColumn::All,
            (SlotKind::Count | SlotKind::Days, Some(column)) => {
                InputColumn::Passing(column.bool()?.rechunk().into_owned())
            }
            (SlotKind::Distinct, Some(column)) => InputColumn::Hashes(column.u64()?.rechunk().into_owned()),
            (_, Some(column)) => InputColumn::Integers(column.i64()?.rechunk().into_owned()),
        };
        Ok(Self { kind: slot.kind, column })
    }

    fn content(&self, rows: &[u32], day: i32) -> SlotState {
        let integers = || {
            let column = if let InputColumn::Integers(column) = &self.column { Some(column) } else { None };
            let array = column.map(pl::ChunkedArray::downcast_as_array);
            rows.iter().filter_map(move |row| array.and_then(|array| array.get(*row as usize)))
        };
        match self.kind {
            SlotKind::Count => SlotState::Count(self.passing(rows)),
            SlotKind::Days => {
                SlotState::Days(if self.passing(rows) > 0 { DaySet::of(day) } else { DaySet::default() })
            }
            SlotKind::Sum => SlotState::Sum(integers().map(i128::from).sum()),
            SlotKind::SumSquares => {
                let squares = integers().map(|value| u128::from(value.unsigned_abs()).pow(2));
                SlotState::SumSquares(squares.fold(0, u128::wrapping_add))
            }
            SlotKind::Min => SlotState::Min(integers().min()),
            SlotKind::Max => SlotState::Max(integers().max()),
            SlotKind::Distinct => {
                let InputColumn::Hashes(column) = &self.column else { return SlotState::empty(self.kind) };
                let array = column.downcast_as_array();
                SlotState::Distinct(Sketch::of_hashes(
                    rows.iter().filter_map(|row| array.get(*row as usize)).collect(),
                ))
            }
        }
    }

    fn passing(&self, rows: &[u32]) -> u64 {
        match &self.column {
            InputColumn::Passing(column) => {
                let array = column.downcast_as_array();
                rows.iter().filter(|row| array.get(**row as usize) == Some(true)).count() as u64
            }
            _ => rows.len() as u64,
        }
    }
}

/// Adds a column of hashes for every input of a distinct count: each different value is hashed once.
fn with_hashes(mut calls: DataFrame, slots: &[Slot]) -> PolarsResult<DataFrame> {
    for (at, slot) in slots.iter().enumerate() {
        let (SlotKind::Distinct, Some(expr)) = (slot.kind, &slot.input) else { continue };
        let name = hash_name(at);
        let same = slots[..at].iter().position(|other| other.kind == slot.kind && other.input == slot.input);
        let hashes = if let Some(before) = same {
            calls.column(&hash_name(before))?.clone().with_name(name.into())
        } else {
            let values = evaluate(expr, &calls, &name)?;
            if expr.type_of() == Type::Text {
                hashes(&name, values.str()?.iter())
            } else {
                let texts = values.i64()?.iter().map(|number| number.map(|number| number.to_string()));
                let texts: Vec<Option<String>> = texts.collect();
                hashes(&name, texts.iter().map(Option::as_deref))
            }
        };
        calls.with_column(hashes)?;
    }
    Ok(calls)
}

fn hashes<'a>(name: &str, values: impl Iterator<Item = Option<&'a str>>) -> Column {
    let mut known: HashMap<&str, u64> = HashMap::new();
    let hashes: UInt64Chunked =
        values.map(|value| value.map(|value| *known.entry(value).or_insert_with(|| hash_text(value)))).collect();
    hashes.with_name(PlSmallStr::from(name)).into_column()
}

/// What a call puts into a slot, as a column; null where it puts nothing. None for slots that count every call.
fn input(at: usize, slot: &Slot) -> Option<pl::Expr> {
    let condition = slot.condition.as_ref().map(compile);
    let value = match (slot.kind, &slot.input) {
        (SlotKind::Count | SlotKind::Days, _) | (_, None) => {
            // Null is not true.
            return condition.map(|holds| holds.fill_null(lit(false)).alias(input_name(at)));
        }
        (SlotKind::Distinct, Some(_)) => col(hash_name(at)),
        (_, Some(input)) => compile(input),
    };
    let value = match condition {
        Some(holds) => when(holds).then(value).otherwise(lit(pl::NULL)),
        None => value,
    };
    Some(value.alias(input_name(at)))
}

fn hash_name(slot: usize) -> String {
    format!("@hash_{slot}")
}

fn input_name(slot: usize) -> String {
    format!("@input_{slot}")
}

fn input_names(slots: &[Slot]) -> Vec<pl::Expr> {
    let named = slots.iter().enumerate().filter(|(at, slot)| input(*at, slot).is_some());
    named.map(|(at, _)| col(input_name(at))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use features::{Level, Observer, Row, SlotMask};
    use proptest::prelude::*;

    use super::*;
    use crate::day_columns::{Arrival, DayColumns, Kept};
    use crate::testing::{DAY, any_call};

    /// The default features, and slots that they leave out.
    fn set() -> Arc<FeatureSet> {
        let feature = |name: &str, of: &str| {
            format!(
                "[[feature]]\nname='{name}'\nof=\"{of}\"\nparty=['caller','callee']\nlevel=['phone']\nbatch=['1d']\n"
            )
        };
        let file = include_str!("../../features.toml").to_owned()
            + &feature("x_hours", "distinct(hour_local)")
            + &feature("x_wide", "stddev(talk_ms * 4000000000)")
            + &feature("x_one", "distinct('a')")
            + &feature("x_least", "min(0 - cost_micros + 1)")
                .replace("of=", "where=\"cost_micros > 7 and currency = 'EUR'\"\nof=")
            + &feature("x_days", "active_days").replace("of=", "where=\"channel = 'sms'\"\nof=");
        Arc::new(FeatureSet::parse(&file, |_| Ok("country\nCU\n".to_owned())).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn polars_makes_the_states_that_the_stream_makes(calls in prop::collection::vec(any_call(), 0..40)) {
            let set = set();
            let mut columns = DayColumns::new(&Kept::of(&set));
            let mut observer = Observer::new(Arc::clone(&set));
            let mut expected = [BTreeMap::new(), BTreeMap::new()];
            for call in &calls {
                columns.push(&Row::new(call, set.settings()), &Arrival::default());
                let observed = observer.observe(call);
                for party in Party::ALL {
                    let Some(key) = Level::Phone.key(party.number(call), 4) else { continue };
                    let slots = set.slots(party);
                    let all = SlotMask::of(&(0..slots.len()).collect::<Vec<_>>());
                    let states: &mut BTreeMap<String, State> = &mut expected[party as usize];
                    states.entry(key.to_owned()).or_insert_with(|| State::empty(slots)).add(&observed.of(party), all);
                }
            }
            let frame = columns.into_frame().unwrap();
            for party in Party::ALL {
                let mut days: Vec<PhoneDay> = Vec::new();
                let numbers = ByNumber::of(&frame, party).unwrap();
                let phones = PhoneDays::new(&frame, &set, party, DAY).unwrap();
                let mut push = |phone: &PhoneDay| {
                    days.push(phone.clone());
                    Ok::<_, ()>(())
                };
                phones.each(&numbers, &mut push).unwrap();
                let plan = cdr::NumberPlan::new("US").unwrap();
                for day in &days {
                    let number = plan.parse(&day.key).unwrap();
                    prop_assert_eq!(day.prefix(), number.prefix());
                    prop_assert_eq!(day.range(), number.range(4));
                }
                let found: Vec<_> = days.into_iter().map(|day| (day.key, day.state)).collect();
                prop_assert_eq!(found, expected[party as usize].clone().into_iter().collect::<Vec<_>>());
            }
        }
    }
}
