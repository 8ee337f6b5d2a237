//! Every bound on a call record, in one place.

/// The longest record that is looked at, in bytes: what Kinesis takes as one record by default.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// The longest aggregate that is taken apart, in bytes: the most that Kinesis takes as one record, where a stream
/// is set to it. What comes out of it is bound by [`MAX_RECORD_BYTES`] one by one.
pub const MAX_AGGREGATE_BYTES: usize = 10 * 1024 * 1024;

/// The most user records of an aggregate: 262,144, one for each 40 bytes of [`MAX_AGGREGATE_BYTES`]. A call between
/// two E.164 numbers takes at least 47 there; a user record without a payload takes 6, and a record of the stream
/// full of those would be 1.7 million refusals to write down.
pub const MAX_USER_RECORDS: usize = MAX_AGGREGATE_BYTES / 40;

/// The longest `call_id`, in bytes: it is kept, hashed, in every caller tile and, whole, in the archive.
pub const MAX_CALL_ID_BYTES: usize = 128;

/// The longest optional text (`trunk`, `cell_id`, `imei`), in bytes.
pub const MAX_TEXT_BYTES: usize = 128;

/// The longest text that is tried as a number, in bytes: the longest extension has 69, 15 digits with punctuation fewer.
pub(crate) const MAX_NUMBER_BYTES: usize = 80;

/// The longest call, in milliseconds: 7 days. Longer ones are switches that lost the end of a call.
pub const MAX_DURATION_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// The first moment a call may have, 2000-01-01T00:00:00Z, in milliseconds since 1970 UTC: what is earlier is
/// a clock that was never set, or seconds taken for milliseconds.
pub const TIME_FROM_MS: i64 = 946_684_800_000;

/// The moment all times of a call must be before, 2100-01-01T00:00:00Z, in milliseconds since 1970 UTC.
pub const TIME_UNTIL_MS: i64 = 4_102_444_800_000;

/// The largest cost of a call either way, in millionths of its currency: a million units. Its
/// square is below 2^80, so that a sum of squares in 128 bits holds the calls of any window.
pub const MAX_COST_MICROS: i64 = 1_000_000_000_000;

/// The longest `traceparent` that goes on with a record, in bytes: version 0 has 55, later ones may have more.
pub const MAX_TRACEPARENT_BYTES: usize = 128;
