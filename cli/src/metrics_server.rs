//! `GET /metrics` of a command that serves nothing else, for a Prometheus on the same machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::http::header;
use axum::routing::get;
use telemetry::Exposition;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::failure::{Blame as _, Failure};

/// Answers until it is aborted, and says where. Nobody is asked who they are, so nobody else can reach it.
pub(crate) async fn start(port: u16, exposition: Arc<Exposition>) -> Result<(SocketAddr, JoinHandle<()>), Failure> {
    let cannot = || format!("port {port} cannot be listened on: stop what listens there, or choose another");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.with_context(cannot).or_user()?;
    let address = listener.local_addr().or_internal()?;
    let answer = move || {
        let text = exposition.text();
        std::future::ready(([(header::CONTENT_TYPE, Exposition::CONTENT_TYPE)], text))
    };
    let router = Router::new().route("/metrics", get(answer));
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(target: "tollwatch", %error, "metrics are not answered any more");
        }
    });
    Ok((address, serving))
}
