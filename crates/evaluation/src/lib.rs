//! How well the declared features find labelled fraud.
//!
//! Calls are replayed in the order in which their records arrive. Each time a record is counted, the stream features
//! of its caller and of its callee are made as the service would answer them just then ([`replay`]). Thresholds on one
//! feature, and on two together, are chosen on calibration sets alone; what they find, whom they name wrongly and how
//! soon is told of held-out sets, which have no say in them ([`evaluate`]).
//!
//! This crate knows no AWS, no async and no clock. `docs/evaluation.md` says what the figures mean.

mod calls;
mod columns;
mod entity_tiles;
mod error;
mod evaluate;
mod labels;
mod limits;
mod measure;
mod objective;
mod pairs;
mod parallel;
mod plot;
mod replay;
mod report;
mod rule;
mod singles;
mod table;
mod tail;
mod truth;

pub use calls::{Calls, CallsError, LoadedCalls};
pub use columns::{Column, Columns};
pub use error::{EvaluationError, LabelProblem, LabelsError};
pub use evaluate::{DataSet, Options, evaluate, replays};
pub use labels::{Label, Labels};
pub use limits::{AFTERMATH_MS, CALLS_MAX, GRACE_MS, WEAK_BELOW};
pub use objective::Objective;
pub use plot::plot;
pub use replay::{Evaluation, Replayed, replay};
pub use report::{Detections, GroupReport, Outcome, Report, RuleReport};
pub use rule::{Condition, Direction};
pub use table::{csv, table};
pub use truth::Half;
