//! What a run did, and how far it is.

use std::time::Duration;

use snapshot::Manifest;

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Files of calls are copied from S3; counted in files.
    Fetch,
    /// Calls are read, checked and put in order of days; counted in files.
    Read,
    /// Day tiles are computed; counted in days.
    Days,
    /// Windows are rolled up and written; counted in levels of parties.
    RollUp,
    /// Files are put in place, and the manifest; counted in files.
    Publish,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 5] = [Self::Fetch, Self::Read, Self::Days, Self::RollUp, Self::Publish];

    /// What happens in it, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch files",
            Self::Read => "read calls",
            Self::Days => "compute days",
            Self::RollUp => "roll up windows",
            Self::Publish => "publish",
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
    /// Steps in all.
    pub total: u64,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct BatchReport {
    /// What it published: calls read, counted, duplicate and invalid, rows a level, files.
    pub manifest: Manifest,
    /// Files of calls read.
    pub input_files: usize,
    /// Files passed over, since their names are not those of files of calls.
    pub other_files: usize,
    /// Files read that have nothing in them.
    pub empty_files: usize,
    /// Days with a call that was counted.
    pub days: usize,
    /// Time that each stage took.
    pub took: Vec<(Stage, Duration)>,
}
