//! What people are told while files are followed.

use std::fmt;
use std::path::PathBuf;

/// Something about a followed file that somebody may have to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// There is no file of the name; it is looked for again and again.
    Waiting {
        /// The name.
        path: PathBuf,
    },
    /// A file is read on from where it was left.
    Resumed {
        /// The file, under the name that it has now.
        path: PathBuf,
        /// The byte that is read next.
        read_to: u64,
    },
    /// Another file has the name now; the one before is finished first.
    Rotated {
        /// The name.
        path: PathBuf,
    },
    /// The file was emptied and is read from its beginning.
    Emptied {
        /// The file.
        path: PathBuf,
        /// Its copy from before, which is finished first; where there is none, what was written since the last look is
        /// lost.
        copy: Option<PathBuf>,
        /// The byte up to which it had been read.
        read_to: u64,
    },
    /// A file that was not read to its end is not there any more.
    Lost {
        /// The name it had.
        path: PathBuf,
        /// The byte from which rows may be missing.
        from: u64,
        /// Rows from before there whose calls had not been whole, or not surely on the stream.
        rows: usize,
    },
    /// A file that was rotated away unread is compressed by now.
    Packed {
        /// The file.
        path: PathBuf,
    },
}

impl Notice {
    /// Whether calls may be missing by it.
    pub const fn is_loss(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Packed { .. })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { path } => write!(f, "there is no {} yet: waiting for it", path.display()),
            Self::Resumed { path, read_to } => write!(f, "going on in {} at byte {read_to}", path.display()),
            Self::Rotated { path } => {
                write!(f, "{} is a new file: the one before is finished first", path.display())
            }
            Self::Emptied { path, copy: Some(copy), read_to } => write!(
                f,
                "{} was emptied: its copy {} is finished from byte {read_to} first",
                path.display(),
                copy.display()
            ),
            Self::Emptied { path, copy: None, read_to } => write!(
                f,
                "{} was emptied and no copy of it is beside it: rows that were written behind byte {read_to} before \
                 that, if any, were not read. If there is a copy elsewhere, import it: what is counted counts once",
                path.display()
            ),
            Self::Lost { path, from, rows } => write!(
                f,
                "the file that was {} is gone: calls may be missing, those behind byte {from} of it and {rows} rows \
                 before. Find it (it may be renamed or compressed) and import it: what is counted counts once",
                path.display()
            ),
            Self::Packed { path } => write!(
                f,
                "{} was rotated away unread and is compressed: its calls are missing until it is imported, without \
                 --follow",
                path.display()
            ),
        }
    }
}
