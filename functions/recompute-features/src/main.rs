//! The Lambda: configuration, clients, run.

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use batch::{BatchError, stopped_json};
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::tower::util::MapResponseLayer;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use recompute_features::{
    Configuration, Moments, Recompute, RecomputeError, RecomputeEvent, Recomputed, measurements,
};
use serde_json::Value;
use telemetry::emf;
use tokio::time::Instant;

/// As in the command: a fifth of the time would go into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let configuration = Configuration::read(|name| std::env::var(name).ok())?;
    let set = Arc::new(definition_file::read(configuration.features_file.as_deref().map(Path::new))?);
    let s3 = aws_sdk_s3::Client::new(&aws_account::sdk_config().await);
    let job = &Recompute::new(&configuration, Some(s3), set, std::env::temp_dir())?;

    let stack = configuration.stack.as_deref();
    let handler = service_fn(|event: LambdaEvent<Value>| answer(job, stack, event));
    // Its answer is sent when an invocation comes by here.
    let ended = MapResponseLayer::new(|()| {
        if job.is_broken_off() {
            // What still computes would take time and room from the next run. That finds a new process.
            std::process::exit(1);
        }
    });
    Runtime::new(handler).layer(TracingLayer::new()).layer(ended).run().await
}

/// How long an invocation may go on that names no moment in the future as its end, as that of `cargo lambda watch` does:
/// the longest that Lambda has.
const TIME_WITHOUT_END: Duration = Duration::from_mins(15);

async fn answer(job: &Recompute, stack: Option<&str>, event: LambdaEvent<Value>) -> Result<Value, RecomputeError> {
    let began = Instant::now();
    let run = run(job, event).await;
    if let Some(stack) = stack {
        let measured = measurements(&run, began.elapsed());
        emf::lines(&measured, stack, since_1970().as_millis() as i64).iter().for_each(|line| println!("{line}"));
    }
    match run {
        Ok(done) => {
            tracing::info!(report = %done.json, "run");
            Ok(done.json)
        }
        Err(error) => {
            if let RecomputeError::Batch(BatchError::Quality { object, findings, calls }) = &error {
                tracing::warn!(report = %stopped_json(object, findings, calls), "run");
            }
            tracing::error!(kind = error.kind(), %error, "nothing was published");
            Err(error)
        }
    }
}

async fn run(job: &Recompute, event: LambdaEvent<Value>) -> Result<Recomputed, RecomputeError> {
    let now = since_1970();
    let left = Duration::from_millis(event.context.deadline).checked_sub(now).unwrap_or(TIME_WITHOUT_END);
    let moments = Moments { now_ms: now.as_millis() as i64, deadline: Instant::now() + left };
    // The keys of a hasher are random.
    let random = RandomState::new().hash_one(&event.context.request_id) as u32;
    let asked = RecomputeEvent::read(event.payload)?;
    job.run(&asked, moments, random, |_| ()).await
}

/// A clock before 1970 is one that was never set.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
