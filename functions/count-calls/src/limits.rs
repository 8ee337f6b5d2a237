//! Every bound of the consumer, with its reason.

use std::num::NonZeroUsize;
use std::time::Duration;

/// Records that are worked through together: one write for all calls of a tile in a chunk. A Lambda batch has at
/// most 10,000 records; two chunks keep the first half's work when time runs out in the second.
pub(crate) const CHUNK_RECORDS: usize = 5_000;

/// Requests in flight to the tile store or to quarantine, each on a connection of its own, unless the settings say
/// otherwise. Against a store that answers after 5 ms, 128 write a third more than 64 and keep a core busy to four
/// fifths; 256 write a seventh more again, for twice the connections and half as long again to answer
/// (docs/measurements.md).
pub(crate) const REQUESTS_IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(128).expect("it is not 0");

/// Attempts at one tile before its records are reported undone: refusals that bring newer tiles back, and
/// requests that came to no answer.
pub(crate) const ATTEMPTS_MAX: u32 = 8;

/// First pause after a request that came to no answer; doubled each time, up to [`BACKOFF_MAX`].
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(20);

/// Longest pause between two attempts.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// What is left of the function's time when it stops to begin requests, so that its answer arrives.
pub(crate) const DEADLINE_MARGIN: Duration = Duration::from_millis(1_500);

/// How long a function's first batch waits for the note of when counting began.
pub(crate) const NOTE_TIME_MAX: Duration = Duration::from_secs(1);

/// Tiles kept from batch to batch, in bytes of memory: the next batch of the shard then writes each once.
pub(crate) const CACHE_BYTES: usize = 48 << 20;

/// Shortest life of a tile.
pub(crate) const TILE_LIFE_MIN_MS: i64 = 4 * features::DAY_MS;
