//! Every bound on following, in one place.

/// Bytes at the beginning of a file by which it is known again: the first rows, with their times, are no other file's. The
/// header of the widest format, Cisco's, has some 4,000.
pub(crate) const BEGINNING_BYTES: usize = 8 * 1_024;

/// Calls of one step: those of one request to a stream.
pub(crate) const STEP_CALLS: usize = 500;

/// Rows of one step, whatever comes of them, so that what was read is noted from time to time.
pub(crate) const STEP_ROWS: usize = 10_000;

/// Files beside a followed one that are looked at. A rotation keeps some dozens; a folder with more names like that is
/// something else.
pub(crate) const SIBLINGS_MAX: usize = 1_000;

/// Files that are done and known not to be new: as many as a rotation keeps within the life of a process that looks at
/// them while a new file is empty.
pub(crate) const DONE_MAX: usize = 64;

/// How long a file that was rotated away must not have grown before it is taken to be over, in milliseconds: a switch
/// writes into its old file until it is told to open the new one, which rotation does within a second or two.
pub(crate) const SETTLE_MS: i64 = 5_000;

/// The largest resume point that is read, in bytes: legs that are open take some 20 bytes each.
pub(crate) const RESUME_BYTES_MAX: u64 = 64 * 1024 * 1024;
