//! The options that say who asks a service, and whom to believe.

use std::path::PathBuf;

use serve_features::client::Credentials;

/// What a service wants to see of its callers.
#[derive(clap::Args)]
pub(crate) struct CredentialFlags {
    /// The authorities of the service's certificate, as PEM [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A file whose first token is sent
    #[arg(long, value_name = "FILE", env = "TOLLWATCH_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Your own certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// The key of your own certificate, as PEM, not encrypted, for its owner alone
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl CredentialFlags {
    /// As the client takes them.
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials {
            authorities: self.ca.clone(),
            token: self.token_file.clone(),
            certificate: self.client_cert.clone().zip(self.client_key.clone()),
        }
    }
}
