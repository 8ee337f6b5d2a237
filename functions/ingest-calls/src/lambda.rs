//! The endpoint behind a Lambda function URL.

use std::time::Duration;

use http::{Request, Response};
use lambda_http::aws_lambda_events::encodings::Body;
use tokio::time::Instant;

use crate::limits::{ANSWER_RESERVE, WORK_TIME_MAX};
use crate::{Ingest, IngestReport, Moments};

/// How long a request may be worked on, of the moment at which Lambda ends it and the moment now, both in milliseconds
/// since 1970 UTC. Without a moment, or one that is no future, it is as long as any.
pub fn time_left(ends_at_ms: u64, now_ms: i64) -> Duration {
    let left = ends_at_ms.checked_sub(u64::try_from(now_ms).unwrap_or(0)).filter(|left| *left > 0);
    left.map_or(WORK_TIME_MAX, |left| Duration::from_millis(left).saturating_sub(ANSWER_RESERVE).min(WORK_TIME_MAX))
}

/// Answers one event that came at `now_ms`, within `time_left`.
pub async fn answer(
    ingest: &Ingest,
    request: lambda_http::Request,
    now_ms: i64,
    time_left: Duration,
) -> (Response<Body>, IngestReport) {
    let request: Request<Vec<u8>> = request.map(|body| match body {
        Body::Text(text) => text.into_bytes(),
        Body::Binary(bytes) => bytes,
        _ => Vec::new(),
    });
    let moments = Moments { received_at_ms: now_ms, answer_by: Instant::now() + time_left };
    let (response, report) = ingest.answer(&request, moments).await;
    (response.map(Body::Text), report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_goes_out_before_lambda_ends_the_request() {
        assert_eq!(time_left(10_000, 0), Duration::from_millis(9_500));
        assert_eq!(time_left(10_400, 10_000), Duration::ZERO);
        assert_eq!(time_left(900_000, 0), WORK_TIME_MAX);
        assert_eq!(time_left(0, 10_000), WORK_TIME_MAX);
    }
}
