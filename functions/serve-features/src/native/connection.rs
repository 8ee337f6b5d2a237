//! One connection: HTTP/1.1 or HTTP/2, until it has nothing more to do here.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tower_service::Service;

use crate::front::may_last;
use crate::held::Held;
use crate::limits::{
    CONNECTION_WINDOW_BYTES, FAREWELL, HEADER_BYTES_MAX, HTTP1_BUFFER_BYTES, IDLE_MAX, PING_ANSWER_MAX, PING_EVERY,
    RETIREMENT_MAX, STREAM_WINDOW_BYTES, STREAMS_MAX,
};
use crate::native::activity::{Activity, Verdict};
use crate::native::pieces::Pieces;

/// Answers what is asked on a connection. Returns when it is closed, by either side. From when `stop` says so it
/// takes no new request.
pub(crate) async fn serve<I, S, B>(io: I, service: S, mut stop: watch::Receiver<bool>)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let activity = Arc::new(Activity::new(Instant::now()));
    let counted = hyper::service::service_fn({
        let activity = Arc::clone(&activity);
        move |request: Request<Incoming>| {
            let in_flight = activity.begin(Instant::now(), may_last(request.uri().path()));
            let answered = service.clone().call(request);
            async move { answered.await.map(|response| response.map(|body| Pieces::new(Held::new(body, in_flight)))) }
        }
    });
    let builder = builder();
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), counted));
    let mut is_stopping = false;
    let mut is_retiring = false;
    let mut look_at = Instant::now();
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended with an error");
                }
                return;
            }
            // A sender that is gone wants it stopped too.
            _ = stop.wait_for(|stop| *stop), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
                look_at = Instant::now() + FAREWELL;
            }
            () = sleep_until(look_at) => match activity.verdict(Instant::now(), is_stopping) {
                Verdict::Stays(until) => look_at = until,
                Verdict::Retires if !is_retiring => {
                    is_retiring = true;
                    connection.as_mut().graceful_shutdown();
                    look_at = Instant::now() + RETIREMENT_MAX;
                }
                Verdict::Retires | Verdict::Ends => return,
            }
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // It counts idle time between requests too.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE_MAX).max_buf_size(HTTP1_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWER_MAX);
    builder
}
