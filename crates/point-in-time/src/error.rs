//! Why there is no training set.

use std::fmt;
use std::path::PathBuf;

/// A label that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelProblem {
    /// Number of its line, from 1.
    pub line: u64,
    /// What is wrong with it. Never holds a number.
    pub problem: String,
}

impl fmt::Display for LabelProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// Why a file of labels is refused, as a whole and before any work.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}; check the name and the permissions", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is a file of another kind.
    #[error(
        "{path} {found}: labels are CSV with a header or JSON lines, as text; write them as one of these",
        path = path.display()
    )]
    NoText {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        found: &'static str,
    },
    /// It has no labels in it.
    #[error(
        "{path} holds no label: wants CSV with a header, or JSON lines, with the columns number and time, and level \
         and party where they are not phone and both",
        path = path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Its columns are not those of labels.
    #[error("{path}: {problem}", path = path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// Which column is wrong, and what is wanted.
        problem: String,
    },
    /// Labels in it cannot be read.
    #[error("{path} has {count} labels that cannot be read; nothing was computed{}", list(problems), path = path.display())]
    Rows {
        /// The file.
        path: PathBuf,
        /// How many there are.
        count: u64,
        /// The first of them.
        problems: Vec<LabelProblem>,
    },
}

fn list(problems: &[LabelProblem]) -> String {
    problems.iter().fold(String::new(), |text, problem| format!("{text}\n  {problem}"))
}

/// Why no training set was written. What had its name keeps it.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// A file of calls cannot be read, or the training set cannot be written.
    #[error("{source} (file {file})")]
    File {
        /// The file, as its location has it.
        file: String,
        /// What is wrong.
        source: call_files::FileError,
    },
    /// The training set cannot be written.
    #[error(transparent)]
    Output(call_files::FileError),
    /// A column of the labels has a name that the training set gives to another.
    #[error("the labels have a column {name}, which the training set has too: give it another name")]
    ColumnTaken {
        /// The name.
        name: String,
    },
    /// One label alone touches more calls than are kept in memory.
    #[error(
        "the label of line {line} touches more than {limit} calls: keep more in memory, at some 500 bytes each, with \
         --calls-in-memory, or ask for a narrower entity"
    )]
    TooManyCalls {
        /// Line of the label.
        line: u64,
        /// The limit.
        limit: usize,
    },
    /// The archive holds no call at all.
    #[error("the files hold no valid call: {records} records were read")]
    NoCalls {
        /// Records read.
        records: u64,
    },
    /// The default region of the feature set is unknown to the number plan.
    #[error(transparent)]
    Region(#[from] cdr::UnknownRegion),
}
