//! The same answer over every protocol, native and behind Lambda.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::world::{CALLER, MIDNIGHT, Mood, World, ask, history, integer};
use buffa::Message;
use connectrpc::client::{ClientConfig, HttpClient};
use connectrpc::{ConnectRpcService, ErrorCode, Protocol};
use connectrpc_health::HealthClient;
use connectrpc_health::wire::{HealthCheckRequest, ServingStatus};
use features::MINUTE_MS;
use lambda_http::IntoResponse as _;
use lambda_http::aws_lambda_events::encodings::Body;
use proto::legacy::FeatureRequest;
use proto::v1::{FeatureServiceClient, GetFeaturesResponse};
use serve_features::DEGRADED_HEADER;
use serve_features::native::{NativeError, NativeServer};
use serve_features::{DEADLINE_MAX, Service, client, lambda, router};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const NOW: i64 = MIDNIGHT + 5 * MINUTE_MS;

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), NativeError>>,
}

impl Running {
    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn config(&self, protocol: Protocol) -> ClientConfig {
        ClientConfig::new(self.url().parse().unwrap()).with_protocol(protocol)
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }
}

async fn service() -> Arc<Service> {
    World::new(history(NOW + 1), NOW).with_snapshot(1).service().await
}

async fn start() -> Running {
    start_with(service().await).await
}

async fn start_with(service: Arc<Service>) -> Running {
    let server = NativeServer::bind(LOOPBACK, service).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(server.serve(async {
        stopped.await.unwrap();
    }));
    Running { address, stop, served }
}

