//! The template as it is breaks no rule; broken on purpose, it breaks the one that is meant.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

use infra_tests::{Finding, Rule, Sources, Template, VariablesRead, check};
use serde_json::{Value, json};

/// Functions by logical id and package.
const FUNCTIONS: [(&str, &str); 5] = [
    ("CountCalls", "count-calls"),
    ("ArchiveCalls", "archive-calls"),
    ("RecomputeFeatures", "recompute-features"),
    ("ServeFeatures", "serve-features"),
    ("IngestCalls", "ingest-calls"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn template() -> Template {
    Template::parse(&text("infra/template.yaml")).unwrap()
}

fn variables() -> BTreeMap<String, VariablesRead> {
    FUNCTIONS.iter().map(|(id, package)| ((*id).to_owned(), Sources(root()).variables(package).unwrap())).collect()
}

/// What is found after a change.
fn after(change: impl FnOnce(&mut Value)) -> Vec<Finding> {
    let mut template = template();
    change(&mut template.0);
    check(&template, &variables())
}

/// Puts a value where a pointer leads, in an object that is there.
fn set(template: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = template.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {pointer}"));
    match parent {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        other => {
            other.as_object_mut().unwrap().insert(key.to_owned(), value);
        }
    }
}

fn remove(template: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let removed = template.pointer_mut(parent).and_then(|parent| parent.as_object_mut()?.remove(key));
    assert!(removed.is_some(), "there is no {pointer}");
}

/// The change is found by this rule, at this resource, and by no other.
fn bites(rule: Rule, resource: &str, change: impl FnOnce(&mut Value)) {
    let found = after(change);
    let seen: BTreeSet<(Rule, &str)> =
        found.iter().map(|finding| (finding.rule, finding.resource.as_str())).collect();
    assert_eq!(seen, BTreeSet::from([(rule, resource)]), "{found:#?}");
}

/// A property of a resource gets another value; `null` takes it away.
fn with(resource: &str, property: &str, value: Value) -> impl FnOnce(&mut Value) {
    let pointer = format!("/Resources/{resource}/Properties/{property}");
    move |template| if value.is_null() { remove(template, &pointer) } else { set(template, &pointer, value) }
}

#[test]
fn the_template_breaks_no_rule() {
    let found = check(&template(), &variables());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn wildcards_are_found() {
    const STATEMENT: &str = "Policies/0/PolicyDocument/Statement/1";
    let statement = |field: &str| format!("{STATEMENT}/{field}");
    let all_but = |template: &mut Value| {
        remove(template, &format!("/Resources/ServeFeaturesRole/Properties/{STATEMENT}/Action"));
        set(
            template,
            &format!("/Resources/ServeFeaturesRole/Properties/{STATEMENT}/NotAction"),
            json!("s3:GetObject"),
        );
    };
    for action in [json!("*"), json!("dynamodb:*"), json!(["dynamodb:Query", "dynamodb:Get*"])] {
        bites(Rule::WildcardAction, "ServeFeaturesRole", with("ServeFeaturesRole", &statement("Action"), action));
    }
    bites(Rule::WildcardAction, "ServeFeaturesRole", all_but);
    bites(Rule::WildcardAction, "Key", with("Key", "KeyPolicy/Statement/0/Action", json!("kms:*")));
    let others = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/*";
    let either = json!({"Fn::If": ["CustomerKey", "*", {"Fn::GetAtt": ["TileTable", "Arn"]}]});
    for resource in
        [json!("*"), json!(["*"]), json!({"Fn::Sub": others}), either, json!({"Fn::Sub": "${AWS::StackName}/*"})]
    {
        bites(
            Rule::WildcardResource,
            "ServeFeaturesRole",
            with("ServeFeaturesRole", &statement("Resource"), resource),
        );
    }
    // The exception is for two actions, not for their statement.
    let traces = "Policies/2/Fn::If/1/PolicyDocument/Statement/0/Action/0";
    bites(Rule::WildcardResource, "IngestCallsRole", with("IngestCallsRole", traces, json!("s3:GetObject")));
}

#[test]
fn a_shared_role_is_found() {
    let other = json!({"Fn::GetAtt": ["CountCallsRole", "Arn"]});
    let found = after(with("ServeFeatures", "Role", other));
    let rules: Vec<(Rule, &str)> = found.iter().map(|finding| (finding.rule, finding.resource.as_str())).collect();
    // The role that was left over is told of, too.
    assert_eq!(rules, [(Rule::SharedRole, "CountCallsRole"), (Rule::UnusedResource, "ServeFeaturesRole")]);
    bites(Rule::SharedRole, "ArchiveStreamRole", |template| {
        set(
            template,
            "/Resources/DailyBatch/Properties/Target/RoleArn",
            json!({"Fn::GetAtt": ["ArchiveStreamRole", "Arn"]}),
        );
        remove(template, "/Resources/DailyBatchRole");
    });
    bites(Rule::SharedRole, "IngestCalls", |template| {
        remove(template, "/Resources/IngestCallsRole");
        set(template, "/Resources/IngestCalls/Properties/Role", json!("arn:aws:iam::111122223333:role/admin"));
    });
}

#[test]
fn what_exactly_once_rests_on_is_found_missing() {
    let mapping = |property, value| with("CountCallsMapping", property, value);
    for value in [json!(2), json!(10), json!({"Ref": "BatchSize"}), Value::Null] {
        bites(Rule::ParallelBatches, "CountCallsMapping", mapping("ParallelizationFactor", value));
    }
    bites(
        Rule::ParallelBatches,
        "ServeFeatures",
        with("ServeFeatures", "Events", json!({"Calls": {"Type": "Kinesis"}})),
    );
    bites(Rule::NoItemFailures, "CountCallsMapping", mapping("FunctionResponseTypes", Value::Null));
    bites(Rule::NoBisect, "CountCallsMapping", mapping("BisectBatchOnFunctionError", json!(false)));
    bites(Rule::BoundedRetries, "CountCallsMapping", mapping("MaximumRetryAttempts", json!(100)));
    bites(Rule::BoundedRetries, "CountCallsMapping", mapping("MaximumRecordAgeInSeconds", json!(86_400)));
    bites(Rule::NothingSetAside, "CountCallsMapping", mapping("DestinationConfig", Value::Null));
    bites(Rule::TableWithoutTtl, "TileTable", with("TileTable", "TimeToLiveSpecification", Value::Null));
    bites(
        Rule::TableWithoutTtl,
        "TileTable",
        with("TileTable", "TimeToLiveSpecification/AttributeName", json!("expires")),
    );
    bites(
        Rule::TableWithoutRecovery,
        "TileTable",
        with("TileTable", "PointInTimeRecoverySpecification", Value::Null),
    );
}

#[test]
fn a_bucket_that_is_open_or_bare_is_found() {
    const BUCKET: &str = "ArchiveBucket";
    const STATEMENTS: &str = "/Resources/ArchiveBucketPolicy/Properties/PolicyDocument/Statement";
    bites(
        Rule::PublicBucket,
        BUCKET,
        with(BUCKET, "PublicAccessBlockConfiguration/RestrictPublicBuckets", json!(false)),
    );
    bites(Rule::PublicBucket, BUCKET, with(BUCKET, "PublicAccessBlockConfiguration", Value::Null));
    bites(Rule::PublicBucket, BUCKET, with(BUCKET, "AccessControl", json!("PublicRead")));
    bites(Rule::PublicBucket, BUCKET, |template| {
        let everybody = json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject",
            "Resource": {"Fn::Sub": "${ArchiveBucket.Arn}/*"}});
        template.pointer_mut(STATEMENTS).unwrap().as_array_mut().unwrap().push(everybody);
    });
    let tls: [(&str, Value); 4] = [
        ("Effect", json!("Allow ")),
        ("Action", json!("s3:GetObject")),
        ("Resource", json!({"Fn::GetAtt": [BUCKET, "Arn"]})),
        ("Condition", json!({"Bool": {"aws:SecureTransport": "true"}})),
    ];
    for (field, value) in tls {
        bites(Rule::BucketWithoutTls, BUCKET, |template| set(template, &format!("{STATEMENTS}/0/{field}"), value));
    }
    bites(Rule::BucketWithoutTls, BUCKET, |template| remove(template, "/Resources/ArchiveBucketPolicy"));
    bites(Rule::Unencrypted, BUCKET, with(BUCKET, "BucketEncryption", Value::Null));
    bites(Rule::Unencrypted, "Stream", with("Stream", "StreamEncryption", Value::Null));
    bites(Rule::Unencrypted, "FailedBatches", with("FailedBatches", "SqsManagedSseEnabled", json!(false)));
    bites(Rule::Unencrypted, "AlarmTopic", with("AlarmTopic", "KmsMasterKeyId", Value::Null));
    bites(Rule::Unencrypted, "TileTable", with("TileTable", "SSESpecification", Value::Null));
    bites(Rule::BucketNotRetained, BUCKET, |template| remove(template, "/Resources/ArchiveBucket/DeletionPolicy"));
    bites(Rule::UploadsKept, BUCKET, with(BUCKET, "LifecycleConfiguration/Rules", json!([])));
}

#[test]
fn a_function_that_lacks_something_is_found() {
    for alarm in ["IngestCallsErrorsAlarm", "IngestCallsThrottlesAlarm", "IngestCallsDurationAlarm"] {
        bites(Rule::FunctionWithoutAlarm, "IngestCalls", |template| remove(template, &format!("/Resources/{alarm}")));
    }
    bites(Rule::DurationAlarmElsewhere, "CountCalls", with("CountCalls", "Timeout", json!(120)));
    bites(Rule::FunctionWithoutLog, "CountCalls", with("CountCallsLog", "RetentionInDays", Value::Null));
    bites(Rule::FunctionWithoutLog, "CountCalls", with("CountCalls", "LoggingConfig", Value::Null));
    bites(Rule::OpenUrl, "ServeFeatures", with("ServeFeatures", "FunctionUrlConfig/AuthType", json!("NONE")));
    bites(Rule::BuiltElsewhere, "CountCalls", |template| {
        remove(template, "/Resources/CountCalls/Metadata/BuildMethod");
    });
}

#[test]
fn variables_are_those_that_the_code_reads() {
    let environment = |name: &str| format!("Environment/Variables/{name}");
    bites(Rule::VariableNotRead, "ServeFeatures", with("ServeFeatures", &environment("CACHE_MEGABYTES"), json!("1")));
    bites(Rule::VariableNotSet, "CountCalls", with("CountCalls", &environment("QUARANTINE"), Value::Null));
    for (id, read) in variables() {
        assert!(read.named.contains("FEATURES_FILE"), "{id}: {read:?}");
    }
}

#[test]
fn an_alarm_that_nobody_hears_or_that_never_fires_is_found() {
    bites(Rule::SilentAlarm, "CallsLateAlarm", with("CallsLateAlarm", "AlarmActions", json!([])));
    bites(Rule::UnknownMetric, "BatchFailedAlarm", with("BatchFailedAlarm", "MetricName", json!("batch_runs")));
    bites(Rule::UnknownMetric, "BatchFailedAlarm", with("BatchFailedAlarm", "Namespace", json!("tollwatch")));
    bites(Rule::UnknownMetric, "BatchFailedAlarm", with("BatchFailedAlarm", "Dimensions/1/Name", json!("result")));
    let name = "Metrics/1/MetricStat/Metric/MetricName";
    bites(Rule::UnknownMetric, "CallsLateAlarm", with("CallsLateAlarm", name, json!("lateness_seconds")));
    for (from, to) in
        [("\"tile_writes\"", "\"writes\""), ("stack,within}", "stack,hours}"), ("\\\"runs\\\"", "\\\"run\\\"")]
    {
        bites(Rule::UnknownMetric, "Dashboard", |template| {
            let body = template.pointer_mut("/Resources/Dashboard/Properties/DashboardBody/Fn::Sub").unwrap();
            let changed = body.as_str().unwrap().replace(from, to);
            assert_ne!(*body, changed);
            *body = json!(changed);
        });
    }
    bites(Rule::UnknownMetric, "Dashboard", with("Dashboard", "DashboardBody", json!({"Fn::Sub": "{"})));
}

#[test]
fn what_nothing_uses_is_found() {
    bites(Rule::UnusedResource, "Spare", |template| {
        set(
            template,
            "/Resources/Spare",
            json!({"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 1}}),
        );
    });
    bites(
        Rule::UnusedResource,
        "AlarmSubscription",
        with("AlarmSubscription", "TopicArn", json!("arn:of:elsewhere")),
    );
    bites(Rule::OutputMissing, "IngestUrl", |template| remove(template, "/Outputs/IngestUrl"));
}

#[test]
fn the_makefile_has_a_target_for_each_function() {
    let makefile = text("infra/Makefile");
    for (id, package) in FUNCTIONS {
        assert!(makefile.contains(&format!("build-{id}: FUNCTION := {package}\n")), "{id}");
    }
    assert_eq!(template().functions().count(), FUNCTIONS.len());
}
