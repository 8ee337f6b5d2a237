//! A published snapshot, read back by key.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::sync::Arc;

use features::{FeatureSet, Level, Party, SlotKind, SlotState, State};
use futures::TryStreamExt as _;
use objects::Objects;
use snapshot::{
    CURRENT, CacheSizes, Face, Manifest, OnlineRow, OnlineWriter, Publication, SnapshotCache, SnapshotError,
    SnapshotReader, StoredRow, WindowStates, online_file_of, online_key,
};

fn set() -> Arc<FeatureSet> {
    Arc::new(FeatureSet::default_set().unwrap())
}

fn key(n: u64) -> String {
    format!("+1202555{n:05}")
}

/// A row in which every count is `count` in the whole window and one less in the others.
fn row(set: &FeatureSet, count: u64) -> OnlineRow {
    let state = |count: u64| {
        let slots = set.slots(Party::Caller).iter().map(|slot| match slot.kind {
            SlotKind::Count => SlotState::Count(count),
            kind => SlotState::empty(kind),
        });
        State::from_parts((count > 0).then_some(count as i64), slots.collect())
    };
    let windows = set.batch_windows(Party::Caller, Level::Phone);
    let windows = windows.iter().map(|window| WindowStates {
        days: window.days(),
        states: [state(count), state(count.saturating_sub(1)), state(0)],
    });
    OnlineRow { windows: windows.collect() }
}

/// The same as it lies in the file.
fn stored(set: &FeatureSet, count: u64) -> StoredRow {
    let mut bytes = Vec::new();
    row(set, count).encode(&mut bytes);
    StoredRow::check(set, Party::Caller, Level::Phone, &bytes).unwrap()
}

/// Publishes `rows` callers, counted `offset` and up, in `files` files.
async fn publish(folder: &Path, set: &FeatureSet, run: &str, rows: u64, files: usize, offset: u64) -> Manifest {
    let objects = Objects::in_folder(folder);
    let (as_of, run) = ("2026-11-20".parse().unwrap(), run.parse().unwrap());
    let publication = Publication::begin(objects.clone(), "other".parse().unwrap()).await.unwrap();
    let local = tempfile::tempdir().unwrap();
    let mut writer = OnlineWriter::create(local.path(), files, &[]).unwrap();
    let mut bytes = Vec::new();
    for n in 0..rows {
        bytes.clear();
        row(set, n + offset).encode(&mut bytes);
        writer.push(&key(n), &bytes).unwrap();
    }
    let mut listed = Vec::new();
    for (number, part) in writer.finish().unwrap().into_iter().enumerate() {
        let key = online_key(as_of, &run, Party::Caller, Level::Phone, number);
        objects.upload_from(&part.path, &key).await.unwrap();
        assert_eq!(objects.size(&key).await.unwrap(), part.bytes);
        listed.push(part.listed(Party::Caller, Level::Phone, Face::Online, key));
    }
    let manifest = Manifest { files: listed, ..Manifest::new(set, as_of, run, "test") };
    publication.publish(&manifest).await.unwrap();
    manifest
}

async fn open(folder: &Path) -> Result<Option<SnapshotReader>, SnapshotError> {
    SnapshotReader::open(Objects::in_folder(folder), set(), Arc::default()).await
}

#[tokio::test]
async fn every_key_has_its_row_and_no_other_key_any() {
    let (folder, set) = (tempfile::tempdir().unwrap(), set());
    for (rows, files) in [(0, 1), (1, 1), (3_000, 1), (2_000, 7)] {
        let manifest = publish(folder.path(), &set, &format!("r{rows}"), rows, files, 1).await;
        assert_eq!(manifest.files.iter().map(|file| file.rows).sum::<u64>(), rows);
        let reader = open(folder.path()).await.unwrap().unwrap();
        for n in (0..rows).step_by(37) {
            let found = reader.get(Party::Caller, Level::Phone, &key(n)).await.unwrap();
            assert_eq!(found.as_deref(), Some(&stored(&set, n + 1)), "{n} of {rows}");
        }
        for other in ["", "+", "+1202555000005", "+1999", "~", &key(rows)] {
            assert_eq!(reader.get(Party::Caller, Level::Phone, other).await.unwrap(), None, "{other}");
        }
        assert_eq!(reader.get(Party::Callee, Level::Phone, &key(0)).await.unwrap(), None);
        let all: Vec<_> = reader.current().scan(Party::Caller, Level::Phone).try_collect().await.unwrap();
        assert_eq!(all.len() as u64, rows);
        let mut last = (0, String::new());
        for (found, states) in all {
            let n: u64 = found[8..].parse().unwrap();
            assert_eq!(states, row(&set, n + 1));
            let place = (online_file_of(&found, files), found);
            assert!(place > last, "not in order");
            last = place;
        }
    }
}

#[tokio::test]
async fn a_snapshot_of_other_definitions_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(open(folder.path()).await.unwrap().is_none());
    let file = include_str!("../../../features.toml").replace("talk_ms < 6000", "talk_ms < 5000");
    let other = FeatureSet::parse(&file, |_| Ok("country\nCU\n".to_owned())).unwrap();
    publish(folder.path(), &other, "r", 1, 1, 1).await;
    let error = open(folder.path()).await.unwrap_err();
    assert!(matches!(&error, SnapshotError::FeatureSet { found, .. } if found == other.version()), "{error}");
}

