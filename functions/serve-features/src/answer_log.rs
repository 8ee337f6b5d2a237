//! A sample of answers in a file, so that they can be recounted from the archive later: `tollwatch parity`.
//!
//! A line is `{"answered_at":...,"not_counted_before":...,"response":{...}}`: the service's clock, the first moment from
//! which on the stream is counted where the answer reaches back further, and the answer as JSON. It holds numbers,
//! which are personal data: the file is its owner's alone, and nothing of it is in any other log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use features::{MINUTE_MS, hash_parts};
use proto::v1;
use serde_json::json;

use crate::degradation::Degradation;
use crate::lookup::Reply;
use crate::merge::AsOf;
use crate::outage::Outage;
use crate::request::Target;

/// Read and written by its owner, and by nobody else.
const MODE: u32 = 0o600;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum AnswerLogError {
    /// The file cannot be opened.
    #[error("the answer log {path} cannot be written: {source}; check that its folder exists", path = path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that is there already can be read by others.
    #[error(
        "the answer log {path} can be read by others (mode {mode:o}), and it holds numbers: chmod 600 it, or name \
         another",
        path = path.display()
    )]
    Shared {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// Which answers are in the sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(f64);

impl Rate {
    /// A share of all answers, above 0 and at most 1.
    pub fn new(share: f64) -> Option<Self> {
        (share > 0.0 && share <= 1.0).then_some(Self(share))
    }

    /// Whether the answer to this question is in the sample. It follows from the entity and the minute that is answered
    /// for, not from chance: the same question in the same minute is in or out on every machine.
    pub fn takes(self, target: &Target, as_of: AsOf) -> bool {
        let minute = as_of.ms().div_euclid(MINUTE_MS).to_be_bytes();
        let party = target.party.map_or("", features::Party::as_str);
        let parts = [target.level.as_str().as_bytes(), b"/", party.as_bytes(), b"/", target.key.as_bytes(), &minute];
        // The upper 53 bits are a double between 0 and 1, 1 left out.
        let point = (hash_parts(&parts) >> 11) as f64 / (1_u64 << 53) as f64;
        point < self.0
    }
}

/// The file, open for appending.
#[derive(Debug)]
pub struct AnswerLog {
    file: Mutex<File>,
    rate: Rate,
    outage: Outage,
}

impl AnswerLog {
    /// Opens a file, or makes it, for its owner alone.
    pub fn open(path: &Path, rate: Rate) -> Result<Self, AnswerLogError> {
        let unwritable = |source| AnswerLogError::Unwritable { path: path.to_owned(), source };
        let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path).map_err(unwritable)?;
        let mode = file.metadata().map_err(unwritable)?.permissions().mode() & 0o777;
        if mode & !MODE != 0 {
            return Err(AnswerLogError::Shared { path: path.to_owned(), mode });
        }
        Ok(Self { file: Mutex::new(file), rate, outage: Outage::new("the answer log") })
    }

    /// Appends an answer if it is in the sample. One that cannot be written is told of in the service's log and costs
    /// the caller nothing.
    pub(crate) fn note(
        &self,
        target: &Target,
        as_of: AsOf,
        answered_at_ms: i64,
        reply: &Reply,
        response: &v1::GetFeaturesResponse,
    ) {
        if !self.rate.takes(target, as_of) {
            return;
        }
        let line = json!({
            "answered_at": cdr::format_time(answered_at_ms),
            "not_counted_before": not_counted_before(reply, answered_at_ms).map(cdr::format_time),
            "response": response,
        });
        // One write a line: a process that dies leaves whole lines, but for the last.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        self.outage.note(&file.write_all(format!("{line}\n").as_bytes()));
    }
}

/// Before when calls were not counted, if the answer reaches back further.
fn not_counted_before(reply: &Reply, answered_at_ms: i64) -> Option<i64> {
    reply.degraded.iter().find_map(|degradation| match degradation {
        Degradation::CountedSince { since_ms } => Some(*since_ms),
        // Of what nobody knows nothing can be recounted.
        Degradation::NothingCounted | Degradation::CoverageUnknown => Some(answered_at_ms),
        _ => None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use features::{Level, Party};

    use super::*;

    fn target(n: u32) -> Target {
        Target { party: None, level: Level::Phone, key: format!("+1202555{n:04}") }
    }

    #[test]
    fn the_sample_follows_from_the_question_and_is_as_large_as_it_was_asked_for() {
        let rate = Rate::new(0.1).unwrap();
        let at = |ms| AsOf::now(ms);
        let taken = |rate: Rate| (0..10_000).filter(|n| rate.takes(&target(*n), at(1_795_244_765_004))).count();
        assert!((900..1_100).contains(&taken(rate)), "{}", taken(rate));
        assert_eq!(taken(Rate::new(1.0).unwrap()), 10_000);
        let of = |target: &Target, ms| rate.takes(target, at(ms));
        let minute = 1_795_244_760_000;
        assert!((0..1_000).all(|n| of(&target(n), minute) == of(&target(n), minute + 59_999)));
        assert!((0..1_000).any(|n| of(&target(n), minute) != of(&target(n), minute + 60_000)));
        let caller = |n| Target { party: Some(Party::Caller), ..target(n) };
        assert!((0..1_000).any(|n| of(&target(n), minute) != of(&caller(n), minute)));
        for wrong in [0.0, -0.1, 1.1, f64::NAN] {
            assert_eq!(Rate::new(wrong), None);
        }
    }

    #[test]
    fn the_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.jsonl");
        let rate = Rate::new(1.0).unwrap();
        AnswerLog::open(&path, rate).unwrap();
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        AnswerLog::open(&path, rate).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = AnswerLog::open(&path, rate).unwrap_err();
        assert!(matches!(error, AnswerLogError::Shared { mode: 0o644, .. }), "{error}");
        let error = AnswerLog::open(&folder.path().join("no/answers.jsonl"), rate).unwrap_err();
        assert!(matches!(error, AnswerLogError::Unwritable { .. }), "{error}");
    }
}
