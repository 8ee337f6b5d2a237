//! The Lambda: configuration, clients, run.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ingest_calls::lambda::{answer, time_left};
use ingest_calls::{Configuration, Ingest};
use lambda_http::{Error, RequestExt as _, service_fn};
use telemetry::{Machine, TraceSettings, Tracer, emf, limits};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_http::tracing::init_default_subscriber();
    let variable = |name: &str| std::env::var(name).ok();
    let configuration = Configuration::read(variable)?;
    let tracer =
        TraceSettings::read("ingest-calls", variable)?.map(|settings| Tracer::start(settings, Machine::this()));
    let set = definition_file::read(configuration.features_file.as_deref().map(Path::new))?;
    let plan = cdr::NumberPlan::new(&set.settings().default_region)?;
    let kinesis = aws_sdk_kinesis::Client::new(&aws_account::sdk_config().await);
    let ingest = Ingest::new(kinesis, configuration.stream_name, plan, configuration.lateness);
    let ingest = ingest.with_webhooks(configuration.webhooks);
    let (ingest, tracer, stack) = (&ingest.with_tracer(tracer.clone()), &tracer, &configuration.stack);

    lambda_http::run(service_fn(|request: lambda_http::Request| async move {
        let ends_at_ms = request.lambda_context_ref().map_or(0, |context| context.deadline);
        let now_ms = now_ms();
        let (response, report) = answer(ingest, request, now_ms, time_left(ends_at_ms, now_ms)).await;
        if let Some(tracer) = tracer {
            // Between two invocations nothing runs.
            tracer.flush(limits::FLUSH_LAMBDA_MAX).await;
        }
        tracing::info!(report = %serde_json::to_string(&report)?, "request");
        if let Some(stack) = stack {
            emf::lines(&report.measurements(), stack, now_ms).iter().for_each(|line| println!("{line}"));
        }
        Ok::<_, Error>(response)
    }))
    .await
}

/// Milliseconds since 1970 UTC. A clock before 1970 is one that was never set.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
