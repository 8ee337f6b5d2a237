//! Lines of the embedded metric format, held against the rules that AWS publishes for it.

use serde_json::{Value, json};
use telemetry::catalogue::count_calls::{CALLS_COUNTED, LATENESS_MAX_SECONDS, RECORDS_QUARANTINED};
use telemetry::catalogue::serve_features::{REQUEST_SECONDS, REQUESTS};
use telemetry::{Measurement, emf, metrics};

const NOW_MS: i64 = 1_790_000_000_123;
const LABELS: [&str; 2] = ["first", "second"];

fn documents(measured: &[Measurement]) -> Vec<Value> {
    let lines = emf::lines(measured, "production", NOW_MS);
    for line in &lines {
        assert!(!line.contains('\n') && line.len() <= 256 * 1024, "one event of at most 256 KB");
    }
    lines.iter().map(|line| serde_json::from_str(line).expect("a line is JSON")).inspect(check).collect()
}

/// The rules of the specification, in its order; a violation is a failed assertion.
fn check(document: &Value) {
    let root = document.as_object().expect("the root is an object");
    let metadata = root["_aws"].as_object().expect("_aws is an object");
    assert!(metadata["Timestamp"].is_i64(), "Timestamp is an integer");
    let directives = metadata["CloudWatchMetrics"].as_array().expect("directives are an array");
    assert_eq!(metadata.len(), 2, "no additional members");
    let name_fits = |name: &str| (1..=255).contains(&name.len());
    for directive in directives {
        let directive = directive.as_object().expect("a directive is an object");
        assert_eq!(directive.len(), 3, "no additional members");
        assert!(directive["Namespace"].as_str().is_some_and(name_fits));
        let sets = directive["Dimensions"].as_array().expect("dimension sets are an array");
        assert!(!sets.is_empty());
        for set in sets {
            let set = set.as_array().expect("a dimension set is an array");
            assert!(set.len() <= 9, "at most 9 dimensions");
            for dimension in set {
                let name = dimension.as_str().expect("a dimension is named");
                assert!(
                    name_fits(name) && root[name].as_str().is_some_and(name_fits),
                    "{name} is a text of the root"
                );
            }
        }
        let defined = directive["Metrics"].as_array().expect("metrics are an array");
        assert!(defined.len() <= 100, "at most 100 metrics");
        for metric in defined {
            let name = metric["Name"].as_str().expect("a metric is named");
            assert!(name_fits(name));
            assert!(["Count", "Seconds"].contains(&metric["Unit"].as_str().expect("we always give a unit")));
            let is_value = match &root[name] {
                Value::Array(values) => values.len() <= 100 && values.iter().all(Value::is_number),
                value => value.is_number(),
            };
            assert!(is_value, "{name} is a number or at most 100 of them");
        }
    }
}

fn one_of_each() -> Vec<Measurement> {
    let with_labels = |metric: &'static telemetry::Metric| match metric.labels.len() {
        0 => metric.of(1.5),
        1 => metric.with([LABELS[0]], 1.5),
        _ => metric.with(LABELS, 1.5),
    };
    metrics().map(with_labels).collect()
}

#[test]
fn every_metric_of_the_catalogue_is_written_by_the_rules() {
    let documents = documents(&one_of_each());
    for metric in metrics() {
        let written: Vec<&Value> = documents.iter().filter(|document| document.get(metric.name).is_some()).collect();
        assert_eq!(written.len(), 1, "{}", metric.name);
        let directive = &written[0]["_aws"]["CloudWatchMetrics"][0];
        let by_label = metric.labels.iter().map(|label| json!(["stack", label]));
        let expected: Vec<Value> = std::iter::once(json!(["stack"])).chain(by_label).collect();
        assert_eq!(directive["Dimensions"], Value::Array(expected), "{}", metric.name);
        assert_eq!(directive["Namespace"], "Tollwatch");
        assert_eq!(written[0]["stack"], "production");
        assert_eq!(written[0]["_aws"]["Timestamp"], NOW_MS);
        assert!(metric.labels.iter().zip(LABELS).all(|(label, value)| written[0][label] == value));
    }
}

#[test]
fn values_add_up_by_their_kind() {
    let documents = documents(&[
        CALLS_COUNTED.of(3.0),
        LATENESS_MAX_SECONDS.of(9.0),
        CALLS_COUNTED.of(4.0),
        LATENESS_MAX_SECONDS.of(2.0),
        LATENESS_MAX_SECONDS.of(f64::NAN),
        RECORDS_QUARANTINED.with(["bad_time"], 1.0),
        RECORDS_QUARANTINED.with(["bad_text"], 5.0),
        RECORDS_QUARANTINED.with(["bad_time"], 1.0),
        REQUESTS.with(["get_features", "ok"], 1.0),
        REQUEST_SECONDS.with(["get_features"], 0.25),
        REQUEST_SECONDS.with(["get_features"], 0.5),
    ]);
    assert_eq!(documents.len(), 5, "one for those without labels, one for each choice of labels");
    assert_eq!(documents[0]["calls_counted"], 7.0);
    assert_eq!(documents[0]["lateness_max_seconds"], 2.0);
    assert_eq!((&documents[1]["reason"], &documents[1]["records_quarantined"]), (&json!("bad_time"), &json!(2.0)));
    assert_eq!((&documents[2]["reason"], &documents[2]["records_quarantined"]), (&json!("bad_text"), &json!(5.0)));
    assert_eq!(documents[4]["request_seconds"], json!([0.25, 0.5]));
}

#[test]
fn what_is_more_than_a_document_takes_goes_into_another() {
    let observed: Vec<Measurement> =
        (0..250).map(|n| REQUEST_SECONDS.with(["list_features"], f64::from(n))).collect();
    let documents = documents(&observed);
    let written: Vec<f64> = documents
        .iter()
        .flat_map(|document| document["request_seconds"].as_array().expect("many values"))
        .filter_map(Value::as_f64)
        .collect();
    assert_eq!(documents.len(), 3);
    assert_eq!(written, (0..250).map(f64::from).collect::<Vec<_>>());
    assert!(emf::lines(&[], "production", NOW_MS).is_empty());
}
