//! Bytes that are no request, in every form that a request can have.

use std::io::Write as _;
use std::sync::LazyLock;

use buffa::Message;
use features::MINUTE_MS;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use proto::v1;
use serve_features::native::Exposure;
use serve_features::{ENTITIES_MAX, REQUEST_BYTES_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::connections::http;
use crate::decoding::{CONTENT_TYPES, Driver, Form, PATHS};
use crate::running::Running;
use crate::world::{MIDNIGHT, World, ask};

const NUMBER: &str = "+12125550187";
const GET: &str = PATHS[0];
const BATCH: &str = PATHS[1];

/// Made once: it compiles the patterns of the whole number plan.
static DRIVER: LazyLock<Driver> = LazyLock::new(Driver::new);

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A request for one number, and one for several, as proto and as JSON.
static REQUESTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let one = v1::GetFeaturesRequest {
        as_of: proto::from_millis(1_795_219_000_000).into(),
        party: v1::Party::PARTY_CALLER.into(),
        ..ask(NUMBER, &["calls_5m", "calls_7d"])
    };
    let entity = v1::EntityRequest { number: NUMBER.to_owned(), ..Default::default() };
    let many = v1::BatchGetFeaturesRequest {
        entities: vec![entity; 3],
        features: vec!["calls_5m".to_owned()],
        ..Default::default()
    };
    vec![
        one.encode_to_vec(),
        many.encode_to_vec(),
        serde_json::to_vec(&one).unwrap(),
        serde_json::to_vec(&many).unwrap(),
        gzip(&one.encode_to_vec()),
        gzip(&serde_json::to_vec(&many).unwrap()),
    ]
});

