//! A feature over some calls, counted the plain way: a loop over the calls for each value.
//!
//! What it shares with the service is what a definition means: the parser of definitions, the expressions and their
//! evaluation on one call, and the numbers of a call. It shares nothing of what makes an answer from calls: no tile,
//! snapshot or merging, and of `features` no `Observer`, `State`, sketch or day set, no `Formula::answer`.

use std::collections::BTreeSet;

use ::features::{Datum, Feature, FeatureSet, Formula, Row, Slot, SlotKind};
use cdr::CallRecord;

/// What calls say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Counted {
    /// Nothing: a mean, least, greatest, deviation or ratio of no calls.
    Missing,
    Whole(i128),
    Number(f64),
}

/// What a rate divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Covered {
    /// A stream window, in milliseconds.
    Milliseconds(i64),
    /// A window of days.
    Days(u32),
}

/// The value of a feature over these calls.
pub(super) fn recount(set: &FeatureSet, feature: &Feature, calls: &[&CallRecord], covered: Covered) -> Counted {
    let of = |slot: usize| Counting { set, slot: &set.slots(feature.party)[slot], calls };
    match feature.formula {
        Formula::Slot(slot) => of(slot).value(),
        Formula::Rate { count } => {
            let (unit, per) = match covered {
                Covered::Milliseconds(milliseconds) => (60_000, i128::from(milliseconds)),
                Covered::Days(days) => (1, i128::from(days)),
            };
            match fraction(of(count).whole() * unit, per, feature.decimals) {
                Counted::Missing => Counted::Number(0.0),
                rate => rate,
            }
        }
        Formula::Mean { count, sum } => fraction(of(sum).whole(), of(count).whole(), feature.decimals),
        Formula::Stddev { sum, .. } => deviation(&of(sum).integers(), feature.decimals),
        Formula::Ratio { of: above, per } => fraction(of(above).whole(), of(per).whole(), feature.decimals),
    }
}

/// The calls that pass the condition of a part of a feature.
struct Counting<'a> {
    set: &'a FeatureSet,
    slot: &'a Slot,
    calls: &'a [&'a CallRecord],
}

impl<'a> Counting<'a> {
    fn passing(&self) -> impl Iterator<Item = Row<'a>> {
        let (settings, slot) = (self.set.settings(), self.slot);
        let rows = self.calls.iter().map(move |call| Row::new(call, settings));
        rows.filter(move |row| slot.condition.as_ref().is_none_or(|condition| condition.holds(row)))
    }

    /// The integers of the calls that have one.
    fn integers(&self) -> Vec<i64> {
        let Some(input) = &self.slot.input else { return Vec::new() };
        let integer = |row: Row<'a>| match input.evaluate(&row) {
            Datum::Integer(integer) => Some(integer),
            _ => None,
        };
        self.passing().filter_map(integer).collect()
    }

    /// How many different texts, or integers as texts, the calls have.
    fn different(&self) -> usize {
        let Some(input) = &self.slot.input else { return 0 };
        let text = |row: Row<'a>| match input.evaluate(&row) {
            Datum::Text(text) => Some(text.to_owned()),
            Datum::Integer(integer) => Some(integer.to_string()),
            Datum::Null | Datum::Boolean(_) => None,
        };
        self.passing().filter_map(text).collect::<BTreeSet<String>>().len()
    }

    fn days(&self) -> usize {
        self.passing().map(|row| row.call().started_at_ms.div_euclid(86_400_000)).collect::<BTreeSet<i64>>().len()
    }

    fn value(&self) -> Counted {
        let extreme = |extreme: Option<i64>| extreme.map_or(Counted::Missing, |value| Counted::Whole(value.into()));
        match self.slot.kind {
            SlotKind::Min => extreme(self.integers().into_iter().min()),
            SlotKind::Max => extreme(self.integers().into_iter().max()),
            _ => Counted::Whole(self.whole()),
        }
    }

    fn whole(&self) -> i128 {
        match self.slot.kind {
            SlotKind::Count => self.passing().count() as i128,
            SlotKind::Sum => self.integers().into_iter().map(i128::from).sum(),
            SlotKind::SumSquares => self.integers().into_iter().map(|value| i128::from(value).pow(2)).sum(),
            SlotKind::Distinct => self.different() as i128,
            SlotKind::Days => self.days() as i128,
            SlotKind::Min => self.integers().into_iter().min().unwrap_or(0).into(),
            SlotKind::Max => self.integers().into_iter().max().unwrap_or(0).into(),
        }
    }
}

