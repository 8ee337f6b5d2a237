//! Where calls come from: the files of a location, in a stable order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use call_files::{Format, Legs, ReadOptions, SwitchOptions};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use objects::{Location, ObjectMeta, Objects, Version};
use snapshot::{LedgerObject, Source};

use crate::BatchError;
use crate::ledger::Books;

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

/// A file of calls that is to be read.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// As it was listed.
    pub(crate) meta: ObjectMeta,
    /// Its place among all files of the input, which decides between copies of a call.
    pub(crate) number: u64,
}

/// A file of calls on this machine.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// As the location has it: for errors, and what the order is by.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    pub(crate) number: u64,
    /// What the ledger is to know of it; the calls are not counted yet.
    pub(crate) object: LedgerObject,
}

/// What a location holds.
pub(crate) struct Listing {
    /// Files of calls, in the order of their keys.
    pub(crate) files: Vec<Wanted>,
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
        if listing.files.is_empty() {
            return Err(self.no_files(listing.others));
        }
        self.stage(&listing.files, folder, |_| ()).await
    }

    /// Whether files below `output` would be among the files of this input. A path is compared as what it leads to.
    pub(crate) fn holds(&self, output: &Location) -> bool {
        let is_all = self.only.is_none();
        is_all
            && match (self.objects.location(), output) {
                (Location::Path(input), Location::Path(output)) => resolved(output).starts_with(resolved(&input)),
                (Location::S3 { bucket, prefix }, Location::S3 { bucket: of_output, prefix: output }) => {
                    bucket == *of_output && Path::new(output).starts_with(&prefix)
                }
                _ => false,
            }
    }

    /// For errors.
    pub(crate) fn location(&self) -> String {
        match &self.only {
            Some(name) => self.objects.location().join(name).to_string(),
            None => self.objects.location().to_string(),
        }
    }

    /// What it is to the ledger. A path is the same from wherever it is written.
    pub(crate) fn source(&self, read: &ReadOptions) -> Source {
        let location = match self.objects.location() {
            Location::Path(path) => Location::Path(path.canonicalize().unwrap_or(path)),
            bucket @ Location::S3 { .. } => bucket,
        };
        let location = self.only.as_ref().map_or(location.clone(), |name| location.join(name)).to_string();
        let format = read.format.map_or("by content", Format::as_str);
        let SwitchOptions { site, zone, columns, mapping, legs } = &read.switch;
        let mut reading = format!("format {format}, site {site}, zone {zone}");
        for (name, value) in [("columns", columns), ("mapping", mapping)] {
            if let Some(value) = value {
                reading.extend([", ", name, " ", value.as_str()]);
            }
        }
        if *legs == Legs::Each {
            reading.push_str(", legs each");
        }
        Source { location, reading }
    }

    pub(crate) async fn list(&self) -> Result<Listing, BatchError> {
        self.objects.check_exists().await?;
        let mut metas = match &self.only {
            Some(name) => vec![self.objects.head(name).await?],
            None => self.objects.list("").await?,
        };
        let all = metas.len();
        metas.retain(|meta| self.only.is_some() || is_call_file(&meta.key));
        metas.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let others = all - metas.len();
        let files = (0..).zip(metas).map(|(number, meta)| Wanted { meta, number });
        Ok(Listing { files: files.collect(), others })
    }

    /// Nothing is there to make a snapshot of.
    pub(crate) fn no_files(&self, others: usize) -> BatchError {
        BatchError::NoFiles { location: self.location(), others, endings: ENDINGS.join(", ") }
    }

    /// The files that the books do not know, or know with another content: by their listed versions, and those of
    /// `replaced` whatever these say.
    pub(crate) async fn fresh(
        &self,
        listing: &Listing,
        books: &mut Books,
        replaced: &BTreeSet<String>,
    ) -> Result<Vec<Wanted>, BatchError> {
        let mut fresh = books.compare(&listing.files, replaced);
        // What was written again may have the same bytes.
        let rewritten: Vec<&Wanted> = fresh.iter().filter(|file| books.knows(&file.meta.key)).collect();
        let versions: Vec<(String, Version)> = stream::iter(rewritten)
            .map(|file| async move {
                Ok::<_, BatchError>((file.meta.key.clone(), self.objects.content_version(&file.meta).await?))
            })
            .buffered(FETCHES_IN_FLIGHT)
            .try_collect()
            .await?;
        let versions: BTreeMap<String, Version> = versions.into_iter().collect();
        fresh.retain(|file| !versions.get(&file.meta.key).is_some_and(|version| books.is_same(&file.meta, version)));
        Ok(fresh)
    }

    /// Bytes of those files that have to be copied to this machine, as they were listed.
    pub(crate) fn bytes_to_copy(&self, files: &[Wanted]) -> u64 {
        let elsewhere = files.iter().filter(|file| self.objects.local_path(&file.meta.key).is_none());
        elsewhere.map(|file| file.meta.size).sum()
    }

    /// Files on this machine: those that are there already, and the others copied into `folder`.
    pub(crate) async fn stage(
        &self,
        files: &[Wanted],
        folder: &Path,
        done: impl Fn(u64),
    ) -> Result<Vec<InputFile>, BatchError> {
        let stage = |Wanted { meta, number }: &Wanted| {
            let (meta, number) = (meta.clone(), *number);
            async move {
                let (name, listed) = (meta.key.clone(), meta.version.clone());
                // The version is that of what is read: what is put there later is found by the next run.
                let (path, size, version) = if let Some(path) = self.objects.local_path(&name) {
                    (path, meta.size, self.objects.content_version(&meta).await?)
                } else {
                    // The ending tells the format.
                    let path = folder.join(format!("{number}-{}", name.rsplit('/').next().unwrap_or(&name)));
                    let (size, version) = self.objects.download_to(&name, &path).await?;
                    (path, size, version)
                };
                let listed = (listed != version).then(|| listed.as_str().to_owned());
                let version = version.as_str().to_owned();
                let object = LedgerObject { size, version, listed, ..LedgerObject::default() };
                Ok::<_, BatchError>(InputFile { name, path, number, object })
            }
        };
        let mut staged = 0;
        stream::iter(files.iter().map(stage))
            .buffered(FETCHES_IN_FLIGHT)
            .inspect_ok(|_| {
                staged += 1;
                done(staged);
            })
            .try_collect()
            .await
    }
}

