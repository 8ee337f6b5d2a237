//! What each feature means: one function a name, each a plain loop.
//!
//! Conditions follow SQL: a call counts where the condition is true, and a null is not true. Sums, counts,
//! distinct counts and rates of no calls are 0; means, extremes, spreads and ratios of no calls are missing.

use std::collections::HashSet;
use std::hash::Hash;

use crate::recount::{Party, Row};

/// The value of a feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// A count, or a sum, minimum or maximum of milliseconds or millionths.
    Integer(i64),
    /// A mean, spread, ratio or rate.
    Number(f64),
    /// There is no value: nothing to take a mean of, or nothing to divide by.
    Missing,
}

/// What a rate divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denominator {
    /// The rate is per minute; the window covers so many milliseconds, more than 0.
    Minutes {
        /// From the window's beginning to `as_of`.
        covered_ms: i64,
    },
    /// The rate is per day; the window has so many days, more than 0.
    Days(i64),
}

/// What, besides the calls, an answer depends on.
pub(crate) struct Question<'a> {
    pub(crate) covered: Denominator,
    pub(crate) high_risk: &'a HashSet<String>,
}

pub(crate) type Recounter = fn(&[&Row], &Question) -> Answer;

/// In the order of `features.toml`.
const FEATURES: [(Party, &str, Recounter); 27] = [
    (Party::Caller, "calls", |calls, _| count(calls, |_| true)),
    (Party::Caller, "velocity", |calls, question| rate_to_hundredths(calls.len() as i64, question.covered)),
    (Party::Caller, "active_days", |calls, _| distinct(calls, |row| Some(row.call.day()))),
    (Party::Caller, "talk_ms", |calls, _| sum(calls, |row| Some(row.call.talk_ms()))),
    (Party::Caller, "cost_usd_micros", |calls, _| {
        sum(calls, |row| if row.call.currency.as_deref() == Some("USD") { row.call.cost_micros } else { None })
    }),
    (Party::Caller, "answered_calls", |calls, _| count(calls, |row| row.call.answered())),
    (Party::Caller, "answer_seizure_ratio", |calls, _| share(calls, |row| row.call.answered())),
    (Party::Caller, "mean_talk_ms", |calls, _| mean(&talk_of_answered_voice(calls))),
    (Party::Caller, "stddev_talk_ms", |calls, _| population_stddev(&talk_of_answered_voice(calls))),
    (Party::Caller, "max_talk_ms", |calls, _| integer_or_missing(talk_of_answered_voice(calls).into_iter().max())),
    (Party::Caller, "min_ring_ms", |calls, _| integer_or_missing(calls.iter().map(|row| row.call.ring_ms()).min())),
    (Party::Caller, "short_calls", |calls, _| {
        count(calls, |row| row.call.answered() && voice(row) && row.call.talk_ms() < 6_000)
    }),
    (Party::Caller, "short_call_ratio", |calls, _| {
        let talks = talk_of_answered_voice(calls);
        let short = talks.iter().filter(|talk| **talk < 15_000).count();
        ratio(short, talks.len())
    }),
    (Party::Caller, "ring_and_drop_ratio", |calls, _| {
        share(calls, |row| &*row.call.outcome == "canceled" && row.call.ring_ms() < 5_000)
    }),
    (Party::Caller, "distinct_callees", |calls, _| distinct(calls, |row| Some(&*row.call.callee))),
    (Party::Caller, "callee_dispersion", |calls, _| {
        ratio(different(calls, |row| Some(&*row.call.callee)), calls.len())
    }),
    (Party::Caller, "distinct_callee_prefixes", |calls, _| distinct(calls, |row| row.callee.prefix.as_deref())),
    (Party::Caller, "distinct_callee_countries", |calls, _| distinct(calls, |row| row.callee.country.as_deref())),
    (Party::Caller, "distinct_cells", |calls, _| distinct(calls, |row| row.call.cell_id.as_deref())),
    (Party::Caller, "international_ratio", |calls, _| share(calls, international)),
    (Party::Caller, "irsf_calls", |calls, question| {
        count(calls, |row| {
            international(row)
                && row.callee.country.as_deref().is_some_and(|country| question.high_risk.contains(country))
        })
    }),
    (Party::Caller, "night_ratio", |calls, _| share(calls, |row| row.call.hour() >= 22 || row.call.hour() < 6)),
    (Party::Caller, "weekend_ratio", |calls, _| {
        share(calls, |row| row.call.weekday() == 6 || row.call.weekday() == 7)
    }),
    (Party::Callee, "received_calls", |calls, _| count(calls, |_| true)),
    (Party::Callee, "received_talk_ms", |calls, _| sum(calls, |row| Some(row.call.talk_ms()))),
    (Party::Callee, "received_answer_ratio", |calls, _| share(calls, |row| row.call.answered())),
    (Party::Callee, "distinct_callers", |calls, _| distinct(calls, |row| Some(&*row.call.caller))),
];

