//! Snapshot bytes on Redis, for services that share a snapshot: what one has read the others need not fetch from S3.
//!
//! It is a help and never a need: where Redis does not answer in [`ANSWER_MAX`], or at all, reads go to S3, and Redis
//! is left alone for [`LEFT_ALONE`]. What it holds is checked by the reader like what comes from S3, but a checksum is no
//! seal: who can write to this Redis can change answers. Keys name files and places in them, never a number.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, RedisError, SetExpiry, SetOptions};
use snapshot::RangeCache;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How long Redis may take: S3 takes about as long.
pub const ANSWER_MAX: Duration = Duration::from_millis(50);
/// How long Redis is left alone after it failed.
pub const LEFT_ALONE: Duration = Duration::from_secs(1);
/// How long a range is kept: a snapshot is replaced every day.
const KEPT_S: u64 = 2 * 86_400;
/// Ranges written at once; what is more is not written.
const WRITES_IN_FLIGHT: usize = 16;

/// A text that names no Redis.
#[derive(Debug, thiserror::Error)]
#[error(
    "the shared cache must be redis://host:port, rediss:// for TLS, or redis+unix:///path, with user:password@ where \
     the server asks for it"
)]
pub struct CacheUrlError;

/// Byte ranges on a Redis server.
#[derive(Clone)]
pub struct RedisRanges {
    connection: ConnectionManager,
    writes: Arc<Semaphore>,
    /// Until when it is left alone.
    failed_until: Arc<Mutex<Option<Instant>>>,
}

impl RedisRanges {
    /// The server that a URL names. It is connected to when it is first asked, and again whenever it has gone.
    pub fn new(url: &str) -> Result<Self, CacheUrlError> {
        // What the library says of a URL may repeat its password.
        let client = redis::Client::open(url).map_err(|_| CacheUrlError)?;
        let patience = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(LEFT_ALONE))
            .set_response_timeout(Some(ANSWER_MAX))
            .set_number_of_retries(1);
        let connection = ConnectionManager::new_lazy_with_config(client, patience).map_err(|_| CacheUrlError)?;
        let writes = Arc::new(Semaphore::new(WRITES_IN_FLIGHT));
        Ok(Self { connection, writes, failed_until: Arc::default() })
    }

    fn is_left_alone(&self) -> bool {
        let failed_until = *self.failed_until.lock().unwrap_or_else(PoisonError::into_inner);
        failed_until.is_some_and(|until| Instant::now() < until)
    }

    /// What Redis says, if it says something in time.
    async fn ask<T>(&self, answer: impl Future<Output = Result<T, RedisError>>) -> Option<T> {
        let failure = match tokio::time::timeout(ANSWER_MAX, answer).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.category().to_owned(),
            Err(_) => format!("no answer in {} ms", ANSWER_MAX.as_millis()),
        };
        tracing::warn!(
            failure,
            left_alone_secs = LEFT_ALONE.as_secs(),
            "the shared cache failed; reads go to the snapshot"
        );
        *self.failed_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + LEFT_ALONE);
        None
    }
}

impl RangeCache for RedisRanges {
    fn get<'a>(&'a self, file: &'a str, range: Range<u64>) -> BoxFuture<'a, Option<Bytes>> {
        async move {
            if self.is_left_alone() {
                return None;
            }
            let mut connection = self.connection.clone();
            let bytes: Option<Vec<u8>> = self.ask(connection.get(key(file, &range))).await?;
            bytes.map(Bytes::from)
        }
        .boxed()
    }

    fn put(&self, file: &str, range: Range<u64>, bytes: Bytes) {
        let Ok(permit) = Arc::clone(&self.writes).try_acquire_owned() else { return };
        if self.is_left_alone() {
            return;
        }
        let (this, key) = (self.clone(), key(file, &range));
        tokio::spawn(async move {
            let mut connection = this.connection.clone();
            let kept = SetOptions::default().with_expiration(SetExpiry::EX(KEPT_S));
            let _: Option<()> = this.ask(connection.set_options(key, bytes.as_ref(), kept)).await;
            drop(permit);
        });
    }
}

impl std::fmt::Debug for RedisRanges {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisRanges").finish_non_exhaustive()
    }
}

fn key(file: &str, range: &Range<u64>) -> String {
    format!("tollwatch:1:{file}:{}-{}", range.start, range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_that_is_none_is_refused_without_repeating_it() {
        for url in ["", "localhost", "http://:secret@localhost", "redis://:secret@local host"] {
            let error = RedisRanges::new(url).map(|_| ()).map_err(|error| error.to_string());
            assert!(error.as_ref().is_err_and(|error| !error.contains("secret")), "{url}: {error:?}");
        }
    }
}
