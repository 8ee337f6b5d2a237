//! What makes one threshold better than another.

use serde::Serialize;

/// How thresholds are chosen on the calibration sets. Of equally good ones the most sensitive is taken: it finds
/// soonest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The best F1 of numbers: as many as can be of those that took part, and of those named.
    BestF1,
    /// As many numbers that took part as can be found while at most so many innocent ones are named a day, each counted
    /// once a UTC day, as the mean of the days of the sets; then as few innocent ones as can be.
    FalseAlarmsPerDay(f64),
}

/// What a rule does to the calibration sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tally {
    /// Numbers that took part.
    pub(crate) guilty: u64,
    /// Those of them that it names while they do.
    pub(crate) found: u64,
    /// Innocent numbers that it names; under a budget, each once a UTC day.
    pub(crate) falsely: u64,
}

impl Objective {
    /// How good that is over so many days of so many sets, the larger the better; `None` where it is of no use.
    pub(crate) fn score(self, tally: Tally, days: f64) -> Option<(f64, f64)> {
        if tally.found == 0 {
            return None;
        }
        match self {
            Self::BestF1 => Some((f1(tally.guilty, tally.found, tally.falsely), 0.0)),
            Self::FalseAlarmsPerDay(budget) if tally.falsely as f64 > budget * days => None,
            Self::FalseAlarmsPerDay(_) => Some((tally.found as f64, -(tally.falsely as f64))),
        }
    }
}

/// The harmonic mean of precision and recall; 0 where nothing is found.
pub(crate) fn f1(guilty: u64, found: u64, falsely: u64) -> f64 {
    if found == 0 { 0.0 } else { 2.0 * found as f64 / (guilty + found + falsely) as f64 }
}