/// A fraction, rounded in whole numbers half away from zero where the feature rounds.
fn fraction(above: i128, below: i128, decimals: Option<u32>) -> Counted {
    if below == 0 {
        return Counted::Missing;
    }
    Counted::Number(match decimals {
        Some(decimals) => {
            let scale = 10_i128.pow(decimals);
            let (whole, rest) = ((above * scale).abs() / below.abs(), (above * scale).abs() % below.abs());
            let rounded = whole + i128::from(rest * 2 >= below.abs());
            let sign = if (above < 0) == (below < 0) { 1.0 } else { -1.0 };
            sign * rounded as f64 / scale as f64
        }
        None => above as f64 / below as f64,
    })
}

/// The standard deviation of the population, from the deviations themselves.
fn deviation(values: &[i64], decimals: Option<u32>) -> Counted {
    if values.is_empty() {
        return Counted::Missing;
    }
    let count = values.len() as f64;
    let mean = values.iter().map(|value| i128::from(*value)).sum::<i128>() as f64 / count;
    let squares: f64 = values.iter().map(|value| (*value as f64 - mean).powi(2)).sum();
    let deviation = (squares / count).sqrt();
    Counted::Number(decimals.map_or(deviation, |decimals| {
        let scale = 10_f64.powi(decimals.cast_signed());
        (deviation * scale).round() / scale
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use ::features::{Denominator, Observer, Party, SlotMask, State, Value};
    use cdr_generator::{Config, Generator};

    use super::*;

    /// Calls as they are generated, with extensions, messages and calls abroad among them.
    fn calls() -> Vec<CallRecord> {
        let end_ms = 1_795_219_200_000;
        let generator = Generator::new(Config::new(3, end_ms, 2, 60)).unwrap();
        let plan = cdr::NumberPlan::new("US").unwrap();
        let records = generator.arrivals(end_ms - 86_400_000, end_ms);
        records.filter_map(|arrival| Some(cdr::parse(&plan, &arrival.bytes).ok()?.record)).collect()
    }

    /// Two ways to one value: states and formulas as the service has them, and the loops of this file.
    #[test]
    fn it_agrees_with_states_and_formulas_that_it_does_not_use() {
        let set = Arc::new(FeatureSet::default_set().unwrap());
        let all = calls();
        assert!(all.len() > 300, "{}", all.len());
        let mut observer = Observer::new(Arc::clone(&set));
        let mut compared = 0;
        for calls in [&all[..0], &all[..1], &all[..7], &all[..200]] {
            for feature in set.features() {
                let slots = set.slots(feature.party);
                let mut state = State::empty(slots);
                let mask = SlotMask::of(&(0..slots.len()).collect::<Vec<_>>());
                for call in calls {
                    state.add(&observer.observe(call).of(feature.party), mask);
                }
                let answer = feature.formula.answer(&state, Denominator::StreamMs(300_000), feature.decimals);
                assert!(answer.exact);
                let calls: Vec<&CallRecord> = calls.iter().collect();
                let counted = recount(&set, feature, &calls, Covered::Milliseconds(300_000));
                match (answer.value, counted) {
                    (Value::Missing, Counted::Missing) => {}
                    (Value::Integer(value), Counted::Whole(counted)) => assert_eq!(i128::from(value), counted),
                    (Value::Number(value), Counted::Number(counted)) => {
                        assert!(
                            (value - counted).abs() <= 1e-9 * counted.abs(),
                            "{}: {value}, {counted}",
                            feature.name
                        );
                    }
                    other => panic!("{} of {}: {other:?}", feature.name, calls.len()),
                }
                compared += 1;
            }
        }
        assert!(compared > 100);
        assert!(set.features().iter().any(|feature| feature.party == Party::Callee));
    }

    #[test]
    fn fractions_are_rounded_half_away_from_zero() {
        assert_eq!(fraction(828, 1_440, Some(2)), Counted::Number(0.58));
        assert_eq!(fraction(-828, 1_440, Some(2)), Counted::Number(-0.58));
        assert_eq!(fraction(1, 3, None), Counted::Number(1.0 / 3.0));
        assert_eq!(fraction(1, 0, None), Counted::Missing);
    }
}
