//! A file of a snapshot where it lies.

use std::ops::Range;

use bytes::Bytes;
use objects::Objects;

use crate::SnapshotError;

/// A file that a manifest lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteFile<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) key: &'a str,
    /// Its size, as the manifest has it.
    pub(crate) bytes: u64,
}

impl RemoteFile<'_> {
    /// Reads a range.
    pub(crate) async fn range(&self, range: Range<u64>) -> Result<Bytes, SnapshotError> {
        let short = || SnapshotError::corrupt(self.key, format!("it is shorter than its {} bytes", self.bytes));
        match self.objects.get_range(self.key, range.clone()).await {
            Ok(bytes) if bytes.len() as u64 == range.end - range.start => Ok(bytes),
            Ok(_) | Err(objects::Error::OutOfRange { .. }) => Err(short()),
            Err(error) if error.is_not_found() => Err(SnapshotError::gone(self.key, self.objects)),
            Err(error) => Err(error.into()),
        }
    }
}
