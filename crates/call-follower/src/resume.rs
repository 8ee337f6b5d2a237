//! The resume point: what was read and what of it is safe, on the disk.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::FollowError;
use crate::glance::{Beginning, Place};
use crate::limits::RESUME_BYTES_MAX;

/// A row, by the file it is in and the byte behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct RowId {
    /// The serial of the file.
    pub file: u64,
    pub end: u64,
    /// A byte that it can be read from. Blank lines before it may make it an earlier one.
    pub start: u64,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileState {
    /// Counts the files of a path.
    pub serial: u64,
    pub place: Place,
    pub beginning: Beginning,
    /// When it was written last, as far as is known, in milliseconds since 1970 UTC.
    pub modified_ms: i64,
    /// The byte behind the last row that was read.
    pub read_to: u64,
    /// Lines up to there.
    pub lines: u64,
    /// Whether it was read to its end, and has a successor.
    pub is_over: bool,
}

/// What is known of a path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PathState {
    pub path: PathBuf,
    /// The oldest first. The last one has the name, or had it.
    pub files: Vec<FileState>,
    /// Rows that were read and whose calls are open.
    pub open: Vec<RowId>,
    /// The rows of each call that is being put: it may be on the stream, or not.
    pub putting: Vec<Vec<RowId>>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resume {
    version: u32,
    /// What calls are made with, and where they go: with other settings the same rows would be other calls.
    pub settings: String,
    pub paths: Vec<PathState>,
}

/// The form of what is written. Another one is refused.
const VERSION: u32 = 1;

impl Resume {
    pub fn new(settings: String, paths: Vec<PathState>) -> Self {
        Self { version: VERSION, settings, paths }
    }
}

/// The file of a resume point, which nobody else has while this lives.
pub(crate) struct ResumeFile {
    path: PathBuf,
    /// Locked; the lock goes with the process, however that ends.
    _lock: File,
}

impl ResumeFile {
    /// Makes the folder and locks what is or will be there.
    pub fn lock(path: &Path) -> Result<Self, FollowError> {
        let unusable = |source| FollowError::Resume { path: path.to_owned(), source };
        let lock = lock_path(path).ok_or_else(|| unusable(io::Error::from(io::ErrorKind::InvalidFilename)))?;
        fs::create_dir_all(folder_of(path)).map_err(unusable)?;
        let lock = File::create(lock).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(FollowError::InUse { path: path.to_owned() }),
            Err(fs::TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Reads it, if it is there.
    pub fn read(&self) -> Result<Option<Resume>, FollowError> {
        let unusable = |source| FollowError::Resume { path: self.path.clone(), source };
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(unusable)?,
        };
        let mut bytes = Vec::new();
        file.take(RESUME_BYTES_MAX).read_to_end(&mut bytes).map_err(unusable)?;
        let resume: Resume = serde_json::from_slice(&bytes)
            .map_err(|error| FollowError::NoResume { path: self.path.clone(), problem: error.to_string() })?;
        if resume.version != VERSION {
            let problem = format!("it has version {}, and this is version {VERSION}", resume.version);
            return Err(FollowError::NoResume { path: self.path.clone(), problem });
        }
        Ok(Some(resume))
    }

    /// Replaces it. When this returns, neither a crash nor a loss of power brings back what was there.
    pub fn write(&self, resume: &Resume) -> Result<(), FollowError> {
        self.replace(resume).map_err(|source| FollowError::Resume { path: self.path.clone(), source })
    }

    fn replace(&self, resume: &Resume) -> io::Result<()> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = self.path.with_file_name(name);
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(resume)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(folder_of(&self.path))?.sync_all()
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn lock_path(path: &Path) -> Option<PathBuf> {
    let mut name = path.file_name()?.to_owned();
    name.push(".lock");
    Some(path.with_file_name(name))
}
