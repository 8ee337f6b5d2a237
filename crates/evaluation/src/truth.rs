//! Who took part in what, and when: what a flag is held against.

use std::collections::{BTreeMap, HashMap};

use features::{Party, hash_parts, hash_text};
use smol_str::SmolStr;

use crate::limits::{AFTERMATH_MS, GRACE_MS};
use crate::{Evaluation, Label, Labels};

/// Half of a data set, where there is only one: campaigns and innocent numbers are dealt out, always alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Thresholds are chosen on it.
    Calibration,
    /// It is measured.
    HeldOut,
}

/// The schemes, each with the roles its numbers have: what rules are made for. In order of names.
#[derive(Debug)]
pub(crate) struct Groups {
    groups: Vec<(SmolStr, Party)>,
}

impl Groups {
    pub(crate) fn of<'a>(labels: impl Iterator<Item = &'a Labels>) -> Self {
        let all = labels.flat_map(Labels::rows);
        let mut groups: Vec<_> = all.map(|label| (label.scheme.clone(), label.role)).collect();
        groups.sort_unstable();
        groups.dedup();
        Self { groups }
    }

    pub(crate) fn schemes(&self) -> usize {
        self.groups.chunk_by(|(a, _), (b, _)| a == b).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The scheme and role of a group.
    pub(crate) fn get(&self, group: usize) -> (&str, Party) {
        let (scheme, role) = &self.groups[group];
        (scheme, *role)
    }

    /// The groups of a party.
    pub(crate) fn of_party(&self, party: Party) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).filter(move |group| self.groups[*group].1 == party)
    }

    fn find(&self, label: &Label) -> usize {
        // All labels are in it.
        self.groups.partition_point(|(scheme, role)| (scheme, *role) < (&label.scheme, label.role))
    }
}

/// A label that is ours to find, or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) group: usize,
    start_ms: i64,
    end_ms: i64,
    /// Of our half, or there are no halves.
    pub(crate) is_ours: bool,
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    /// No label names it.
    Innocent,
    /// No label names it, and it is of the other half.
    LeftOut,
    /// Place in [`Truth::people`].
    Labelled(usize),
}

/// What a moment of a labelled number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Outside its campaigns it is a number like others.
    Innocent,
    /// Within one, or shortly after.
    Campaign,
    /// Windows may still have the campaign in them.
    Aftermath,
}

/// The labels of a data set, by number.
#[derive(Debug)]
pub(crate) struct Truth<'a> {
    pub(crate) labels: &'a Labels,
    /// One a label, in the order of the file.
    pub(crate) rows: Vec<Row>,
    people: Vec<Vec<usize>>,
    by_number: HashMap<&'a str, usize>,
    half: Option<Half>,
}

impl<'a> Truth<'a> {
    pub(crate) fn new(labels: &'a Labels, half: Option<Half>, groups: &Groups) -> Self {
        let halves = half.map(|_| halves(labels));
        let mut truth = Self { labels, rows: Vec::new(), people: Vec::new(), by_number: HashMap::new(), half };
        for (place, label) in labels.rows().iter().enumerate() {
            let is_ours = halves.as_ref().is_none_or(|halves| Some(halves[place]) == half);
            let Label { start_ms, end_ms, .. } = *label;
            truth.rows.push(Row { group: groups.find(label), start_ms, end_ms, is_ours });
            let next = truth.people.len();
            let person = *truth.by_number.entry(&label.number).or_insert(next);
            if person == next {
                truth.people.push(Vec::new());
            }
            truth.people[person].push(place);
        }
        truth
    }

    /// How many innocent numbers stand for one that is looked at.
    pub(crate) fn scale(&self) -> f64 {
        if self.half.is_some() { 2.0 } else { 1.0 }
    }

    /// What a labelled number is doing at a moment.
    pub(crate) fn moment(&self, person: usize, at_ms: i64) -> Moment {
        let mut moment = Moment::Innocent;
        for row in self.people[person].iter().map(|row| &self.rows[*row]) {
            let over_ms = row.end_ms + GRACE_MS;
            if (row.start_ms..=over_ms).contains(&at_ms) {
                return Moment::Campaign;
            }
            if (over_ms..=over_ms + AFTERMATH_MS).contains(&at_ms) {
                moment = Moment::Aftermath;
            }
        }
        moment
    }

    /// The labels of a number whose campaigns run at a moment, ours or not, of either role.
    pub(crate) fn running(&self, person: usize, at_ms: i64) -> impl Iterator<Item = usize> + '_ {
        self.people[person].iter().copied().filter(move |place| {
            let row = &self.rows[*place];
            (row.start_ms..=row.end_ms + GRACE_MS).contains(&at_ms)
        })
    }

    /// Those of them that are ours and of a role.
    pub(crate) fn ours(&self, person: usize, role: Party, at_ms: i64) -> impl Iterator<Item = usize> + '_ {
        let is_ours = move |place: &usize| self.rows[*place].is_ours && self.labels.rows()[*place].role == role;
        self.running(person, at_ms).filter(is_ours)
    }

    fn person(&self, number: &str) -> Person {
        if let Some(person) = self.by_number.get(number) {
            return Person::Labelled(*person);
        }
        let is_ours = self.half.is_none_or(|half| (half == Half::Calibration) == (hash_text(number) & 1 == 0));
        if is_ours { Person::Innocent } else { Person::LeftOut }
    }
}

/// The half of each label. The campaigns of a scheme, in the order of a hash, go to either in turn, so that both have
/// as many, give or take one.
fn halves(labels: &Labels) -> Vec<Half> {
    let mut campaigns: BTreeMap<&str, BTreeMap<u64, &str>> = BTreeMap::new();
    let hash = |label: &Label| hash_parts(&[label.scheme.as_bytes(), b"\0", label.campaign.as_bytes()]);
    for label in labels.rows() {
        campaigns.entry(&label.scheme).or_default().insert(hash(label), &label.campaign);
    }
    let half = |label: &Label| {
        let before = campaigns[label.scheme.as_str()].range(..hash(label)).count();
        if before.is_multiple_of(2) { Half::Calibration } else { Half::HeldOut }
    };
    labels.rows().iter().map(half).collect()
}

/// The numbers of a replay, each looked up once.
pub(crate) struct Roll<'a> {
    truth: &'a Truth<'a>,
    people: [Vec<Person>; 2],
}

impl<'a> Roll<'a> {
    pub(crate) fn new(truth: &'a Truth<'a>) -> Self {
        Self { truth, people: [Vec::new(), Vec::new()] }
    }

    /// Who is evaluated.
    pub(crate) fn person(&mut self, evaluation: &Evaluation<'_>) -> Person {
        let people = &mut self.people[evaluation.party as usize];
        if people.len() <= evaluation.place {
            people.resize(evaluation.place, Person::LeftOut);
            people.push(self.truth.person(evaluation.number));
        }
        people[evaluation.place]
    }
}
