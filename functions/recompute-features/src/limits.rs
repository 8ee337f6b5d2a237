//! Every bound of the function, with its reason.

use std::time::Duration;

use features::MINUTE_MS;

/// What is left of the function's time when a run is stopped: for removing up to 10 GB of files, and for the error to
/// arrive.
pub const DEADLINE_MARGIN: Duration = Duration::from_secs(20);

/// Millions of calls a day from which on the job belongs into a container: `docs/scale.md` has the measurements. An error
/// of a run that was stopped for want of time or room names it.
pub const MOVE_ON_MILLION_CALLS_A_DAY: f64 = 2.5;

/// How far the scheduled time may lie after the moment that the function's clock says: clocks differ.
pub(crate) const CLOCK_TOLERANCE_MS: i64 = MINUTE_MS;

/// The longest delay of an archive that makes sense, in minutes: Firehose tries for a day to deliver.
pub(crate) const ARCHIVE_DELAY_MAX_MINUTES: u32 = 24 * 60;

/// Threads that a function can make use of: the largest has 6 processors.
pub(crate) const THREADS_MAX: usize = 64;
