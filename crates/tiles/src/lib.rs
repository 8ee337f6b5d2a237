//! Tiles: the states of one entity over one minute or one hour of event time, in a store whose one primitive
//! is compare-and-set.
//!
//! Two kinds of tile make counting exactly once possible (ARCHITECTURE.md, "Exactly once"):
//!
//! - A **caller tile** decides what counts. It holds the set of calls that it counted; its version is the size
//!   of that set. Any shard may write it.
//! - A **derived tile** has one writer, the shard that its sort key ends in. Its version is the position of the
//!   last record applied.
//!
//! The decisions are pure functions ([`CallerTile::admit`], [`DerivedTile::apply`]); the stores do I/O and know
//! no rule but "write if the version is still the one expected".

mod caller_tile;
mod contract;
mod coverage;
mod derived_tile;
mod dynamodb;
mod key;
mod memory;
mod position;
mod read;
mod store;

pub mod sabotage;

pub use caller_tile::{CALLS_PER_TILE_MAX, CallMark, CallerTile, Verdict};
pub use contract::{check_counting, check_store};
pub use coverage::{coverage_key, move_coverage_back, note_coverage, read_coverage};
pub use derived_tile::DerivedTile;
pub use dynamodb::{DynamoTiles, TableSetupError};
pub use key::{Granularity, TileKey, ledger_key, ledger_of, partition_key};
pub use memory::MemoryTiles;
pub use position::{Position, ShardKey};
pub use read::{Interval, ReadError, WindowState, read_states};
pub use store::{CasOutcome, StoreError, StoredTile, TileStore, TileVersion, write_units};
