//! What is known of an object besides its bytes.

use std::fmt;

/// A version of one object: equal for equal content, another for other content. Opaque; compare it, or give it
/// back to [`crate::Objects::put_if`].
///
/// On S3 it is the `ETag`. On files it is the MD5 of the content, as the `ETag` of a small object is; in a listing
/// it is the time and size of the file instead. Compare versions from listings with versions from listings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(String);

impl Version {
    /// A version from its text, as [`Version::as_str`] gave it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be stored and given back.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a conditional put expects to replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing: the object must not exist.
    Absent,
    /// Exactly this version.
    Version(Version),
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The key, relative to the location.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Changes when the object is replaced; see [`Version`] for what it may be compared with.
    pub version: Version,
    /// When it was written, in seconds since 1970 UTC by the clock of the file system or of S3; `None` where that is
    /// not said.
    pub modified_secs: Option<i64>,
}
