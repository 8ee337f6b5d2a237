//! The endpoints as one thing: start, clients, end.

use std::time::Duration;

use aws_sdk_kinesis::types::StreamStatus;

use crate::dynamodb::Tables;
use crate::endpoint::{Endpoint, listen};
use crate::s3::Buckets;
use crate::{Error, LocalAwsConfig, Service, clients, kinesis};

/// Polls for a new stream to become active, [`STREAM_POLL_INTERVAL`] apart. The emulator needs one.
const STREAM_POLLS: u32 = 500;

/// The time between two polls.
const STREAM_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The URLs of the endpoints that run, for SDK clients of other processes too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The URL of DynamoDB.
    pub dynamodb: Option<String>,
    /// The URL of Kinesis.
    pub kinesis: Option<String>,
    /// The URL of S3.
    pub s3: Option<String>,
}

/// AWS-compatible endpoints in this process. They run until [`LocalAws::shutdown`], or until this is dropped.
#[derive(Debug)]
pub struct LocalAws {
    dynamodb: Option<(Endpoint, aws_sdk_dynamodb::Client)>,
    kinesis: Option<(Endpoint, aws_sdk_kinesis::Client)>,
    s3: Option<(Endpoint, aws_sdk_s3::Client)>,
}

impl LocalAws {
    /// Starts what the configuration asks for, inside the current Tokio runtime. Fails when a port is in use, a
    /// folder cannot be written, a database file is not one, or another process uses the same state; then nothing
    /// keeps running.
    pub async fn start(config: LocalAwsConfig) -> Result<Self, Error> {
        let mut local = Self { dynamodb: None, kinesis: None, s3: None };
        if let Some(storage) = config.dynamodb {
            let listener = listen(Service::DynamoDb, config.ports.dynamodb).await?;
            let tables = blocking(Service::DynamoDb, move || Tables::open(&storage)).await?;
            let endpoint = tables.serve(listener).map_err(no_address(Service::DynamoDb))?;
            let client = clients::dynamodb_client(&endpoint.url());
            local.dynamodb = Some((endpoint, client));
        }
        if config.kinesis {
            let listener = listen(Service::Kinesis, config.ports.kinesis).await?;
            let endpoint = kinesis::serve(listener).map_err(no_address(Service::Kinesis))?;
            let client = clients::kinesis_client(&endpoint.url());
            local.kinesis = Some((endpoint, client));
        }
        if let Some(root) = config.s3_root {
            let listener = listen(Service::S3, config.ports.s3).await?;
            let buckets = blocking(Service::S3, move || Buckets::open(&root)).await?;
            let endpoint = buckets.serve(listener).map_err(no_address(Service::S3))?;
            let client = clients::s3_client(&endpoint.url());
            local.s3 = Some((endpoint, client));
        }
        Ok(local)
    }

    /// A DynamoDB client; fails when DynamoDB was not asked for.
    pub fn dynamodb(&self) -> Result<aws_sdk_dynamodb::Client, Error> {
        client(self.dynamodb.as_ref(), Service::DynamoDb)
    }

    /// A Kinesis client; fails when Kinesis was not asked for.
    pub fn kinesis(&self) -> Result<aws_sdk_kinesis::Client, Error> {
        client(self.kinesis.as_ref(), Service::Kinesis)
    }

    /// An S3 client; fails when S3 was not asked for.
    pub fn s3(&self) -> Result<aws_sdk_s3::Client, Error> {
        client(self.s3.as_ref(), Service::S3)
    }

    /// The URLs of the endpoints.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints {
            dynamodb: self.dynamodb.as_ref().map(|(endpoint, _)| endpoint.url()),
            kinesis: self.kinesis.as_ref().map(|(endpoint, _)| endpoint.url()),
            s3: self.s3.as_ref().map(|(endpoint, _)| endpoint.url()),
        }
    }

    /// Creates a stream of `shards` shards and waits until it is active. Returns its ARN. A stream of that name
    /// that exists is an error.
    pub async fn create_stream(&self, name: &str, shards: u32) -> Result<String, Error> {
        let client = self.kinesis()?;
        let failed = |detail: String| Error::Stream { stream: name.to_owned(), detail };
        client
            .create_stream()
            .stream_name(name)
            .shard_count(i32::try_from(shards).map_err(|_| failed(format!("{shards} shards are too many")))?)
            .send()
            .await
            .map_err(|error| failed(aws_sdk_kinesis::error::DisplayErrorContext(error).to_string()))?;
        for _ in 0..STREAM_POLLS {
            let described = client
                .describe_stream_summary()
                .stream_name(name)
                .send()
                .await
                .map_err(|error| failed(aws_sdk_kinesis::error::DisplayErrorContext(error).to_string()))?;
            if let Some(summary) = described.stream_description_summary
                && summary.stream_status == StreamStatus::Active
            {
                return Ok(summary.stream_arn);
            }
            tokio::time::sleep(STREAM_POLL_INTERVAL).await;
        }
        Err(failed(format!("it was not active after {:?}", STREAM_POLL_INTERVAL * STREAM_POLLS)))
    }

    /// Stops accepting requests, lets those in flight end (at most 5 seconds), and gives the state free for
    /// another process. What Kinesis held is gone.
    pub async fn shutdown(self) {
        if let Some((endpoint, _)) = self.kinesis {
            endpoint.shutdown().await;
        }
        if let Some((endpoint, _)) = self.dynamodb {
            endpoint.shutdown().await;
        }
        if let Some((endpoint, _)) = self.s3 {
            endpoint.shutdown().await;
        }
    }
}

fn client<C: Clone>(running: Option<&(Endpoint, C)>, service: Service) -> Result<C, Error> {
    running.map(|(_, client)| client.clone()).ok_or(Error::NotStarted { service })
}

fn no_address(service: Service) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Storage { service, detail: format!("its address is not known: {source}") }
}

/// Runs what touches the disk off the async threads.
async fn blocking<T: Send + 'static>(
    service: Service,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Storage { service, detail: error.to_string() })?
}
