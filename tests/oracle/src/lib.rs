//! A naive recount of every default feature, to hold the engine against.
//!
//! It imports nothing from this repository and counts the slow way: it keeps every call, and answers a question
//! by looping over the calls of one entity in one window. What a feature means is written here a second time,
//! by hand, from `features.toml`; a feature added there without a line here fails a test.
//!
//! Times are milliseconds since 1970 UTC. The zone of hours and weekdays is UTC, a range is a number without
//! its last four digits: the defaults of `features.toml`, which this crate does not read.

// Caller and callee are the words of this trade.
#![allow(clippy::similar_names)]

mod answers;
mod call;
mod number;
mod recount;

pub use answers::{Answer, Denominator, knows, names};
pub use call::{Arrived, Call, Strings, distinct_calls, known_before};
pub use recount::{Level, Party, Recount};
