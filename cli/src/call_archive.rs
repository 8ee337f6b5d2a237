//! The files of an archive, wherever it is.

use ::batch::Input;
use anyhow::Context as _;
use objects::{Location, Objects};
use point_in_time::CallFile;
use tempfile::TempDir;

use crate::failure::{Blame as _, Failure};
use crate::locations;

/// The files of calls of a location, on this machine while this lives.
pub(crate) struct CallArchive {
    /// In the order that decides between copies of a call.
    pub(crate) files: Vec<CallFile>,
    /// What was fetched from elsewhere.
    _fetched: TempDir,
}

impl CallArchive {
    /// Finds the files of a folder or file where they are; those of an `s3://` URL are copied to a temporary folder.
    pub(crate) async fn open(location: &Location) -> Result<Self, Failure> {
        let client = locations::client(location).await;
        let input = Input::open(location, |location| Objects::open(location, client)).or_user()?;
        let fetched = tempfile::tempdir().context("no temporary folder can be made").or_user()?;
        let files = input.fetch(fetched.path()).await.or_user()?;
        let files = files.into_iter().map(|file| CallFile { name: file.name, path: file.path }).collect();
        Ok(Self { files, _fetched: fetched })
    }
}