/// What may be done to a request on its way.
#[derive(Clone, Debug)]
enum Damage {
    Cut(usize),
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<usize>().prop_map(Damage::Cut),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<usize>(), 1..2_000_usize).prop_map(|(at, times)| Damage::Repeat(at, times)),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let place = |at: usize| at % (bytes.len() + 1);
        match damage {
            Damage::Cut(at) => {
                let at = place(*at);
                bytes.truncate(at);
            }
            Damage::Set(at, byte) => {
                let at = place(*at);
                if let Some(place) = bytes.get_mut(at) {
                    *place = *byte;
                }
            }
            Damage::Insert(at, inserted) => {
                let at = place(*at);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Damage::Repeat(at, times) => {
                let at = place(*at);
                let part = bytes[at..].repeat(*times);
                bytes.extend(part);
                bytes.truncate(REQUEST_BYTES_MAX + 100);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_an_answer_of_the_protocol(
        choice in any::<[u8; 3]>(),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        DRIVER.send(&Form::chosen(choice), &bytes);
    }

    #[test]
    fn damaged_requests_get_an_answer_of_the_protocol(
        choice in any::<[u8; 3]>(),
        request in 0..6_usize,
        damages in prop::collection::vec(damage(), 0..4),
    ) {
        let bytes = damaged(REQUESTS[request].clone(), &damages);
        DRIVER.send(&Form::chosen(choice), &bytes);
    }
}

/// What cannot be a request is refused as one by the caller, over every content type that is understood.
#[test]
fn what_is_no_message_is_an_invalid_argument() {
    let driver = &*DRIVER;
    for content_type in CONTENT_TYPES {
        let form = Form::plain(GET, content_type);
        let is_json = content_type.contains("json");
        let garbage: [&[u8]; 4] = if is_json {
            [b"{", b"[1]", b"{\"number\": 5}", b"\xff\xfe"]
        } else {
            // A field that is cut, a wire type that does not exist, a length beyond the end, text that is not UTF-8.
            [b"\x0a", b"\x0f\x00", b"\x0a\xff\x01a", b"\x0a\x01\xff"]
        };
        for garbage in garbage {
            let answered = driver.send(&form, garbage);
            let error = answered.error.as_deref();
            let expected = match content_type {
                "" | "text/plain" | "multipart/form-data; boundary=x" => "415",
                "application/grpc-web-text" | "application/grpc+thrift" => "12",
                grpc if grpc.starts_with("application/grpc") => "3",
                _ => "invalid_argument",
            };
            assert_eq!(error, Some(expected), "{content_type} {garbage:?}: {answered:?}");
        }
    }
}

#[test]
fn bombs_and_floods_are_refused_before_they_take_memory() {
    let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
    assert!(bomb.len() < REQUEST_BYTES_MAX / 4);
    let nested_bomb = gzip(&gzip(&vec![b' '; 64 * 1024 * 1024]));
    // Two bytes an entity on the way, a hundred in memory.
    let flood: Vec<u8> = b"\x0a\x00".repeat(REQUEST_BYTES_MAX / 2);
    let nested = |open: &str, times: usize| open.repeat(times).into_bytes();
    let driver = &*DRIVER;
    for content_type in ["application/json", "application/proto", "application/grpc", "application/grpc-web"] {
        let is_connect = !content_type.contains("grpc");
        let code = |connect: &'static str, grpc: &'static str| Some(if is_connect { connect } else { grpc });
        let form = Form::plain(BATCH, content_type);
        let bombed = driver.send(&form.clone().gzipped(), &bomb);
        assert_eq!(bombed.error.as_deref(), code("resource_exhausted", "8"), "{content_type}: {bombed:?}");
        let answered = driver.send(&form.clone().gzipped(), &nested_bomb);
        assert_eq!(answered.error.as_deref(), code("invalid_argument", "3"), "{content_type}: {answered:?}");
        let cut = driver.send(&form.clone().gzipped(), &bomb[..bomb.len() / 2]);
        assert!(cut.error.is_some(), "{content_type}: {cut:?}");
        let large = driver.send(&form, &vec![b' '; REQUEST_BYTES_MAX + 1]);
        assert_eq!(large.error.as_deref(), code("resource_exhausted", "8"), "{content_type}: {large:?}");
        let deep = match content_type {
            "application/json" => nested("[", REQUEST_BYTES_MAX),
            // Groups in groups, of a field that nobody knows.
            _ => nested("\u{7b}", REQUEST_BYTES_MAX - 5),
        };
        let answered = driver.send(&form, &deep);
        assert_eq!(answered.error.as_deref(), code("invalid_argument", "3"), "{content_type}: {answered:?}");
    }
    let flooded = driver.send(&Form::plain(BATCH, "application/proto"), &flood);
    assert_eq!(flooded.error.as_deref(), Some("invalid_argument"), "{flooded:?}");
    let entities = format!(r#"{{"entities": [{}{{}}]}}"#, "{},".repeat(ENTITIES_MAX));
    let many = driver.send(&Form::plain(BATCH, "application/json"), entities.as_bytes());
    assert!(many.text.contains("entities_too_many") || many.text.contains("1001 entries"), "{many:?}");
}

/// Errors go into logs of callers: they name the field, not the number.
#[test]
fn what_was_sent_is_not_repeated() {
    let bodies = [
        r#"{"number": "NUMBER", "party": "NUMBER"}"#,
        r#"{"number": "NUMBER", "level": "NUMBER"}"#,
        r#"{"number": ["NUMBER"]}"#,
        r#"{"number": {"NUMBER": 1}}"#,
        r#"{"NUMBER": 1}"#,
        r#"{"number": "NUMBER", "asOf": "NUMBER"}"#,
        r#"{"number": "NUMBER", "features": "NUMBER"}"#,
        r#"{"number": "NUMBER", "features": ["NUMBER"]}"#,
        r#"{"number": NUMBER}"#,
        r#""NUMBER""#,
        "NUMBER",
        r#"{"number": "999NUMBER"}"#,
        r#"{"number": "prefix:NUMBER99999999"}"#,
    ];
    let driver = &*DRIVER;
    for path in [GET, BATCH, PATHS[3]] {
        for content_type in ["application/json", "application/grpc+json", "application/grpc-web+json"] {
            for body in bodies {
                let answered =
                    driver.send(&Form::plain(path, content_type), body.replace("NUMBER", NUMBER).as_bytes());
                if answered.error.is_some() {
                    assert!(!answered.text.contains(&NUMBER[1..]), "{path} {content_type} {body}: {}", answered.text);
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_http_ends_the_connection_and_nothing_else() {
    let now = MIDNIGHT + 5 * MINUTE_MS;
    let running = Running::start(World::new(Vec::new(), now).service().await, Exposure::default()).await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = "\0\0\0\x04\0\0\0\0\0";
    let long_header = format!("GET / HTTP/1.1\r\nX-Long: {}\r\n\r\n", "a".repeat(300 * 1024));
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(5_000));
    for garbage in [
        "\0\0\0\0\0\0\0\0",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        &long_header,
        &many_headers,
        // Frames that are none: of 16 MB, of a stream that is not open, headers that never end.
        &format!("{preface}\u{7f}\u{7f}\u{7f}\0\0\0\0\0\0"),
        &format!("{preface}{settings}\0\0\x01\0\0\0\0\0\x07a"),
        &format!("{preface}{settings}\0\0\x01\x01\0\0\0\0\x01\u{7f}\0\0\x01\x06\0\0\0\0\x01a"),
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        // The server may have closed it before all is sent.
        let _ = stream.write_all(garbage.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.starts_with("HTTP/1.1 5") && !text.starts_with("HTTP/1.1 2"), "{garbage:.60}: {text}");
    }
    let answer =
        http(running.address, "POST", GET, "", r#"{"number": "+12025550101", "features": ["calls_5m"]}"#).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.stop().await;
}
