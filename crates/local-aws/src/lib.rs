//! DynamoDB, Kinesis and S3 endpoints inside the process, on loopback.
//!
//! [`LocalAws::start`] starts any of the three and hands out AWS SDK clients for them: the same clients that the
//! functions use on AWS, with another endpoint. DynamoDB is `dynoxide-rs` (a SQLite file or memory), Kinesis is
//! `ferrokinesis` (memory: a stream lives as long as the process), S3 is `s3s` over a folder.
//!
//! Anyone on this machine can use the endpoints: the one key they know is in this source. Never linked into a Lambda.

// DynamoDB and SQLite are names, not code.
#![allow(clippy::doc_markdown)]

mod clients;
mod config;
mod dynamodb;
mod endpoint;
mod error;
mod kinesis;
mod local_aws;
mod only_user;
mod s3;

pub use clients::{dynamodb_client, kinesis_client, s3_client};
pub use config::{DynamoStorage, LocalAwsConfig, Ports};
pub use error::{Error, Service};
pub use local_aws::{Endpoints, LocalAws};

/// The region of every local endpoint, and of the ARNs they return.
pub const REGION: &str = "us-east-1";

/// The AWS account in the ARNs that the local endpoints return.
pub const ACCOUNT_ID: &str = "000000000000";

/// The access key id that local S3 expects; the other two take any.
pub const ACCESS_KEY: &str = "local";

/// The secret key that goes with [`ACCESS_KEY`]. It protects nothing.
pub const SECRET_KEY: &str = "local";
