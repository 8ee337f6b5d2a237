//! Why a file cannot be read as a format.

use crate::WrongColumns;

/// Why no reader of a format can be made for a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotRead {
    /// Its first rows are not of the format.
    #[error("{found}; wants {wanted}")]
    Rows {
        /// What they are, to follow the file's name.
        found: String,
        /// What would do.
        wanted: &'static str,
    },
    /// The columns that were given do not do.
    #[error(transparent)]
    Columns(#[from] WrongColumns),
    /// The mapping that was given does not do, or is missing.
    #[error("{0}")]
    Mapping(String),
}
