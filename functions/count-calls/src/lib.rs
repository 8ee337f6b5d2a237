//! The consumer: a Kinesis batch in, tiles written, the first undone record out.
//!
//! [`CallCounter::handle`] is what the Lambda, the local run and the tests call, with the same `KinesisEvent`.
//! A batch is worked through in chunks, in the order of positions:
//!
//! 1. `intake`: records are parsed and judged; what can never count goes to quarantine.
//! 2. `caller_stage`: caller tiles are written. They decide which calls are accepted.
//! 3. `derived_stage`: all other tiles are written, from accepted calls before the first record whose caller
//!    tile is not written or whose quarantine failed.
//!
//! The batch is reported failed from the first undone record. Nothing here reads the clock to decide about a
//! call: lateness is judged against the record's arrival at the stream.

mod batch_span;
mod caller_stage;
mod configuration;
mod counter;
mod cut;
mod derived_stage;
mod event;
mod intake;
mod limits;
mod measurements;
mod notices;
mod quarantine;
mod report;
mod tile_cache;
mod write;

pub use cdr::Lateness;
pub use configuration::{Configuration, ConfigurationError};
pub use counter::{CallCounter, CounterSettings, HandleError};
pub use cut::{first_undone, first_unsettled, settled_calls};
pub use event::TimedEvent;
pub use intake::{Received, ShardBatch, read_event};
pub use notices::{NoNotices, Notices, QuarantineNotice, SqsNotices};
pub use quarantine::{ObjectQuarantine, Quarantine, QuarantineError, QuarantinedRecord};
pub use report::BatchReport;
