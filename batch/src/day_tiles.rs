//! Writes what a day contributes: a tile of phones, and from it tiles of prefixes and ranges.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use features::{FeatureSet, Level, Party, Sketch, SlotMask, State};
use polars::prelude::{DataFrame, PolarsResult};
use snapshot::{DayMeasures, PackedWriter, UtcDay};

use crate::BatchError;
use crate::by_number::ByNumber;
use crate::day_columns::{key_name, other_name};
use crate::day_states::{PhoneDay, PhoneDays};
use crate::deduplicate::deduplicate;
use crate::quality::measure::{arrivals, measure};

/// The tile of one party and level over one day, on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub(crate) day: UtcDay,
    pub(crate) party: Party,
    pub(crate) level: Level,
    pub(crate) path: PathBuf,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// See [`snapshot::TileFile::footer_crc32`].
    pub(crate) footer_crc32: Option<u32>,
    /// Its keys, to estimate how many there are in all days together; empty where a run before made the tile.
    pub(crate) keys: Sketch,
}

/// What became of the calls of a day.
#[derive(Debug)]
pub(crate) struct DayDone {
    pub(crate) day: UtcDay,
    pub(crate) counted: u64,
    pub(crate) duplicates: u64,
    pub(crate) differing: u64,
    pub(crate) measures: DayMeasures,
    pub(crate) tiles: Vec<Tile>,
}

/// The parties and levels with a batch window. Phones take longest: they come first.
pub(crate) fn batched(set: &FeatureSet) -> Vec<(Party, Level)> {
    let all = Level::ALL.into_iter().flat_map(|level| Party::ALL.map(|party| (party, level)));
    all.filter(|(party, level)| is_batched(set, *party, *level)).collect()
}

/// Whether any feature of a party and level has a batch window.
fn is_batched(set: &FeatureSet, party: Party, level: Level) -> bool {
    !set.batch_windows(party, level).is_empty()
}

/// Counts the calls of a day and writes its tiles into `folder`.
pub(crate) fn write_day(
    frame: DataFrame,
    day: UtcDay,
    set: &FeatureSet,
    folder: &Path,
) -> Result<DayDone, BatchError> {
    let arrivals = arrivals(&frame, day)?;
    let calls = deduplicate(frame)?;
    let numbers = [numbers_of(&calls.frame, Party::Caller)?, numbers_of(&calls.frame, Party::Callee)?];
    let mut done = DayDone {
        day,
        counted: calls.frame.height() as u64,
        duplicates: calls.duplicates,
        differing: calls.differing,
        measures: measure(&calls, &numbers, arrivals),
        tiles: Vec::new(),
    };
    for (party, numbers) in Party::ALL.into_iter().zip(&numbers) {
        let (Some(numbers), true) = (numbers, Level::ALL.iter().any(|level| is_batched(set, party, *level))) else {
            continue;
        };
        let levels = [Level::Prefix, Level::Range].into_iter().filter(|level| is_batched(set, party, *level));
        let mut areas: Vec<Areas> = levels.map(|level| Areas::new(set, party, level)).collect();
        let mut tile = TileWriter::create(day, set, (party, Level::Phone), folder)?;
        PhoneDays::new(&calls.frame, set, party, day.days())?.each(numbers, |phone| {
            areas.iter_mut().for_each(|areas| areas.add(phone));
            tile.push(&phone.key, &phone.state, phone.prefix(), phone.range())
        })?;
        for areas in areas {
            done.tiles.push(areas.write(day, folder)?);
        }
        done.tiles.push(tile.finish()?);
    }
    Ok(done)
}

/// None of a party whose numbers are not kept.
fn numbers_of(frame: &DataFrame, party: Party) -> PolarsResult<Option<ByNumber>> {
    let is_kept = frame.column(key_name(party)).is_ok() && frame.column(other_name(party)).is_ok();
    is_kept.then(|| ByNumber::of(frame, party)).transpose()
}

/// The states of the prefixes or ranges of one party, made from those of its phones.
struct Areas<'a> {
    set: &'a FeatureSet,
    party: Party,
    level: Level,
    mask: SlotMask,
    states: BTreeMap<String, State>,
    /// The last one, which the next phone is mostly of, too; empty where there is none. In `states` once another one
    /// comes.
    key: String,
    state: State,
}

impl<'a> Areas<'a> {
    fn new(set: &'a FeatureSet, party: Party, level: Level) -> Self {
        let (mask, state) = (set.mask(party, level), State::empty(set.slots(party)));
        Self { set, party, level, mask, states: BTreeMap::new(), key: String::new(), state }
    }

    fn add(&mut self, phone: &PhoneDay) {
        let area = if self.level == Level::Prefix { phone.prefix() } else { phone.range() };
        let Some(area) = area else { return };
        if self.key != area {
            self.put_away();
            self.key.push_str(area);
        }
        self.state.merge_masked(&phone.state, self.mask);
    }

    fn put_away(&mut self) {
        if self.key.is_empty() {
            return;
        }
        let key = std::mem::take(&mut self.key);
        let state = std::mem::replace(&mut self.state, State::empty(self.set.slots(self.party)));
        match self.states.entry(key) {
            Entry::Vacant(place) => {
                place.insert(state);
            }
            Entry::Occupied(mut same) => same.get_mut().merge_masked(&state, self.mask),
        }
    }

    fn write(mut self, day: UtcDay, folder: &Path) -> Result<Tile, BatchError> {
        self.put_away();
        let mut tile = TileWriter::create(day, self.set, (self.party, self.level), folder)?;
        for (key, state) in &self.states {
            tile.push(key, state, None, None)?;
        }
        tile.finish()
    }
}

/// Writes a tile.
struct TileWriter {
    tile: Tile,
    writer: PackedWriter<BufWriter<File>>,
    state: Vec<u8>,
}

impl TileWriter {
    fn create(
        day: UtcDay,
        set: &FeatureSet,
        (party, level): (Party, Level),
        folder: &Path,
    ) -> Result<Self, BatchError> {
        let path = folder.join(format!("{day}-{}-{}.parquet", party.as_str(), level.as_str()));
        let file = BufWriter::new(File::create(&path).map_err(|source| local(&path, source))?);
        let name = path.display().to_string();
        let writer = PackedWriter::day_tile(file, &name, day, (party, level), set.version())?;
        let keys = Sketch::default();
        let tile = Tile { day, party, level, path, rows: 0, bytes: 0, footer_crc32: None, keys };
        Ok(Self { tile, writer, state: Vec::new() })
    }

    fn push(
        &mut self,
        key: &str,
        state: &State,
        prefix: Option<&str>,
        range: Option<&str>,
    ) -> Result<(), BatchError> {
        self.state.clear();
        state.encode(&mut self.state);
        self.writer.push(key, &self.state, prefix, range)?;
        // Not the hash of states, which is stored and slow: this one estimates how many keys there are, and no more.
        let mut hasher = DefaultHasher::new();
        hasher.write(key.as_bytes());
        self.tile.keys.insert(hasher.finish());
        Ok(())
    }

    fn finish(mut self) -> Result<Tile, BatchError> {
        let (written, mut file) = self.writer.finish_counted()?;
        (self.tile.rows, self.tile.footer_crc32) = (written.rows, Some(written.footer_crc32));
        let bytes = file.flush().and_then(|()| Ok(file.get_ref().metadata()?.len()));
        self.tile.bytes = bytes.map_err(|source| local(&self.tile.path, source))?;
        Ok(self.tile)
    }
}

fn local(path: &Path, source: std::io::Error) -> BatchError {
    BatchError::Temporary { path: path.display().to_string(), source }
}
