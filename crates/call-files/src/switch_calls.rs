//! The calls of the file of a switch: its legs, merged.

use switch_records::{LINGER_MS, LegMerger, Merged};

use crate::switch_legs::{SwitchLegs, refused};
use crate::{FileCall, ReadError};

pub(crate) struct SwitchCalls<'p> {
    legs: SwitchLegs<'p>,
    merger: LegMerger<u64>,
    /// What ends the file, once its calls were given.
    end: Option<ReadError>,
    is_over: bool,
}

impl<'p> SwitchCalls<'p> {
    pub fn new(legs: SwitchLegs<'p>) -> Self {
        let merger = LegMerger::new(legs.format().merge_rule(), LINGER_MS);
        Self { legs, merger, end: None, is_over: false }
    }
}

impl Iterator for SwitchCalls<'_> {
    type Item = Result<FileCall, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(merged) = self.merger.next_ready() {
                return Some(given(merged).map_err(|(row, error)| refused(self.legs.format(), row, error).into()));
            }
            if self.is_over {
                return self.end.take().map(Err);
            }
            match self.legs.next_leg() {
                Some(Ok((row, leg))) if leg.links.is_empty() => return Some(Ok(call(row, leg.call))),
                Some(Ok((row, leg))) => self.merger.push(leg, row),
                Some(Err(ReadError::Row(error))) => return Some(Err(error.into())),
                over => {
                    // What was read before an error stands.
                    self.end = over.and_then(Result::err);
                    self.is_over = true;
                    self.merger.finish();
                }
            }
        }
    }
}

fn given(merged: Merged<u64>) -> Result<FileCall, (u64, cdr::RecordError)> {
    match merged {
        Merged::Call { call: merged, tag, .. } => Ok(call(tag, merged)),
        Merged::Refused { tag, error } => Err((tag, error)),
    }
}

const fn call(row: u64, call: cdr::CallRecord) -> FileCall {
    FileCall { row, position: None, arrived_at_ms: None, unknown_fields: 0, call }
}
