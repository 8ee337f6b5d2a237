//! The Lambda: configuration, clients, run.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lambda_http::{Error, RequestExt as _, service_fn};
use objects::{Location, Objects};
use serve_features::lambda::{Configuration, VALUES_MAX, answer_watched, time_left};
use serve_features::stores::{PublishedSnapshots, StoredTiles};
use serve_features::{Clock, Service, router};
use shared_cache::RedisRanges;
use snapshot::{CacheSizes, SnapshotCache};
use telemetry::{Collected, Machine, Sink, TraceSettings, Tracer, Watch, emf, limits};
use tiles::DynamoTiles;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_http::tracing::init_default_subscriber();
    let variable = |name: &str| std::env::var(name).ok();
    let configuration = Configuration::read(variable)?;
    let settings = TraceSettings::read("serve-features", variable)?;
    let tracer = settings.map(|settings| Tracer::start(settings, Machine::this()));
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
    let snapshots =
        Arc::new(PublishedSnapshots::new(objects, Arc::clone(&set), Arc::clone(&cache), Arc::clone(&clock)));

    let mut service = Service::new(set, plan, tiles, snapshots, clock).with_values_max(VALUES_MAX);
    let measured = configuration.stack.map(|stack| (stack, Arc::new(Collected::default())));
    let sink = measured.as_ref().map(|(_, collected)| Arc::clone(collected) as Arc<dyn Sink>);
    if let Some(sink) = &sink {
        service = service.with_metrics(Arc::clone(sink), Some(cache));
    }
    let service = Arc::new(service);
    let (rpc, _health) = router(Arc::clone(&service))?;
    let watch = Watch { sink, tracer };
    let (service, watch, measured) = (&service, &watch, &measured);
    lambda_http::run(service_fn(move |request: lambda_http::Request| {
        let ends_at_ms = request.lambda_context_ref().map_or(0, |context| context.deadline);
        let answered = answer_watched(rpc.clone(), request, time_left(ends_at_ms, now_ms()), watch.clone());
        async move {
            let answer = answered.await;
            if let Some(tracer) = &watch.tracer {
                // Between two invocations nothing runs.
                tracer.flush(limits::FLUSH_LAMBDA_MAX).await;
            }
            if let Some((stack, collected)) = measured {
                service.measure_cache();
                emf::lines(&collected.take(), stack, now_ms()).iter().for_each(|line| println!("{line}"));
            }
            answer
        }
    }))
    .await
}

/// Milliseconds since 1970 UTC. A clock before 1970 is one that was never set.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
