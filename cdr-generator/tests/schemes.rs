//! Planted fraud and its labels, on fixed seeds.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};

use cdr::Outcome;
use cdr_generator::{Config, GeneratedCall, Generator, Label, Role, Scheme};

/// 2026-11-21T15:00:00.500Z, a Saturday.
const END_MS: i64 = 1_795_273_200_500;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const DAYS: u32 = 21;

fn generator(strength: f64) -> Generator {
    Generator::new(Config { strength, ..Config::new(6, END_MS, DAYS, 2_000) }).unwrap()
}

fn all(generator: &Generator) -> Vec<GeneratedCall> {
    generator.calls(i64::MIN, i64::MAX).collect()
}

/// The calls of a labelled number while its campaign ran.
fn of<'c>(calls: &'c [GeneratedCall], label: &Label) -> Vec<&'c GeneratedCall> {
    let inside = |call: &&GeneratedCall| {
        let number = if label.role == Role::Caller { &call.caller } else { &call.callee };
        *number == label.number && (label.start_ms..label.end_ms).contains(&call.started_at_ms)
    };
    calls.iter().filter(inside).collect()
}

fn share(calls: &[&GeneratedCall], condition: impl Fn(&GeneratedCall) -> bool) -> f64 {
    calls.iter().filter(|call| condition(call)).count() as f64 / calls.len().max(1) as f64
}

fn is_night_or_weekend(ms: i64) -> bool {
    let (hour, weekday) = (ms.rem_euclid(DAY_MS) / HOUR_MS, (ms.div_euclid(DAY_MS) + 3) % 7);
    !(8..18).contains(&hour) || weekday >= 5
}

#[test]
fn numbers_of_campaigns_at_full_strength_stand_out() {
    let generator = generator(1.0);
    let calls = all(&generator);
    let labels = generator.labels();
    let live: HashSet<_> = labels.iter().filter(|label| label.end_ms == END_MS).map(|label| label.scheme).collect();
    assert_eq!(live.len(), Scheme::ALL.len());
    // Numbers of one campaign that are called, together.
    let mut talked_ms: HashMap<(Scheme, u32), i64> = HashMap::new();
    for label in labels.iter().filter(|label| label.strength > 0.99) {
        let calls = of(&calls, label);
        let different: HashSet<_> = calls.iter().map(|call| &call.callee).collect();
        let what = format!("{}: {} calls", label.to_csv(), calls.len());
        match (label.scheme, label.role) {
            (Scheme::Wangiri, Role::Caller) => {
                let dropped = share(&calls, |call| call.outcome == Outcome::Canceled && call.ring_ms() < 5_000);
                assert!(calls.len() > 100 && dropped > 0.8, "{what}");
                assert!(different.len() * 2 > calls.len(), "{what}");
            }
            (Scheme::Wangiri, Role::Callee) => assert!(calls.len() > 3, "{what}"),
            (Scheme::Irsf, Role::Caller) => {
                let abroad: Vec<_> = calls.iter().filter(|call| call.trunk.is_some()).collect();
                assert!(abroad.len() > 50, "{what}");
                assert!(abroad.iter().filter_map(|call| call.cost_micros).sum::<i64>() > 100_000_000, "{what}");
                assert_eq!(different.iter().filter(|callee| callee.len() > 6).count(), different.len());
            }
            (Scheme::PbxHack, Role::Caller) => {
                let failed = share(&calls, |call| call.outcome == Outcome::Failed && call.ring_ms() < 2_000);
                let long = share(&calls, |call| call.talk_ms() > 2 * 60_000);
                assert!(calls.len() > 30 && failed > 0.02 && long > 0.5, "{what}: {failed} failed, {long} long");
            }
            (Scheme::Irsf | Scheme::PbxHack | Scheme::SubscriptionFraud, Role::Callee) => {
                let talked = calls.iter().map(|call| call.talk_ms()).sum::<i64>();
                *talked_ms.entry((label.scheme, label.campaign)).or_default() += talked;
            }
            (Scheme::SubscriptionFraud, Role::Caller) => {
                let dear = share(&calls, |call| call.cost_micros.is_some());
                assert!(calls.len() > 40 && dear > 0.7, "{what}: {dear} dear");
            }
            (Scheme::Robocall, _) => {
                // A quarter is answered, and nobody listens for long.
                let answered: Vec<_> = calls.iter().copied().filter(|call| call.talk_ms() > 0).collect();
                let share_answered = answered.len() as f64 / calls.len() as f64;
                assert!(calls.len() > 50 && share_answered < 0.35, "{what}: {share_answered}");
                assert!(share(&answered, |call| call.talk_ms() < 15_000) > 0.5, "{what}");
            }
            (Scheme::SimBox, _) => {
                let places: HashSet<_> = calls.iter().map(|call| &call.cell_id).collect();
                assert!(calls.len() > 60 && places.len() == 1, "{what}");
                assert!(different.len() * 10 > calls.len() * 8, "{what}");
            }
        }
    }
    assert_eq!(talked_ms.len(), 3);
    assert!(talked_ms.values().all(|talked| *talked > 10 * HOUR_MS), "{talked_ms:?}");
}

