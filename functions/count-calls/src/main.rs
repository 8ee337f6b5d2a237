//! The Lambda: configuration, clients, run.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lambda_events::kinesis::KinesisEvent;
use count_calls::{CallCounter, Configuration, ObjectQuarantine, SqsNotices};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use objects::{Location, Objects};
use tiles::DynamoTiles;
use tokio::sync::Mutex;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let configuration = Configuration::read(|name| std::env::var(name).ok())?;
    let set = Arc::new(definition_file::read(configuration.features_file.as_deref().map(Path::new))?);
    let plan = Arc::new(cdr::NumberPlan::new(&set.settings().default_region)?);

    let sdk = aws_account::sdk_config().await;
    let tiles = DynamoTiles::new(aws_sdk_dynamodb::Client::new(&sdk), &configuration.tile_table);
    let location: Location = configuration.quarantine.parse()?;
    let objects = Objects::open(&location, Some(aws_sdk_s3::Client::new(&sdk)))?;
    let queue = configuration.quarantine_queue_url.as_deref();
    let notices = queue.map(|url| SqsNotices::new(aws_sdk_sqs::Client::new(&sdk), url));
    let quarantine = ObjectQuarantine::new(objects).with_notices(notices);
    let counter = &Mutex::new(CallCounter::new(tiles, quarantine, set, plan, configuration.settings));

    lambda_runtime::run(service_fn(|event: LambdaEvent<KinesisEvent>| async move {
        let deadline = Instant::now() + remaining(event.context.deadline, SystemTime::now());
        let (response, report) = counter.lock().await.handle(event.payload, deadline).await?;
        tracing::info!(report = %serde_json::to_string(&report)?, "batch");
        Ok::<_, Error>(response)
    }))
    .await
}

/// Lambda names the end of an invocation in milliseconds since 1970 UTC.
fn remaining(deadline_ms: u64, now: SystemTime) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(deadline_ms).saturating_sub(now)
}
