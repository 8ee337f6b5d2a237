//! `tollwatch serve`: the native service over a table of tiles and the snapshots of a location.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use objects::Location;
use tiles::{DynamoTiles, TileStore as _};

use crate::defaults::{FeatureFile, SERVICE_ADDRESS};
use crate::failure::{Blame as _, Failure, Outcome};
use crate::interrupt::stop_signal;
use crate::output::print;
use crate::pipeline::Running;
use crate::{clock, locations};

/// How long the table may take to answer for the first time: looking for credentials takes seconds where there
/// are none.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(20);

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = SERVICE_ADDRESS)]
    address: SocketAddr,
    /// The DynamoDB table of tiles
    #[arg(long, value_name = "TABLE")]
    tiles: String,
    /// Where the snapshots are: a folder or s3://bucket/prefix
    #[arg(long, value_name = "LOCATION")]
    data: Location,
    /// A local DynamoDB, such as the one that `tollwatch up` names [default: that of the AWS account]
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    #[command(flatten)]
    definitions: FeatureFile,
}

/// Serves until Ctrl-C or SIGTERM.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let set = arguments.definitions.read()?;
    let data = locations::open(&arguments.data).await?;
    data.check_exists().await.or_user()?;
    let client = match &arguments.endpoint_url {
        Some(url) => {
            check_url(url)?;
            local_aws::dynamodb_client(url)
        }
        None => aws_sdk_dynamodb::Client::new(&aws_account::sdk_config().await),
    };
    let tiles = DynamoTiles::new(client, &arguments.tiles);
    check_table(&tiles, &arguments).await?;
    let running = Running::start(arguments.address, &set, tiles, data, Arc::new(clock::now_ms)).await.or_user()?;
    if !running.address.ip().is_loopback() {
        eprintln!(
            "tollwatch: warning: {} can be reached from other machines, without TLS and without a password: let \
             something in front of it decide who may ask",
            running.address
        );
    }
    print(&format!("listening on http://{}, feature set {}\n", running.address, set.version()))?;
    stop_signal().await?;
    eprintln!("tollwatch: finishing the requests in flight");
    running.stop().await.or_internal()
}

/// The SDK takes any text for an endpoint and fails at every request.
fn check_url(url: &str) -> Outcome {
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() => Ok(()),
        _ => Err(Failure::user(anyhow!("{url} is no endpoint: give http://HOST:PORT"))),
    }
}

/// Asks the table for nothing, so that a name or an account that is wrong shows now rather than at every request.
async fn check_table(tiles: &DynamoTiles, arguments: &Arguments) -> Outcome {
    let whose = match &arguments.endpoint_url {
        Some(url) => format!("the DynamoDB at {url}"),
        None => "the DynamoDB of the AWS account".to_owned(),
    };
    let what = || format!("table {} of {whose} cannot be read: name another with --tiles", arguments.tiles);
    match tokio::time::timeout(FIRST_ANSWER_MAX, tiles.query("-", "0", "1")).await {
        Ok(answered) => answered.map(drop).with_context(what).or_user(),
        Err(_) => Err(anyhow!("no answer in {} s", FIRST_ANSWER_MAX.as_secs())).with_context(what).or_user(),
    }
}
