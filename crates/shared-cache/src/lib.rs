//! Snapshot bytes on Redis, for services that share a snapshot: what one has read the others need not fetch from S3.
//!
//! It is a help and never a need: where Redis does not answer in [`ANSWER_MAX`], or at all, reads go to S3, and Redis
//! is left alone for [`LEFT_ALONE`]. The log says once that it does not answer, and once that it does again. What it
//! holds is checked by the reader like what comes from S3, but a checksum is no seal: who can write to this Redis can
//! change answers. Keys name files and places in them, never a number.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, Client, ErrorKind, RedisError, ServerErrorKind, SetExpiry, SetOptions};
use snapshot::RangeCache;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How long Redis may take: S3 takes about as long.
pub const ANSWER_MAX: Duration = Duration::from_millis(50);
/// How long Redis is left alone after it failed.
pub const LEFT_ALONE: Duration = Duration::from_secs(1);
/// How long a check waits, for a connection too.
pub const CHECK_MAX: Duration = Duration::from_millis(1_500);
/// How often a watch looks.
pub const CHECK_EVERY: Duration = Duration::from_secs(5);
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
    redis: Arc<Redis>,
    writes: Arc<Semaphore>,
}

struct Redis {
    client: Client,
    connection: RwLock<ConnectionManager>,
    reads: Mutex<Seen>,
    writes: Mutex<Seen>,
}

/// What was seen of a server last.
#[derive(Debug, Default)]
struct Seen {
    /// Until when it is left alone.
    failed_until: Option<Instant>,
    /// Whether it did what it was asked; `None` before it was asked.
    works: Option<bool>,
}

impl RedisRanges {
    /// The server that a URL names. It is connected to when it is first asked, and again whenever it has gone.
    pub fn new(url: &str) -> Result<Self, CacheUrlError> {
        // What the library says of a URL may repeat its password.
        let client = Client::open(url).map_err(|_| CacheUrlError)?;
        let connection = RwLock::new(connect(&client).map_err(|_| CacheUrlError)?);
        let redis = Redis { client, connection, reads: Mutex::default(), writes: Mutex::new(Seen::working()) };
        Ok(Self { redis: Arc::new(redis), writes: Arc::new(Semaphore::new(WRITES_IN_FLIGHT)) })
    }

    /// Asks whether Redis answers, connects to it if need be, and logs what has changed since it was last asked. Takes
    /// [`CHECK_MAX`] at most.
    pub async fn check(&self) {
        let mut connection = self.redis.connection();
        let answer: Option<String> = self.redis.ask(CHECK_MAX, connection.ping()).await;
        if answer.is_none() {
            // The other end of this connection may be gone without having said so.
            self.redis.connect_anew();
        }
    }

    /// Checks for ever, every [`CHECK_EVERY`]: so that whoever reads the log knows before anybody asks.
    pub async fn watch(self) {
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            self.check().await;
        }
    }
}

/// Connects when it is first asked.
fn connect(client: &Client) -> Result<ConnectionManager, RedisError> {
    let patience = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(LEFT_ALONE))
        .set_response_timeout(Some(CHECK_MAX))
        .set_number_of_retries(1);
    ConnectionManager::new_lazy_with_config(client.clone(), patience)
}

impl Redis {
    fn connection(&self) -> ConnectionManager {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn connect_anew(&self) {
        if let Ok(fresh) = connect(&self.client) {
            *self.connection.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
    }

    /// Where it is, without what it is told to let us in.
    fn address(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    /// What Redis says, if it says something in time.
    async fn ask<T>(&self, patience: Duration, answer: impl Future<Output = Result<T, RedisError>>) -> Option<T> {
        let failure = match tokio::time::timeout(patience, answer).await {
            Ok(Ok(answer)) => {
                if seen(&self.reads).worked() {
                    tracing::info!(target: "tollwatch", cache = self.address(), "the shared cache answers");
                }
                return Some(answer);
            }
            Ok(Err(error)) => {
                if error.kind() == ErrorKind::AuthenticationFailed {
                    // A connection that was refused keeps saying so, also when the password has been put right.
                    self.connect_anew();
                }
                what_failed(&error)
            }
            Err(_) => format!("no answer in {} ms", patience.as_millis()),
        };
        if seen(&self.reads).failed() {
            tracing::warn!(
                target: "tollwatch",
                cache = self.address(),
                failure,
                "the shared cache does not answer: until it does, everything is read from the snapshot"
            );
        }
        None
    }

    /// Keeps a range. A server that answers may take nothing: it is full, a replica, or does not let us.
    async fn keep(&self, key: String, bytes: Bytes) {
        let mut connection = self.connection();
        let kept = SetOptions::default().with_expiration(SetExpiry::EX(KEPT_S));
        let set = connection.set_options(key, bytes.as_ref(), kept);
        let taken = async {
            let set: Result<(), RedisError> = set.await;
            match set {
                Err(error) if is_refusal(&error) => Ok(Err(what_failed(&error))),
                set => set.map(Ok),
            }
        };
        match self.ask(ANSWER_MAX, taken).await {
            Some(Ok(())) if seen(&self.writes).worked() => {
                tracing::info!(target: "tollwatch", cache = self.address(), "the shared cache takes what was read again");
            }
            Some(Err(failure)) if seen(&self.writes).failed() => {
                tracing::warn!(
                    target: "tollwatch",
                    cache = self.address(),
                    failure,
                    "the shared cache answers and takes nothing: what it has not is read from the snapshot"
                );
            }
            _ => {}
        }
    }
}

/// Whether Redis is there and does not want to.
fn is_refusal(error: &RedisError) -> bool {
    let is_server = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension);
    // Without a password it is no cache at all.
    is_server && error.code() != Some("NOAUTH") && error.kind() != ErrorKind::Server(ServerErrorKind::BusyLoading)
}

/// In words that hold nothing of the URL.
fn what_failed(error: &RedisError) -> String {
    match error.code() {
        // What the server says of itself: WRONGPASS, OOM, READONLY.
        Some(code) => format!("it says {code}"),
        None if error.is_io_error() => error.to_string(),
        None => error.category().to_owned(),
    }
}

fn seen(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    /// Until the contrary is seen.
    const fn working() -> Self {
        Self { failed_until: None, works: Some(true) }
    }

    fn is_left_alone(&self) -> bool {
        self.failed_until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether that is new.
    fn failed(&mut self) -> bool {
        self.failed_until = Some(Instant::now() + LEFT_ALONE);
        self.works.replace(false) != Some(false)
    }

    /// Whether that is new. What was asked before the last failure says nothing.
    fn worked(&mut self) -> bool {
        !self.is_left_alone() && self.works.replace(true) != Some(true)
    }
}

impl RangeCache for RedisRanges {
    fn get<'a>(&'a self, file: &'a str, range: Range<u64>) -> BoxFuture<'a, Option<Bytes>> {
        async move {
            if seen(&self.redis.reads).is_left_alone() {
                return None;
            }
            let mut connection = self.redis.connection();
            let bytes: Option<Vec<u8>> = self.redis.ask(ANSWER_MAX, connection.get(key(file, &range))).await?;
            bytes.map(Bytes::from)
        }
        .boxed()
    }

    fn put(&self, file: &str, range: Range<u64>, bytes: Bytes) {
        let Ok(permit) = Arc::clone(&self.writes).try_acquire_owned() else { return };
        if seen(&self.redis.reads).is_left_alone() || seen(&self.redis.writes).is_left_alone() {
            return;
        }
        let (redis, key) = (Arc::clone(&self.redis), key(file, &range));
        tokio::spawn(async move {
            redis.keep(key, bytes).await;
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
