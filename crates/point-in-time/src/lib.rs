//! Training sets: every feature of an entity as it was known at a time, from an archive of calls.
//!
//! A label names an entity and a time. [`Labels`] reads a file of them, [`TrainingSet::write`] computes a row of
//! values for each and writes wide Parquet. The values come from the same expressions, states and formulas as the
//! service's; the windows are the ones that the service answers over at that `as_of` ([`Moment`]).
//!
//! A call counts in a row if it began before the row's `as_of`, which is the label's time floored to a minute, and
//! was known before the label's time: it had arrived, or, where the archive does not tell arrivals, it had ended.
//! Of copies of a call the first to arrive counts, in every row, so that what a later copy says never matters.

mod archive;
mod cells;
mod entities;
mod error;
mod evaluate;
mod kept;
mod labels;
mod moment;
mod parquet_file;
mod training_set;

pub use archive::{Archive, CallFile};
pub use entities::{Entities, EntityId};
pub use error::{LabelProblem, LabelsError, TrainingError};
pub use kept::{Kept, KeptCalls};
pub use labels::{Label, Labels, Target};
pub use moment::Moment;
pub use training_set::{CALLS_IN_MEMORY, Coverage, Options, Report, TrainingSet};
