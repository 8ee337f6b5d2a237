//! What a command takes from a stack, and what it says when it cannot.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::stand_in::StandIn;

const CALL: &str = r#"{"call_id":"a-1","caller":"+12025550101","callee":"+442079460018","started_at":"2026-11-21T07:06:05Z","ended_at":"2026-11-21T07:06:06Z","outcome":"busy"}"#;

#[track_caller]
fn done(arguments: &str, output: &Output) -> String {
    assert!(output.status.success(), "{arguments}: {output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

fn calls(folder: &Path) {
    fs::write(folder.join("calls.jsonl"), format!("{CALL}\n")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_are_taken_from_the_outputs_unless_they_are_given() {
    let aws = StandIn::start().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    calls(folder);
    for (arguments, stream) in [
        ("--stack fraud replay --from calls.jsonl", "calls"),
        ("replay --from calls.jsonl --stack fraud", "calls"),
        ("--stack fraud replay --from calls.jsonl --stream mine", "mine"),
        ("replay --from calls.jsonl", "tollwatch-calls"),
    ] {
        aws.account().asked.clear();
        let said = done(arguments, &aws.run(folder, arguments));
        assert!(said.contains(&format!("on stream {stream}")), "{said}");
        let account = aws.account();
        let put = account.bodies("kinesis:PutRecords");
        assert!(put.len() == 1 && put[0].contains(&format!("\"StreamName\":\"{stream}\"")), "{put:?}");
        let is_asked = !account.bodies("cloudformation:DescribeStacks").is_empty();
        assert_eq!(is_asked, stream == "calls", "{arguments}");
    }
    let arguments = "replay --from calls.jsonl";
    aws.account().asked.clear();
    let mut command = aws.command(folder);
    command.args(arguments.split(' ')).env("TOLLWATCH_STACK", "fraud");
    let said = done(arguments, &tokio::task::block_in_place(|| command.output().unwrap()));
    assert!(said.contains("on stream calls"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_endpoint_or_a_command_without_a_stack_asks_nobody() {
    let aws = StandIn::start().await;
    let folder = tempfile::tempdir().unwrap();
    calls(folder.path());
    let local = local_aws::LocalAws::start(local_aws::LocalAwsConfig::default().with_kinesis()).await.unwrap();
    local.create_stream("tollwatch-calls", 1).await.unwrap();
    let replay = format!("replay --from calls.jsonl --endpoint-url {}", local.endpoints().kinesis.unwrap());
    for arguments in [replay.as_str(), "features list"] {
        let mut command = aws.command(folder.path());
        command.args(arguments.split(' ')).env("TOLLWATCH_STACK", "fraud");
        done(arguments, &tokio::task::block_in_place(|| command.output().unwrap()));
        assert!(aws.account().asked.is_empty(), "{arguments}: {:?}", aws.account().asked);
    }
    let typed = aws.run(folder.path(), "--stack fraud features list");
    refused(&typed, &["`tollwatch features list` takes nothing from a stack", "leave --stack out"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_of_a_stack_is_said_with_what_to_do() {
    let aws = StandIn::start().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let list = "--stack fraud snapshots list";
    refused(&aws.run(folder, "--stack other snapshots list"), &["no stack other in eu-west-1", "AWS_REGION"]);
    // Without a stack it is required, and the help says what a stack gives.
    refused(&aws.run(folder, "snapshots list"), &["--output <LOCATION>"]);
    let help = done("help", &aws.run(folder, "snapshots list --help"));
    assert!(help.contains("[with --stack: s3://SnapshotBucket]"), "{help}");

    aws.account().outputs.remove("SnapshotBucket");
    aws.account().stack_status = "ROLLBACK_COMPLETE";
    let words = ["stack fraud (ROLLBACK_COMPLETE) has no output SnapshotBucket", "give --output", "deploy the stack"];
    refused(&aws.run(folder, list), &words);
    aws.account().refused.insert("cloudformation:DescribeStacks");
    refused(&aws.run(folder, list), &["allow cloudformation:DescribeStacks"]);
    let mut command = aws.command(folder);
    command.args(list.split(' ')).env_remove("AWS_REGION");
    refused(&tokio::task::block_in_place(|| command.output().unwrap()), &["no AWS region is named", "AWS_REGION"]);
    let mut command = aws.command(folder);
    command.args(list.split(' ')).env_remove("AWS_ACCESS_KEY_ID");
    refused(&tokio::task::block_in_place(|| command.output().unwrap()), &["check credentials", "tollwatch doctor"]);
}
