//! Streams and tables, on local endpoints or in the AWS account that the environment names.

use std::time::Duration;

use anyhow::anyhow;
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_kinesis::Client as Kinesis;
use aws_sdk_kinesis::operation::describe_stream_summary::DescribeStreamSummaryError;
use tiles::{DynamoTiles, StoreError, TileStore as _};

use crate::failure::{Failure, Outcome};

/// How long a table may take to answer for the first time: looking for credentials takes seconds where there are
/// none.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(20);

/// What the user may say about where a service is.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint<'a> {
    /// The flag that says it.
    pub(crate) flag: &'static str,
    /// The URL of a local endpoint; none for the AWS account.
    pub(crate) url: Option<&'a str>,
}

impl Endpoint<'_> {
    /// A Kinesis client for it.
    pub(crate) async fn kinesis(self) -> Result<Kinesis, Failure> {
        self.check()?;
        Ok(match self.url {
            Some(url) => local_aws::kinesis_client(url),
            None => Kinesis::new(&aws_account::sdk_config().await),
        })
    }

    /// A DynamoDB client for it.
    pub(crate) async fn dynamodb(self) -> Result<DynamoDb, Failure> {
        self.check()?;
        Ok(match self.url {
            Some(url) => local_aws::dynamodb_client(url),
            None => DynamoDb::new(&aws_account::sdk_config().await),
        })
    }

    /// Says when the stream cannot be had there.
    pub(crate) async fn check_stream(self, kinesis: &Kinesis, stream: &str) -> Outcome {
        let flag = self.flag;
        let described = kinesis.describe_stream_summary().stream_name(stream).send().await;
        described.map(drop).map_err(|error| {
            let is_missing =
                error.as_service_error().is_some_and(DescribeStreamSummaryError::is_resource_not_found_exception);
            Failure::user(if is_missing {
                anyhow!("there is no stream {stream}: check --stream and {flag}")
            } else {
                let remedy = format!("check {flag}, or region and credentials");
                anyhow::Error::new(error).context(format!("stream {stream} cannot be reached ({remedy})"))
            })
        })
    }

    /// Asks the table for nothing, so that a name or an account that is wrong shows now rather than at every
    /// request.
    pub(crate) async fn check_table(self, tiles: &DynamoTiles, table: &str, table_flag: &str) -> Outcome {
        let flag = self.flag;
        let whose = match self.url {
            Some(url) => format!("the DynamoDB at {url}"),
            None => "the DynamoDB of the AWS account".to_owned(),
        };
        let unreachable = |why: String| {
            anyhow!("table {table} of {whose} cannot be reached: check {flag}, or region and credentials ({why})")
        };
        let why = match tokio::time::timeout(FIRST_ANSWER_MAX, tiles.query("-", "0", "1")).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(StoreError::NoTable(_))) => anyhow!(
                "there is no table {table} in {whose}: check {table_flag} and {flag}, or make it as docs/batch.md says"
            ),
            Ok(Err(StoreError::Fatal(why))) => {
                anyhow!(
                    "table {table} of {whose} cannot be read: check its permissions and keys, or name another with {table_flag} ({why})"
                )
            }
            Ok(Err(error)) => unreachable(error.to_string()),
            Err(_) => unreachable(format!("no answer in {} s", FIRST_ANSWER_MAX.as_secs())),
        };
        Err(Failure::user(why))
    }

    /// The SDK takes any text for an endpoint and fails at every request; local endpoints speak plain HTTP.
    fn check(self) -> Outcome {
        match self.url {
            Some(url) if url.strip_prefix("http://").is_none_or(str::is_empty) => {
                let flag = self.flag;
                let why = anyhow!("{flag} {url} is no local endpoint: wants one such as http://127.0.0.1:4567");
                Err(Failure::user(why))
            }
            _ => Ok(()),
        }
    }
}
