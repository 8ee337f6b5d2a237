//! Objects as files in a folder.
//!
//! A put writes a file of its own and renames it. Conditional puts, and all other changes, take one lock file in the
//! root while they check and rename, so they are in order among all processes of one machine. The lock is held for
//! microseconds; the system frees it when its holder dies.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use md5::{Digest as _, Md5};

use crate::key::OWN_FILES;
use crate::temporary::Temporary;
use crate::{Error, Expected, Location, ObjectMeta, Version};

/// Bytes copied at a time between files.
const COPY_BYTES: usize = 1024 * 1024;

/// Begins the versions in listings; no hash begins so.
const LISTED: char = 't';

/// Objects as files below a root folder, which is made by the first put.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
}

impl Files {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn location(&self) -> Location {
        Location::Path(self.root.clone())
    }

    pub(crate) fn path(&self, key: &str) -> PathBuf {
        key.split('/').fold(self.root.clone(), |path, part| path.join(part))
    }

    pub(crate) async fn check_exists(&self) -> Result<(), Error> {
        self.run("read", "", |files| match fs::metadata(&files.root) {
            Ok(meta) if meta.is_dir() => Ok(()),
            Ok(_) => Err(files.refused("list", "", "it is a file, not a folder")),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(files.no_location()),
            Err(error) => Err(files.error("read", "", &error)),
        })
        .await
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Bytes, Error> {
        self.run("read", key, {
            let key = key.to_owned();
            move |files| files.read(&key)
        })
        .await
    }

    pub(crate) async fn get_versioned(&self, key: &str) -> Result<(Bytes, Version), Error> {
        let key = key.to_owned();
        self.run("read", &key.clone(), move |files| {
            let bytes = files.read(&key)?;
            let version = content_version(&bytes);
            Ok((bytes, version))
        })
        .await
    }

    pub(crate) async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let key = key.to_owned();
        self.run("read", &key.clone(), move |files| {
            let read = || -> io::Result<Option<Vec<u8>>> {
                let mut file = File::open(files.path(&key))?;
                let size = file.metadata()?.len();
                if range.start >= size {
                    return Ok(None);
                }
                let length = range.end.min(size) - range.start;
                let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
                file.seek(SeekFrom::Start(range.start))?;
                file.take(length).read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            };
            match read() {
                Ok(Some(bytes)) => Ok(bytes.into()),
                Ok(None) => Err(Error::OutOfRange {
                    location: files.location().to_string(),
                    start: range.start,
                    end: range.end,
                    key,
                }),
                Err(error) => Err(files.read_error(&key, &error)),
            }
        })
        .await
    }

    pub(crate) async fn head(&self, key: &str) -> Result<ObjectMeta, Error> {
        let key = key.to_owned();
        self.run("read", &key.clone(), move |files| match fs::metadata(files.path(&key)) {
            Ok(meta) if meta.is_file() => Ok(listed(key, &meta)),
            Ok(_) => Err(files.not_found(&key)),
            Err(error) => Err(files.read_error(&key, &error)),
        })
        .await
    }

