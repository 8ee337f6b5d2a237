//! What comes after the file that is read: a copy of it, and the files that have its name next.

use super::{Followed, Source};
use crate::glance::{Beginning, Glance, Place, open, siblings};
use crate::plan::{Found, is_cut, resume};
use crate::resume::FileState;
use crate::{FollowError, Notice, Step};

impl Followed {
    /// Looks whether the last file was emptied, by a rotation that copies. The copy is then read on in its place, and the
    /// file from its beginning behind it.
    pub(super) fn look_for_cut(&mut self, current: usize, step: &mut Step) -> Result<bool, FollowError> {
        if self.files[current].is_fresh {
            return Ok(false);
        }
        let at_path = self.at_path(step)?;
        let Source { state: read, path, file, .. } = &self.files[current];
        let here = Glance::of(path, file).map_err(|error| self.unreadable(error))?;
        let is_begun = read.read_to > 0;
        // Of one that had no whole row at the last look, what it had may have been copied away all the same.
        if !is_cut(read, &here) && (is_begun || here.len == 0) {
            return Ok(false);
        }
        let beside = self.unread_siblings(current)?;
        let found = resume(std::slice::from_ref(read), at_path.as_ref(), &beside);
        if !is_begun && matches!(found.first(), Some(Found::New(glance)) if glance.place == here.place) {
            let state = &mut self.files[current].state;
            (state.modified_ms, state.beginning) = (here.modified_ms, Beginning::of(&here.first));
            return Ok(false);
        }
        if is_begun {
            let copy =
                found.iter().find_map(|found| if let Found::Known(_, copy) = found { Some(*copy) } else { None });
            let (read_to, name) = (read.read_to, copy.map(|copy| copy.path.clone()));
            step.notices.push(Notice::Emptied { path: self.path.clone(), copy: name, read_to });
            let source = &mut self.files[current];
            match copy {
                Some(copy) => {
                    source.file = open(copy)?;
                    source.path.clone_from(&copy.path);
                    source.state.place = copy.place;
                }
                None => source.state.is_over = true,
            }
            if copy.is_some() {
                // It has lost its name, as one that was renamed.
                return Ok(true);
            }
        } else {
            self.files.truncate(current);
        }
        self.open_next(&found, step)?;
        Ok(true)
    }

    /// Whether a file has a successor, or has lost its name.
    pub(super) fn is_replaced(&mut self, current: usize, step: &mut Step) -> Result<bool, FollowError> {
        let place = self.files[current].state.place;
        Ok(current + 1 < self.files.len() || self.at_path(step)?.is_none_or(|at_path| at_path.place != place))
    }

    pub(super) fn is_settled(&mut self, current: usize, now_ms: i64) -> Result<bool, FollowError> {
        let settled = self.files[current].is_settled(now_ms);
        settled.map_err(|error| self.unreadable(error))
    }

    /// Opens what came after the last file: one as a rule, more where nobody looked for long. Whether there is anything.
    pub(super) fn open_successors(&mut self, current: usize, step: &mut Step) -> Result<bool, FollowError> {
        let at_path = self.at_path(step)?;
        let mut beside = self.unread_siblings(current)?;
        let read = &self.files[current].state;
        beside.retain(|glance| read.read_to > 0 || glance.place != read.place);
        let found = resume(std::slice::from_ref(read), at_path.as_ref(), &beside);
        let is_any = found.iter().any(|found| matches!(found, Found::New(_) | Found::Packed(_)));
        if is_any && at_path.is_some() {
            step.notices.push(Notice::Rotated { path: self.path.clone() });
        }
        self.open_next(&found, step)?;
        Ok(current + 1 < self.files.len())
    }

    /// What lies beside the path and was not read before a file of it.
    fn unread_siblings(&self, current: usize) -> Result<Vec<Glance>, FollowError> {
        let mut beside = siblings(&self.path).map_err(|error| self.unreadable(error))?;
        beside.retain(|glance| {
            let is_done =
                |(place, beginning): &(Place, Beginning)| *place == glance.place && beginning.is_of(&glance.first);
            !self.files.iter().take(current).any(|before| before.is_at(glance)) && !self.done.iter().any(is_done)
        });
        Ok(beside)
    }

    /// Opens the first new file. Others are looked for once it is finished: until then they may still be rotated.
    pub(super) fn open_next(&mut self, found: &[Found<'_>], step: &mut Step) -> Result<(), FollowError> {
        for found in found {
            match found {
                Found::New(glance) => return self.open_source(glance, None),
                Found::Packed(glance) => step.notices.push(Notice::Packed { path: glance.path.clone() }),
                // It is open, or its loss was told of.
                Found::Known(..) | Found::Lost(_) => {}
            }
        }
        Ok(())
    }

    /// Opens a file that was looked at, to be read behind all others.
    pub(super) fn open_source(&mut self, glance: &Glance, state: Option<FileState>) -> Result<(), FollowError> {
        if glance.is_packed() || glance.first.starts_with(b"PAR1") {
            return Err(FollowError::NotPlain { path: glance.path.clone() });
        }
        let file = open(glance)?;
        let state = state.unwrap_or_else(|| {
            self.next_serial += 1;
            FileState {
                serial: self.next_serial - 1,
                place: glance.place,
                beginning: Beginning::of(&glance.first),
                modified_ms: glance.modified_ms,
                read_to: 0,
                lines: 0,
                is_over: false,
            }
        });
        self.files.push_back(Source { state, path: glance.path.clone(), file, settled: None, is_fresh: true });
        Ok(())
    }
}
