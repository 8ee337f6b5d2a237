//! `tollwatch get` at a URL that wants signatures.

use crate::sigv4;
use crate::stand_in::StandIn;

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_question_is_answered_and_one_with_a_wrong_key_is_not() {
    let aws = StandIn::start().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let asked = "--stack fraud get +12025550101 --iam --json";
    let output = aws.run(folder, asked);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    let bodies = aws.account().bodies("lambda:InvokeFunctionUrl").join("");
    assert!(bodies.contains("+12025550101"), "{bodies:?}");

    // A role's session token is signed with the rest.
    let mut command = aws.command(folder);
    command.args(asked.split(' ')).env("AWS_SESSION_TOKEN", "token");
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    assert!(output.status.success(), "{output:?}");

    // Without the stack, the wrong key meets the function URL alone.
    let url = aws.url.clone();
    let mut direct = aws.command(folder);
    direct.args(["get", "+12025550101", "--url", &url, "--iam"]);
    direct.env("AWS_SECRET_ACCESS_KEY", sigv4::SECRET.to_lowercase());
    let output = tokio::task::block_in_place(|| direct.output().unwrap());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("refuses the request") && said.contains("lambda:InvokeFunctionUrl"), "{said}");

    let mut direct = aws.command(folder);
    direct.args(["get", "+12025550101", "--url", &url, "--iam"]).env_remove("AWS_ACCESS_KEY_ID");
    let output = tokio::task::block_in_place(|| direct.output().unwrap());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("--iam needs AWS credentials"), "{said}");
}
