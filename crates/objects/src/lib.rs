//! Objects by key in a folder or an S3 bucket.
//!
//! Every input and output of Tollwatch is a [`Location`]: a path or an `s3://bucket/prefix` URL. [`Objects`] reads
//! and writes there by key, with the same results for both: atomic puts, compare-and-set by version, sorted
//! listings. One contract suite holds them to it.
//!
//! What differs: files are not flushed to the disk (a put survives a dying process, not a power cut), and the
//! versions in a listing of files are their times and sizes, since a hash would read them all.

mod abandoned;
mod error;
mod files;
mod key;
mod location;
mod meta;
mod objects;
mod s3;
mod s3_error;
mod s3_upload;
mod temporary;

pub use abandoned::Abandoned;
pub use error::{Error, LocationError};
pub use key::{MAX_KEY_BYTES, check_key};
pub use location::Location;
pub use meta::{Expected, ObjectMeta, Version};
pub use objects::Objects;
