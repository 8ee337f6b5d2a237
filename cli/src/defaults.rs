//! What commands agree on when they are not told.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::features::FeatureSet;
use anyhow::Context as _;

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
        read_features(self.file.as_deref()).map(Arc::new)
    }

    /// Whether they are the built-in ones, which the oracle knows.
    pub(crate) const fn is_default(&self) -> bool {
        self.file.is_none()
    }
}

/// The definitions of a file, or the built-in ones.
pub(crate) fn read_features(file: Option<&Path>) -> Result<FeatureSet, Failure> {
    let Some(file) = file else { return FeatureSet::default_set().or_internal() };
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}")).or_user()?;
    let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
    let read_list = |list: &str| std::fs::read_to_string(folder.join(list)).map_err(|error| error.to_string());
    FeatureSet::parse(&text, read_list).map_err(|errors| {
        // As compilers write it, so that editors find the place.
        let placed =
            errors.0.iter().map(|error| format!("\n{shown}:{}:{}: {}", error.line, error.column, error.message));
        Failure::user(anyhow::anyhow!("{shown} is refused:{}", placed.collect::<String>()))
    })
}
