//! The legs of a call become one call.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};

use cdr::{CallRecord, Reason, RecordError};

use crate::Leg;
use crate::limits::{MAX_GIVEN_LINKS, MAX_LEGS_OF_CALL, MAX_LINKS_OF_LEG, MAX_OPEN_CALLS, MAX_OPEN_LEGS};
use crate::open_call::OpenCall;

/// What the merged call takes from which leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeRule {
    /// All of it from the leg that wins: that leg lasts as long as the call does.
    Winner,
    /// Numbers and beginning from the leg that wins; answered as soon as any leg was, and otherwise ended as the last leg
    /// did; it lasts until that leg ends and costs what the legs cost together.
    Span,
}

/// How long a call of whole files waits for more legs, in milliseconds, on the clock of the legs themselves: 2 hours. A
/// leg is written when it ends, and the first of a transferred call may end long before the last.
pub const LINGER_MS: i64 = 2 * 60 * 60 * 1_000;

/// What comes of legs. `T` is what the caller knows of a leg, such as its line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // Nearly all are calls.
pub enum Merged<T> {
    /// A call.
    Call {
        /// The call.
        call: CallRecord,
        /// Of the leg that won.
        tag: T,
        /// Of its other legs.
        others: Vec<T>,
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

/// Collects legs and gives calls, in memory that is bounded and without a clock: it is as late as the greatest end of a
/// leg says, or what [`LegMerger::advance_to`] is told. An end that is further ahead than a call waits is believed once
/// another leg bears it out: a single leg with a wrong clock would otherwise close every call.
///
/// What comes of legs does not depend on their order, as long as those of a call are within that wait of each other: a leg
/// that ended long before those that were read waits from then on, as in files that are not in order of time. A leg without
/// links is a call at once.
pub struct LegMerger<T> {
    rule: MergeRule,
    linger_ms: i64,
    now_ms: i64,
    /// An end that lies ahead and that only one leg has told of.
    ahead_ms: Option<i64>,
    open: HashMap<u64, OpenCall<T>>,
    next_number: u64,
    open_legs: usize,
    /// Which open call a link leads to.
    linked: HashMap<u64, u64>,
    /// Open calls by what they wait from.
    by_end: BTreeSet<(i64, u64)>,
    /// Links of calls that were given.
    given: HashSet<u64>,
    given_in_order: VecDeque<u64>,
    closed_early: u64,
    ready: VecDeque<Merged<T>>,
}

impl<T> LegMerger<T> {
    /// A merger without legs. A call is given once it is `linger_ms` later than its last end.
    pub fn new(rule: MergeRule, linger_ms: i64) -> Self {
        Self {
            rule,
            linger_ms,
            now_ms: i64::MIN,
            ahead_ms: None,
            open: HashMap::new(),
            next_number: 0,
            open_legs: 0,
            linked: HashMap::new(),
            by_end: BTreeSet::new(),
            given: HashSet::new(),
            given_in_order: VecDeque::new(),
            closed_early: 0,
            ready: VecDeque::new(),
        }
    }

    /// Takes a leg. What is whole by it comes from [`LegMerger::next_ready`].
    pub fn push(&mut self, leg: Leg, tag: T) {
        let ended_at_ms = leg.call.ended_at_ms;
        if leg.links.is_empty() {
            self.ready.push_back(Merged::Call { call: leg.call, tag, others: Vec::new(), legs: 1 });
        } else {
            self.take(leg, tag);
        }
        self.see(ended_at_ms);
        self.close_until(self.now_ms);
    }

    /// Says that it is this late, in milliseconds since 1970 UTC: all legs that ended before it are there.
    pub fn advance_to(&mut self, ms: i64) {
        self.now_ms = self.now_ms.max(ms);
        self.close_until(self.now_ms);
    }

    /// Says that no more legs come: all calls are whole.
    pub fn finish(&mut self) {
        while let Some((_, number)) = self.by_end.pop_first() {
            self.close(number);
        }
    }

    /// The next call that is whole, or leg that is none; `None` while there is none.
    pub fn next_ready(&mut self) -> Option<Merged<T>> {
        self.ready.pop_front()
    }

    /// Calls that wait for more legs.
    pub fn open_calls(&self) -> usize {
        self.open.len()
    }

    /// Calls that were given before their time, since more were open than are kept. Legs of theirs that came later were
    /// refused.
    pub fn closed_early(&self) -> u64 {
        self.closed_early
    }

    fn take(&mut self, leg: Leg, tag: T) {
        let mut links: Vec<u64> = leg.links.iter().take(MAX_LINKS_OF_LEG).map(|link| hash(link)).collect();
        links.sort_unstable();
        links.dedup();
        let is_late = links.iter().any(|link| self.given.contains(link));
        let mut numbers: Vec<u64> = links.iter().filter_map(|link| self.linked.get(link).copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        // The oldest goes on, and takes in the others.
        let mut call = OpenCall::new(leg.role, leg.call, links, tag);
        let number = numbers.first().copied().unwrap_or(self.next_number);
        for other in numbers {
            if let Some(mut other) = self.remove(other) {
                std::mem::swap(&mut call, &mut other);
                call.absorb(other);
            }
        }
        // In files that are not in order of time, legs come that ended long before: they wait like any other.
        call.waits_from_ms = call.waits_from_ms.max(call.last_end_ms).max(self.now_ms);
        if is_late {
            // Part of it was given: what is left of it would count once more.
            let rule = "is a leg that came after its call was given: wants the legs of a call read together, or a longer wait";
            self.remember(&call.links);
            call.refuse(RecordError::of_record(Reason::LateLeg, 0, rule), |merged| self.ready.push_back(merged));
            return;
        }
        self.next_number = self.next_number.max(number + 1);
        self.open_legs += call.legs();
        let is_full = call.legs() >= MAX_LEGS_OF_CALL;
        self.by_end.insert((call.waits_from_ms, number));
        self.linked.extend(call.links.iter().map(|link| (*link, number)));
        self.open.insert(number, call);
        if is_full {
            self.closed_early += 1;
            self.close(number);
        }
        while self.open.len() > MAX_OPEN_CALLS || self.open_legs > MAX_OPEN_LEGS {
            let Some((_, oldest)) = self.by_end.pop_first() else { break };
            self.closed_early += 1;
            self.close(oldest);
        }
    }

    /// Takes note of when a leg ended.
    fn see(&mut self, ended_at_ms: i64) {
        if ended_at_ms <= self.now_ms {
            return;
        }
        let is_near = |ms: i64| ended_at_ms.saturating_sub(ms).saturating_abs() <= self.linger_ms;
        if is_near(self.now_ms) {
            self.now_ms = ended_at_ms;
        } else if let Some(ahead) = self.ahead_ms.filter(|ahead| is_near(*ahead)) {
            self.now_ms = ahead.min(ended_at_ms);
            self.ahead_ms = None;
        } else {
            self.ahead_ms = Some(ended_at_ms);
        }
    }

    fn close_until(&mut self, now_ms: i64) {
        while let Some((waits_from_ms, number)) = self.by_end.first().copied()
            && now_ms.saturating_sub(waits_from_ms) >= self.linger_ms
            && now_ms > waits_from_ms
        {
            self.by_end.pop_first();
            self.close(number);
        }
    }

    /// Gives an open call that is in no order any more.
    fn close(&mut self, number: u64) {
        if let Some(call) = self.remove(number) {
            self.remember(&call.links);
            call.close(self.rule, |merged| self.ready.push_back(merged));
        }
    }

    fn remove(&mut self, number: u64) -> Option<OpenCall<T>> {
        let call = self.open.remove(&number)?;
        self.by_end.remove(&(call.waits_from_ms, number));
        self.open_legs -= call.legs();
        for link in &call.links {
            self.linked.remove(link);
        }
        Some(call)
    }

    /// Takes note of the links of a call that was given.
    fn remember(&mut self, links: &[u64]) {
        for link in links {
            if self.given.insert(*link) {
                self.given_in_order.push_back(*link);
            }
        }
        while self.given_in_order.len() > MAX_GIVEN_LINKS {
            if let Some(oldest) = self.given_in_order.pop_front() {
                self.given.remove(&oldest);
            }
        }
    }
}

/// A link is known by its hash alone: with all that are kept, two of a million million differ and have the same.
fn hash(link: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    link.hash(&mut hasher);
    hasher.finish()
}
