//! Thresholds and figures on cases small enough to reckon by hand.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use cdr::{CallRecord, NumberPlan, RawRecord};
use evaluation::{
    DataSet, EvaluationError, GroupReport, Half, Labels, LoadedCalls, Objective, Options, Report, RuleReport, csv,
    evaluate, plot, table,
};
use features::FeatureSet;

/// 2026-11-21T00:00:00Z.
const MIDNIGHT: i64 = 1_795_219_200_000;
const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

const DEFINITIONS: &str = r#"
[settings]
default_region = "US"
range_digits = 4
zone = "UTC"

[settings.stream_levels]
caller = ["phone"]
callee = ["phone"]

[[feature]]
name = "calls"
of = "count"
party = ["caller"]
level = ["phone"]
stream = ["5m"]

[[feature]]
name = "dispersion"
of = "distinct(callee)"
per = "count"
party = ["caller"]
level = ["phone"]
stream = ["5m"]
"#;

/// A set of calls and labels as they are written down.
struct World {
    plan: NumberPlan,
    calls: LoadedCalls,
    labels: String,
    count: usize,
}

impl World {
    fn new() -> Self {
        Self {
            plan: NumberPlan::new("US").unwrap(),
            calls: LoadedCalls::default(),
            labels: "scheme,campaign,number,role,start,end,strength\n".to_owned(),
            count: 0,
        }
    }

    /// Calls of ten seconds, one every thirty from a time on, each to another number or all to one.
    fn calls(&mut self, number: usize, from_ms: i64, count: usize, to_one: bool) {
        for n in 0..count {
            let started_at_ms = from_ms + n as i64 * 30 * SECOND;
            let callee = format!("+1202556{:04}", if to_one { 0 } else { n });
            let call = self.call(number, &callee, started_at_ms);
            self.calls.push(None, call).unwrap();
        }
        self.calls.put_in_order();
    }

    fn call(&mut self, number: usize, callee: &str, started_at_ms: i64) -> CallRecord {
        self.count += 1;
        RawRecord {
            call_id: Some(self.count.to_string().into()),
            caller: Some(caller(number).into()),
            callee: Some(callee.into()),
            started_at_ms: Some(started_at_ms),
            answered_at_ms: Some(started_at_ms + 5 * SECOND),
            ended_at_ms: Some(started_at_ms + 10 * SECOND),
            outcome: Some("answered".into()),
            channel: None,
            trunk: None,
            cell_id: None,
            imei: None,
            cost_micros: None,
            currency: None,
            caller_ip: None,
        }
        .validate(&self.plan)
        .unwrap()
    }

    /// A number takes part in a campaign of an hour.
    fn label(&mut self, scheme: &str, campaign: &str, number: usize, start_ms: i64, strength: &str) {
        let (start, end) = (cdr::format_time(start_ms), cdr::format_time(start_ms + HOUR));
        writeln!(self.labels, "{scheme},{campaign},{},caller,{start},{end},{strength}", caller(number)).unwrap();
    }

    fn labels(&self) -> Labels {
        Labels::parse(Path::new("labels.csv"), self.labels.as_bytes(), &self.plan).unwrap()
    }
}

fn caller(number: usize) -> String {
    format!("+1202555{number:04}")
}

fn definitions() -> Arc<FeatureSet> {
    Arc::new(FeatureSet::parse(DEFINITIONS, |_| Err("there is no list".to_owned())).unwrap())
}

fn report_by(objective: Objective, calibration: &World, held_out: &World, threads: usize) -> Report {
    let (calibration_labels, held_out_labels) = (calibration.labels(), held_out.labels());
    let set = |name: &str, world: &'static str| format!("{name} {world}");
    let first = DataSet { name: set("set", "a"), calls: &calibration.calls, labels: &calibration_labels, half: None };
    let second = DataSet { name: set("set", "b"), calls: &held_out.calls, labels: &held_out_labels, half: None };
    evaluate(&definitions(), &[first], &[second], Options { objective, threads }, &|| ()).unwrap()
}

