//! The batch job: calls to snapshots, with Polars.
//!
//! A run ([`run()`]) reads all calls of a location, sorts them into UTC days, and counts each call once. For every
//! day Polars evaluates the definitions and groups by phone; what comes of a day is a tile of one state a phone,
//! and tiles of prefixes and ranges made from it. Windows are rolled up from at most 90 day tiles in one pass over
//! the keys. Both faces of the snapshot are written under the run's id and become visible with the manifest.
//!
//! Memory is bounded by the calls of the days that are computed at a time, not by the history.

mod compile;
mod day_columns;
mod day_states;
mod day_tiles;
mod deduplicate;
mod each;
mod error;
mod faces;
mod input;
mod merge_tiles;
mod read_days;
mod report;
mod roll_up;
mod run;
mod spill;
#[cfg(test)]
mod testing;
mod wide;

pub use error::BatchError;
pub use input::{Input, InputFile, is_call_file};
pub use report::{BatchReport, Progress, Stage};
pub use run::{BatchOptions, run};
