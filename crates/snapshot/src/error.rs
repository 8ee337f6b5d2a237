//! Why a snapshot could not be read or published.

/// Why a snapshot could not be read or published.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The objects could not be read or written.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// A file is not what the manifest says it is.
    #[error("{key} is damaged: {detail}. `tollwatch batch --rebuild` makes everything anew from the calls")]
    Corrupt {
        /// The file.
        key: String,
        /// What was found.
        detail: String,
    },
    /// A file that the manifest lists is not there.
    #[error(
        "{key} is in the manifest but not in {location}: it was deleted, or the snapshot was copied in part. `tollwatch batch --rebuild` makes everything anew from the calls"
    )]
    Gone {
        /// The file.
        key: String,
        /// Where it should be.
        location: String,
    },
    /// The manifest is of another format.
    #[error(
        "{key} has format {found}, this program reads format {known}: use the program that wrote it, or `tollwatch batch --rebuild` to replace it"
    )]
    Format {
        /// The manifest.
        key: String,
        /// Its format.
        found: u32,
        /// The format of this program.
        known: u32,
    },
    /// The snapshot was made from other definitions.
    #[error(
        "the snapshot was made with feature set {found}, this program has {expected}: run `tollwatch batch` with the same features.toml, or use the one that the snapshot was made with"
    )]
    FeatureSet {
        /// The version in the manifest.
        found: String,
        /// The version asked for.
        expected: String,
    },
    /// Another run published since this one started.
    #[error("another run published a snapshot after this run {run} had started; nothing was changed: run it again")]
    Overtaken {
        /// The run that came second.
        run: String,
    },
    /// A run id whose files the current snapshot consists of.
    #[error("the published snapshot has files of run {run}, which are in use: choose another run id")]
    RunInUse {
        /// The run.
        run: String,
    },
    /// No such column.
    #[error("the snapshot has no {feature} for {party} at {level} level")]
    NoFeature {
        /// The id asked for.
        feature: String,
        /// The party.
        party: &'static str,
        /// The level.
        level: &'static str,
    },
    /// A local file could not be read or written.
    #[error("{path}: {source}")]
    LocalFile {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Rows were written out of order: a mistake of the program, found before anything is published.
    #[error("rows of {key} are not in order of their keys")]
    Unsorted {
        /// The file.
        key: String,
    },
}

impl SnapshotError {
    pub(crate) fn corrupt(key: &str, detail: impl std::fmt::Display) -> Self {
        Self::Corrupt { key: key.to_owned(), detail: format!("{detail}") }
    }

    pub(crate) fn gone(key: &str, objects: &objects::Objects) -> Self {
        Self::Gone { key: key.to_owned(), location: objects.location().to_string() }
    }
}
