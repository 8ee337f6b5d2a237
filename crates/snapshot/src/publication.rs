//! Publishing: one conditional put makes a run visible.

use objects::{Expected, Objects};

use crate::{CURRENT, Manifest, RunId, SnapshotError, manifest_key, run_of};

/// The right to replace the manifest that was current when a run began.
#[derive(Debug)]
pub struct Publication {
    objects: Objects,
    run: RunId,
    replaces: Expected,
    current: Option<Manifest>,
}

impl Publication {
    /// Notes which manifest the run starts from. Refuses a run id that any file of the published snapshot has, since
    /// its files would be written anew under the eyes of readers. Fails where the manifest cannot be read.
    pub async fn begin(objects: Objects, run: RunId) -> Result<Self, SnapshotError> {
        Self::begin_with(objects, run, Err).await
    }

    /// The same, to make everything anew: a manifest that cannot be read is replaced.
    pub async fn begin_anew(objects: Objects, run: RunId) -> Result<Self, SnapshotError> {
        Self::begin_with(objects, run, |_| Ok(None)).await
    }

    async fn begin_with(
        objects: Objects,
        run: RunId,
        unreadable: impl FnOnce(SnapshotError) -> Result<Option<Manifest>, SnapshotError>,
    ) -> Result<Self, SnapshotError> {
        let (replaces, current) = match objects.get_versioned(CURRENT).await {
            Ok((json, version)) => {
                (Expected::Version(version), Manifest::parse(&json).map(Some).or_else(unreadable)?)
            }
            Err(error) if error.is_not_found() => (Expected::Absent, None),
            Err(error) => return Err(error.into()),
        };
        if current.iter().flat_map(Manifest::keys).any(|key| run_of(&key) == Some(run.as_str())) {
            return Err(SnapshotError::RunInUse { run: run.to_string() });
        }
        Ok(Self { objects, run, replaces, current })
    }

    /// What was published when the run began.
    pub const fn current(&self) -> Option<&Manifest> {
        self.current.as_ref()
    }

    /// Makes the run visible: leaves its manifest below its own files, for [`crate::history()`], and puts it in the
    /// place of the current one. Fails with [`SnapshotError::Overtaken`], changing nothing that is visible, if another
    /// run was published since [`Self::begin`].
    pub async fn publish(self, manifest: &Manifest) -> Result<(), SnapshotError> {
        let json = manifest.to_json()?;
        self.objects.put(&manifest_key(manifest.as_of, &manifest.run), json.clone()).await?;
        match self.objects.put_if(CURRENT, json.clone(), self.replaces).await {
            Ok(_) => Ok(()),
            // A put whose first attempt was done but whose answer was lost conflicts with itself.
            Err(error) if error.is_conflict() => match self.objects.get(CURRENT).await {
                Ok(current) if current[..] == json[..] => Ok(()),
                _ => Err(SnapshotError::Overtaken { run: self.run.to_string() }),
            },
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::manifest;

    #[tokio::test]
    async fn the_run_that_comes_second_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::in_folder(folder.path());
        let begin = |run: &str| Publication::begin(objects.clone(), run.parse().unwrap());
        let (first, second) = (begin("a").await.unwrap(), begin("b").await.unwrap());
        first.publish(&manifest("a")).await.unwrap();
        let error = second.publish(&manifest("b")).await.unwrap_err();
        assert!(matches!(&error, SnapshotError::Overtaken { run } if run == "b"), "{error}");
        let current = Manifest::parse(&objects.get(CURRENT).await.unwrap()).unwrap();
        assert_eq!(current.run.as_str(), "a");
        for in_use in ["a", "tiles-of-a"] {
            assert!(matches!(begin(in_use).await, Err(SnapshotError::RunInUse { .. })), "{in_use}");
        }
        begin("b").await.unwrap().publish(&manifest("b")).await.unwrap();
        let current = Manifest::parse(&objects.get(CURRENT).await.unwrap()).unwrap();
        assert_eq!(current.run.as_str(), "b");
    }

    #[tokio::test]
    async fn a_manifest_that_cannot_be_read_is_replaced_on_demand_only() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::in_folder(folder.path());
        objects.put(CURRENT, "{").await.unwrap();
        let run: RunId = "a".parse().unwrap();
        let error = Publication::begin(objects.clone(), run.clone()).await.unwrap_err();
        assert!(error.to_string().contains("--rebuild"), "{error}");
        let anew = Publication::begin_anew(objects.clone(), run).await.unwrap();
        assert!(anew.current().is_none());
        anew.publish(&manifest("a")).await.unwrap();
    }
}
