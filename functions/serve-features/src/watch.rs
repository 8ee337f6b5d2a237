//! What operators are told of requests: how many of which method and outcome, how long they took, and a span of each
//! where traces are on.

use std::sync::{Arc, OnceLock};

use connectrpc::ErrorCode;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use telemetry::catalogue::serve_features::{REQUEST_SECONDS, REQUESTS};
use telemetry::{Sink, Span, SpanKind, TraceContext, Tracer, Watch};
use tokio::time::Instant;

use crate::error::Refusal;

/// The header that names the span of an answer, in the form of `traceparent`. W3C has `traceparent` for requests alone,
/// and drafts this one for answers (<https://w3c.github.io/trace-context/#traceresponse-header>).
pub const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");
/// The header of a request that names the span that caused it.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Notes that a request begins, if anybody wants to know.
pub(crate) fn begin<B>(watch: &Watch, request: &mut Request<B>) -> Option<Watched> {
    if watch.sink.is_none() && watch.tracer.is_none() {
        return None;
    }
    let method = Method::of(request.uri().path())?;
    let span = watch.tracer.as_ref().and_then(|tracer| span(tracer, method, request.headers()));
    let said = Said::default();
    request.extensions_mut().insert(said.clone());
    Some(Watched { sink: watch.sink.clone(), method, span, said, began: Instant::now() })
}

/// What the handler of a request said of it: in gRPC and gRPC-Web the body has it. Nothing where it was not asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said(Arc<OnceLock<&'static str>>);

impl Said {
    /// Notes the outcome; the first counts.
    pub(crate) fn note<T>(&self, answered: &Result<T, connectrpc::ConnectError>) {
        let code = answered.as_ref().map_or_else(|error| error.code.as_str(), |_| OK);
        let _ = self.0.set(code);
    }
}

/// A request at work.
pub(crate) struct Watched {
    sink: Option<Arc<dyn Sink>>,
    method: Method,
    span: Option<Span>,
    said: Said,
    began: Instant,
}

impl Watched {
    /// Tells of the answer, whose head is there, and names the span in it. `refused` is why nobody looked at the request.
    pub(crate) fn end<A>(mut self, refused: Option<Refusal>, answer: &mut Response<A>) {
        let said = refused.map(|refused| refused.code().as_str()).or_else(|| self.said.0.get().copied());
        let code = said.unwrap_or_else(|| match code_of(answer.status(), answer.headers()) {
            // The body of gRPC-Web says what is wrong where no handler was asked.
            OK if self.method.name.is_some() => ErrorCode::Unknown.as_str(),
            code => code,
        });
        if let Some(sink) = &self.sink {
            let label = self.method.label;
            sink.record(&[
                REQUESTS.with([label, code], 1.0),
                REQUEST_SECONDS.with([label], self.began.elapsed().as_secs_f64()),
            ]);
        }
        if let Some(span) = &mut self.span {
            if FAULTS.contains(&code) {
                span.fail(code);
            } else if code != OK {
                // What the caller did wrong is no fault of the service.
                span.set("error.type", code);
            }
            if let Ok(context) = HeaderValue::from_str(&span.context().to_string()) {
                answer.headers_mut().insert(TRACERESPONSE, context);
            }
        }
    }
}

/// The code of an answer without an error.
const OK: &str = "ok";
/// What a server span counts as an error
/// (<https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/>).
const FAULTS: [&str; 6] = ["unknown", "deadline_exceeded", "unimplemented", "internal", "unavailable", "data_loss"];

/// A method as metrics and spans know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Method {
    label: &'static str,
    /// Service and method in their own spelling, where there is a span of each request.
    name: Option<(&'static str, &'static str)>,
}

impl Method {
    /// The method of a path; `None` for what is no call. A path that is no method of ours has no name: it could be any
    /// text.
    fn of(path: &str) -> Option<Self> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        let known = METHODS.iter().find(|(_, of, name)| (*of, *name) == (service, method));
        let label = match service {
            "grpc.health.v1.Health" => "health",
            "grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection" => "reflection",
            _ => "other",
        };
        Some(
            known.map_or(Self { label, name: None }, |(label, service, name)| Self {
                label,
                name: Some((service, name)),
            }),
        )
    }
}

