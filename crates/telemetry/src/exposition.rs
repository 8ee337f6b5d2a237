//! Measurements as the text that Prometheus reads.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::catalogue::PREFIX;
use crate::{Function, Kind, Labels, Measurement, Metric, Sink, metrics};

/// What the measurements of a process add up to, from its start on.
#[derive(Debug)]
pub struct Exposition {
    registry: Registry,
    families: HashMap<&'static str, AnyFamily>,
}

impl Default for Exposition {
    /// Every metric of the catalogue.
    fn default() -> Self {
        Self::of(metrics())
    }
}

impl Exposition {
    /// The metrics of these functions. Measurements of others are passed over.
    pub fn of_functions(functions: &[Function]) -> Self {
        Self::of(metrics().filter(|metric| functions.contains(&metric.function)))
    }

    /// What is answered to `GET /metrics`, of type [`Exposition::CONTENT_TYPE`]. Counters and gauges without labels
    /// are there from the beginning, so that a rate is known after the first change.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A text takes all that is written to it.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// OpenMetrics, which Prometheus has read since version 2.5
    /// (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    fn of(metrics: impl Iterator<Item = &'static Metric>) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let mut families = HashMap::new();
        for metric in metrics {
            families.insert(metric.name, AnyFamily::register(metric, &mut registry));
        }
        Self { registry, families }
    }
}

impl Sink for Exposition {
    fn record(&self, measured: &[Measurement]) {
        for Measurement { metric, labels, value } in measured {
            match self.families.get(metric.name) {
                // A counter that went down would look like a start of the process.
                Some(AnyFamily::Counter(family)) if *value >= 0.0 => {
                    family.get_or_create(labels).inc_by(*value);
                }
                Some(AnyFamily::Gauge(family)) => {
                    family.get_or_create(labels).set(*value);
                }
                Some(AnyFamily::Histogram(family)) => family.get_or_create(labels).observe(*value),
                Some(AnyFamily::Counter(_)) | None => {}
            }
        }
    }
}

/// All series of one metric.
#[derive(Debug)]
enum AnyFamily {
    Counter(Family<Labels, Counter<f64, AtomicU64>>),
    Gauge(Family<Labels, Gauge<f64, AtomicU64>>),
    Histogram(Family<Labels, Histogram, Bounds>),
}

impl AnyFamily {
    fn register(metric: &Metric, registry: &mut Registry) -> Self {
        let (name, help, is_plain) = (metric.name, metric.help, metric.labels.is_empty());
        match metric.kind {
            Kind::Counter => {
                let family = Family::<Labels, Counter<f64, AtomicU64>>::default();
                if is_plain {
                    drop(family.get_or_create(&Labels::new()));
                }
                registry.register(name, help, family.clone());
                Self::Counter(family)
            }
            // A gauge that is not known is not 0.
            Kind::Gauge => {
                let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
                registry.register(name, help, family.clone());
                Self::Gauge(family)
            }
            Kind::Histogram(bounds) => {
                let family = Family::<Labels, Histogram, Bounds>::new_with_constructor(Bounds(bounds));
                registry.register(name, help, family.clone());
                Self::Histogram(family)
            }
        }
    }
}

/// The bounds of every histogram of a metric.
#[derive(Clone, Copy, Debug)]
struct Bounds(&'static [f64]);

impl MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::count_calls::{CALLS_COUNTED, LATENESS_MAX_SECONDS, RECORDS_QUARANTINED, WRITE_UNITS};
    use crate::catalogue::serve_features::REQUEST_SECONDS;

    #[test]
    fn measurements_add_up_to_what_prometheus_reads() {
        let exposition = Exposition::of_functions(&[Function::CountCalls, Function::ServeFeatures]);
        let lines = |name: &str| -> Vec<String> {
            let text = exposition.text();
            text.lines().filter(|line| line.starts_with(&format!("tollwatch_{name}"))).map(str::to_owned).collect()
        };
        assert_eq!(lines("calls_counted_total"), ["tollwatch_calls_counted_total{} 0.0"]);
        assert!(lines("lateness_max_seconds").is_empty(), "a gauge that nobody set is not 0");
        for _ in 0..2 {
            exposition.record(&[
                CALLS_COUNTED.of(3.0),
                WRITE_UNITS.of(1.5),
                WRITE_UNITS.of(-1.0),
                LATENESS_MAX_SECONDS.of(7.0),
                RECORDS_QUARANTINED.with(["bad_time"], 1.0),
                REQUEST_SECONDS.with(["get_features"], 0.02),
                crate::catalogue::recompute_features::CALLS_READ.of(1.0),
            ]);
        }
        assert_eq!(lines("calls_counted_total"), ["tollwatch_calls_counted_total{} 6.0"]);
        assert_eq!(lines("write_units"), ["tollwatch_write_units_total{} 3.0"]);
        assert_eq!(lines("lateness_max_seconds"), ["tollwatch_lateness_max_seconds{} 7.0"]);
        assert_eq!(lines("records_quarantined"), ["tollwatch_records_quarantined_total{reason=\"bad_time\"} 2.0"]);
        let buckets = lines("request_seconds_bucket{le=\"0.025\"");
        assert_eq!(buckets, ["tollwatch_request_seconds_bucket{le=\"0.025\",method=\"get_features\"} 2"]);
        assert!(!exposition.text().contains("calls_read"), "the metrics of other functions are not there");
        assert!(exposition.text().ends_with("# EOF\n"));
    }
}
