//! How much callers can make the service hold: requests, connections, time; and what becomes of them when it stops.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use connectrpc::client::CallOptions;
use connectrpc::{ErrorCode, Protocol};
use connectrpc_health::HealthClient;
use connectrpc_health::wire::{HealthCheckRequest, HealthCheckResponse, ServingStatus};
use features::MINUTE_MS;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proto::v1::ListFeaturesRequest;
use serve_features::client::{self, Credentials};
use serve_features::limits::{DRAIN_MAX, FIRST_REQUEST_MAX, HANDSHAKE_MAX, IDLE_MAX};
use serve_features::native::Exposure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::running::{Certificates, PROTOCOLS, Running};
use crate::world::{CALLER, MIDNIGHT, Mood, Moods, World, ask, history, integer};

const NOW: i64 = MIDNIGHT + 5 * MINUTE_MS;
/// The preface of HTTP/2 and an empty SETTINGS frame.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn world() -> World {
    World::new(history(NOW + 1), NOW).with_snapshot(1)
}

fn nobody() -> Credentials {
    Credentials::default()
}

/// One request of HTTP/1.1; what comes until the connection is closed.
pub async fn http(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until so many requests read tiles. The store never answers, so they stay.
async fn reading(moods: &Moods, requests: usize) {
    while moods.waiting.load(Ordering::Relaxed) < requests {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_beyond_the_limit_are_told_to_come_again_over_every_protocol() {
    let world = world();
    let exposure = Exposure { max_in_flight: 2, ..Exposure::default() };
    let running = Running::start(world.service().await, exposure).await;
    world.moods.tiles.store(Mood::Silent as u8, Ordering::Relaxed);
    let busy = running.client(&nobody(), Protocol::Grpc);
    let options = CallOptions::default().with_timeout(Duration::from_secs(30));
    let stuck: Vec<_> = (0..2)
        .map(|_| {
            let (busy, options) = (busy.clone(), options.clone());
            tokio::spawn(async move { busy.get_features_with_options(ask(CALLER, &["calls_5m"]), options).await })
        })
        .collect();
    reading(&world.moods, 2).await;
    for protocol in PROTOCOLS {
        let error =
            running.client(&nobody(), protocol).list_features(ListFeaturesRequest::default()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::ResourceExhausted, "{protocol:?}: {error}");
        assert!(error.message.as_deref().unwrap().starts_with("2 requests are being answered"), "{error}");
        assert_eq!(client::error_detail(&error).unwrap().reason, "service_busy", "{protocol:?}");
    }
    let answer = http(running.address, "POST", "/tollwatch.v1.FeatureService/ListFeatures", "", "{}").await;
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after: 1"), "{answer}");
    // Who looks whether it is well is answered all the same.
    let (config, transport) = client::parts(&running.url(), &nobody(), Protocol::Grpc).unwrap();
    let health = HealthClient::new(transport, config);
    assert!(health.check(HealthCheckRequest::default()).await.is_ok());
    // The places of those who give up are free again.
    for request in stuck {
        request.abort();
        let _ = request.await;
    }
    drop(busy);
    let client = running.client(&nobody(), Protocol::Grpc);
    while client.list_features(ListFeaturesRequest::default()).await.is_err() {
        tokio::task::yield_now().await;
    }
    running.stop().await;
}

/// A reader with room for a byte has the answer's first piece in the service's memory, and the request its place, until
/// it reads on.
#[tokio::test]
async fn an_answer_that_is_not_read_keeps_its_place() {
    let world = world();
    let exposure = Exposure { max_in_flight: 2, ..Exposure::default() };
    let running = Running::start(world.service().await, exposure).await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) =
        builder.initial_stream_window_size(1).handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut list = async || {
        let uri = format!("http://{}/tollwatch.v1.FeatureService/ListFeatures", running.address);
        let request = http::Request::post(uri).header("content-type", "application/json");
        sender.send_request(request.body(Full::new(Bytes::from_static(b"{}"))).unwrap()).await.unwrap()
    };
    let unread = [list().await, list().await];
    assert_eq!(unread.each_ref().map(|answer| answer.status().as_u16()), [200, 200]);
    assert_eq!(list().await.status(), 429);
    // The page is for everybody, and takes nobody's place.
    assert!(http(running.address, "GET", "/", "", "").await.starts_with("HTTP/1.1 200"));
    drop(unread);
    while list().await.status() != 200 {
        tokio::task::yield_now().await;
    }
    drop(sender);
    running.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let running =
        Running::start(world().service().await, Exposure { max_connections: 2, ..Exposure::default() }).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(HTTP2).await.unwrap();
        // Its settings: the connection has been taken.
        assert_eq!(stream.read_u8().await.unwrap(), 0);
        open.push(stream);
    }
    let mut third = TcpStream::connect(running.address).await.unwrap();
    let _ = third.write_all(HTTP2).await;
    assert!(third.read_u8().await.is_err(), "it was taken");
    drop(open);
    let client = running.client(&nobody(), Protocol::Connect);
    while client.list_features(ListFeaturesRequest::default()).await.is_err() {
        tokio::task::yield_now().await;
    }
    running.stop().await;
}

/// With the clock paused, time goes on when nothing else does.
#[tokio::test(start_paused = true)]
async fn connections_that_do_not_ask_are_closed() {
    let running = Running::start(world().service().await, Exposure::default()).await;
    // Nothing; half a preface; all of it; half the headers; headers byte by byte never reach their end either.
    for sent in [&b""[..], b"PRI * HTT", HTTP2, b"POST / HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let took = began.elapsed();
        assert!((FIRST_REQUEST_MAX..FIRST_REQUEST_MAX * 2).contains(&took), "{took:?} after {sent:?}");
    }
    // One that has asked may stay longer.
    let began = Instant::now();
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 404"), "{}", String::from_utf8_lossy(&answer));
    let took = began.elapsed();
    assert!((IDLE_MAX..IDLE_MAX * 2).contains(&took), "{took:?}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_tls_handshake_that_stalls_is_given_up() {
    let certificates = Certificates::new();
    let running = Running::start(world().service().await, certificates.with_token()).await;
    for sent in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
        let took = began.elapsed();
        assert!((HANDSHAKE_MAX..HANDSHAKE_MAX * 2).contains(&took), "{took:?}");
    }
    // Plain text on a TLS port ends at once.
    let began = Instant::now();
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    assert!(began.elapsed() < HANDSHAKE_MAX);
    running.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_with_the_deadline() {
    let running = Running::start(world().service().await, Exposure::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!(
        "POST /tollwatch.v1.FeatureService/GetFeatures HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Connect-Timeout-Ms: 50\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{{\"number\"",
        running.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("deadline_exceeded"), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn what_was_begun_is_finished_over_both_versions_with_and_without_tls() {
    let certificates = Certificates::new();
    for exposure in [Exposure::default(), certificates.with_token()] {
        let world = world();
        let mut running = Running::start(world.service().await, exposure).await;
        let credentials = match running.exposure.tls {
            Some(_) => certificates.with_token_of(certificates.path("tokens")),
            None => nobody(),
        };
        world.moods.tiles.store(Mood::Held as u8, Ordering::Relaxed);
        // gRPC is HTTP/2; Connect without TLS is HTTP/1.1 and with TLS what is agreed on.
        // They keep their connections, and that does not keep the service.
        let clients = PROTOCOLS.map(|protocol| running.client(&credentials, protocol));
        let asked: Vec<_> = clients
            .iter()
            .map(|client| {
                let client = client.clone();
                tokio::spawn(async move { client.get_features(ask(CALLER, &["calls_5m"])).await })
            })
            .collect();
        reading(&world.moods, PROTOCOLS.len()).await;
        running.begin_to_stop();
        while TcpStream::connect(running.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!running.served.is_finished());
        world.moods.let_go.notify_waiters();
        for (protocol, answered) in PROTOCOLS.iter().zip(asked) {
            let answer = answered.await.unwrap().unwrap_or_else(|error| panic!("{protocol:?}: {error}"));
            assert!(integer(&answer.into_owned(), "calls_5m") > 0, "{protocol:?}");
        }
        timeout(DRAIN_MAX / 2, running.served).await.expect("it still waits").unwrap().unwrap();
        drop(clients);
    }
}

#[tokio::test]
async fn who_watches_health_hears_of_the_end_and_does_not_put_it_off() {
    let mut running = Running::start(world().service().await, Exposure::default()).await;
    let (config, transport) = client::parts(&running.url(), &nobody(), Protocol::Grpc).unwrap();
    let mut watched = HealthClient::new(transport, config).watch(HealthCheckRequest::default()).await.unwrap();
    let mut status = async || {
        watched.message::<HealthCheckResponse>().await.unwrap().map(|message| message.to_owned_message().status)
    };
    assert_eq!(status().await.unwrap(), ServingStatus::SERVING);
    running.begin_to_stop();
    assert_eq!(status().await.unwrap(), ServingStatus::NOT_SERVING);
    timeout(DRAIN_MAX / 2, running.served).await.expect("it still waits").unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_finished_is_cut_off() {
    let world = world();
    let mut running = Running::start(world.service().await, Exposure::default()).await;
    world.moods.tiles.store(Mood::Silent as u8, Ordering::Relaxed);
    let options = CallOptions::default().with_timeout(Duration::from_hours(1));
    // Half a body, which the deadline of real time does not end while the clock is paused.
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = b"POST /tollwatch.v1.FeatureService/GetFeatures HTTP/1.1\r\nHost: a\r\n\
                 Content-Type: application/json\r\nConnect-Timeout-Ms: 30000\r\nContent-Length: 9\r\n\r\n{";
    stream.write_all(head).await.unwrap();
    let client = running.client(&nobody(), Protocol::Grpc);
    let asked =
        tokio::spawn(async move { client.get_features_with_options(ask(CALLER, &["calls_5m"]), options).await });
    reading(&world.moods, 1).await;
    let began = Instant::now();
    running.begin_to_stop();
    running.served.await.unwrap().unwrap();
    let took = began.elapsed();
    assert!((DRAIN_MAX..DRAIN_MAX + Duration::from_secs(1)).contains(&took), "{took:?}");
    assert!(asked.await.unwrap().is_err());
}

#[tokio::test]
async fn a_panic_is_an_error_of_the_protocol_and_the_connection_stays() {
    let world = world();
    let running = Running::start(world.service().await, Exposure::default()).await;
    for protocol in PROTOCOLS {
        let client = running.client(&nobody(), protocol);
        world.moods.tiles.store(Mood::Panicking as u8, Ordering::Relaxed);
        let error = client.get_features(ask(CALLER, &["calls_5m"])).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Internal, "{protocol:?}: {error}");
        assert_eq!(client::error_detail(&error).unwrap().reason, "service_fault");
        world.moods.tiles.store(Mood::Well as u8, Ordering::Relaxed);
        assert!(client.get_features(ask(CALLER, &["calls_5m"])).await.is_ok(), "{protocol:?}");
    }
    running.stop().await;
}
