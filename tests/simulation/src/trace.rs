//! What happened, in order: a hash of it always, its lines when asked for.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The trace of a run.
#[derive(Debug, Default)]
pub struct Trace {
    hasher: DefaultHasher,
    events: u64,
    /// The lines, if they are kept.
    pub lines: Option<Vec<String>>,
}

impl Trace {
    /// One that keeps its lines, or not.
    pub fn new(keeps_lines: bool) -> Self {
        Self { lines: keeps_lines.then(Vec::new), ..Self::default() }
    }

    /// Notes an event.
    pub fn note(&mut self, now_ms: i64, what: impl FnOnce() -> String) {
        let line = format!("{:>10} {}", now_ms - crate::scenario::START_MS, what());
        line.hash(&mut self.hasher);
        self.events += 1;
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    /// The same for the same events in the same order.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// How many events there were.
    pub const fn events(&self) -> u64 {
        self.events
    }
}
