//! Records onto a Kinesis stream. Those that it turns away are put again, until it has them or patience ends.
//!
//! A request that came to no answer may have been done: whoever puts its records again may put them twice. A call
//! counts once all the same, by its caller, `call_id` and start minute.

mod put;
mod sending;

pub use put::{Outgoing, PUT_BYTES_MAX, PUT_RECORDS_MAX, Patience, Placed, Put, PutError, put_records};
pub use sending::Sending;
