//! Day tiles that an earlier run made: found on this machine, or copied to it.

use std::path::{Path, PathBuf};

use features::{FeatureSet, Sketch};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use objects::Objects;
use snapshot::{DayTiles, PackedReader, SnapshotError, TileFile, UtcDay};

use crate::day_tiles::{Tile, batched};
use crate::{BatchError, room};

/// Tiles fetched at once.
const FETCHES_IN_FLIGHT: usize = 8;

/// Brings the tiles of these days onto this machine; those in S3 into `folder`. `done` is told how many there are, and
/// how many in all.
pub(crate) async fn stage(
    output: &Objects,
    days: &[&DayTiles],
    set: &FeatureSet,
    folder: &Path,
    done: impl Fn(u64, u64),
) -> Result<Vec<Tile>, BatchError> {
    let levels = batched(set);
    let files = days.iter().flat_map(|day| &day.tiles);
    let elsewhere = files.filter(|file| output.local_path(&file.key).is_none());
    room::check(folder, elsewhere.map(|file| file.bytes).sum())?;
    let total = (days.len() * levels.len()) as u64;
    let wanted = days.iter().flat_map(|day| levels.iter().map(move |level| (*day, *level)));
    let fetch = |(day, (party, level)): (&DayTiles, _)| {
        let file = day.tiles.iter().find(|tile| (tile.party, tile.level) == (party, level)).cloned();
        let date = day.date;
        async move {
            let file = file.ok_or_else(|| SnapshotError::Corrupt {
                key: snapshot::CURRENT.to_owned(),
                detail: format!("it lists no tile of {} {} for {date}", party.as_str(), level.as_str()),
            })?;
            let path = bring(output, &file, date, folder).await?;
            // What it is, before the roll-up: damage would only be found after hours of it, another day's tile never.
            PackedReader::open_tile(&path, &file, date, set.version())?;
            let TileFile { rows, bytes, footer_crc32, .. } = file;
            Ok::<_, BatchError>(Tile {
                day: date,
                party,
                level,
                path,
                rows,
                bytes,
                footer_crc32,
                keys: Sketch::default(),
            })
        }
    };
    let mut staged = 0;
    stream::iter(wanted.map(fetch))
        .buffered(FETCHES_IN_FLIGHT)
        .inspect_ok(|_| {
            staged += 1;
            done(staged, total);
        })
        .try_collect()
        .await
}

/// Size is looked at before the roll-up: a tile that was cut would only be found after hours of it.
async fn bring(output: &Objects, file: &TileFile, date: UtcDay, folder: &Path) -> Result<PathBuf, BatchError> {
    let (path, size) = if let Some(path) = output.local_path(&file.key) {
        let size = output.size(&file.key).await;
        (path, size)
    } else {
        let path = folder.join(format!("{date}-{}-{}.parquet", file.party.as_str(), file.level.as_str()));
        let size = output.download_to(&file.key, &path).await.map(|(size, _)| size);
        (path, size)
    };
    match size {
        Ok(size) if size == file.bytes => Ok(path),
        Ok(size) => {
            let detail = format!("it has {size} bytes, the manifest says {}", file.bytes);
            Err(SnapshotError::Corrupt { key: file.key.clone(), detail }.into())
        }
        Err(error) if error.is_not_found() => {
            let location = output.location().to_string();
            Err(SnapshotError::Gone { key: file.key.clone(), location }.into())
        }
        Err(error) => Err(error.into()),
    }
}
