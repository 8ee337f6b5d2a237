//! What the service reads from. Narrow, so that tests can make either side fail.

use std::sync::Arc;

use features::{Entity, Level, Party, State};
use futures::future::BoxFuture;
use snapshot::{DayGap, StoredRow};
use tiles::{Interval, WindowState};

use crate::merge::SnapshotDay;

/// A store did not answer. What happened is logged by [`crate::deadline::Timed`]; callers are told to ask again.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SourceError(#[from] Box<dyn std::error::Error + Send + Sync>);

impl SourceError {
    /// Wraps what the store said.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// Tiles of the stream.
pub trait TileSource: Send + Sync + 'static {
    /// The merged state of the entity over each interval, in the order of the intervals. Intervals begin and end
    /// on minutes. An interval without calls has the empty state.
    fn read<'a>(
        &'a self,
        entity: &'a Entity,
        intervals: &'a [Interval],
    ) -> BoxFuture<'a, Result<Vec<WindowState>, SourceError>>;

    /// Since when calls are counted under the service's definitions, in milliseconds since 1970 UTC; `None` if none
    /// was yet.
    fn counted_since(&self) -> BoxFuture<'_, Result<Option<i64>, SourceError>>;
}

/// Where the newest snapshot is found.
pub trait SnapshotSource: Send + Sync + 'static {
    /// The snapshot that is published now. One request reads one snapshot.
    fn current(&self) -> BoxFuture<'_, Result<Current, SourceError>>;
}

/// What is published.
#[derive(Clone)]
pub enum Current {
    /// Nothing yet.
    None,
    /// A snapshot that was computed with other definitions, of this version.
    OtherVersion(String),
    /// A snapshot of the service's own definitions.
    Open(Arc<dyn Snapshot>),
}

/// One published snapshot.
pub trait Snapshot: Send + Sync {
    /// Its day and how complete it is.
    fn day(&self) -> SnapshotDay;

    /// The days of its longest window that it knows less of than all, in their order.
    fn gaps(&self) -> &[DayGap];

    /// When it was last seen to be the newest, in milliseconds since 1970 UTC.
    fn checked_at_ms(&self) -> i64;

    /// What was counted day by day.
    fn days(&self) -> &dyn Days;

    /// The states of an entity; `None` if nothing happened in the longest window.
    fn row<'a>(&'a self, entity: &'a Entity) -> BoxFuture<'a, Result<Option<Arc<StoredRow>>, SourceError>>;
}

/// The days that a snapshot was made from.
pub trait Days: Send + Sync {
    /// Whether it knows of a day, in days since 1970 UTC, what entities of a party and level did.
    fn recorded(&self, party: Party, level: Level, day: i32) -> Recorded;

    /// What an entity did on a day that is recorded; `None` if nothing.
    fn state<'a>(&'a self, entity: &'a Entity, day: i32) -> BoxFuture<'a, Result<Option<State>, SourceError>>;
}

/// What is recorded of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// All that has arrived, and the day was over.
    Whole,
    /// Some of it: records were left out, or the day may not have been over.
    Partly,
    /// There was nothing to record: no call, or no input.
    Nothing,
    /// It is not kept, or was never looked at.
    NotKept,
}
