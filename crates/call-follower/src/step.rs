//! What a look at the followed files gives.

use std::path::PathBuf;

use call_files::RowError;
use cdr::CallRecord;

use crate::Notice;

/// What there is to do now.
#[derive(Debug, Default)]
pub struct Step {
    /// Calls for the stream, in the order of their files. What they are made of is on the disk already.
    pub calls: Vec<CallRecord>,
    /// Rows that were set aside, with the file.
    pub refused: Vec<(PathBuf, RowError)>,
    /// What people should be told.
    pub notices: Vec<Notice>,
    /// Rows that were read.
    pub rows: usize,
    /// Whether there may be more to read at once. Otherwise look again after a while.
    pub is_full: bool,
}
