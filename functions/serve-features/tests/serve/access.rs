//! Who may ask: TLS, tokens and callers' certificates, over every protocol.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use connectrpc::{ErrorCode, Protocol};
use connectrpc_health::HealthClient;
use connectrpc_health::wire::{HealthCheckRequest, ServingStatus};
use features::MINUTE_MS;
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use serve_features::access::Access;
use serve_features::client::{self, Credentials};
use serve_features::native::{Exposure, NativeError, NativeServer, Tls, TlsError};
use serve_features::secret_file::FileError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::connections::http;
use crate::running::{Certificates, PROTOCOLS, Running, TOKEN};
use crate::world::{CALLER, MIDNIGHT, World, ask, history, integer};

const PATH: &str = "/tollwatch.v1.FeatureService/GetFeatures";
const NOW: i64 = MIDNIGHT + 5 * MINUTE_MS;

fn world() -> World {
    World::new(history(NOW + 1), NOW).with_snapshot(1)
}

#[tokio::test]
async fn a_token_is_needed_over_every_protocol() {
    let certificates = Certificates::new();
    let running = Running::start(world().service().await, certificates.with_token()).await;
    let known = certificates.with_token_of(certificates.path("tokens"));
    let wrong = certificates.with_token_of(certificates.write("wrong", &TOKEN.replace('0', "1")));
    for protocol in PROTOCOLS {
        let request = ask(CALLER, &["calls_7d"]);
        let answer = running.client(&known, protocol).get_features(request.clone()).await.unwrap().into_owned();
        assert!(integer(&answer, "calls_7d") > 0, "{protocol:?}");
        for stranger in [&certificates.stranger(), &wrong] {
            let error = running.client(stranger, protocol).get_features(request.clone()).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::Unauthenticated, "{protocol:?}: {error}");
            assert!(error.message.as_deref().unwrap().contains("authorization: Bearer"), "{error}");
            assert_eq!(client::error_detail(&error).unwrap().reason, "unauthenticated", "{protocol:?}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn without_a_token_json_gets_a_401_that_says_how() {
    let exposure = Exposure { tls: None, ..Certificates::new().with_token() };
    let running = Running::start(world().service().await, exposure).await;
    let body = r#"{"number": "+12025550101"}"#;
    let answer = http(running.address, "POST", PATH, "", body).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
    assert!(answer.contains(r#""code":"unauthenticated""#), "{answer}");
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let answer = http(running.address, "POST", PATH, &token, body).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Whoever is still sending can go on and reads the refusal, also of what is asked next.
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = |connection: &str| {
        format!(
            "POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: 20\r\n{connection}\r\n"
        )
    };
    stream.write_all(format!("{}0123456789", head("")).as_bytes()).await.unwrap();
    let rest = format!("0123456789{}01234567890123456789", head("Connection: close\r\n"));
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 401").count(), 2, "{answers}");
    running.stop().await;
}

#[tokio::test]
async fn health_is_open_and_what_lasts_or_tells_more_is_not() {
    let certificates = Certificates::new();
    let running = Running::start(world().service().await, certificates.with_token()).await;
    let health = |credentials: &Credentials| {
        let (config, transport) = client::parts(&running.url(), credentials, Protocol::Grpc).unwrap();
        HealthClient::new(transport, config)
    };
    let request = HealthCheckRequest { service: String::new(), ..Default::default() };
    let stranger = health(&certificates.stranger());
    let status = stranger.check(request.clone()).await.unwrap().into_owned().status;
    assert_eq!(status, ServingStatus::SERVING);
    let watched = stranger.watch(request).await;
    let code = match watched {
        Err(error) => error.code,
        Ok(mut stream) => {
            assert!(stream.message::<connectrpc_health::wire::HealthCheckResponse>().await.unwrap().is_none());
            stream.error().unwrap().code
        }
    };
    assert_eq!(code, ErrorCode::Unauthenticated);
    running.stop().await;
}

#[tokio::test]
async fn callers_without_a_certificate_of_the_authority_are_not_served() {
    let certificates = Certificates::new();
    let running = Running::start(world().service().await, certificates.with_client_certificates()).await;
    let others = Certificates::new();
    let foreign = Credentials { authorities: Some(certificates.path("ca.pem")), ..others.with_certificate("client") };
    for protocol in PROTOCOLS {
        let request = ask(CALLER, &["calls_7d"]);
        let known = running.client(&certificates.with_certificate("client"), protocol);
        assert!(known.get_features(request.clone()).await.is_ok(), "{protocol:?}");
        // A certificate for servers is none for callers.
        for stranger in [certificates.stranger(), foreign.clone(), certificates.with_certificate("server")] {
            let error = running.client(&stranger, protocol).get_features(request.clone()).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::Unavailable, "{protocol:?}: {error}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_caller_believes_the_authority_alone() {
    let certificates = Certificates::new();
    let running = Running::start(world().service().await, certificates.with_token()).await;
    let others = Certificates::new();
    let credentials = others.with_token_of(certificates.path("tokens"));
    let error = running.client(&credentials, Protocol::Grpc).get_features(ask(CALLER, &[])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unavailable, "{error}");
    running.stop().await;
}

#[tokio::test]
async fn other_machines_are_not_let_in_by_chance() {
    let certificates = Certificates::new();
    let service = world().service().await;
    let anywhere: [SocketAddr; 2] = ["0.0.0.0:0".parse().unwrap(), "[::]:0".parse().unwrap()];
    let tls = Exposure { access: None, ..certificates.with_token() };
    let token = Exposure { tls: None, ..certificates.with_token() };
    for (exposure, lack) in
        [(Exposure::default(), "TLS and tokens"), (tls, "anybody could ask"), (token, "read on the way")]
    {
        for address in anywhere {
            let Err(error) = NativeServer::bind_with(address, Arc::clone(&service), exposure.clone()).await else {
                panic!("{address} was taken without {lack}")
            };
            assert!(matches!(error, NativeError::Exposed { .. }), "{error}");
            assert!(error.to_string().contains(lack) && error.to_string().contains("--tls-cert"), "{error}");
        }
        let insecure = Exposure { is_insecure: true, ..exposure.clone() };
        assert!(insecure.check(anywhere[0]).is_ok());
        for address in ["127.0.0.1:0", "[::1]:0", "127.8.0.1:0", "[::ffff:127.0.0.1]:0"] {
            assert!(exposure.check(address.parse().unwrap()).is_ok(), "{address}");
        }
    }
    for exposure in [certificates.with_token(), certificates.with_client_certificates()] {
        assert!(NativeServer::bind_with(anywhere[0], Arc::clone(&service), exposure).await.is_ok());
    }
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_and_a_broken_pair_is_not() {
    let certificates = Certificates::new();
    let running = Running::start(world().service().await, certificates.with_client_certificates()).await;
    let asked = async |name: &str| {
        let client = running.client(&certificates.with_certificate(name), Protocol::Grpc);
        client.get_features(ask(CALLER, &["calls_7d"])).await.is_ok()
    };
    let tls = Arc::clone(running.exposure.tls.as_ref().unwrap());
    assert!(!tls.reload().unwrap());
    // Half replaced, as it is for a moment.
    let old_key = fs::read_to_string(certificates.path("server.key")).unwrap();
    certificates.issue("server", ServerAuth);
    let new_key = fs::read_to_string(certificates.path("server.key")).unwrap();
    certificates.write("server.key", &old_key);
    assert!(matches!(tls.reload(), Err(TlsError::NotAPair { .. })));
    assert!(asked("client").await);
    certificates.write("server.key", &new_key);
    assert!(tls.reload().unwrap());
    assert!(asked("client").await);
    // Another authority for callers: those of the one before are strangers now.
    certificates.issue("second", ClientAuth);
    let others = Certificates::new();
    certificates.write("ca-of-before.pem", &fs::read_to_string(certificates.path("ca.pem")).unwrap());
    certificates.write("ca.pem", &fs::read_to_string(others.path("ca.pem")).unwrap());
    running.exposure.reload();
    let believing = |credentials: Credentials| Credentials {
        authorities: Some(certificates.path("ca-of-before.pem")),
        ..credentials
    };
    let request = ask(CALLER, &["calls_7d"]);
    let before = running.client(&believing(certificates.with_certificate("second")), Protocol::Grpc);
    assert!(before.get_features(request.clone()).await.is_err());
    let now = running.client(&believing(others.with_certificate("client")), Protocol::Grpc);
    assert!(now.get_features(request).await.is_ok());
    running.stop().await;
}

#[tokio::test]
async fn a_token_that_is_taken_from_the_file_is_refused_on_a_connection_that_stands() {
    let certificates = Certificates::new();
    let running = Running::start(world().service().await, certificates.with_token()).await;
    let mine = certificates.with_token_of(certificates.write("mine", TOKEN));
    let client = running.client(&mine, Protocol::Grpc);
    assert!(client.get_features(ask(CALLER, &["calls_7d"])).await.is_ok());
    certificates.write("tokens", &TOKEN.replace('0', "1"));
    running.exposure.reload();
    let error = client.get_features(ask(CALLER, &["calls_7d"])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unauthenticated);
    running.stop().await;
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_rule() {
    let certificates = Certificates::new();
    let open = || Tls::open(certificates.files(None)).unwrap_err().to_string();
    let is_named = |name: &str, rule: &str| {
        let error = open();
        assert!(error.contains(name) && error.contains(rule), "{error}");
    };
    let key = fs::read_to_string(certificates.path("server.key")).unwrap();
    fs::set_permissions(certificates.path("server.key"), fs::Permissions::from_mode(0o644)).unwrap();
    is_named("server.key", "chmod 600");
    certificates.write("server.key", "no key at all");
    is_named("server.key", "BEGIN PRIVATE KEY");
    // A key that is cut in the middle is not repeated in the error.
    certificates.write("server.key", &key[..key.len() / 2]);
    is_named("server.key", "no private key");
    assert!(!open().contains(&key[40..60]));
    fs::remove_file(certificates.path("server.key")).unwrap();
    is_named("server.key", "cannot be read");
    certificates.write("server.pem", &key);
    certificates.write("server.key", &key);
    is_named("server.pem", "no certificate");
    assert!(matches!(Access::open(&certificates.path("none")), Err(error) if error.to_string().contains("none")));
    let authority = certificates.write("empty.pem", "");
    assert!(matches!(
        Tls::open(certificates.files(Some(&authority))),
        Err(TlsError::NoCertificate { file }) if file == authority
    ));
    let missing = certificates.files(Some(&certificates.path("gone.pem")));
    assert!(matches!(Tls::open(missing), Err(TlsError::File(FileError::Unreadable { .. }))));
}
