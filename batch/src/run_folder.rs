//! The temporary folder of a run, of a command or of a function. It holds calls, so that nobody else may read it, and it
//! is to go with the run: what one that was killed has left is removed by the next one.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use tempfile::TempDir;

/// Begins the names of these folders.
const PREFIX: &str = "tollwatch-run-";
/// A file in each, which its process holds locked. The system lets go of the lock when the process dies, however.
const LOCK: &str = "lock";
/// Attempts at removing a folder that threads still write to.
const ATTEMPTS_MAX: u32 = 100;

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub struct RunFolder {
    folder: TempDir,
    // Given back after the folder is gone: fields are dropped in their order.
    _lock: File,
}

impl RunFolder {
    /// Makes one in `root`, where the system has its temporary files, and removes those of runs that died.
    pub fn make(root: &Path) -> Result<Self, RunFolderError> {
        Self::make_in(root).map_err(|source| RunFolderError { root: root.display().to_string(), source })
    }

    fn make_in(root: &Path) -> io::Result<Self> {
        loop {
            let folder = tempfile::Builder::new()
                .prefix(PREFIX)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(root)?;
            let path = folder.path().join(LOCK);
            let lock = File::create_new(&path)?;
            // Another run may have taken the folder for a dead one, in between: then it is being removed.
            if lock.try_lock().is_ok() && path.exists() {
                let owner = folder.path().metadata()?.uid();
                remove_dead(root, owner);
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// No temporary folder can be made.
#[derive(Debug, thiserror::Error)]
#[error("no temporary folder can be made in {root}: set TMPDIR to another one: {source}")]
pub struct RunFolderError {
    root: String,
    source: io::Error,
}

/// Removes a folder whose files may still be written, before the process ends.
pub fn remove_now(folder: &Path) {
    for _ in 0..ATTEMPTS_MAX {
        match fs::remove_dir_all(folder) {
            // A file was made behind the removal.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {}
            _ => return,
        }
    }
}

/// Removes the folders of runs of this user that died. What cannot be removed is left to others.
fn remove_dead(root: &Path, owner: u32) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == owner);
        if is_ours {
            // The next run tries again.
            let _ = remove_if_dead(&entry.path());
        }
    }
}

fn remove_if_dead(folder: &Path) -> io::Result<()> {
    let lock = OpenOptions::new().write(true).open(folder.join(LOCK))?;
    if lock.try_lock().is_err() {
        return Ok(());
    }
    // The lock goes last: a removal that is broken off leaves a folder that is still known to be dead.
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false if entry.file_name() == OsStr::new(LOCK) => {}
            false => fs::remove_file(entry.path())?,
        }
    }
    fs::remove_file(folder.join(LOCK))?;
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn folders_of_dead_runs_are_removed_and_those_of_others_stay() {
        let root = tempfile::tempdir().unwrap();
        let alive = RunFolder::make_in(root.path()).unwrap();
        assert_eq!(alive.path().metadata().unwrap().mode() & 0o777, 0o700);
        fs::write(alive.path().join("calls"), "x").unwrap();
        let (dead, foreign) = (root.path().join("tollwatch-run-dead"), root.path().join("others-run"));
        let unlocked = root.path().join("tollwatch-run-without-lock");
        for folder in [&dead, &foreign, &unlocked] {
            fs::create_dir_all(folder.join("deep")).unwrap();
            fs::write(folder.join("deep/calls"), "x").unwrap();
        }
        for folder in [&dead, &foreign] {
            fs::write(folder.join(LOCK), "").unwrap();
        }
        let next = RunFolder::make_in(root.path()).unwrap();
        assert!(!dead.exists());
        assert!(foreign.join("deep/calls").exists() && alive.path().join("calls").exists());
        assert!(unlocked.exists(), "it may be in the making");
        let gone = next.path().to_owned();
        drop(next);
        assert!(!gone.exists());
    }
}
