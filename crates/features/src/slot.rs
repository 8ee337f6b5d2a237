//! The parts that states are made of. Features that need the same part share it.

use crate::codec::{DecodeError, Reader, write_signed, write_varint};
use crate::{DaySet, Expr, Sketch};

/// What a slot keeps of the calls that pass its condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SlotKind {
    /// How many there were.
    Count,
    /// The sum of an integer.
    Sum,
    /// The sum of the squares of an integer.
    SumSquares,
    /// The smallest integer.
    Min,
    /// The largest integer.
    Max,
    /// How many different texts.
    Distinct,
    /// On which UTC days.
    Days,
}

/// One part of a state: a kind, what goes in, and which calls count.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// What is kept.
    pub kind: SlotKind,
    /// What is summed, compared or told apart; `None` for counts and days. Calls where it is null are left out.
    pub input: Option<Expr>,
    /// Only calls for which this is true; `None` lets every call in.
    pub condition: Option<Expr>,
}

/// What one call puts into one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotInput {
    /// The call does not pass the condition, or its input is null.
    Nothing,
    /// One more call.
    One,
    /// The integer to sum or compare.
    Integer(i64),
    /// The hash of a text, by [`crate::hash_text`].
    Hash(u64),
    /// The UTC day of the call, in days since 1970.
    Day(i32),
}

/// The mergeable content of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// Calls counted.
    Count(u64),
    /// Sum of integers.
    Sum(i128),
    /// Sum of squares.
    SumSquares(u128),
    /// Smallest seen.
    Min(Option<i64>),
    /// Largest seen.
    Max(Option<i64>),
    /// Different texts seen.
    Distinct(Sketch),
    /// Days seen.
    Days(DaySet),
}

impl SlotState {
    /// The state of a slot that saw no call.
    pub fn empty(kind: SlotKind) -> Self {
        match kind {
            SlotKind::Count => Self::Count(0),
            SlotKind::Sum => Self::Sum(0),
            SlotKind::SumSquares => Self::SumSquares(0),
            SlotKind::Min => Self::Min(None),
            SlotKind::Max => Self::Max(None),
            SlotKind::Distinct => Self::Distinct(Sketch::default()),
            SlotKind::Days => Self::Days(DaySet::default()),
        }
    }

    /// Whether it is what [`Self::empty`] makes.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Count(count) => *count == 0,
            Self::Sum(sum) => *sum == 0,
            Self::SumSquares(sum) => *sum == 0,
            Self::Min(extreme) | Self::Max(extreme) => extreme.is_none(),
            Self::Distinct(sketch) => sketch.is_empty(),
            Self::Days(days) => days.is_empty(),
        }
    }

    /// Takes in one call. Inputs of another kind than the slot's are not made by [`crate::Observer`]; they
    /// change nothing.
    pub fn add(&mut self, input: SlotInput) {
        match (self, input) {
            (Self::Count(count), SlotInput::One) => *count += 1,
            (Self::Sum(sum), SlotInput::Integer(value)) => *sum += i128::from(value),
            (Self::SumSquares(sum), SlotInput::Integer(value)) => {
                *sum += u128::from(value.unsigned_abs()) * u128::from(value.unsigned_abs());
            }
            (Self::Min(least), SlotInput::Integer(value)) => *least = smaller(*least, Some(value)),
            (Self::Max(most), SlotInput::Integer(value)) => *most = (*most).max(Some(value)),
            (Self::Distinct(sketch), SlotInput::Hash(hash)) => sketch.insert(hash),
            (Self::Days(days), SlotInput::Day(day)) => *days = days.union(DaySet::of(day)),
            _ => {}
        }
    }

    /// Takes in all that another state of the same slot has seen.
    pub fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Count(mine), Self::Count(theirs)) => *mine += theirs,
            (Self::Sum(mine), Self::Sum(theirs)) => *mine += theirs,
            (Self::SumSquares(mine), Self::SumSquares(theirs)) => *mine += theirs,
            (Self::Min(mine), Self::Min(theirs)) => *mine = smaller(*mine, *theirs),
            (Self::Max(mine), Self::Max(theirs)) => *mine = (*mine).max(*theirs),
            (Self::Distinct(mine), Self::Distinct(theirs)) => mine.merge(theirs),
            (Self::Days(mine), Self::Days(theirs)) => *mine = mine.union(*theirs),
            (mine, _) => debug_assert!(false, "states of two slots were merged into {mine:?}"),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Count(count) => write_varint(out, u128::from(*count)),
            Self::Sum(sum) => write_signed(out, *sum),
            Self::SumSquares(sum) => write_varint(out, *sum),
            Self::Min(extreme) | Self::Max(extreme) => write_signed(out, i128::from(extreme.unwrap_or(0))),
            Self::Distinct(sketch) => sketch.encode(out),
            Self::Days(days) => {
                let (last_day, bits) = days.parts();
                write_signed(out, i128::from(last_day));
                write_varint(out, bits);
            }
        }
    }

    /// Steps over what [`Self::encode`] wrote.
    pub(crate) fn skip(kind: SlotKind, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        match kind {
            SlotKind::Count | SlotKind::Sum | SlotKind::SumSquares | SlotKind::Min | SlotKind::Max => {
                reader.varint()?;
            }
            SlotKind::Distinct => Sketch::skip(reader)?,
            SlotKind::Days => {
                reader.varint()?;
                reader.varint()?;
            }
        }
        Ok(())
    }

    pub(crate) fn decode(kind: SlotKind, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const RANGE: DecodeError = DecodeError("a number is out of range");
        let extreme = |reader: &mut Reader<'_>| i64::try_from(reader.signed()?).map(Some).map_err(|_| RANGE);
        Ok(match kind {
            SlotKind::Count => Self::Count(u64::try_from(reader.varint()?).map_err(|_| RANGE)?),
            SlotKind::Sum => Self::Sum(reader.signed()?),
            SlotKind::SumSquares => Self::SumSquares(reader.varint()?),
            SlotKind::Min => Self::Min(extreme(reader)?),
            SlotKind::Max => Self::Max(extreme(reader)?),
            SlotKind::Distinct => Self::Distinct(Sketch::decode(reader)?),
            SlotKind::Days => {
                let last_day = i32::try_from(reader.signed()?).map_err(|_| RANGE)?;
                Self::Days(DaySet::from_parts(last_day, reader.varint()?).ok_or(RANGE)?)
            }
        })
    }
}

fn smaller(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tile holds one for each of some 25 slots, and the consumer holds a hundred thousand tiles.
    #[test]
    fn a_slot_takes_two_sixteens() {
        assert_eq!(size_of::<SlotState>(), 32);
    }
}
