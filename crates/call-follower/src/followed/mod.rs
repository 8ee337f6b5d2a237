//! One followed path: the files that had its name one after the other, as far as they are not done.

mod successors;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};

use call_files::{LegStart, Place};

use crate::follower::Settings;
use crate::glance::{Beginning, Glance, Place as FilePlace, siblings};
use crate::limits::{DONE_MAX, SETTLE_MS, STEP_CALLS, STEP_ROWS};
use crate::merging::{Became, Merging, RowLeg};
use crate::plan::{Found, resume};
use crate::resume::{FileState, PathState, RowId};
use crate::rows::Rows;
use crate::{FollowError, Notice, Step};

/// A path and what is known of it.
pub(crate) struct Followed {
    path: PathBuf,
    /// The oldest first; all but the last have a successor.
    files: VecDeque<Source>,
    next_serial: u64,
    merging: Merging,
    /// Rows whose calls are open.
    open: BTreeSet<RowId>,
    /// The rows of each call that was handed out and is not confirmed.
    putting: Vec<Vec<RowId>>,
    /// What a run before this one left, until the first look.
    left: Option<PathState>,
    is_waiting: bool,
    /// The last files that are done: they may lie beside the path for long.
    done: VecDeque<(FilePlace, Beginning)>,
}

/// A file that is read.
struct Source {
    state: FileState,
    /// The name under which it was found.
    path: PathBuf,
    file: File,
    /// Since when, in milliseconds, it has not grown, and how long it is: of one that has a successor.
    settled: Option<(i64, u64)>,
    /// Whether it was opened in this look, and all that was written before it with it.
    is_fresh: bool,
}

impl Followed {
    /// One that begins, or goes on.
    pub fn new(path: &Path, left: Option<PathState>, settings: &Settings) -> Self {
        Self {
            path: path.to_owned(),
            files: VecDeque::new(),
            next_serial: 0,
            merging: Merging::new(settings.linger_ms),
            open: BTreeSet::new(),
            putting: Vec::new(),
            left: left.or_else(|| Some(PathState { path: path.to_owned(), ..PathState::default() })),
            is_waiting: false,
            done: VecDeque::new(),
        }
    }

    /// What the resume point has of it.
    pub fn state(&self) -> PathState {
        // Nothing was looked at yet: what is on the disk stands.
        if let Some(left) = &self.left {
            return left.clone();
        }
        PathState {
            path: self.path.clone(),
            files: self.files.iter().map(|source| source.state.clone()).collect(),
            open: self.open.iter().copied().collect(),
            putting: self.putting.clone(),
        }
    }

    /// The calls that were handed out are on the stream. Whether that changes anything.
    pub fn confirm(&mut self) -> bool {
        if self.putting.is_empty() {
            return false;
        }
        self.putting.clear();
        self.forget_what_is_done();
        true
    }

    /// Reads what there is, as much as a step takes. Whether there was anything.
    pub fn read(&mut self, settings: &Settings, now_ms: i64, step: &mut Step) -> Result<bool, FollowError> {
        let mut is_changed = false;
        self.files.iter_mut().for_each(|source| source.is_fresh = false);
        if let Some(left) = self.left.take() {
            self.resume(&left, settings, now_ms, step)?;
            is_changed = true;
        } else if self.files.is_empty() {
            is_changed = self.open_first(step)?;
        }
        let mut budget = Budget { calls: STEP_CALLS, rows: STEP_ROWS };
        while let Some(current) = self.files.iter().position(|source| !source.state.is_over) {
            if current + 1 == self.files.len() {
                is_changed |= self.look_for_cut(current, step)?;
            }
            is_changed |= self.read_rows(current, false, settings, now_ms, &mut budget, step)?;
            if budget.is_spent() {
                step.is_full = true;
                return Ok(true);
            }
            // One that has its name still is written on. Of another the last row may have no end of a line: nobody will
            // write one, once it has not grown for a while.
            if !self.is_replaced(current, step)? || !self.is_settled(current, now_ms)? {
                break;
            }
            is_changed |= self.read_rows(current, true, settings, now_ms, &mut budget, step)?;
            if budget.is_spent() {
                step.is_full = true;
                return Ok(true);
            }
            if current + 1 == self.files.len() && !self.open_successors(current, step)? {
                break;
            }
            self.files[current].state.is_over = true;
            is_changed = true;
        }
        let became = self.merging.advance_to(now_ms);
        is_changed |= !became.is_empty();
        self.take(became, step);
        self.forget_what_is_done();
        Ok(is_changed)
    }

