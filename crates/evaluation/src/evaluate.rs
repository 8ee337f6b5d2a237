//! From data sets to a report.

use std::sync::Arc;

use features::{DAY_MS, FeatureSet};

use crate::limits::SCHEMES_MAX;
use crate::objective::Objective;
use crate::report::{Set, SetReport};
use crate::rule::Rule;
use crate::singles::Calibration;
use crate::truth::{Groups, Half, Truth};
use crate::{
    Calls, Columns, Evaluation, EvaluationError, Labels, Replayed, Report, measure, pairs, parallel, report,
};
use crate::{replay, singles};

/// Calls, and what is known of the fraud among them.
#[derive(Clone)]
pub struct DataSet<'a> {
    /// For messages, such as `seed 4`.
    pub name: String,
    /// The calls.
    pub calls: &'a dyn Calls,
    /// The labels.
    pub labels: &'a Labels,
    /// Which half of it this is, where the same calls are calibration and held-out set.
    pub half: Option<Half>,
}

/// How it is evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What a good threshold is.
    pub objective: Objective,
    /// Data sets that are replayed at once; each takes memory of its own.
    pub threads: usize,
}

/// How often data sets are replayed: for the progress that [`evaluate`] tells of.
pub const fn replays(calibration: usize, held_out: usize) -> usize {
    3 * calibration + held_out
}

/// Chooses thresholds on the calibration sets and measures them on the held-out sets, which are not looked at before.
/// `done` is called after each replay.
pub fn evaluate(
    set: &Arc<FeatureSet>,
    calibration: &[DataSet<'_>],
    held_out: &[DataSet<'_>],
    options: Options,
    done: &(dyn Fn() + Sync),
) -> Result<Report, EvaluationError> {
    let columns = Columns::of(set);
    if columns.is_empty() {
        return Err(EvaluationError::NoColumns);
    }
    let groups = Groups::of(calibration.iter().chain(held_out).map(|set| set.labels));
    if groups.schemes() > SCHEMES_MAX {
        return Err(EvaluationError::TooManySchemes { schemes: groups.schemes() });
    }
    let bench = Bench { set, columns: &columns, groups: &groups, options, done };
    let truths = bench.truths(calibration);
    if truths.iter().all(|(_, truth)| truth.rows.iter().all(|row| !row.is_ours)) {
        return Err(EvaluationError::NothingLabelled);
    }
    let rules = bench.rules(&truths)?;
    let (calibration_reports, calibration_sets) = bench.measure(&rules, &truths)?;
    let held_out_truths = bench.truths(held_out);
    let (held_out_reports, held_out_sets) = bench.measure(&rules, &held_out_truths)?;
    let objective = options.objective;
    Ok(Report {
        objective,
        calibration: calibration_reports,
        held_out: held_out_reports,
        are_halves: calibration.iter().any(|set| set.half.is_some()),
        groups: report::groups(&rules, &groups, &columns, objective, &calibration_sets, &held_out_sets),
    })
}

impl Replayed {
    /// Days from the first record to the last, at least 1.
    pub(crate) fn days(&self) -> f64 {
        self.span.map_or(1.0, |(first_ms, last_ms)| ((last_ms - first_ms) as f64 / DAY_MS as f64).max(1.0))
    }
}

type SetTruth<'a> = (&'a DataSet<'a>, Truth<'a>);

struct Bench<'a> {
    set: &'a Arc<FeatureSet>,
    columns: &'a Columns,
    groups: &'a Groups,
    options: Options,
    done: &'a (dyn Fn() + Sync),
}

impl Bench<'_> {
    fn truths<'b>(&self, sets: &'b [DataSet<'b>]) -> Vec<SetTruth<'b>> {
        sets.iter().map(|set| (set, Truth::new(set.labels, set.half, self.groups))).collect()
    }

    /// Thresholds on single features, and on pairs of the best.
    fn rules(&self, truths: &[SetTruth<'_>]) -> Result<Vec<Rule>, EvaluationError> {
        let objective = self.options.objective;
        let seen = self.each(truths, |(set, truth)| {
            let mut watch = singles::Watch::new(truth, self.columns, objective);
            let replayed = self.replay(set, &mut |evaluation| watch.see(evaluation))?;
            Ok((replayed.days() / truth.scale(), watch.finish()))
        })?;
        let days = seen.iter().map(|(days, _)| days).sum();
        let sets = truths.iter().zip(seen).map(|((_, truth), (_, seen))| (truth, seen)).collect();
        let calibration = Calibration::new(sets, self.groups, self.columns, objective, days);
        let choose = |group| calibration.choose(self.groups, group, self.columns);
        let choices: Vec<_> = (0..self.groups.len()).map(choose).collect();

        let plan = pairs::Plan::new(&calibration, &choices, self.groups, self.columns);
        let seen = self.each(truths, |(set, truth)| {
            let mut watch = pairs::Watch::new(&plan, truth);
            self.replay(set, &mut |evaluation| watch.see(evaluation))?;
            Ok(watch.finish())
        })?;
        let single = |(group, choices): (usize, Vec<singles::Choice>)| {
            choices.into_iter().map(move |choice| Rule { group, conditions: vec![choice.condition] })
        };
        let mut rules: Vec<Rule> = choices.into_iter().enumerate().flat_map(single).collect();
        rules.extend(plan.choose(&seen, &calibration));
        Ok(rules)
    }

    fn measure<'b>(
        &self,
        rules: &[Rule],
        truths: &'b [SetTruth<'b>],
    ) -> Result<(Vec<SetReport>, Vec<Set<'b>>), EvaluationError> {
        let measured = self.each(truths, |(set, truth)| {
            let mut watch = measure::Watch::new(rules, self.groups, truth);
            let replayed = self.replay(set, &mut |evaluation| watch.see(evaluation))?;
            Ok((replayed, watch.finish()))
        })?;
        let of_set = |((set, truth), (replayed, measured)): (&'b SetTruth<'b>, (Replayed, measure::Measured))| {
            (SetReport::new(&set.name, &replayed), Set { truth, measured, days: replayed.days() })
        };
        Ok(truths.iter().zip(measured).map(of_set).unzip())
    }

    fn each<T: Send>(
        &self,
        truths: &[SetTruth<'_>],
        work: impl Fn(&SetTruth<'_>) -> Result<T, EvaluationError> + Sync,
    ) -> Result<Vec<T>, EvaluationError> {
        parallel::map(truths, self.options.threads, |truth| {
            let made = work(truth);
            (self.done)();
            made
        })
    }

    fn replay(&self, set: &DataSet<'_>, watch: &mut dyn FnMut(&Evaluation<'_>)) -> Result<Replayed, EvaluationError> {
        let replayed = replay(self.set, self.columns, set.calls, watch);
        let replayed = replayed.map_err(|source| EvaluationError::Calls { set: set.name.clone(), source })?;
        if replayed.records == 0 {
            return Err(EvaluationError::NoCalls { set: set.name.clone() });
        }
        Ok(replayed)
    }
}
