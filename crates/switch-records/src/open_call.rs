//! A call while its legs are coming in.

use cdr::{CallRecord, MAX_COST_MICROS, MAX_DURATION_MS, Outcome, Reason, RecordError};
use smol_str::SmolStr;

use crate::{MergeRule, Merged, Role};

/// The legs of a call so far, as far as they matter. What it holds does not depend on the order in which they came.
pub(crate) struct OpenCall<T> {
    /// The leg that wins.
    winner: Leg<T>,
    /// What the caller knows of the others.
    others: Vec<T>,
    /// What ties legs to it.
    pub links: Vec<u64>,
    /// When the last leg ended, in milliseconds since 1970 UTC.
    pub last_end_ms: i64,
    /// What it waits for more legs from: that end, or how late it was when its last leg came, if that is later.
    pub waits_from_ms: i64,
    first_answer_ms: Option<i64>,
    last: LastLeg,
    cost: Cost,
}

struct Leg<T> {
    role: Role,
    call: CallRecord,
    tag: T,
}

/// How the leg that ended last ended; of several the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct LastLeg {
    ended_at_ms: i64,
    started_at_ms: i64,
    role: Role,
    outcome: Outcome,
}

/// What the legs cost together.
enum Cost {
    None,
    Sum(SmolStr, i64),
    /// Of several currencies.
    Mixed,
}

impl<T> OpenCall<T> {
    /// A call of one leg.
    pub fn new(role: Role, call: CallRecord, links: Vec<u64>, tag: T) -> Self {
        let cost = match (&call.currency, call.cost_micros) {
            (Some(currency), Some(micros)) => Cost::Sum(currency.clone(), micros),
            _ => Cost::None,
        };
        Self {
            others: Vec::new(),
            links,
            last_end_ms: call.ended_at_ms,
            waits_from_ms: call.ended_at_ms,
            first_answer_ms: call.answered_at_ms,
            last: LastLeg {
                ended_at_ms: call.ended_at_ms,
                started_at_ms: call.started_at_ms,
                role,
                outcome: call.outcome,
            },
            cost,
            winner: Leg { role, call, tag },
        }
    }

    /// Takes over the legs of another.
    pub fn absorb(&mut self, mut other: Self) {
        if rank(&other.winner).cmp(&rank(&self.winner)).is_lt() {
            std::mem::swap(&mut self.winner, &mut other.winner);
        }
        self.others.push(other.winner.tag);
        self.others.append(&mut other.others);
        for link in other.links {
            if !self.links.contains(&link) {
                self.links.push(link);
            }
        }
        self.last_end_ms = self.last_end_ms.max(other.last_end_ms);
        self.waits_from_ms = self.waits_from_ms.max(other.waits_from_ms);
        self.first_answer_ms = match (self.first_answer_ms, other.first_answer_ms) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.last = self.last.max(other.last);
        self.cost = std::mem::replace(&mut self.cost, Cost::None).and(other.cost);
    }

    /// How many legs it has.
    pub fn legs(&self) -> usize {
        1 + self.others.len()
    }

    /// The call, or its legs where they make none.
    pub fn close(self, rule: MergeRule, mut give: impl FnMut(Merged<T>)) {
        let legs = u32::try_from(self.legs()).unwrap_or(u32::MAX);
        if rule == MergeRule::Winner || legs == 1 {
            let Leg { call, tag, .. } = self.winner;
            return give(Merged::Call { call, tag, others: self.others, legs });
        }
        if self.last_end_ms - self.winner.call.started_at_ms > MAX_DURATION_MS {
            let rule = "is of a call whose legs end more than 7 days after it began: wants times of one call";
            return self.refuse(RecordError::of_record(Reason::BadDuration, 0, rule), give);
        }
        let mut call = self.winner.call;
        call.ended_at_ms = self.last_end_ms;
        call.answered_at_ms = self.first_answer_ms.map(|answered| answered.max(call.started_at_ms));
        call.outcome = if call.answered_at_ms.is_some() { Outcome::Answered } else { self.last.outcome };
        if let Cost::Sum(currency, micros) = self.cost
            && micros.abs() <= MAX_COST_MICROS
        {
            call.cost_micros = Some(micros);
            call.currency = Some(currency);
        }
        give(Merged::Call { call, tag: self.winner.tag, others: self.others, legs });
    }

    /// Its legs, refused one by one.
    pub fn refuse(self, error: RecordError, mut give: impl FnMut(Merged<T>)) {
        give(Merged::Refused { tag: self.winner.tag, error });
        self.others.into_iter().for_each(|tag| give(Merged::Refused { tag, error }));
    }
}

impl Cost {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, cost) | (cost, Self::None) => cost,
            (Self::Sum(ours, a), Self::Sum(theirs, b)) if ours == theirs => {
                // Far from its bounds: a million legs of a million units each.
                Self::Sum(ours, a.saturating_add(b))
            }
            _ => Self::Mixed,
        }
    }
}

/// The least wins. Behind role and beginning it is what makes two legs different, so that it is never chance that decides.
fn rank<T>(leg: &Leg<T>) -> impl Ord + '_ {
    let call = &leg.call;
    (
        leg.role,
        call.started_at_ms,
        (&call.call_id, call.caller.as_str(), call.callee.as_str()),
        (call.ended_at_ms, call.answered_at_ms, call.outcome),
        (call.channel, &call.trunk, &call.cell_id, &call.imei, &call.caller_ip),
        (call.cost_micros, &call.currency),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cdr::NumberPlan;

    use super::*;

    #[test]
    fn costs_add_up_where_they_can() {
        let usd = |micros| Cost::Sum("USD".into(), micros);
        let sum = |a: Cost, b: Cost| match a.and(b) {
            Cost::Sum(_, micros) => Some(micros),
            Cost::None | Cost::Mixed => None,
        };
        assert_eq!(sum(usd(1), usd(2)), Some(3));
        assert_eq!(sum(Cost::None, usd(2)), Some(2));
        assert_eq!(sum(usd(1), Cost::Sum("EUR".into(), 2)), None);
    }

    #[test]
    fn legs_a_week_apart_are_no_call() {
        let plan = NumberPlan::new("US").unwrap();
        let leg = |start: &str, tag| {
            let json = format!(
                r#"{{"call_id":"a","caller":"+12025550101","callee":"+12025550102","outcome":"busy",
                "started_at":"{start}","ended_at":"{start}"}}"#
            );
            let call = cdr::parse(&plan, json.as_bytes()).unwrap().record;
            OpenCall::new(Role::Numbered(tag), call, vec![7], tag)
        };
        let mut call = leg("2026-11-01T00:00:00Z", 1);
        call.absorb(leg("2026-11-09T00:00:00Z", 2));
        let mut given = Vec::new();
        call.close(MergeRule::Span, |merged| given.push(merged));
        assert!(
            given
                .iter()
                .all(|merged| matches!(merged, Merged::Refused { error, .. } if error.reason == Reason::BadDuration))
        );
        assert_eq!(given.len(), 2);
    }
}
