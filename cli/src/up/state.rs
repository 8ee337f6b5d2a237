//! What `up` remembers from one start to the next, in one small file.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};

/// The file, in the folder of the state.
const FILE: &str = "up.json";

/// What is remembered. Replaced as a whole, and only by the process that holds the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// How many streams there were: raised before each new one is read, for its sequence numbers begin anew.
    pub(crate) generation: u32,
    /// The history that was, or is to be, made; none where the first start was told so.
    pub(crate) history: Option<History>,
    /// Whether a run is under way, or was and did not come to its end.
    pub(crate) is_running: bool,
    /// Whether every record that ever came in is in the archive: a run that was killed loses what it gathered.
    pub(crate) is_archive_whole: bool,
    /// What arrived before this is in the archive (milliseconds since 1970 UTC).
    pub(crate) archived_until_ms: Option<i64>,
}

/// The synthetic calls from before the first start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) seed: u64,
    pub(crate) subscribers: u32,
    /// UTC days before the one it ends on.
    pub(crate) days: u32,
    /// When it ends and the live calls begin, in milliseconds since 1970 UTC.
    pub(crate) end_ms: i64,
    /// Whether all of it has been written and what tiles must hold of it has gone through a stream.
    pub(crate) is_done: bool,
}

/// The file and what it says.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    pub(crate) is_first_start: bool,
    pub(crate) remembered: Remembered,
}

impl State {
    /// Reads the file of a folder, or begins anew where there is none.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let shown = path.display();
        match std::fs::read(&path) {
            Ok(json) => {
                let remembered = serde_json::from_slice(&json)
                    .with_context(|| format!("{shown} is damaged: choose another --folder, or delete this one"))?;
                Ok(Self { is_first_start: false, remembered, path })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let remembered = Remembered { is_archive_whole: true, ..Remembered::default() };
                Ok(Self { is_first_start: true, remembered, path })
            }
            Err(error) => Err(anyhow!(error).context(format!("cannot read {shown}"))),
        }
    }

    /// Changes what is remembered, on the disk before anything is done that relies on it.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Remembered)) -> anyhow::Result<()> {
        let mut changed = self.remembered.clone();
        change(&mut changed);
        let write = || {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec_pretty(&changed)?)?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(())
        };
        write().map_err(|error: std::io::Error| {
            anyhow!(error).context(format!("cannot write {}", self.path.display()))
        })?;
        self.remembered = changed;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_generation_survives_and_is_not_used_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        assert!(state.is_first_start);
        state.change(|remembered| remembered.generation += 1).unwrap();
        let mut again = State::open(folder.path()).unwrap();
        assert!(!again.is_first_start);
        assert_eq!(again.remembered, Remembered { generation: 1, is_archive_whole: true, ..Remembered::default() });
        again.change(|remembered| remembered.generation += 1).unwrap();
        assert_eq!(State::open(folder.path()).unwrap().remembered.generation, 2);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half written is left");
    }

    #[test]
    fn a_file_of_something_else_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "calls").unwrap();
        let error = State::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("up.json is damaged"), "{error}");
    }
}
