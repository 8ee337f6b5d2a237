//! Every bound of the function, with its reason.

/// Bytes of an answer. Lambda takes 6 MB (6,291,556 bytes) from a function that is waited for
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>), and the rest is room for what an id may
/// need that is no plain text. A record whose line would go beyond is answered without one.
pub const RESPONSE_BYTES_MAX: usize = 6_000_000;

/// The most that Firehose may gather for one invocation, in bytes: `BufferSizeInMBs` of its Lambda processor is to be
/// 0.2, the least that it takes. A call between two numbers is 41 bytes of protobuf at least and its part of the answer
/// 17 times as long, so that an answer to a whole buffer of such calls has 3.6 MB; to 1 MB, Firehose's default, it would
/// have 18 MB, and two thirds of the records would go to `raw-failed/`. The shortest call in JSON, 142 bytes, grows to
/// five times its size. What is no call has no such bound: a record of one byte makes 300, and an aggregate that comes
/// whole may hold thousands of calls.
pub const BUFFER_BYTES_MAX: usize = 1024 * 1024 / 5;

/// Bytes of a record in the answer beside its id and its data: names, quotes, the longest result.
pub(crate) const RECORD_FRAME_BYTES: usize = r#"{"recordId":"","result":"ProcessingFailed","data":""},"#.len();

/// Bytes of the answer around its records.
pub(crate) const RESPONSE_FRAME_BYTES: usize = r#"{"records":[]}"#.len();

/// What a line adds to a record: its position, its arrival, what is derived from it, and names.
pub(crate) const LINE_FRAME_BYTES: usize = 400;
