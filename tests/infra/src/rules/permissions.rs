//! Least privilege.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rules::{Finding, Rule};
use crate::template::{Template, items, possible, references, walk};

/// Actions for which AWS has no resources, each with where that is said.
const WITHOUT_RESOURCES: [&str; 2] = [
    // https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
];

pub(super) fn check(template: &Template, found: &mut Vec<Finding>) {
    for (id, resource) in template.resources() {
        // The resource of a key policy is its key, which is written as *.
        let is_key = resource["Type"] == "AWS::KMS::Key";
        walk(&resource["Properties"], &mut |part| {
            if part["Effect"] == "Allow" {
                actions(id, part, found);
                if !is_key {
                    resources(id, part, found);
                }
            }
        });
    }
    roles(template, found);
}

fn actions(id: &str, statement: &Value, found: &mut Vec<Finding>) {
    if statement.get("NotAction").is_some() {
        found.push(Finding::new(Rule::WildcardAction, id, "NotAction allows whatever is not in it"));
    }
    for action in items(&statement["Action"]) {
        if action.as_str().is_none_or(|action| action.contains('*')) {
            found.push(Finding::new(Rule::WildcardAction, id, format!("{action}")));
        }
    }
}

fn resources(id: &str, statement: &Value, found: &mut Vec<Finding>) {
    if statement.get("NotResource").is_some() {
        found.push(Finding::new(Rule::WildcardResource, id, "NotResource allows whatever is not in it"));
    }
    let actions = items(&statement["Action"]);
    let is_exempt =
        actions.iter().all(|action| action.as_str().is_some_and(|text| WITHOUT_RESOURCES.contains(&text)));
    let resources = items(&statement["Resource"]);
    for resource in resources.iter().flat_map(|resource| possible(resource)) {
        if !is_exempt && is_wildcard(resource) {
            found.push(Finding::new(Rule::WildcardResource, id, format!("{resource}")));
        }
    }
}

/// Whether more than one resource of ours and what lies below it is meant.
fn is_wildcard(resource: &Value) -> bool {
    let text = resource.as_str().or_else(|| resource.get("Fn::Sub").and_then(Value::as_str));
    text.is_some_and(|text| {
        let below = text.strip_suffix("/*").filter(|_| text.starts_with("${") && !text.starts_with("${AWS::"));
        below.unwrap_or(text).contains('*')
    })
}

/// A role belongs to one function, Firehose or schedule.
fn roles(template: &Template, found: &mut Vec<Finding>) {
    let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (role, _) in template.of_type("AWS::IAM::Role") {
        let uses = |resource: &Value| references(&resource["Properties"]).iter().any(|name| name == role);
        users.insert(role, template.resources().filter(|(_, resource)| uses(resource)).map(|(id, _)| id).collect());
    }
    for (role, users) in users.iter().filter(|(_, users)| users.len() > 1) {
        found.push(Finding::new(Rule::SharedRole, role, format!("used by {}", users.join(", "))));
    }
    for (id, function, _) in template.functions() {
        let role = references(&function["Properties"]["Role"]);
        if !role.iter().any(|role| users.contains_key(role.as_str())) {
            found.push(Finding::new(Rule::SharedRole, id, "has no role of the template"));
        }
    }
}
