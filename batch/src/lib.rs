//! The batch job: calls to snapshots, with Polars.
//!
//! A run ([`run()`]) reads what is new in a location, by the ledger of the run before it, and sorts the calls into UTC
//! days. The days that new calls belong to are built anew from all their objects, each call counted once: for every
//! one Polars evaluates the definitions; what comes of a day is a tile of one state a phone, and tiles of prefixes and
//! ranges made from it. All other days are taken from earlier runs. Windows are rolled up from
//! at most 90 day tiles in one pass over the keys. Everything is written under the run's id and becomes visible with
//! the manifest, the ledger with it.
//!
//! Each day is measured while it is built, and judged by the days before it: one that looks wrong stops the run.
//!
//! Memory is bounded by the calls of the days that are computed at a time, not by the history.

mod base;
mod batch_hashes;
mod by_number;
mod compile;
mod day_columns;
mod day_states;
mod day_tiles;
mod deduplicate;
mod each;
mod error;
mod faces;
mod hashes;
mod input;
mod json;
mod ledger;
mod measurements;
mod merge_tiles;
mod phone_key;
mod quality;
mod read_days;
mod report;
mod roll_up;
mod room;
mod run;
mod run_folder;
mod run_id;
mod spill;
mod stored_tiles;
mod summary;
#[cfg(test)]
mod testing;
mod whole_days;
mod wide;
mod work;

pub use base::Rebuild;
pub use error::BatchError;
pub use input::{Input, InputFile, is_call_file};
pub use json::stopped_json;
pub use measurements::measurements;
pub use quality::HardFindings;
pub use report::{BatchReport, Outcome, Progress, Stage};
pub use run::{BatchOptions, run};
pub use run_folder::{RunFolder, RunFolderError, remove_now};
pub use run_id::run_id;
