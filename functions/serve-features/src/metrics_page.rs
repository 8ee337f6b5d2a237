//! `GET /metrics`, for Prometheus: what the process measured since it began. It is asked with what a call is asked
//! with, for it says how much a business is asked and by what.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{Either, Full};
use telemetry::Exposition;

use crate::service::Service;

/// Where it is.
pub const METRICS_PATH: &str = "/metrics";

/// What is shown there.
#[derive(Clone)]
pub struct Metrics {
    /// What was measured.
    pub exposition: Arc<Exposition>,
    /// Asked what it knows at the moment.
    pub service: Arc<Service>,
}

/// Answers with it where it is asked for and there is one, and else with what `inner` answers.
#[derive(Clone)]
pub struct MetricsPage<S> {
    inner: S,
    metrics: Option<Metrics>,
}

impl<S> MetricsPage<S> {
    /// Shows `metrics`, if there are any.
    pub const fn new(inner: S, metrics: Option<Metrics>) -> Self {
        Self { inner, metrics }
    }
}

impl<S, B, A> tower_service::Service<Request<B>> for MetricsPage<S>
where
    S: tower_service::Service<Request<B>, Response = Response<A>, Error = Infallible>,
    S::Future: Send + 'static,
    A: Send + 'static,
{
    type Response = Response<Either<A, Full<Bytes>>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_asked = is_metrics(request.method(), request.uri().path());
        let Some(metrics) = self.metrics.as_ref().filter(|_| is_asked) else {
            return self.inner.call(request).map(|answered| answered.map(|answer| answer.map(Either::Left))).boxed();
        };
        let (metrics, is_head) = (metrics.clone(), request.method() == Method::HEAD);
        async move {
            metrics.service.measure().await;
            let text = metrics.exposition.text();
            let length = HeaderValue::from(text.len());
            let body = if is_head { Bytes::new() } else { Bytes::from(text) };
            let mut response = Response::new(Either::Right(Full::new(body)));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Exposition::CONTENT_TYPE));
            headers.insert(header::CONTENT_LENGTH, length);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            Ok(response)
        }
        .boxed()
    }
}

/// Whether a request is for the metrics.
pub(crate) fn is_metrics(method: &Method, path: &str) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && path == METRICS_PATH
}
