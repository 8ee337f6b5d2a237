//! Calls in the order in which their records arrive.

use cdr::CallRecord;

use crate::error::TooManyCalls;
use crate::limits::CALLS_MAX;

/// What a source of calls may fail with.
pub type CallsError = Box<dyn std::error::Error + Send + Sync>;

/// A data set that can be gone through several times, always with the same records in the same order.
pub trait Calls: Sync {
    /// Hands out every record with the time of its arrival (milliseconds since 1970 UTC), in order of arrival,
    /// duplicates included.
    fn each(&self, visit: &mut dyn FnMut(i64, &CallRecord)) -> Result<(), CallsError>;
}

/// Calls of files, in memory.
#[derive(Debug, Default)]
pub struct LoadedCalls {
    calls: Vec<(i64, CallRecord)>,
}

impl LoadedCalls {
    /// Takes in a record. Where nobody noted its arrival, it is known from the end of its call on: before that nobody
    /// can have written it. Fails beyond [`CALLS_MAX`].
    pub fn push(&mut self, arrived_at_ms: Option<i64>, call: CallRecord) -> Result<(), TooManyCalls> {
        if self.calls.len() == CALLS_MAX {
            return Err(TooManyCalls);
        }
        self.calls.push((arrived_at_ms.unwrap_or(call.ended_at_ms), call));
        Ok(())
    }

    /// Puts them in order of arrival; what arrives in one millisecond keeps its order.
    pub fn put_in_order(&mut self) {
        self.calls.sort_by_key(|(arrived_at_ms, _)| *arrived_at_ms);
    }

    /// How many there are, duplicates included.
    pub const fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

impl Calls for LoadedCalls {
    fn each(&self, visit: &mut dyn FnMut(i64, &CallRecord)) -> Result<(), CallsError> {
        for (arrived_at_ms, call) in &self.calls {
            visit(*arrived_at_ms, call);
        }
        Ok(())
    }
}
