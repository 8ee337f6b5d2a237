//! One process at a time for a piece of state on disk.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::{Error, Service};

/// An exclusive lock on a file, held until dropped or until the process dies.
///
/// Two engines over the same state would not see each other's locks and caches, and `s3s-fs` deletes the temporary
/// files it finds when it starts, so the second one is refused.
#[derive(Debug)]
pub(crate) struct OnlyUser {
    _held: File,
}

impl OnlyUser {
    /// Locks `lock_file`, making it when needed, on behalf of the state at `state`.
    pub(crate) fn of(service: Service, state: &Path, lock_file: &Path) -> Result<Self, Error> {
        let folder_error =
            |source| Error::Folder { service, folder: lock_file.parent().unwrap_or(lock_file).to_owned(), source };
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(lock_file).map_err(folder_error)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _held: file }),
            Err(TryLockError::WouldBlock) => Err(Error::StateInUse { service, path: state.to_owned() }),
            Err(TryLockError::Error(source)) => Err(folder_error(source)),
        }
    }
}
