//! The files of calls, read from the first to the last.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use call_files::{FileCall, FileError, ReadError, ReadOptions};
use cdr::NumberPlan;

use crate::TrainingError;

/// A file of calls on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFile {
    /// As its location has it: for errors.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// The files of an archive. Their order decides between copies of a call of which nothing else says which came
/// first.
#[derive(Clone, Copy)]
pub struct Archive<'a> {
    /// The files.
    pub files: &'a [CallFile],
    /// What reads the numbers in them, of the default region of the feature set.
    pub plan: &'a NumberPlan,
    /// How they are read.
    pub read: &'a ReadOptions,
}

/// What was read of an archive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) records: u64,
    /// Records that are no valid call, by reason.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// When the first call began and when the last thing is known of, in milliseconds since 1970 UTC.
    pub(crate) span: Option<(i64, i64)>,
}

/// When a call became known, in milliseconds since 1970 UTC: when it arrived, or, where nobody noted that, when it
/// ended, before which no record of it can have been written.
pub(crate) fn known_from_ms(call: &FileCall) -> i64 {
    call.arrived_at_ms.unwrap_or(call.call.ended_at_ms)
}

impl Archive<'_> {
    /// Hands out every valid call with the number of its file, until there is none or `each` breaks off. `None` where
    /// it did.
    pub(crate) fn each(
        &self,
        done: &dyn Fn(usize),
        mut each: impl FnMut(u32, FileCall) -> ControlFlow<()>,
    ) -> Result<Option<Seen>, TrainingError> {
        let mut seen = Seen::default();
        for (number, file) in (0..).zip(self.files) {
            let unreadable = |source| TrainingError::File { file: file.name.clone(), source };
            let calls = match call_files::open(&file.path, self.plan, self.read) {
                Ok(calls) => calls,
                // An hour without calls.
                Err(FileError::Empty { .. }) => continue,
                Err(error) => return Err(unreadable(error)),
            };
            for call in calls {
                seen.records += 1;
                match call {
                    Ok(call) => {
                        let (began, known) = (call.call.started_at_ms, known_from_ms(&call));
                        let (first, last) = seen.span.unwrap_or((began, known));
                        seen.span = Some((first.min(began), last.max(known)));
                        if each(number, call).is_break() {
                            return Ok(None);
                        }
                    }
                    Err(ReadError::Row(row)) => {
                        *seen.refused.entry(row.error.reason.as_str()).or_default() += 1;
                    }
                    Err(ReadError::File(error)) => return Err(unreadable(error)),
                }
            }
            done(number as usize + 1);
        }
        Ok(Some(seen))
    }
}
