//! The Lambda: configuration, clients, run.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use features::FeatureSet;
use lambda_http::{Error, service_fn};
use objects::{Location, Objects};
use serve_features::lambda::{Configuration, VALUES_MAX, answer};
use serve_features::stores::{PublishedSnapshots, StoredTiles};
use serve_features::{Clock, Service, router};
use tiles::DynamoTiles;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_http::tracing::init_default_subscriber();
    let configuration = Configuration::read(|name| std::env::var(name).ok())?;
    let set = Arc::new(read_features(configuration.features_file.as_deref())?);
    let plan = cdr::NumberPlan::new(&set.settings().default_region)?;
    let clock: Clock = Arc::new(now_ms);

    let sdk = aws_account::sdk_config().await;
    let store = DynamoTiles::new(aws_sdk_dynamodb::Client::new(&sdk), &configuration.tile_table);
    let data: Location = configuration.data.parse()?;
    let objects = Objects::open(&data, Some(aws_sdk_s3::Client::new(&sdk)))?;
    let tiles = Arc::new(StoredTiles::new(store, Arc::clone(&set), Arc::clone(&clock)));
    let snapshots = Arc::new(PublishedSnapshots::new(objects, Arc::clone(&set)));

    let service = Arc::new(Service::new(set, plan, tiles, snapshots, clock).with_values_max(VALUES_MAX));
    let (rpc, _health) = router(service)?;
    lambda_http::run(service_fn(move |request| answer(rpc.clone(), request))).await
}

fn read_features(file: Option<&str>) -> anyhow::Result<FeatureSet> {
    let Some(file) = file else { return Ok(FeatureSet::default_set()?) };
    let text = std::fs::read_to_string(file).with_context(|| format!("feature definitions {file}"))?;
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    FeatureSet::parse(&text, |list| std::fs::read_to_string(folder.join(list)).map_err(|error| error.to_string()))
        .with_context(|| format!("feature definitions {file}"))
}

/// Milliseconds since 1970 UTC. A clock before 1970 is one that was never set.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
