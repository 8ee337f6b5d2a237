//! Answers as a definition asks for them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use buffa::Message;
use buffa_types::google::protobuf::Any;
use connectrpc::{ConnectError, ErrorCode, ErrorDetail, RequestContext, Response};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::generated::connectrpc::conformance::v1::conformance_payload::RequestInfo;
use crate::generated::connectrpc::conformance::v1::{
    __buffa::oneof::unary_response_definition::Response as Defined, ConformancePayload, Error, Header,
    UnaryResponseDefinition,
};

/// The package of what is echoed.
const PACKAGE: &str = "connectrpc.conformance.v1";
/// How a request says its timeout, over Connect and over gRPC.
const TIMEOUTS: [&str; 2] = ["connect-timeout-ms", "grpc-timeout"];

/// A request to be echoed.
pub(crate) fn echo(name: &str, request: &impl Message) -> Any {
    Any::pack(request, format!("type.googleapis.com/{PACKAGE}.{name}"))
}

/// What was seen of a request: its headers, its timeout and `requests`.
pub(crate) fn seen(ctx: &RequestContext, requests: Vec<Any>) -> RequestInfo {
    let headers = ctx.headers();
    let request_headers = headers.keys().map(|name| Header {
        name: name.as_str().to_owned(),
        value: headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect(),
        ..Default::default()
    });
    // Every request has a deadline here, not every one asked for it.
    let is_asked = TIMEOUTS.iter().any(|name| headers.contains_key(*name));
    let timeout = ctx.time_remaining().filter(|_| is_asked);
    RequestInfo {
        request_headers: request_headers.collect(),
        timeout_ms: timeout.map(|left| i64::try_from(left.as_millis()).unwrap_or(i64::MAX)),
        requests,
        ..Default::default()
    }
}

/// The one answer to a call that has at most one.
pub(crate) async fn one(
    ctx: &RequestContext,
    definition: Option<&UnaryResponseDefinition>,
    requests: Vec<Any>,
) -> Result<Response<ConformancePayload>, ConnectError> {
    let seen = seen(ctx, requests);
    let Some(definition) = definition else { return Ok(Response::new(payload(&[], Some(seen)))) };
    let headers = map(&definition.response_headers)?;
    let trailers = map(&definition.response_trailers)?;
    wait(definition.response_delay_ms).await;
    let data = match &definition.response {
        Some(Defined::Error(defined)) => {
            return Err(error(defined, Some(&seen)).with_headers(headers).with_trailers(trailers));
        }
        Some(Defined::ResponseData(data)) => data.as_slice(),
        None => &[],
    };
    let mut response = Response::new(payload(data, Some(seen)));
    response.headers = headers;
    response.trailers = trailers;
    Ok(response)
}

/// A payload of `data`.
pub(crate) fn payload(data: &[u8], seen: Option<RequestInfo>) -> ConformancePayload {
    ConformancePayload { data: data.to_vec(), request_info: seen.into(), ..Default::default() }
}

/// The error that is asked for, with what was `seen` as the last detail.
pub(crate) fn error(defined: &Error, seen: Option<&RequestInfo>) -> ConnectError {
    let code = u32::try_from(defined.code.to_i32()).ok().and_then(ErrorCode::from_grpc_code);
    let mut error =
        ConnectError::new(code.unwrap_or(ErrorCode::Unknown), defined.message.clone().unwrap_or_default());
    for detail in &defined.details {
        let name = detail.type_url.rsplit('/').next().unwrap_or_default();
        let value = Some(STANDARD_NO_PAD.encode(&detail.value));
        error = error.with_detail(ErrorDetail { type_url: name.to_owned(), value, debug: None });
    }
    match seen {
        Some(seen) => {
            error.with_detail(ErrorDetail::from_message(format!("{PACKAGE}.ConformancePayload.RequestInfo"), seen))
        }
        None => error,
    }
}

/// Headers or trailers.
pub(crate) fn map(headers: &[Header]) -> Result<HeaderMap, ConnectError> {
    let mut map = HeaderMap::new();
    for header in headers {
        let wrong = |what: String| ConnectError::invalid_argument(format!("header {}: {what}", header.name));
        let name: HeaderName = header.name.parse().map_err(|error| wrong(format!("{error}")))?;
        for value in &header.value {
            map.append(&name, HeaderValue::from_str(value).map_err(|error| wrong(error.to_string()))?);
        }
    }
    Ok(map)
}

/// Waits before an answer.
pub(crate) async fn wait(delay_ms: u32) {
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms.into())).await;
    }
}
