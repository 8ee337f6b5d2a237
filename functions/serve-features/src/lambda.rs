//! The service behind a Lambda function URL. gRPC-Web and Connect work there; native gRPC cannot, for want of
//! trailers, and is told so.

use std::future::ready;
use std::pin::Pin;
use std::time::Duration;

use connectrpc::ConnectRpcService;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use lambda_http::IntoResponse;
use lambda_http::aws_lambda_events::encodings::Body;
use lambda_http::tower::Service as _;
use telemetry::Watch;

use crate::front::Front;
use crate::limits::DEADLINE_MAX;
use crate::web::Web;

/// Values of one response: as JSON they stay within the 6 MB that Lambda takes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub const VALUES_MAX: usize = 20_000;

const MB: u64 = 1024 * 1024;
/// What a function of 128 MB can spare.
const CACHE_MB_DEFAULT: u64 = 32;
/// Less than the most memory that a function can have.
const CACHE_MB_MAX: u64 = 8_192;

/// What the environment configures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// `TILE_TABLE`: the table of tiles.
    pub tile_table: String,
    /// `DATA`: the location below which `snapshots/` lies, such as `s3://bucket`.
    pub data: String,
    /// `FEATURES_FILE`: the definitions in the function's zip; `None` for the default set.
    pub features_file: Option<String>,
    /// `CACHE_MB`: memory for what is read of snapshots, in bytes here.
    pub cache_bytes: u64,
    /// `SHARED_CACHE`: the URL of a Redis that functions share what they read of snapshots through; `None` for none.
    pub shared_cache: Option<String>,
    /// `STACK`: the dimension of metrics; `None`: none are written.
    pub stack: Option<String>,
}

/// A variable that is needed and not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name} {rule}")]
pub struct ConfigurationError {
    name: &'static str,
    rule: &'static str,
}

impl Configuration {
    /// Reads the variables through `variable`. One that is empty counts as not set.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigurationError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let required = |name: &'static str, rule| variable(name).ok_or(ConfigurationError { name, rule });
        Ok(Self {
            tile_table: required("TILE_TABLE", "must name the table of tiles")?,
            data: required("DATA", "must be the folder or s3:// URL below which snapshots/ lies")?,
            features_file: variable("FEATURES_FILE"),
            shared_cache: variable("SHARED_CACHE"),
            stack: variable("STACK"),
            cache_bytes: match variable("CACHE_MB") {
                Some(text) => cache_bytes(&text)?,
                None => CACHE_MB_DEFAULT * MB,
            },
        })
    }
}

fn cache_bytes(text: &str) -> Result<u64, ConfigurationError> {
    let megabytes = text.parse().ok().filter(|megabytes| (1..=CACHE_MB_MAX).contains(megabytes));
    let wrong = ConfigurationError { name: "CACHE_MB", rule: "must be a whole number of megabytes from 1 to 8192" };
    megabytes.map(|megabytes: u64| megabytes * MB).ok_or(wrong)
}

/// An answer, whole, as the function hands it over.
#[derive(Debug)]
pub struct Answer(pub Response<Body>);

impl IntoResponse for Answer {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(ready(self.0))
    }
}

/// Time of an invocation that is left for sending the answer. Lambda ends a function that is out of time without one,
/// and starts it anew for the next request.
pub const SEND_RESERVE: Duration = Duration::from_millis(200);

/// How long an invocation may still read and compute, of the moment at which Lambda ends it and the moment now, both in
/// milliseconds since 1970 UTC. Without a moment, or one that is no future, it is as long as any request.
pub fn time_left(ends_at_ms: u64, now_ms: i64) -> Duration {
    let left = ends_at_ms.checked_sub(u64::try_from(now_ms).unwrap_or(0)).filter(|left| *left > 0);
    left.map_or(DEADLINE_MAX, |left| Duration::from_millis(left).saturating_sub(SEND_RESERVE).min(DEADLINE_MAX))
}

/// Answers one event within `time_left`, or within the caller's deadline if that is shorter.
pub async fn answer(
    rpc: ConnectRpcService,
    request: lambda_http::Request,
    time_left: Duration,
) -> Result<Answer, lambda_http::Error> {
    answer_watched(rpc, request, time_left, Watch::default()).await
}

/// The same, and tells of it.
pub async fn answer_watched(
    rpc: ConnectRpcService,
    request: lambda_http::Request,
    time_left: Duration,
    watch: Watch,
) -> Result<Answer, lambda_http::Error> {
    let deadlines = rpc.deadline_policy().clone();
    let default = deadlines.default_timeout().unwrap_or(DEADLINE_MAX).min(time_left);
    let rpc = rpc.with_deadline_policy(deadlines.with_max(time_left).with_default_timeout(default));
    if is_native_grpc(&request) {
        return Ok(no_trailers());
    }
    let request = request.map(|body| {
        Full::new(match body {
            Body::Text(text) => text.into(),
            Body::Binary(bytes) => bytes.into(),
            _ => bytes::Bytes::new(),
        })
    });
    let (mut head, body) = Front::new(Web::new(rpc)).with_watch(watch).call(request).await?.into_parts();
    head.headers = joined(&head.headers);
    let bytes = body.collect().await?.to_bytes();
    // The adapter by itself takes every type that ends in +json for text, and replaces what is no UTF-8 in it: the
    // frames of gRPC-Web and of Connect streams.
    let body = if is_text(&head) {
        String::from_utf8(bytes.into()).map_or_else(|error| Body::Binary(error.into_bytes()), Body::Text)
    } else {
        Body::Binary(bytes.into())
    };
    Ok(Answer(Response::from_parts(head, body)))
}

/// Headers with one value a name: an event's answer has no place for more, and the adapter would keep the first.
fn joined(headers: &HeaderMap) -> HeaderMap {
    let join = |name: &HeaderName| {
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        // Values of headers, joined by a comma, are the value of a header.
        Some((name.clone(), HeaderValue::from_bytes(&values.join(b", ".as_slice())).ok()?))
    };
    headers.keys().filter_map(join).collect()
}

/// Types of JSON and of the page's files.
const TEXTS: [&[u8]; 4] = [b"application/json", b"application/yaml", b"image/svg+xml", b"text/"];

/// Whether a body is text as it is: then it goes without base64, which would be a third larger.
fn is_text(head: &Parts) -> bool {
    let content_type = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    TEXTS.iter().any(|text| content_type.starts_with(text)) && !head.headers.contains_key(header::CONTENT_ENCODING)
}

fn is_native_grpc(request: &lambda_http::Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    content_type.starts_with(b"application/grpc") && !content_type.starts_with(b"application/grpc-web")
}

/// A gRPC response of headers alone, which needs no trailers: UNIMPLEMENTED
/// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>, "Trailers-Only").
fn no_trailers() -> Answer {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static("12"));
    let message = "a Lambda function URL has no HTTP trailers: use gRPC-Web or Connect here, or the native server";
    headers.insert("grpc-message", HeaderValue::from_static(message));
    Answer(response)
}
