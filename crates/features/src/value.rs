//! Values, made from states at the very end.

use crate::{Formula, Sketch, SlotState, State};

/// What a feature says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// There is nothing to say: a mean or a ratio over no calls.
    Missing,
    /// A count, a sum, an extreme.
    Integer(i64),
    /// A mean, a spread, a ratio, a rate.
    Number(f64),
}

/// A value and how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// Whether nothing was estimated over the records that have arrived.
    pub exact: bool,
    /// The standard error relative to the value; 0 when exact.
    pub relative_error: f64,
}

/// What a rate divides by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Denominator {
    /// A stream interval, in milliseconds: rates are a minute.
    StreamMs(i64),
    /// A batch interval, in UTC days: rates are a day. The day that is not over yet counts as one.
    BatchDays(u32),
}

impl Formula {
    /// The value of this formula over `state`, rounded to `decimals` last of all, half away from zero.
    pub fn answer(&self, state: &State, denominator: Denominator, decimals: Option<u32>) -> Answer {
        let exact = |value| Answer { value, exact: true, relative_error: 0.0 };
        match *self {
            Self::Slot(slot) => slot_answer(state.slot(slot)),
            Self::Rate { count } => {
                let (unit_ms, covered) = match denominator {
                    Denominator::StreamMs(ms) => (60_000, i128::from(ms)),
                    Denominator::BatchDays(days) => (1, i128::from(days)),
                };
                match quotient(whole(state.slot(count)) * unit_ms, covered, decimals) {
                    // An interval of no length holds no calls.
                    Value::Missing => exact(Value::Number(0.0)),
                    value => exact(value),
                }
            }
            Self::Mean { count, sum } => exact(quotient(whole(state.slot(sum)), whole(state.slot(count)), decimals)),
            Self::Stddev { count, sum, sum_squares } => {
                let value = deviation(state.slot(count), state.slot(sum), state.slot(sum_squares));
                exact(value.map_or(Value::Missing, |value| Value::Number(round_number(value, decimals))))
            }
            Self::Ratio { of, per } => {
                let (of, per) = (state.slot(of), state.slot(per));
                let (above, below) = (slot_answer(of), slot_answer(per));
                Answer {
                    value: quotient(whole(of), whole(per), decimals),
                    exact: above.exact && below.exact,
                    relative_error: above.relative_error.hypot(below.relative_error),
                }
            }
        }
    }
}

fn slot_answer(slot: &SlotState) -> Answer {
    let (value, exact) = match slot {
        SlotState::Count(count) => (integer(i128::from(*count)), true),
        SlotState::Sum(sum) => (integer(*sum), true),
        SlotState::SumSquares(sum) => (Value::Number(*sum as f64), true),
        SlotState::Min(extreme) | SlotState::Max(extreme) => (extreme.map_or(Value::Missing, Value::Integer), true),
        SlotState::Distinct(sketch) => (integer(i128::from(sketch.count())), sketch.is_exact()),
        SlotState::Days(days) => (integer(i128::from(days.count())), true),
    };
    Answer { value, exact, relative_error: if exact { 0.0 } else { Sketch::relative_error() } }
}

/// Sums beyond 64 bits are answered as numbers.
fn integer(value: i128) -> Value {
    i64::try_from(value).map_or(Value::Number(value as f64), Value::Integer)
}

fn whole(slot: &SlotState) -> i128 {
    match slot {
        SlotState::Count(count) => i128::from(*count),
        SlotState::Sum(sum) => *sum,
        SlotState::Distinct(sketch) => i128::from(sketch.count()),
        SlotState::Days(days) => i128::from(days.count()),
        SlotState::Min(extreme) | SlotState::Max(extreme) => i128::from(extreme.unwrap_or(0)),
        // No formula divides it; `deviation` reads it itself.
        SlotState::SumSquares(_) => 0,
    }
}

/// Rounded as a fraction where it is rounded: 828 calls in 1,440 minutes are 0.575 a minute and become 0.58, which
/// the nearest double, a little less, would not.
fn quotient(above: i128, below: i128, decimals: Option<u32>) -> Value {
    if below == 0 {
        return Value::Missing;
    }
    let scaled = decimals.and_then(|decimals| {
        let scale = 10i128.pow(decimals);
        let doubled = above.checked_mul(scale)?.checked_mul(2)?;
        let rounded = (doubled.abs() + below.abs()) / (2 * below.abs());
        Some(rounded as f64 / scale as f64 * (doubled.signum() * below.signum()) as f64)
    });
    // Adding 0 turns -0 into 0.
    Value::Number(scaled.unwrap_or(above as f64 / below as f64) + 0.0)
}