/// Whether the oracle can recount the feature.
pub fn knows(feature: &str) -> bool {
    names().any(|name| name == feature)
}

/// Every feature that the oracle can recount.
pub fn names() -> impl Iterator<Item = &'static str> {
    FEATURES.iter().map(|(_, name, _)| *name)
}

/// The features of one party, with how they are counted.
pub(crate) fn of_party(party: Party) -> impl Iterator<Item = (&'static str, Recounter)> {
    FEATURES.iter().filter(move |(of, _, _)| *of == party).map(|(_, name, recount)| (*name, *recount))
}

/// True only where both countries are known and differ.
fn international(row: &Row) -> bool {
    match (&row.caller.country, &row.callee.country) {
        (Some(caller), Some(callee)) => caller != callee,
        _ => false,
    }
}

/// Not a message, as far as is known.
fn voice(row: &Row) -> bool {
    match &row.call.channel {
        Some(channel) => &**channel == "voice",
        None => true,
    }
}

fn talk_of_answered_voice(calls: &[&Row]) -> Vec<i64> {
    let mut talks = Vec::new();
    for row in calls {
        if row.call.answered() && voice(row) {
            talks.push(row.call.talk_ms());
        }
    }
    talks
}

fn count(calls: &[&Row], condition: impl Fn(&Row) -> bool) -> Answer {
    let mut found = 0;
    for row in calls {
        if condition(row) {
            found += 1;
        }
    }
    Answer::Integer(found)
}

fn sum(calls: &[&Row], value: impl Fn(&Row) -> Option<i64>) -> Answer {
    let mut total = 0;
    for row in calls {
        if let Some(value) = value(row) {
            total += value;
        }
    }
    Answer::Integer(total)
}

fn different<'a, V: Eq + Hash>(calls: &[&'a Row], value: impl Fn(&'a Row) -> Option<V>) -> usize {
    let mut seen = HashSet::new();
    for row in calls {
        if let Some(value) = value(row) {
            seen.insert(value);
        }
    }
    seen.len()
}

fn distinct<'a, V: Eq + Hash>(calls: &[&'a Row], value: impl Fn(&'a Row) -> Option<V>) -> Answer {
    Answer::Integer(different(calls, value) as i64)
}

fn share(calls: &[&Row], condition: impl Fn(&Row) -> bool) -> Answer {
    let found = calls.iter().filter(|row| condition(row)).count();
    ratio(found, calls.len())
}

fn ratio(part: usize, whole: usize) -> Answer {
    if whole == 0 { Answer::Missing } else { Answer::Number(part as f64 / whole as f64) }
}

fn integer_or_missing(value: Option<i64>) -> Answer {
    value.map_or(Answer::Missing, Answer::Integer)
}

fn mean(values: &[i64]) -> Answer {
    if values.is_empty() {
        return Answer::Missing;
    }
    let total: i64 = values.iter().sum();
    Answer::Number(total as f64 / values.len() as f64)
}

fn population_stddev(values: &[i64]) -> Answer {
    let Answer::Number(mean) = mean(values) else {
        return Answer::Missing;
    };
    let mut squares = 0.0;
    for value in values {
        let apart = *value as f64 - mean;
        squares += apart * apart;
    }
    Answer::Number((squares / values.len() as f64).sqrt())
}

/// The rate rounded to two decimals, half away from zero, in whole numbers, so that no half is lost in a
/// binary fraction.
fn rate_to_hundredths(calls: i64, covered: Denominator) -> Answer {
    let (numerator, denominator) = match covered {
        Denominator::Minutes { covered_ms } => (calls * 60_000, covered_ms),
        Denominator::Days(days) => (calls, days),
    };
    let hundredths = (2 * 100 * numerator + denominator) / (2 * denominator);
    Answer::Number(hundredths as f64 / 100.0)
}
