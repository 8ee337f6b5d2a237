//! Whether what a run copies fits on this machine.

use std::path::Path;

use crate::BatchError;

/// Fails where files of so many bytes do not fit into the folder's file system. It is a bound from below: calls that do
/// not fit in memory, day tiles and faces come on top, and where these do not fit the system says so.
pub(crate) fn check(folder: &Path, needed_bytes: u64) -> Result<(), BatchError> {
    if needed_bytes == 0 {
        return Ok(());
    }
    let path = || folder.display().to_string();
    let status =
        rustix::fs::statvfs(folder).map_err(|error| BatchError::Temporary { path: path(), source: error.into() })?;
    let free_bytes = status.f_bavail.saturating_mul(status.f_frsize);
    if needed_bytes > free_bytes {
        return Err(BatchError::NoRoom { folder: path(), needed_bytes, free_bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_no_disk_holds_is_refused_with_both_sizes() {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path(), 1).unwrap();
        let error = check(folder.path(), u64::MAX).unwrap_err();
        let BatchError::NoRoom { needed_bytes: u64::MAX, free_bytes, .. } = error else { panic!("{error}") };
        assert!(free_bytes > 1);
        assert!(check(&folder.path().join("gone"), 1).is_err());
        check(&folder.path().join("gone"), 0).unwrap();
    }
}
