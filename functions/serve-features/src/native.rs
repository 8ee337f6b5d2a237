//! The service on a port: HTTP/1.1 and HTTP/2 in cleartext, for gRPC, gRPC-Web and Connect.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use connectrpc::ConnectRpcService;
use connectrpc::server::{BoundServer, Server};
use connectrpc_health::StaticChecker;
use connectrpc_reflection::ReflectionError;
use tokio::net::TcpListener;

use crate::router::router;
use crate::service::Service;

/// How long requests in flight may still take after the signal to stop.
pub const DRAIN_MAX: Duration = Duration::from_secs(20);

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// Something else listens on the port.
    #[error("port {} of {} is in use: stop what listens there, or choose another port", .0.port(), .0.ip())]
    InUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The embedded descriptors cannot be read: a fault of the build.
    #[error("the service's own descriptors cannot be read: {0}")]
    Descriptors(#[from] ReflectionError),
    /// Serving failed.
    #[error("serving failed: {0}")]
    Serve(Box<dyn std::error::Error + Send + Sync>),
}

/// A service that listens, and answers once [`NativeServer::serve`] runs.
pub struct NativeServer {
    bound: BoundServer,
    address: SocketAddr,
    rpc: ConnectRpcService,
    health: Arc<StaticChecker>,
}

impl NativeServer {
    /// Listens on `address`; port 0 takes a free one. Anybody who can reach the address can ask, so it should
    /// be a loopback address unless something in front of it decides who may.
    pub async fn bind(address: SocketAddr, service: Arc<Service>) -> Result<Self, NativeError> {
        let (rpc, health) = router(service)?;
        let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => NativeError::InUse(address),
            _ => NativeError::Listen { address, source },
        })?;
        let bound_address = listener.local_addr().map_err(|source| NativeError::Listen { address, source })?;
        Ok(Self { bound: Server::from_listener(listener), address: bound_address, rpc, health })
    }

    /// The address it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is ready. Then it takes no new connection, reports itself as not serving, and
    /// finishes the requests in flight, for at most [`DRAIN_MAX`].
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), NativeError> {
        let health = self.health;
        let (drain, draining) = tokio::sync::oneshot::channel();
        let signal = async move {
            stop.await;
            health.shutdown();
            // The receiver is gone only if serving has already ended.
            let _ = drain.send(());
        };
        let serving = self.bound.serve_with_service_and_shutdown(self.rpc, signal);
        tokio::select! {
            served = serving => served.map_err(NativeError::Serve),
            () = overdue(draining) => {
                tracing::warn!(drain_secs = DRAIN_MAX.as_secs(), "requests were cut off at shutdown");
                Ok(())
            }
        }
    }
}

/// Ready [`DRAIN_MAX`] after draining began; never if it does not begin.
async fn overdue(draining: tokio::sync::oneshot::Receiver<()>) {
    if draining.await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(DRAIN_MAX).await;
}
