//! Small files that say who is who: certificates, keys, tokens.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The largest such file, in bytes: some 1,000 tokens or 500 certificates.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// What a secret's mode must not have: anything for others, writing for the group. The group may read, since that is
/// how a container is given a secret that it does not own.
const FORBIDDEN_MODE: u32 = 0o027;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{file} cannot be read: {source}; check the path and who may read it", file = file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It holds a secret that others can read, or that others can change.
    #[error(
        "{file} holds a secret, and its mode {mode:o} lets others read it or its group write it: chmod 600 it",
        file = file.display()
    )]
    Shared {
        /// The file.
        file: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is larger than such files are.
    #[error("{file} has more than {FILE_BYTES_MAX} bytes: name the right file", file = file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
}

/// What a file that anybody may read holds.
pub(crate) fn read_public(file: &Path) -> Result<Vec<u8>, FileError> {
    read(file, false)
}

/// What a file holds that must be kept from others.
pub(crate) fn read_secret(file: &Path) -> Result<Vec<u8>, FileError> {
    read(file, true)
}

fn read(file: &Path, is_secret: bool) -> Result<Vec<u8>, FileError> {
    let unreadable = |source| FileError::Unreadable { file: file.to_owned(), source };
    let opened = File::open(file).map_err(unreadable)?;
    // Of the open file, so that it cannot be exchanged in between.
    let mode = opened.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if is_secret && mode & FORBIDDEN_MODE != 0 {
        return Err(FileError::Shared { file: file.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLarge { file: file.to_owned() });
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    #[test]
    fn a_secret_that_others_can_read_or_its_group_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        write(&file, "a secret").unwrap();
        for (mode, is_taken) in [
            (0o600, true),
            (0o400, true),
            (0o440, true),
            (0o640, true),
            (0o644, false),
            (0o604, false),
            (0o660, false),
        ] {
            set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_secret(&file).is_ok(), is_taken, "{mode:o}");
            assert_eq!(read_public(&file).unwrap(), b"a secret");
        }
        assert!(read_secret(&file).unwrap_err().to_string().contains("mode 660"));
    }

    #[test]
    fn what_is_too_large_or_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let error = read_public(&file).unwrap_err();
        assert!(error.to_string().contains("tokens cannot be read"), "{error}");
        write(&file, vec![b'a'; FILE_BYTES_MAX as usize + 1]).unwrap();
        assert!(matches!(read_public(&file), Err(FileError::TooLarge { .. })));
    }
}