#[tokio::test]
async fn a_published_run_is_taken_up_by_refresh() {
    let (folder, set) = (tempfile::tempdir().unwrap(), set());
    publish(folder.path(), &set, "a", 100, 2, 1).await;
    let reader = open(folder.path()).await.unwrap().unwrap();
    let before = reader.current();
    assert!(!reader.refresh().await.unwrap());
    publish(folder.path(), &set, "b", 100, 3, 1_000).await;
    let get = || reader.get(Party::Caller, Level::Phone, "+120255500007");
    assert_eq!(get().await.unwrap().as_deref(), Some(&stored(&set, 8)));
    assert!(reader.refresh().await.unwrap());
    assert_eq!(get().await.unwrap().as_deref(), Some(&stored(&set, 1_007)));
    // A request that began before goes on with the run that it began with.
    let of_before = before.get(Party::Caller, Level::Phone, "+120255500007").await.unwrap();
    assert_eq!(of_before.as_deref(), Some(&stored(&set, 8)));
    std::fs::write(folder.path().join(CURRENT), "{").unwrap();
    assert!(matches!(reader.refresh().await, Err(SnapshotError::Corrupt { .. })));
    assert_eq!(get().await.unwrap().as_deref(), Some(&stored(&set, 1_007)));
}

#[tokio::test]
async fn damage_is_an_error_that_names_the_file() {
    let (folder, set) = (tempfile::tempdir().unwrap(), set());
    let file = publish(folder.path(), &set, "a", 50, 1, 1).await.files.remove(0);
    let path = folder.path().join(&file.key);
    let whole = std::fs::read(&path).unwrap();
    let get = async || {
        let reader = open(folder.path()).await.unwrap().unwrap();
        reader.get(Party::Caller, Level::Phone, &key(7)).await
    };
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let error = get().await.unwrap_err();
    assert!(matches!(&error, SnapshotError::Corrupt { key, .. } if *key == file.key), "{error}");
    std::fs::remove_file(&path).unwrap();
    let error = get().await.unwrap_err();
    assert!(matches!(&error, SnapshotError::Gone { key, .. } if *key == file.key), "{error}");
    // Every bit that a read looks at is checked: what comes is the row, or an error, and never another row or none.
    let mut found_out = 0;
    for at in (0..whole.len()).step_by(7) {
        let mut garbled = whole.clone();
        garbled[at] ^= 1 << (at % 8);
        std::fs::write(&path, &garbled).unwrap();
        match get().await {
            Ok(found) => assert_eq!(found.as_deref(), Some(&stored(&set, 8)), "byte {at}"),
            Err(SnapshotError::Corrupt { key, .. }) => {
                assert_eq!(key, file.key);
                found_out += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    // All but the magic before the row groups, which is not read.
    assert!(found_out + 1 >= whole.len() / 7, "{found_out} of {}", whole.len() / 7);
}

#[tokio::test]
async fn damage_in_one_file_leaves_the_others() {
    let (folder, set) = (tempfile::tempdir().unwrap(), set());
    let manifest = publish(folder.path(), &set, "a", 400, 4, 1).await;
    let damaged = &manifest.files[2].key;
    let mut bytes = std::fs::read(folder.path().join(damaged)).unwrap();
    // In the first row group.
    bytes[40] ^= 1;
    std::fs::write(folder.path().join(damaged), bytes).unwrap();
    let reader = open(folder.path()).await.unwrap().unwrap();
    for n in 0..400 {
        let found = reader.get(Party::Caller, Level::Phone, &key(n)).await;
        if online_file_of(&key(n), 4) == 2 {
            assert!(matches!(&found, Err(SnapshotError::Corrupt { key, .. }) if key == damaged), "{n}");
        } else {
            assert_eq!(found.unwrap().as_deref(), Some(&stored(&set, n + 1)), "{n}");
        }
    }
}

#[tokio::test]
async fn what_was_read_is_not_read_again() {
    let (folder, set) = (tempfile::tempdir().unwrap(), set());
    let manifest = publish(folder.path(), &set, "a", 1_000, 1, 1).await;
    let cache = Arc::new(SnapshotCache::new(CacheSizes::of_total(64 << 20)));
    let reader = SnapshotReader::open(Objects::in_folder(folder.path()), Arc::clone(&set), Arc::clone(&cache));
    let reader = reader.await.unwrap().unwrap();
    let get = async |n: u64| reader.get(Party::Caller, Level::Phone, &key(n)).await;
    // Many at a time read a block once.
    let found = futures::future::join_all((0..50).map(|_| get(7))).await;
    assert!(found.into_iter().all(|found| found.unwrap().as_deref() == Some(&stored(&set, 8))));
    let usage = cache.usage();
    assert_eq!((usage.block_reads, usage.footer_reads), (1, 1), "{usage:?}");
    // From now on there is nothing to read.
    std::fs::remove_file(folder.path().join(&manifest.files[0].key)).unwrap();
    for n in [7, 8] {
        assert_eq!(get(n).await.unwrap().as_deref(), Some(&stored(&set, n + 1)));
    }
    assert_eq!(get(5).await.unwrap().as_deref(), Some(&stored(&set, 6)));
    let hits = cache.usage().row_hits;
    assert_eq!(get(5).await.unwrap().as_deref(), Some(&stored(&set, 6)));
    assert_eq!(cache.usage().row_hits, hits + 1);
    // A block that is not there is asked for again, not remembered as missing.
    assert!(get(999).await.is_err());
    assert!(get(999).await.is_err());
}
