//! The batch job as a Lambda: one run, of what the archive holds that is new.
//!
//! [`Recompute::run`] is what `tollwatch batch` does, with the schedule's event instead of arguments: the same job, and
//! the same JSON in the end. Files are staged in `TMPDIR`, which is the function's ephemeral storage; a folder that a run
//! left behind when it was cut off is removed by the next. A run that would not be over in time is stopped before Lambda
//! ends it, so that its error says why. `docs/scale.md` says up to which volume the function is enough, and
//! `infra/fargate.yaml` runs the command in a container beyond it.
//!
//! Whatever does not publish is an error of the function: a run that failed, one that was overtaken, and one that was
//! stopped for what it found of the calls. The last will stop again when it is repeated, unless what was missing has come
//! by then; it is an error all the same, for then one alarm and one dead-letter queue tell of every day without a
//! snapshot, and the event in the queue is what is sent again, with `accept_quality`, once somebody has looked.

mod configuration;
mod error;
mod event;
mod limits;
mod measurements;
mod run;

pub use configuration::{Configuration, ConfigurationError};
pub use error::RecomputeError;
pub use event::{Asked, EventError, RecomputeEvent};
pub use limits::{DEADLINE_MARGIN, MOVE_ON_MILLION_CALLS_A_DAY};
pub use measurements::measurements;
pub use run::{Moments, Recompute, Recomputed};
