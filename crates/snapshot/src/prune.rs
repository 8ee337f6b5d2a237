//! Deleting what no published snapshot needs any more.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use objects::{Abandoned, ObjectMeta, Objects};

use crate::layout::{DAILY, SNAPSHOTS};
use crate::{Published, SnapshotError, history, run_of};

/// Deletions in flight.
const DELETES_IN_FLIGHT: usize = 8;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Published runs, the newest; the current one is always kept.
    pub keep: usize,
    /// Seconds since 1970 UTC. Kept is what a reader or a run may still use: every snapshot that was replaced at or
    /// after this moment, and every run that wrote anything at or after it.
    pub unused_since_secs: i64,
}

/// What is to be deleted, and what stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruning {
    /// Files to be deleted, by the run that wrote them.
    pub runs: Vec<RunFiles>,
    /// Published runs that stay whole.
    pub published_kept: usize,
    /// Files that stay.
    pub files_kept: usize,
    /// What runs that were killed have left half-written; folders that are empty go with it.
    pub abandoned: Abandoned,
}

/// Files of one run that nothing needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFiles {
    /// The run.
    pub run: String,
    /// Whether it was ever published; what is not was broken off or overtaken, or its history is pruned.
    pub is_published: bool,
    /// The files: manifests first, so that no history names what is half deleted.
    pub keys: Vec<String>,
    /// Their size.
    pub bytes: u64,
}

impl Pruning {
    /// Finds what can go, among the files of runs of which `concerns` is true. Nothing goes where nothing is
    /// published, and what is not below a run's id never does. A file goes only if no snapshot that is kept needs it,
    /// whichever run wrote it: day tiles outlive the snapshot that they were made for.
    pub async fn plan(
        objects: &Objects,
        retention: Retention,
        concerns: impl Fn(&str) -> bool,
    ) -> Result<Self, SnapshotError> {
        let published = history(objects).await?;
        if published.is_empty() {
            return Ok(Self::default());
        }
        let mut files = objects.list(DAILY).await?;
        files.extend(objects.list(SNAPSHOTS).await?);
        let mut pruning = Self::of(&published, files, retention, concerns);
        for folder in [DAILY, SNAPSHOTS] {
            let found = objects.abandoned(folder, retention.unused_since_secs).await?;
            pruning.abandoned.files.extend(found.files);
            pruning.abandoned.folders.extend(found.folders);
        }
        Ok(pruning)
    }

    fn of(
        published: &[Published],
        files: Vec<ObjectMeta>,
        retention: Retention,
        concerns: impl Fn(&str) -> bool,
    ) -> Self {
        let is_recent = |secs: Option<i64>| secs.is_none_or(|secs| secs >= retention.unused_since_secs);
        // The newest has no successor; every other one was in use until its successor was written.
        let replaced = published.iter().map(|run| run.written_secs);
        let successors = std::iter::once(None).chain(replaced);
        let kept: Vec<&Published> = published
            .iter()
            .zip(successors)
            .enumerate()
            .filter(|(at, (_, replaced))| *at < retention.keep.max(1) || is_recent(*replaced))
            .map(|(_, (run, _))| run)
            .collect();
        let needed: HashSet<String> = kept.iter().flat_map(|run| run.manifest.keys()).collect();

        let mut runs: BTreeMap<String, Vec<ObjectMeta>> = BTreeMap::new();
        let mut pruning = Self { published_kept: kept.len(), ..Self::default() };
        for file in files {
            match run_of(&file.key).filter(|run| concerns(run)) {
                Some(run) => runs.entry(run.to_owned()).or_default().push(file),
                None => pruning.files_kept += 1,
            }
        }
        for (run, files) in runs {
            // A run that has just written may write more, and publish it.
            let may_go_on = files.iter().any(|file| is_recent(file.modified_secs));
            let (kept, gone): (Vec<ObjectMeta>, Vec<ObjectMeta>) =
                files.into_iter().partition(|file| may_go_on || needed.contains(&file.key));
            pruning.files_kept += kept.len();
            if gone.is_empty() {
                continue;
            }
            let bytes = gone.iter().map(|file| file.size).sum();
            let (mut keys, rest): (Vec<String>, Vec<String>) =
                gone.into_iter().map(|file| file.key).partition(|key| key.ends_with("/manifest.json"));
            keys.extend(rest);
            let is_published = published.iter().any(|published| published.manifest.run.as_str() == run);
            pruning.runs.push(RunFiles { run, is_published, keys, bytes });
        }
        pruning
    }

