//! What `tollwatch doctor` says of an account in which something is wrong.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::sigv4;
use crate::stand_in::{Account, StandIn, manifest, public_access_block};

/// Verdict, what and remedy by check, and the exit code.
fn look(aws: &StandIn, folder: &Path, arguments: &str) -> (BTreeMap<String, [String; 3]>, Option<i32>) {
    let output = aws.run(folder, arguments);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let checks = report["checks"].as_array().unwrap().iter();
    let checks: BTreeMap<_, _> =
        checks.map(|check| (text(check, "check"), ["verdict", "what", "do"].map(|key| text(check, key)))).collect();
    let is_ok = checks.values().all(|[verdict, ..]| verdict != "wrong");
    assert_eq!(report["ok"], is_ok);
    (checks, output.status.code())
}

const DOCS: &str = include_str!("../../../docs/doctor.md");
const LOOK: &str = "--stack fraud doctor --json";

#[tokio::test(flavor = "multi_thread")]
async fn of_a_good_account_everything_is_right() {
    let aws = StandIn::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (checks, code) = look(&aws, folder.path(), LOOK);
    let not_right: Vec<_> = checks
        .iter()
        .filter(|(name, [verdict, ..])| verdict != "ok" && !["sam", "cargo-lambda"].contains(&name.as_str()))
        .collect();
    assert!(not_right.is_empty(), "{not_right:?}");
    assert_eq!(code, Some(0));
    assert_eq!(checks["credentials"][1], "arn:aws:iam::111122223333:user/tester, account 111122223333");

    let output = aws.run(folder.path(), "doctor");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("stack                  not checked  name one with --stack"), "{said}");
}

