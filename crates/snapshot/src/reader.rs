//! Reads a published snapshot: one row at a time, or all of them.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use features::{FeatureSet, Level, Party, Value, Window};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use lru::LruCache;
use objects::{Objects, Version};

use crate::feature_column::read_column;
use crate::packed_reader::read_rows;
use crate::row_group::{Fetched, Footer, TAIL_BYTES, Tail, open_bytes_column, text};
use crate::{CURRENT, DayGap, Face, FaceFile, Manifest, OnlineRow, SnapshotError, online_file_of};

/// Memory for footers of one snapshot: those of some 5 million rows.
const FOOTER_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Footers that are cached at most; there are fewer files in any snapshot of a billion rows.
const FOOTER_CACHE_FILES: NonZeroUsize = NonZeroUsize::new(8_192).expect("it is not 0");
/// Keys decoded at a time while one is looked for.
const KEYS_A_STEP: usize = 256;

/// Follows the published snapshot of one location.
#[derive(Debug)]
pub struct SnapshotReader {
    objects: Objects,
    set: Arc<FeatureSet>,
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
    footers: Mutex<Footers>,
}

impl SnapshotReader {
    /// Opens the published snapshot; `None` where there is none yet. Fails with [`SnapshotError::FeatureSet`]
    /// where it was made with another version of the definitions than `set`.
    pub async fn open(objects: Objects, set: Arc<FeatureSet>) -> Result<Option<Self>, SnapshotError> {
        let Some(snapshot) = Snapshot::open(objects.clone(), Arc::clone(&set)).await? else { return Ok(None) };
        Ok(Some(Self { objects, set, current: RwLock::new(Arc::new(snapshot)) }))
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
        let snapshot = Snapshot::parse(self.objects.clone(), Arc::clone(&self.set), &json, version)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        Ok(true)
    }

    /// [`Snapshot::get`] of the current snapshot.
    pub async fn get(&self, party: Party, level: Level, key: &str) -> Result<Option<OnlineRow>, SnapshotError> {
        self.current().get(party, level, key).await
    }
}

impl Snapshot {
    /// Opens the snapshot that is published now; `None` where there is none yet.
    pub async fn open(objects: Objects, set: Arc<FeatureSet>) -> Result<Option<Self>, SnapshotError> {
        match objects.get_versioned(CURRENT).await {
            Ok((json, version)) => Self::parse(objects, set, &json, version).map(Some),
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
    /// declared for its party and level. Besides the footer, which is cached, this is one ranged read of 128 KB
    /// at most (more only where one row is larger).
    pub async fn get(&self, party: Party, level: Level, key: &str) -> Result<Option<OnlineRow>, SnapshotError> {
        let files: Vec<_> = self.manifest.files_of(party, level, Face::Online).collect();
        if files.is_empty() {
            return Ok(None);
        }
        let file = files[online_file_of(key, files.len())];
        let outside = |bound: &Option<String>, beyond: fn(&str, &str) -> bool| {
            bound.as_deref().is_none_or(|bound| beyond(key, bound))
        };
        if outside(&file.first_key, |key, first| key < first) || outside(&file.last_key, |key, last| key > last) {
            return Ok(None);
        }
        let footer = self.footer(file).await?;
        let Some(group) = footer.group_of(key) else { return Ok(None) };
        let fetched = self.fetch(file, footer.group_range(group)).await?;
        let corrupt = |error: parquet::errors::ParquetError| SnapshotError::corrupt(&file.key, error);
        let Some(states) = find_states(&footer, group, &fetched, key).map_err(corrupt)? else { return Ok(None) };
        let row = OnlineRow::decode(&self.set, party, level, &states);
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
                let fetched = self.fetch(file, footer.group_range(group)).await?;
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
                let keys = self.fetch(file, footer.columns_range(group, [0])).await?;
                let values = self.fetch(file, footer.columns_range(group, [column])).await?;
                let rows = read_column(footer.group(group), (&keys, 0), (&values, column));
                let rows = rows.map_err(|error| SnapshotError::corrupt(&file.key, error))?;
                Ok(stream::iter(rows).map(Ok))
            })
            .try_flatten()
    }

    fn parse(objects: Objects, set: Arc<FeatureSet>, json: &[u8], version: Version) -> Result<Self, SnapshotError> {
        let manifest = Manifest::parse(json)?;
        if manifest.feature_set_version != set.version() {
            return Err(SnapshotError::FeatureSet {
                found: manifest.feature_set_version,
                expected: set.version().to_owned(),
            });
        }
        let gaps = manifest.day_gaps();
        Ok(Self { objects, set, manifest, gaps, version, footers: Mutex::new(Footers::new()) })
    }