#[test]
fn every_scheme_has_easy_and_hard_campaigns() {
    let generator = generator(1.0);
    let calls = all(&generator);
    for scheme in Scheme::ALL {
        let mut by_strength: HashMap<u32, (f64, Vec<f64>)> = HashMap::new();
        for label in generator.labels().iter().filter(|label| label.scheme == scheme && label.role == Role::Caller) {
            let hours = (label.end_ms - label.start_ms) as f64 / HOUR_MS as f64;
            let rates = &mut by_strength.entry(label.campaign).or_insert((label.strength, Vec::new())).1;
            rates.push(of(&calls, label).len() as f64 / hours);
        }
        let mean =
            |campaign: u32| by_strength[&campaign].1.iter().sum::<f64>() / by_strength[&campaign].1.len() as f64;
        let strengths: Vec<f64> = (0..4).map(|campaign| by_strength[&campaign].0).collect();
        assert_eq!(strengths, [1.0, 0.5, 0.25, 0.1], "{scheme}");
        // Hard, not impossible: some calls are left of every campaign.
        assert!(mean(3) * 4.0 < mean(0), "{scheme}: {} and {} calls an hour", mean(3), mean(0));
        let calls_in_all: f64 = by_strength[&3].1.iter().sum();
        assert!(calls_in_all > 0.5, "{scheme}: {calls_in_all} calls an hour of all numbers");
    }
}

#[test]
fn strength_scales_all_campaigns() {
    let fraud = |strength| {
        let generator = generator(strength);
        let labels = generator.labels();
        let strengths: HashSet<String> = labels.iter().map(|label| label.strength.to_string()).collect();
        let callers: HashSet<_> =
            labels.into_iter().filter(|label| label.role == Role::Caller).map(|label| label.number).collect();
        let calls = all(&generator);
        let dropped = calls.iter().filter(|call| callers.contains(&call.caller)).count();
        (strengths, dropped)
    };
    let (strengths, weak) = fraud(0.2);
    assert_eq!(strengths, ["0.2", "0.1", "0.05", "0.02"].map(str::to_owned).into());
    let (_, full) = fraud(1.0);
    assert!(weak * 2 < full, "{weak} of {full}");
}

