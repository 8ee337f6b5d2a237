//! The port to a cache of bytes that several readers share.

use std::ops::Range;

use bytes::Bytes;
use futures::future::BoxFuture;

/// Keeps byte ranges of files that never change, as well as it can: what it does not have is read from the file.
pub trait RangeCache: std::fmt::Debug + Send + Sync {
    /// The bytes of a range of a file, if it has them; `file` is its full place. What it gives is checked.
    fn get<'a>(&'a self, file: &'a str, range: Range<u64>) -> BoxFuture<'a, Option<Bytes>>;

    /// Takes the bytes of a range, in its own time. Called inside an async runtime.
    fn put(&self, file: &str, range: Range<u64>, bytes: Bytes);
}
