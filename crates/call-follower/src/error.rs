//! Why following ends.

use std::io;
use std::path::PathBuf;

use call_files::FileError;

/// Why files cannot be followed. Nothing is lost by it: the resume point stands.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A followed file cannot be looked at.
    #[error("cannot read {path}: {source}; check the name and the permissions", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is of no format that can be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file that cannot be followed.
    #[error("{path} is compressed or Parquet, and such a file does not grow by rows: import it without --follow", path = path.display())]
    NotPlain {
        /// The file.
        path: PathBuf,
    },
    /// The resume point cannot be read or written.
    #[error("cannot keep the resume point {path}: {source}; check its folder, or choose another with --state", path = path.display())]
    Resume {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is there is no resume point.
    #[error("{path} is no resume point: {problem}; choose another file with --state", path = path.display())]
    NoResume {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Somebody else follows with the same resume point.
    #[error("the resume point {path} is in use: stop the other import, or choose another file with --state", path = path.display())]
    InUse {
        /// Its file.
        path: PathBuf,
    },
    /// The resume point is of another import.
    #[error(
        "the resume point {path} is of an import with other settings ({was}, now {now}), which makes other calls of the \
         same rows: give the same flags, or choose another file with --state to begin anew",
        path = path.display()
    )]
    OtherSettings {
        /// Its file.
        path: PathBuf,
        /// What it was made with.
        was: String,
        /// What was asked for.
        now: String,
    },
}
