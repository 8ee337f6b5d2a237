//! The calls that labels ask about, in memory, each once.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::ops::{ControlFlow, Range};

use call_files::FileCall;
use cdr::CallRecord;
use features::Party;

use crate::TrainingError;
use crate::archive::{Archive, Seen, known_from_ms};
use crate::entities::{Entities, EntityId};

/// A call that touches an entity.
#[derive(Debug)]
pub struct Kept {
    /// What the copy of it says that counts.
    pub call: CallRecord,
    /// When it became known, in milliseconds since 1970 UTC: when it arrived, or, where nobody noted that, when it
    /// ended.
    pub known_from_ms: i64,
    order: Order,
    /// A copy of it that touches nothing came before it.
    is_void: bool,
}

/// Which of the copies of a call came first: by arrival, then position, then place in the files. What is not known
/// comes last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    arrival: (bool, Option<i64>),
    position: (bool, Option<Box<str>>),
    file: u32,
    row: u64,
}

impl Order {
    fn of(file: u32, call: &FileCall) -> Self {
        let position = call.position.as_deref().map(Box::from);
        Self {
            arrival: (call.arrived_at_ms.is_none(), call.arrived_at_ms),
            position: (position.is_none(), position),
            file,
            row: call.row,
        }
    }
}

/// What makes two records the same call.
fn identity(call: &CallRecord) -> (&str, &str, i64) {
    (call.caller.as_str(), &call.call_id, call.start_minute())
}

fn hash_of(call: &CallRecord) -> u64 {
    let mut hasher = DefaultHasher::new();
    identity(call).hash(&mut hasher);
    hasher.finish()
}

/// The calls that touch entities, each once, and which touches which.
// Sorting moves a pointer a call, not half a kilobyte.
#[allow(clippy::vec_box)]
pub struct KeptCalls {
    calls: Vec<Box<Kept>>,
    by_entity: Vec<Vec<u32>>,
    /// What the archive holds, whether or not it is kept.
    pub(crate) seen: Seen,
}

impl KeptCalls {
    /// Reads the archive for the calls that touch an entity and began in a period. `None` where they are more than
    /// `limit`.
    ///
    /// Copies of a call may name different callees, so that the copy that counts touches nothing where a later one
    /// does. Of calls that are kept for their callee alone, the archive is therefore read a second time for copies
    /// that were not kept.
    pub fn gather(
        archive: Archive<'_>,
        entities: &Entities,
        period: Range<i64>,
        limit: usize,
        done: &dyn Fn(usize),
    ) -> Result<Option<Self>, TrainingError> {
        let mut calls: Vec<Box<Kept>> = Vec::new();
        let seen = archive.each(done, |file, call| {
            if !period.contains(&call.call.started_at_ms) || entities.touched(&call.call).next().is_none() {
                return ControlFlow::Continue(());
            }
            if calls.len() == limit {
                return ControlFlow::Break(());
            }
            let (order, known_from_ms) = (Order::of(file, &call), known_from_ms(&call));
            calls.push(Box::new(Kept { call: call.call, known_from_ms, order, is_void: false }));
            ControlFlow::Continue(())
        })?;
        let Some(seen) = seen else { return Ok(None) };
        calls.sort_unstable_by(|a, b| (identity(&a.call), &a.order).cmp(&(identity(&b.call), &b.order)));
        calls.dedup_by(|later, first| identity(&later.call) == identity(&first.call));
        confirm(archive, entities, &period, &mut calls)?;
        calls.retain(|kept| !kept.is_void);
        let mut by_entity: Vec<Vec<u32>> = vec![Vec::new(); entities.len()];
        for (place, kept) in (0..).zip(&calls) {
            for entity in entities.touched(&kept.call) {
                by_entity[entity as usize].push(place);
            }
        }
        Ok(Some(Self { calls, by_entity, seen }))
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// When the first call of the archive began and the last that it knows of, in milliseconds since 1970 UTC, whether
    /// or not they touch an entity; `None` if it holds no call.
    pub const fn span(&self) -> Option<(i64, i64)> {
        self.seen.span
    }

    /// Records of the archive, valid or not.
    pub const fn records(&self) -> u64 {
        self.seen.records
    }

    /// The calls that touch an entity, in no order that says anything.
    pub fn of(&self, entity: EntityId) -> impl Iterator<Item = &Kept> {
        self.by_entity[entity as usize].iter().map(|place| &*self.calls[*place as usize])
    }
}

/// Looks for first copies among the calls that were not kept. `calls` are sorted by identity.
fn confirm(
    archive: Archive<'_>,
    entities: &Entities,
    period: &Range<i64>,
    calls: &mut [Box<Kept>],
) -> Result<(), TrainingError> {
    // All copies have the same caller: where an entity is touched by it, all were kept.
    let by_callee = calls.iter().filter(|kept| entities.touched_by(Party::Caller, &kept.call).next().is_none());
    let in_doubt: HashSet<u64> = by_callee.map(|kept| hash_of(&kept.call)).collect();
    if in_doubt.is_empty() {
        return Ok(());
    }
    archive.each(&|_| (), |file, other| {
        let call = &other.call;
        if period.contains(&call.started_at_ms)
            && in_doubt.contains(&hash_of(call))
            && entities.touched(call).next().is_none()
            && let Ok(at) = calls.binary_search_by(|kept| identity(&kept.call).cmp(&identity(call)))
        {
            let kept = &mut calls[at];
            kept.is_void |= Order::of(file, &other) < kept.order;
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}
