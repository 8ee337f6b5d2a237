//! Why a run failed. Nothing is published then; the snapshot before it stays.

use std::path::Path;

use polars::error::PolarsError;
use snapshot::{Calls, Finding, Severity, SnapshotError, UtcDay};

/// Why a run failed. Nothing is published then; the snapshot before it stays.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The input or output location could not be read or written.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// There is no file that could hold calls.
    #[error("{location} holds no file of calls ({others} other files): wants files that end in {endings}")]
    NoFiles {
        /// Where was looked.
        location: String,
        /// Files of other kinds.
        others: usize,
        /// What is wanted.
        endings: String,
    },
    /// The files hold no valid call.
    #[error("the files of {location} ({files}) hold no valid call: {records} records were read{}", reasons(invalid))]
    NoCalls {
        /// Where was looked.
        location: String,
        /// Files read.
        files: usize,
        /// Records read.
        records: u64,
        /// Those that are no valid call, by reason.
        invalid: Vec<(String, u64)>,
    },
    /// All calls are of other days.
    #[error(
        "no call began from {from} to {to}, the days of a snapshot as of {to}: the {calls} calls of the input began from {first} to {last}"
    )]
    OtherDays {
        /// First day of the longest window.
        from: UtcDay,
        /// Its last day.
        to: UtcDay,
        /// Valid calls read.
        calls: u64,
        /// Day of the earliest call.
        first: UtcDay,
        /// Day of the latest call.
        last: UtcDay,
    },
    /// Day tiles would be read as files of calls by the next run.
    #[error(
        "the output {output} lies in the input {input}: the next run would read its day tiles as calls; give an --output outside of it, or an --input that has the calls alone"
    )]
    OutputInInput {
        /// Where snapshots are to go.
        output: String,
        /// Where the calls are.
        input: String,
    },
    /// The measures of the days before are damaged or gone: nothing could be judged by them.
    #[error(
        "{key} {problem}: without it days are not judged by those before them. Put it back; or give --accept-quality to go on without it after a look at the new days, which publishes them whatever they look like; or --rebuild to make everything anew from the calls that are still there"
    )]
    NoMeasures {
        /// The quality object of the published run.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The published snapshot was made with other definitions: its day tiles hold other states.
    #[error(
        "{output} has day tiles of feature set {found}, these definitions are {expected}: give another output folder, the definitions that it was made with, or --rebuild to make everything anew from the calls that are still there"
    )]
    OtherDefinitions {
        /// Where the snapshot is.
        output: String,
        /// The version in its manifest.
        found: String,
        /// The version of the run.
        expected: String,
    },
    /// The published snapshot was made from another input, or the same one read otherwise.
    #[error(
        "{output} has day tiles of the calls in {found}, this run is to read {expected}: give another output folder, the same input, or --rebuild to make everything anew from this one"
    )]
    OtherInput {
        /// Where the snapshot is.
        output: String,
        /// The input in its ledger.
        found: String,
        /// The input of the run.
        expected: String,
    },
    /// The calls do not look like those of the days before: hard rules are broken.
    #[error(
        "{} of quality: {}. {}All of it is in {object}; if it is right as it is, --accept-quality publishes it",
        broken(findings),
        told(findings),
        unread(calls)
    )]
    Quality {
        /// The quality object of the run.
        object: String,
        /// What was found, hard rules first.
        findings: Vec<Finding>,
        /// What became of the records of the input, as the manifest would have said.
        calls: Box<Calls>,
    },
    /// A file of calls could not be read.
    #[error("{source} (file {file} of the input)")]
    File {
        /// The file, as the location has it.
        file: String,
        /// What is wrong.
        source: call_files::FileError,
    },
    /// An object was replaced while the run was reading: what it read is not what the ledger says.
    #[error("{file} was replaced while it was read: run it again")]
    Changed {
        /// The file, as the location has it.
        file: String,
    },
    /// The default region of the feature set is unknown to the number plan.
    #[error(transparent)]
    Region(#[from] cdr::UnknownRegion),
    /// No feature has a batch window.
    #[error("no feature has a batch window: give one a line such as batch = [\"7d\"] in features.toml")]
    NothingToCompute,
    /// The snapshot could not be written or published.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A file in the temporary folder.
    #[error("the temporary file {path}: {source}; the run needs a folder with room for the calls, see TMPDIR")]
    Temporary {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What the run is to copy does not fit on this machine.
    #[error(
        "the files that the run is to read have {needed_bytes} bytes, and {folder} has room for {free_bytes}: give it a folder with more, see TMPDIR"
    )]
    NoRoom {
        /// Where they would go.
        folder: String,
        /// Bytes of the files.
        needed_bytes: u64,
        /// Bytes that the file system has left.
        free_bytes: u64,
    },
    /// The engine failed.
    #[error("Polars: {0}")]
    Polars(#[from] PolarsError),
    /// A state in a day tile of this run cannot be read back.
    #[error("a day tile: {0}")]
    Tile(#[from] features::DecodeError),
    /// A thread of the run broke off.
    #[error("the run broke off while it {0}: this is a mistake in the program")]
    Broken(&'static str),
}

impl BatchError {
    /// Whether the run may succeed if it is repeated as it is. All others name what mends them; what stops a run for its
    /// quality ([`Self::Quality`]) may be mended by what arrives.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Objects(error) | Self::Snapshot(SnapshotError::Objects(error)) => error.is_retryable(),
            Self::NoFiles { .. }
            | Self::NoCalls { .. }
            | Self::OtherDays { .. }
            | Self::OtherDefinitions { .. }
            | Self::OtherInput { .. }
            | Self::OutputInInput { .. }
            | Self::NoMeasures { .. }
            | Self::File { .. }
            | Self::Region(_)
            | Self::NothingToCompute
            | Self::NoRoom { .. }
            | Self::Temporary { .. } => false,
            Self::Snapshot(error) => !matches!(
                error,
                SnapshotError::Corrupt { .. }
                    | SnapshotError::Gone { .. }
                    | SnapshotError::Format { .. }
                    | SnapshotError::LocalFile { .. }
            ),
            _ => true,
        }
    }

    /// The engine failed to write or read back a temporary file. It does not always pass on that a disk is full.
    pub(crate) fn of_file(path: &Path, error: PolarsError) -> Self {
        let source = match error {
            PolarsError::IO { error, .. } => std::io::Error::new(error.kind(), error.to_string()),
            other => std::io::Error::other(other),
        };
        Self::Temporary { path: path.display().to_string(), source }
    }
}

/// Those that stop a run.
fn stopping(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|finding| finding.severity == Severity::Hard && finding.accepted_by.is_none())
}

fn broken(findings: &[Finding]) -> String {
    match stopping(findings).count() {
        1 => "the calls break a hard rule".to_owned(),
        count => format!("the calls break {count} hard rules"),
    }
}

fn told(findings: &[Finding]) -> String {
    stopping(findings).map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn unread(calls: &Calls) -> String {
    match calls.invalid_total() {
        0 => String::new(),
        all => format!("Of all {} records {all} are no valid call ({}). ", calls.read, by_reason(&calls.invalid)),
    }
}

fn reasons(invalid: &[(String, u64)]) -> String {
    let listed = by_reason(invalid.iter().map(|(reason, count)| (reason, count)));
    if listed.is_empty() { String::new() } else { format!(" ({listed})") }
}

/// Records that are no valid call, such as `2 bad_json, 7 missing_field`.
pub(crate) fn by_reason<'a>(invalid: impl IntoIterator<Item = (&'a String, &'a u64)>) -> String {
    invalid.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect::<Vec<_>>().join(", ")
}
