//! The runs that were published, from the newest to the oldest.

use std::collections::HashSet;

use objects::Objects;

use crate::{CURRENT, Manifest, SnapshotError, manifest_key};

/// A run that was published.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// What it published.
    pub manifest: Manifest,
    /// When its manifest was written, in seconds since 1970 UTC by the clock of the store.
    pub written_secs: Option<i64>,
}

/// Follows the chain of manifests from the current one; empty where nothing is published. It ends where a manifest
/// was pruned. What a run left that was never published is not in it. Fails where a manifest cannot be read.
pub async fn history(objects: &Objects) -> Result<Vec<Published>, SnapshotError> {
    let mut found: Vec<Published> = Vec::new();
    let mut seen = HashSet::new();
    let mut next = match objects.get(CURRENT).await {
        Ok(json) => Some(Manifest::parse(&json)?),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error.into()),
    };
    while let Some(manifest) = next.take() {
        let key = manifest_key(manifest.as_of, &manifest.run);
        // A damaged chain could be a circle.
        if !seen.insert(key.clone()) {
            break;
        }
        let written_secs = match objects.head(&key).await {
            Ok(meta) => meta.modified_secs,
            // One of before there were histories.
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(previous) = &manifest.previous {
            let key = manifest_key(previous.as_of, &previous.run);
            next = match objects.get(&key).await {
                Ok(json) => Some(Manifest::parse_at(&key, &json)?),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error.into()),
            };
        }
        found.push(Published { manifest, written_secs });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Publication;
    use crate::testing::{manifest, manifest_after};

    #[tokio::test]
    async fn published_runs_are_found_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::in_folder(folder.path());
        assert!(history(&objects).await.unwrap().is_empty());
        let begin = |run: &str| Publication::begin(objects.clone(), run.parse().unwrap());
        let (a, b) = (manifest("a"), manifest_after("b", &manifest("a")));
        begin("a").await.unwrap().publish(&a).await.unwrap();
        let overtaken = begin("x").await.unwrap();
        begin("b").await.unwrap().publish(&b).await.unwrap();
        overtaken.publish(&manifest_after("x", &a)).await.unwrap_err();
        let runs = async || -> Vec<String> {
            let found = history(&objects).await.unwrap();
            assert!(found.iter().all(|published| published.written_secs.is_some()));
            found.into_iter().map(|published| published.manifest.run.to_string()).collect()
        };
        assert_eq!(runs().await, ["b", "a"]);
        objects.delete(&manifest_key(a.as_of, &a.run)).await.unwrap();
        assert_eq!(runs().await, ["b"]);
    }
}
