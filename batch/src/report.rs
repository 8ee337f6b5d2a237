//! What a run did, and how far it is.

use std::collections::BTreeMap;
use std::time::Duration;

use snapshot::{Manifest, Quality, UtcDay};

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// New files of calls are copied from S3; counted in files.
    FetchNew,
    /// New files are read, their calls checked and sorted into days; counted in files.
    ReadNew,
    /// Older files of the days that new calls belong to are copied from S3; counted in files.
    FetchOlder,
    /// They are read again; counted in files.
    ReadOlder,
    /// Day tiles are computed; counted in days.
    Days,
    /// Day tiles of runs before are copied from S3; counted in files.
    FetchTiles,
    /// Windows are rolled up and written; counted in levels of parties.
    RollUp,
    /// Files are put in place, and the manifest; counted in files.
    Publish,
}

impl Stage {
    /// Every stage, in order. A run leaves out what it need not do.
    pub const ALL: [Self; 8] = [
        Self::FetchNew,
        Self::ReadNew,
        Self::FetchOlder,
        Self::ReadOlder,
        Self::Days,
        Self::FetchTiles,
        Self::RollUp,
        Self::Publish,
    ];

    /// What happens in it, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FetchNew => "fetch new files",
            Self::ReadNew => "read new files",
            Self::FetchOlder => "fetch older files",
            Self::ReadOlder => "read older files",
            Self::Days => "compute days",
            Self::FetchTiles => "fetch day tiles",
            Self::RollUp => "roll up windows",
            Self::Publish => "publish",
        }
    }

    /// What its steps are.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::RollUp => "levels",
            _ => "files",
        }
    }
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Steps done.
    pub done: u64,
    /// Steps in all. A stage with none is passed over; the last step of one is reported once.
    pub total: u64,
    /// Records read so far, in stages that read them.
    pub records: u64,
}

/// What became visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing new: the snapshot that was published stays as it is.
    Nothing,
    /// What came belongs to days outside of the windows. Its objects are in the ledger; the files of the snapshot are
    /// those of before.
    LedgerOnly,
    /// Windows were rolled up.
    Snapshot,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct BatchReport {
    /// What is published now: calls, rows a level, files.
    pub manifest: Manifest,
    /// What this run had to do with it.
    pub outcome: Outcome,
    /// What was measured and found of the calls, where something was new.
    pub quality: Option<Quality>,
    /// Files of calls in the input.
    pub input_files: usize,
    /// Files passed over, since their names are not those of files of calls.
    pub other_files: usize,
    /// Files in which there is nothing.
    pub empty_files: usize,
    /// Files that were new, or had changed.
    pub new_files: usize,
    /// Files of days that had to be built again, read once more.
    pub older_files: usize,
    /// Files that the ledger knows and that are no longer there.
    pub gone_files: usize,
    /// Records read by this run, good and bad.
    pub records_read: u64,
    /// Calls of all files that began on other days than those of the longest window.
    pub outside: BTreeMap<UtcDay, u64>,
    /// Days of the longest window with a call that was counted.
    pub days: usize,
    /// Days whose tiles this run made.
    pub rebuilt: Vec<UtcDay>,
    /// Time that each stage took.
    pub took: Vec<(Stage, Duration)>,
}
