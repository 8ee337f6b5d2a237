//! Reads the tiles of many days side by side, key by key.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use snapshot::{PackedReader, PackedRow, SnapshotError, UtcDay};

use crate::day_tiles::Tile;

/// A key and its states on the days on which it has any, the newest day first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyDays {
    pub(crate) key: String,
    /// Days before `as_of` (0 is `as_of` itself), and the stored state.
    pub(crate) days: Vec<(u32, Vec<u8>)>,
}

/// Merges sorted tiles. One row group of each is in memory at a time.
pub(crate) struct TileMerge {
    readers: Vec<(u32, PackedReader)>,
    /// The next row of each reader that has one: key, days before `as_of`, place in `readers`.
    heads: BinaryHeap<Reverse<(String, u32, usize)>>,
    states: Vec<Vec<u8>>,
}

impl TileMerge {
    /// Opens tiles of one party and level, of days up to `as_of`.
    pub(crate) fn open<'a>(tiles: impl Iterator<Item = &'a Tile>, as_of: UtcDay) -> Result<Self, SnapshotError> {
        let open =
            |tile: &Tile| Ok(((as_of.days() - tile.day.days()).cast_unsigned(), PackedReader::open(&tile.path)?));
        let readers: Vec<_> = tiles.map(open).collect::<Result<_, SnapshotError>>()?;
        let states = vec![Vec::new(); readers.len()];
        let mut merge = Self { readers, heads: BinaryHeap::new(), states };
        for at in 0..merge.readers.len() {
            merge.advance(at)?;
        }
        Ok(merge)
    }

    /// The next key.
    pub(crate) fn next_key(&mut self) -> Result<Option<KeyDays>, SnapshotError> {
        let Some(Reverse((key, before, at))) = self.heads.pop() else { return Ok(None) };
        let mut days = vec![(before, std::mem::take(&mut self.states[at]))];
        self.advance(at)?;
        while let Some(Reverse((next, before, at))) = self.heads.peek() {
            if *next != key {
                break;
            }
            let (before, at) = (*before, *at);
            days.push((before, std::mem::take(&mut self.states[at])));
            self.heads.pop();
            self.advance(at)?;
        }
        Ok(Some(KeyDays { key, days }))
    }

    fn advance(&mut self, at: usize) -> Result<(), SnapshotError> {
        let (before, reader) = &mut self.readers[at];
        if let Some(PackedRow { key, states, .. }) = reader.next_row()? {
            self.states[at] = states;
            self.heads.push(Reverse((key, *before, at)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::File;

    use features::{Level, Party, Sketch};
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
                Tile { day, party, level, path, rows: 0, bytes: 0, keys }
            })
            .collect();
        let mut merge = TileMerge::open(tiles.iter(), UtcDay::new(10)).unwrap();
        let mut found = Vec::new();
        while let Some(row) = merge.next_key().unwrap() {
            found.push((row.key, row.days.into_iter().map(|(before, state)| (before, state[0])).collect::<Vec<_>>()));
        }
        let expected = [
            ("a", vec![(0, 10), (7, 3)]),
            ("b", vec![(1, 9), (7, 3)]),
            ("c", vec![(0, 10), (1, 9), (7, 3)]),
            ("d", vec![(7, 3)]),
        ];
        assert_eq!(found, expected.map(|(key, days)| (key.to_owned(), days)));
    }
}
