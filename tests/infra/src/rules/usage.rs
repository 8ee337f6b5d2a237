//! Nothing is there for nothing.

use serde_json::Value;

use crate::rules::{Finding, Rule};
use crate::template::{Template, references};

/// Outputs that `tollwatch --stack NAME` reads, and people.
const OUTPUTS: [&str; 17] = [
    "StreamName",
    "TileTable",
    "ArchiveBucket",
    "SnapshotBucket",
    "QuarantineBucket",
    "QuarantineQueueUrl",
    "ServiceUrl",
    "IngestUrl",
    "CountCallsFunction",
    "RecomputeFeaturesFunction",
    "ArchiveCallsFunction",
    "ServeFeaturesFunction",
    "IngestCallsFunction",
    "ArchiveStream",
    "CountCallsMapping",
    "AlarmTopicArn",
    "DashboardUrl",
];

/// What acts on another resource by being there. Each names a resource of the template.
const ACTS_BY_ITSELF: [&str; 5] = [
    "AWS::CloudWatch::Alarm",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::Scheduler::Schedule",
];

pub(super) fn check(template: &Template, found: &mut Vec<Finding>) {
    let ids: Vec<&str> = template.resources().map(|(id, _)| id).collect();
    let is_ours = |name: &String| ids.contains(&name.as_str());
    let outputs = references(&template.0["Outputs"]);
    for (id, resource) in template.resources() {
        let by_resource =
            |(other, resource): (&str, &Value)| other != id && references(resource).iter().any(|name| name == id);
        // The URL of a function is `<function>Url`; naming it is naming the function.
        let by_output = outputs.iter().any(|name| name == id || name.strip_suffix("Url") == Some(id));
        let acts = ACTS_BY_ITSELF.iter().any(|kind| resource["Type"] == *kind);
        let acts = acts && references(&resource["Properties"]).iter().any(is_ours);
        if !acts && !by_output && !template.resources().any(by_resource) {
            found.push(Finding::new(Rule::UnusedResource, id, "no output and no other resource names it"));
        }
    }
    for output in OUTPUTS.iter().filter(|output| template.0["Outputs"].get(**output).is_none()) {
        found.push(Finding::new(Rule::OutputMissing, output, "it is not among the outputs"));
    }
}