    /// Every row group of a face.
    fn groups(
        &self,
        party: Party,
        level: Level,
        face: Face,
    ) -> impl Stream<Item = Result<(&FaceFile, Arc<Footer>, usize), SnapshotError>> {
        stream::iter(self.manifest.files_of(party, level, face))
            .then(move |file| async move {
                let footer = self.footer(file).await?;
                let groups = (0..footer.groups()).map(move |group| Ok((file, Arc::clone(&footer), group)));
                Ok::<_, SnapshotError>(stream::iter(groups))
            })
            .try_flatten()
    }

    async fn footer(&self, file: &FaceFile) -> Result<Arc<Footer>, SnapshotError> {
        let lock = || self.footers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(footer) = lock().get(&file.key) {
            return Ok(footer);
        }
        let mut wanted = TAIL_BYTES.min(file.bytes);
        loop {
            let tail = self.bytes(file, file.bytes - wanted..file.bytes).await?;
            match Footer::in_tail(&tail, file.bytes).map_err(|detail| SnapshotError::corrupt(&file.key, detail))? {
                Tail::Whole(footer) => {
                    let footer = Arc::new(footer);
                    lock().put(&file.key, Arc::clone(&footer));
                    return Ok(footer);
                }
                Tail::Wants(more) => wanted = more.min(file.bytes),
            }
        }
    }

    async fn fetch(&self, file: &FaceFile, range: Range<u64>) -> Result<Arc<Fetched>, SnapshotError> {
        let start = range.start;
        Ok(Arc::new(Fetched { start, bytes: self.bytes(file, range).await? }))
    }

    async fn bytes(&self, file: &FaceFile, range: Range<u64>) -> Result<Bytes, SnapshotError> {
        let short = || SnapshotError::corrupt(&file.key, format!("it is shorter than its {} bytes", file.bytes));
        match self.objects.get_range(&file.key, range.clone()).await {
            Ok(bytes) if bytes.len() as u64 == range.end - range.start => Ok(bytes),
            Ok(_) | Err(objects::Error::OutOfRange { .. }) => Err(short()),
            Err(error) if error.is_not_found() => Err(SnapshotError::gone(&file.key, &self.objects)),
            Err(error) => Err(error.into()),
        }
    }
}

/// The states beside `key`, if it is in the group.
fn find_states(
    footer: &Footer,
    group: usize,
    fetched: &Arc<Fetched>,
    key: &str,
) -> Result<Option<Vec<u8>>, parquet::errors::ParquetError> {
    let group = footer.group(group);
    let mut keys = open_bytes_column(fetched, group, 0)?;
    let (mut before, mut step) = (0, Vec::new());
    let at = loop {
        step.clear();
        let (read, _, _) = keys.read_records(KEYS_A_STEP, None, None, &mut step)?;
        if read == 0 {
            return Ok(None);
        }
        match step.iter().position(|found| found.data() >= key.as_bytes()) {
            Some(at) if text(&step[at])? == key => break before + at,
            Some(_) => return Ok(None),
            None => before += read,
        }
    };
    let mut states = open_bytes_column(fetched, group, 1)?;
    // Skipping would trust the lengths in damaged bytes; reading checks them, and copies nothing.
    let mut found = Vec::new();
    while found.len() <= at {
        let (read, _, _) = states.read_records(at + 1 - found.len(), None, None, &mut found)?;
        if read == 0 {
            return Err(crate::row_group::absent());
        }
    }
    Ok(Some(found[at].data().to_vec()))
}

/// Footers of this snapshot, the least recently used falling out.
#[derive(Debug)]
struct Footers {
    cache: LruCache<String, Arc<Footer>>,
    bytes: usize,
}

impl Footers {
    fn new() -> Self {
        Self { cache: LruCache::new(FOOTER_CACHE_FILES), bytes: 0 }
    }

    fn get(&mut self, key: &str) -> Option<Arc<Footer>> {
        self.cache.get(key).cloned()
    }

    fn put(&mut self, key: &str, footer: Arc<Footer>) {
        self.bytes += footer.weight_bytes();
        if let Some((_, replaced)) = self.cache.push(key.to_owned(), footer) {
            self.bytes -= replaced.weight_bytes();
        }
        while self.bytes > FOOTER_CACHE_BYTES && self.cache.len() > 1 {
            if let Some((_, oldest)) = self.cache.pop_lru() {
                self.bytes -= oldest.weight_bytes();
            }
        }
    }
}
