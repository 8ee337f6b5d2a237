//! Why there is no evaluation.

use std::fmt;
use std::path::PathBuf;

use crate::CallsError;
use crate::limits::{CALLS_MAX, SCHEMES_MAX};

/// A label that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelProblem {
    /// Number of its line, from 1.
    pub line: u64,
    /// The column, where it is one.
    pub column: Option<&'static str>,
    /// The rule that is broken and what is wanted. Never holds a number.
    pub problem: String,
}

impl fmt::Display for LabelProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "line {}, column {column}: {}", self.line, self.problem),
            None => write!(f, "line {}: {}", self.line, self.problem),
        }
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
    /// It is larger than labels are.
    #[error("{path} has {bytes} bytes, labels at most {max}: is it a file of calls?", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// It has no label in it.
    #[error(
        "{path} holds no label: wants CSV with a header line \
         scheme,campaign,number,role,start,end and a line a number", path = path.display()
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
    #[error(
        "{path} has {count} labels that cannot be read; nothing was computed{}", list(problems), path = path.display()
    )]
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

/// Why nothing was evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The calls of a set cannot be had.
    #[error("the calls of {set} cannot be had: {source}")]
    Calls {
        /// The set.
        set: String,
        /// What is wrong.
        source: CallsError,
    },
    /// A set without a call.
    #[error("{set} holds no call: give files with calls, or more subscribers")]
    NoCalls {
        /// The set.
        set: String,
    },
    /// Nothing to choose thresholds by.
    #[error("the calibration sets have no label, so that no threshold can be chosen: label some campaigns")]
    NothingLabelled,
    /// Nothing to evaluate.
    #[error(
        "the definitions have no stream window at level phone for a party that is kept there: evaluation is of what \
         the stream answers; declare `stream = [...]` for level phone"
    )]
    NoColumns,
    /// More schemes than rules can be made for.
    #[error("the labels name {schemes} schemes, at most {SCHEMES_MAX} are evaluated at once: leave some out")]
    TooManySchemes {
        /// How many there are.
        schemes: usize,
    },
}

/// More calls than can be put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {CALLS_MAX} calls, and they are put in order in memory: give fewer files, a week's for instance")]
pub struct TooManyCalls;
