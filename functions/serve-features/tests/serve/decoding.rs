//! One request of any bytes, and whether its answer is one that its protocol has. Driven by properties in the suite and
//! by the fuzz target.
//!
//! Bytes choose the form of a request (path, content type, compression, framing) and are its body. There are no
//! stores behind it: what is looked for is in front of them.

use std::sync::Arc;

use bytes::Bytes;
use cdr::NumberPlan;
use connectrpc::ConnectRpcService;
use features::{Entity, FeatureSet, Party, State};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serve_features::front::Front;
use serve_features::sources::{Current, SnapshotSource, SourceError, TileSource};
use serve_features::web::Web;
use serve_features::{Service, router};
use tiles::{Interval, WindowState};
use tokio::runtime::Runtime;
use tower_service::Service as _;

/// What a request may be sent to.
pub const PATHS: [&str; 8] = [
    "/tollwatch.v1.FeatureService/GetFeatures",
    "/tollwatch.v1.FeatureService/BatchGetFeatures",
    "/tollwatch.v1.FeatureService/ListFeatures",
    "/FeatureService/GetFeatures",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/tollwatch.v1.FeatureService/Nothing",
    "/",
];
/// What it may say that it is.
pub const CONTENT_TYPES: [&str; 16] = [
    "application/json",
    "application/proto",
    "application/grpc",
    "application/grpc+proto",
    "application/grpc+json",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web+json",
    "application/grpc-web-text",
    "application/connect+proto",
    "application/connect+json",
    "application/grpc+thrift",
    "application/json; charset=utf-16",
    "text/plain",
    "multipart/form-data; boundary=x",
    "",
];
/// How it may say that it is compressed.
const ENCODINGS: [&str; 5] = ["", "gzip", "identity", "br", "\u{fffd}"];
const TIMEOUTS: [&str; 5] = ["", "1000", "0", "-1", "99999999999999999999"];
/// The most that an answer takes: what Lambda carries.
const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024;

/// A request of one form or another.
#[derive(Clone, Debug)]
pub struct Form {
    pub path: &'static str,
    pub content_type: &'static str,
    encoding: &'static str,
    timeout: &'static str,
    /// Sent in the envelope that gRPC wants, and flagged as compressed or not.
    envelope: Option<u8>,
    is_get: bool,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub struct Answered {
    pub status: StatusCode,
    /// The protocol's own name or number of an error; `None` if all is well.
    pub error: Option<String>,
    pub text: String,
}

impl Form {
    /// Plain: as a client with nothing wrong would send it.
    pub fn plain(path: &'static str, content_type: &'static str) -> Self {
        let is_enveloped = content_type.starts_with("application/grpc") || content_type.contains("connect+");
        Self { path, content_type, encoding: "", timeout: "", envelope: is_enveloped.then_some(0), is_get: false }
    }

    pub fn gzipped(mut self) -> Self {
        self.encoding = "gzip";
        self.envelope = self.envelope.map(|_| 1);
        self
    }

    /// The form that three bytes choose.
    pub fn chosen(choice: [u8; 3]) -> Self {
        let [path, kind, rest] = choice.map(usize::from);
        let mut form = Self::plain(PATHS[path % PATHS.len()], CONTENT_TYPES[kind % CONTENT_TYPES.len()]);
        // Mostly in order, so that what is inside is looked at.
        form.encoding = ENCODINGS[(rest % 16).saturating_sub(11) % ENCODINGS.len()];
        form.timeout = TIMEOUTS[(rest / 16 % 16).saturating_sub(11) % TIMEOUTS.len()];
        form.is_get = path / PATHS.len() == 31;
        form.envelope = match kind / CONTENT_TYPES.len() {
            0 => None,
            1 => Some(1),
            2 => Some(0x80),
            _ => form.envelope,
        };
        form
    }

