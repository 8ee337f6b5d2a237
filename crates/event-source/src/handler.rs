//! The function at the end of a mapping.

use std::fmt::Display;
use std::future::Future;

use aws_lambda_events::kinesis::KinesisEvent;
use aws_lambda_events::streams::KinesisEventResponse;

/// Takes an event and says which of its records failed. Every `async Fn(KinesisEvent) -> Result<KinesisEventResponse,
/// E>` is one. An error, a panic and a timeout fail the whole batch.
pub trait Handler: Send + Sync + 'static {
    /// Handles one batch; `Err` is why all of it failed, for the log.
    fn handle(&self, event: KinesisEvent) -> impl Future<Output = Result<KinesisEventResponse, String>> + Send;
}

impl<H, F, E> Handler for H
where
    H: Fn(KinesisEvent) -> F + Send + Sync + 'static,
    F: Future<Output = Result<KinesisEventResponse, E>> + Send,
    E: Display,
{
    async fn handle(&self, event: KinesisEvent) -> Result<KinesisEventResponse, String> {
        self(event).await.map_err(|error| error.to_string())
    }
}
