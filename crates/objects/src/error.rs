//! Why an object could not be read or written, by what the caller can do about it.

/// Why a text is no [`crate::Location`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing was given.
    #[error("the location is empty: give a path or s3://bucket/prefix")]
    Empty,
    /// A scheme that is not `s3`.
    #[error(
        "the location {text} has the scheme {scheme}://, which is not supported: give a plain path or s3://bucket/prefix"
    )]
    Scheme {
        /// What was given.
        text: String,
        /// Its scheme.
        scheme: String,
    },
    /// The bucket is not a bucket name.
    #[error("the location {text} has no valid bucket: a bucket has 3 to 63 lower-case letters, digits, `-` or `.`")]
    Bucket {
        /// What was given.
        text: String,
    },
    /// The prefix is not the beginning of a key.
    #[error(
        "the location {text} has a prefix with an empty part, `.` or `..`: write the parts separated by single `/`"
    )]
    Prefix {
        /// What was given.
        text: String,
    },
}

/// Why an operation on an object failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such object.
    #[error("{location} has no object {key}")]
    NotFound {
        /// The key.
        key: String,
        /// The location.
        location: String,
    },
    /// The bucket or folder itself does not exist.
    #[error("{location} does not exist: create it, or check its name")]
    NoLocation {
        /// The location.
        location: String,
    },
    /// The object is not, or no longer, what the conditional put expected. Read it again and decide anew. A put
    /// whose first attempt was done but whose answer was lost conflicts with itself: what is there tells.
    #[error("{key} in {location} was written by somebody else meanwhile: read it again and retry")]
    Conflict {
        /// The key.
        key: String,
        /// The location.
        location: String,
    },
    /// The caller may not do this.
    #[error("no permission to {action} {key} in {location}: {detail}")]
    Denied {
        /// What was attempted, such as `read`.
        action: &'static str,
        /// The key, or the prefix of a listing.
        key: String,
        /// The location.
        location: String,
        /// What the system or S3 said.
        detail: String,
    },
    /// It may work later: a timeout, throttling, a server error, a full disk. A write may have been done.
    #[error("could not {action} {key} in {location}: {detail}; try again")]
    Unavailable {
        /// What was attempted, such as `read`.
        action: &'static str,
        /// The key, or the prefix of a listing.
        key: String,
        /// The location.
        location: String,
        /// What the system or S3 said.
        detail: String,
    },
    /// It will not work this way, such as a file where a folder is needed.
    #[error("could not {action} {key} in {location}: {detail}")]
    Refused {
        /// What was attempted, such as `read`.
        action: &'static str,
        /// The key, or the prefix of a listing.
        key: String,
        /// The location.
        location: String,
        /// What the system or S3 said.
        detail: String,
    },
    /// The key cannot be used.
    #[error("the key {key:?} {rule}")]
    InvalidKey {
        /// The key.
        key: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The range begins at or after the end of the object.
    #[error("bytes {start}..{end} of {key} in {location} are not there: the object is shorter")]
    OutOfRange {
        /// The key.
        key: String,
        /// The location.
        location: String,
        /// The first byte asked for.
        start: u64,
        /// The byte after the last one asked for.
        end: u64,
    },
    /// A location in S3 was opened without a client.
    #[error("{location} is in S3, and this command has no AWS client: give a path")]
    NoClient {
        /// The location.
        location: String,
    },
    /// A file on this machine, outside the location, could not be read or written while copying.
    #[error("the local file {path}: {source}")]
    LocalFile {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the object (or the location) does not exist.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::NoLocation { .. })
    }

    /// Whether a conditional put lost against another writer.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// Whether the same call may work later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