    pub(crate) async fn put(&self, key: &str, bytes: Bytes, expected: Option<Expected>) -> Result<Version, Error> {
        let key = key.to_owned();
        self.run("write", &key.clone(), move |files| {
            let path = files.path(&key);
            let mut temporary = files.temporary_for(&key, &path)?;
            let write_error = |error: io::Error| files.error("write", &key, &error);
            temporary.file.write_all(&bytes).map_err(write_error)?;
            let _held = files.lock().map_err(write_error)?;
            if let Some(expected) = expected
                && !is_as_expected(&path, &expected).map_err(write_error)?
            {
                return Err(Error::Conflict { key: key.clone(), location: files.location().to_string() });
            }
            temporary.rename_to(&path).map_err(write_error)?;
            Ok(content_version(&bytes))
        })
        .await
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, Error> {
        let prefix = prefix.to_owned();
        self.run("list", &prefix.clone(), move |files| {
            let mut found = Vec::new();
            // What is before the last slash names a folder; the rest is the beginning of a name in it.
            let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
            let path = if folder.is_empty() { files.root.clone() } else { files.path(folder) };
            files.collect(&path, folder, &prefix, &mut found)?;
            found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            Ok(found)
        })
        .await
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), Error> {
        let key = key.to_owned();
        self.run("delete", &key.clone(), move |files| {
            if !files.path(&key).is_file() {
                return Ok(());
            }
            let delete = || {
                let _held = files.lock()?;
                fs::remove_file(files.path(&key))
            };
            match delete() {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(files.error("delete", &key, &error)),
                _ => Ok(()),
            }
        })
        .await
    }

    pub(crate) async fn content_version(&self, key: &str) -> Result<Version, Error> {
        let key = key.to_owned();
        self.run("read", &key.clone(), move |files| {
            let read_error = |error: io::Error| files.read_error(&key, &error);
            let source = File::open(files.path(&key)).map_err(read_error)?;
            Ok(copy_hashed(source, &mut io::sink(), read_error, read_error)?.1)
        })
        .await
    }

    pub(crate) async fn download_to(&self, key: &str, path: &Path) -> Result<(u64, Version), Error> {
        let (key, path) = (key.to_owned(), path.to_owned());
        self.run("read", &key.clone(), move |files| {
            let source = File::open(files.path(&key)).map_err(|error| files.read_error(&key, &error))?;
            if source.metadata().is_ok_and(|meta| meta.is_dir()) {
                return Err(files.not_found(&key));
            }
            let local_error = |source| Error::LocalFile { path: path.display().to_string(), source };
            let mut temporary = Temporary::beside(&path).map_err(local_error)?;
            let read_error = |error: io::Error| files.read_error(&key, &error);
            let copied = copy_hashed(source, &mut temporary.file, read_error, local_error)?;
            temporary.rename_to(&path).map_err(local_error)?;
            Ok(copied)
        })
        .await
    }

    pub(crate) async fn upload_from(&self, path: &Path, key: &str) -> Result<Version, Error> {
        let (key, from) = (key.to_owned(), path.to_owned());
        self.run("write", &key.clone(), move |files| {
            let local_error = |source| Error::LocalFile { path: from.display().to_string(), source };
            let source = File::open(&from).map_err(local_error)?;
            let path = files.path(&key);
            let mut temporary = files.temporary_for(&key, &path)?;
            let write_error = |error: io::Error| files.error("write", &key, &error);
            let (_, version) = copy_hashed(source, &mut temporary.file, local_error, write_error)?;
            let _held = files.lock().map_err(write_error)?;
            temporary.rename_to(&path).map_err(write_error)?;
            Ok(version)
        })
        .await
    }

    /// Runs file work where it may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        key: &str,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let files = self.clone();
        match tokio::task::spawn_blocking(move || work(&files)).await {
            Ok(done) => done,
            // The runtime is ending, or the work panicked.
            Err(error) => Err(self.unavailable(action, key, error.to_string())),
        }
    }

    fn read(&self, key: &str) -> Result<Bytes, Error> {
        fs::read(self.path(key)).map(Bytes::from).map_err(|error| self.read_error(key, &error))
    }

