//! Where calls come from: the files of a location, in a stable order.

use std::path::{Path, PathBuf};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use objects::{Location, Objects};

use crate::BatchError;

/// Files fetched at once.
const FETCHES_IN_FLIGHT: usize = 8;

/// What the names of files of calls end in, in a folder of all kinds of files. What a file then is, its content
/// says.
const ENDINGS: [&str; 9] = [
    ".jsonl",
    ".jsonl.gz",
    ".jsonl.zst",
    ".ndjson",
    ".ndjson.gz",
    ".ndjson.zst",
    ".parquet",
    "Master.csv",
    "Master.csv.gz",
];

/// The files of calls of a run.
#[derive(Clone, Debug)]
pub struct Input {
    objects: Objects,
    /// One file; `None` means all.
    only: Option<String>,
}

/// A file of calls on this machine.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// As the location has it: for errors, and what the order is by.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// What a location holds.
pub(crate) struct Listing {
    pub(crate) keys: Vec<String>,
    pub(crate) others: usize,
}

impl Input {
    /// All files of calls below a location.
    pub const fn all(objects: Objects) -> Self {
        Self { objects, only: None }
    }

    /// The input at a location: one file if it is the path of a file (of any name) or the URL of a file of calls,
    /// otherwise everything below it. `open` opens a location.
    pub fn open(
        location: &Location,
        open: impl FnOnce(&Location) -> Result<Objects, objects::Error>,
    ) -> Result<Self, objects::Error> {
        let whole = location.to_string();
        let (parent, name) = match location {
            Location::Path(path) if path.is_file() => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                (Location::Path(folder.to_owned()), path.file_name().map(|name| name.to_string_lossy().into_owned()))
            }
            Location::S3 { bucket, prefix } if is_call_file(&whole) => {
                let (folder, name) = prefix.rsplit_once('/').unwrap_or(("", prefix));
                (Location::S3 { bucket: bucket.clone(), prefix: folder.to_owned() }, Some(name.to_owned()))
            }
            _ => (location.clone(), None),
        };
        Ok(Self { objects: open(&parent)?, only: name })
    }

    /// Every file of the input on this machine, in the order that decides between copies of a call: where it is
    /// already, or copied into `folder`.
    pub async fn fetch(&self, folder: &Path) -> Result<Vec<InputFile>, BatchError> {
        let listing = self.list().await?;
        self.stage(&listing.keys, folder, |_| ()).await
    }

    /// For errors.
    pub(crate) fn location(&self) -> String {
        match &self.only {
            Some(name) => self.objects.location().join(name).to_string(),
            None => self.objects.location().to_string(),
        }
    }

    pub(crate) async fn list(&self) -> Result<Listing, BatchError> {
        self.objects.check_exists().await?;
        if let Some(name) = &self.only {
            return Ok(Listing { keys: vec![name.clone()], others: 0 });
        }
        let mut keys: Vec<String> = self.objects.list("").await?.into_iter().map(|meta| meta.key).collect();
        let all = keys.len();
        keys.retain(|key| is_call_file(key));
        if keys.is_empty() {
            let endings = ENDINGS.join(", ");
            return Err(BatchError::NoFiles { location: self.location(), others: all, endings });
        }
        // The number of a file in this order decides between copies of a call.
        keys.sort_unstable();
        Ok(Listing { others: all - keys.len(), keys })
    }

    /// Files on this machine: those that are there already, and the others copied into `folder`.
    pub(crate) async fn stage(
        &self,
        keys: &[String],
        folder: &Path,
        done: impl Fn(u64),
    ) -> Result<Vec<InputFile>, BatchError> {
        let stage = |(number, key): (usize, &String)| {
            let key = key.clone();
            async move {
                if let Some(path) = self.objects.local_path(&key) {
                    return Ok(InputFile { name: key, path });
                }
                // The ending tells the format.
                let name = key.rsplit('/').next().unwrap_or(&key);
                let path = folder.join(format!("{number}-{name}"));
                self.objects.download_to(&key, &path).await?;
                Ok::<_, BatchError>(InputFile { name: key, path })
            }
        };
        let mut staged = 0;
        stream::iter(keys.iter().enumerate().map(stage))
            .buffered(FETCHES_IN_FLIGHT)
            .inspect_ok(|_| {
                staged += 1;
                done(staged);
            })
            .try_collect()
            .await
    }
}

/// Whether an object is a file of calls, by its name; names that begin with `_` or `.` are what engines and systems
/// leave beside their files.
pub fn is_call_file(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    !name.starts_with(['_', '.']) && ENDINGS.iter().any(|ending| name.ends_with(ending))
}
