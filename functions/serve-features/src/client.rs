//! A client of the service, over gRPC.
//!
//! ```no_run
//! # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
//! let client = serve_features::client::connect("http://127.0.0.1:7010")?;
//! let request = proto::v1::GetFeaturesRequest { number: "+12025550101".into(), ..Default::default() };
//! let answer = client.get_features(request).await?.into_owned();
//! println!("{} values, degraded: {}", answer.values.len(), answer.degraded);
//! # Ok(())
//! # }
//! ```

use std::path::PathBuf;
use std::time::Duration;

use connectrpc::client::{ClientBody, ClientConfig, ServiceTransport};
use connectrpc::{ConnectError, Protocol};
use http::header;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use proto::v1::{FeatureError, FeatureServiceClient};
use rustls::RootCertStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::access::{TokenError, read_token};
use crate::native::{TlsError, authorities, certificates, private_key};
use crate::secret_file::{FileError, read_public, read_secret};

/// How long a call may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How calls get to the service.
pub type Transport = ServiceTransport<Client<HttpsConnector<HttpConnector>, ClientBody>>;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not a URL that the client can use.
    #[error("{url} is no address of the service: give http://HOST:PORT or https://HOST:PORT")]
    Url {
        /// What was given.
        url: String,
    },
    /// The token would be sent where others can read it.
    #[error("{url} has no TLS, and others could read the token on the way: give an https:// address")]
    TokenInTheClear {
        /// What was given.
        url: String,
    },
    /// Certificates are for TLS.
    #[error("{url} has no TLS, so certificates do nothing: give an https:// address, or no certificates")]
    CertificatesWithoutTls {
        /// What was given.
        url: String,
    },
    /// The file of the token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A file of a certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system has no authorities.
    #[error("this system has no certificate authorities: name the service's with --ca")]
    NoAuthorities,
    /// The library that speaks TLS refuses the certificate or its key.
    #[error("the client certificate cannot be used: {0}")]
    Certificate(rustls::Error),
}

impl From<FileError> for ClientError {
    fn from(error: FileError) -> Self {
        Self::Tls(error.into())
    }
}

/// What a caller shows, and whom it believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The authorities of the service's certificate, as PEM; those of the system if absent.
    pub authorities: Option<PathBuf>,
    /// A file whose first token is sent.
    pub token: Option<PathBuf>,
    /// The caller's own certificate and its key, as PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// A client of the service at `url`, such as `http://127.0.0.1:7010`. Connects at the first call.
pub fn connect(url: &str) -> Result<FeatureServiceClient<Transport>, ClientError> {
    connect_with(url, &Credentials::default())
}

/// The same for a service that wants to know who asks.
pub fn connect_with(url: &str, credentials: &Credentials) -> Result<FeatureServiceClient<Transport>, ClientError> {
    let (config, transport) = parts(url, credentials, Protocol::Grpc)?;
    Ok(FeatureServiceClient::new(transport, config))
}

/// What a client of any of the services at `url` is made from, for any protocol.
pub fn parts(
    url: &str,
    credentials: &Credentials,
    protocol: Protocol,
) -> Result<(ClientConfig, Transport), ClientError> {
    let url_error = || ClientError::Url { url: url.to_owned() };
    let uri: http::Uri = url.parse().map_err(|_| url_error())?;
    let Some(host) = uri.host() else { return Err(url_error()) };
    let has_tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(url_error()),
    };
    if !has_tls {
        if credentials.authorities.is_some() || credentials.certificate.is_some() {
            return Err(ClientError::CertificatesWithoutTls { url: url.to_owned() });
        }
        if credentials.token.is_some() && !is_this_machine(host) {
            return Err(ClientError::TokenInTheClear { url: url.to_owned() });
        }
    }
    let transport = transport(has_tls, credentials, protocol)?;
    let mut config = ClientConfig::new(uri).with_protocol(protocol).with_default_timeout(TIMEOUT);
    if let Some(file) = &credentials.token {
        config = config.with_default_header(header::AUTHORIZATION, format!("Bearer {}", read_token(file)?));
    }
    Ok((config, transport))
}

/// gRPC is HTTP/2; the other protocols take what the service offers.
fn transport(has_tls: bool, credentials: &Credentials, protocol: Protocol) -> Result<Transport, ClientError> {
    // Without TLS nobody's certificate is looked at.
    let tls = tls(if has_tls { Some(credentials) } else { None })?;
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let is_grpc = protocol == Protocol::Grpc;
    let connector = if is_grpc { builder.enable_http2().build() } else { builder.enable_all_versions().build() };
    let client = Client::builder(TokioExecutor::new()).http2_only(is_grpc).build(connector);
    Ok(ServiceTransport::new(client))
}

