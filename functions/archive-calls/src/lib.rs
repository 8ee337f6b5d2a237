//! The archive's part of Firehose: records of the stream in, lines of the archive out.
//!
//! A Firehose delivery stream reads the Kinesis stream, has [`transform`] make lines of its records, compresses them and
//! puts them below `raw/`. A line has the position and the arrival of a record, the call as it was sent, and what a
//! number plan says of it; what is no call is kept as its bytes. The batch job, `backfill`, `training-set` and `parity`
//! read these lines.
//!
//! Positions are those under which count-calls counts the same records. Firehose takes aggregates of the Kinesis
//! Producer Library apart and says which part of one a record is; where it has not done so, it is done here.
//!
//! A record for which there is no line is answered `ProcessingFailed`: Firehose keeps it as it came below
//! `raw-failed/`, so that nothing is lost.

mod configuration;
mod event;
mod limits;
mod line;
mod measurements;
mod report;
mod transform;

pub use configuration::Configuration;
pub use event::{ArchivedRecord, FirehoseEvent, FirehoseRecord, FirehoseResponse, Outcome, StreamRecord};
pub use limits::{BUFFER_BYTES_MAX, RESPONSE_BYTES_MAX};
pub use line::{Line, write_line};
pub use report::{ArchiveReport, NotArchived};
pub use transform::transform;