/// What is changed in the account, the check that is wrong then, what it says, and what it advises.
type Case = (fn(&mut Account), &'static str, &'static str, &'static str);

const CASES: [Case; 18] = [
    (|a| a.stack_status = "UPDATE_ROLLBACK_COMPLETE", "stack", "the last deployment failed", "describe-stack-events"),
    (|a| drop(a.outputs.remove("IngestUrl")), "outputs", "missing: IngestUrl", "deploy the stack"),
    (|a| a.date = Some("Sun, 22 Nov 2020 00:00:00 GMT"), "clock", "ahead of AWS", "NTP"),
    (
        |a| a.answers.get_mut("dynamodb:DescribeTable").unwrap()["Table"]["KeySchema"] = json!([]),
        "table",
        "its keys are not pk (hash) and sk (range)",
        "deploy",
    ),
    (
        |a| {
            a.answers.get_mut("dynamodb:DescribeTimeToLive").unwrap()["TimeToLiveDescription"]["AttributeName"] =
                json!("expires");
        },
        "table expiry",
        "by attribute expires, and tiles have ttl",
        "time to live",
    ),
    (
        |a| {
            a.answers.insert("dynamodb:DescribeContinuousBackups", json!({}));
        },
        "table recovery",
        "point-in-time recovery is DISABLED",
        "update-continuous-backups --table-name tiles",
    ),
    (
        |a| {
            let mapping = &mut a.answers.get_mut("lambda:ListEventSourceMappings").unwrap()["EventSourceMappings"][0];
            mapping["ParallelizationFactor"] = json!(10);
            mapping["State"] = json!("Disabled");
        },
        "event-source mapping",
        "ParallelizationFactor is 10, not 1",
        "--uuid mapping-1",
    ),
    (
        |a| {
            let list = a.answers.get_mut("lambda:ListEventSourceMappings").unwrap();
            let list = list["EventSourceMappings"].as_array_mut().unwrap();
            list.push(list[0].clone());
        },
        "event-source mapping",
        "2 mappings bring the records",
        "delete all but",
    ),
    (
        |a| {
            a.answers.get_mut("kinesis:DescribeStreamSummary").unwrap()["StreamDescriptionSummary"]["RetentionPeriodHours"] =
                json!(168);
        },
        "stream",
        "keeps records for 168 hours, and count-calls was told 24",
        "STREAM_RETENTION_HOURS",
    ),
    (|a| drop(a.answers.remove("kinesis:DescribeStreamSummary")), "stream", "there is no stream calls", "deploy"),
    (
        |a| {
            a.answers.get_mut("lambda:GetFunctionConfiguration").unwrap()["State"] = json!("Failed");
        },
        "serve-features",
        "its state is Failed",
        "deploy again",
    ),
    (
        |a| {
            a.answers.get_mut("lambda:GetFunctionConfiguration").unwrap()["Environment"]["Variables"]["TILE_TABLE"] =
                json!("others");
        },
        "count-calls",
        "variable TILE_TABLE is others, and the stack has tiles",
        "environment",
    ),
    (
        |a| {
            a.answers.get_mut("lambda:GetFunctionConfiguration").unwrap()["Environment"] = json!({});
        },
        "recompute-features",
        "variable INPUT is not set; variable OUTPUT is not set",
        "environment",
    ),
    (
        |a| {
            a.answers.insert("s3:GetBucketPublicAccessBlock", json!(public_access_block("false")));
        },
        "archive bucket",
        "archive does not block public access",
        "put-public-access-block --bucket archive",
    ),
    (|a| drop(a.answers.remove("s3:ListBucket")), "quarantine bucket", "there is no bucket quarantine", "deploy"),
    (
        |a| {
            a.answers.insert("s3:GetObject", json!(manifest(5)));
        },
        "snapshot",
        "5 days ago",
        "recompute-features",
    ),
    (|a| drop(a.answers.remove("s3:GetObject")), "snapshot", "none was ever published", "recompute-features"),
    (
        |a| {
            a.answers.get_mut("sqs:GetQueueAttributes").unwrap()["Attributes"]["ApproximateNumberOfMessages"] =
                json!("12");
        },
        "quarantine",
        "about 12 notices",
        "tollwatch --stack fraud quarantine list",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut unsaid = Vec::new();
    for (change, name, what, remedy) in CASES {
        let aws = StandIn::start().await;
        change(&mut aws.account());
        let (checks, code) = look(&aws, folder.path(), LOOK);
        let [verdict, said, advised] = &checks[name];
        if verdict != "wrong" || !said.contains(what) || !advised.contains(remedy) || code != Some(1) {
            unsaid.push(format!("{name}, {what}: {:?} {code:?}", checks[name]));
        }
    }
    assert!(unsaid.is_empty(), "{unsaid:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_names_the_action_and_the_resource_and_stops_no_other_check() {
    let folder = tempfile::tempdir().unwrap();
    for (action, resource, check) in [
        ("lambda:GetFunctionConfiguration", "function count", "count-calls"),
        ("lambda:ListEventSourceMappings", "*", "event-source mapping"),
        ("kinesis:DescribeStreamSummary", "stream calls", "stream"),
        ("dynamodb:DescribeTable", "table tiles", "table"),
        ("dynamodb:DescribeTimeToLive", "table tiles", "table expiry"),
        ("dynamodb:DescribeContinuousBackups", "table tiles", "table recovery"),
        ("s3:ListBucket", "bucket archive", "archive bucket"),
        ("s3:GetBucketPublicAccessBlock", "bucket snapshots", "snapshot bucket"),
        ("s3:GetObject", "bucket snapshots, snapshots/current.json", "snapshot"),
        ("sqs:GetQueueAttributes", "queue https://sqs.eu-west-1.amazonaws.com/111122223333/notices", "quarantine"),
    ] {
        assert!(DOCS.contains(&format!("`{action}`")), "docs/doctor.md lacks {action}");
        let aws = StandIn::start().await;
        aws.account().refused.insert(action);
        let (checks, code) = look(&aws, folder.path(), LOOK);
        let [verdict, what, _] = &checks["permissions"];
        assert!(verdict == "wrong" && what.contains(&format!("{action} on {resource}")), "{action}: {what}");
        let [verdict, what, _] = &checks[check];
        assert!(verdict == "not checked" && what.contains(action), "{check}: {what}");
        let wrong = checks.values().filter(|[verdict, ..]| verdict == "wrong").count();
        assert_eq!((wrong, code), (1, Some(1)), "{action}: {checks:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_credentials_the_stack_is_not_looked_at() {
    let aws = StandIn::start().await;
    let folder = tempfile::tempdir().unwrap();
    let run = |change: &dyn Fn(&mut std::process::Command)| {
        let mut command = aws.command(folder.path());
        command.args(LOOK.split(' '));
        change(&mut command);
        let output = tokio::task::block_in_place(|| command.output().unwrap());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap().to_string()
    };
    let said = run(&|command| {
        command.env("AWS_SECRET_ACCESS_KEY", sigv4::SECRET.to_lowercase());
    });
    assert!(said.contains("STS refuses them (SignatureDoesNotMatch)"), "{said}");
    assert!(said.contains("first region and credentials must be right"), "{said}");
    let said = run(&|command| {
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    });
    assert!(said.contains("none are found") && said.contains("AWS_PROFILE"), "{said}");
    // The clock is that of a refusal.
    assert!(said.contains(" s behind AWS") || said.contains(" s ahead of AWS"), "{said}");
    let said = run(&|command| {
        command.env_remove("AWS_REGION");
    });
    assert!(said.contains("none is named") && said.contains("AWS_REGION"), "{said}");
    assert!(aws.account().bodies("cloudformation:DescribeStacks").is_empty());
}