    fn request(&self, body: &[u8]) -> Request<Full<Bytes>> {
        let mut request = Request::builder().uri(self.path).method(if self.is_get { "GET" } else { "POST" });
        for (name, value) in [
            ("content-type", self.content_type),
            ("content-encoding", self.encoding),
            ("grpc-encoding", self.encoding),
            ("connect-content-encoding", self.encoding),
            ("connect-timeout-ms", self.timeout),
        ] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        if !self.timeout.is_empty() {
            request = request.header("grpc-timeout", format!("{}m", self.timeout));
        }
        let body = match self.envelope {
            Some(flags) => {
                let mut framed = vec![flags];
                framed.extend((body.len() as u32).to_be_bytes());
                framed.extend(body);
                framed
            }
            None => body.to_vec(),
        };
        request.body(Full::new(body.into())).expect("every form makes a request")
    }
}

/// The service without stores.
pub struct Driver {
    runtime: Runtime,
    front: Front<Web<ConnectRpcService>>,
}

impl Driver {
    pub fn new() -> Self {
        let set = Arc::new(FeatureSet::default_set().expect("the default set is valid"));
        let plan = NumberPlan::new(&set.settings().default_region).expect("the region is known");
        let nothing = Arc::new(Nothing { set: Arc::clone(&set) });
        let service = Service::new(set, plan, nothing.clone(), nothing, Arc::new(|| 1_795_219_500_000));
        let (rpc, _health) = router(Arc::new(service)).expect("the descriptors are the build's own");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, front: Front::new(Web::new(rpc)) }
    }

    /// Sends a request and checks that what comes back is an answer of its protocol.
    pub fn send(&self, form: &Form, body: &[u8]) -> Answered {
        let response = self.runtime.block_on(async {
            let response = self.front.clone().call(form.request(body)).await;
            let (parts, body) = response.expect("it cannot fail").into_parts();
            (parts, body.collect().await.expect("bodies cannot fail"))
        });
        let (parts, body) = response;
        let trailers = body.trailers().cloned().unwrap_or_default();
        let bytes = body.to_bytes();
        assert!(bytes.len() <= ANSWER_BYTES_MAX, "{form:?}: {} bytes", bytes.len());
        let error = match form.content_type {
            _ if form.is_get => error_of_connect(parts.status, &bytes),
            web if web.starts_with("application/grpc-web") => {
                assert_eq!(parts.status, StatusCode::OK, "{form:?}");
                error_of_grpc(&[&parts.headers, &web_trailers(&bytes)])
            }
            grpc if grpc.starts_with("application/grpc") => {
                assert_eq!(parts.status, StatusCode::OK, "{form:?}");
                error_of_grpc(&[&parts.headers, &trailers])
            }
            stream if stream.starts_with("application/connect+") => {
                assert_eq!(parts.status, StatusCode::OK, "{form:?}");
                error_of_stream(&bytes)
            }
            _ => error_of_connect(parts.status, &bytes),
        };
        let message = [&parts.headers, &trailers].map(|headers| header(headers, "grpc-message")).concat();
        let text = message + &String::from_utf8_lossy(&bytes);
        // Reflection repeats the request in its answer, as its protocol wants.
        let is_repeated = form.path.starts_with("/grpc.reflection");
        assert!(is_repeated || !text.contains("service_fault"), "{form:?}: {text}");
        // What is sent compressed without saying how is INTERNAL by the protocol
        // (<https://github.com/grpc/grpc/blob/master/doc/compression.md>); nothing else is the service's fault.
        // A method that is not allowed is "unknown" in Connect (<https://connectrpc.com/docs/protocol>).
        let is_refused = parts.status == StatusCode::METHOD_NOT_ALLOWED;
        if matches!(error.as_deref(), Some("internal" | "13" | "unknown" | "2" | "data_loss" | "15")) && !is_refused {
            assert!(text.contains("received compressed message without"), "{form:?}: {text}");
        }
        Answered { status: parts.status, error, text }
    }
}

