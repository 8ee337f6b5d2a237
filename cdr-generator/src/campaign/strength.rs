//! How plain a campaign is, and what follows from it.

use crate::dice::Dice;

/// The strength of a campaign. At 1 it is as such fraud is described; below, it places fewer calls, spreads them over
/// more numbers, and more of what it does is what ordinary callers do; above, it places more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Strength(f64);

/// What campaigns of a scheme have in turn, so that every data set has easy cases and hard ones.
const IN_TURN: [f64; 4] = [1.0, 0.5, 0.25, 0.1];

/// Strengths are rounded to this many parts of 1, so that they are written as they are meant.
const PARTS: f64 = 10_000.0;

impl Strength {
    /// The strength of a campaign by its number, times what was asked for.
    pub(crate) fn of(number: u32, factor: f64) -> Self {
        let value = IN_TURN[number as usize % IN_TURN.len()] * factor;
        Self((libm::round(value * PARTS) / PARTS).max(1.0 / PARTS))
    }

    pub(crate) const fn value(self) -> f64 {
        self.0
    }

    /// A rate of calls.
    pub(crate) fn rate(self, full: f64) -> f64 {
        full * self.0
    }

    /// How many numbers share the work: more where it is to be less plain.
    pub(super) fn spread(self, full: i64, most: u64) -> u64 {
        (libm::round(full as f64 / self.0) as u64).clamp(1, most)
    }

    /// Between what ordinary callers do and what such fraud does at full strength.
    pub(super) fn between(self, ordinary: f64, full: f64) -> f64 {
        ordinary + (full - ordinary) * self.0.min(1.0)
    }

    /// Whether a call is made to look ordinary: never at full strength, at most `share` of the time.
    pub(super) fn disguises(self, share: f64, dice: &mut Dice) -> bool {
        dice.chance(share * (1.0 - self.0).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_at_full_strength_and_the_fourth_at_a_tenth() {
        let all: Vec<f64> = (0..5).map(|number| Strength::of(number, 1.0).value()).collect();
        assert_eq!(all, [1.0, 0.5, 0.25, 0.1, 1.0]);
        assert_eq!(Strength::of(3, 3.0).value().to_string(), "0.3");
        assert_eq!(Strength::of(3, 0.01).value().to_string(), "0.001");
    }

    #[test]
    fn weaker_is_slower_and_spread_wider() {
        let (full, weak, strong) = (Strength(1.0), Strength(0.1), Strength(4.0));
        assert_eq!((full.rate(20.0), weak.rate(20.0), strong.rate(20.0)), (20.0, 2.0, 80.0));
        assert_eq!(
            (full.spread(2, 100), weak.spread(2, 100), weak.spread(2, 12), strong.spread(2, 100)),
            (2, 20, 12, 1)
        );
        assert_eq!((full.between(0.5, 0.9), strong.between(0.5, 0.9)), (0.9, 0.9));
        assert!(weak.between(0.5, 0.9) < 0.55);
    }
}
