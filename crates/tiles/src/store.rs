//! The port to a store of tiles.

use std::future::Future;

use smol_str::SmolStr;

use crate::{Position, TileKey};

/// What a write expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileVersion {
    /// Caller tiles: how many calls they have counted.
    Calls(u32),
    /// Derived tiles: the last record applied.
    Applied(Position),
}

/// A tile as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTile {
    /// What the next write must name.
    pub version: TileVersion,
    /// The marks of the calls counted, packed; empty on derived tiles.
    pub calls: Vec<u8>,
    /// The packed state.
    pub state: Vec<u8>,
    /// When the tile may vanish, in seconds since 1970 UTC.
    pub expires_at_s: i64,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
pub enum CasOutcome {
    /// The tile is what was written.
    Written {
        /// Write units billed.
        units: f64,
    },
    /// The version was not the one expected; nothing changed.
    Refused {
        /// What the store holds instead; `None` where it holds nothing.
        current: Option<StoredTile>,
        /// Write units billed.
        units: f64,
    },
}

impl CasOutcome {
    /// Write units billed, whatever came of it.
    pub const fn units(&self) -> f64 {
        match self {
            Self::Written { units } | Self::Refused { units, .. } => *units,
        }
    }
}

/// Why a request came to no answer. Kinds are by what the caller must do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store wants fewer requests: try again later.
    #[error("the tile store throttles: {0}")]
    Throttled(String),
    /// No answer, or one that says so: the write may or may not have happened. Try again.
    #[error("the tile store gave no answer: {0}")]
    Unavailable(String),
    /// There is no such table.
    #[error("the table of tiles does not exist: {0}")]
    NoTable(String),
    /// Trying again will not help: no permission, an item that no version of Tollwatch wrote.
    #[error("the tile store refused: {0}")]
    Fatal(String),
}

impl StoreError {
    /// Whether the same request may succeed later.
    pub const fn is_retryable(&self) -> bool {
        !matches!(self, Self::NoTable(_) | Self::Fatal(_))
    }
}

/// A store of tiles. Its one way to write is compare-and-set on the version.
pub trait TileStore: Send + Sync {
    /// Writes `tile` if the stored version is `expected` (`None`: if there is no tile).
    fn compare_and_set(
        &self,
        key: &TileKey,
        expected: Option<TileVersion>,
        tile: &StoredTile,
    ) -> impl Future<Output = Result<CasOutcome, StoreError>> + Send;

    /// The tiles of a partition whose sort key `k` is `from <= k < to`, in order, expired ones included. The
    /// marks of calls may be left out.
    fn query(
        &self,
        partition: &str,
        from: &str,
        to: &str,
    ) -> impl Future<Output = Result<Vec<(SmolStr, StoredTile)>, StoreError>> + Send;
}

impl<S: TileStore> TileStore for std::sync::Arc<S> {
    fn compare_and_set(
        &self,
        key: &TileKey,
        expected: Option<TileVersion>,
        tile: &StoredTile,
    ) -> impl Future<Output = Result<CasOutcome, StoreError>> + Send {
        (**self).compare_and_set(key, expected, tile)
    }

    fn query(
        &self,
        partition: &str,
        from: &str,
        to: &str,
    ) -> impl Future<Output = Result<Vec<(SmolStr, StoredTile)>, StoreError>> + Send {
        (**self).query(partition, from, to)
    }
}

/// Write units that DynamoDB bills for an item of this key and tile: one for each KiB begun. Attribute names
/// and values count; a number takes about half a byte a digit and one more.
pub fn write_units(key: &TileKey, tile: &StoredTile) -> f64 {
    let version = match tile.version {
        TileVersion::Calls(_) => 4,
        TileVersion::Applied(position) => position.as_bytes().len(),
    };
    let names = "pk".len() + "sk".len() + "v".len() + "c".len() + "s".len() + "ttl".len();
    let bytes = names + key.pk.len() + key.sk.len() + version + tile.calls.len() + tile.state.len() + 6;
    bytes.div_ceil(1024) as f64
}
