//! Thresholds on two features at once, chosen on the calibration sets.

use std::cmp::Reverse;
use std::collections::HashMap;

use features::{DAY_MS, Party};

use crate::limits::{LEVELS, PAIR_FEATURES, PAIR_STEPS, PAIRS_KEPT};
use crate::objective::{Objective, Tally};
use crate::rule::Rule;
use crate::singles::{Calibration, Choice};
use crate::truth::{Groups, Moment, Person, Roll, Truth};
use crate::{Columns, Condition, Direction, Evaluation};

/// Thresholds of one feature, from the most sensitive one on, as suspicion; at most [`LEVELS`].
#[derive(Debug)]
struct Ladder {
    column: usize,
    direction: Direction,
    rungs: Vec<f64>,
}

impl Ladder {
    /// How many thresholds hold; 0 where none does.
    fn level(&self, values: &[f64]) -> u8 {
        let suspicion = self.direction.suspicion(values[self.column]);
        // NaN is at none.
        self.rungs.partition_point(|rung| *rung <= suspicion) as u8
    }

    fn condition(&self, rung: usize) -> Condition {
        let threshold = self.direction.suspicion(self.rungs[rung]);
        Condition { column: self.column, direction: self.direction, threshold }
    }
}

/// The features of a scheme and role that are tried together, by place in `ladders`.
#[derive(Debug)]
struct Candidates {
    group: usize,
    ladders: Vec<Ladder>,
}

impl Candidates {
    /// Every two of them.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let count = self.ladders.len();
        (0..count).flat_map(move |first| (first + 1..count).map(move |second| (first, second)))
    }
}

/// Which pairs are tried.
#[derive(Debug)]
pub(crate) struct Plan {
    by_party: [Vec<Candidates>; 2],
    is_daily: bool,
}

impl Plan {
    /// The best features of each group by what was chosen for them alone, each over its best window.
    pub(crate) fn new(
        calibration: &Calibration,
        singles: &[Vec<Choice>],
        groups: &Groups,
        columns: &Columns,
    ) -> Self {
        let candidates = |party: Party| {
            let columns = columns.of_party(party);
            let of_group = |group: usize| {
                let mut choices: Vec<&Choice> = singles[group].iter().collect();
                choices.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap_or(std::cmp::Ordering::Equal));
                let mut names = Vec::new();
                choices.retain(|choice| {
                    let name = columns[choice.condition.column].name.as_str();
                    let is_new = !names.contains(&name);
                    names.push(name);
                    is_new
                });
                let ladder = |choice: &&Choice| {
                    let Condition { column, direction, .. } = choice.condition;
                    let is_whole = columns[column].is_whole;
                    let rungs = calibration.ladder(party, choice.condition, &PAIR_STEPS, is_whole);
                    Ladder { column, direction, rungs }
                };
                Candidates { group, ladders: choices.iter().take(PAIR_FEATURES).map(ladder).collect() }
            };
            groups.of_party(party).map(of_group).collect()
        };
        let is_daily = matches!(calibration.objective(), Objective::FalseAlarmsPerDay(_));
        Self { by_party: Party::ALL.map(candidates), is_daily }
    }

    /// The best pairs of each group, given what all calibration sets show.
    pub(crate) fn choose(&self, seen: &[Seen], calibration: &Calibration) -> Vec<Rule> {
        let mut rules = Vec::new();
        for party in Party::ALL {
            for (place, candidates) in self.by_party[party as usize].iter().enumerate() {
                let mut best: Vec<((f64, f64), Rule)> = Vec::new();
                for (pair, (first, second)) in candidates.pairs().enumerate() {
                    let mut grid = Grid::default();
                    for seen in seen {
                        if let Some(of_set) = seen.grids.get(&(party, place, pair)) {
                            grid.add(of_set);
                        }
                    }
                    let Some((score, a, b)) = grid.best(candidates.group, calibration) else { continue };
                    let conditions =
                        vec![candidates.ladders[first].condition(a), candidates.ladders[second].condition(b)];
                    best.push((score, Rule { group: candidates.group, conditions }));
                }
                best.sort_by(|(a, _), (b, _)| b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal));
                rules.extend(best.into_iter().take(PAIRS_KEPT).map(|(_, rule)| rule));
            }
        }
        rules
    }
}

/// For each level of the first feature the highest level of the second that was seen with it.
type Stair = [u8; LEVELS];

/// Which pair: party, place of the group among those of the party, place of the pair.
type PairId = (Party, usize, usize);

/// How many labels and innocent numbers pass two levels at once.
#[derive(Debug, Default)]
struct Grid {
    found: [[u64; LEVELS]; LEVELS],
    falsely: [[u64; LEVELS]; LEVELS],
}

impl Grid {
    fn add(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.found, &other.found), (&mut self.falsely, &other.falsely)] {
            mine.iter_mut().flatten().zip(theirs.iter().flatten()).for_each(|(mine, theirs)| *mine += theirs);
        }
    }

    /// The best two levels; of equally good ones the most sensitive.
    fn best(&self, group: usize, calibration: &Calibration) -> Option<((f64, f64), usize, usize)> {
        let mut best: Option<((f64, f64), usize, usize)> = None;
        for a in 0..LEVELS {
            for b in 0..LEVELS {
                let (found, falsely) = (self.found[a][b], self.falsely[a][b]);
                let tally = Tally { guilty: calibration.guilty(group), found, falsely };
                let Some(score) = calibration.objective().score(tally, calibration.days()) else { continue };
                let is_better = best.is_none_or(|(other, c, d)| {
                    (score.0, score.1, Reverse(a + b)) > (other.0, other.1, Reverse(c + d))
                });
                if is_better {
                    best = Some((score, a, b));
                }
            }
        }
        best
    }
}