    /// Finds the files that were being read, and reads their open rows again.
    fn resume(
        &mut self,
        left: &PathState,
        settings: &Settings,
        now_ms: i64,
        step: &mut Step,
    ) -> Result<(), FollowError> {
        let at_path = self.at_path(step)?;
        let beside = match left.files.is_empty() {
            true => Vec::new(),
            false => siblings(&self.path).map_err(|error| self.unreadable(error))?,
        };
        self.next_serial = left.files.last().map_or(0, |file| file.serial + 1);
        let listed = |serial: u64| {
            let rows = left.open.iter().chain(left.putting.iter().flatten());
            rows.filter(|row| row.file == serial).count()
        };
        let found = resume(&left.files, at_path.as_ref(), &beside);
        for found in &found {
            match *found {
                Found::Known(place, glance) => {
                    let state = FileState { place: glance.place, ..left.files[place].clone() };
                    if !state.is_over {
                        let (path, read_to) = (glance.path.clone(), state.read_to);
                        step.notices.push(Notice::Resumed { path, read_to });
                    }
                    self.open_source(glance, Some(state))?;
                }
                Found::New(_) | Found::Packed(_) => {}
                Found::Lost(place) => {
                    let file = &left.files[place];
                    let rows = listed(file.serial);
                    if rows > 0 || !file.is_over {
                        step.notices.push(Notice::Lost { path: self.path.clone(), from: file.read_to, rows });
                    }
                }
            }
        }
        if self.files.iter().all(|source| source.state.is_over) {
            self.open_next(&found, step)?;
        }
        self.read_again(left, settings, now_ms, step)
    }

    /// Opens what has the name, where nothing had it. Whether there is anything.
    fn open_first(&mut self, step: &mut Step) -> Result<bool, FollowError> {
        let at_path = self.at_path(step)?;
        at_path.iter().try_for_each(|glance| self.open_source(glance, None))?;
        Ok(at_path.is_some())
    }

    /// What has the name now. That nothing has it is told once.
    fn at_path(&mut self, step: &mut Step) -> Result<Option<Glance>, FollowError> {
        let at_path = Glance::at(&self.path).map_err(|error| self.unreadable(error))?;
        if at_path.is_none() && !self.is_waiting {
            step.notices.push(Notice::Waiting { path: self.path.clone() });
        }
        self.is_waiting = at_path.is_none();
        Ok(at_path)
    }

    /// Reads the rows again that are listed in a resume point: those of calls that were being put become the same calls,
    /// those of open calls wait for more.
    fn read_again(
        &mut self,
        left: &PathState,
        settings: &Settings,
        now_ms: i64,
        step: &mut Step,
    ) -> Result<(), FollowError> {
        let groups =
            left.putting.iter().enumerate().flat_map(|(group, rows)| rows.iter().map(move |row| (*row, Some(group))));
        // By where they end, and with the call that each was part of.
        let listed = groups.chain(left.open.iter().map(|row| (*row, None)));
        let listed: HashMap<(u64, u64), (RowId, Option<usize>)> =
            listed.map(|(row, group)| ((row.file, row.end), (row, group))).collect();
        let mut legs: Vec<Vec<RowLeg>> = left.putting.iter().map(|_| Vec::new()).collect();
        let mut became = Vec::new();
        for source in &self.files {
            let FileState { serial, read_to, is_over, .. } = source.state;
            let from = listed.values().filter(|(row, _)| row.file == serial).map(|(row, _)| row.start).min();
            let Some(offset) = from else { continue };
            // The last row of one that is over had no end of a line, perhaps.
            let start = LegStart { place: Place { offset, lines: 0 }, growing: !is_over };
            let Some(mut rows) = Rows::open(settings, serial, &source.path, &source.file, start)? else { continue };
            while rows.place().offset < read_to
                && let Some(row) = rows.next()?
            {
                let Ok(mut row) = row else { continue };
                match listed.get(&(serial, row.id.end)) {
                    Some((id, Some(group))) => {
                        row.id = *id;
                        legs[*group].push(row);
                    }
                    Some((id, None)) => {
                        row.id = *id;
                        self.open.insert(*id);
                        became.extend(self.merging.push(row, now_ms));
                    }
                    None => {}
                }
            }
        }
        for (group, legs) in left.putting.iter().zip(legs) {
            // One whose file is lost was told of: of the rest another call would be made.
            if legs.len() == group.len() {
                step.calls.extend(Merging::whole(settings.linger_ms, legs));
                self.putting.push(group.clone());
            }
        }
        self.take(became, step);
        Ok(())
    }

