//! What every request passes before it is answered: who asks, how many are being answered, and what becomes of a
//! panic. Refusals have the form of the protocol that the caller speaks.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use connectrpc::ConnectRpcBody;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::{BodyExt as _, Either};
use hyper::body::Body;
use telemetry::Watch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

use crate::access::Access;
use crate::error::Refusal;
use crate::held::Held;
use crate::limits::{IN_FLIGHT_DEFAULT, REFUSED_BYTES_MAX, REFUSED_READ_MAX};
use crate::metrics_page::is_metrics;
use crate::watch::{self, Watched};

/// The one call that needs no token: load balancers ask it and have none, and it says nothing but that the service is
/// there.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";

/// Answers with what `inner` answers, if the caller may ask and there is room.
#[derive(Clone, Debug)]
pub struct Front<S> {
    inner: S,
    access: Option<Arc<Access>>,
    room: Arc<Semaphore>,
    max_in_flight: usize,
    watch: Watch,
}

/// The body of an answer. The place of a request is free again when its answer has been sent.
pub type FrontBody<B> = Either<Held<B, Option<OwnedSemaphorePermit>>, ConnectRpcBody>;

impl<S> Front<S> {
    /// Lets everybody ask, [`IN_FLIGHT_DEFAULT`] at once.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            access: None,
            room: Arc::new(Semaphore::new(IN_FLIGHT_DEFAULT)),
            max_in_flight: IN_FLIGHT_DEFAULT,
            watch: Watch::default(),
        }
    }

    /// Lets those ask who have a token.
    #[must_use]
    pub fn with_access(mut self, access: Option<Arc<Access>>) -> Self {
        self.access = access;
        self
    }

    /// Answers so many requests at once. Not counted are health, reflection and the page, which read no store: whoever
    /// needs no token for them would take the places of those who have one.
    #[must_use]
    pub fn with_max_in_flight(mut self, max_in_flight: usize) -> Self {
        self.room = Arc::new(Semaphore::new(max_in_flight));
        self.max_in_flight = max_in_flight;
        self
    }

    /// Tells of every request.
    #[must_use]
    pub fn with_watch(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    /// The place of a request, if it needs one.
    fn admit<B>(&self, request: &Request<B>) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
        let path = request.uri().path();
        if let Some(access) = &self.access
            && !is_open(request.method(), path)
            && !access.admits(request.headers())
        {
            return Err(Refusal::Unauthenticated);
        }
        // Metrics are wanted most where there is no room.
        if is_operational(path) || is_page(request.method(), path) || is_metrics(request.method(), path) {
            return Ok(None);
        }
        let place = Arc::clone(&self.room).try_acquire_owned();
        place.map(Some).map_err(|_| Refusal::Busy { max: self.max_in_flight })
    }
}

impl<S, B, A> Service<Request<B>> for Front<S>
where
    S: Service<Request<B>, Response = Response<A>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    A: Send + 'static,
{
    type Response = Response<FrontBody<A>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let watched = watch::begin(&self.watch, &mut request);
        let place = match self.admit(&request) {
            Ok(place) => place,
            Err(refusal) => {
                return refuse(refusal, request).map(move |answer| Ok(tell(watched, Some(refusal), answer))).boxed();
            }
        };
        let headers = request.headers().clone();
        let answered = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        async move {
            Ok(match answered.await {
                Ok(Ok(response)) => tell(watched, None, response.map(|body| Either::Left(Held::new(body, place)))),
                Ok(Err(never)) => match never {},
                Err(panic) => {
                    note(panic.as_ref());
                    tell(watched, Some(Refusal::Fault), refusal(Refusal::Fault, &headers))
                }
            })
        }
        .boxed()
    }
}

/// Tells of an answer whose head is there.
fn tell<A>(watched: Option<Watched>, refused: Option<Refusal>, mut answer: Response<A>) -> Response<A> {
    if let Some(watched) = watched {
        watched.end(refused, &mut answer);
    }
    answer
}

/// Whether a path is of health or reflection, which read no store.
fn is_operational(path: &str) -> bool {
    path.starts_with("/grpc.")
}

/// Whether a request is answered with a stream that may last: those of health and reflection, of which the one call that
/// needs no token is none.
pub(crate) fn may_last(path: &str) -> bool {
    is_operational(path) && path != HEALTH_CHECK
}

/// Whether a request needs no token.
fn is_open(method: &Method, path: &str) -> bool {
    path == HEALTH_CHECK || is_page(method, path)
}

/// Whether a request is for the page or one of its files, which hold no features and lie ready in memory. The path of a
/// call has two parts, service and method.
fn is_page(method: &Method, path: &str) -> bool {
    let has_one_part = || path.strip_prefix('/').is_some_and(|rest| !rest.contains('/'));
    matches!(*method, Method::GET | Method::HEAD) && has_one_part() && !is_metrics(method, path)
}