/// Counts a number at every two levels that it passed at once.
fn count(cells: &mut [[u64; LEVELS]; LEVELS], stair: &Stair) {
    let mut passed = 0;
    for (cells, level) in cells.iter_mut().zip(stair).rev() {
        passed = passed.max(usize::from(*level));
        cells[..passed].iter_mut().for_each(|cell| *cell += 1);
    }
}

/// What one calibration set shows of pairs.
pub(crate) struct Seen {
    grids: HashMap<PairId, Grid>,
}

/// Watches one replay.
pub(crate) struct Watch<'a> {
    plan: &'a Plan,
    truth: &'a Truth<'a>,
    roll: Roll<'a>,
    day: i64,
    /// By pair and number, since the last flush.
    innocent: HashMap<(PairId, usize), Stair>,
    /// By pair and label.
    guilty: HashMap<(PairId, usize), Stair>,
    seen: Seen,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(plan: &'a Plan, truth: &'a Truth<'a>) -> Self {
        let seen = Seen { grids: HashMap::new() };
        let (innocent, guilty) = (HashMap::new(), HashMap::new());
        Self { plan, truth, roll: Roll::new(truth), day: 0, innocent, guilty, seen }
    }

    pub(crate) fn see(&mut self, evaluation: &Evaluation<'_>) {
        let day = evaluation.at_ms.div_euclid(DAY_MS);
        if self.plan.is_daily && day != self.day {
            self.flush();
        }
        self.day = day;
        let (party, at_ms) = (evaluation.party, evaluation.at_ms);
        match self.roll.person(evaluation) {
            Person::LeftOut => {}
            Person::Innocent => self.see_innocent(evaluation),
            Person::Labelled(person) => match self.truth.moment(person, at_ms) {
                Moment::Innocent => self.see_innocent(evaluation),
                Moment::Aftermath => {}
                Moment::Campaign => {
                    for row in self.truth.ours(person, party, at_ms) {
                        let group = self.truth.rows[row].group;
                        let all = self.plan.by_party[party as usize].iter().enumerate();
                        for (place, candidates) in all.filter(|(_, candidates)| candidates.group == group) {
                            climb(candidates, (party, place), row, evaluation.values, &mut self.guilty);
                        }
                    }
                }
            },
        }
    }

    fn see_innocent(&mut self, evaluation: &Evaluation<'_>) {
        let party = evaluation.party;
        for (place, candidates) in self.plan.by_party[party as usize].iter().enumerate() {
            climb(candidates, (party, place), evaluation.place, evaluation.values, &mut self.innocent);
        }
    }

    pub(crate) fn finish(mut self) -> Seen {
        self.flush();
        for ((pair, _), stair) in &self.guilty {
            count(&mut self.seen.grids.entry(*pair).or_default().found, stair);
        }
        self.seen
    }

    fn flush(&mut self) {
        for ((pair, _), stair) in self.innocent.drain() {
            count(&mut self.seen.grids.entry(pair).or_default().falsely, &stair);
        }
    }
}

/// Notes how far the values of one evaluation get in each pair of candidates.
fn climb(
    candidates: &Candidates,
    (party, place): (Party, usize),
    whom: usize,
    values: &[f64],
    stairs: &mut HashMap<(PairId, usize), Stair>,
) {
    let mut levels = [0; PAIR_FEATURES];
    for (level, ladder) in levels.iter_mut().zip(&candidates.ladders) {
        *level = ladder.level(values);
    }
    for (pair, (first, second)) in candidates.pairs().enumerate() {
        let (a, b) = (levels[first], levels[second]);
        if a > 0 && b > 0 {
            let stair = stairs.entry(((party, place, pair), whom)).or_default();
            let step = &mut stair[usize::from(a) - 1];
            *step = (*step).max(b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_counts_at_two_levels_that_it_passed_at_once() {
        let mut cells = [[0; LEVELS]; LEVELS];
        let mut stair = [0; LEVELS];
        // Once the first feature was at level 1 and the second at 3, once at 2 and 1: never at 2 and 2.
        (stair[0], stair[1]) = (3, 1);
        count(&mut cells, &stair);
        let passed = |a: usize, b: usize| cells[a - 1][b - 1] == 1;
        assert!(passed(1, 1) && passed(1, 3) && passed(2, 1));
        assert!(!passed(2, 2) && !passed(1, 4) && !passed(3, 1));
    }

    #[test]
    fn a_missing_value_is_at_no_level() {
        let ladder = Ladder { column: 0, direction: Direction::AtLeast, rungs: vec![1.0, 5.0] };
        assert_eq!([0.5, 1.0, 7.0, f64::NAN].map(|value| ladder.level(&[value])), [0, 1, 2, 0]);
        let below = Ladder { column: 0, direction: Direction::AtMost, rungs: vec![-5.0, -1.0] };
        assert_eq!([6.0, 5.0, 1.0, f64::NAN].map(|value| below.level(&[value])), [0, 1, 2, 0]);
    }
}
