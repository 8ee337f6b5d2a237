//! Reads a published snapshot: one row at a time, or all of them.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use features::{FeatureSet, Level, Party, Value, Window};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use objects::{Objects, Version};

use crate::cache::{BlockId, FileId, KnownRow, RowRef, SnapshotCache};
use crate::feature_column::read_column;
use crate::packed_reader::read_rows;
use crate::remote_file::RemoteFile;
use crate::row_group::Footer;
use crate::{CURRENT, DayGap, Face, FaceFile, Manifest, OnlineRow, SnapshotError, StoredRow, online_file_of};

/// Numbers the snapshots of this process, for the cache.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// Follows the published snapshot of one location.
#[derive(Debug)]
pub struct SnapshotReader {
    objects: Objects,
    set: Arc<FeatureSet>,
    cache: Arc<SnapshotCache>,
    current: RwLock<Arc<Snapshot>>,
}

/// One published snapshot. All reads through it are of the same run.
#[derive(Debug)]
pub struct Snapshot {
    objects: Objects,
    set: Arc<FeatureSet>,
    manifest: Manifest,
    gaps: Vec<DayGap>,
    version: Version,
    /// Its number in the cache.
    id: u64,
    cache: Arc<SnapshotCache>,
    /// For each party and level, the places of its online files in the manifest.
    online: [[Range<usize>; Level::ALL.len()]; Party::ALL.len()],
}

impl SnapshotReader {
    /// Opens the published snapshot; `None` where there is none yet. Fails with [`SnapshotError::FeatureSet`]
    /// where it was made with another version of the definitions than `set`.
    pub async fn open(
        objects: Objects,
        set: Arc<FeatureSet>,
        cache: Arc<SnapshotCache>,
    ) -> Result<Option<Self>, SnapshotError> {
        let snapshot = Snapshot::open_with(objects.clone(), Arc::clone(&set), Arc::clone(&cache)).await?;
        Ok(snapshot.map(|snapshot| Self { objects, set, cache, current: RwLock::new(Arc::new(snapshot)) }))
    }

    /// The snapshot that was current at [`Self::open`] or the last [`Self::refresh`].
    pub fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes up a snapshot that was published meanwhile; whether there was one. On failure the one before stays.
    pub async fn refresh(&self) -> Result<bool, SnapshotError> {
        let (json, version) = self.objects.get_versioned(CURRENT).await?;
        if self.current().version == version {
            return Ok(false);
        }
        let (set, cache) = (Arc::clone(&self.set), Arc::clone(&self.cache));
        let snapshot = Snapshot::parse(self.objects.clone(), set, cache, &json, version)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        Ok(true)
    }

    /// [`Snapshot::get`] of the current snapshot.
    pub async fn get(&self, party: Party, level: Level, key: &str) -> Result<Option<Arc<StoredRow>>, SnapshotError> {
        self.current().get(party, level, key).await
    }
}

impl Snapshot {
    /// Opens the snapshot that is published now; `None` where there is none yet.
    pub async fn open(objects: Objects, set: Arc<FeatureSet>) -> Result<Option<Self>, SnapshotError> {
        Self::open_with(objects, set, Arc::default()).await
    }

