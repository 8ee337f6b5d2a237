//! What an evaluation says.

use std::collections::BTreeMap;

use features::MINUTE_MS;
use serde::Serialize;
use smol_str::SmolStr;

use crate::limits::WEAK_BELOW;
use crate::measure::{Measured, columns_of};
use crate::objective::f1;
use crate::rule::Rule;
use crate::truth::{Groups, Truth};
use crate::{Columns, Objective, Replayed};

/// An evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How thresholds were chosen.
    pub objective: Objective,
    /// The sets they were chosen on.
    pub calibration: Vec<SetReport>,
    /// The sets that had no say in that.
    pub held_out: Vec<SetReport>,
    /// Whether these are halves of the same calls.
    pub are_halves: bool,
    /// Every scheme and role, in order of names.
    pub groups: Vec<GroupReport>,
}

/// What was replayed of a set.
#[derive(Clone, Debug, Serialize)]
pub struct SetReport {
    /// Its name.
    pub name: String,
    /// Records, duplicates included.
    pub records: u64,
    /// Records of calls that were counted before.
    pub duplicates: u64,
    /// Records that came later than every window.
    pub too_late: u64,
    /// Days from the first record to the last, at least 1.
    pub days: f64,
}

impl SetReport {
    pub(crate) fn new(name: &str, replayed: &Replayed) -> Self {
        let Replayed { records, duplicates, too_late, .. } = *replayed;
        Self { name: name.to_owned(), records, duplicates, too_late, days: replayed.days() }
    }
}

/// The rules for the numbers of one role in one scheme.
#[derive(Clone, Debug, Serialize)]
pub struct GroupReport {
    /// The scheme.
    pub scheme: String,
    /// `caller` or `callee`.
    pub role: &'static str,
    /// Labelled numbers and campaigns of the calibration sets.
    pub calibration: Labelled,
    /// The same of the held-out sets.
    pub held_out: Labelled,
    /// A rule a feature and window that has a useful threshold, and the best pairs; the best on the held-out sets first.
    pub rules: Vec<RuleReport>,
}

impl GroupReport {
    /// The rule that the calibration sets would choose; `None` where no threshold is of use.
    pub fn chosen(&self) -> Option<&RuleReport> {
        self.rules.iter().find(|rule| rule.is_chosen)
    }
}

/// How many there are to find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Labelled {
    /// Numbers, each once a campaign.
    pub numbers: u64,
    /// Campaigns.
    pub campaigns: u64,
}

/// One rule.
#[derive(Clone, Debug, Serialize)]
pub struct RuleReport {
    /// As people read it, such as `calls_5m >= 13`.
    pub rule: String,
    /// The features in it, such as `calls_5m`.
    pub features: Vec<String>,
    /// Whether the calibration sets would choose it.
    pub is_chosen: bool,
    /// What it does where its thresholds were chosen.
    pub calibration: Outcome,
    /// What it does where they were not.
    pub held_out: Outcome,
}

/// What a rule does to some sets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Labelled numbers, each once a campaign.
    pub numbers: u64,
    /// Those of them that were named while their campaign ran.
    pub found: u64,
    /// Innocent numbers that were named.
    pub falsely: u64,
    /// Numbers in campaigns of other schemes that were named: neither true nor false here.
    pub of_other_schemes: u64,
    /// Found of found and falsely named; `None` where nobody was named.
    pub precision: Option<f64>,
    /// Found of those that took part; `None` where none did.
    pub recall: Option<f64>,
    /// The harmonic mean of the two.
    pub f1: f64,
    /// Innocent numbers named a day, each once a UTC day, in the mean of the sets' days.
    pub false_alarms_a_day: f64,
    /// Every campaign.
    pub campaigns: Detections,
    /// Those of strength below [`WEAK_BELOW`]; `None` where there is none.
    pub weak: Option<Detections>,
    /// Those of more strength; `None` where there is none.
    pub strong: Option<Detections>,
}

/// When campaigns were found: a campaign is, when the first of its numbers is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Detections {
    /// How many there are.
    pub campaigns: u64,
    /// How many were found.
    pub found: u64,
    /// Of those found, the median of the minutes from the campaign's beginning; `None` where none was.
    pub median_minutes: Option<f64>,
    /// These minutes, ascending.
    pub minutes: Vec<f64>,
}

/// A set with what its replay says.
pub(crate) struct Set<'a> {
    pub(crate) truth: &'a Truth<'a>,
    pub(crate) measured: Measured,
    pub(crate) days: f64,
}

