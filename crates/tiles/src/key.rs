//! Keys of tiles: `pk = <version>#<entity>`, `sk = <1m|1h>#<start>#<shard key>`.

use std::fmt;

use features::{Entity, HOUR_MS, MINUTE_MS};
use smol_str::{SmolStr, SmolStrBuilder};

use crate::ShardKey;

/// How much event time a tile covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Granularity {
    /// One minute.
    Minute,
    /// One hour.
    Hour,
}

impl Granularity {
    /// How long, in milliseconds.
    pub const fn duration_ms(self) -> i64 {
        match self {
            Self::Minute => MINUTE_MS,
            Self::Hour => HOUR_MS,
        }
    }

    /// The start of the tile that covers an instant.
    pub const fn floor(self, at_ms: i64) -> i64 {
        at_ms - at_ms.rem_euclid(self.duration_ms())
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::Hour => "1h",
        }
    }
}

/// The partition of an entity: feature set version and entity.
pub fn partition_key(version: &str, entity: &Entity) -> SmolStr {
    joined(&[version, "#", entity.party.as_str(), ":", entity.level.as_str(), ":", &entity.key])
}

/// Which ledger remembers a call of an anonymous caller. Such calls share no entity, but each still has to count
/// once: they are spread over 256 ledgers by the hash of the call id, so that no key gets hot.
pub const fn ledger_of(call_hash: u64) -> u64 {
    call_hash >> 56
}

/// The partition of a ledger.
pub fn ledger_key(version: &str, ledger: u64) -> SmolStr {
    SmolStr::new(format!("{version}#caller:phone:anonymous/{ledger:02x}"))
}

/// Partition and sort key of one tile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileKey {
    /// Partition key, as [`partition_key`] or [`ledger_key`] makes it.
    pub pk: SmolStr,
    /// Sort key.
    pub sk: SmolStr,
}

impl TileKey {
    /// The key of a caller tile, which any shard may write.
    pub fn caller(pk: SmolStr, start_ms: i64) -> Self {
        Self { pk, sk: sort_bound(Granularity::Minute, start_ms) }
    }

    /// The key of a derived tile, which `shard` alone writes.
    pub fn derived(pk: SmolStr, granularity: Granularity, start_ms: i64, shard: &ShardKey) -> Self {
        Self { pk, sk: Self::derived_sort_key(granularity, start_ms, shard) }
    }

    /// The sort key of the derived tiles of this start, which `shard` alone writes.
    pub fn derived_sort_key(granularity: Granularity, start_ms: i64, shard: &ShardKey) -> SmolStr {
        joined(&[&sort_bound(granularity, start_ms), "#", shard.as_str()])
    }

    /// Whether a sort key names a derived tile.
    pub(crate) fn is_derived(sk: &str) -> bool {
        sk.len() > SORT_BOUND_BYTES
    }

    /// The start that a sort key of this granularity names, in milliseconds since 1970 UTC.
    pub(crate) fn start_ms(granularity: Granularity, sk: &str) -> Option<i64> {
        let start = sk.strip_prefix(granularity.as_str())?.strip_prefix('#')?.get(..MINUTE_DIGITS)?;
        start.parse::<i64>().ok().map(|minutes| minutes * MINUTE_MS)
    }
}

impl fmt::Display for TileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pk, self.sk)
    }
}

/// Minutes since 1970 in ten digits: fixed width, so that text order is time order.
const MINUTE_DIGITS: usize = 10;
const SORT_BOUND_BYTES: usize = 3 + MINUTE_DIGITS;

/// What all sort keys of a start begin with.
pub(crate) fn sort_bound(granularity: Granularity, start_ms: i64) -> SmolStr {
    let minute = start_ms.div_euclid(MINUTE_MS);
    joined(&[granularity.as_str(), "#", &format!("{minute:010}")])
}

/// The parts as one text. Keys are made for every tile of every batch: formatting them took longer than writing.
fn joined(parts: &[&str]) -> SmolStr {
    let mut text = SmolStrBuilder::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| text.push_str(part));
    text.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_order_is_time_order_and_shards_stand_behind_their_start() {
        let shard = ShardKey::new("calls", 1, "shardId-000000000000");
        let minute = |start| TileKey::derived("p".into(), Granularity::Minute, start, &shard).sk;
        assert!(minute(9 * MINUTE_MS) < minute(10 * MINUTE_MS));
        assert!(minute(0) > sort_bound(Granularity::Minute, 0));
        assert!(minute(0) < sort_bound(Granularity::Minute, MINUTE_MS));
        assert_eq!(TileKey::start_ms(Granularity::Minute, &minute(7 * MINUTE_MS)), Some(7 * MINUTE_MS));
        assert_eq!(TileKey::start_ms(Granularity::Hour, &minute(0)), None);
        assert!(TileKey::is_derived(&minute(0)));
        assert!(!TileKey::is_derived(&TileKey::caller("p".into(), 0).sk));
    }

    #[test]
    fn a_partition_is_named_by_version_and_entity() {
        for text in ["caller:phone:+12025550101", "callee:prefix:+1202", "caller:phone:ext:hq/1"] {
            let entity: Entity = text.parse().unwrap();
            assert_eq!(partition_key("v1", &entity), format!("v1#{entity}"));
            assert_eq!(partition_key("v1", &entity), format!("v1#{text}"));
        }
    }

    #[test]
    fn floors_go_down_before_1970_too() {
        assert_eq!(Granularity::Hour.floor(-1), -HOUR_MS);
        assert_eq!(Granularity::Minute.floor(60_001), 60_000);
    }
}
