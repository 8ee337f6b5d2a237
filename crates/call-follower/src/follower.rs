//! All followed files, and the resume point that tells what of them is safe.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use call_files::ReadOptions;
use cdr::NumberPlan;

use crate::FollowError;
use crate::followed::Followed;
use crate::resume::{PathState, Resume, ResumeFile};
use crate::step::Step;

/// How files are followed.
#[derive(Clone)]
pub struct Settings {
    /// Reads their numbers.
    pub plan: Arc<NumberPlan>,
    /// How they are read.
    pub options: ReadOptions,
    /// How long, in milliseconds, a call waits for further legs after the last one.
    pub linger_ms: i64,
    /// A text that differs where the same rows would be other calls, or go elsewhere. It stands in the resume point.
    pub name: String,
}

/// Reads rows as they are written. Take a [`Follower::next`] step, put its calls on the stream, and say so by
/// [`Follower::confirm`]: what is not confirmed comes again after a restart, made of the same rows.
pub struct Follower {
    settings: Settings,
    files: Vec<Followed>,
    /// What is known of paths that are not followed this time.
    others: Vec<PathState>,
    resume: ResumeFile,
    /// Whether the resume point on the disk is not what it should be.
    is_dirty: bool,
}

impl Follower {
    /// Goes on where the resume point says, or begins with the files as they are.
    pub fn start(paths: &[PathBuf], resume: &Path, settings: Settings) -> Result<Self, FollowError> {
        let file = ResumeFile::lock(resume)?;
        let mut known = file.read()?.unwrap_or_else(|| Resume::new(settings.name.clone(), Vec::new()));
        if known.settings != settings.name {
            let (was, now) = (known.settings, settings.name);
            return Err(FollowError::OtherSettings { path: resume.to_owned(), was, now });
        }
        let files = paths.iter().map(|path| {
            let state = known.paths.iter().position(|known| known.path == *path);
            Followed::new(path, state.map(|place| known.paths.swap_remove(place)), &settings)
        });
        let files = files.collect();
        Ok(Self { settings, files, others: known.paths, resume: file, is_dirty: false })
    }

    /// What there is to do at `now_ms`, in milliseconds since 1970 UTC: it decides when a call waits no longer for legs,
    /// and nothing else about calls. What came of the step before must be confirmed, or the follower dropped.
    pub fn next(&mut self, now_ms: i64) -> Result<Step, FollowError> {
        let mut step = Step::default();
        for file in &mut self.files {
            self.is_dirty |= file.read(&self.settings, now_ms, &mut step)?;
        }
        self.note()?;
        Ok(step)
    }

    /// All calls of the last step are on the stream.
    pub fn confirm(&mut self) {
        for file in &mut self.files {
            self.is_dirty |= file.confirm();
        }
    }

    /// Brings to the disk what was confirmed last: the end of following. Without it the last calls come once more.
    pub fn finish(mut self) -> Result<(), FollowError> {
        self.note()
    }

    fn note(&mut self) -> Result<(), FollowError> {
        if self.is_dirty {
            let paths = self.files.iter().map(Followed::state).chain(self.others.iter().cloned()).collect();
            self.resume.write(&Resume::new(self.settings.name.clone(), paths))?;
            self.is_dirty = false;
        }
        Ok(())
    }
}
