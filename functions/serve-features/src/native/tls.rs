//! TLS of the native server: a certificate, its key, and the authority of the callers' certificates where they must
//! have one. The files are read again while the server runs; connections that stand keep what they began with.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::secret_file::{FileError, read_public, read_secret};

/// What is offered in the handshake, best first: HTTP/2 and HTTP/1.1.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where certificates and keys are, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, then those that lead to its authority.
    pub certificate: PathBuf,
    /// The key of the first certificate.
    pub key: PathBuf,
    /// The authorities of callers' certificates; with it, nobody is served without one.
    pub client_authority: Option<PathBuf>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file of certificates has none.
    #[error(
        "{file} has no certificate: it wants PEM, with lines of -----BEGIN CERTIFICATE-----",
        file = file.display()
    )]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// A file of a key has none.
    #[error(
        "{file} has no private key: it wants PEM, with a line such as -----BEGIN PRIVATE KEY-----, not encrypted",
        file = file.display()
    )]
    NoKey {
        /// The file.
        file: PathBuf,
    },
    /// The library that speaks TLS refuses what a file has.
    #[error("{file} cannot be used: {source}", file = file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// What it says.
        source: rustls::Error,
    },
    /// The key is not that of the certificate.
    #[error(
        "{key} is not the key of the first certificate of {certificate}: name a pair that belongs together",
        key = key.display(), certificate = certificate.display()
    )]
    NotAPair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The authorities cannot be used to check callers.
    #[error("{file} is no authority for callers' certificates: {why}", file = file.display())]
    Authority {
        /// The file.
        file: PathBuf,
        /// What the library says.
        why: String,
    },
}

/// What the files had when they were last read.
pub struct Tls {
    files: TlsFiles,
    current: RwLock<Current>,
}

#[derive(Clone)]
struct Current {
    read: Arc<Read>,
    config: Arc<ServerConfig>,
}

/// The files' bytes.
#[derive(PartialEq, Eq)]
struct Read {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_authority: Option<Vec<u8>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let read = Read::of(&files)?;
        let config = Arc::new(config(&files, &read)?);
        Ok(Self { files, current: RwLock::new(Current { read: Arc::new(read), config }) })
    }

    /// Reads the files again; says whether they have changed. If they cannot be used, what was before stays: a
    /// certificate and its key are not replaced at one moment.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let read = Read::of(&self.files)?;
        if read == *self.current().read {
            return Ok(false);
        }
        let config = Arc::new(config(&self.files, &read)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { read: Arc::new(read), config };
        Ok(true)
    }

    /// Whether callers need a certificate.
    pub const fn wants_client_certificates(&self) -> bool {
        self.files.client_authority.is_some()
    }

    /// What the next connection is taken with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current().config)
    }

    fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Read {
    fn of(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: read_public(&files.certificate)?,
            key: read_secret(&files.key)?,
            client_authority: files.client_authority.as_deref().map(read_public).transpose()?,
        })
    }
}

fn config(files: &TlsFiles, read: &Read) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let refused = |file: &Path| {
        let file = file.to_owned();
        move |source| TlsError::Refused { file, source }
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(refused(&files.certificate))?;
    let builder = match (&files.client_authority, &read.client_authority) {
        (Some(file), Some(bytes)) => {
            let roots = Arc::new(authorities(file, bytes)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            let why = |error: rustls::server::VerifierBuilderError| error.to_string();
            builder.with_client_cert_verifier(
                verifier.map_err(|error| TlsError::Authority { file: file.clone(), why: why(error) })?,
            )
        }
        _ => builder.with_no_client_auth(),
    };
    let chain = certificates(&files.certificate, &read.certificate)?;
    let key = private_key(&files.key, &read.key)?;
    let mut config = builder.with_single_cert(chain, key).map_err(|source| match source {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::NotAPair { certificate: files.certificate.clone(), key: files.key.clone() }
        }
        source => TlsError::Refused { file: files.certificate.clone(), source },
    })?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

/// The certificates of a PEM file.
pub(crate) fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    // What the parser says repeats the line.
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::NoCertificate { file: file.to_owned() }),
    }
}

/// The first private key of a PEM file.
pub(crate) fn private_key(file: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| TlsError::NoKey { file: file.to_owned() })
}

/// The authorities of a PEM file.
pub(crate) fn authorities(file: &Path, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, pem)? {
        roots.add(certificate).map_err(|source| TlsError::Refused { file: file.to_owned(), source })?;
    }
    Ok(roots)
}
