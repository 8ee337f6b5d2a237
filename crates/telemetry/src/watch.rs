//! Where a part of the system tells of its work.

use std::fmt;
use std::sync::Arc;

use crate::{Sink, Tracer};

/// Where measurements and spans go; the default is nowhere.
#[derive(Clone, Default)]
pub struct Watch {
    /// Takes measurements.
    pub sink: Option<Arc<dyn Sink>>,
    /// Makes spans.
    pub tracer: Option<Tracer>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("sink", &self.sink.is_some()).field("tracer", &self.tracer.is_some()).finish()
    }
}
