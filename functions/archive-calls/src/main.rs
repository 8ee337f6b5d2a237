//! The Lambda: configuration, run.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use archive_calls::{Configuration, FirehoseEvent, transform};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use telemetry::emf;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let configuration = Configuration::read(|name| std::env::var(name).ok());
    let set = definition_file::read(configuration.features_file.as_deref().map(Path::new))?;
    let plan = &cdr::NumberPlan::new(&set.settings().default_region)?;
    let stack = &configuration.stack;

    lambda_runtime::run(service_fn(|event: LambdaEvent<FirehoseEvent>| async move {
        let (response, report) = transform(plan, event.payload);
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
