//! Ordinary traffic against the figures it is calibrated to: those of the table in this package's README, under the
//! same names. On fixed seeds.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use cdr::{Channel, NumberPlan, Outcome};
use cdr_generator::{Config, GeneratedCall, Generator};

/// 2026-11-21T00:00:00Z, a Saturday: the days are whole weeks.
const END_MS: i64 = 1_795_219_200_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const DAYS: u32 = 28;
const SUBSCRIBERS: u32 = 3_000;

fn calls() -> Vec<GeneratedCall> {
    let config = Config { campaigns_per_scheme: 0, ..Config::new(5, END_MS, DAYS, SUBSCRIBERS) };
    let generator = Generator::new(config).unwrap();
    assert!(generator.labels().is_empty());
    generator.calls(i64::MIN, i64::MAX).collect()
}

fn within(what: &str, is: f64, low: f64, high: f64) {
    assert!((low..=high).contains(&is), "{what}: {is}, not {low} to {high}");
}

/// The share of those that hold a condition.
fn share<'c>(calls: impl IntoIterator<Item = &'c GeneratedCall>, condition: impl Fn(&GeneratedCall) -> bool) -> f64 {
    let (of, all) =
        calls.into_iter().fold((0_u32, 0_u32), |(of, all), call| (of + u32::from(condition(call)), all + 1));
    f64::from(of) / f64::from(all.max(1))
}

// Filters of iterators over references take references to them.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_voice(call: &&GeneratedCall) -> bool {
    call.channel == Channel::Voice
}

/// Calls of mobile subscribers, which alone have handsets.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_mobile(call: &&GeneratedCall) -> bool {
    is_voice(call) && call.imei.is_some()
}

#[test]
fn shares_are_those_asked_for() {
    let calls = calls();
    let plan = NumberPlan::new("US").unwrap();
    within("calls a subscriber and day", calls.len() as f64 / f64::from(DAYS * SUBSCRIBERS), 1.08, 1.12);
    within("messages", share(&calls, |call| call.channel == Channel::Sms), 0.05, 0.07);
    within("withheld", share(&calls, |call| call.caller == "anonymous"), 0.005, 0.015);
    within("extensions", share(&calls, |call| call.caller.starts_with("ext:")), 0.005, 0.04);
    within("short codes", share(&calls, |call| call.callee.starts_with("short:")), 0.005, 0.015);
    let known = calls.iter().filter_map(|call| call.to_record(&plan).unwrap().is_international());
    let (abroad, all) = known.fold((0, 0), |(abroad, all), yes| (abroad + u32::from(yes), all + 1));
    within("international", f64::from(abroad) / f64::from(all), 0.045, 0.075);
    let firms = calls.iter().filter(|call| call.channel == Channel::Sms && call.imei.is_none());
    within("messages of firms from a number", share(firms, |call| call.caller.starts_with('+')), 0.3, 0.5);
}

#[test]
fn talk_times_are_those_published() {
    let calls = calls();
    let talks = |calls: &mut dyn Iterator<Item = &GeneratedCall>| {
        let mut talks: Vec<f64> =
            calls.filter(|call| call.talk_ms() > 0).map(|call| call.talk_ms() as f64 / 1_000.0).collect();
        talks.sort_by(f64::total_cmp);
        talks
    };
    let mobile = talks(&mut calls.iter().filter(is_mobile));
    let below = |seconds: f64| mobile.iter().filter(|talk| **talk < seconds).count() as f64 / mobile.len() as f64;
    within("mobile calls under 90 s", below(90.0), 0.58, 0.62);
    within("mobile calls under 5 min", below(300.0), 0.80, 0.92);
    let mean = |talks: &[f64]| talks.iter().sum::<f64>() / talks.len() as f64;
    within("mean minutes of a mobile call", mean(&mobile) / 60.0, 1.67, 4.0);
    // Log-logistic: the logarithm of the odds is a straight line in the logarithm of the time.
    let at = |share: f64| mobile[(share * mobile.len() as f64) as usize].ln();
    let slope = |low: f64, high: f64| ((high / (1.0 - high)).ln() - (low / (1.0 - low)).ln()) / (at(high) - at(low));
    within("steepness of mobile talk, below", slope(0.1, 0.5), 1.3, 1.5);
    within("steepness of mobile talk, above", slope(0.5, 0.9), 1.3, 1.5);
    let others = talks(&mut calls.iter().filter(is_voice).filter(|call| call.imei.is_none()));
    within("median seconds of the other calls", others[others.len() / 2], 60.0, 120.0);
}

