//! How far a batch run is: a bar for the stage that runs on a terminal, lines of the log elsewhere.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use batch::{Progress, Stage};
use indicatif::{HumanCount, ProgressBar};

use crate::progress;

/// The time between two lines of a stage.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows steps, which may come from several threads.
pub(crate) struct BatchProgress {
    is_terminal: bool,
    /// Stages follow each other: the first one begins here.
    began: Instant,
    shown: Mutex<Option<Shown>>,
}

/// The stage that runs.
struct Shown {
    last: Progress,
    bar: ProgressBar,
    began: Instant,
    /// The last step, and the last line.
    stepped: Instant,
    told: Instant,
}

impl BatchProgress {
    pub(crate) fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), began: Instant::now(), shown: Mutex::new(None) }
    }

    /// Shows a step.
    pub(crate) fn show(&self, step: Progress) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // Threads may report a step of a stage after a later one.
        if shown.as_ref().is_none_or(|shown| shown.last.stage < step.stage) {
            let before = shown.take();
            let began = before.as_ref().map_or(self.began, |before| before.stepped);
            if let Some(before) = before {
                before.bar.finish_and_clear();
            }
            let bar = progress::bar(step.stage.as_str(), step.total, step.stage.unit());
            let none = Progress { done: 0, records: 0, ..step };
            *shown = Some(Shown { last: none, bar, began, stepped: now, told: now });
        }
        let Some(shown) = shown.as_mut().filter(|shown| shown.last.stage == step.stage) else { return };
        shown.stepped = now;
        let was_done = shown.last.done == step.total;
        shown.last.done = shown.last.done.max(step.done);
        shown.last.records = shown.last.records.max(step.records);
        let is_done = shown.last.done == step.total;
        shown.bar.set_position(shown.last.done);
        if shown.last.records > 0 {
            shown.bar.set_message(format!("{} records/s", HumanCount(shown.records_a_second(now))));
        }
        if !self.is_terminal && !was_done && (is_done || now - shown.told >= LINE_EVERY) {
            shown.told = now;
            shown.log(now);
        }
        if is_done && step.stage == Stage::Publish {
            shown.bar.finish_and_clear();
        }
    }
}

impl Shown {
    fn records_a_second(&self, now: Instant) -> u64 {
        (self.last.records as f64 / (now - self.began).as_secs_f64().max(1e-3)) as u64
    }

    fn log(&self, now: Instant) {
        let Progress { stage, done, total, records } = self.last;
        let (stage, unit) = (stage.as_str(), self.last.stage.unit());
        let seconds = (now - self.began).as_secs();
        if records > 0 {
            let records_per_s = self.records_a_second(now);
            tracing::info!(target: "tollwatch", stage, done, total, unit, records, records_per_s, seconds, "batch");
        } else {
            tracing::info!(target: "tollwatch", stage, done, total, unit, seconds, "batch");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_stage_never_shows_more_steps_than_it_has() {
        let shown = BatchProgress::new();
        let step = |stage, done, total| shown.show(Progress { stage, done, total, records: 0 });
        // Steps of two threads, in the order in which they may come.
        for (stage, done, total) in [
            (Stage::Days, 2, 90),
            (Stage::Days, 1, 90),
            (Stage::Days, 90, 90),
            (Stage::RollUp, 1, 6),
            (Stage::Days, 89, 90),
            (Stage::RollUp, 6, 6),
            (Stage::RollUp, 5, 6),
            (Stage::Publish, 1, 5),
        ] {
            step(stage, done, total);
            let shown = shown.shown.lock().unwrap();
            let Shown { last, bar, .. } = shown.as_ref().unwrap();
            assert!(last.done <= last.total, "{last:?}");
            assert_eq!((bar.position(), bar.length()), (last.done, Some(last.total)));
        }
        assert_eq!(shown.shown.lock().unwrap().as_ref().unwrap().last.stage, Stage::Publish);
    }
}
