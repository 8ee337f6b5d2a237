//! The Lambda: configuration, run.

use std::path::Path;

use archive_calls::{Configuration, FirehoseEvent, transform};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let configuration = Configuration::read(|name| std::env::var(name).ok());
    let set = definition_file::read(configuration.features_file.as_deref().map(Path::new))?;
    let plan = &cdr::NumberPlan::new(&set.settings().default_region)?;

    lambda_runtime::run(service_fn(|event: LambdaEvent<FirehoseEvent>| async move {
        let (response, report) = transform(plan, event.payload);
        tracing::info!(report = %serde_json::to_string(&report)?, "batch");
        Ok::<_, Error>(response)
    }))
    .await
}