/// The population's standard deviation: `sqrt(n * sum(x^2) - sum(x)^2) / n`, the difference in integers, where
/// nothing cancels. `None` over no calls.
fn deviation(count: &SlotState, sum: &SlotState, sum_squares: &SlotState) -> Option<f64> {
    let (SlotState::Count(n), SlotState::Sum(sum), SlotState::SumSquares(squares)) = (count, sum, sum_squares) else {
        return None;
    };
    if *n == 0 {
        return None;
    }
    let scaled = squares.checked_mul(u128::from(*n)).zip(sum.unsigned_abs().checked_mul(sum.unsigned_abs()));
    let difference = match scaled {
        Some((squares, square)) => squares.saturating_sub(square) as f64,
        None => (*squares as f64 * *n as f64 - (*sum as f64).powi(2)).max(0.0),
    };
    Some(difference.sqrt() / *n as f64)
}

fn round_number(number: f64, decimals: Option<u32>) -> f64 {
    let Some(decimals) = decimals else { return number };
    let scale = 10f64.powi(decimals as i32);
    (number * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DaySet;

    fn state(slots: Vec<SlotState>) -> State {
        State::from_parts(Some(1), slots)
    }

    fn rate(calls: u64, denominator: Denominator) -> Value {
        Formula::Rate { count: 0 }.answer(&state(vec![SlotState::Count(calls)]), denominator, Some(2)).value
    }

    #[test]
    fn rates_are_rounded_as_fractions_half_away_from_zero() {
        assert_eq!(rate(828, Denominator::StreamMs(1_440 * 60_000)), Value::Number(0.58));
        assert_eq!(rate(1, Denominator::BatchDays(90)), Value::Number(0.01));
        assert_eq!(rate(201, Denominator::BatchDays(200)), Value::Number(1.01));
        assert_eq!(rate(0, Denominator::BatchDays(7)), Value::Number(0.0));
        assert_eq!(rate(3, Denominator::StreamMs(0)), Value::Number(0.0));
    }

    #[test]
    fn nothing_is_missing_or_zero_by_what_is_asked() {
        let nothing = state(vec![
            SlotState::Count(0),
            SlotState::Sum(0),
            SlotState::SumSquares(0),
            SlotState::Min(None),
            SlotState::Distinct(Sketch::default()),
            SlotState::Days(DaySet::default()),
        ]);
        let value = |formula: Formula| formula.answer(&nothing, Denominator::BatchDays(7), None).value;
        for zero in [0, 1, 4, 5] {
            assert_eq!(value(Formula::Slot(zero)), Value::Integer(0));
        }
        assert_eq!(value(Formula::Slot(3)), Value::Missing);
        assert_eq!(value(Formula::Mean { count: 0, sum: 1 }), Value::Missing);
        assert_eq!(value(Formula::Stddev { count: 0, sum: 1, sum_squares: 2 }), Value::Missing);
        assert_eq!(value(Formula::Ratio { of: 1, per: 0 }), Value::Missing);
    }

    #[test]
    fn the_deviation_is_that_of_the_population_and_does_not_cancel() {
        let values: [i64; 4] = [1_000_000_000_000, 1_000_000_000_002, 1_000_000_000_004, 1_000_000_000_006];
        let slots = vec![
            SlotState::Count(4),
            SlotState::Sum(values.iter().map(|x| i128::from(*x)).sum()),
            SlotState::SumSquares(values.iter().map(|x| u128::from(x.unsigned_abs()).pow(2)).sum()),
        ];
        let formula = Formula::Stddev { count: 0, sum: 1, sum_squares: 2 };
        assert_eq!(formula.answer(&state(slots), Denominator::BatchDays(1), None).value, Value::Number(5f64.sqrt()));
    }

    #[test]
    fn a_dense_sketch_makes_an_estimate() {
        let dense = Sketch::of_hashes((0..1_000u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect());
        let answer = Formula::Ratio { of: 0, per: 1 }.answer(
            &state(vec![SlotState::Distinct(dense), SlotState::Count(2_000)]),
            Denominator::BatchDays(1),
            None,
        );
        assert!(!answer.exact && answer.relative_error > 0.016 && answer.relative_error < 0.017);
    }
}