fn report(calibration: &World, held_out: &World) -> Report {
    report_by(Objective::BestF1, calibration, held_out, 1)
}

#[track_caller]
fn group<'a>(report: &'a Report, scheme: &str) -> &'a GroupReport {
    report.groups.iter().find(|group| group.scheme == scheme).unwrap()
}

#[track_caller]
fn rule<'a>(group: &'a GroupReport, features: &[&str]) -> &'a RuleReport {
    group.rules.iter().find(|rule| rule.features == features).unwrap()
}

/// Innocent numbers with up to three calls in five minutes, and one campaign of ten.
fn calibration() -> World {
    let mut world = World::new();
    for (number, count) in [(1, 1), (2, 2), (3, 3)] {
        world.calls(number, MIDNIGHT + HOUR, count, true);
    }
    world.calls(50, MIDNIGHT + 2 * HOUR, 10, true);
    world.label("flood", "c", 50, MIDNIGHT + 2 * HOUR, "1");
    world
}

/// What the calibration says of `calls_5m`: four calls are one more than any innocent number had.
const CALLS_AT_LEAST_4: &str = "calls_5m >= 4";

#[test]
fn the_figures_are_those_reckoned_by_hand() {
    let mut held_out = World::new();
    // Three calls: not named. Four: named falsely, on two days.
    held_out.calls(1, MIDNIGHT + HOUR, 3, true);
    held_out.calls(2, MIDNIGHT + HOUR, 4, true);
    held_out.calls(2, MIDNIGHT + DAY + HOUR, 5, true);
    // Found by its fourth call, which began 90 s after the campaign did and ended 10 s later.
    held_out.calls(60, MIDNIGHT + 2 * HOUR, 10, true);
    held_out.label("flood", "weak one", 60, MIDNIGHT + 2 * HOUR, "0.2");
    // A campaign of two numbers: the second is found 130 s after it began, the first never places four calls.
    held_out.calls(61, MIDNIGHT + 4 * HOUR, 2, true);
    held_out.calls(62, MIDNIGHT + 4 * HOUR + 30 * SECOND, 10, true);
    held_out.label("flood", "two", 61, MIDNIGHT + 4 * HOUR, "1");
    held_out.label("flood", "two", 62, MIDNIGHT + 4 * HOUR, "1");
    // A number that never calls is a number that is not found.
    held_out.label("flood", "silent", 63, MIDNIGHT + 5 * HOUR, "1");
    // A number of another scheme is neither true nor false.
    held_out.calls(64, MIDNIGHT + 6 * HOUR, 10, true);
    held_out.label("other", "x", 64, MIDNIGHT + 6 * HOUR, "1");

    let report = report(&calibration(), &held_out);
    let flood = group(&report, "flood");
    assert_eq!((flood.held_out.numbers, flood.held_out.campaigns), (4, 3));
    let calls = rule(flood, &["calls_5m"]);
    assert_eq!(calls.rule, CALLS_AT_LEAST_4);
    let told = &calls.calibration;
    assert_eq!((told.numbers, told.found, told.falsely, told.precision), (1, 1, 0, Some(1.0)));
    let told = &calls.held_out;
    assert_eq!((told.numbers, told.found, told.falsely, told.of_other_schemes), (4, 2, 1, 1));
    assert_eq!((told.precision, told.recall), (Some(2.0 / 3.0), Some(0.5)));
    assert!((told.f1 - 4.0 / 7.0).abs() < 1e-12);
    assert_eq!((told.campaigns.campaigns, told.campaigns.found), (3, 2));
    assert_eq!(told.campaigns.minutes, [100.0 / 60.0, 130.0 / 60.0]);
    assert!((told.campaigns.median_minutes.unwrap() - 115.0 / 60.0).abs() < 1e-9);
    let (weak, strong) = (told.weak.as_ref().unwrap(), told.strong.as_ref().unwrap());
    assert_eq!((weak.campaigns, weak.found, strong.campaigns, strong.found), (1, 1, 2, 1));
    // From 01:00:10 of the first day to 01:02:10 of the second: named once on either.
    let days = (DAY + 2 * 60 * SECOND) as f64 / DAY as f64;
    assert!((told.false_alarms_a_day - 2.0 / days).abs() < 1e-9, "{}", told.false_alarms_a_day);
    // A scheme that nothing was calibrated for has no rule.
    assert!(group(&report, "other").rules.is_empty());
}

