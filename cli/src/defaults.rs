//! What commands agree on when they are not told.

use std::path::PathBuf;
use std::sync::Arc;

use ::features::FeatureSet;

use crate::failure::{Blame as _, Failure};

/// The address of the service.
pub(crate) const SERVICE_ADDRESS: &str = "127.0.0.1:50051";
/// The same as a URL.
pub(crate) const SERVICE_URL: &str = "http://127.0.0.1:50051";
/// Where `up` keeps its state.
pub(crate) const STATE_FOLDER: &str = ".tollwatch";
/// The table of tiles on local endpoints.
pub(crate) const TILE_TABLE: &str = "tollwatch-tiles";
/// The stream on local endpoints.
pub(crate) const STREAM: &str = "tollwatch-calls";

/// Definitions other than the ones that are built in.
#[derive(clap::Args, Clone)]
pub(crate) struct FeatureFile {
    /// Feature definitions [default: the ones that come with Tollwatch]
    #[arg(long = "definitions", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl FeatureFile {
    /// Reads and checks them.
    pub(crate) fn read(&self) -> Result<Arc<FeatureSet>, Failure> {
        definition_file::read(self.file.as_deref()).map(Arc::new).or_user()
    }
}
