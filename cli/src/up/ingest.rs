//! Call records over HTTP into the live system: the code of the function `ingest-calls`, on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use ingest_calls::{BODY_BYTES_MAX, Ingest, Moments};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use crate::clock;
use crate::failure::{Blame as _, Failure};

/// How long a body may take to come, and its records to be on the stream.
const TIME_MAX: Duration = Duration::from_secs(25);

/// Takes records on a port of 127.0.0.1 for as long as the process runs; says where.
pub(crate) async fn start(port: u16, ingest: Ingest) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
        Failure::user(anyhow!("port {port} cannot be listened on ({error}): choose another with --ingest-port"))
    })?;
    let address = listener.local_addr().or_internal()?;
    let routes = Router::new().fallback(take).with_state(Arc::new(ingest));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(address)
}

async fn take(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    let received_at_ms = clock::now_ms();
    let answer_by = Instant::now() + TIME_MAX;
    let (head, body) = request.into_parts();
    // One byte more than is taken, so that what is too long is told so.
    let body = match timeout(TIME_MAX, to_bytes(body, BODY_BYTES_MAX + 1)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return (StatusCode::PAYLOAD_TOO_LARGE, "the body is too long, or broke off\n").into_response(),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, "the body took too long to come\n").into_response(),
    };
    let request = Request::from_parts(head, body);
    let (response, _) = ingest.answer(&request, Moments { received_at_ms, answer_by }).await;
    response.into_response()
}
