//! A service that listens, with certificates made for it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectrpc::Protocol;
use proto::v1::FeatureServiceClient;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use serve_features::Service;
use serve_features::access::Access;
use serve_features::client::{self, Credentials, Transport};
use serve_features::metrics_page::Metrics;
use serve_features::native::{Exposure, NativeError, NativeServer, Tls, TlsFiles};
use telemetry::Watch;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::GrpcWeb, Protocol::Connect];
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A service on a port of this machine.
pub struct Running {
    pub address: SocketAddr,
    pub exposure: Exposure,
    stop: Option<oneshot::Sender<()>>,
    pub served: JoinHandle<Result<(), NativeError>>,
}

impl Running {
    pub async fn start(service: Arc<Service>, exposure: Exposure) -> Self {
        Self::start_watched(service, exposure, Watch::default(), None).await
    }

    pub async fn start_watched(
        service: Arc<Service>,
        exposure: Exposure,
        watch: Watch,
        metrics: Option<Metrics>,
    ) -> Self {
        let server = NativeServer::bind_with(LOOPBACK, service, exposure.clone()).await.unwrap();
        let server = server.with_watch(watch, metrics);
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        Self { address, exposure, stop: Some(stop), served }
    }

    pub fn url(&self) -> String {
        let scheme = if self.exposure.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub fn client(&self, credentials: &Credentials, protocol: Protocol) -> FeatureServiceClient<Transport> {
        let (config, transport) = client::parts(&self.url(), credentials, protocol).unwrap();
        FeatureServiceClient::new(transport, config)
    }

    /// Gives the signal to stop.
    pub fn begin_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub async fn stop(mut self) {
        self.begin_to_stop();
        self.served.await.unwrap().unwrap();
    }
}

/// Authorities and what they issue, as files.
pub struct Certificates {
    pub folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Self { folder, authority: authority() };
        certificates.write("ca.pem", &certificates.authority.pem());
        certificates.issue("server", ExtendedKeyUsagePurpose::ServerAuth);
        certificates.issue("client", ExtendedKeyUsagePurpose::ClientAuth);
        certificates
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file for its owner alone.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A new certificate and key, over those of before.
    pub fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        parameters.extended_key_usages = vec![usage];
        let certificate = parameters.signed_by(&key, &self.authority).unwrap();
        self.write(&format!("{name}.pem"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    pub fn files(&self, client_authority: Option<&Path>) -> TlsFiles {
        TlsFiles {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            client_authority: client_authority.map(Path::to_owned),
        }
    }

    /// TLS, and a token.
    pub fn with_token(&self) -> Exposure {
        let tokens = self.write("tokens", &format!("# a test\n{TOKEN}\n"));
        Exposure {
            tls: Some(Arc::new(Tls::open(self.files(None)).unwrap())),
            access: Some(Arc::new(Access::open(&tokens).unwrap())),
            ..Exposure::default()
        }
    }

    /// TLS, and callers' certificates.
    pub fn with_client_certificates(&self) -> Exposure {
        let files = self.files(Some(&self.path("ca.pem")));
        Exposure { tls: Some(Arc::new(Tls::open(files).unwrap())), ..Exposure::default() }
    }

    /// A caller who believes the authority, and shows nothing.
    pub fn stranger(&self) -> Credentials {
        Credentials { authorities: Some(self.path("ca.pem")), ..Credentials::default() }
    }

    /// A caller with a token.
    pub fn with_token_of(&self, file: PathBuf) -> Credentials {
        Credentials { token: Some(file), ..self.stranger() }
    }

    /// A caller with a certificate.
    pub fn with_certificate(&self, name: &str) -> Credentials {
        let pair = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        Credentials { certificate: Some(pair), ..self.stranger() }
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}