/// The error of a unary answer of Connect: its status and its JSON agree.
fn error_of_connect(status: StatusCode, bytes: &[u8]) -> Option<String> {
    if status == StatusCode::OK {
        return None;
    }
    // Said by the status alone (<https://connectrpc.com/docs/protocol>, "HTTP to error code").
    let says = match status {
        StatusCode::METHOD_NOT_ALLOWED => Some(bytes.is_empty()),
        // Whoever typed the request reads what to send.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Some(bytes.starts_with(b"This content type is not taken: send JSON")),
        _ => None,
    };
    if says == Some(true) {
        return Some(status.as_u16().to_string());
    }
    let error: serde_json::Value = serde_json::from_slice(bytes).expect("an error is JSON");
    let code = error["code"].as_str().expect("an error has a code");
    let expected: &[u16] = match code {
        "invalid_argument" | "failed_precondition" | "out_of_range" => &[400],
        "unauthenticated" => &[401],
        "unimplemented" => &[501, 404, 415],
        "not_found" => &[404],
        "resource_exhausted" => &[429],
        "internal" | "unknown" | "data_loss" => &[500, 415, 405],
        "unavailable" => &[503],
        "deadline_exceeded" => &[504],
        code => panic!("{code} is no code that this service has"),
    };
    assert!(expected.contains(&status.as_u16()), "{status}: {error}");
    Some(code.to_owned())
}

/// The error of gRPC, from headers where there is nothing else, or from trailers.
fn error_of_grpc(headers: &[&HeaderMap]) -> Option<String> {
    let status = headers.iter().map(|headers| header(headers, "grpc-status")).find(|status| !status.is_empty());
    let status = status.expect("gRPC has a status");
    let number: u32 = status.parse().expect("the status is a number");
    assert!(number <= 16, "{number}");
    (number != 0).then_some(status)
}

/// The trailers of gRPC-Web: the last frame of the body.
fn web_trailers(mut bytes: &[u8]) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    while !bytes.is_empty() {
        assert!(trailers.is_empty(), "frames after the trailers");
        let (flags, frame, rest) = frame(bytes);
        if flags & 0x80 != 0 {
            for line in std::str::from_utf8(frame).expect("trailers are text").split_terminator("\r\n") {
                let (name, value) = line.split_once(':').expect("a trailer has a name");
                let name: http::HeaderName = name.parse().expect("a name of a header");
                trailers.append(name, value.trim().parse().expect("a value of a header"));
            }
        }
        bytes = rest;
    }
    trailers
}

/// The error of a stream of Connect: the last frame is JSON.
fn error_of_stream(mut bytes: &[u8]) -> Option<String> {
    loop {
        let (flags, content, rest) = frame(bytes);
        if flags & 2 != 0 {
            assert!(rest.is_empty(), "frames after the end");
            let end: serde_json::Value = serde_json::from_slice(content).expect("the end is JSON");
            return end["error"]["code"].as_str().map(str::to_owned);
        }
        bytes = rest;
    }
}

fn frame(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    let (head, rest) = bytes.split_at_checked(5).expect("a frame has 5 bytes before its content");
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let (content, rest) = rest.split_at_checked(length).expect("a frame is whole");
    (head[0], content, rest)
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Stores without calls.
struct Nothing {
    set: Arc<FeatureSet>,
}

impl TileSource for Nothing {
    fn read<'a>(
        &'a self,
        entity: &'a Entity,
        intervals: &'a [Interval],
    ) -> BoxFuture<'a, Result<Vec<WindowState>, SourceError>> {
        let party: Party = entity.party;
        let empty = WindowState { state: State::empty(self.set.slots(party)), duplicates_unchecked: false };
        async move { Ok(vec![empty; intervals.len()]) }.boxed()
    }

    fn counted_since(&self) -> BoxFuture<'_, Result<Option<i64>, SourceError>> {
        async { Ok(Some(0)) }.boxed()
    }
}

impl SnapshotSource for Nothing {
    fn current(&self) -> BoxFuture<'_, Result<Current, SourceError>> {
        async { Ok(Current::None) }.boxed()
    }
}
