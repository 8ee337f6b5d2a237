//! A value of a metric, and where values go.

use std::sync::{Mutex, PoisonError};

use crate::Metric;

/// Names and values of labels. Their values are texts of the program: enums and reason codes, never what was sent.
pub type Labels = Vec<(&'static str, &'static str)>;

/// A value of a metric: of a counter what is added, of a gauge what it is now, of a histogram one observation.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Of what.
    pub metric: &'static Metric,
    /// The values of its labels.
    pub labels: Labels,
    /// How much, in the metric's unit.
    pub value: f64,
}

/// Where measurements go.
pub trait Sink: Send + Sync {
    /// Takes them in. It does not wait for anything.
    fn record(&self, measured: &[Measurement]);
}

/// Measurements of one invocation, until they are written.
#[derive(Debug, Default)]
pub struct Collected(Mutex<Vec<Measurement>>);

impl Collected {
    /// What was recorded since this was called last.
    pub fn take(&self) -> Vec<Measurement> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink for Collected {
    fn record(&self, measured: &[Measurement]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(measured);
    }
}
