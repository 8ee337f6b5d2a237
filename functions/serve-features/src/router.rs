//! What answers requests, native and behind Lambda: the feature service and the older one, health and
//! reflection, with their limits.

use std::sync::Arc;

use connectrpc::interceptor::{Interceptor, Next, UnaryRequest, UnaryResponse};
use connectrpc::{CodecFormat, ConnectError, ConnectRpcService, DeadlinePolicy, Limits, Router, async_trait};
use connectrpc_health::StaticChecker;
use connectrpc_reflection::{ReflectionError, Reflector};

use crate::deadline::PassOn;
use crate::error::RequestError;
use crate::json_form;
use crate::limits::{DEADLINE_DEFAULT, DEADLINE_MAX, REQUEST_BYTES_MAX};
use crate::service::Service;
use crate::watch::Said;

/// The service with health and reflection, and the switch of its health. One tower service answers gRPC,
/// gRPC-Web and Connect, told apart by the content type.
///
/// Fails if the embedded descriptors cannot be read, which is a fault of the build.
pub fn router(service: Arc<Service>) -> Result<(ConnectRpcService, Arc<StaticChecker>), ReflectionError> {
    let router = proto::v1::FeatureServiceExt::register(Arc::clone(&service), Router::new());
    let router = proto::legacy::FeatureServiceExt::register(service, router);
    let router = connectrpc_reflection::install(router, Reflector::from_descriptor_set_bytes(proto::DESCRIPTORS)?);
    let names = [proto::v1::FEATURE_SERVICE_SERVICE_NAME, proto::legacy::FEATURE_SERVICE_SERVICE_NAME];
    let (router, health) = connectrpc_health::install_static(router, names);
    let limits =
        Limits::default().with_max_request_body_size(REQUEST_BYTES_MAX).with_max_message_size(REQUEST_BYTES_MAX);
    Ok((answering(router, limits), health))
}

/// What answers the calls of `router`, with our deadlines and what we do to every call. The Connect conformance suite
/// asks a service of its own here.
pub fn answering(router: Router, limits: Limits) -> ConnectRpcService {
    let deadlines = DeadlinePolicy::new().with_default_timeout(DEADLINE_DEFAULT).with_max(DEADLINE_MAX);
    let rpc = ConnectRpcService::new(router).with_limits(limits).with_deadline_policy(deadlines);
    rpc.with_interceptor(PassOn).with_interceptor(Discreet)
}

/// Keeps what was sent out of what is said of it.
struct Discreet;

#[async_trait]
impl Interceptor for Discreet {
    async fn intercept_unary(&self, request: UnaryRequest, next: Next<'_>) -> Result<UnaryResponse, ConnectError> {
        // Counted, not copied.
        let json = (request.payload.format() == CodecFormat::Json).then(|| request.payload.bytes().clone());
        let method = request.ctx.path().unwrap_or_default().to_owned();
        let said = request.ctx.extensions().get::<Said>().cloned();
        let answered = next.run(request).await;
        let answered = answered.map_err(|error| {
            let wrong = || json_form::wrong(&method, json.as_deref()?);
            RequestError::of_unreadable(&error, wrong).map_or(error, ConnectError::from)
        });
        if let Some(said) = said {
            said.note(&answered);
        }
        answered
    }
}
