//! What `docs/exactly-once.md` rests on.

use serde_json::{Value, json};

use crate::rules::{Finding, Rule};
use crate::template::{Template, items};

/// Kinesis keeps trying as long as the records are there.
const UNLIMITED: i64 = -1;

pub(super) fn check(template: &Template, found: &mut Vec<Finding>) {
    for (id, mapping) in template.of_type("AWS::Lambda::EventSourceMapping") {
        self::mapping(id, &mapping["Properties"], found);
    }
    // Mappings that SAM would make of a function's events are not looked at: there must be none.
    for (id, function, _) in template.functions() {
        if function["Properties"].get("Events").is_some() {
            found.push(Finding::new(Rule::ParallelBatches, id, "has Events: write the mapping as a resource"));
        }
    }
    for (id, table) in template.of_type("AWS::DynamoDB::Table") {
        self::table(id, &table["Properties"], found);
    }
}

fn mapping(id: &str, mapping: &Value, found: &mut Vec<Finding>) {
    let mut must = |holds: bool, rule, name: &str| {
        if !holds {
            found.push(Finding::new(rule, id, format!("{name} is {}", mapping[name])));
        }
    };
    must(mapping["ParallelizationFactor"] == 1, Rule::ParallelBatches, "ParallelizationFactor");
    let responses = items(&mapping["FunctionResponseTypes"]);
    must(responses.contains(&&json!("ReportBatchItemFailures")), Rule::NoItemFailures, "FunctionResponseTypes");
    must(mapping["BisectBatchOnFunctionError"] == true, Rule::NoBisect, "BisectBatchOnFunctionError");
    must(mapping["MaximumRetryAttempts"] == UNLIMITED, Rule::BoundedRetries, "MaximumRetryAttempts");
    must(mapping["MaximumRecordAgeInSeconds"] == UNLIMITED, Rule::BoundedRetries, "MaximumRecordAgeInSeconds");
    let aside = !mapping["DestinationConfig"]["OnFailure"]["Destination"].is_null();
    must(aside, Rule::NothingSetAside, "DestinationConfig");
}

fn table(id: &str, table: &Value, found: &mut Vec<Finding>) {
    let ttl = &table["TimeToLiveSpecification"];
    // The attribute that crates/tiles writes.
    if ttl["Enabled"] != true || ttl["AttributeName"] != "ttl" {
        found.push(Finding::new(Rule::TableWithoutTtl, id, format!("TimeToLiveSpecification is {ttl}")));
    }
    let recovery = &table["PointInTimeRecoverySpecification"];
    if recovery["PointInTimeRecoveryEnabled"] != true {
        found.push(Finding::new(
            Rule::TableWithoutRecovery,
            id,
            format!("PointInTimeRecoverySpecification is {recovery}"),
        ));
    }
}
