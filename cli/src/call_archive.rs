//! The files of an archive, wherever it is.

use std::path::Path;

use ::batch::{Input, RunFolder};
use objects::{Location, Objects};
use point_in_time::CallFile;

use crate::failure::{Blame as _, Failure};
use crate::locations;
use crate::run_folder;

/// The files of calls of a location, on this machine while this lives.
pub(crate) struct CallArchive {
    /// In the order that decides between copies of a call.
    pub(crate) files: Vec<CallFile>,
    /// What was fetched from elsewhere.
    fetched: RunFolder,
}

impl CallArchive {
    /// Finds the files of a folder or file where they are; those of an `s3://` URL are copied to a temporary folder.
    pub(crate) async fn open(location: &Location) -> Result<Self, Failure> {
        let client = locations::client(location).await;
        let input = Input::open(location, |location| Objects::open(location, client)).or_user()?;
        let fetched = run_folder::make()?;
        let files = input.fetch(fetched.path()).await.or_user()?;
        let files = files.into_iter().map(|file| CallFile { name: file.name, path: file.path }).collect();
        Ok(Self { files, fetched })
    }

    /// Where files are that were fetched from elsewhere.
    pub(crate) fn folder(&self) -> &Path {
        self.fetched.path()
    }
}