#[test]
fn a_number_is_guilty_while_its_campaign_runs_and_neither_for_a_day_after() {
    let told = |from_ms: i64| {
        let mut held_out = World::new();
        held_out.calls(1, MIDNIGHT, 1, true);
        held_out.calls(60, from_ms, 10, true);
        held_out.label("flood", "c", 60, MIDNIGHT + 2 * DAY, "1");
        let report = report(&calibration(), &held_out);
        let told = rule(group(&report, "flood"), &["calls_5m"]).held_out.clone();
        (told.found, told.falsely)
    };
    let (start, end) = (MIDNIGHT + 2 * DAY, MIDNIGHT + 2 * DAY + HOUR);
    assert_eq!(told(start - HOUR), (0, 1));
    assert_eq!(told(start), (1, 0));
    assert_eq!(told(end + 10 * 60 * SECOND), (1, 0), "records of its last calls come within the grace");
    assert_eq!(told(end + HOUR), (0, 0), "the longest window may still have it");
    assert_eq!(told(end + DAY + HOUR), (0, 1));
}

#[test]
fn held_out_sets_have_no_say_in_the_rules() {
    let mut plain = World::new();
    plain.calls(60, MIDNIGHT + 2 * HOUR, 10, true);
    plain.label("flood", "c", 60, MIDNIGHT + 2 * HOUR, "1");
    let mut other = World::new();
    // Here the campaign places two calls and innocent numbers a hundred: any other threshold were better.
    other.calls(1, MIDNIGHT + HOUR, 100, true);
    other.calls(60, MIDNIGHT + 2 * HOUR, 2, false);
    other.label("flood", "c", 60, MIDNIGHT + 2 * HOUR, "1");
    other.label("flood", "d", 1, MIDNIGHT + 9 * HOUR, "1");
    let settled = |report: &Report| {
        let rules = &group(report, "flood").rules;
        let mut rules: Vec<_> = rules.iter().map(|rule| (rule.rule.clone(), rule.is_chosen)).collect();
        rules.sort();
        rules
    };
    let calibration = calibration();
    let (first, second) = (report(&calibration, &plain), report(&calibration, &other));
    assert_eq!(settled(&first), settled(&second));
    assert!(settled(&first).contains(&(CALLS_AT_LEAST_4.to_owned(), true)), "{:?}", settled(&first));
    let found = |report: &Report| rule(group(report, "flood"), &["calls_5m"]).held_out.found;
    assert_eq!((found(&first), found(&second)), (1, 0));
}

#[test]
fn two_thresholds_tell_apart_what_one_cannot() {
    let mut worlds = [World::new(), World::new()];
    for world in &mut worlds {
        // Busy numbers that call one number, and idle ones that call several: the campaign is busy and calls many.
        for number in 1..10 {
            world.calls(number, MIDNIGHT + HOUR, 10, true);
            world.calls(20 + number, MIDNIGHT + HOUR, 2, false);
        }
        world.calls(60, MIDNIGHT + 2 * HOUR, 8, false);
        world.label("flood", "c", 60, MIDNIGHT + 2 * HOUR, "1");
    }
    let [first, second] = &worlds;
    let report = report(first, second);
    let flood = group(&report, "flood");
    let pair = rule(flood, &["calls_5m", "dispersion_5m"]);
    assert!(pair.is_chosen);
    assert_eq!((pair.held_out.found, pair.held_out.falsely), (1, 0), "{}", pair.rule);
    for single in flood.rules.iter().filter(|rule| rule.features.len() == 1) {
        assert!(single.held_out.falsely > 0, "{}", single.rule);
    }
}

