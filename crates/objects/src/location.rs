//! Where objects are: a path or an `s3://bucket/prefix` URL.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::LocationError;

/// A folder, or a prefix in an S3 bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// A folder (or, for what reads one file, a file) by its path.
    Path(PathBuf),
    /// A prefix in a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix without slashes at its ends; empty for the whole bucket.
        prefix: String,
    },
}

impl Location {
    /// Reads `s3://bucket`, `s3://bucket/prefix` or a path. Any other scheme is an error, not a strange path.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        if text.is_empty() {
            return Err(LocationError::Empty);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Path(PathBuf::from(text)));
        };
        if scheme != "s3" {
            // A path may hold `://` after a slash; a scheme holds no slash.
            return if scheme.contains('/') {
                Ok(Self::Path(PathBuf::from(text)))
            } else {
                Err(LocationError::Scheme { text: text.to_owned(), scheme: scheme.to_owned() })
            };
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket_name(bucket) {
            return Err(LocationError::Bucket { text: text.to_owned() });
        }
        let prefix = prefix.trim_matches('/');
        if !prefix.is_empty() && crate::check_key(prefix).is_err() {
            return Err(LocationError::Prefix { text: text.to_owned() });
        }
        Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// The location `below` this one, such as `snapshots` in `s3://bucket/tollwatch`. `below` is a relative path
    /// with `/`; empty parts of it are dropped.
    #[must_use]
    pub fn join(&self, below: &str) -> Self {
        let parts: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
        match self {
            Self::Path(path) => Self::Path(parts.iter().fold(path.clone(), |path, part| path.join(part))),
            Self::S3 { bucket, prefix } => {
                let parts: Vec<&str> =
                    std::iter::once(prefix.as_str()).filter(|prefix| !prefix.is_empty()).chain(parts).collect();
                Self::S3 { bucket: bucket.clone(), prefix: parts.join("/") }
            }
        }
    }

    /// Whether an S3 client is needed to open it.
    pub const fn is_s3(&self) -> bool {
        matches!(self, Self::S3 { .. })
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>, as far as it catches slips.
fn is_bucket_name(name: &str) -> bool {
    let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|&c| edge(c) || c == b'-' || c == b'.')
        && edge(bytes[0])
        && edge(bytes[bytes.len() - 1])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn s3(bucket: &str, prefix: &str) -> Location {
        Location::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() }
    }

    #[test]
    fn paths_and_urls_are_told_apart() {
        assert_eq!(Location::parse("raw").unwrap(), Location::Path("raw".into()));
        assert_eq!(Location::parse("/data/a b/").unwrap(), Location::Path("/data/a b/".into()));
        assert_eq!(Location::parse("./x://y").unwrap(), Location::Path("./x://y".into()));
        assert_eq!(Location::parse("s3://calls").unwrap(), s3("calls", ""));
        assert_eq!(Location::parse("s3://calls/").unwrap(), s3("calls", ""));
        assert_eq!(Location::parse("s3://my.calls/raw/2026/").unwrap(), s3("my.calls", "raw/2026"));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["file:///data", "gs://calls/raw", "S3://calls", "https://calls.s3.amazonaws.com"] {
            assert!(matches!(Location::parse(text), Err(LocationError::Scheme { .. })), "{text}");
        }
        for text in ["s3://", "s3:///raw", "s3://ab", "s3://Calls", "s3://calls_1/raw", "s3://-calls"] {
            assert!(matches!(Location::parse(text), Err(LocationError::Bucket { .. })), "{text}");
        }
        for text in ["s3://calls/a//b", "s3://calls/../b", "s3://calls/a/./b"] {
            assert!(matches!(Location::parse(text), Err(LocationError::Prefix { .. })), "{text}");
        }
        assert_eq!(Location::parse(""), Err(LocationError::Empty));
    }

    #[test]
    fn the_text_parses_back_and_joins() {
        for text in ["raw", "/data/raw", "s3://calls", "s3://calls/raw/x"] {
            let location = Location::parse(text).unwrap();
            assert_eq!(location.to_string(), text);
            assert_eq!(location.join("a/b/").to_string(), format!("{text}/a/b"));
            assert_eq!(location.join("").to_string(), text);
        }
    }
}
