//! The caller's deadline, passed on to the stores.
//!
//! A call that is out of time is dropped with all that it awaits ([`connectrpc::DeadlinePolicy`]). So that a slow store
//! leaves time to say what the other one knows, its reads end earlier: they fail, and the answer is marked.

use std::sync::Arc;
use std::time::Duration;

use connectrpc::interceptor::{Interceptor, Next, UnaryRequest, UnaryResponse};
use connectrpc::{ConnectError, async_trait};
use features::{Entity, Level, Party, State};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use snapshot::{DayGap, StoredRow};
use tiles::{Interval, WindowState};
use tokio::time::{Instant, timeout_at};

use crate::merge::SnapshotDay;
use crate::outage::Outage;
use crate::sources::{Current, Days, Recorded, Snapshot, SnapshotSource, SourceError, TileSource};

tokio::task_local! {
    /// When the reads of the request that this task answers must be done.
    static TIMES: Times;
}

/// Until when a request's reads may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    /// Finding the snapshot, before anything else is read: half of the time.
    manifest: Instant,
    /// All other reads: nine tenths of it.
    reads: Instant,
}

impl Times {
    fn new(now: Instant, deadline: Instant) -> Self {
        let left: Duration = deadline.saturating_duration_since(now);
        Self { manifest: now + left / 2, reads: now + left / 10 * 9 }
    }
}

/// A store did not answer in the time that the caller has.
#[derive(Debug, thiserror::Error)]
#[error("no answer within the time that the caller gave")]
struct OutOfTime;

/// Makes the deadline of each call known to [`Timed`] stores.
#[derive(Clone, Copy, Debug)]
pub struct PassOn;

#[async_trait]
impl Interceptor for PassOn {
    async fn intercept_unary(&self, request: UnaryRequest, next: Next<'_>) -> Result<UnaryResponse, ConnectError> {
        match request.ctx.deadline() {
            Some(deadline) => within(Instant::from_std(deadline), next.run(request)).await,
            None => next.run(request).await,
        }
    }
}

/// Does `work`, whose reads of [`Timed`] stores end before `deadline`.
pub async fn within<F: Future>(deadline: Instant, work: F) -> F::Output {
    TIMES.scope(Times::new(Instant::now(), deadline), work).await
}

/// A store whose reads are dropped when the caller's time is nearly out. Without a deadline they are as they were. What
/// fails, for want of time or else, is logged here.
#[derive(Clone, Debug)]
pub struct Timed<S> {
    store: S,
    outage: Arc<Outage>,
}

impl<S> Timed<S> {
    /// A store that the log calls `what`.
    pub fn new(what: &'static str, store: S) -> Self {
        Self { store, outage: Arc::new(Outage::new(what)) }
    }

    async fn timed<T>(
        &self,
        until: Option<Instant>,
        read: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let read = match until {
            Some(until) => timeout_at(until, read).await.unwrap_or_else(|_| Err(SourceError::new(OutOfTime))),
            None => read.await,
        };
        self.outage.note(&read);
        read
    }
}

/// How long this request may take to find the snapshot; `None` if it has no deadline.
pub(crate) fn manifest_time_left() -> Option<Duration> {
    times().map(|times| times.manifest.saturating_duration_since(Instant::now()))
}

fn times() -> Option<Times> {
    TIMES.try_with(|times| *times).ok()
}

impl TileSource for Timed<Arc<dyn TileSource>> {
    fn read<'a>(
        &'a self,
        entity: &'a Entity,
        intervals: &'a [Interval],
    ) -> BoxFuture<'a, Result<Vec<WindowState>, SourceError>> {
        self.timed(times().map(|times| times.reads), self.store.read(entity, intervals)).boxed()
    }

    fn counted_since(&self) -> BoxFuture<'_, Result<Option<i64>, SourceError>> {
        self.timed(times().map(|times| times.reads), self.store.counted_since()).boxed()
    }
}

impl SnapshotSource for Timed<Arc<dyn SnapshotSource>> {
    fn current(&self) -> BoxFuture<'_, Result<Current, SourceError>> {
        async {
            Ok(match self.timed(times().map(|times| times.manifest), self.store.current()).await? {
                Current::Open(store) => Current::Open(Arc::new(Timed { store, outage: Arc::clone(&self.outage) })),
                other => other,
            })
        }
        .boxed()
    }
}

impl Snapshot for Timed<Arc<dyn Snapshot>> {
    fn day(&self) -> SnapshotDay {
        self.store.day()
    }

    fn gaps(&self) -> &[DayGap] {
        self.store.gaps()
    }

    fn checked_at_ms(&self) -> i64 {
        self.store.checked_at_ms()
    }

    fn days(&self) -> &dyn Days {
        self
    }

    fn row<'a>(&'a self, entity: &'a Entity) -> BoxFuture<'a, Result<Option<Arc<StoredRow>>, SourceError>> {
        self.timed(times().map(|times| times.reads), self.store.row(entity)).boxed()
    }
}

impl Days for Timed<Arc<dyn Snapshot>> {
    fn recorded(&self, party: Party, level: Level, day: i32) -> Recorded {
        self.store.days().recorded(party, level, day)
    }

    fn state<'a>(&'a self, entity: &'a Entity, day: i32) -> BoxFuture<'a, Result<Option<State>, SourceError>> {
        self.timed(times().map(|times| times.reads), self.store.days().state(entity, day)).boxed()
    }
}
