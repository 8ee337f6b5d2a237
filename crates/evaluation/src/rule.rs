//! Rules: a feature beyond a threshold, or two of them at once.

use std::fmt;

use features::Party;

use crate::Columns;

/// Which side of a threshold is suspicious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The threshold and above.
    AtLeast,
    /// The threshold and below.
    AtMost,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::AtLeast, Self::AtMost];

    /// `>=` or `<=`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
        }
    }

    /// The value as suspicion: the larger, the more suspicious. It is its own inverse.
    pub(crate) fn suspicion(self, value: f64) -> f64 {
        match self {
            Self::AtLeast => value,
            // Adding 0 turns -0 into 0.
            Self::AtMost => -value + 0.0,
        }
    }
}

/// A feature beyond a threshold. A value that is missing never is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// Place of the column in [`Columns::of_party`].
    pub column: usize,
    /// Which side.
    pub direction: Direction,
    /// The threshold, itself included.
    pub threshold: f64,
}

impl Condition {
    /// Whether it holds for the values of one evaluation.
    pub fn holds(&self, values: &[f64]) -> bool {
        let value = values[self.column];
        match self.direction {
            Direction::AtLeast => value >= self.threshold,
            Direction::AtMost => value <= self.threshold,
        }
    }
}

/// Numbers of one role in one scheme, and when to name one: all conditions hold at once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    /// Place of the scheme and role in [`crate::truth::Groups`].
    pub(crate) group: usize,
    pub(crate) conditions: Vec<Condition>,
}

impl Rule {
    pub(crate) fn holds(&self, values: &[f64]) -> bool {
        self.conditions.iter().all(|condition| condition.holds(values))
    }

    /// As people read it, such as `calls_5m >= 13 and short_calls_5m >= 4`.
    pub(crate) fn text(&self, columns: &Columns, party: Party) -> String {
        let of = |condition: &Condition| {
            let id = &columns.of_party(party)[condition.column].id;
            format!("{id} {} {}", condition.direction.as_str(), Shown(condition.threshold))
        };
        self.conditions.iter().map(of).collect::<Vec<_>>().join(" and ")
    }
}

/// A threshold as the shortest text that reads back as it.
struct Shown(f64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A threshold beyond `innocent` that still names `guilty`, both as suspicion and `innocent < guilty`: the next number of
/// three digits after `innocent`, for whole values a whole one, or `guilty` itself if that is nearer.
pub(crate) fn beyond(innocent: f64, guilty: f64, is_whole: bool) -> f64 {
    // The exponent as it is printed: logarithms differ in the last bit between platforms.
    let shown = format!("{:e}", innocent.abs());
    let exponent: i32 = shown.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let mut place = exponent - (DIGITS - 1);
    if is_whole {
        place = place.max(0);
    }
    let step = format!("1e{place}").parse().unwrap_or(1.0);
    let next = ((innocent / step).floor() + 1.0) * step;
    let decimals = usize::try_from(-place).unwrap_or(0);
    let next: f64 = format!("{next:.decimals$}").parse().unwrap_or(guilty);
    if innocent < next && next < guilty { next } else { guilty }
}

/// Digits of a threshold: more would say that it is known better than it is.
const DIGITS: i32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_lies_beyond_the_innocent_and_not_beyond_the_guilty() {
        for (innocent, guilty, is_whole, expected) in [
            (12.0, 800.0, true, 13.0),
            (12.0, 13.0, true, 13.0),
            (1_234_567.0, 9e9, true, 1_240_000.0),
            (1_234_567.0, 1_234_568.0, true, 1_234_568.0),
            (0.857_142_857, 1.0, false, 0.858),
            (0.857_142_857, 0.857_2, false, 0.857_2),
            (0.0, 0.5, false, 0.01),
            (0.0, 5.0, true, 1.0),
            // Of features that are suspicious when small: -3 is more suspicious than -4.
            (-4.0, -1.0, true, -3.0),
            (-0.5, -0.2, false, -0.499),
            (-30_050.0, -10.0, true, -30_000.0),
        ] {
            // As it is shown: a threshold has few digits.
            assert_eq!(
                beyond(innocent, guilty, is_whole).to_string(),
                f64::to_string(&expected),
                "{innocent} {guilty}"
            );
        }
    }

    #[test]
    fn a_missing_value_is_beyond_no_threshold() {
        for direction in Direction::ALL {
            let condition = Condition { column: 0, direction, threshold: 1.0 };
            assert!(condition.holds(&[1.0]) && !condition.holds(&[f64::NAN]));
        }
        assert!(Condition { column: 1, direction: Direction::AtMost, threshold: 1.0 }.holds(&[9.0, 0.0]));
    }
}