#[test]
fn calls_are_answered_as_often_as_published() {
    let calls = calls();
    let plan = NumberPlan::new("US").unwrap();
    let answered = |call: &GeneratedCall| call.outcome == Outcome::Answered;
    let of = |abroad: bool| {
        let calls = calls.iter().filter(is_voice);
        let calls: Vec<_> =
            calls.filter(|call| call.to_record(&plan).unwrap().is_international() == Some(abroad)).collect();
        share(calls, answered)
    };
    within("answered at home", of(false), 0.60, 0.70);
    within("answered abroad", of(true), 0.45, 0.60);
    within(
        "of calls that fail, the network's fault",
        share(&calls, |call| call.outcome == Outcome::Failed),
        0.01,
        0.06,
    );
}

#[test]
fn days_and_weeks_have_the_published_shape() {
    let calls = calls();
    // Local time is UTC for subscribers of Britain.
    let british: Vec<_> = calls.iter().filter(is_mobile).filter(|call| call.caller.starts_with("+44")).collect();
    let mut hours = [0.0_f64; 24];
    let mut weekdays = [0.0_f64; 7];
    for call in &british {
        hours[(call.started_at_ms.rem_euclid(DAY_MS) / HOUR_MS) as usize] += 1.0;
        weekdays[((call.started_at_ms / DAY_MS + 3) % 7) as usize] += 1.0;
    }
    let busiest = (0..24).max_by(|a, b| hours[*a].total_cmp(&hours[*b])).unwrap();
    let most = hours[busiest];
    within("busiest hour of mobile callers", busiest as f64, 16.0, 20.0);
    within("busiest hour against that of 3 o'clock", most / f64::max(hours[3], 1.0), 15.0, 200.0);
    let noon = hours[11] + hours[12] + hours[13];
    within("noon against the evening", noon / (hours[17] + hours[18] + hours[19]), 0.5, 0.9);
    // All callers, offices among them: a weekend day has less than a working day.
    let all = |from: i64, to: i64| {
        let days = calls.iter().filter(|call| (from..to).contains(&((call.started_at_ms / DAY_MS + 3) % 7))).count();
        days as f64 / (to - from) as f64
    };
    within("weekend day against working day", all(5, 7) / all(0, 5), 0.55, 0.90);
    within("sunday against saturday, mobile", weekdays[6] / weekdays[5], 0.75, 1.0);
}

#[test]
fn few_contacts_have_most_calls() {
    let calls = calls();
    let mut contacts: HashMap<&str, HashMap<&str, u32>> = HashMap::new();
    for call in calls.iter().filter(is_mobile).filter(|call| call.caller.starts_with('+')) {
        *contacts.entry(&call.caller).or_default().entry(&call.callee).or_default() += 1;
    }
    let (mut first, mut three, mut callers) = (0.0, 0.0, 0.0);
    for of_caller in contacts.values() {
        let mut counts: Vec<u32> = of_caller.values().copied().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let all: u32 = counts.iter().sum();
        // Of a few calls the first share says little.
        if all >= 40 {
            first += f64::from(counts[0]) / f64::from(all);
            three += f64::from(counts.iter().take(3).sum::<u32>()) / f64::from(all);
            callers += 1.0;
        }
    }
    assert!(callers > 200.0, "{callers}");
    within("share of the first contact", first / callers, 0.17, 0.28);
    within("share of the first three", three / callers, 0.33, 0.50);
}

#[test]
fn some_subscribers_call_much_more_than_others() {
    let calls = calls();
    let mut of: HashMap<&str, u32> = HashMap::new();
    for call in calls.iter().filter(is_mobile).filter(|call| call.caller.starts_with('+')) {
        *of.entry(&call.caller).or_default() += 1;
    }
    let mut counts: Vec<u32> = of.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let all: u32 = counts.iter().sum();
    let top: u32 = counts[..counts.len() / 10].iter().sum();
    within("share of the tenth that calls most", f64::from(top) / f64::from(all), 0.28, 0.50);
}

#[test]
fn those_with_family_abroad_call_one_country() {
    let calls = calls();
    let plan = NumberPlan::new("US").unwrap();
    let mut abroad: HashMap<String, HashMap<String, u32>> = HashMap::new();
    let mut all: HashMap<String, u32> = HashMap::new();
    for call in calls.iter().filter(is_mobile) {
        let record = call.to_record(&plan).unwrap();
        *all.entry(call.caller.to_string()).or_default() += 1;
        if record.is_international() == Some(true) {
            let country = record.callee.country().unwrap().to_owned();
            *abroad.entry(call.caller.to_string()).or_default().entry(country).or_default() += 1;
        }
    }
    let families = abroad.iter().filter(|(caller, countries)| {
        let most = countries.values().max().copied().unwrap_or(0);
        all[*caller] >= 20 && f64::from(most) > 0.25 * f64::from(all[*caller])
    });
    let callers = all.values().filter(|calls| **calls >= 20).count();
    within("callers with family abroad", families.count() as f64 / callers as f64, 0.02, 0.07);
}
