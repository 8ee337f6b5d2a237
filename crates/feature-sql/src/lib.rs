//! A feature set as SQL: what the Polars job computes, for a distributed engine over the same files.
//!
//! [`compile()`] turns the typed expressions and formulas of a [`features::FeatureSet`] into text for a [`Target`]:
//! one query that reads the archive, one that counts each call once, and one table a party and level with the columns
//! of the wide face. Nothing here names a feature. `docs/spark.md` says how they are run and where they differ.

mod calls;
mod compile;
mod distinct;
mod expression;
mod formula;
mod records;
mod table;
mod target;

pub use compile::{CompileError, Compiled, compile};
pub use records::{Input, create_table};
pub use table::Table;
pub use target::{STATEMENT_BYTES_MAX, Target};
