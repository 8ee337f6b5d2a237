//! The call record: what it holds, how it is parsed, when it is refused.
//!
//! This crate knows no AWS, no async, no clock and no file system. A record comes in as bytes and leaves as a
//! [`CallRecord`] whose numbers are normalised once, at the edge, or as a [`RecordError`] with a stable reason.
//!
//! [`parse()`] reads a record of the stream, and [`deaggregate`] takes apart a record that holds many. Other
//! formats fill a [`RawRecord`] and have it validated, so that every record is judged in one place.

mod aggregate;
mod error;
mod json;
mod lateness;
mod limits;
mod number;
mod number_cache;
mod number_plan;
mod number_shape;
mod parse;
mod protobuf;
mod record;
pub mod rules;
mod time;
mod traceparent;
mod validate;
mod wire;

pub use aggregate::{AggregateError, aggregate, deaggregate, is_aggregate};
pub use error::{Reason, RecordError};
pub use json::parse_json;
pub use lateness::{FUTURE_TOLERANCE_MS, Lateness};
pub use limits::{
    MAX_AGGREGATE_BYTES, MAX_CALL_ID_BYTES, MAX_COST_MICROS, MAX_DURATION_MS, MAX_RECORD_BYTES, MAX_TEXT_BYTES,
    MAX_TRACEPARENT_BYTES, MAX_USER_RECORDS, TIME_FROM_MS, TIME_UNTIL_MS,
};
pub use number::{Number, NumberKind};
pub use number_plan::{NumberError, NumberPlan, UnknownRegion};
pub use number_shape::NumberShape;
pub use parse::{Parsed, parse};
pub use protobuf::parse_protobuf;
pub use record::{CallRecord, Channel, Outcome, is_international, ring_ms, talk_ms};
pub use time::{format_time, parse_time};
pub use traceparent::with_traceparent;
pub use validate::RawRecord;
