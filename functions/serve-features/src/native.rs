//! The service on a port: HTTP/1.1 and HTTP/2, for gRPC, gRPC-Web and Connect, with TLS and tokens where others than
//! this machine can reach it.

mod activity;
mod connection;
mod pieces;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use connectrpc::ConnectRpcService;
use connectrpc_health::StaticChecker;
use connectrpc_reflection::ReflectionError;
use telemetry::Watch;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::access::Access;
use crate::front::Front;
pub use crate::limits::DRAIN_MAX;
use crate::limits::{CONNECTIONS_DEFAULT, HANDSHAKE_MAX, IN_FLIGHT_DEFAULT, RELOAD_EVERY};
use crate::metrics_page::{Metrics, MetricsPage};
pub use crate::native::tls::{Tls, TlsError, TlsFiles};
pub(crate) use crate::native::tls::{authorities, certificates, private_key};
use crate::outage::Outage;
use crate::router::router;
use crate::service::Service;
use crate::web::Web;

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
    /// Others could reach the address and ask what they like.
    #[error(
        "{address} can be reached from other machines, and {lack}: give --tls-cert and --tls-key, and --token-file or \
         --client-ca, or --insecure if something in front of it decides who may ask"
    )]
    Exposed {
        /// The address asked for.
        address: SocketAddr,
        /// What is not there.
        lack: &'static str,
    },
    /// The embedded descriptors cannot be read: a fault of the build.
    #[error("the service's own descriptors cannot be read: {0}")]
    Descriptors(#[from] ReflectionError),
    /// No more connections can be taken.
    #[error("no connection can be taken on {address} any more: {source}")]
    Accept {
        /// Where it listens.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Who may reach the service, and how many at once.
#[derive(Clone, Debug)]
pub struct Exposure {
    /// Certificate and key, and whose callers' certificates are believed.
    pub tls: Option<Arc<Tls>>,
    /// Tokens, of which callers need one.
    pub access: Option<Arc<Access>>,
    /// Takes an address that other machines can reach although anybody could ask.
    pub is_insecure: bool,
    /// Requests that are answered at once.
    pub max_in_flight: usize,
    /// Connections that are open at once.
    pub max_connections: usize,
}

impl Default for Exposure {
    fn default() -> Self {
        Self {
            tls: None,
            access: None,
            is_insecure: false,
            max_in_flight: IN_FLIGHT_DEFAULT,
            max_connections: CONNECTIONS_DEFAULT,
        }
    }
}

impl Exposure {
    /// What is missing before other machines may reach the service.
    pub fn lack(&self) -> Option<&'static str> {
        let knows_callers =
            self.access.is_some() || self.tls.as_ref().is_some_and(|tls| tls.wants_client_certificates());
        match (&self.tls, knows_callers) {
            (Some(_), true) => None,
            (Some(_), false) => Some("anybody could ask"),
            (None, true) => Some("without TLS tokens and answers could be read on the way"),
            (None, false) => Some("without TLS and tokens anybody could ask and listen"),
        }
    }

    /// Refuses an address that other machines can reach where something is missing.
    pub fn check(&self, address: SocketAddr) -> Result<(), NativeError> {
        match self.lack() {
            Some(lack) if !address.ip().to_canonical().is_loopback() && !self.is_insecure => {
                Err(NativeError::Exposed { address, lack })
            }
            _ => Ok(()),
        }
    }

    /// Reads certificates, keys and tokens again. What cannot be used stays as it was and is logged.
    pub fn reload(&self) {
        if let Some(tls) = &self.tls {
            match tls.reload() {
                Ok(true) => tracing::info!(target: "tollwatch", "certificates were read again and have changed"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "certificates cannot be read again: those of before stay"),
            }
        }
        if let Some(access) = &self.access {
            match access.reload() {
                Ok(true) => tracing::info!(target: "tollwatch", "tokens were read again and have changed"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "tokens cannot be read again: those of before stay"),
            }
        }
    }
}

/// A service that listens, and answers once [`NativeServer::serve`] runs.
pub struct NativeServer {
    listener: TcpListener,
    address: SocketAddr,
    rpc: ConnectRpcService,
    health: Arc<StaticChecker>,
    exposure: Exposure,
    watch: Watch,
    metrics: Option<Metrics>,
}

/// What answers the requests of a connection.
type Answering = Front<MetricsPage<Web<ConnectRpcService>>>;

impl NativeServer {
    /// Listens on a loopback `address`; port 0 takes a free one. Whoever is on this machine can ask.
    pub async fn bind(address: SocketAddr, service: Arc<Service>) -> Result<Self, NativeError> {
        Self::bind_with(address, service, Exposure::default()).await
    }

    /// Listens on `address`. One that other machines can reach needs TLS, and tokens or callers' certificates.
    pub async fn bind_with(
        address: SocketAddr,
        service: Arc<Service>,
        exposure: Exposure,
    ) -> Result<Self, NativeError> {
        let (rpc, health) = router(service)?;
        Self::bind_rpc(address, rpc, health, exposure).await
    }

    /// Listens on `address` for the calls of `rpc`, with the switch of its health.
    pub async fn bind_rpc(
        address: SocketAddr,
        rpc: ConnectRpcService,
        health: Arc<StaticChecker>,
        exposure: Exposure,
    ) -> Result<Self, NativeError> {
        exposure.check(address)?;
        let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => NativeError::InUse(address),
            _ => NativeError::Listen { address, source },
        })?;
        let address = listener.local_addr().map_err(|source| NativeError::Listen { address, source })?;
        Ok(Self { listener, address, rpc, health, exposure, watch: Watch::default(), metrics: None })
    }

    /// Tells of every request, and shows what is measured at [`crate::metrics_page::METRICS_PATH`] to whoever may call.
    #[must_use]
    pub fn with_watch(mut self, watch: Watch, metrics: Option<Metrics>) -> Self {
        (self.watch, self.metrics) = (watch, metrics);
        self
    }

    /// The address it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is ready. Then it takes no new connection, reports itself as not serving, and
    /// finishes the requests in flight, for at most [`DRAIN_MAX`].
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), NativeError> {
        let Self { listener, address, rpc, health, exposure, watch, metrics } = self;
        let front = Front::new(MetricsPage::new(Web::new(rpc), metrics))
            .with_access(exposure.access.clone())
            .with_max_in_flight(exposure.max_in_flight)
            .with_watch(watch);
        let (stopping, is_stopping) = watch::channel(false);
        let places = Arc::new(Semaphore::new(exposure.max_connections));
        let mut connections = JoinSet::new();
        let (accepting, room) = (Outage::new("taking connections"), Outage::new("connections beyond the limit"));
        let mut reload = interval(RELOAD_EVERY);
        reload.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = std::pin::pin!(stop);
        loop {
            let stream = tokio::select! {
                () = &mut stop => break,
                // Those that ended are let go.
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                _ = reload.tick() => {
                    // A few small local files a minute.
                    exposure.reload();
                    continue;
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) if is_passing(&error) => {
                        accepting.failed(&error);
                        // Files that are all open do not become free at once.
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                    Err(source) => return Err(NativeError::Accept { address, source }),
                },
            };
            accepting.worked();
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                room.failed(&format_args!("closed: --max-connections, {}, are open", exposure.max_connections));
                continue;
            };
            room.worked();
            let tls = exposure.tls.clone();
            connections.spawn(take(stream, place, tls, front.clone(), is_stopping.clone()));
        }
        drop(listener);
        health.shutdown();
        // There is nobody to tell if no connection is open.
        let _ = stopping.send(true);
        if timeout(DRAIN_MAX, async { while connections.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!(drain_secs = DRAIN_MAX.as_secs(), "requests were cut off at shutdown");
        }
        Ok(())
    }
}

/// How long no connection is taken after one could not be.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Whether an error of taking a connection is of that one, or passes.
fn is_passing(error: &io::Error) -> bool {
    // EMFILE and ENFILE have no kind of their own; the kinds that a broken listener has are few.
    !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotConnected | io::ErrorKind::Unsupported)
}

/// Serves one connection, with TLS where the server has it.
async fn take(
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    tls: Option<Arc<Tls>>,
    front: Answering,
    mut is_stopping: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection may be slow");
    }
    match tls {
        None => connection::serve(stream, front, is_stopping).await,
        Some(tls) => {
            let acceptor = tls.acceptor();
            let handshake = tokio::select! {
                handshake = timeout(HANDSHAKE_MAX, acceptor.accept(stream)) => handshake,
                _ = is_stopping.wait_for(|stop| *stop) => return,
            };
            match handshake {
                Ok(Ok(stream)) => connection::serve(stream, front, is_stopping).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        }
    }
    drop(place);
}