#[test]
fn a_budget_of_false_alarms_is_kept_on_the_calibration_sets() {
    let mut world = calibration();
    // A campaign that no threshold finds without naming the number with three calls.
    world.calls(51, MIDNIGHT + 9 * HOUR, 3, true);
    world.label("flood", "d", 51, MIDNIGHT + 9 * HOUR, "1");
    for (budget, threshold, found, falsely) in [(0.0, CALLS_AT_LEAST_4, 1, 0), (1.0, "calls_5m >= 3", 2, 1)] {
        let report = report_by(Objective::FalseAlarmsPerDay(budget), &world, &world, 1);
        let calls = rule(group(&report, "flood"), &["calls_5m"]);
        assert_eq!(calls.rule, threshold);
        assert_eq!((calls.calibration.found, calls.calibration.falsely), (found, falsely));
        assert!(calls.calibration.false_alarms_a_day <= budget);
    }
}

#[test]
fn one_set_of_calls_is_dealt_out_by_campaign_and_number() {
    let mut world = World::new();
    for number in 0..100 {
        world.calls(number, MIDNIGHT + HOUR, 3, true);
    }
    for campaign in 0..7 {
        let number = 200 + campaign;
        world.calls(number, MIDNIGHT + 2 * HOUR, 10, true);
        world.label("flood", &campaign.to_string(), number, MIDNIGHT + 2 * HOUR, "1");
    }
    // Innocent, and named by any threshold at which campaigns are found: of one half.
    world.calls(300, MIDNIGHT + 2 * HOUR, 10, true);
    let labels = world.labels();
    let half = |half| DataSet { name: "set".to_owned(), calls: &world.calls, labels: &labels, half: Some(half) };
    let options = Options { objective: Objective::BestF1, threads: 2 };
    let halves = (half(Half::Calibration), half(Half::HeldOut));
    let report = evaluate(&definitions(), &[halves.0], &[halves.1], options, &|| ()).unwrap();
    let flood = group(&report, "flood");
    assert!(report.are_halves);
    assert_eq!((flood.calibration.campaigns, flood.held_out.campaigns), (4, 3));
    let calls = rule(flood, &["calls_5m"]);
    assert_eq!((calls.calibration.found, calls.held_out.found), (4, 3));
    assert_eq!(calls.calibration.falsely + calls.held_out.falsely, 1);
    let alarms = calls.calibration.false_alarms_a_day + calls.held_out.false_alarms_a_day;
    assert!((alarms - 2.0).abs() < 1e-9, "a number of a half stands for two: {alarms}");
}

#[test]
fn the_same_sets_give_the_same_bytes_whatever_runs_beside_them() {
    let world = calibration();
    let all = |threads: usize| {
        let report = report_by(Objective::BestF1, &world, &world, threads);
        [table(&report, 5), csv(&report), plot(&report)]
    };
    let first = all(1);
    assert_eq!(first, all(1));
    assert_eq!(first, all(4));
    let [text, rows, drawing] = first;
    assert!(text.contains("* calls_5m >= 4"), "{text}");
    assert!(
        rows.lines().skip(1).all(|row| row.split(',').count() == rows.lines().next().unwrap().split(',').count())
    );
    assert!(drawing.starts_with("<svg ") && drawing.contains("<title") && drawing.contains("calls_5m &gt;= 4"));
}

#[test]
fn what_cannot_be_evaluated_is_told_with_a_remedy() {
    let world = calibration();
    let labels = world.labels();
    let empty = LoadedCalls::default();
    let set = |calls, labels| [DataSet { name: "set a".to_owned(), calls, labels, half: None }];
    let options = Options { objective: Objective::BestF1, threads: 1 };
    let refused = |calibration: &[DataSet<'_>]| {
        let error = evaluate(&definitions(), calibration, &set(&world.calls, &labels), options, &|| ()).unwrap_err();
        (error.to_string(), error)
    };
    let (said, error) = refused(&set(&empty, &labels));
    assert!(matches!(error, EvaluationError::NoCalls { .. }) && said.starts_with("set a holds no call"), "{said}");
    let none = Labels::default();
    let (said, error) = refused(&set(&world.calls, &none));
    assert!(matches!(error, EvaluationError::NothingLabelled) && said.contains("label some campaigns"), "{said}");
}