fn tls(credentials: Option<&Credentials>) -> Result<rustls::ClientConfig, ClientError> {
    let roots = match credentials {
        None => RootCertStore::empty(),
        Some(Credentials { authorities: Some(file), .. }) => authorities(file, &read_public(file)?)?,
        Some(_) => system_authorities()?,
    };
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Certificate)?
        .with_root_certificates(roots);
    let Some((certificate, key)) = credentials.and_then(|credentials| credentials.certificate.as_ref()) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate, &read_public(certificate)?)?;
    let key = private_key(key, &read_secret(key)?)?;
    builder.with_client_auth_cert(chain, key).map_err(ClientError::Certificate)
}

fn system_authorities() -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    // Some of a system's certificates may be of no use to us.
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(ClientError::NoAuthorities) } else { Ok(roots) }
}

/// What a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// TLS: addresses begin with `https://`.
    Tls,
    /// HTTP as it is: addresses begin with `http://`.
    Plain,
}

/// How long a port may take to say what it speaks.
const SPEAK_MAX: Duration = Duration::from_secs(2);
/// How HTTP/2 begins (RFC 9113, 3.4), with settings that have nothing in them.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// What the port of a URL speaks, found out by a greeting of HTTP/2 without anything of the caller: for who could not
/// ask, and does not know why. `None` if nothing answers, or something else.
pub async fn spoken_at(url: &str) -> Option<Spoken> {
    let uri: http::Uri = url.parse().ok()?;
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    tokio::time::timeout(SPEAK_MAX, greet(without_brackets(uri.host()?), port)).await.ok()?
}

async fn greet(host: &str, port: u16) -> Option<Spoken> {
    let mut stream = TcpStream::connect((host, port)).await.ok()?;
    stream.write_all(GREETING).await.ok()?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.ok()?;
    match answer {
        // An alert (RFC 8446, 6): this was no TLS.
        [21, 3, ..] => Some(Spoken::Tls),
        // Settings of HTTP/2, or a server of HTTP/1.1 that refuses.
        [_, _, _, 4] | [b'H', b'T', b'T', b'P'] => Some(Spoken::Plain),
        _ => None,
    }
}

/// The host of a URL, where an IPv6 address stands in brackets.
fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether what is sent to a host stays on this machine.
fn is_this_machine(host: &str) -> bool {
    let address = without_brackets(host).parse::<std::net::IpAddr>();
    address.map_or(host == "localhost", |address| address.to_canonical().is_loopback())
}

/// What the service says of an error, beyond its code and message.
pub fn error_detail(error: &ConnectError) -> Option<FeatureError> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    let detail = error.details.iter().find(|detail| detail.type_url.ends_with("tollwatch.v1.FeatureError"))?;
    let value = detail.value.as_deref()?;
    let bytes = STANDARD_NO_PAD.decode(value).or_else(|_| STANDARD.decode(value)).ok()?;
    buffa::Message::decode_from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    #[tokio::test]
    async fn only_http_addresses_are_taken() {
        for url in ["http://127.0.0.1:7010", "https://features.example.com"] {
            assert!(connect(url).is_ok(), "{url}");
        }
        for url in ["127.0.0.1:7010", "", "http://", "ftp://127.0.0.1", "https:///"] {
            assert!(matches!(connect(url), Err(ClientError::Url { .. })), "{url}");
        }
    }

    #[tokio::test]
    async fn a_token_is_not_sent_in_the_clear_and_certificates_need_tls() {
        let file = Path::new("no/such/file").to_owned();
        let token = Credentials { token: Some(file.clone()), ..Default::default() };
        for url in ["http://192.0.2.1:7010", "http://features.example.com", "http://[2001:db8::1]:7010"] {
            assert!(matches!(connect_with(url, &token), Err(ClientError::TokenInTheClear { .. })), "{url}");
        }
        // Here the file is looked for.
        for url in ["https://192.0.2.1", "http://127.0.0.1:7010", "http://localhost:7010", "http://[::1]:7010"] {
            assert!(matches!(connect_with(url, &token), Err(ClientError::Token(_))), "{url}");
        }
        for credentials in [
            Credentials { authorities: Some(file.clone()), ..Default::default() },
            Credentials { certificate: Some((file.clone(), file.clone())), ..Default::default() },
        ] {
            let refused = connect_with("http://127.0.0.1:7010", &credentials);
            assert!(matches!(refused, Err(ClientError::CertificatesWithoutTls { .. })));
            assert!(matches!(connect_with("https://127.0.0.1:7010", &credentials), Err(ClientError::Tls(_))));
        }
    }
}
