//! AWS SDK clients for a local endpoint: plain HTTP, made-up credentials, short timeouts.

use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;

use crate::{ACCESS_KEY, REGION, SECRET_KEY};

/// A process on the same machine answers at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// One attempt: long enough to move a large object on a busy machine.
const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);

/// Attempts of one call, as the SDK has it by default.
const MAX_ATTEMPTS: u32 = 3;

macro_rules! config {
    ($sdk:ident, $url:expr) => {
        $sdk::config::Builder::new()
            .behavior_version($sdk::config::BehaviorVersion::latest())
            .region($sdk::config::Region::from_static(REGION))
            .credentials_provider($sdk::config::Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "local-aws"))
            .endpoint_url($url)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config($sdk::config::retry::RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
            .timeout_config(timeouts())
    };
}

/// A DynamoDB client for the endpoint at `url`.
pub fn dynamodb_client(url: &str) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::from_conf(config!(aws_sdk_dynamodb, url).build())
}

/// A Kinesis client for the endpoint at `url`.
pub fn kinesis_client(url: &str) -> aws_sdk_kinesis::Client {
    aws_sdk_kinesis::Client::from_conf(config!(aws_sdk_kinesis, url).build())
}

/// An S3 client for the endpoint at `url`; buckets are in the path, since a loopback address has no subdomains.
pub fn s3_client(url: &str) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(config!(aws_sdk_s3, url).force_path_style(true).build())
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build()
}
