//! Batch snapshots: where they lie, what is in their files, and how one row is read.
//!
//! A snapshot holds the batch features of all entities as of one UTC day. A run writes its files under its own
//! id and becomes visible when the manifest, `snapshots/current.json`, is replaced. It has two faces: `features/`,
//! wide Parquet for people and SQL engines, and `online/`, Parquet of key and packed states, of which
//! [`Snapshot::get`] brings a row with one ranged read.

mod block;
mod cache;
mod checksum;
mod day;
mod day_reader;
mod error;
mod feature_column;
mod history;
mod layout;
mod ledger;
mod manifest;
mod online;
mod packed;
mod packed_reader;
mod prune;
mod publication;
mod quality;
mod range_cache;
mod reader;
mod remote_file;
mod row;
mod row_group;
mod stored_rows;
#[cfg(test)]
mod testing;

pub use cache::{CacheSizes, CacheUse, SnapshotCache};
pub use day::{UtcDay, UtcDayError};
pub use day_reader::DayReader;
pub use error::SnapshotError;
pub use history::{Published, history};
pub use layout::{
    CURRENT, Face, RAW, RunId, RunIdError, daily_key, features_key, ledger_key, manifest_key, online_file_of,
    online_files, online_key, quality_key, raw_key, run_of,
};
pub use ledger::{Ledger, LedgerObject, Source};
pub use manifest::{
    Calls, DayGap, DayTiles, FORMAT, FaceFile, GapReason, LedgerFile, LeftOut, LevelRows, Manifest, MissingDay,
    MissingReason, QualityFile, RunRef, TileFile,
};
pub use online::{LocalPart, OnlineWriter};
pub use packed::{PackedWriter, TILE_GROUP_BYTES, Written};
pub use packed_reader::{PackedReader, PackedRow};
pub use prune::{Pruning, Retention, RunFiles};
pub use publication::Publication;
pub use quality::{DayMeasures, Finding, NotJudged, PrefixMix, Quality, Severity, Verdict};
pub use range_cache::RangeCache;
pub use reader::{Snapshot, SnapshotReader};
pub use row::{OnlineRow, RowEncoder, RowError, STATES_A_WINDOW, StoredRow, WindowStates};
pub use stored_rows::StoredRows;
