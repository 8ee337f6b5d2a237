//! A file that is being written and does not have its name yet.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::key::OWN_FILES;

/// Numbers the temporary files of this process; those of others have another process id in their name.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A new file beside the one it is to become. Deleted when dropped before [`Temporary::rename_to`].
pub(crate) struct Temporary {
    pub(crate) file: File,
    path: Option<PathBuf>,
}

impl Temporary {
    /// Creates it in the folder of `path`, so that the rename stays within one file system.
    pub(crate) fn beside(path: &Path) -> io::Result<Self> {
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{OWN_FILES}{}-{number}", std::process::id());
            let temporary = path.with_file_name(name);
            match File::create_new(&temporary) {
                Ok(file) => return Ok(Self { file, path: Some(temporary) }),
                // Left by a process that died and had the same id, or by one in another container.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives it its name, replacing what has it.
    pub(crate) fn rename_to(mut self, path: &Path) -> io::Result<()> {
        if let Some(temporary) = &self.path {
            fs::rename(temporary, path)?;
            self.path = None;
        }
        Ok(())
    }
}

/// Whether a file of this name is one that was being written.
pub(crate) fn is_temporary(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = name.strip_prefix(OWN_FILES).and_then(|numbers| numbers.split_once('-'));
    numbers.is_some_and(|(process, number)| is_number(process) && is_number(number))
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Nothing more can be done about one that stays.
            let _ = fs::remove_file(path);
        }
    }
}