    /// A file to write to, that is to become `path`. Its folder may be removed as an empty one before there is something
    /// in it, and is made again then.
    fn temporary_for(&self, key: &str, path: &Path) -> Result<Temporary, Error> {
        let make = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            Temporary::beside(path)
        };
        let made = match make() {
            Err(error) if error.kind() == ErrorKind::NotFound => make(),
            made => made,
        };
        made.map_err(|error| self.error("write", key, &error))
    }

    /// Waits for its turn to change something. Given back when dropped.
    fn lock(&self) -> io::Result<File> {
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.root.join(format!("{OWN_FILES}lock")))?;
        lock.lock()?;
        Ok(lock)
    }

    fn collect(&self, folder: &Path, key: &str, prefix: &str, found: &mut Vec<ObjectMeta>) -> Result<(), Error> {
        let list_error = |error: &io::Error| self.error("list", prefix, error);
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            // Nothing is below a folder that is not there, or below a file.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotADirectory && !key.is_empty() => return Ok(()),
            Err(error) => return Err(list_error(&error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| list_error(&error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                let detail = format!("the name of {} is not UTF-8; rename it", entry.path().display());
                return Err(self.refused("list", prefix, &detail));
            };
            if name.starts_with(OWN_FILES) {
                continue;
            }
            let key = if key.is_empty() { name.to_owned() } else { format!("{key}/{name}") };
            let kind = entry.file_type().map_err(|error| list_error(&error))?;
            if kind.is_dir() {
                // `daily` leads to `daily/date=1`, and `daily/date` is a beginning of `daily/date=1/part`.
                if prefix.starts_with(&format!("{key}/")) || format!("{key}/").starts_with(prefix) {
                    self.collect(&entry.path(), &key, prefix, found)?;
                }
            } else if key.starts_with(prefix) {
                // Links to files are followed; links to folders are not, since they can form circles.
                match fs::metadata(entry.path()) {
                    Ok(meta) if meta.is_file() => {
                        found.push(listed(key, &meta));
                    }
                    Ok(_) => {}
                    // Deleted since the folder was read.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(list_error(&error)),
                }
            }
        }
        Ok(())
    }

    fn read_error(&self, key: &str, error: &io::Error) -> Error {
        match error.kind() {
            // A folder is no object, and nothing is below a file.
            ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory => self.not_found(key),
            _ => self.error("read", key, error),
        }
    }

    pub(crate) fn error(&self, action: &'static str, key: &str, error: &io::Error) -> Error {
        let (key, location, detail) = (key.to_owned(), self.location().to_string(), error.to_string());
        match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Error::Denied { action, key, location, detail }
            }
            ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::AlreadyExists => {
                let detail = format!("{detail}: a file is where a folder is needed, or the other way round");
                Error::Refused { action, key, location, detail }
            }
            ErrorKind::InvalidInput | ErrorKind::InvalidFilename => Error::Refused { action, key, location, detail },
            _ => Error::Unavailable { action, key, location, detail },
        }
    }

    fn refused(&self, action: &'static str, key: &str, detail: &str) -> Error {
        Error::Refused {
            action,
            key: key.to_owned(),
            location: self.location().to_string(),
            detail: detail.to_owned(),
        }
    }

    fn unavailable(&self, action: &'static str, key: &str, detail: String) -> Error {
        Error::Unavailable { action, key: key.to_owned(), location: self.location().to_string(), detail }
    }

    fn not_found(&self, key: &str) -> Error {
        Error::NotFound { key: key.to_owned(), location: self.location().to_string() }
    }

    fn no_location(&self) -> Error {
        Error::NoLocation { location: self.location().to_string() }
    }
}

fn is_as_expected(path: &Path, expected: &Expected) -> io::Result<bool> {
    let Expected::Version(version) = expected else {
        return Ok(!path.try_exists()?);
    };
    let found = if version.as_str().starts_with(LISTED) {
        fs::metadata(path).map(|meta| listed_version(&meta))
    } else {
        fs::read(path).map(|bytes| content_version(&bytes))
    };
    match found {
        Ok(found) => Ok(found == *version),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Copies a file; how many bytes, and their version.
fn copy_hashed(
    mut source: File,
    target: &mut impl io::Write,
    read_error: impl Fn(io::Error) -> Error,
    write_error: impl Fn(io::Error) -> Error,
) -> Result<(u64, Version), Error> {
    let mut hash = Md5::new();
    let mut buffer = vec![0; COPY_BYTES];
    let mut copied = 0;
    loop {
        let read = source.read(&mut buffer).map_err(&read_error)?;
        if read == 0 {
            return Ok((copied, hash_version(hash)));
        }
        hash.update(&buffer[..read]);
        target.write_all(&buffer[..read]).map_err(&write_error)?;
        copied += read as u64;
    }
}

pub(crate) fn listed(key: String, meta: &fs::Metadata) -> ObjectMeta {
    let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified_secs = modified.and_then(|since| i64::try_from(since.as_secs()).ok());
    ObjectMeta { key, size: meta.len(), version: listed_version(meta), modified_secs }
}

/// Modification time in nanoseconds and size.
fn listed_version(meta: &fs::Metadata) -> Version {
    let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Version::new(format!("{LISTED}{}-{}", modified.unwrap_or_default().as_nanos(), meta.len()))
}

fn content_version(bytes: &[u8]) -> Version {
    let mut hash = Md5::new();
    hash.update(bytes);
    hash_version(hash)
}

fn hash_version(hash: Md5) -> Version {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(32);
    for byte in hash.finalize() {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Version::new(text)
}
