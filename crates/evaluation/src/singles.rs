//! Thresholds on one feature, chosen on the calibration sets.

use features::{DAY_MS, Party};

use crate::objective::{Objective, Tally};
use crate::rule::beyond;
use crate::tail::Tail;
use crate::truth::{Groups, Moment, Person, Roll, Truth};
use crate::{Columns, Condition, Direction, Evaluation};

/// Values of a party are kept by column and direction, as suspicion.
const DIRECTIONS: usize = Direction::ALL.len();

/// What one calibration set shows of single features: how suspicious its innocent numbers got, and each label.
pub(crate) struct Seen {
    tails: [Vec<Tail>; 2],
    /// By label; `None` where the number was never seen while its campaign ran.
    guilty: Vec<Option<Vec<f64>>>,
}

/// Watches one replay.
pub(crate) struct Watch<'a> {
    truth: &'a Truth<'a>,
    roll: Roll<'a>,
    is_daily: bool,
    day: i64,
    /// By number: the most suspicious of each column and direction since the last flush.
    innocent: [Vec<f64>; 2],
    widths: [usize; 2],
    /// Numbers with values since the last flush.
    touched: [Vec<usize>; 2],
    seen: Seen,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(truth: &'a Truth<'a>, columns: &Columns, objective: Objective) -> Self {
        let widths = Party::ALL.map(|party| columns.of_party(party).len() * DIRECTIONS);
        Self {
            truth,
            roll: Roll::new(truth),
            is_daily: matches!(objective, Objective::FalseAlarmsPerDay(_)),
            day: 0,
            innocent: [Vec::new(), Vec::new()],
            widths,
            touched: [Vec::new(), Vec::new()],
            seen: Seen {
                tails: widths.map(|width| vec![Tail::default(); width]),
                guilty: vec![None; truth.rows.len()],
            },
        }
    }

    pub(crate) fn see(&mut self, evaluation: &Evaluation<'_>) {
        let day = evaluation.at_ms.div_euclid(DAY_MS);
        if self.is_daily && day != self.day {
            self.flush();
        }
        self.day = day;
        let person = self.roll.person(evaluation);
        let is_innocent = match person {
            Person::Innocent => true,
            Person::LeftOut => false,
            Person::Labelled(person) => match self.truth.moment(person, evaluation.at_ms) {
                // What it does outside its campaigns is as innocent as what others do.
                Moment::Innocent => true,
                Moment::Aftermath => false,
                Moment::Campaign => {
                    for row in self.truth.ours(person, evaluation.party, evaluation.at_ms) {
                        let width = self.widths[evaluation.party as usize];
                        let most = self.seen.guilty[row].get_or_insert_with(|| vec![f64::NEG_INFINITY; width]);
                        raise(most, evaluation.values);
                    }
                    false
                }
            },
        };
        if is_innocent {
            self.see_innocent(evaluation);
        }
    }

    fn see_innocent(&mut self, evaluation: &Evaluation<'_>) {
        let party = evaluation.party as usize;
        let (width, values) = (self.widths[party], &mut self.innocent[party]);
        let from = evaluation.place * width;
        if values.len() < from + width {
            values.resize(from + width, f64::NEG_INFINITY);
        }
        let most = &mut values[from..from + width];
        if most.iter().all(|value| *value == f64::NEG_INFINITY) {
            self.touched[party].push(evaluation.place);
        }
        raise(most, evaluation.values);
    }

    pub(crate) fn finish(mut self) -> Seen {
        self.flush();
        self.seen
    }

    fn flush(&mut self) {
        for party in 0..self.widths.len() {
            let width = self.widths[party];
            for place in self.touched[party].drain(..) {
                let most = &mut self.innocent[party][place * width..(place + 1) * width];
                for (tail, value) in self.seen.tails[party].iter_mut().zip(most) {
                    if *value > f64::NEG_INFINITY {
                        tail.push(*value);
                    }
                    *value = f64::NEG_INFINITY;
                }
            }
        }
    }
}

fn raise(most: &mut [f64], values: &[f64]) {
    for (most, value) in most.chunks_exact_mut(DIRECTIONS).zip(values) {
        for (most, direction) in most.iter_mut().zip(Direction::ALL) {
            // NaN raises nothing.
            *most = most.max(direction.suspicion(*value));
        }
    }
}

/// What all calibration sets show.
pub(crate) struct Calibration {
    /// By party, column and direction: the innocent values, the most suspicious first, and whether these are all.
    innocent: [Vec<(Vec<f64>, bool)>; 2],
    /// By group: one a label of ours, `None` where its number was never seen.
    guilty: Vec<Vec<Option<Vec<f64>>>>,
    objective: Objective,
    /// Days of all sets together; where only half of the innocent numbers are looked at, half of them.
    days: f64,
}