const NEW: &str = proto::v1::FEATURE_SERVICE_SERVICE_NAME;
const OLD: &str = proto::legacy::FEATURE_SERVICE_SERVICE_NAME;
const METHODS: [(&str, &str, &str); 5] = [
    ("get_features", NEW, "GetFeatures"),
    ("batch_get_features", NEW, "BatchGetFeatures"),
    ("get_series", NEW, "GetSeries"),
    ("list_features", NEW, "ListFeatures"),
    ("legacy_get_features", OLD, "GetFeatures"),
];

fn span(tracer: &Tracer, method: Method, headers: &HeaderMap) -> Option<Span> {
    let (service, name) = method.name?;
    // Of several, none counts, as W3C asks.
    let mut sent = headers.get_all(&TRACEPARENT).iter();
    let parent = match (sent.next(), sent.next()) {
        (Some(one), None) => one.to_str().ok().and_then(|text| TraceContext::parse(text.trim())),
        _ => None,
    };
    let mut span = tracer.span(format!("{service}/{name}"), SpanKind::Server, parent);
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_grpc = content_type.starts_with(b"application/grpc");
    span.set("rpc.system", if is_grpc { "grpc" } else { "connect_rpc" });
    span.set("rpc.service", service);
    span.set("rpc.method", name);
    Some(span)
}

/// What the head of an answer says of an outcome that no handler spoke of: a stream, or no such method.
fn code_of(status: StatusCode, headers: &HeaderMap) -> &'static str {
    if let Some(code) = headers.get("grpc-status").and_then(|code| code.to_str().ok()?.parse::<u32>().ok()) {
        return if code == 0 { OK } else { ErrorCode::from_grpc_code(code).unwrap_or(ErrorCode::Unknown).as_str() };
    }
    let code = match status.as_u16() {
        200..=299 => return OK,
        400 => ErrorCode::InvalidArgument,
        401 => ErrorCode::Unauthenticated,
        403 => ErrorCode::PermissionDenied,
        404 | 501 => ErrorCode::Unimplemented,
        408 | 504 => ErrorCode::DeadlineExceeded,
        413 | 429 => ErrorCode::ResourceExhausted,
        500 => ErrorCode::Internal,
        502 | 503 => ErrorCode::Unavailable,
        _ => ErrorCode::Unknown,
    };
    code.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_no_method_of_ours_is_not_named() {
        let label = |path: &str| Method::of(path).map(|method| method.label);
        assert_eq!(label("/tollwatch.v1.FeatureService/GetFeatures"), Some("get_features"));
        assert_eq!(label(&format!("/{OLD}/GetFeatures")), Some("legacy_get_features"));
        assert_eq!(label("/grpc.health.v1.Health/Check"), Some("health"));
        for other in ["/tollwatch.v1.FeatureService/+12025550101", "/+12025550101/GetFeatures", "//"] {
            assert_eq!(Method::of(other), Some(Method { label: "other", name: None }), "{other}");
        }
        for page in ["/", "/page.js", "/metrics", "/+12025550101", ""] {
            assert_eq!(label(page), None, "{page}");
        }
    }

    #[test]
    fn a_head_says_what_no_handler_did() {
        let of = |status, grpc: Option<&'static str>| {
            let grpc = grpc.map(|code| (HeaderName::from_static("grpc-status"), HeaderValue::from_static(code)));
            code_of(status, &HeaderMap::from_iter(grpc))
        };
        assert_eq!(of(StatusCode::OK, Some("0")), "ok");
        assert_eq!(of(StatusCode::OK, Some("8")), "resource_exhausted");
        assert_eq!(of(StatusCode::OK, Some("99")), "unknown");
        assert_eq!(of(StatusCode::UNAUTHORIZED, None), "unauthenticated");
        assert_eq!(of(StatusCode::TOO_MANY_REQUESTS, None), "resource_exhausted");
        assert_eq!(of(StatusCode::OK, None), "ok");
        assert_eq!(of(StatusCode::IM_A_TEAPOT, None), "unknown");
    }
}