/// What the rules did, group by group.
pub(crate) fn groups(
    rules: &[Rule],
    groups: &Groups,
    columns: &Columns,
    objective: Objective,
    calibration: &[Set<'_>],
    held_out: &[Set<'_>],
) -> Vec<GroupReport> {
    let of_group = |group: usize| {
        let (scheme, role) = groups.get(group);
        let mine = rules.iter().enumerate().filter(|(_, rule)| rule.group == group);
        let mut reports: Vec<RuleReport> = mine
            .map(|(place, rule)| RuleReport {
                rule: rule.text(columns, role),
                features: columns_of(rule, groups, columns).into_iter().map(str::to_owned).collect(),
                is_chosen: false,
                calibration: outcome(place, group, calibration),
                held_out: outcome(place, group, held_out),
            })
            .collect();
        // By what the calibration sets say alone.
        reports.sort_by(|a, b| better(objective, (a, &a.calibration), (b, &b.calibration)));
        if let Some(first) = reports.first_mut() {
            first.is_chosen = true;
        }
        reports.sort_by(|a, b| better(Objective::BestF1, (a, &a.held_out), (b, &b.held_out)));
        GroupReport {
            scheme: scheme.to_owned(),
            role: role.as_str(),
            calibration: labelled(group, calibration),
            held_out: labelled(group, held_out),
            rules: reports,
        }
    };
    (0..groups.len()).map(of_group).collect()
}

/// The better outcome first: by the objective, then more campaigns, then sooner, then the simpler rule.
fn better(objective: Objective, a: (&RuleReport, &Outcome), b: (&RuleReport, &Outcome)) -> std::cmp::Ordering {
    let key = |(_, outcome): (&RuleReport, &Outcome)| {
        let aim = match objective {
            Objective::BestF1 => outcome.f1,
            Objective::FalseAlarmsPerDay(_) => outcome.found as f64,
        };
        let soon = -outcome.campaigns.median_minutes.unwrap_or(f64::MAX);
        [aim, outcome.campaigns.found as f64, soon]
    };
    let (of_a, of_b) = (key(a), key(b));
    let by_figures = of_b.iter().zip(&of_a).map(|(b, a)| b.total_cmp(a)).find(|order| order.is_ne());
    let simpler = || a.0.features.len().cmp(&b.0.features.len()).then_with(|| a.0.rule.cmp(&b.0.rule));
    by_figures.unwrap_or_else(simpler)
}

fn labelled(group: usize, sets: &[Set<'_>]) -> Labelled {
    let campaigns = sets.iter().map(|set| campaigns(group, set).len() as u64).sum();
    let numbers = sets.iter().map(|set| ours(group, set).count() as u64).sum();
    Labelled { numbers, campaigns }
}

fn ours<'a>(group: usize, set: &'a Set<'_>) -> impl Iterator<Item = usize> + 'a {
    let rows = set.truth.rows.iter().enumerate();
    rows.filter(move |(_, row)| row.is_ours && row.group == group).map(|(place, _)| place)
}

/// The labels of each campaign.
fn campaigns(group: usize, set: &Set<'_>) -> BTreeMap<SmolStr, Vec<usize>> {
    let mut campaigns: BTreeMap<SmolStr, Vec<usize>> = BTreeMap::new();
    for row in ours(group, set) {
        campaigns.entry(set.truth.labels.rows()[row].campaign.clone()).or_default().push(row);
    }
    campaigns
}

fn outcome(rule: usize, group: usize, sets: &[Set<'_>]) -> Outcome {
    let sum = |of: fn(&Measured) -> &Vec<u64>| sets.iter().map(|set| of(&set.measured)[rule]).sum::<u64>();
    let numbers: u64 = labelled(group, sets).numbers;
    let is_found = |set: &&Set<'_>, row: &usize| set.measured.found.contains_key(&(rule, *row));
    let found: u64 = sets.iter().map(|set| ours(group, set).filter(|row| is_found(&set, row)).count() as u64).sum();
    let falsely = sum(|measured| &measured.falsely);
    let share = |of: u64, all: u64| (all > 0).then(|| of as f64 / all as f64);
    let scaled_days = |set: &Set<'_>| set.measured.false_days[rule] as f64 * set.truth.scale();
    let days: f64 = sets.iter().map(|set| set.days).sum();
    let false_alarms_a_day = sets.iter().map(scaled_days).sum::<f64>() / days;
    let all = detections(rule, group, sets, |_| true);
    let some = |detections: Detections| (detections.campaigns > 0).then_some(detections);
    Outcome {
        numbers,
        found,
        falsely,
        of_other_schemes: sum(|measured| &measured.of_others),
        precision: share(found, found + falsely),
        recall: share(found, numbers),
        f1: f1(numbers, found, falsely),
        false_alarms_a_day: if days > 0.0 { false_alarms_a_day } else { 0.0 },
        campaigns: all,
        weak: some(detections(rule, group, sets, |strength| strength.is_some_and(|strength| strength < WEAK_BELOW))),
        strong: some(detections(rule, group, sets, |strength| {
            strength.is_some_and(|strength| strength >= WEAK_BELOW)
        })),
    }
}

/// The campaigns of some strength.
fn detections(rule: usize, group: usize, sets: &[Set<'_>], is_asked: impl Fn(Option<f64>) -> bool) -> Detections {
    let mut detections = Detections::default();
    for set in sets {
        let labels = set.truth.labels.rows();
        for rows in campaigns(group, set).into_values() {
            if !is_asked(rows.iter().find_map(|row| labels[*row].strength)) {
                continue;
            }
            detections.campaigns += 1;
            let start_ms = rows.iter().map(|row| labels[*row].start_ms).min();
            let found_ms = rows.iter().filter_map(|row| set.measured.found.get(&(rule, *row))).min();
            if let (Some(start_ms), Some(found_ms)) = (start_ms, found_ms) {
                detections.minutes.push((found_ms - start_ms) as f64 / MINUTE_MS as f64);
            }
        }
    }
    detections.found = detections.minutes.len() as u64;
    detections.minutes.sort_by(f64::total_cmp);
    detections.median_minutes = median(&detections.minutes);
    detections
}

fn median(ascending: &[f64]) -> Option<f64> {
    let middle = ascending.len() / 2;
    match ascending.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(ascending[middle]),
        _ => Some(f64::midpoint(ascending[middle - 1], ascending[middle])),
    }
}
