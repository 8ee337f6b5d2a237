//! From the calls of a day to one state a phone: the definitions' expressions and aggregates, run by Polars.

use std::collections::HashMap;

use features::{DaySet, FeatureSet, Field, Party, Sketch, Slot, SlotKind, SlotState, State, Type, hash_text};
use polars::prelude::{
    self as pl, ChunkCast as _, Column, DataFrame, DataType, IntoColumn as _, IntoLazy as _, ListChunked, PlSmallStr,
    PolarsResult, SortMultipleOptions, UInt64Chunked, col, lit, when,
};

use crate::compile::{compile, evaluate};
use crate::day_columns::{STARTED_AT_MS, prefix_bytes};

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

/// The states of all phones of a party, by key. Anonymous numbers have none.
pub(crate) fn phone_days(frame: &DataFrame, set: &FeatureSet, party: Party, day: i32) -> PolarsResult<Vec<PhoneDay>> {
    let key = Field::Number(party).as_str();
    let prefix = prefix_bytes(party);
    // All of them have the same text.
    let named = col(key).neq(lit(cdr::NumberKind::Anonymous.as_str()));
    let slots = || set.slots(party).iter().enumerate();
    let mut calls = frame.clone().lazy();
    if slots().any(|(_, slot)| slot.kind == SlotKind::Distinct) {
        calls = with_hashes(calls.filter(named.clone()).collect()?, set.slots(party))?.lazy();
    }
    let inputs: Vec<pl::Expr> = slots().filter_map(|(at, slot)| input(at, slot)).collect();
    let mut aggregates: Vec<pl::Expr> = slots().map(|(at, slot)| aggregate(at, slot)).collect();
    aggregates.push(col(STARTED_AT_MS).max());
    // It is the same in all calls of a number.
    aggregates.push(col(prefix).first());
    let groups = calls
        .with_columns(inputs)
        .group_by([col(key)])
        .agg(aggregates)
        .filter(named)
        .sort([key], SortMultipleOptions::new())
        .collect()?;

    let mut contents: Vec<std::vec::IntoIter<SlotState>> = slots()
        .map(|(at, slot)| Ok(contents(groups.column(&output_name(at))?, slot.kind, day)?.into_iter()))
        .collect::<PolarsResult<_>>()?;
    let newest = groups.column(STARTED_AT_MS)?.i64()?;
    let prefixes = groups.column(prefix)?.u32()?;
    let range_digits = usize::from(set.settings().range_digits);
    let phones = groups.column(key)?.str()?.iter().zip(newest.iter()).zip(prefixes.iter());
    Ok(phones
        .map(|((key, newest), prefix_bytes)| {
            let key = key.unwrap_or_default().to_owned();
            let prefix_bytes = prefix_bytes.unwrap_or_default() as usize;
            // E.164, and only that, has a prefix.
            let range_bytes = if prefix_bytes > 0 { key.len().saturating_sub(range_digits) } else { 0 };
            let state = State::from_parts(newest, contents.iter_mut().filter_map(Iterator::next).collect());
            PhoneDay { key, prefix_bytes, range_bytes, state }
        })
        .collect())
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

fn aggregate(at: usize, slot: &Slot) -> pl::Expr {
    let input = || col(input_name(at));
    // 128 bits: 64-bit sums of 64-bit integers overflow, and squares do at once.
    let wide = || input().cast(DataType::Int128);
    let aggregate = match slot.kind {
        SlotKind::Count | SlotKind::Days => match slot.condition {
            Some(_) => input().sum().cast(DataType::UInt64),
            None => pl::len().cast(DataType::UInt64),
        },
        SlotKind::Sum => wide().sum(),
        SlotKind::SumSquares => (wide() * wide()).sum(),
        SlotKind::Min => input().min(),
        SlotKind::Max => input().max(),
        SlotKind::Distinct => input(),
    };
    aggregate.alias(output_name(at))
}

/// The contents of a slot, one a group.
fn contents(column: &Column, kind: SlotKind, day: i32) -> PolarsResult<Vec<SlotState>> {
    Ok(match kind {
        SlotKind::Count => column.u64()?.iter().map(|count| SlotState::Count(count.unwrap_or(0))).collect(),
        SlotKind::Days => {
            let days = |count: Option<u64>| if count.unwrap_or(0) > 0 { DaySet::of(day) } else { DaySet::default() };
            column.u64()?.iter().map(|count| SlotState::Days(days(count))).collect()
        }
        SlotKind::Sum => column.i128()?.iter().map(|sum| SlotState::Sum(sum.unwrap_or(0))).collect(),
        SlotKind::SumSquares => {
            // Squares fill up to 126 bits: a sum of several may reach the sign bit, which is the 128th bit here.
            column.i128()?.iter().map(|sum| SlotState::SumSquares(sum.unwrap_or(0).cast_unsigned())).collect()
        }
        SlotKind::Min => column.i64()?.iter().map(SlotState::Min).collect(),
        SlotKind::Max => column.i64()?.iter().map(SlotState::Max).collect(),
        SlotKind::Distinct => sketches(column.list()?)?,
    })
}

fn sketches(lists: &ListChunked) -> PolarsResult<Vec<SlotState>> {
    let mut sketches = Vec::with_capacity(lists.len());
    for list in lists.downcast_iter() {
        let hashes = pl::Series::try_from((PlSmallStr::EMPTY, list.values().clone()))?;
        let hashes = hashes.u64()?.cast(&DataType::UInt64)?;
        let hashes: Vec<Option<u64>> = hashes.u64()?.iter().collect();
        sketches.extend(list.offsets().windows(2).map(|bounds| {
            let group = &hashes[bounds[0] as usize..bounds[1] as usize];
            SlotState::Distinct(Sketch::of_hashes(group.iter().copied().flatten().collect()))
        }));
    }
    Ok(sketches)
}

fn hash_name(slot: usize) -> String {
    format!("@hash_{slot}")
}

fn input_name(slot: usize) -> String {
    format!("@input_{slot}")
}

fn output_name(slot: usize) -> String {
    format!("@slot_{slot}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use features::{Level, Observer, Row, SlotMask};
    use proptest::prelude::*;

    use super::*;
    use crate::day_columns::{Arrival, DayColumns, fields_of};
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
            let mut columns = DayColumns::new(&fields_of(&set));
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
                let days = phone_days(&frame, &set, party, DAY).unwrap();
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
