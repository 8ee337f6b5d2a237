//! How the SDK clients reach a real account: region and credentials from the environment, TLS by rustls on ring,
//! which builds without cmake and in seconds. Local endpoints are `crates/local-aws`.

pub use aws_config::SdkConfig;

use aws_config::BehaviorVersion;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// The configuration that every client of a process shares: environment, profile or role, as the SDKs find them.
pub async fn sdk_config() -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
}
