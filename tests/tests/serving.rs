//! `tollwatch serve` and `tollwatch get` over TLS, with tokens and certificates that `openssl` made as
//! `docs/serving.md` says.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use local_aws::{DynamoStorage, LocalAws, LocalAwsConfig};
use tests::Service;
use tiles::DynamoTiles;

/// The commands of the documentation, as a script.
fn commands() -> String {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/serving.md")).unwrap();
    let begin = text.find("    umask 077").expect("docs/serving.md has the commands");
    let commands = text[begin..].lines().take_while(|line| line.starts_with("    ") || line.is_empty());
    commands.map(str::trim).collect::<Vec<_>>().join("\n")
}

fn run(folder: &Path, arguments: &str) -> Output {
    tokio::task::block_in_place(|| tests::run(folder, arguments))
}

/// With its colon.
fn port_of(url: &str) -> String {
    format!(":{}", url.rsplit(':').next().unwrap())
}

#[track_caller]
fn refused(folder: &Path, arguments: &str, says: &[&str]) {
    let output = run(folder, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {error}");
    for said in says {
        assert!(error.contains(said), "{arguments}: {error}");
    }
}

/// Ends a service; what it said on the error stream.
fn stop(mut service: Service) -> String {
    service.signal("-TERM");
    assert!(service.child.wait().unwrap().success());
    let mut error = String::new();
    service.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    error
}

/// A DynamoDB with an empty table of tiles, where it is, and an empty folder of data.
async fn without_calls(folder: &Path) -> (LocalAws, String) {
    let local = LocalAws::start(LocalAwsConfig::default().with_dynamodb(DynamoStorage::Memory)).await.unwrap();
    DynamoTiles::new(local.dynamodb().unwrap(), "tiles").create_table_if_missing().await.unwrap();
    let dynamodb = local.endpoints().dynamodb.unwrap();
    fs::create_dir(folder.join("data")).unwrap();
    (local, dynamodb)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_reached_with_tls_and_a_token_and_in_no_other_way() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let (_local, dynamodb) = without_calls(folder).await;
    let made = Command::new("sh").args(["-e", "-c", &commands()]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{made:?}");

    let serve =
        |address: &str| format!("serve --address {address} --tiles tiles --data data --endpoint-url {dynamodb}");
    let tls = "--tls-cert server.pem --tls-key server.key";
    // Not for everybody by chance, before anything else is looked at.
    refused(
        folder,
        &serve("0.0.0.0:0"),
        &["reached from other machines", "--tls-cert", "--token-file", "--insecure"],
    );
    refused(folder, &format!("{} {tls}", serve("[::]:0")), &["anybody could ask"]);
    refused(folder, &format!("{} --token-file tokens", serve("0.0.0.0:0")), &["read on the way"]);
    refused(folder, &format!("{} --tls-cert server.pem", serve("127.0.0.1:0")), &["--tls-key"]);
    refused(folder, &format!("{} --client-ca ca.pem", serve("127.0.0.1:0")), &["--tls-cert"]);
    refused(folder, &serve("localhost:50051"), &["--address", "an IP address and a port, such as 127.0.0.1:50051"]);
    refused(folder, &format!("{} --max-in-flight 0", serve("127.0.0.1:0")), &["0 is no limit"]);
    let swapped = "--tls-cert server.pem --tls-key client.key";
    refused(folder, &format!("{} {swapped}", serve("127.0.0.1:0")), &["client.key is not the key"]);
    fs::set_permissions(folder.join("tokens"), fs::Permissions::from_mode(0o644)).unwrap();
    refused(folder, &format!("{} {tls} --token-file tokens", serve("0.0.0.0:0")), &["chmod 600"]);
    fs::set_permissions(folder.join("tokens"), fs::Permissions::from_mode(0o600)).unwrap();

    let service =
        Service::start(folder, &format!("{} {tls} --token-file tokens", serve("127.0.0.1:0")), Stdio::piped());
    assert!(service.url.starts_with("https://127.0.0.1:"), "{}", service.url);
    let get = format!("get +12025550101 --features calls_5m --url {}", service.url);
    let done = run(folder, &format!("{get} --ca ca.pem --token-file dashboard.token"));
    assert!(done.status.success(), "{done:?}");
    assert!(String::from_utf8(done.stdout).unwrap().contains("calls"));
    let mut by_environment = tests::tollwatch();
    by_environment.args(get.split_whitespace()).args(["--ca", "ca.pem"]).current_dir(folder);
    by_environment.env("TOLLWATCH_TOKEN_FILE", "dashboard.token");
    assert!(tokio::task::block_in_place(|| by_environment.status().unwrap()).success());
    refused(folder, &format!("{get} --ca ca.pem"), &["does not know who asks", "--token-file"]);
    refused(folder, &format!("{get} --token-file dashboard.token"), &["certificate", "--ca"]);
    let plain = get.replace("https", "http");
    refused(folder, &plain, &["something answers", "it speaks TLS", &format!("--url {}", service.url)]);
    refused(folder, &plain.replace(&port_of(&service.url), ":1"), &["no service answers"]);
    refused(
        folder,
        &get.replace("https://127.0.0.1", "http://192.0.2.1").replace("get", "get --token-file dashboard.token"),
        &["read the token"],
    );
    // A token that is deleted, without a restart.
    let others = fs::read_to_string(folder.join("tokens")).unwrap().replace("sha256:", "# sha256:")
        + &format!("sha256:{}\n", "0".repeat(64));
    fs::write(folder.join("tokens"), others).unwrap();
    service.signal("-HUP");
    let with_token = format!("{get} --ca ca.pem --token-file dashboard.token");
    while run(folder, &with_token).status.success() {
        tokio::task::yield_now().await;
    }
    refused(folder, &with_token, &["does not know who asks"]);
    let said = stop(service);
    assert!(said.contains("tokens were read again and have changed"), "{said}");
    assert!(!said.contains("can be reached from other machines"), "{said}");

    let service = Service::start(folder, &format!("{} {tls} --client-ca ca.pem", serve("0.0.0.0:0")), Stdio::piped());
    let url = service.url.replace("0.0.0.0", "127.0.0.1");
    let get = format!("get +12025550101 --features calls_5m --ca ca.pem --url {url}");
    let done = run(folder, &format!("{get} --client-cert client.pem --client-key client.key"));
    assert!(done.status.success(), "{done:?}");
    refused(folder, &get, &["no service answers"]);
    drop(service);

    let service = Service::start(folder, &format!("{} --insecure", serve("0.0.0.0:0")), Stdio::piped());
    let there = format!("127.0.0.1{}", port_of(&service.url));
    let get = format!("get +12025550101 --ca ca.pem --url https://{there}");
    refused(folder, &get, &["something answers", "without TLS", &format!("--url http://{there}")]);
    let said = stop(service);
    assert!(said.contains("warning") && said.contains("anybody could ask"), "{said}");
}

/// What whoever runs the service has to know is in its log without being asked for: once, and nothing of what was asked.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_lacks_is_in_its_log_once() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let (local, dynamodb) = without_calls(folder).await;
    // Port 1 is nobody's.
    let serve = "serve --address 127.0.0.1:0 --tiles tiles --data data --cache redis://:hunter2@127.0.0.1:1";
    let service = Service::start(folder, &format!("{serve} --endpoint-url {dynamodb}"), Stdio::piped());
    let get = format!("get +12025550101 --features calls_5m,calls_7d --url {}", service.url);
    let done = run(folder, &get);
    assert!(done.status.success(), "{done:?}");
    local.shutdown().await;
    for _ in 0..3 {
        assert_eq!(run(folder, &get).status.code(), Some(1), "without a store there is no answer");
    }
    let said = stop(service);
    for once in [
        "WARN tollwatch: the shared cache does not answer",
        "cache=\"127.0.0.1:1\"",
        "WARN tollwatch: no snapshot is published",
        "WARN tollwatch: the tile store: failed",
    ] {
        assert_eq!(said.matches(once).count(), 1, "{once}: {said}");
    }
    for never in ["hunter2", "2025550101", "works again"] {
        assert!(!said.contains(never), "{never}: {said}");
    }
}
