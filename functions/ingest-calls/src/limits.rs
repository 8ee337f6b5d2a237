//! Every bound of the function, with its reason.

use std::time::Duration;

/// Bytes of a body. Lambda takes an event of 6 MB, in which a body that is no text is in Base64, a third longer
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Records of a request: what goes into one `PutRecords`, so that an answer takes one request to Kinesis unless that
/// turns records away. A normalised record is 2 KB at most.
pub const RECORDS_MAX: usize = stream_writer::PUT_RECORDS_MAX;

/// Fields of a form: a status callback has some 30, with those that a SIP call or a number's add-ons bring.
pub const FORM_FIELDS_MAX: usize = 200;

/// Seconds after which a producer is to come again where Kinesis did not take records: the limits of a shard are by the
/// second, and a stream that scales by itself takes minutes, in which a producer that comes every few seconds does no
/// harm.
pub const RETRY_AFTER_SECS: u32 = 5;

/// Attempts at records that the stream turns away. The time of the invocation ends them earlier.
pub(crate) const PUT_ATTEMPTS_MAX: u32 = 10;

/// Pause after the first of them: a twentieth of the second by which a shard counts.
pub(crate) const PUT_FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What is left of the invocation's time when records are no longer tried, so that the answer arrives.
pub(crate) const ANSWER_RESERVE: Duration = Duration::from_millis(500);

/// The longest that a request is worked on, whatever the function's timeout: producers give up at about that time.
pub(crate) const WORK_TIME_MAX: Duration = Duration::from_secs(25);
