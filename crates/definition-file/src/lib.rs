//! Feature definitions read from a file: `features.toml`, and the lists that it names, in the folder it lies in.
//! [`features`] itself knows no file system.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use features::{DefinitionErrors, FeatureSet};

/// Why a file gives no definitions.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// What it says is refused; the text has a line for each error, placed as compilers do.
    #[error("{} is refused:{}", path.display(), placed(path, errors))]
    Refused {
        /// Which file.
        path: PathBuf,
        /// Every error in it.
        errors: DefinitionErrors,
    },
}

/// The definitions of `file`, or the built-in ones.
pub fn read(file: Option<&Path>) -> Result<FeatureSet, FileError> {
    let Some(path) = file else {
        return FeatureSet::default_set().map_err(|errors| refused("features.toml", errors));
    };
    let unreadable = |cause| FileError::Unreadable { path: path.to_owned(), cause };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let read_list = |list: &str| std::fs::read_to_string(folder.join(list)).map_err(|error| error.to_string());
    FeatureSet::parse(&text, read_list).map_err(|errors| refused(path, errors))
}

fn refused(path: impl Into<PathBuf>, errors: DefinitionErrors) -> FileError {
    FileError::Refused { path: path.into(), errors }
}

fn placed(path: &Path, errors: &DefinitionErrors) -> String {
    errors.0.iter().fold(String::new(), |mut text, error| {
        // Writing to a text cannot fail.
        let _ = write!(text, "\n{}:{}:{}: {}", path.display(), error.line, error.column, error.message);
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_are_read_from_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, include_str!("../../../features.toml")).unwrap();
        let lacking = read(Some(&path)).unwrap_err().to_string();
        assert!(lacking.contains("lists/irsf.csv"), "{lacking}");
        std::fs::create_dir(folder.path().join("lists")).unwrap();
        std::fs::write(folder.path().join("lists/irsf.csv"), include_str!("../../../lists/irsf.csv")).unwrap();
        assert_eq!(read(Some(&path)).unwrap().version(), read(None).unwrap().version());
    }

    #[test]
    fn what_is_wrong_names_the_file_the_line_and_the_column() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        assert!(read(Some(&path)).unwrap_err().to_string().starts_with("cannot read "));
        std::fs::write(&path, "[settings]\nzone = 3\n").unwrap();
        let refused = read(Some(&path)).unwrap_err().to_string();
        assert!(refused.contains("mine.toml:2:8: "), "{refused}");
    }
}
