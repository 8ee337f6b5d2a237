//! A client of the service, over gRPC without TLS.
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

use std::time::Duration;

use connectrpc::client::{ClientConfig, HttpClient};
use connectrpc::{ConnectError, Protocol};
use proto::v1::{FeatureError, FeatureServiceClient};

/// How long a call may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not a URL that the client can use.
    #[error("{url} is no address of the service: give http://HOST:PORT")]
    Url {
        /// What was given.
        url: String,
    },
}

/// A client of the service at `url`, such as `http://127.0.0.1:7010`. Connects at the first call.
pub fn connect(url: &str) -> Result<FeatureServiceClient<HttpClient>, ClientError> {
    let wrong = || ClientError::Url { url: url.to_owned() };
    let uri: http::Uri = url.parse().map_err(|_| wrong())?;
    if uri.scheme_str() != Some("http") || uri.host().is_none() {
        return Err(wrong());
    }
    let config = ClientConfig::new(uri).with_protocol(Protocol::Grpc).with_default_timeout(TIMEOUT);
    Ok(FeatureServiceClient::new(HttpClient::plaintext_http2_only(), config))
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

    #[tokio::test]
    async fn only_plain_http_addresses_are_taken() {
        assert!(connect("http://127.0.0.1:7010").is_ok());
        for url in ["https://example.com", "127.0.0.1:7010", "", "http://", "ftp://127.0.0.1"] {
            assert!(connect(url).is_err(), "{url}");
        }
    }
}