    async fn open_with(
        objects: Objects,
        set: Arc<FeatureSet>,
        cache: Arc<SnapshotCache>,
    ) -> Result<Option<Self>, SnapshotError> {
        match objects.get_versioned(CURRENT).await {
            Ok((json, version)) => Self::parse(objects, set, cache, &json, version).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What it consists of.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// [`Manifest::day_gaps`].
    pub fn gaps(&self) -> &[DayGap] {
        &self.gaps
    }

    /// The states of an entity; `None` where it had no call in the longest window, or where no batch feature is
    /// declared for its party and level. What is not in the cache is one ranged read of 128 KB at most (more only
    /// where one row is larger), and once a file one for its footer.
    pub async fn get(&self, party: Party, level: Level, key: &str) -> Result<Option<Arc<StoredRow>>, SnapshotError> {
        let id = RowRef { snapshot: self.id, party, level, key };
        if let Some(KnownRow(row)) = self.cache.row(&id) {
            return Ok(row);
        }
        let row = self.read_row(party, level, key).await?.map(Arc::new);
        self.cache.put_row(&id, row.clone());
        Ok(row)
    }

    async fn read_row(&self, party: Party, level: Level, key: &str) -> Result<Option<StoredRow>, SnapshotError> {
        let files = self.online[party as usize][level as usize].clone();
        if files.is_empty() {
            return Ok(None);
        }
        let at = files.start + online_file_of(key, files.len());
        let file = &self.manifest.files[at];
        let outside = |bound: &Option<String>, beyond: fn(&str, &str) -> bool| {
            bound.as_deref().is_none_or(|bound| beyond(key, bound))
        };
        if outside(&file.first_key, |key, first| key < first) || outside(&file.last_key, |key, last| key > last) {
            return Ok(None);
        }
        let footer = self.footer(at).await?;
        let Some(group) = footer.group_of(key) else { return Ok(None) };
        let id = BlockId { file: self.file_id(at), group };
        let block = self.cache.block(id, self.file(file).block(&footer, group)).await?;
        let Some(states) = block.find(key) else { return Ok(None) };
        let row = StoredRow::check(&self.set, party, level, states);
        row.map(Some).map_err(|error| SnapshotError::corrupt(&file.key, error))
    }

    /// All rows of a party and level, file by file; within a file by key. One row group is in memory at a time.
    pub fn scan(
        &self,
        party: Party,
        level: Level,
    ) -> impl Stream<Item = Result<(String, OnlineRow), SnapshotError>> + '_ {
        self.groups(party, level, Face::Online)
            .and_then(move |(file, footer, group)| async move {
                let fetched = self.file(file).group(&footer, group).await?;
                let rows = read_rows(&footer, group, &fetched);
                let rows = rows.map_err(|error| SnapshotError::corrupt(&file.key, error))?;
                Ok(stream::iter(rows).map(move |row| match OnlineRow::decode(&self.set, party, level, &row.states) {
                    Ok(states) => Ok((row.key, states)),
                    Err(error) => Err(SnapshotError::corrupt(&file.key, error)),
                }))
            })
            .try_flatten()
    }

    /// The values of one feature id, such as `short_calls_7d`, of all entities of a party and level, by key, from
    /// the wide face. Only the bytes of that column and of the keys are read. Yields
    /// [`SnapshotError::NoFeature`] where the feature set has no such batch feature there.
    pub fn column<'a>(
        &'a self,
        party: Party,
        level: Level,
        feature: &'a str,
    ) -> impl Stream<Item = Result<(String, Value), SnapshotError>> + 'a {
        let mut ids = self
            .set
            .features_at(party, level)
            .flat_map(|of| of.batch.iter().map(move |window| of.id(Window::Batch(*window))));
        let known = if ids.any(|id| id == feature) {
            Ok(self.groups(party, level, Face::Features))
        } else {
            let feature = feature.to_owned();
            Err(SnapshotError::NoFeature { feature, party: party.as_str(), level: level.as_str() })
        };
        stream::iter([known])
            .try_flatten()
            .and_then(move |(file, footer, group)| async move {
                let missing = || SnapshotError::corrupt(&file.key, format!("it has no column {feature}"));
                let column = footer.column(feature).ok_or_else(missing)?;
                // Two ranges: the columns between key and feature may be many.
                let keys = self.file(file).column(&footer, group, 0).await?;
                let values = self.file(file).column(&footer, group, column).await?;
                let rows = read_column(footer.group(group), (&keys, 0), (&values, column));
                let rows = rows.map_err(|error| SnapshotError::corrupt(&file.key, error))?;
                Ok(stream::iter(rows).map(Ok))
            })
            .try_flatten()
    }

    fn parse(
        objects: Objects,
        set: Arc<FeatureSet>,
        cache: Arc<SnapshotCache>,
        json: &[u8],
        version: Version,
    ) -> Result<Self, SnapshotError> {
        let manifest = Manifest::parse(json)?;
        if manifest.feature_set_version != set.version() {
            return Err(SnapshotError::FeatureSet {
                found: manifest.feature_set_version,
                expected: set.version().to_owned(),
            });
        }
        let gaps = manifest.day_gaps();
        let places = |party, level| {
            let is_one = |file: &FaceFile| (file.party, file.level, file.face) == (party, level, Face::Online);
            let start = manifest.files.iter().position(is_one).unwrap_or_default();
            start..start + manifest.files[start..].iter().take_while(|file| is_one(file)).count()
        };
        let online = Party::ALL.map(|party| Level::ALL.map(|level| places(party, level)));
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Ok(Self { objects, set, manifest, gaps, version, id, cache, online })
    }

    /// Every row group of a face.
    fn groups(
        &self,
        party: Party,
        level: Level,
        face: Face,
    ) -> impl Stream<Item = Result<(&FaceFile, Arc<Footer>, usize), SnapshotError>> {
        let files = self.manifest.files.iter().enumerate();
        stream::iter(files.filter(move |(_, file)| (file.party, file.level, file.face) == (party, level, face)))
            .then(move |(at, file)| async move {
                let footer = self.footer(at).await?;
                let groups = (0..footer.groups()).map(move |group| Ok((file, Arc::clone(&footer), group)));
                Ok::<_, SnapshotError>(stream::iter(groups))
            })
            .try_flatten()
    }

    const fn file_id(&self, file: usize) -> FileId {
        FileId { snapshot: self.id, file }
    }

    /// The footer of the file at this place of the manifest.
    async fn footer(&self, at: usize) -> Result<Arc<Footer>, SnapshotError> {
        self.cache.footer(self.file_id(at), self.file(&self.manifest.files[at]).footer()).await
    }

    fn file<'a>(&'a self, file: &'a FaceFile) -> RemoteFile<'a> {
        RemoteFile::of_face(&self.objects, file, self.cache.shared())
    }
}
