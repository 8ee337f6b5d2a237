//! Writes what a day contributes: a tile of phones, and from it tiles of prefixes and ranges.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use features::{FeatureSet, Level, Party, Sketch, State};
use polars::prelude::DataFrame;
use snapshot::{DayMeasures, PackedWriter, UtcDay};

use crate::BatchError;
use crate::day_states::{PhoneDay, phone_days};
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
    let mut done = DayDone {
        day,
        counted: calls.frame.height() as u64,
        duplicates: calls.duplicates,
        differing: calls.differing,
        measures: measure(&calls, arrivals)?,
        tiles: Vec::new(),
    };
    for party in Party::ALL {
        if !Level::ALL.iter().any(|level| is_batched(set, party, *level)) {
            continue;
        }
        let phones = phone_days(&calls.frame, set, party, day.days())?;
        for level in [Level::Prefix, Level::Range] {
            if is_batched(set, party, level) {
                let areas = area_states(&phones, set, party, level);
                let rows = areas.iter().map(|(key, state)| (*key, state, None, None));
                done.tiles.push(write_tile(rows, day, set, (party, level), folder)?);
            }
        }
        let rows = phones.iter().map(|phone| (phone.key.as_str(), &phone.state, phone.prefix(), phone.range()));
        done.tiles.push(write_tile(rows, day, set, (party, Level::Phone), folder)?);
    }
    Ok(done)
}

fn area_states<'a>(phones: &'a [PhoneDay], set: &FeatureSet, party: Party, level: Level) -> BTreeMap<&'a str, State> {
    let mask = set.mask(party, level);
    let mut areas = BTreeMap::new();
    for phone in phones {
        let area = if level == Level::Prefix { phone.prefix() } else { phone.range() };
        if let Some(area) = area {
            let state = areas.entry(area).or_insert_with(|| State::empty(set.slots(party)));
            state.merge_masked(&phone.state, mask);
        }
    }
    areas
}

fn write_tile<'a>(
    rows: impl Iterator<Item = (&'a str, &'a State, Option<&'a str>, Option<&'a str>)>,
    day: UtcDay,
    set: &FeatureSet,
    (party, level): (Party, Level),
    folder: &Path,
) -> Result<Tile, BatchError> {
    let path = folder.join(format!("{day}-{}-{}.parquet", party.as_str(), level.as_str()));
    let local = |source| BatchError::Temporary { path: path.display().to_string(), source };
    let file = BufWriter::new(File::create(&path).map_err(local)?);
    let mut writer = PackedWriter::day_tile(file, &path.display().to_string(), day, (party, level), set.version())?;
    let (mut bytes, mut keys) = (Vec::new(), Sketch::default());
    for (key, state, prefix, range) in rows {
        bytes.clear();
        state.encode(&mut bytes);
        writer.push(key, &bytes, prefix, range)?;
        // Not the hash of states, which is stored and slow: this one estimates how many keys there are, and no more.
        let mut hasher = DefaultHasher::new();
        hasher.write(key.as_bytes());
        keys.insert(hasher.finish());
    }
    let (written, mut file) = writer.finish_counted()?;
    file.flush().map_err(local)?;
    let bytes = file.get_ref().metadata().map_err(local)?.len();
    let (rows, footer_crc32) = (written.rows, Some(written.footer_crc32));
    Ok(Tile { day, party, level, path, rows, bytes, footer_crc32, keys })
}
