//! What a feature is: definitions, typed expressions, mergeable states, windows and values.
//!
//! One definition serves every engine. `features.toml` is parsed and type-checked once into a [`FeatureSet`];
//! from its expression trees come the row evaluator of the stream ([`Observer`]) and, in the batch job, Polars
//! expressions. Aggregates are kept as [`State`]s. States merge, values never do; a [`Value`] is made from a
//! state at the very end.
//!
//! This crate knows no AWS, no async, no clock and no file system.

mod codec;
mod day_set;
mod definition;
mod entity;
mod expression;
mod feature;
mod feature_set;
mod observer;
mod parse_expression;
mod sketch;
mod slot;
mod state;
mod value;
mod window;

pub use codec::DecodeError;
pub use day_set::DaySet;
pub use definition::{DefinitionError, DefinitionErrors};
pub use entity::{Entity, EntityError, Level, Party};
pub use expression::{ArithmeticOp, CompareOp, Datum, Expr, Field, Row, Type};
pub use feature::{Aggregate, Feature, Formula};
pub use feature_set::{FeatureSet, Lists, Settings, SlotMask};
pub use observer::{Observation, Observed, Observer};
pub use sketch::{SKETCH_REGISTERS, SPARSE_MAX, Sketch, hash_parts, hash_text};
pub use slot::{Slot, SlotInput, SlotKind, SlotState};
pub use state::State;
pub use value::{Answer, Denominator, Value};
pub use window::{BATCH_DAYS_MAX, BatchWindow, DAY_MS, HOUR_MS, MINUTE_MS, STREAM_MINUTES_MAX, StreamWindow, Window};
