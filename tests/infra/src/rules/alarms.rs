//! Alarms that somebody hears, on metrics that somebody writes.

use serde_json::Value;

use crate::rules::{Finding, Rule};
use crate::template::{Template, items, references, walk};

/// Namespaces of the services in the template.
const SERVICES: [&str; 5] = ["AWS/DynamoDB", "AWS/Firehose", "AWS/Kinesis", "AWS/Lambda", "AWS/SQS"];

pub(super) fn check(template: &Template, found: &mut Vec<Finding>) {
    let topics: Vec<&str> = template.of_type("AWS::SNS::Topic").map(|(id, _)| id).collect();
    for (id, alarm) in template.of_type("AWS::CloudWatch::Alarm") {
        let told = references(&alarm["Properties"]["AlarmActions"]);
        if !told.iter().any(|name| topics.contains(&name.as_str())) {
            found.push(Finding::new(Rule::SilentAlarm, id, "it tells no topic of the template"));
        }
        walk(&alarm["Properties"], &mut |part| {
            if let (Some(namespace), Some(name)) = (part["Namespace"].as_str(), part["MetricName"].as_str()) {
                let labels = items(&part["Dimensions"]).into_iter().filter_map(|label| label["Name"].as_str());
                metric(id, namespace, name, &labels.collect::<Vec<_>>(), found);
            }
        });
    }
    for (id, dashboard) in template.of_type("AWS::CloudWatch::Dashboard") {
        self::dashboard(id, &dashboard["Properties"]["DashboardBody"], found);
    }
}

/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html>
fn dashboard(id: &str, body: &Value, found: &mut Vec<Finding>) {
    let text = body["Fn::Sub"].as_str().unwrap_or_default();
    let widgets = match serde_json::from_str::<Value>(text) {
        Ok(body) => body["widgets"].clone(),
        Err(error) => {
            found.push(Finding::new(Rule::UnknownMetric, id, format!("its body is no JSON: {error}")));
            return;
        }
    };
    for line in items(&widgets).iter().flat_map(|widget| items(&widget["properties"]["metrics"])) {
        let words: Vec<&str> = items(line).into_iter().filter_map(Value::as_str).collect();
        if let [namespace, name, labels @ ..] = words.as_slice() {
            metric(id, namespace, name, &labels.iter().step_by(2).copied().collect::<Vec<_>>(), found);
        }
        if let Some(search) = line[0]["expression"].as_str().and_then(|text| text.strip_prefix("SEARCH('{")) {
            let labels: Vec<&str> = search.split('}').next().unwrap_or_default().split(',').collect();
            let name =
                search.split("MetricName=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
            metric(id, labels[0], name, &labels[1..], found);
        }
    }
}

/// One of ours, by the stack alone or by one label more, which is how it is written; or one of a service.
fn metric(id: &str, namespace: &str, name: &str, labels: &[&str], found: &mut Vec<Finding>) {
    let is_known = if namespace == telemetry::emf::NAMESPACE {
        let mut known = telemetry::metrics().filter(|metric| metric.name == name);
        known.any(|metric| match labels {
            ["stack"] => true,
            ["stack", label] => metric.labels.contains(label),
            _ => false,
        })
    } else {
        SERVICES.contains(&namespace)
    };
    if !is_known {
        found.push(Finding::new(Rule::UnknownMetric, id, format!("{namespace} {name} by {labels:?}")));
    }
}
