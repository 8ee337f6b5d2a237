//! Every metric there is, as data. `docs/metrics.md` says the same to people; a test compares the two with what is
//! really exported.

pub mod archive_calls;
pub mod count_calls;
pub mod ingest_calls;
pub mod recompute_features;
pub mod serve_features;

use crate::{Labels, Measurement};

/// Every metric, by the function that exports it.
pub static METRICS: [&[&Metric]; 5] = [
    &count_calls::METRICS,
    &serve_features::METRICS,
    &recompute_features::METRICS,
    &archive_calls::METRICS,
    &ingest_calls::METRICS,
];

/// Every metric, in the order of [`METRICS`].
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    METRICS.iter().flat_map(|metrics| metrics.iter().copied())
}

/// Something that is measured.
#[derive(Debug)]
pub struct Metric {
    /// Name in CloudWatch, in `snake_case`; ends in its unit where that is not a count. Prometheus puts `tollwatch_`
    /// before it, and `_total` after that of a counter.
    pub name: &'static str,
    /// What its values mean.
    pub kind: Kind,
    /// What its values are counted in.
    pub unit: Unit,
    /// What it says, in one sentence without a full stop.
    pub help: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// Which function exports it.
    pub function: Function,
}

/// What the values of a metric mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Each value is added.
    Counter,
    /// Each value takes the place of the one before.
    Gauge,
    /// Each value is one of a distribution; Prometheus counts those up to each of these bounds.
    Histogram(&'static [f64]),
}

/// What the values of a metric are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds, with fractions.
    Seconds,
}

/// Who exports a metric. `tollwatch up`, `consume` and `serve` export it, too, for the parts that they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Function {
    /// The consumer of the stream.
    CountCalls,
    /// The feature service.
    ServeFeatures,
    /// The batch job.
    RecomputeFeatures,
    /// The transformation on the way to the archive.
    ArchiveCalls,
    /// The way in for producers that speak HTTP.
    IngestCalls,
}

impl Kind {
    /// Its name, as Prometheus has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Unit {
    /// Its name in CloudWatch
    /// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
        }
    }
}

impl Function {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CountCalls => "count-calls",
            Self::ServeFeatures => "serve-features",
            Self::RecomputeFeatures => "recompute-features",
            Self::ArchiveCalls => "archive-calls",
            Self::IngestCalls => "ingest-calls",
        }
    }
}

impl Metric {
    /// A value of a metric that has no labels.
    pub fn of(&'static self, value: f64) -> Measurement {
        self.with([], value)
    }

    /// A value with the values of the labels, in the order of [`Metric::labels`].
    pub fn with<const N: usize>(&'static self, labels: [&'static str; N], value: f64) -> Measurement {
        let labels: Labels = self.labels.iter().copied().zip(labels).collect();
        Measurement { metric: self, labels, value }
    }

    /// Its name in Prometheus, without what is added to the name of a sample.
    pub fn family(&self) -> String {
        format!("{PREFIX}_{}", self.name)
    }

    /// The names of its samples in Prometheus.
    pub fn samples(&self) -> Vec<String> {
        let suffixes: &[&str] = match self.kind {
            Kind::Counter => &["_total"],
            Kind::Gauge => &[""],
            Kind::Histogram(_) => &["_bucket", "_count", "_sum"],
        };
        suffixes.iter().map(|suffix| self.family() + suffix).collect()
    }

    const fn new(function: Function, name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Self {
        Self { name, kind, unit, help, labels: &[], function }
    }

    const fn labelled(mut self, labels: &'static [&'static str]) -> Self {
        self.labels = labels;
        self
    }
}

/// What all names begin with in Prometheus.
pub(crate) const PREFIX: &str = "tollwatch";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_differ_and_end_in_their_unit() {
        let mut names = HashSet::new();
        for metric in metrics() {
            assert!(names.insert(metric.name), "{} is there twice", metric.name);
            assert!(metric.name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_seconds"), metric.unit == Unit::Seconds, "{}", metric.name);
            assert!(!metric.help.ends_with('.'), "Prometheus adds a full stop: {}", metric.name);
            let reserved = ["stack", "_aws", "le"];
            assert!(metric.labels.iter().all(|label| !reserved.contains(label) && !names.contains(label)));
        }
    }
}