/// A path without links, as far as there is something: the rest is still to be made.
fn resolved(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = whole.ancestors().find_map(|there| {
        let rest = whole.strip_prefix(there).ok()?;
        // Joining nothing would add a slash.
        let there = there.canonicalize().ok()?;
        Some(if rest.as_os_str().is_empty() { there } else { there.join(rest) })
    });
    found.unwrap_or(whole)
}

/// Whether an object is a file of calls, by its name; names that begin with `_` or `.` are what engines and systems
/// leave beside their files.
pub fn is_call_file(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    !name.starts_with(['_', '.']) && ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_output_that_would_be_read_as_input_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("calls/2026")).unwrap();
        std::os::unix::fs::symlink(at("calls"), at("link")).unwrap();
        std::fs::write(at("calls/a.jsonl"), "").unwrap();
        let holds = |input: &str, output: &str| {
            let input = Location::Path(at(input));
            let input = Input::open(&input, |location| Objects::open(location, None)).unwrap();
            input.holds(&Location::Path(at(output)))
        };
        for output in ["calls", "calls/", "calls/2026", "calls/new/deep", "link", "link/new", "out/../calls/2026"] {
            std::fs::create_dir_all(at("out")).unwrap();
            assert!(holds("calls", output), "{output}");
        }
        for output in ["out", "calls-out", "out/calls", ""] {
            assert!(!holds("calls", output), "{output}");
        }
        assert!(holds("link", "calls/new"));
        // `up` has its archive below its output.
        assert!(!holds("calls/2026", "calls"));
        // One file is all that is read.
        assert!(!holds("calls/a.jsonl", "calls"));
    }

    #[test]
    fn prefixes_of_a_bucket_are_compared_by_their_parts() {
        let config = aws_sdk_s3::Config::builder().behavior_version(aws_sdk_s3::config::BehaviorVersion::latest());
        let client = aws_sdk_s3::Client::from_conf(config.build());
        let holds = |input: &str, output: &str| {
            let input = Location::parse(input).unwrap();
            let input = Input::open(&input, |location| Objects::open(location, Some(client.clone()))).unwrap();
            input.holds(&Location::parse(output).unwrap())
        };
        for output in ["s3://calls/raw", "s3://calls/raw/", "s3://calls/raw/out"] {
            assert!(holds("s3://calls/raw/", output), "{output}");
        }
        assert!(holds("s3://calls", "s3://calls/out"));
        for output in ["s3://calls/rawdata", "s3://other/raw", "s3://calls", "/raw"] {
            assert!(!holds("s3://calls/raw", output), "{output}");
        }
    }
}
