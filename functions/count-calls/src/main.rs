//! The Lambda: configuration, clients, run.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use count_calls::{CallCounter, Configuration, ObjectQuarantine, SqsNotices, TimedEvent};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use objects::{Location, Objects};
use telemetry::{Machine, TraceSettings, Tracer, emf, limits};
use tiles::DynamoTiles;
use tokio::sync::Mutex;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let variable = |name: &str| std::env::var(name).ok();
    let configuration = Configuration::read(variable)?;
    let tracer =
        TraceSettings::read("count-calls", variable)?.map(|settings| Tracer::start(settings, Machine::this()));
    let set = Arc::new(definition_file::read(configuration.features_file.as_deref().map(Path::new))?);
    let plan = Arc::new(cdr::NumberPlan::new(&set.settings().default_region)?);

    let sdk = aws_account::sdk_config().await;
    let tiles = DynamoTiles::new(aws_sdk_dynamodb::Client::new(&sdk), &configuration.tile_table);
    let location: Location = configuration.quarantine.parse()?;
    let objects = Objects::open(&location, Some(aws_sdk_s3::Client::new(&sdk)))?;
    let queue = configuration.quarantine_queue_url.as_deref();
    let notices = queue.map(|url| SqsNotices::new(aws_sdk_sqs::Client::new(&sdk), url));
    let quarantine = ObjectQuarantine::new(objects).with_notices(notices);
    let counter = CallCounter::new(tiles, quarantine, set, plan, configuration.settings).with_tracer(tracer.clone());
    let (counter, tracer, stack) = (&Mutex::new(counter), &tracer, &configuration.stack);

    lambda_runtime::run(service_fn(|event: LambdaEvent<TimedEvent>| async move {
        let deadline = Instant::now() + remaining(event.context.deadline, SystemTime::now());
        let handled = counter.lock().await.handle(event.payload.0, deadline).await;
        if let Some(tracer) = tracer {
            // Between two invocations nothing runs.
            tracer.flush(limits::FLUSH_LAMBDA_MAX).await;
        }
        let (response, report) = handled?;
        tracing::info!(report = %serde_json::to_string(&report)?, "batch");
        if let Some(stack) = stack {
            emf::lines(&report.measurements(), stack, now_ms()).iter().for_each(|line| println!("{line}"));
        }
        Ok::<_, Error>(response)
    }))
    .await
}

/// Milliseconds since 1970 UTC.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// How long an invocation may go on that names no moment in the future as its end, as that of `cargo lambda watch` does:
/// the timeout of the template.
const TIME_WITHOUT_END: Duration = Duration::from_mins(1);

/// Lambda names the end of an invocation in milliseconds since 1970 UTC.
fn remaining(deadline_ms: u64, now: SystemTime) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(deadline_ms).checked_sub(now).unwrap_or(TIME_WITHOUT_END)
}
