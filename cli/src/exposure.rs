//! The options that say who may reach the service, and how many at once.

use std::path::PathBuf;
use std::sync::Arc;

use serve_features::access::Access;
use serve_features::limits::{CONNECTIONS_DEFAULT, IN_FLIGHT_DEFAULT};
use serve_features::native::{Exposure, Tls, TlsFiles};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::AbortHandle;

use crate::failure::{Blame as _, Failure};

/// The most that either limit takes: ports of one address.
const LIMIT_MAX: i64 = 65_535;

/// Who may reach the service.
#[derive(clap::Args)]
pub(crate) struct ExposureFlags {
    /// Serve TLS with this certificate, then those that lead to its authority, as PEM; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, as PEM, not encrypted, for its owner alone
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve nobody without a certificate from one of these authorities, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// Serve nobody without one of the tokens in this file, one a line, lines after # are comments; read again when
    /// it changes
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Listen where other machines can reach it although anybody could ask: something in front of it decides who may
    #[arg(long)]
    insecure: bool,
    /// Requests that are answered at once; further ones are told to come again
    #[arg(long, value_name = "REQUESTS", default_value_t = IN_FLIGHT_DEFAULT, value_parser = parse_limit)]
    max_in_flight: usize,
    /// Connections that are open at once; further ones are closed
    #[arg(long, value_name = "CONNECTIONS", default_value_t = CONNECTIONS_DEFAULT, value_parser = parse_limit)]
    max_connections: usize,
}

impl ExposureFlags {
    /// Reads the files.
    pub(crate) fn read(self) -> Result<Exposure, Failure> {
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => {
                let files = TlsFiles { certificate, key, client_authority: self.client_ca };
                Some(Arc::new(Tls::open(files).or_user()?))
            }
            _ => None,
        };
        let access = self.token_file.as_deref().map(Access::open).transpose().or_user()?.map(Arc::new);
        Ok(Exposure {
            tls,
            access,
            is_insecure: self.insecure,
            max_in_flight: self.max_in_flight,
            max_connections: self.max_connections,
        })
    }
}

/// Reads certificates, keys and tokens again at each SIGHUP, without waiting for the next look. Ends when what is
/// returned says so.
pub(crate) fn reload_at_hangup(exposure: Exposure) -> Result<AbortHandle, Failure> {
    let mut hangup = signal(SignalKind::hangup()).or_internal()?;
    let task = tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            exposure.reload();
        }
    });
    Ok(task.abort_handle())
}

fn parse_limit(text: &str) -> Result<usize, String> {
    let limit = text.parse::<i64>().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.map(|limit| limit as usize).ok_or_else(|| format!("{text} is no limit: give 1 to {LIMIT_MAX}"))
}
