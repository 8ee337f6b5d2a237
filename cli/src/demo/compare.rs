//! Ours against the recount's.

use ::features::{Level, Party, Value};
use oracle::Answer;

/// Doubles may differ in the last bits: sums are taken in another order.
const RELATIVE_TOLERANCE: f64 = 1e-9;
/// An estimate is wrong when it is more standard errors away than chance would have it in a million draws.
const STANDARD_ERRORS_MAX: f64 = 5.0;
/// Differences that are shown.
const SHOWN_MAX: usize = 10;

/// How many values were compared, and what differed.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct Tally {
    pub(crate) checked: u64,
    pub(crate) mismatches: u64,
    /// Values that are estimates with a stated error, among those checked.
    pub(crate) estimates: u64,
    #[serde(skip)]
    pub(crate) shown: Vec<String>,
}

impl Tally {
    /// Compares one value. `what` says what it is of, without a number.
    pub(crate) fn compare(
        &mut self,
        ours: Value,
        theirs: Answer,
        relative_error: f64,
        what: impl FnOnce() -> String,
    ) {
        self.checked += 1;
        self.estimates += u64::from(relative_error > 0.0);
        if !agree(ours, theirs, relative_error) {
            self.differ(|| format!("{}: {ours:?}, recounted {theirs:?}", what()));
        }
    }

    /// Notes something that is not as it should be.
    pub(crate) fn differ(&mut self, what: impl FnOnce() -> String) {
        self.mismatches += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(what());
        }
    }

    /// Adds another tally.
    pub(crate) fn add(&mut self, other: Self) {
        self.checked += other.checked;
        self.mismatches += other.mismatches;
        self.estimates += other.estimates;
        self.shown.extend(other.shown);
        self.shown.truncate(SHOWN_MAX);
    }
}

fn agree(ours: Value, theirs: Answer, relative_error: f64) -> bool {
    let near = |ours: f64, theirs: f64| {
        let allowed = (relative_error * STANDARD_ERRORS_MAX).max(RELATIVE_TOLERANCE);
        (ours - theirs).abs() <= allowed * theirs.abs().max(f64::MIN_POSITIVE)
    };
    match (ours, theirs) {
        (Value::Missing, Answer::Missing) => true,
        (Value::Integer(ours), Answer::Integer(theirs)) if relative_error == 0.0 => ours == theirs,
        (Value::Integer(ours), Answer::Integer(theirs)) => near(ours as f64, theirs as f64),
        (Value::Number(ours), Answer::Number(theirs)) => near(ours, theirs),
        _ => false,
    }
}

/// The oracle's word for a party.
pub(crate) const fn oracle_party(party: Party) -> oracle::Party {
    match party {
        Party::Caller => oracle::Party::Caller,
        Party::Callee => oracle::Party::Callee,
    }
}

/// The oracle's word for a level.
pub(crate) const fn oracle_level(level: Level) -> oracle::Level {
    match level {
        Level::Phone => oracle::Level::Phone,
        Level::Prefix => oracle::Level::Prefix,
        Level::Range => oracle::Level::Range,
    }
}

/// A key that can be shown: all but its first and last characters hidden.
pub(crate) fn masked(key: &str) -> String {
    let shown = |range: std::ops::Range<usize>| key.get(range).unwrap_or_default();
    format!("{}...{}", shown(0..key.len().min(3)), shown(key.len().saturating_sub(2)..key.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_means_equal_and_estimates_have_their_error() {
        assert!(agree(Value::Integer(3), Answer::Integer(3), 0.0));
        assert!(!agree(Value::Integer(3), Answer::Integer(4), 0.0));
        assert!(!agree(Value::Integer(0), Answer::Missing, 0.0));
        assert!(!agree(Value::Number(0.0), Answer::Number(0.1), 0.0));
        assert!(agree(Value::Number(0.1 + 0.2), Answer::Number(0.3), 0.0));
        assert!(agree(Value::Integer(1_050), Answer::Integer(1_000), 0.016));
        assert!(!agree(Value::Integer(1_100), Answer::Integer(1_000), 0.016));
    }
}
