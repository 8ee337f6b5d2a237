//! What rules that are settled find in a data set, whom they name wrongly, and when.

use std::collections::HashMap;

use features::{DAY_MS, Party};

use crate::rule::Rule;
use crate::truth::{Groups, Moment, Person, Roll, Truth};
use crate::{Columns, Evaluation};

/// What each rule did to one data set, by place of the rule.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// When a rule first held for a label while its campaign ran, by rule and label. Milliseconds since 1970 UTC.
    pub(crate) found: HashMap<(usize, usize), i64>,
    /// Innocent numbers that were named.
    pub(crate) falsely: Vec<u64>,
    /// The same, each once a UTC day.
    pub(crate) false_days: Vec<u64>,
    /// Numbers of campaigns of other schemes that were named.
    pub(crate) of_others: Vec<u64>,
}

/// Watches one replay.
pub(crate) struct Watch<'a> {
    rules: &'a [Rule],
    /// Places of the rules of each party.
    of_party: [Vec<usize>; 2],
    groups: &'a Groups,
    truth: &'a Truth<'a>,
    roll: Roll<'a>,
    day: i64,
    ever: [Named; 2],
    today: [Named; 2],
    others: [Named; 2],
    measured: Measured,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(rules: &'a [Rule], groups: &'a Groups, truth: &'a Truth<'a>) -> Self {
        let role = |rule: usize| groups.get(rules[rule].group).1;
        let of_party = |party: Party| (0..rules.len()).filter(|rule| role(*rule) == party).collect();
        let named = || Party::ALL.map(|_| Named::new(rules.len()));
        let zeros = || vec![0; rules.len()];
        let (falsely, false_days, of_others) = (zeros(), zeros(), zeros());
        Self {
            rules,
            of_party: Party::ALL.map(of_party),
            groups,
            truth,
            roll: Roll::new(truth),
            day: 0,
            ever: named(),
            today: named(),
            others: named(),
            measured: Measured { found: HashMap::new(), falsely, false_days, of_others },
        }
    }

    pub(crate) fn see(&mut self, evaluation: &Evaluation<'_>) {
        let day = evaluation.at_ms.div_euclid(DAY_MS);
        if day != self.day {
            self.day = day;
            self.today.iter_mut().for_each(Named::clear);
        }
        match self.roll.person(evaluation) {
            Person::LeftOut => {}
            Person::Innocent => self.see_innocent(evaluation),
            Person::Labelled(person) => match self.truth.moment(person, evaluation.at_ms) {
                Moment::Innocent => self.see_innocent(evaluation),
                Moment::Aftermath => {}
                Moment::Campaign => self.see_campaign(person, evaluation),
            },
        }
    }

    pub(crate) fn finish(self) -> Measured {
        self.measured
    }

    fn see_innocent(&mut self, evaluation: &Evaluation<'_>) {
        let party = evaluation.party as usize;
        for rule in self.of_party[party].iter().copied() {
            if self.rules[rule].holds(evaluation.values) {
                self.measured.falsely[rule] += u64::from(self.ever[party].is_new(evaluation.place, rule));
                self.measured.false_days[rule] += u64::from(self.today[party].is_new(evaluation.place, rule));
            }
        }
    }

    fn see_campaign(&mut self, person: usize, evaluation: &Evaluation<'_>) {
        let party = evaluation.party;
        for rule in self.of_party[party as usize].iter().copied() {
            if !self.rules[rule].holds(evaluation.values) {
                continue;
            }
            let group = self.rules[rule].group;
            for row in self.truth.ours(person, party, evaluation.at_ms) {
                if self.truth.rows[row].group == group {
                    self.measured.found.entry((rule, row)).or_insert(evaluation.at_ms);
                }
            }
            let scheme = self.groups.get(group).0;
            let mut running = self.truth.running(person, evaluation.at_ms);
            let is_of_others = running.all(|row| self.truth.labels.rows()[row].scheme != scheme);
            if is_of_others && self.others[party as usize].is_new(evaluation.place, rule) {
                self.measured.of_others[rule] += 1;
            }
        }
    }
}

/// Which rules have named which numbers: a bit each.
#[derive(Debug)]
struct Named {
    words: usize,
    bits: Vec<u64>,
}

impl Named {
    fn new(rules: usize) -> Self {
        Self { words: rules.div_ceil(64), bits: Vec::new() }
    }

    /// Whether a rule names a number for the first time.
    fn is_new(&mut self, place: usize, rule: usize) -> bool {
        let at = place * self.words + rule / 64;
        if self.bits.len() <= at {
            self.bits.resize((place + 1) * self.words, 0);
        }
        let bit = 1 << (rule % 64);
        let is_new = self.bits[at] & bit == 0;
        self.bits[at] |= bit;
        is_new
    }

    fn clear(&mut self) {
        self.bits.clear();
    }
}

/// The ids of the columns in a rule.
pub(crate) fn columns_of<'a>(rule: &Rule, groups: &Groups, columns: &'a Columns) -> Vec<&'a str> {
    let (_, party) = groups.get(rule.group);
    rule.conditions.iter().map(|condition| columns.of_party(party)[condition.column].id.as_str()).collect()
}
