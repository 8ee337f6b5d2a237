//! A listening server, its address, and its end.

use std::future::Future;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{Error, Service};

/// How long requests in flight may take once the end is asked for. A client that sent half a request would hold
/// the server for ever otherwise.
const GRACE: Duration = Duration::from_secs(5);

/// A server in a task of its own. Dropping it without [`Endpoint::shutdown`] also stops it, without waiting.
#[derive(Debug)]
pub(crate) struct Endpoint {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Endpoint {
    /// Serves what `serve` makes of the listener and the signal to stop.
    pub(crate) fn spawn<F, S>(listener: TcpListener, serve: F) -> std::io::Result<Self>
    where
        F: FnOnce(TcpListener, oneshot::Receiver<()>) -> S,
        S: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, stopped));
        Ok(Self { address, stop: Some(stop), serving })
    }

    /// Serves an axum router.
    pub(crate) fn spawn_router(listener: TcpListener, service: Service, app: Router) -> std::io::Result<Self> {
        Self::spawn(listener, move |listener, stopped| async move {
            // Head and body of an answer go in two writes, and the second would wait 40 ms for the client to acknowledge
            // the first.
            let listener = listener.tap_io(move |stream| {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%service, %error, "a connection may be slow");
                }
            });
            let served = axum::serve(listener, app)
                .with_graceful_shutdown(async move {
                    // An error means that the sender is gone, which is the same wish.
                    let _ = stopped.await;
                })
                .await;
            if let Err(error) = served {
                tracing::error!(%service, %error, "a local endpoint ended");
            }
        })
    }

    /// The URL for an SDK client.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops accepting, lets requests in flight end, and returns once they have, at the latest after [`GRACE`].
    pub(crate) async fn shutdown(mut self) {
        drop(self.stop.take());
        if tokio::time::timeout(GRACE, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
    }
}

/// Listens on a loopback port; 0 takes a free one.
pub(crate) async fn listen(service: Service, port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => Error::PortInUse { service, port },
        _ => Error::Listen { service, port, source },
    })
}
