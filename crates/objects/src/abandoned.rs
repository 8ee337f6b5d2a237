//! What writers that died have left in a folder of objects.

use std::fs;
use std::io::{self, ErrorKind};

use crate::files::{Files, listed};
use crate::temporary::is_temporary;
use crate::{Error, ObjectMeta};

/// What writers that died have left in a folder: files that were never given their names, and folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abandoned {
    /// Files; their keys are none that [`crate::Objects`] reads or writes.
    pub files: Vec<ObjectMeta>,
    /// Folders in which nothing was made or deleted since; some of them may have something in them, and stay.
    pub folders: Vec<String>,
}

impl Files {
    pub(crate) async fn abandoned(&self, prefix: &str, before_secs: i64) -> Result<Abandoned, Error> {
        let prefix = prefix.to_owned();
        self.run("list", &prefix.clone(), move |files| {
            let mut found = Abandoned::default();
            files.collect_abandoned(prefix.trim_end_matches('/'), before_secs, &mut found)?;
            Ok(found)
        })
        .await
    }

    pub(crate) async fn remove_abandoned(&self, abandoned: &Abandoned) -> Result<(), Error> {
        let Abandoned { files: names, folders } = abandoned.clone();
        self.run("delete", "", move |files| {
            let gone = |key: &str, removed: io::Result<()>| match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(files.error("delete", key, &error)),
                _ => Ok(()),
            };
            for file in &names {
                gone(&file.key, fs::remove_file(files.path(&file.key)))?;
            }
            for folder in &folders {
                match fs::remove_dir(files.path(folder)) {
                    Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
                    removed => gone(folder, removed)?,
                }
            }
            Ok(())
        })
        .await
    }

    /// Half-written files and folders below a folder that nothing has changed since; folders behind what is in them.
    fn collect_abandoned(&self, key: &str, before_secs: i64, found: &mut Abandoned) -> Result<(), Error> {
        let list_error = |error: &io::Error| self.error("list", key, error);
        let entries = match fs::read_dir(self.path(key)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(list_error(&error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| list_error(&error))?;
            // What has another name is not ours, and what is gone meanwhile is none of these.
            let (Ok(name), Ok(meta)) = (entry.file_name().into_string(), entry.metadata()) else { continue };
            let entry = listed(format!("{key}/{name}"), &meta);
            let is_old = entry.modified_secs.is_some_and(|secs| secs < before_secs);
            if meta.is_dir() {
                self.collect_abandoned(&entry.key, before_secs, found)?;
                if is_old {
                    found.folders.push(entry.key);
                }
            } else if meta.is_file() && is_temporary(&name) && is_old {
                found.files.push(entry);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::Objects;

    #[tokio::test]
    async fn half_written_files_and_empty_folders_go_when_they_are_old() {
        let root = tempfile::tempdir().unwrap();
        let objects = Objects::in_folder(root.path());
        let at = |name: &str| root.path().join(name);
        objects.put("daily/date=1/run=a/caller.parquet", "x").await.unwrap();
        objects.put("raw/x", "x").await.unwrap();
        let old =
            ["daily/date=1/run=a/.objects-41-0", "daily/date=1/run=b/deep/.objects-41-7", "daily/.objects-41-1"];
        let kept = [
            "daily/date=1/run=a/.objects-42-0",
            "daily/date=1/run=a/.objects-x-0",
            "daily/date=1/run=a/.objects-41-",
            "raw/.objects-41-0",
        ];
        fs::create_dir_all(at("daily/date=1/run=b/deep")).unwrap();
        fs::create_dir_all(at("daily/date=1/run=new")).unwrap();
        let past = SystemTime::now() - Duration::from_hours(2);
        let age = |name: &str| fs::File::open(at(name)).unwrap().set_modified(past).unwrap();
        for name in old.iter().chain(&kept) {
            fs::write(at(name), "half").unwrap();
        }
        for name in old.iter().chain(&kept[1..]) {
            age(name);
        }
        for folder in ["daily/date=1", "daily/date=1/run=a", "daily/date=1/run=b", "daily/date=1/run=b/deep"] {
            age(folder);
        }
        let before = past.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed() + 1;
        let none = objects.abandoned("daily/", before - 3_600).await.unwrap();
        assert_eq!(none, Abandoned::default());
        let mut found = objects.abandoned("daily/", before).await.unwrap();
        found.files.sort_by(|a, b| a.key.cmp(&b.key));
        let keys: Vec<&str> = found.files.iter().map(|file| file.key.as_str()).collect();
        assert_eq!(keys, [old[2], old[0], old[1]]);
        assert_eq!(found.files[0].size, 4);
        objects.remove_abandoned(&found).await.unwrap();
        assert!(old.iter().all(|name| !at(name).exists()) && kept.iter().all(|name| at(name).exists()));
        assert!(!at("daily/date=1/run=b").exists(), "it was empty and old");
        assert!(at("daily/date=1/run=new").exists(), "its run may be about to write");
        assert_eq!(objects.list("").await.unwrap().len(), 2);
        // What is gone already is no error.
        objects.remove_abandoned(&found).await.unwrap();
        assert_eq!(objects.abandoned("absent/", before).await.unwrap(), Abandoned::default());
    }
}