    /// Deletes the files. What was deleted before a failure stays deleted; the next pruning goes on.
    pub async fn carry_out(&self, objects: &Objects) -> Result<(), SnapshotError> {
        for run in &self.runs {
            let deletes = run.keys.iter().map(|key| objects.delete(key));
            stream::iter(deletes).buffered(DELETES_IN_FLIGHT).try_collect::<Vec<()>>().await?;
        }
        objects.remove_abandoned(&self.abandoned).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use objects::Version;

    use super::*;
    use crate::testing::{manifest, manifest_after};
    use crate::{CURRENT, Manifest, Publication};

    fn published(manifest: &Manifest, written_secs: i64) -> Published {
        Published { manifest: manifest.clone(), written_secs: Some(written_secs) }
    }

    fn files(manifests: &[(&Manifest, i64)], others: &[(&str, i64)]) -> Vec<ObjectMeta> {
        let meta = |key: &str, written: i64| ObjectMeta {
            key: key.to_owned(),
            size: 1,
            version: Version::new("v"),
            modified_secs: Some(written),
        };
        // What a manifest says that it needs is not to be believed here.
        let of_manifests = manifests.iter().flat_map(|(manifest, written)| {
            let tile = manifest.days[0].tiles[0].key.clone();
            let keys: BTreeSet<String> = manifest.keys().chain([tile]).collect();
            keys.into_iter().map(move |key| meta(&key, *written))
        });
        of_manifests.chain(others.iter().map(|(key, written)| meta(key, *written))).collect()
    }

    fn pruned(published: &[Published], files: Vec<ObjectMeta>, keep: usize, since: i64) -> Vec<String> {
        let retention = Retention { keep, unused_since_secs: since };
        let pruning = Pruning::of(published, files, retention, |run| run != "theirs");
        let mut keys: Vec<String> = pruning.runs.into_iter().flat_map(|run| run.keys).collect();
        keys.sort();
        keys
    }

    #[test]
    fn what_a_kept_snapshot_needs_stays_whoever_wrote_it() {
        let (a, b) = (manifest("a"), manifest("b"));
        // The current snapshot goes on with a day tile of an old run.
        let mut c = manifest_after("c", &b);
        c.days[0].tiles[0].key.clone_from(&a.days[0].tiles[0].key);
        let history = [published(&c, 300), published(&b, 200), published(&a, 100)];
        let crashed = [("daily/date=2026-11-20/run=x/caller.parquet", 50), (CURRENT, 1)];
        let all = || files(&[(&a, 100), (&b, 200), (&c, 300)], &crashed);
        let mut expected: Vec<String> = a.keys().chain(b.keys()).collect();
        assert!(!pruned(&history, all(), 1, 1_000).contains(&a.days[0].tiles[0].key));
        expected.retain(|key| *key != a.days[0].tiles[0].key);
        expected.push(crashed[0].0.to_owned());
        expected.sort();
        assert_eq!(pruned(&history, all(), 1, 1_000), expected);
        let mut expected: Vec<String> = a.keys().filter(|key| *key != a.days[0].tiles[0].key).collect();
        expected.push(crashed[0].0.to_owned());
        expected.sort();
        assert_eq!(pruned(&history, all(), 2, 1_000), expected);
        assert_eq!(pruned(&history, all(), 3, 1_000), [crashed[0].0]);
        // Nobody keeps less than the current one.
        assert_eq!(pruned(&history, all(), 0, 1_000), pruned(&history, all(), 1, 1_000));
    }

    #[test]
    fn what_may_be_in_use_stays() {
        let (a, b) = (manifest("a"), manifest_after("b", &manifest("a")));
        let history = [published(&b, 200), published(&a, 100)];
        let all = |in_flight| {
            let of_one = [
                ("snapshots/as_of=2026-11-21/run=x/ledger.jsonl", 10),
                ("snapshots/as_of=2026-11-21/run=x/caller/phone/online/part-000.parquet", in_flight),
                ("snapshots/as_of=2026-11-21/run=theirs/ledger.jsonl", 10),
            ];
            files(&[(&a, 100), (&b, 200)], &of_one)
        };
        // Replaced at 200: a reader may hold it for a while. What `x` wrote first is old, but it goes on writing.
        assert_eq!(pruned(&history, all(200), 1, 200), [""; 0]);
        let of_a = pruned(&history, all(201), 1, 201);
        assert!(!of_a.is_empty() && of_a.iter().all(|key| key.contains("=a/") || key.contains("=tiles-of-a/")));
        let of_both = pruned(&history, all(200), 1, 201);
        assert_eq!(of_both.iter().filter(|key| key.contains("run=x/")).count(), 2);
    }

    #[tokio::test]
    async fn nothing_is_pruned_where_nothing_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::in_folder(folder.path());
        let left = "daily/date=2026-11-20/run=x/caller.parquet";
        objects.put(left, "x").await.unwrap();
        let retention = Retention { keep: 1, unused_since_secs: i64::MAX };
        assert_eq!(Pruning::plan(&objects, retention, |_| true).await.unwrap(), Pruning::default());
        let publication = Publication::begin(objects.clone(), "a".parse().unwrap()).await.unwrap();
        publication.publish(&manifest("a")).await.unwrap();
        let pruning = Pruning::plan(&objects, retention, |_| true).await.unwrap();
        assert_eq!(
            pruning.runs.iter().map(|run| (run.run.as_str(), run.is_published)).collect::<Vec<_>>(),
            [("x", false)]
        );
        pruning.carry_out(&objects).await.unwrap();
        let left: Vec<String> = objects.list("").await.unwrap().into_iter().map(|meta| meta.key).collect();
        assert_eq!(
            left,
            [CURRENT, "snapshots/as_of=2026-11-20/run=a/manifest.json"]
                .map(str::to_owned)
                .into_iter()
                .rev()
                .collect::<Vec<_>>()
        );
    }
}
