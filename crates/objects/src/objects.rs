//! The operations, whichever the location.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::files::Files;
use crate::key::{check_key, check_prefix};
use crate::s3::S3;
use crate::{Abandoned, Error, Expected, Location, ObjectMeta, Version};

/// Objects by key in a folder or in a prefix of an S3 bucket. Cheap to clone.
///
/// Every method checks its key ([`check_key`]). Errors say what the caller can do: [`Error::is_not_found`],
/// [`Error::is_conflict`], [`Error::is_retryable`].
#[derive(Clone, Debug)]
pub enum Objects {
    /// In a folder.
    Files(Files),
    /// In a bucket.
    S3(S3),
}

impl Objects {
    /// Opens a location. Nothing is read or made yet; a location in S3 needs a client.
    pub fn open(location: &Location, client: Option<aws_sdk_s3::Client>) -> Result<Self, Error> {
        match location {
            Location::Path(root) => Ok(Self::Files(Files::new(root.clone()))),
            Location::S3 { bucket, prefix } => match client {
                Some(client) => Ok(Self::S3(S3::new(client, bucket.clone(), prefix.clone()))),
                None => Err(Error::NoClient { location: location.to_string() }),
            },
        }
    }

    /// Objects in a folder.
    pub fn in_folder(root: impl Into<PathBuf>) -> Self {
        Self::Files(Files::new(root.into()))
    }

    /// Where the objects are.
    pub fn location(&self) -> Location {
        match self {
            Self::Files(files) => files.location(),
            Self::S3(s3) => s3.location(),
        }
    }

    /// Fails with [`Error::NoLocation`] when the folder or bucket does not exist. For inputs: a listing of a folder
    /// that does not exist is empty, as that of a prefix is.
    pub async fn check_exists(&self) -> Result<(), Error> {
        match self {
            Self::Files(files) => files.check_exists().await,
            Self::S3(s3) => s3.check_exists().await,
        }
    }

    /// The whole object.
    pub async fn get(&self, key: &str) -> Result<Bytes, Error> {
        check_key(key)?;
        match self {
            Self::Files(files) => files.get(key).await,
            Self::S3(s3) => Ok(s3.get_versioned(key).await?.0),
        }
    }

    /// The whole object and its version, for [`Objects::put_if`].
    pub async fn get_versioned(&self, key: &str) -> Result<(Bytes, Version), Error> {
        check_key(key)?;
        match self {
            Self::Files(files) => files.get_versioned(key).await,
            Self::S3(s3) => s3.get_versioned(key).await,
        }
    }

    /// The bytes of a range. A range that ends after the object is cut at its end; one that begins there or later
    /// is [`Error::OutOfRange`]. An empty range is answered without looking.
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        check_key(key)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        match self {
            Self::Files(files) => files.get_range(key, range).await,
            Self::S3(s3) => s3.get_range(key, range).await,
        }
    }

    /// Size and version of an object, the version as in a listing.
    pub async fn head(&self, key: &str) -> Result<ObjectMeta, Error> {
        check_key(key)?;
        match self {
            Self::Files(files) => files.head(key).await,
            Self::S3(s3) => s3.head(key).await,
        }
    }

    /// Bytes of an object.
    pub async fn size(&self, key: &str) -> Result<u64, Error> {
        Ok(self.head(key).await?.size)
    }

    /// Writes an object, replacing what is there. Readers see the old or the new one, never a part.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<Version, Error> {
        check_key(key)?;
        match self {
            Self::Files(files) => files.put(key, bytes.into(), None).await,
            Self::S3(s3) => s3.put(key, bytes.into(), None).await,
        }
    }

    /// Writes an object if what is there is as expected, otherwise [`Error::Conflict`]. Of several writers that
    /// expect the same, one wins: on S3, and among the processes of one machine for files.
    pub async fn put_if(&self, key: &str, bytes: impl Into<Bytes>, expected: Expected) -> Result<Version, Error> {
        check_key(key)?;
        match self {
            Self::Files(files) => files.put(key, bytes.into(), Some(expected)).await,
            Self::S3(s3) => s3.put(key, bytes.into(), Some(expected)).await,
        }
    }

    /// All objects whose key begins with `prefix` (a text, not a folder: `daily/date=2026` is fine), sorted by the
    /// bytes of the key. Empty when there are none.
    pub async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, Error> {
        check_prefix(prefix)?;
        match self {
            Self::Files(files) => files.list(prefix).await,
            Self::S3(s3) => s3.list(prefix).await,
        }
    }

    /// Deletes an object; one that does not exist is fine.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        check_key(key)?;
        match self {
            Self::Files(files) => files.delete(key).await,
            Self::S3(s3) => s3.delete(key).await,
        }
    }

    /// What writers that died have left below a folder, not changed since `before_secs` (seconds since 1970 UTC). Nothing
    /// on S3, where a half-written object is not stored: a rule of the bucket ends uploads that were broken off.
    pub async fn abandoned(&self, folder: &str, before_secs: i64) -> Result<Abandoned, Error> {
        check_prefix(folder)?;
        match self {
            Self::Files(files) => files.abandoned(folder, before_secs).await,
            Self::S3(_) => Ok(Abandoned::default()),
        }
    }

    /// Deletes what [`Objects::abandoned`] found; of its folders those that are empty.
    pub async fn remove_abandoned(&self, abandoned: &Abandoned) -> Result<(), Error> {
        match self {
            Self::Files(files) => files.remove_abandoned(abandoned).await,
            Self::S3(_) => Ok(()),
        }
    }

    /// The path of the object where it is a file, so that engines can read it without a copy. The file need not
    /// exist. `None` for S3 and for an invalid key.
    pub fn local_path(&self, key: &str) -> Option<PathBuf> {
        match self {
            Self::Files(files) if check_key(key).is_ok() => Some(files.path(key)),
            _ => None,
        }
    }

    /// The version of a listed object by its content, which stays where the same bytes are written again: on S3 the
    /// listed one; a file is read for it.
    pub async fn content_version(&self, listed: &ObjectMeta) -> Result<Version, Error> {
        check_key(&listed.key)?;
        match self {
            Self::Files(files) => files.content_version(&listed.key).await,
            Self::S3(_) => Ok(listed.version.clone()),
        }
    }

    /// Copies an object to a file on this machine, replacing it, without holding it in memory. The file appears
    /// whole or not at all; its folder must exist. Returns the bytes and the version of what was copied, as
    /// [`Objects::get_versioned`] gives it.
    pub async fn download_to(&self, key: &str, path: &Path) -> Result<(u64, Version), Error> {
        check_key(key)?;
        match self {
            Self::Files(files) => files.download_to(key, path).await,
            Self::S3(s3) => s3.download_to(key, path).await,
        }
    }

    /// Copies a file on this machine to an object, replacing it, without holding it in memory.
    pub async fn upload_from(&self, path: &Path, key: &str) -> Result<Version, Error> {
        check_key(key)?;
        match self {
            Self::Files(files) => files.upload_from(path, key).await,
            Self::S3(s3) => s3.upload_from(path, key).await,
        }
    }
}
