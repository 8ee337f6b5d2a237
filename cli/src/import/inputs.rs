//! The files of an import, and the folders that those of an archive keep.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use snapshot::UtcDay;

use crate::failure::{Blame as _, Failure};

/// A file that is read.
pub(crate) struct ImportFile {
    pub(crate) file: PathBuf,
    /// The folders that it keeps in a folder of imported files; mostly none.
    pub(crate) below: PathBuf,
}

/// The files that the user named. Of an archive their hours are kept, and a folder stands for all that is in it.
pub(crate) fn inputs(named: &[PathBuf], is_archive: bool) -> Result<Vec<ImportFile>, Failure> {
    let mut inputs = Vec::new();
    for path in named {
        if is_archive && path.is_dir() {
            let before = inputs.len();
            find_calls(path, Path::new(""), &mut inputs)
                .with_context(|| format!("cannot read {}", path.display()))
                .or_user()?;
            if inputs.len() == before {
                return Err(Failure::user(anyhow!("{} holds no file of calls: name another folder", path.display())));
            }
        } else {
            let hour = path.parent().filter(|_| is_archive).and_then(hour_of);
            inputs.push(ImportFile { file: path.clone(), below: hour.unwrap_or_default() });
        }
    }
    Ok(inputs)
}

/// Every file of calls below a folder, in the order of their paths. Links to folders are not followed: they can form
/// circles.
fn find_calls(folder: &Path, below: &Path, found: &mut Vec<ImportFile>) -> std::io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type()?.is_dir() {
            find_calls(&path, &below.join(&name), found)?;
        } else if batch::is_call_file(&name.to_string_lossy()) && path.is_file() {
            found.push(ImportFile { file: path, below: below.to_owned() });
        }
    }
    Ok(())
}

/// The end of a folder's path, where it is an hour of arrival: `2026/11/20/10`.
fn hour_of(folder: &Path) -> Option<PathBuf> {
    let parts: Vec<&str> = folder.components().rev().take(4).filter_map(|part| part.as_os_str().to_str()).collect();
    let [hour, day, month, year] = parts.try_into().ok()?;
    format!("{year}-{month}-{day}").parse::<UtcDay>().ok()?;
    let is_hour = hour.len() == 2 && hour.parse::<u32>().is_ok_and(|hour| hour < 24);
    is_hour.then(|| [year, month, day, hour].iter().collect())
}