/// A threshold, and how good it is.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) condition: Condition,
    pub(crate) score: (f64, f64),
}

impl Calibration {
    pub(crate) fn new(
        sets: Vec<(&Truth<'_>, Seen)>,
        groups: &Groups,
        columns: &Columns,
        objective: Objective,
        days: f64,
    ) -> Self {
        let mut tails = Party::ALL.map(|party| vec![Tail::default(); columns.of_party(party).len() * DIRECTIONS]);
        let mut guilty: Vec<Vec<Option<Vec<f64>>>> = vec![Vec::new(); groups.len()];
        for (truth, seen) in sets {
            for (all, of_set) in tails.iter_mut().flatten().zip(seen.tails.into_iter().flatten()) {
                all.take_in(of_set);
            }
            for (row, most) in truth.rows.iter().zip(seen.guilty).filter(|(row, _)| row.is_ours) {
                guilty[row.group].push(most);
            }
        }
        let innocent = tails.map(|tails| tails.into_iter().map(Tail::descending).collect());
        Self { innocent, guilty, objective, days }
    }

    pub(crate) const fn objective(&self) -> Objective {
        self.objective
    }

    pub(crate) const fn days(&self) -> f64 {
        self.days
    }

    /// Labels of a group.
    pub(crate) fn guilty(&self, group: usize) -> u64 {
        self.guilty[group].len() as u64
    }

    /// The best threshold of each column for a group, on whichever side is better; a column without a useful one has
    /// none.
    pub(crate) fn choose(&self, groups: &Groups, group: usize, columns: &Columns) -> Vec<Choice> {
        let (_, party) = groups.get(group);
        let of_column = |column: usize| {
            let is_whole = columns.of_party(party)[column].is_whole;
            let of_direction = |direction| self.threshold(group, party, column, direction, is_whole);
            // Of two sides that are as good the upper is taken.
            Direction::ALL.into_iter().filter_map(of_direction).reduce(|a, b| if b.score > a.score { b } else { a })
        };
        (0..columns.of_party(party).len()).filter_map(of_column).collect()
    }

    /// Thresholds of a column that name more and more innocent numbers, `steps` of them or fewer, as suspicion.
    pub(crate) fn ladder(&self, party: Party, condition: Condition, steps: &[usize], is_whole: bool) -> Vec<f64> {
        let place = condition.column * DIRECTIONS + condition.direction as usize;
        let (innocent, _) = &self.innocent[party as usize][place];
        let own = condition.direction.suspicion(condition.threshold);
        let rungs =
            steps.iter().map_while(|falsely| innocent.get(*falsely)).map(|value| beyond(*value, f64::MAX, is_whole));
        let mut rungs: Vec<f64> = rungs.chain([own]).collect();
        rungs.sort_by(f64::total_cmp);
        rungs.dedup();
        rungs
    }

    fn threshold(
        &self,
        group: usize,
        party: Party,
        column: usize,
        direction: Direction,
        is_whole: bool,
    ) -> Option<Choice> {
        let place = column * DIRECTIONS + direction as usize;
        let (innocent, is_all) = &self.innocent[party as usize][place];
        let labels = &self.guilty[group];
        let most = labels.iter().flatten().map(|most| most[place]);
        let mut guilty: Vec<f64> = most.filter(|value| *value > f64::NEG_INFINITY).collect();
        guilty.sort_by(|a, b| b.total_cmp(a));
        let mut best: Option<(f64, f64, (f64, f64))> = None;
        for (at, value) in guilty.iter().enumerate() {
            let next_guilty = guilty.get(at + 1).copied();
            if next_guilty == Some(*value) {
                continue;
            }
            let falsely = innocent.partition_point(|other| other >= value);
            if falsely == innocent.len() && !is_all {
                // More than are kept: it is not known how many.
                break;
            }
            let tally = Tally { guilty: labels.len() as u64, found: at as u64 + 1, falsely: falsely as u64 };
            let Some(score) = self.objective.score(tally, self.days) else { continue };
            if best.is_none_or(|(_, _, best)| score >= best) {
                let below = [innocent.get(falsely).copied(), next_guilty].into_iter().flatten().reduce(f64::max);
                best = Some((*value, below.unwrap_or(f64::NEG_INFINITY), score));
            }
        }
        let (value, below, score) = best?;
        let threshold = if below.is_finite() { beyond(below, value, is_whole) } else { value };
        Some(Choice { condition: Condition { column, direction, threshold: direction.suspicion(threshold) }, score })
    }
}
