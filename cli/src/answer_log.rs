//! The options of the answer log, for what runs the service.

use std::path::PathBuf;

use serve_features::answer_log::{AnswerLog, Rate};

use crate::failure::{Blame as _, Failure};

/// Whether answers are sampled into a file.
#[derive(clap::Args, Clone)]
pub(crate) struct AnswerLogFlags {
    /// Append a sample of the answers to this file, for `tollwatch parity`; it holds numbers, and only its owner may
    /// read it
    #[arg(long, value_name = "FILE")]
    answer_log: Option<PathBuf>,
    /// The share of answers in it, above 0 and at most 1; which ones follows from the entity and the minute
    #[arg(long, value_name = "SHARE", default_value = "0.01", value_parser = parse_rate, requires = "answer_log")]
    answer_log_rate: Rate,
}

impl AnswerLogFlags {
    /// Opens the log, if there is to be one.
    pub(crate) fn open(&self) -> Result<Option<AnswerLog>, Failure> {
        self.answer_log.as_deref().map(|path| AnswerLog::open(path, self.answer_log_rate)).transpose().or_user()
    }
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    let rate = text.parse().ok().and_then(Rate::new);
    rate.ok_or_else(|| format!("{text} is no share: give one above 0 and at most 1, such as 0.01"))
}
