//! Writes both faces of one party and level from its day tiles.

use std::fs;
use std::path::Path;

use features::{FeatureSet, Level, Party, Sketch};
use snapshot::{LevelRows, LocalPart, OnlineWriter, RunId, UtcDay, online_files};

use crate::BatchError;
use crate::day_tiles::Tile;
use crate::merge_tiles::TileMerge;
use crate::roll_up::{RollUp, Rolled};
use crate::wide::WideWriter;

/// Both faces of one party and level, on this machine.
pub(crate) struct Faces {
    pub(crate) party: Party,
    pub(crate) level: Level,
    pub(crate) rows: u64,
    pub(crate) features: Vec<LocalPart>,
    pub(crate) online: Vec<LocalPart>,
}

/// What all faces of a run have in common.
pub(crate) struct FacesOf<'a> {
    pub(crate) set: &'a FeatureSet,
    pub(crate) as_of: UtcDay,
    pub(crate) run: &'a RunId,
    pub(crate) tiles: &'a [Tile],
    pub(crate) folder: &'a Path,
    /// Rows of the snapshot before: the keys of tiles that were not made anew are not known.
    pub(crate) rows_before: &'a [LevelRows],
}

impl FacesOf<'_> {
    /// Rolls up every key that had a call in the longest window of this party and level.
    pub(crate) fn write(&self, party: Party, level: Level) -> Result<Faces, BatchError> {
        let roll_up = RollUp::new(self.set, party, level);
        let from = self.as_of.plus(1 - roll_up.longest().cast_signed());
        let tiles: Vec<&Tile> = self
            .tiles
            .iter()
            .filter(|tile| (tile.party, tile.level) == (party, level) && tile.day >= from && tile.day <= self.as_of)
            .collect();
        let mut keys = Sketch::default();
        for tile in &tiles {
            keys.merge(&tile.keys);
        }

        let before = self.rows_before.iter().filter(|before| (before.party, before.level) == (party, level));
        let rows_before = before.map(|before| before.rows).sum();

        let folder = |face: &str| -> Result<_, BatchError> {
            let folder = self.folder.join(party.as_str()).join(level.as_str()).join(face);
            let failed = |source| BatchError::Temporary { path: folder.display().to_string(), source };
            fs::create_dir_all(&folder).map_err(failed)?;
            Ok(folder)
        };
        let as_of = self.as_of.to_string();
        let about = [
            ("feature_set_version", self.set.version()),
            ("as_of", as_of.as_str()),
            ("run", self.run.as_str()),
            ("party", party.as_str()),
            ("level", level.as_str()),
        ];
        let mut online =
            OnlineWriter::create(&folder("online")?, online_files(keys.count().max(rows_before)), &about)?;
        let mut wide = WideWriter::new(&folder("features")?, roll_up.columns(), &about);
        let mut merge = TileMerge::open(tiles.into_iter(), self.as_of)?;
        let (mut rolled, mut rows) = (Rolled::default(), 0);
        while merge.advance()? {
            roll_up.roll(merge.days(), &mut rolled)?;
            online.push(merge.key(), &rolled.row)?;
            wide.push(merge.key(), &rolled.values)?;
            rows += 1;
        }
        Ok(Faces { party, level, rows, features: wide.finish()?, online: online.finish()? })
    }
}
