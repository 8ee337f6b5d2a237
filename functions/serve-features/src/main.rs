//! The Lambda: configuration, clients, run.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lambda_http::{Error, RequestExt as _, service_fn};
use objects::{Location, Objects};
use serve_features::lambda::{Configuration, VALUES_MAX, answer, time_left};
use serve_features::stores::{PublishedSnapshots, StoredTiles};
use serve_features::{Clock, Service, router};
use shared_cache::RedisRanges;
use snapshot::{CacheSizes, SnapshotCache};
use tiles::DynamoTiles;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_http::tracing::init_default_subscriber();
    let configuration = Configuration::read(|name| std::env::var(name).ok())?;
    let set = Arc::new(definition_file::read(configuration.features_file.as_deref().map(Path::new))?);
    let plan = cdr::NumberPlan::new(&set.settings().default_region)?;
    let clock: Clock = Arc::new(now_ms);

    let sdk = aws_account::sdk_config().await;
    let store = DynamoTiles::new(aws_sdk_dynamodb::Client::new(&sdk), &configuration.tile_table);
    let data: Location = configuration.data.parse()?;
    let objects = Objects::open(&data, Some(aws_sdk_s3::Client::new(&sdk)))?;
    let tiles = Arc::new(StoredTiles::new(store, Arc::clone(&set), Arc::clone(&clock)));
    let mut cache = SnapshotCache::new(CacheSizes::of_total(configuration.cache_bytes));
    if let Some(url) = &configuration.shared_cache {
        let shared = RedisRanges::new(url)?;
        // The first request finds it connected. It is not watched: between requests nothing runs here.
        shared.check().await;
        cache = cache.with_shared(Arc::new(shared));
    }
    let cache = Arc::new(cache);
    let snapshots = Arc::new(PublishedSnapshots::new(objects, Arc::clone(&set), cache, Arc::clone(&clock)));

    let service = Arc::new(Service::new(set, plan, tiles, snapshots, clock).with_values_max(VALUES_MAX));
    let (rpc, _health) = router(service)?;
    lambda_http::run(service_fn(move |request: lambda_http::Request| {
        let ends_at_ms = request.lambda_context_ref().map_or(0, |context| context.deadline);
        answer(rpc.clone(), request, time_left(ends_at_ms, now_ms()))
    }))
    .await
}

/// Milliseconds since 1970 UTC. A clock before 1970 is one that was never set.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
