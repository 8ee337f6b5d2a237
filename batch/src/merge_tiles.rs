//! Reads the tiles of many days side by side, key by key.

use snapshot::{SnapshotError, StoredRows, UtcDay};

use crate::day_tiles::Tile;

/// Merges sorted tiles. One row group of each is in memory at a time, and nothing of it is copied.
///
/// The next key is looked for among the heads of all tiles, one after the other: most keys are in many tiles, and going
/// through a hundred integers costs less than putting one string in its place in a heap for each of them.
pub(crate) struct TileMerge {
    /// How many days before `as_of` each tile is of (0 is `as_of` itself), the newest first, and its rows.
    tiles: Vec<(u32, StoredRows)>,
    /// See [`head_of`]; [`ENDED`] where there is no row.
    heads: Vec<u128>,
    /// The key, and the tiles that have it, in their order.
    key: String,
    current: Vec<usize>,
}

/// The head of a tile without a next row: the largest, and no text begins with such bytes.
const ENDED: u128 = u128::MAX;
/// Bytes of a key that are in its head.
const HEAD_BYTES: usize = 15;
/// In place of the length of a key that is longer than that.
const LONGER: u8 = u8::MAX;

/// The first bytes of a key and its length, in an integer of the same order; equal heads are equal keys unless they end
/// in [`LONGER`]. All numbers but those of 15 digits fit.
fn head_of(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let len = key.len().min(HEAD_BYTES);
    bytes[..len].copy_from_slice(&key[..len]);
    bytes[HEAD_BYTES] = if key.len() > HEAD_BYTES { LONGER } else { len as u8 };
    u128::from_be_bytes(bytes)
}

impl TileMerge {
    /// Opens tiles of one party and level, of days up to `as_of`.
    pub(crate) fn open<'a>(tiles: impl Iterator<Item = &'a Tile>, as_of: UtcDay) -> Result<Self, SnapshotError> {
        let open =
            |tile: &Tile| Ok(((as_of.days() - tile.day.days()).cast_unsigned(), StoredRows::open(&tile.path)?));
        let mut tiles: Vec<_> = tiles.map(open).collect::<Result<_, SnapshotError>>()?;
        tiles.sort_by_key(|(before, _)| *before);
        let (heads, current) = (vec![ENDED; tiles.len()], (0..tiles.len()).collect());
        Ok(Self { tiles, heads, key: String::new(), current })
    }

    /// Steps to the next key; false after the last one.
    pub(crate) fn advance(&mut self) -> Result<bool, SnapshotError> {
        for at in self.current.drain(..) {
            let rows = &mut self.tiles[at].1;
            self.heads[at] = if rows.advance()? { head_of(rows.key()) } else { ENDED };
        }
        self.key.clear();
        let least = self.heads.iter().copied().min().unwrap_or(ENDED);
        if least == ENDED {
            return Ok(false);
        }
        let same = self.heads.iter().enumerate().filter(|(_, head)| **head == least).map(|(at, _)| at);
        self.current.extend(same);
        if least as u8 == LONGER {
            let least = self.current.iter().map(|at| self.tiles[*at].1.key()).min().unwrap_or_default().to_vec();
            self.current.retain(|at| self.tiles[*at].1.key() == least);
        }
        if let Some(first) = self.current.first() {
            self.key.push_str(self.tiles[*first].1.key_text()?);
        }
        Ok(true)
    }

    /// The key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// How many days before `as_of` it has states on, the newest first, and the stored states.
    pub(crate) fn days(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.current.iter().map(|at| (self.tiles[*at].0, self.tiles[*at].1.states()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::fs::File;

    use features::{Level, Party, Sketch};
    use proptest::prelude::*;
    use snapshot::PackedWriter;

    use super::*;

    #[test]
    fn keys_come_once_with_all_their_days() {
        let folder = tempfile::tempdir().unwrap();
        let tiles: Vec<Tile> = [(10, "ac"), (9, "bc"), (8, ""), (3, "abcd")]
            .into_iter()
            .map(|(day, keys)| {
                let path = folder.path().join(day.to_string());
                let mut writer = PackedWriter::tile(File::create(&path).unwrap(), "t", &[]).unwrap();
                for key in keys.chars() {
                    writer.push(&key.to_string(), &[day as u8], None, None).unwrap();
                }
                writer.finish().unwrap();
                let day = UtcDay::new(day);
                let (party, level, keys) = (Party::Caller, Level::Phone, Sketch::default());
                Tile { day, party, level, path, rows: 0, bytes: 0, footer_crc32: None, keys }
            })
            .collect();
        let mut merge = TileMerge::open(tiles.iter(), UtcDay::new(10)).unwrap();
        let mut found = Vec::new();
        while merge.advance().unwrap() {
            let days = merge.days().map(|(before, states)| (before, states[0])).collect::<Vec<_>>();
            found.push((merge.key().to_owned(), days));
        }
        let expected = [
            ("a", vec![(0, 10), (7, 3)]),
            ("b", vec![(1, 9), (7, 3)]),
            ("c", vec![(0, 10), (1, 9), (7, 3)]),
            ("d", vec![(7, 3)]),
        ];
        assert_eq!(found, expected.map(|(key, days)| (key.to_owned(), days)));
    }

    proptest! {
        #[test]
        fn heads_have_the_order_of_keys(a in "[+]?[a-b\u{0}é]{0,18}", b in "[+]?[a-b\u{0}é]{0,18}") {
            let (head_a, head_b) = (head_of(a.as_bytes()), head_of(b.as_bytes()));
            if head_a as u8 == LONGER && head_a == head_b {
                prop_assert_eq!(&a.as_bytes()[..HEAD_BYTES], &b.as_bytes()[..HEAD_BYTES]);
            } else {
                prop_assert_eq!(head_a.cmp(&head_b), a.as_bytes().cmp(b.as_bytes()));
            }
            prop_assert!(head_a < ENDED);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn keys_of_any_length_come_in_order_with_all_their_days(
            days in prop::collection::btree_map(0i32..90, prop::collection::btree_set("[ab]{1,2}(bbbbbbbbbbbbb)?[ab]{0,2}", 0..20), 1..6),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut expected: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            let mut tiles = Vec::new();
            for (day, keys) in days.iter().rev() {
                let path = folder.path().join(day.to_string());
                let mut writer = PackedWriter::tile(File::create(&path).unwrap(), "t", &[]).unwrap();
                for key in keys {
                    writer.push(key, &[1], None, None).unwrap();
                    expected.entry(key.clone()).or_default().push((90 - day).cast_unsigned());
                }
                writer.finish().unwrap();
                let (party, level, keys) = (Party::Caller, Level::Phone, Sketch::default());
                tiles.insert(0, Tile { day: UtcDay::new(*day), party, level, path, rows: 0, bytes: 0, footer_crc32: None, keys });
            }
            let mut merge = TileMerge::open(tiles.iter(), UtcDay::new(90)).unwrap();
            let mut found = Vec::new();
            while merge.advance().unwrap() {
                found.push((merge.key().to_owned(), merge.days().map(|(before, _)| before).collect::<Vec<_>>()));
            }
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
