//! `tollwatch serve`: the native service over a table of tiles and the snapshots of a location.

use std::net::SocketAddr;
use std::sync::Arc;

use objects::Location;
use shared_cache::RedisRanges;
use snapshot::{CacheSizes, SnapshotCache};
use telemetry::Function;
use tiles::DynamoTiles;

use crate::answer_log::AnswerLogFlags;
use crate::defaults::{FeatureFile, SERVICE_ADDRESS};
use crate::endpoints::Endpoint;
use crate::exposure::{ExposureFlags, reload_at_hangup};
use crate::failure::{Blame as _, Outcome};
use crate::interrupt::catch_stop;
use crate::observed::Observed;
use crate::output::print;
use crate::pipeline::{Running, service, snapshots};
use crate::{clock, locations};

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = SERVICE_ADDRESS, value_parser = parse_address)]
    address: SocketAddr,
    /// The DynamoDB table of tiles. Without it there is no stream: windows of days end with the snapshot, those of the
    /// stream are missing, and answers say so
    #[arg(long, value_name = "TABLE")]
    tiles: Option<String>,
    /// Where the snapshots are: a folder or s3://bucket/prefix
    #[arg(long, value_name = "LOCATION")]
    data: Location,
    /// A local DynamoDB, such as the one that `tollwatch up` names [default: that of the AWS account]
    #[arg(long, value_name = "URL", requires = "tiles")]
    endpoint_url: Option<String>,
    /// Memory for what is read of snapshots, in MB
    #[arg(long, value_name = "MB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    cache_mb: u64,
    /// A Redis that services share what they read of snapshots through: redis://[user:password@]host:port, or rediss://
    /// for TLS; docs/serving.md has more. Who can write to it can change answers
    #[arg(long, value_name = "URL", env = "TOLLWATCH_CACHE", hide_env_values = true)]
    cache: Option<String>,
    #[command(flatten)]
    exposure: ExposureFlags,
    #[command(flatten)]
    answer_log: AnswerLogFlags,
    #[command(flatten)]
    definitions: FeatureFile,
}

/// Serves until Ctrl-C or SIGTERM.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let set = arguments.definitions.read()?;
    let exposure = arguments.exposure.read()?;
    let observed = Observed::start("serve-features", &[Function::ServeFeatures])?;
    exposure.check(arguments.address).or_user()?;
    let data = locations::open(&arguments.data).await?;
    data.check_exists().await.or_user()?;
    let endpoint = Endpoint { flag: "--endpoint-url", url: arguments.endpoint_url.as_deref() };
    let tiles = match &arguments.tiles {
        Some(table) => {
            let tiles = DynamoTiles::new(endpoint.dynamodb().await?, table);
            endpoint.check_table(&tiles, table, "--tiles").await?;
            Some(tiles)
        }
        None => None,
    };
    let answer_log = arguments.answer_log.open()?;
    let mut cache = SnapshotCache::new(CacheSizes::of_total(arguments.cache_mb * 1024 * 1024));
    let mut watching = None;
    if let Some(url) = &arguments.cache {
        let shared = RedisRanges::new(url).or_user()?;
        shared.check().await;
        watching = Some(tokio::spawn(shared.clone().watch()));
        cache = cache.with_shared(Arc::new(shared));
    }
    let cache = Arc::new(cache);
    let snapshots = snapshots(&set, data, Arc::new(clock::now_ms), Arc::clone(&cache));
    // Says so if there is none.
    if let Err(error) = snapshots.current().await {
        tracing::warn!(target: "tollwatch", %error, "the snapshot cannot be read: windows of more than a day are missing until it can");
    }
    let mut service = service(&set, tiles, snapshots, Arc::new(clock::now_ms), answer_log).or_user()?;
    if let Some(sink) = observed.sink() {
        service = service.with_metrics(sink, Some(cache));
    }
    let running = Running::start(arguments.address, service, exposure.clone(), &observed).await.or_user()?;
    let address = running.address;
    if let (false, Some(lack)) = (address.ip().to_canonical().is_loopback(), exposure.lack()) {
        eprintln!(
            "tollwatch: warning: {address} can be reached from other machines, and {lack}: let something in front of \
             it decide who may"
        );
    }
    let scheme = if exposure.tls.is_some() { "https" } else { "http" };
    let reloading = reload_at_hangup(exposure)?;
    let stop = catch_stop()?;
    print(&format!("listening on {scheme}://{address}, feature set {}\n", set.version()))?;
    stop.await;
    eprintln!("tollwatch: finishing the requests in flight");
    let stopped = running.stop().await.or_internal();
    observed.finish().await;
    reloading.abort();
    if let Some(watching) = watching {
        watching.abort();
    }
    stopped
}

/// A name may have several addresses, and where it leads can change: which to listen on is for the operator to say.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "give an IP address and a port, such as 127.0.0.1:50051 or [::1]:50051".to_owned())
}
