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
    /// The value of this formula over `state`, rounded to `decimals` last of all.
    pub fn answer(&self, state: &State, denominator: Denominator, decimals: Option<u32>) -> Answer {
        let mut answer = self.unrounded(state, denominator);
        if let (Value::Number(number), Some(decimals)) = (answer.value, decimals) {
            answer.value = Value::Number(round_half_away(number, decimals));
        }
        answer
    }

    fn unrounded(&self, state: &State, denominator: Denominator) -> Answer {
        let exact = |value| Answer { value, exact: true, relative_error: 0.0 };
        match *self {
            Self::Slot(slot) => slot_answer(state.slot(slot)),
            Self::Rate { count } => {
                let calls = magnitude(state.slot(count));
                let per = match denominator {
                    Denominator::StreamMs(ms) => ms as f64 / 60_000.0,
                    Denominator::BatchDays(days) => f64::from(days),
                };
                // An interval of no length holds no calls.
                exact(Value::Number(if per > 0.0 { calls / per } else { 0.0 }))
            }
            Self::Mean { count, sum } => exact(quotient(magnitude(state.slot(sum)), magnitude(state.slot(count)))),
            Self::Stddev { count, sum, sum_squares } => {
                exact(deviation(state.slot(count), state.slot(sum), state.slot(sum_squares)))
            }
            Self::Ratio { of, per } => {
                let (of, per) = (state.slot(of), state.slot(per));
                let (above, below) = (slot_answer(of), slot_answer(per));
                Answer {
                    value: quotient(magnitude(of), magnitude(per)),
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

fn magnitude(slot: &SlotState) -> f64 {
    match slot_answer(slot).value {
        Value::Missing => 0.0,
        Value::Integer(value) => value as f64,
        Value::Number(value) => value,
    }
}

fn quotient(above: f64, below: f64) -> Value {
    if below == 0.0 { Value::Missing } else { Value::Number(above / below) }
}

/// The population's standard deviation: `sqrt(n * sum(x^2) - sum(x)^2) / n`, the difference in integers, where
/// nothing cancels.
fn deviation(count: &SlotState, sum: &SlotState, sum_squares: &SlotState) -> Value {
    let (SlotState::Count(n), SlotState::Sum(sum), SlotState::SumSquares(squares)) = (count, sum, sum_squares) else {
        return Value::Missing;
    };
    if *n == 0 {
        return Value::Missing;
    }
    let scaled = squares.checked_mul(u128::from(*n)).zip(sum.unsigned_abs().checked_mul(sum.unsigned_abs()));
    let difference = match scaled {
        Some((squares, square)) => squares.saturating_sub(square) as f64,
        None => (*squares as f64 * *n as f64 - (*sum as f64).powi(2)).max(0.0),
    };
    Value::Number(difference.sqrt() / *n as f64)
}

fn round_half_away(number: f64, decimals: u32) -> f64 {
    let scale = 10f64.powi(decimals as i32);
    (number * scale).round() / scale
}