#[tokio::test]
async fn grpc_grpc_web_and_connect_say_the_same() {
    let running = start().await;
    let request = ask(CALLER, &["calls", "velocity_7d", "mean_talk_ms_1h"]);
    let expected = service().await.get(&request).await.unwrap();
    assert!(integer(&expected, "calls_7d") > 0);

    let grpc = client::connect(&running.url()).unwrap();
    assert_eq!(grpc.get_features(request.clone()).await.unwrap().into_owned(), expected);
    for protocol in [Protocol::GrpcWeb, Protocol::Connect] {
        let client = FeatureServiceClient::new(HttpClient::plaintext(), running.config(protocol));
        assert_eq!(client.get_features(request.clone()).await.unwrap().into_owned(), expected, "{protocol:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn connect_json_is_plain_http() {
    let running = start().await;
    let body = format!(r#"{{"number": "{CALLER}", "features": ["calls_5m", "calls_7d"]}}"#);
    let (status, answer) = post(running.address, "/tollwatch.v1.FeatureService/GetFeatures", &body).await;
    assert_eq!(status, 200, "{answer}");
    let expected = service().await.get(&ask(CALLER, &["calls_5m", "calls_7d"])).await.unwrap();
    assert_eq!(answer["entity"]["key"], CALLER);
    assert_eq!(answer["asOf"], "2026-11-21T00:05:00Z");
    assert_eq!(answer["values"][0]["id"], "calls_5m");
    assert_eq!(answer["values"][0]["windowStart"], "2026-11-21T00:00:00Z");
    assert_eq!(answer["values"][1]["source"], "SOURCE_MERGED");
    assert_eq!(answer["values"][1]["integer"], integer(&expected, "calls_7d").to_string());

    let (status, answer) = post(running.address, "/FeatureService/GetFeatures", r#"{"user_id": "2025550101"}"#).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["features"]["count_phone_7d"], integer(&expected, "calls_7d").to_string());
    running.stop().await;
}

/// The older answer has no field for it.
#[tokio::test]
async fn the_older_service_says_in_a_header_what_is_not_as_it_ought_to_be() {
    let world = World::new(history(NOW + 1), NOW).with_snapshot(1);
    let running = start_with(world.service().await).await;
    for protocol in [Protocol::Grpc, Protocol::GrpcWeb, Protocol::Connect] {
        let transport = HttpClient::plaintext_http2_only();
        let config = running.config(protocol);
        let client = proto::legacy::FeatureServiceClient::new(transport, config);
        let request = || FeatureRequest { user_id: CALLER.to_owned(), ..Default::default() };
        world.tiles_down.store(false, Ordering::Relaxed);
        let well = client.get_features(request()).await.unwrap();
        assert_eq!(well.headers().get(DEGRADED_HEADER), None, "{protocol:?}");
        world.tiles_down.store(true, Ordering::Relaxed);
        let ill = client.get_features(request()).await.unwrap();
        let said = ill.headers()[DEGRADED_HEADER].to_str().unwrap();
        assert!(said.contains("the tile store did not answer"), "{protocol:?}: {said}");
    }
    running.stop().await;
}

#[tokio::test]
async fn an_error_carries_its_reason_over_every_protocol() {
    let running = start().await;
    for protocol in [Protocol::Grpc, Protocol::GrpcWeb, Protocol::Connect] {
        let transport = match protocol {
            Protocol::Grpc => HttpClient::plaintext_http2_only(),
            _ => HttpClient::plaintext(),
        };
        let client = FeatureServiceClient::new(transport, running.config(protocol));
        let error = client.get_features(ask("anonymous", &[])).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument, "{protocol:?}");
        let detail = client::error_detail(&error).unwrap();
        assert_eq!((detail.reason.as_str(), detail.field.as_str()), ("number_anonymous", "number"));
        assert_eq!(detail.value_length, 9);
    }
    running.stop().await;
}

/// Who writes JSON by hand is told which field and what it must be, and never what was sent.
#[tokio::test]
async fn json_that_cannot_be_read_is_told_apart() {
    let running = start().await;
    for (sent, expected) in [
        (r#"{"number":"+12025550101","level":"prefix"}"#, "level must be one of LEVEL_UNSPECIFIED, LEVEL_PHONE, "),
        (r#"{"number":"+12025550101","asOf":"2026-11-20"}"#, "as_of must be a moment as RFC 3339 has it"),
        (r#"{"number":"+12025550101","features":"calls"}"#, "features must be a list in brackets, each a string"),
        (r#"{"number":12025550101}"#, "number must be a string in quotes"),
        (r#"{"number":"+12025550101""#, "the request is no JSON: EOF while parsing an object at line 1 column 24"),
        (r#""+12025550101""#, "the request must be an object in braces"),
    ] {
        let (status, answer) = post(running.address, "/tollwatch.v1.FeatureService/GetFeatures", sent).await;
        let text = answer["message"].as_str().unwrap();
        assert_eq!((status, answer["code"].as_str().unwrap()), (400, "invalid_argument"), "{answer}");
        assert!(text.starts_with(expected), "{sent}: {text}");
        assert!(!text.contains("2025550101") && !text.contains("\"prefix") && !text.contains("11-20"), "{text}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let running = start().await;
    let client = client::connect(&running.url()).unwrap();
    let error = client.get_features(ask(&"1".repeat(600 * 1024), &[])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ResourceExhausted);
    running.stop().await;
}

#[tokio::test]
async fn health_and_reflection_are_served() {
    let running = start().await;
    let transport = HttpClient::plaintext_http2_only();
    let health = HealthClient::new(transport, running.config(Protocol::Grpc));
    for service in ["", "tollwatch.v1.FeatureService", "FeatureService"] {
        let request = HealthCheckRequest { service: service.to_owned(), ..Default::default() };
        let status = health.check(request).await.unwrap().into_owned().status;
        assert_eq!(status, ServingStatus::SERVING, "{service}");
    }
    let reflector = connectrpc_reflection::Reflector::from_descriptor_set_bytes(proto::DESCRIPTORS).unwrap();
    let names = reflector.service_names();
    for service in ["tollwatch.v1.FeatureService", "FeatureService"] {
        assert!(names.iter().any(|name| name == service), "{names:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_said_with_the_remedy() {
    let running = start().await;
    let Err(error) = NativeServer::bind(running.address, service().await).await else { panic!("bound twice") };
    assert!(matches!(error, NativeError::InUse(address) if address == running.address));
    assert!(error.to_string().contains("choose another port"), "{error}");
    running.stop().await;
}

#[tokio::test]
async fn after_the_signal_no_new_connection_is_taken() {
    let running = start().await;
    let address = running.address;
    running.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn behind_lambda_connect_answers_and_native_grpc_is_told_why_not() {
    let (rpc, _health) = router(service().await).unwrap();
    let text = format!(r#"{{"number": "{CALLER}", "features": ["calls_7d"]}}"#);
    let answer = behind_lambda(&rpc, "application/json", Body::Text(text.clone())).await;
    assert_eq!(answer.status(), 200);
    let Body::Text(json) = answer.into_body() else { panic!("JSON went as base64") };
    let expected = service().await.get(&ask(CALLER, &["calls_7d"])).await.unwrap();
    assert_eq!(serde_json::from_str::<GetFeaturesResponse>(&json).unwrap(), expected);

    // Frames of JSON are no text: the length of the message and the mark of the trailers are not UTF-8.
    let answer = behind_lambda(&rpc, "application/grpc-web+json", Body::Binary(frame(text.as_bytes()))).await;
    let Body::Binary(frames) = answer.into_body() else { panic!("frames went as text") };
    let length = usize::try_from(u32::from_be_bytes(frames[1..5].try_into().unwrap())).unwrap();
    let (message, trailers) = frames[5..].split_at(length);
    assert_eq!(serde_json::from_slice::<GetFeaturesResponse>(message).unwrap(), expected);
    assert_eq!(trailers[0], 0x80);

    // What `curl -d` sends.
    let answer = behind_lambda(&rpc, "application/x-www-form-urlencoded", Body::Text(text)).await;
    assert_eq!(answer.status(), 415);
    let Body::Text(said) = answer.into_body() else { panic!("words went as base64") };
    assert!(said.contains("Content-Type: application/json"), "{said}");

    let answer = behind_lambda(&rpc, "application/grpc+proto", Body::Binary(vec![0; 5])).await;
    assert_eq!(answer.headers()["grpc-status"], "12");
    assert!(answer.headers()["grpc-message"].to_str().unwrap().contains("gRPC-Web"));
}

#[tokio::test]
async fn behind_lambda_a_panic_is_an_error_and_the_function_lives() {
    let world = World::new(history(NOW + 1), NOW);
    let (rpc, _) = router(world.service().await).unwrap();
    let ask = async || {
        let body = format!(r#"{{"number":"{CALLER}","features":["calls_5m"]}}"#);
        behind_lambda(&rpc, "application/json", Body::Text(body)).await
    };
    world.moods.tiles.store(Mood::Panicking as u8, Ordering::Relaxed);
    let faulty = ask().await;
    assert_eq!(faulty.status(), 500);
    let Body::Text(said) = faulty.body() else { panic!("JSON went as base64") };
    assert!(said.contains("the service has a fault") && !said.contains(CALLER), "{said}");
    world.moods.tiles.store(Mood::Well as u8, Ordering::Relaxed);
    assert_eq!(ask().await.status(), 200);
}

#[tokio::test]
async fn the_largest_responses_fit_what_carries_them() {
    let answer = service().await.get(&ask(CALLER, &[])).await.unwrap();
    let values = answer.values.len();
    assert!(values > 100);
    let grpc_bytes = answer.encode_to_vec().len() * serve_features::VALUES_MAX / values;
    assert!(grpc_bytes < 4 * 1024 * 1024, "{grpc_bytes}");
    let json_bytes = serde_json::to_vec(&answer).unwrap().len() * lambda::VALUES_MAX / values;
    assert!(json_bytes < 6 * 1024 * 1024, "{json_bytes}");
}

#[test]
fn the_lambda_names_what_is_not_configured() {
    let read = |table: &'static str| {
        lambda::Configuration::read(move |name| match name {
            "TILE_TABLE" => Some(table.to_owned()),
            "DATA" => Some("s3://calls".to_owned()),
            _ => None,
        })
    };
    assert_eq!(read("tiles").unwrap().tile_table, "tiles");
    assert!(read("").unwrap_err().to_string().contains("TILE_TABLE"));
}

/// What the adapter hands over for one event.
async fn behind_lambda(rpc: &ConnectRpcService, content_type: &str, body: Body) -> http::Response<Body> {
    let event = http::Request::post("https://id.lambda-url.us-east-1.on.aws/tollwatch.v1.FeatureService/GetFeatures")
        .header("content-type", content_type)
        .body(body)
        .unwrap();
    lambda::answer(rpc.clone(), event, DEADLINE_MAX).await.unwrap().into_response().await
}

/// A message as gRPC-Web frames it.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], length.as_slice(), message].concat()
}

/// One request of plain HTTP; version 1.0, so that the answer comes in one piece.
async fn post(address: SocketAddr, path: &str, json: &str) -> (u16, serde_json::Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        json.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(json.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}
