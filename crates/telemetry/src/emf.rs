//! Measurements as lines of the CloudWatch embedded metric format, which a Lambda writes to its standard output
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use serde_json::{Map, Value, json};

use crate::{Kind, Labels, Measurement, Metric};

/// The namespace of all metrics in CloudWatch.
pub const NAMESPACE: &str = "Tollwatch";
/// The dimension that every metric has: the name of the stack.
pub const STACK: &str = "stack";
/// Metrics of one directive, and values of one metric, as the specification has it.
pub const METRICS_MAX: usize = 100;
/// See [`METRICS_MAX`].
pub const VALUES_MAX: usize = 100;

/// The measurements of an invocation at `time_ms`, in milliseconds since 1970 UTC, each line a JSON object without
/// its line break. One line holds all that has no labels; since a dimension is a member of the object, each other
/// choice of labels takes a line more. Counters are added up, of a gauge the last value counts, and a histogram has
/// all its values.
///
/// Every metric is there by `stack` alone, as alarms want it, and again by `stack` and each of its labels: each of
/// these is a metric that AWS bills.
pub fn lines(measured: &[Measurement], stack: &str, time_ms: i64) -> Vec<String> {
    let mut documents: Vec<Document<'_>> = Vec::new();
    // JSON has no other numbers, and CloudWatch refuses them.
    for measurement in measured.iter().filter(|measurement| measurement.value.is_finite()) {
        let fits = documents.iter_mut().any(|document| document.take(measurement));
        if !fits {
            let Measurement { metric, labels, value } = measurement;
            documents.push(Document { labels, series: vec![Series { metric, values: vec![*value] }] });
        }
    }
    documents.iter().map(|document| document.json(stack, time_ms).to_string()).collect()
}

/// Metrics that share the values of their labels, and are members of one object: each is there once.
struct Document<'a> {
    labels: &'a Labels,
    series: Vec<Series>,
}

/// The values of one metric in one document.
struct Series {
    metric: &'static Metric,
    values: Vec<f64>,
}

impl Document<'_> {
    /// Takes a measurement in, if there is a place for it.
    fn take(&mut self, Measurement { metric, labels, value }: &Measurement) -> bool {
        if labels != self.labels {
            return false;
        }
        let has_room = self.series.len() < METRICS_MAX;
        let known = self.series.iter_mut().find(|series| series.metric.name == metric.name);
        match (metric.kind, known) {
            (Kind::Counter, Some(series)) => series.values[0] += value,
            (Kind::Gauge, Some(series)) => series.values[0] = *value,
            (Kind::Histogram(_), Some(series)) if series.values.len() < VALUES_MAX => series.values.push(*value),
            (_, None) if has_room => self.series.push(Series { metric, values: vec![*value] }),
            _ => return false,
        }
        true
    }

    fn json(&self, stack: &str, time_ms: i64) -> Value {
        let by_label = self.labels.iter().map(|(label, _)| json!([STACK, label]));
        let dimensions: Vec<Value> = std::iter::once(json!([STACK])).chain(by_label).collect();
        let defined = |Series { metric, .. }: &Series| json!({"Name": metric.name, "Unit": metric.unit.as_str()});
        let metrics: Vec<Value> = self.series.iter().map(defined).collect();
        let directive = json!({"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": metrics});
        let mut root = Map::new();
        root.insert("_aws".to_owned(), json!({"Timestamp": time_ms, "CloudWatchMetrics": [directive]}));
        root.insert(STACK.to_owned(), json!(stack));
        root.extend(self.labels.iter().map(|(label, value)| ((*label).to_owned(), json!(value))));
        root.extend(self.series.iter().map(|series| {
            let value = if let [value] = series.values[..] { json!(value) } else { json!(series.values) };
            (series.metric.name.to_owned(), value)
        }));
        Value::Object(root)
    }
}
