//! Legs become calls, each with the rows it was made of.

use call_files::{Format, Leg, LegMerger, MergeRule, Merged, RowError};
use cdr::CallRecord;

use crate::resume::RowId;
use crate::switch_clock::SwitchClock;

/// A leg and where it is from.
pub(crate) struct RowLeg {
    pub id: RowId,
    /// Format of its file.
    pub format: Format,
    /// Number of its line.
    pub line: u64,
    /// How the legs of its file become calls; `None` where each is one.
    pub rule: Option<MergeRule>,
    pub leg: Leg,
}

/// What became of legs.
pub(crate) enum Became {
    /// A call, of these rows.
    Call(Box<CallRecord>, Vec<RowId>),
    /// A leg that is no part of a call.
    Refused(RowId, RowError),
}

/// Collects the legs of a path.
pub(crate) struct Merging {
    linger_ms: i64,
    clock: SwitchClock,
    /// From the first leg on that has others.
    merger: Option<LegMerger<Tag>>,
}

struct Tag {
    id: RowId,
    format: Format,
    line: u64,
}

impl Merging {
    /// One without legs; a call is given when it is `linger_ms` later at the switch than its last end.
    pub const fn new(linger_ms: i64) -> Self {
        Self { linger_ms, clock: SwitchClock::new(linger_ms), merger: None }
    }

    /// Takes a leg that was read now.
    pub fn push(&mut self, row: RowLeg, now_ms: i64) -> Vec<Became> {
        let RowLeg { id, format, line, rule, leg } = row;
        self.clock.see(leg.call.ended_at_ms, now_ms);
        match rule {
            Some(rule) if !leg.links.is_empty() => {
                let linger_ms = self.linger_ms;
                let merger = self.merger.get_or_insert_with(|| LegMerger::new(rule, linger_ms));
                merger.push(leg, Tag { id, format, line });
                ready(merger)
            }
            _ => vec![Became::Call(Box::new(leg.call), vec![id])],
        }
    }

    /// Gives the calls that have waited long enough, where all that was written is read.
    pub fn advance_to(&mut self, now_ms: i64) -> Vec<Became> {
        let (Some(merger), Some(there_ms)) = (&mut self.merger, self.clock.at(now_ms)) else { return Vec::new() };
        merger.advance_to(there_ms);
        ready(merger)
    }

    /// The call that the rows of one make; `None` if they make none.
    pub fn whole(linger_ms: i64, rows: Vec<RowLeg>) -> Option<CallRecord> {
        let mut merging = Self::new(linger_ms);
        let mut calls = Vec::new();
        for row in rows {
            // They are of one call however far they are apart.
            if let (Some(rule), false) = (row.rule, row.leg.links.is_empty()) {
                merging.merger.get_or_insert_with(|| LegMerger::new(rule, i64::MAX));
            }
            calls.extend(merging.push(row, 0));
        }
        if let Some(merger) = &mut merging.merger {
            merger.finish();
            calls.extend(ready(merger));
        }
        match calls.pop() {
            Some(Became::Call(call, _)) if calls.is_empty() => Some(*call),
            _ => None,
        }
    }
}

fn ready(merger: &mut LegMerger<Tag>) -> Vec<Became> {
    let mut became = Vec::new();
    while let Some(merged) = merger.next_ready() {
        became.push(match merged {
            Merged::Call { call, tag, others, .. } => {
                let mut rows = vec![tag.id];
                rows.extend(others.iter().map(|tag| tag.id));
                rows.sort_unstable();
                Became::Call(Box::new(call), rows)
            }
            Merged::Refused { tag: Tag { id, format, line }, error } => {
                let error = RowError { format, row: line, position: None, arrived_at_ms: None, error };
                Became::Refused(id, error)
            }
        });
    }
    became
}
