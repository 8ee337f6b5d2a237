//! What each function needs around it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::VariablesRead;
use crate::rules::{Finding, Rule};
use crate::template::{Template, references};

/// Part of its timeout at which a function is near it.
const NEAR_TIMEOUT: f64 = 0.8;

/// Variables that functions do without here, and why.
const LEFT_OUT: [&str; 0] = [];

pub(super) fn check(template: &Template, variables: &BTreeMap<String, VariablesRead>, found: &mut Vec<Finding>) {
    for (id, function, set) in template.functions() {
        let properties = &function["Properties"];
        alarms(template, id, properties, found);
        log(template, id, properties, found);
        if let Some(read) = variables.get(id) {
            environment(id, &set, read, found);
        }
        if let Some(url) = properties.get("FunctionUrlConfig")
            && url["AuthType"] != "AWS_IAM"
        {
            found.push(Finding::new(Rule::OpenUrl, id, format!("AuthType is {}", url["AuthType"])));
        }
        let globals = &template.0["Globals"]["Function"];
        if function["Metadata"]["BuildMethod"] != "makefile" || globals["Architectures"] != json!(["arm64"]) {
            found.push(Finding::new(Rule::BuiltElsewhere, id, "it is not built by the Makefile for arm64"));
        }
    }
}

fn alarms(template: &Template, id: &str, function: &Value, found: &mut Vec<Finding>) {
    let dimensions = json!([{"Name": "FunctionName", "Value": {"Ref": id}}]);
    let of = |metric: &str| {
        let alarms = template.of_type("AWS::CloudWatch::Alarm").map(|(_, alarm)| &alarm["Properties"]);
        let mut alarms =
            alarms.filter(|alarm| alarm["Namespace"] == "AWS/Lambda" && alarm["Dimensions"] == dimensions);
        alarms.find(|alarm| alarm["MetricName"] == metric)
    };
    for metric in ["Errors", "Throttles", "Duration"] {
        if of(metric).is_none() {
            found.push(Finding::new(Rule::FunctionWithoutAlarm, id, format!("no alarm on its {metric}")));
        }
    }
    if let (Some(alarm), Some(timeout_s)) = (of("Duration"), function["Timeout"].as_f64()) {
        let near_ms = timeout_s * 1000.0 * NEAR_TIMEOUT;
        if alarm["Threshold"].as_f64() != Some(near_ms) || alarm["Statistic"] != "Maximum" {
            let what = format!("its longest should alarm at {near_ms} ms, not {}", alarm["Threshold"]);
            found.push(Finding::new(Rule::DurationAlarmElsewhere, id, what));
        }
    }
}

fn log(template: &Template, id: &str, function: &Value, found: &mut Vec<Finding>) {
    let groups = references(&function["LoggingConfig"]["LogGroup"]);
    let kept = |(group, properties): (&str, &Value)| {
        groups.iter().any(|name| name == group) && !properties["Properties"]["RetentionInDays"].is_null()
    };
    if !template.of_type("AWS::Logs::LogGroup").any(kept) {
        found.push(Finding::new(Rule::FunctionWithoutLog, id, "no log group with a retention"));
    }
}

fn environment(id: &str, set: &[&str], read: &VariablesRead, found: &mut Vec<Finding>) {
    for name in set.iter().filter(|name| !read.named.contains(**name)) {
        found.push(Finding::new(Rule::VariableNotRead, id, *name));
    }
    let needed = read.required.iter().filter(|name| !LEFT_OUT.contains(&name.as_str()));
    for name in needed.filter(|name| !set.contains(&name.as_str())) {
        found.push(Finding::new(Rule::VariableNotSet, id, name));
    }
}