#[test]
fn neighbour_spoofing_shows_numbers_of_the_block_that_it_calls() {
    let generator = generator(1.0);
    let calls = all(&generator);
    let labels = generator.labels();
    let block = |number: &str| number[..number.len() - 4].to_owned();
    for campaign in 0..4 {
        let labels: Vec<_> =
            labels.iter().filter(|label| label.scheme == Scheme::Robocall && label.campaign == campaign).collect();
        let blocks: HashSet<String> = labels.iter().map(|label| block(&label.number)).collect();
        assert_eq!(blocks.len(), 1);
        let calls: Vec<_> = labels.iter().flat_map(|label| of(&calls, label)).collect();
        let near = share(&calls, |call| blocks.contains(&block(&call.callee)));
        // Every second campaign.
        let (spoofs, wanted) = (campaign % 2 == 1, [1, 24, 4, 120][campaign as usize]);
        assert_eq!(labels.len(), wanted, "campaign {campaign}");
        assert!(if spoofs { near > 0.999 } else { near < 0.01 }, "campaign {campaign}: {near}");
    }
}

#[test]
fn offices_are_robbed_while_nobody_is_there_and_probed_first() {
    let generator = generator(1.0);
    let calls = all(&generator);
    let labels = generator.labels();
    for campaign in 1..4 {
        let labels: Vec<_> =
            labels.iter().filter(|label| label.scheme == Scheme::PbxHack && label.campaign == campaign).collect();
        let (start_ms, end_ms) = (labels[0].start_ms, labels[0].end_ms);
        let extensions = labels.iter().filter(|label| label.number.starts_with("ext:site")).count();
        let trunks = labels.iter().filter(|label| label.role == Role::Caller).count() - extensions;
        assert!(extensions >= 2 && trunks == 1, "{extensions} extensions, {trunks} trunk numbers");
        let callers = labels.iter().filter(|label| label.role == Role::Caller);
        let fraud: Vec<_> = callers.flat_map(|label| of(&calls, label)).filter(|call| call.trunk.is_some()).collect();
        let probing_until_ms = start_ms + (end_ms - start_ms) / 5;
        let (probes, robbery): (Vec<_>, Vec<_>) =
            fraud.into_iter().partition(|call| call.started_at_ms < probing_until_ms);
        assert!(share(&probes, |call| call.talk_ms() < 6_000) > 0.9 && !probes.is_empty());
        assert!(share(&robbery, |call| call.talk_ms() > 15_000) > 0.4 && !robbery.is_empty());
        // Local night of any home country, or the weekend: the offsets here are at most six hours.
        assert!(is_night_or_weekend(start_ms) || is_night_or_weekend(start_ms + 6 * HOUR_MS), "{start_ms}");
    }
}

#[test]
fn busy_callers_who_mean_no_harm_look_as_busy_as_weak_campaigns() {
    let generator = Generator::new(Config::new(8, END_MS, 7, 20_000)).unwrap();
    let labels = generator.labels();
    let planted: HashSet<_> = labels.iter().map(|label| label.number.clone()).collect();
    let mut of_day: HashMap<(String, i64), (u32, HashSet<String>)> = HashMap::new();
    for call in all(&generator) {
        if call.caller.starts_with('+') && !planted.contains(&call.caller) {
            let of_day = of_day.entry((call.caller.to_string(), call.started_at_ms / DAY_MS)).or_default();
            of_day.0 += 1;
            of_day.1.insert(call.callee.to_string());
        }
    }
    // Numbers that call 50 and more different people on a day: a rule of thumb would take them for robocallers.
    let busy: HashSet<_> =
        of_day.iter().filter(|(_, (_, callees))| callees.len() >= 50).map(|((caller, _), _)| caller).collect();
    assert!((10..400).contains(&busy.len()), "{}", busy.len());
}

#[test]
fn nobody_else_rings_and_drops_as_wangiri_does() {
    let generator = generator(1.0);
    let labelled: HashSet<_> = generator.labels().into_iter().map(|label| label.number).collect();
    let mut dropped: HashMap<_, u32> = HashMap::new();
    for call in all(&generator) {
        if call.outcome == Outcome::Canceled && call.ring_ms() < 5_000 {
            *dropped.entry(call.caller).or_default() += 1;
        }
    }
    let most = dropped.iter().filter(|(number, _)| !labelled.contains(*number)).map(|(_, count)| *count).max();
    assert!(most.unwrap() < 80, "{most:?}");
}