    /// Reads the rows of a file from where it was left, those that are whole or, at its end, all. Whether there were any.
    fn read_rows(
        &mut self,
        place: usize,
        is_end: bool,
        settings: &Settings,
        now_ms: i64,
        budget: &mut Budget,
        step: &mut Step,
    ) -> Result<bool, FollowError> {
        let source = &self.files[place];
        let unreadable = |path: &Path, source| FollowError::Unreadable { path: path.to_owned(), source };
        let (serial, from) = (source.state.serial, source.state.read_to);
        if source.file.metadata().map_err(|error| unreadable(&source.path, error))?.len() <= from {
            return Ok(false);
        }
        let start = LegStart { place: Place { offset: from, lines: source.state.lines }, growing: !is_end };
        let Some(mut rows) = Rows::open(settings, serial, &source.path, &source.file, start)? else {
            return Ok(false);
        };
        let mut became = Vec::new();
        while !budget.is_spent()
            && let Some(row) = rows.next()?
        {
            step.rows += 1;
            budget.rows = budget.rows.saturating_sub(1);
            match row {
                Ok(row) => {
                    self.open.insert(row.id);
                    let more = self.merging.push(row, now_ms);
                    budget.calls = budget.calls.saturating_sub(more.len());
                    became.extend(more);
                }
                Err(error) => step.refused.push((source.path.clone(), error)),
            }
        }
        let read = rows.place();
        let source = &mut self.files[place];
        (source.state.read_to, source.state.lines) = (read.offset, read.lines);
        let glance = Glance::of(&source.path, &source.file).map_err(|error| unreadable(&source.path, error))?;
        source.state.modified_ms = glance.modified_ms;
        source.state.beginning = Beginning::of(&glance.first);
        self.take(became, step);
        Ok(read.offset > from)
    }

    /// Calls that are whole are handed out; their rows are no longer open.
    fn take(&mut self, became: Vec<Became>, step: &mut Step) {
        for became in became {
            match became {
                Became::Call(call, rows) => {
                    for row in &rows {
                        self.open.remove(row);
                    }
                    self.putting.push(rows);
                    step.calls.push(*call);
                }
                Became::Refused(row, error) => {
                    self.open.remove(&row);
                    let path = self.files.iter().find(|source| source.state.serial == row.file);
                    let path = path.map_or(&self.path, |source| &source.path);
                    step.refused.push((path.clone(), error));
                }
            }
        }
    }

    /// Lets files go that are over and of which no row is listed.
    fn forget_what_is_done(&mut self) {
        while let Some(first) = self.files.front()
            && first.state.is_over
            && !self.open.iter().chain(self.putting.iter().flatten()).any(|row| row.file == first.state.serial)
        {
            if let Some(Source { state, .. }) = self.files.pop_front() {
                self.done.push_back((state.place, state.beginning));
                if self.done.len() > DONE_MAX {
                    self.done.pop_front();
                }
            }
        }
    }

    fn unreadable(&self, source: std::io::Error) -> FollowError {
        FollowError::Unreadable { path: self.path.clone(), source }
    }
}

impl Source {
    /// Whether that is it, or a copy of it.
    fn is_at(&self, glance: &Glance) -> bool {
        let beginning = &self.state.beginning;
        self.state.place == glance.place || self.state.read_to > 0 && beginning.is_of(&glance.first)
    }

    /// Whether it is read to its end and has not grown for a while.
    fn is_settled(&mut self, now_ms: i64) -> std::io::Result<bool> {
        let len = self.file.metadata()?.len();
        match self.settled {
            Some((since_ms, settled)) if settled == len => Ok(now_ms - since_ms >= SETTLE_MS),
            _ => {
                self.settled = Some((now_ms, len));
                Ok(false)
            }
        }
    }
}

/// What is left of a step.
struct Budget {
    calls: usize,
    rows: usize,
}

impl Budget {
    const fn is_spent(&self) -> bool {
        self.calls == 0 || self.rows == 0
    }
}
