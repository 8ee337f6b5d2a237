//! Every call, in order of time, and which of them each entity took part in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::answers::{self, Answer, Denominator};
use crate::call::Call;
use crate::number::{Facts, facts_of};

/// Which side of the call an entity is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The A-number.
    Caller,
    /// The B-number.
    Callee,
}

/// What an entity is: a number, its prefix or its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// A number of any kind but anonymous.
    Phone,
    /// Country code and national destination code.
    Prefix,
    /// The number without its last four digits.
    Range,
}

/// A call with what the number plan says of its two numbers.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) call: Call,
    pub(crate) caller: Arc<Facts>,
    pub(crate) callee: Arc<Facts>,
}

/// The calls of each key, as places in `rows`, in order of time.
type Index = HashMap<Arc<str>, Vec<u32>>;

/// All calls, ready to be recounted. It is read-only, so several threads may ask at once.
#[derive(Debug)]
pub struct Recount {
    rows: Vec<Row>,
    index: HashMap<(Party, Level), Index>,
    high_risk: HashSet<String>,
}

impl Recount {
    /// Takes the calls as they are: duplicates are the business of [`crate::distinct_calls`]. `irsf_csv` is the
    /// text of the high-risk list: a header line, then a country code in the first column.
    pub fn new(mut calls: Vec<Call>, irsf_csv: &str) -> Self {
        calls.sort_by_key(|call| call.started_at_ms);

        // Each number is looked up once, however often it calls; from here on its place in `numbers` stands
        // for it.
        let mut places: HashMap<Arc<str>, usize> = HashMap::new();
        let mut numbers: Vec<Arc<str>> = Vec::new();
        let mut place_of = |number: &Arc<str>| {
            *places.entry(Arc::clone(number)).or_insert_with(|| {
                numbers.push(Arc::clone(number));
                numbers.len() - 1
            })
        };
        let callers: Vec<usize> = calls.iter().map(|call| place_of(&call.caller)).collect();
        let callees: Vec<usize> = calls.iter().map(|call| place_of(&call.callee)).collect();
        let facts = facts_of(&numbers);

        let mut index = HashMap::new();
        for (party, of_calls) in [(Party::Caller, &callers), (Party::Callee, &callees)] {
            for level in [Level::Phone, Level::Prefix, Level::Range] {
                let keys = numbers.iter().zip(&facts).map(|(number, facts)| key(number, facts, level)).collect();
                index.insert((party, level), index_of(of_calls, keys));
            }
        }

        let mut rows = Vec::with_capacity(calls.len());
        for (place, call) in calls.into_iter().enumerate() {
            let caller = Arc::clone(&facts[callers[place]]);
            let callee = Arc::clone(&facts[callees[place]]);
            rows.push(Row { call, caller, callee });
        }
        Self { rows, index, high_risk: first_column(irsf_csv) }
    }

    /// The keys with at least one call at any time, sorted.
    pub fn entities(&self, party: Party, level: Level) -> Vec<Arc<str>> {
        let mut keys: Vec<Arc<str>> = self.index[&(party, level)].keys().cloned().collect();
        keys.sort();
        keys
    }

    /// The value of a feature for the calls of one entity that began in `from_ms..to_ms_exclusive`.
    /// `covered` is what a rate divides by. `None` if the oracle knows no such feature of the party.
    pub fn answer(
        &self,
        feature: &str,
        party: Party,
        level: Level,
        key: &str,
        (from_ms, to_ms_exclusive): (i64, i64),
        covered: Denominator,
    ) -> Option<Answer> {
        let (_, recount) = answers::of_party(party).find(|(name, _)| *name == feature)?;
        let calls = self.calls_of(party, level, key, from_ms, to_ms_exclusive);
        Some(recount(&calls, &answers::Question { covered, high_risk: &self.high_risk }))
    }

    /// The values of every feature of a party, with their names, as [`Recount::answer`] gives them one by one.
    pub fn answers(
        &self,
        party: Party,
        level: Level,
        key: &str,
        (from_ms, to_ms_exclusive): (i64, i64),
        covered: Denominator,
    ) -> Vec<(&'static str, Answer)> {
        let calls = self.calls_of(party, level, key, from_ms, to_ms_exclusive);
        let question = answers::Question { covered, high_risk: &self.high_risk };
        let mut found = Vec::new();
        for (name, recount) in answers::of_party(party) {
            found.push((name, recount(&calls, &question)));
        }
        found
    }

    /// How many calls an entity took part in during `from_ms..to_ms_exclusive`.
    pub fn calls(&self, party: Party, level: Level, key: &str, (from_ms, to_ms_exclusive): (i64, i64)) -> usize {
        self.calls_of(party, level, key, from_ms, to_ms_exclusive).len()
    }

    fn calls_of(&self, party: Party, level: Level, key: &str, from_ms: i64, to_ms_exclusive: i64) -> Vec<&Row> {
        let Some(places) = self.index[&(party, level)].get(key) else {
            return Vec::new();
        };
        // In order of time, so the calls of the window are neighbours.
        let first = places.partition_point(|&place| self.rows[place as usize].call.started_at_ms < from_ms);
        let mut calls = Vec::new();
        for &place in &places[first..] {
            let row = &self.rows[place as usize];
            if row.call.started_at_ms >= to_ms_exclusive {
                break;
            }
            calls.push(row);
        }
        calls
    }
}

/// What a number counts for at a level, if anything.
fn key(number: &Arc<str>, facts: &Facts, level: Level) -> Option<Arc<str>> {
    match level {
        Level::Phone => (!facts.anonymous).then(|| Arc::clone(number)),
        Level::Prefix => facts.prefix.clone(),
        Level::Range => facts.range.clone(),
    }
}

/// `of_calls` has a number's place for every call, `keys` what each number counts for.
fn index_of(of_calls: &[usize], keys: Vec<Option<Arc<str>>>) -> Index {
    let mut groups: HashMap<Arc<str>, usize> = HashMap::new();
    let mut group_of: Vec<Option<usize>> = Vec::new();
    for key in keys {
        let next = groups.len();
        group_of.push(key.map(|key| *groups.entry(key).or_insert(next)));
    }
    let mut lists: Vec<Vec<u32>> = vec![Vec::new(); groups.len()];
    for (call, number) in of_calls.iter().enumerate() {
        if let Some(group) = group_of[*number] {
            lists[group].push(call as u32);
        }
    }
    let mut index = Index::new();
    for (key, group) in groups {
        // Numbers of the other party have no calls here.
        if !lists[group].is_empty() {
            index.insert(key, std::mem::take(&mut lists[group]));
        }
    }
    index
}

fn first_column(csv: &str) -> HashSet<String> {
    let mut values = HashSet::new();
    for line in csv.lines().skip(1) {
        let value = line.split(',').next().unwrap_or_default().trim().trim_matches('"');
        if !value.is_empty() {
            values.insert(value.to_owned());
        }
    }
    values
}
