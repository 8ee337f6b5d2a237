//! Where the delivery of each shard stands, kept between runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// Where the delivery of a shard stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checkpoint {
    /// Everything up to and with this sequence number is settled.
    After(String),
    /// Everything is settled and nothing more will come.
    Ended,
}

/// A checkpoint could not be loaded or saved.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoints in {place} cannot be used: {detail}")]
pub struct CheckpointError {
    /// Where they are.
    pub place: String,
    /// What is wrong.
    pub detail: String,
}

/// Keeps checkpoints. One mapping uses it at a time.
pub trait Checkpoints: Send + Sync + 'static {
    /// The checkpoint of a shard, if it has one.
    fn load<'a>(&'a self, shard_id: &'a str) -> BoxFuture<'a, Result<Option<Checkpoint>, CheckpointError>>;

    /// Replaces the checkpoint of a shard.
    fn save<'a>(&'a self, shard_id: &'a str, checkpoint: Checkpoint) -> BoxFuture<'a, Result<(), CheckpointError>>;
}

/// Checkpoints in memory, gone with the process.
#[derive(Debug, Default)]
pub struct MemoryCheckpoints {
    shards: Mutex<BTreeMap<String, Checkpoint>>,
}

impl Checkpoints for MemoryCheckpoints {
    fn load<'a>(&'a self, shard_id: &'a str) -> BoxFuture<'a, Result<Option<Checkpoint>, CheckpointError>> {
        let found = held(&self.shards).get(shard_id).cloned();
        Box::pin(async { Ok(found) })
    }

    fn save<'a>(&'a self, shard_id: &'a str, checkpoint: Checkpoint) -> BoxFuture<'a, Result<(), CheckpointError>> {
        held(&self.shards).insert(shard_id.to_owned(), checkpoint);
        Box::pin(async { Ok(()) })
    }
}

/// Checkpoints of all shards in one JSON file, replaced as a whole at each save. It is not flushed to the disk: it
/// survives the process, and after a power cut records may be delivered again.
#[derive(Debug)]
pub struct FileCheckpoints {
    path: PathBuf,
    shards: Mutex<BTreeMap<String, Checkpoint>>,
}

impl FileCheckpoints {
    /// Opens a file, or begins without checkpoints when it does not exist. Its folder must exist.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CheckpointError> {
        let path = path.into();
        let shards = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| failed(&path, format!("it is not a checkpoint file: {error}")))?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(failed(&path, error.to_string())),
        };
        Ok(Self { path, shards: Mutex::new(shards) })
    }

    /// The file is small (a line a shard), so it is written where it is called. The lock is held over the write, so
    /// that an older state never replaces a newer one.
    fn write(&self, shard_id: &str, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        let mut shards = held(&self.shards);
        shards.insert(shard_id.to_owned(), checkpoint);
        let write = || {
            let mut name = self.path.file_name().unwrap_or_default().to_owned();
            name.push(".new");
            let new = self.path.with_file_name(name);
            let mut file = fs::File::create(&new)?;
            file.write_all(&serde_json::to_vec_pretty(&*shards)?)?;
            fs::rename(&new, &self.path)
        };
        write().map_err(|error: std::io::Error| failed(&self.path, error.to_string()))
    }
}

impl Checkpoints for FileCheckpoints {
    fn load<'a>(&'a self, shard_id: &'a str) -> BoxFuture<'a, Result<Option<Checkpoint>, CheckpointError>> {
        let found = held(&self.shards).get(shard_id).cloned();
        Box::pin(async { Ok(found) })
    }

    fn save<'a>(&'a self, shard_id: &'a str, checkpoint: Checkpoint) -> BoxFuture<'a, Result<(), CheckpointError>> {
        let saved = self.write(shard_id, checkpoint);
        Box::pin(async { saved })
    }
}

fn failed(path: &Path, detail: String) -> CheckpointError {
    CheckpointError { place: path.display().to_string(), detail }
}

/// A panic between lock and unlock leaves the map whole, since it is changed by one insert.
fn held(shards: &Mutex<BTreeMap<String, Checkpoint>>) -> std::sync::MutexGuard<'_, BTreeMap<String, Checkpoint>> {
    shards.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_keeps_the_newest_checkpoint_of_each_shard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints.json");
        let checkpoints = FileCheckpoints::open(&path).unwrap();
        assert_eq!(checkpoints.load("0").await.unwrap(), None);
        checkpoints.save("0", Checkpoint::After("7".to_owned())).await.unwrap();
        checkpoints.save("1", Checkpoint::After("8".to_owned())).await.unwrap();
        checkpoints.save("0", Checkpoint::Ended).await.unwrap();

        let again = FileCheckpoints::open(&path).unwrap();
        assert_eq!(again.load("0").await.unwrap(), Some(Checkpoint::Ended));
        assert_eq!(again.load("1").await.unwrap(), Some(Checkpoint::After("8".to_owned())));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints.json");
        fs::write(&path, "call_id,caller\n").unwrap();
        let error = FileCheckpoints::open(&path).unwrap_err();
        assert!(error.to_string().contains("checkpoints.json"), "{error}");
    }
}