async fn refuse<B, A>(why: Refusal, request: Request<B>) -> Response<FrontBody<A>>
where
    B: Body<Data = Bytes> + Send,
{
    let (parts, body) = request.into_parts();
    // With HTTP/1.1 a caller who is still sending would see a broken connection instead of the refusal.
    if parts.version < Version::HTTP_2 {
        let _ = tokio::time::timeout(REFUSED_READ_MAX, discard(body)).await;
    }
    refusal(why, &parts.headers)
}

/// Reads what is still sent, and keeps nothing.
async fn discard<B: Body<Data = Bytes>>(body: B) {
    let mut body = pin!(body);
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > REFUSED_BYTES_MAX {
            return;
        }
    }
}

fn refusal<A>(why: Refusal, headers: &HeaderMap) -> Response<FrontBody<A>> {
    why.into_error().into_http_response(headers).map(Either::Right)
}

/// What a panic says is for developers and may hold what was asked, so only that there was one is logged; the hook of
/// the process has printed where.
fn note(_panic: &(dyn Any + Send)) {
    tracing::error!("a request ended with a fault of the service");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use tokio::time::Instant;

    use super::*;

    /// Answers at once.
    #[derive(Clone)]
    struct Quick;

    impl<B> Service<Request<B>> for Quick {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _request: Request<B>) -> Self::Future {
            std::future::ready(Ok(Response::new(Full::default())))
        }
    }

    #[tokio::test]
    async fn a_place_is_taken_until_the_answer_is_sent_or_given_up() {
        let front = Front::new(Quick).with_max_in_flight(1);
        let ask = async |path: &str| {
            let request = Request::builder().uri(path).body(Full::<Bytes>::default());
            front.clone().call(request.unwrap_or_default()).await.unwrap_or_else(|never| match never {})
        };
        let unsent = ask("/a/b").await;
        assert_eq!(unsent.status(), 200);
        assert_eq!(ask("/a/b").await.status(), 429);
        for free in ["/grpc.health.v1.Health/Check", "/", "/openapi.yaml"] {
            assert_eq!(ask(free).await.status(), 200, "{free}");
        }
        drop(unsent);
        assert_eq!(ask("/a/b").await.status(), 200);
    }

    /// What is still sent is taken before the refusal is given, or the caller would not get to read it; not for ever.
    #[tokio::test(start_paused = true)]
    async fn whoever_still_sends_is_heard_out_and_then_refused() {
        let full = Front::new(Quick).with_max_in_flight(0);
        let asked = |version: Version| {
            let (send, receive) = futures::channel::mpsc::unbounded();
            let mut request = Request::new(StreamBody::new(receive));
            *request.uri_mut() = http::Uri::from_static("/a/b");
            *request.version_mut() = version;
            (send, full.clone().call(request))
        };
        let piece = |bytes: usize| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![0; bytes])));
        let status = |answered: Result<Response<_>, Infallible>| {
            answered.map(|response: Response<FrontBody<Full<Bytes>>>| response.status())
        };

        let (send, mut answered) = asked(Version::HTTP_11);
        assert!(send.unbounded_send(piece(1)).is_ok());
        assert!(futures::poll!(&mut answered).is_pending());
        drop(send);
        assert_eq!(status(answered.await), Ok(StatusCode::TOO_MANY_REQUESTS));

        let (send, answered) = asked(Version::HTTP_11);
        assert!(send.unbounded_send(piece(REFUSED_BYTES_MAX + 1)).is_ok());
        let began = Instant::now();
        assert_eq!(status(answered.await), Ok(StatusCode::TOO_MANY_REQUESTS));
        assert_eq!(began.elapsed(), Duration::ZERO);

        let (_send, answered) = asked(Version::HTTP_11);
        assert_eq!(status(answered.await), Ok(StatusCode::TOO_MANY_REQUESTS));
        assert!(began.elapsed() >= REFUSED_READ_MAX);

        // A stream of HTTP/2 can be answered before its end.
        let (_send, mut answered) = asked(Version::HTTP_2);
        assert!(futures::poll!(&mut answered).is_ready());
    }

    #[test]
    fn only_streams_may_last() {
        for stream in ["/grpc.health.v1.Health/Watch", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] {
            assert!(may_last(stream), "{stream}");
        }
        for call in [HEALTH_CHECK, "/", "/tollwatch.v1.FeatureService/GetFeatures"] {
            assert!(!may_last(call), "{call}");
        }
    }

    #[test]
    fn only_health_and_the_page_are_open() {
        let page = ["/", "/openapi.yaml", "/page.js"];
        for path in page {
            assert!(is_open(&Method::GET, path), "{path}");
            assert!(!is_open(&Method::POST, path), "{path}");
        }
        assert!(is_open(&Method::POST, HEALTH_CHECK));
        for path in [
            "/tollwatch.v1.FeatureService/GetFeatures",
            "/FeatureService/GetFeatures",
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "//GetFeatures",
            "/metrics",
            "/grpc.health.v1.Health/Check/",
            "",
            "*",
        ] {
            assert!(!is_open(&Method::GET, path), "{path}");
            assert!(!is_open(&Method::POST, path), "{path}");
        }
    }
}
