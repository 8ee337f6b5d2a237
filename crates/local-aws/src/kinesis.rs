//! Kinesis by ferrokinesis, in memory.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use ferrokinesis::store::StoreOptions;
use tokio::net::TcpListener;
use tokio::sync::RwLock;

use crate::endpoint::Endpoint;
use crate::{ACCOUNT_ID, REGION, Service};

/// Bytes of one request. `PutRecords` takes 10 MB of records, which are a third longer in base64.
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of records held. Nothing is dropped before its retention, so a stream only grows; a put beyond this is
/// refused, which is better than the machine running out of memory.
const MAX_RETAINED_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Open shards of all streams together, as in the larger AWS regions.
const SHARD_LIMIT: u32 = 500;

/// Seconds between two sweeps for records past the retention of their stream (24 hours by default).
const RETENTION_SWEEP_SECS: u64 = 60;

/// Operations that give out sequence numbers or end shards.
const WRITES: [&str; 5] = [
    "Kinesis_20131202.PutRecord",
    "Kinesis_20131202.PutRecords",
    "Kinesis_20131202.SplitShard",
    "Kinesis_20131202.MergeShards",
    "Kinesis_20131202.UpdateShardCount",
];

/// Serves an emulator without streams.
pub(crate) fn serve(listener: TcpListener) -> std::io::Result<Endpoint> {
    let (app, _store) = ferrokinesis::create_app(StoreOptions {
        // The state changes at once; what waits for ACTIVE must work anyhow.
        create_stream_ms: 0,
        delete_stream_ms: 0,
        update_stream_ms: 0,
        shard_limit: SHARD_LIMIT,
        retention_check_interval_secs: RETENTION_SWEEP_SECS,
        max_retained_bytes: Some(MAX_RETAINED_BYTES),
        aws_account_id: ACCOUNT_ID.to_owned(),
        aws_region: REGION.to_owned(),
        ..StoreOptions::default()
    });
    let app = app
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .layer(middleware::from_fn_with_state(Arc::new(RwLock::new(())), one_write_at_a_time));
    Endpoint::spawn_router(listener, Service::Kinesis, app)
}

/// Lets one write through at a time, and no reads beside it.
///
/// ferrokinesis 0.7 takes a record's sequence number first and stores the record later. Between the two, a second
/// writer can store a higher number and a reader can move past the lower one, which is then never read. On AWS a
/// record becomes visible in order. The body is read before the lock is taken, so a slow client holds nobody up.
async fn one_write_at_a_time(State(lock): State<Arc<RwLock<()>>>, request: Request, next: Next) -> Response {
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
    let is_write = target.is_some_and(|target| WRITES.contains(&target));
    let (head, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, MAX_REQUEST_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let request = Request::from_parts(head, Body::from(bytes));
    if is_write {
        let _exclusive = lock.write().await;
        next.run(request).await
    } else {
        let _shared = lock.read().await;
        next.run(request).await
    }
}
