//! An evaluation as text and as CSV.

use std::fmt::Write as _;

use crate::report::{Detections, GroupReport, Outcome, Report, RuleReport, SetReport};
use crate::{GRACE_MS, Objective, WEAK_BELOW};

/// The best rules of each scheme and role, at most `top` and the one that calibration would choose, as a text of lines.
pub fn table(report: &Report, top: usize) -> String {
    let mut text = String::new();
    heading(&mut text, report);
    for group in &report.groups {
        let (scheme, role) = (&group.scheme, group.role);
        let (held_out, calibration) = (group.held_out, group.calibration);
        line(
            &mut text,
            &format!(
                "\n{scheme}, {role}s: {} numbers of {} campaigns held out, {} of {} to choose by",
                held_out.numbers, held_out.campaigns, calibration.numbers, calibration.campaigns
            ),
        );
        rules(&mut text, group, top);
    }
    line(
        &mut text,
        &format!(
            "\n* what the calibration sets would choose; the order is that of F1 on the held-out sets\n\
             precision, recall: of numbers; a number is found if the rule holds from its campaign's beginning to {} minutes \
             after its end\n\
             campaigns: found by any of their numbers; minutes: the median of those found, from beginning to the first \
             record by which the rule holds\n\
             false a day: innocent numbers named, each once a UTC day",
            GRACE_MS / features::MINUTE_MS
        ),
    );
    text
}

/// Every rule with every figure, a line each; the first line names them.
pub fn csv(report: &Report) -> String {
    let mut text = "scheme,role,rule,features,chosen".to_owned();
    for set in ["calibration", "held_out"] {
        for name in FIGURES {
            let _ = write!(text, ",{set}_{name}");
        }
    }
    text.push('\n');
    for group in &report.groups {
        for rule in &group.rules {
            let features = rule.features.join(" ");
            let _ = write!(
                text,
                "{},{},{},{features},{}",
                quoted(&group.scheme),
                group.role,
                quoted(&rule.rule),
                rule.is_chosen
            );
            figures(&mut text, &rule.calibration);
            figures(&mut text, &rule.held_out);
            text.push('\n');
        }
    }
    text
}

/// What [`figures`] writes.
const FIGURES: [&str; 17] = [
    "numbers",
    "found",
    "falsely",
    "of_other_schemes",
    "precision",
    "recall",
    "f1",
    "false_alarms_a_day",
    "campaigns",
    "campaigns_found",
    "median_minutes",
    "weak_campaigns",
    "weak_campaigns_found",
    "weak_median_minutes",
    "strong_campaigns",
    "strong_campaigns_found",
    "strong_median_minutes",
];

fn figures(text: &mut String, outcome: &Outcome) {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let detections = |of: Option<&Detections>| {
        let none = Detections::default();
        let of = of.unwrap_or(&none);
        format!("{},{},{}", of.campaigns, of.found, number(of.median_minutes))
    };
    let _ = write!(
        text,
        ",{},{},{},{},{},{},{},{},{},{},{}",
        outcome.numbers,
        outcome.found,
        outcome.falsely,
        outcome.of_other_schemes,
        number(outcome.precision),
        number(outcome.recall),
        outcome.f1,
        outcome.false_alarms_a_day,
        detections(Some(&outcome.campaigns)),
        detections(outcome.weak.as_ref()),
        detections(outcome.strong.as_ref()),
    );
}

fn heading(text: &mut String, report: &Report) {
    let chosen = match report.objective {
        Objective::BestF1 => "for the best F1 of numbers; of equal ones the most sensitive".to_owned(),
        Objective::FalseAlarmsPerDay(budget) => {
            format!("to find the most numbers with at most {budget} innocent ones named a day")
        }
    };
    if report.are_halves {
        line(
            text,
            "One set of calls, dealt out: every other campaign of a scheme, and half of the innocent numbers, by a hash",
        );
    }
    let names = |sets: &[SetReport]| {
        let records: u64 = sets.iter().map(|set| set.records).sum();
        let days: f64 = sets.iter().map(|set| set.days).sum();
        let names: Vec<_> = sets.iter().map(|set| set.name.as_str()).collect();
        format!("{} ({records} records of {days:.1} days)", names.join(", "))
    };
    line(text, &format!("Thresholds chosen on  {}", names(&report.calibration)));
    line(text, &format!("Figures from          {}", names(&report.held_out)));
    line(text, &format!("Thresholds chosen     {chosen}"));
}

fn rules(text: &mut String, group: &GroupReport, top: usize) {
    if group.rules.is_empty() {
        let why = match group.calibration.campaigns {
            0 => "the calibration sets have none of it: nothing to choose a threshold by",
            _ => "no threshold is of use: its numbers were never seen, or no budget is kept",
        };
        return line(text, &format!("  {why}"));
    }
    let shown: Vec<&RuleReport> = {
        let (first, rest) = group.rules.split_at(top.min(group.rules.len()));
        first.iter().chain(rest.iter().filter(|rule| rule.is_chosen)).collect()
    };
    let mut rows = vec![["rule", "precision", "recall", "campaigns", "minutes", "false a day"].map(str::to_owned)];
    let by_strength = shown.iter().any(|rule| rule.held_out.weak.is_some() && rule.held_out.strong.is_some());
    for rule in &shown {
        let held_out = &rule.held_out;
        let campaigns = &held_out.campaigns;
        rows.push([
            rule.rule.clone(),
            share(held_out.precision, held_out.found, held_out.found + held_out.falsely),
            share(held_out.recall, held_out.found, held_out.numbers),
            format!("{} of {}", campaigns.found, campaigns.campaigns),
            minutes(campaigns.median_minutes),
            format!("{:.2}", held_out.false_alarms_a_day),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let marks = std::iter::once(" ").chain(shown.iter().map(|rule| if rule.is_chosen { "*" } else { " " }));
    for (row, mark) in rows.iter().zip(marks) {
        let [rule, figures @ ..] = row;
        let mut told = format!("{mark} {rule:<width$}", width = widths[0]);
        for (figure, width) in figures.iter().zip(&widths[1..]) {
            let _ = write!(told, "  {figure:>width$}");
        }
        line(text, &told);
    }
    if let Some(chosen) = group.chosen().filter(|_| by_strength) {
        let told = |detections: Option<&Detections>| {
            let Some(detections) = detections else { return "none".to_owned() };
            let Detections { found, campaigns, median_minutes, .. } = detections;
            let median = median_minutes.map(|median| format!(", median {} min", minutes(Some(median))));
            format!("{found} of {campaigns}{}", median.unwrap_or_default())
        };
        let (strong, weak) = (told(chosen.held_out.strong.as_ref()), told(chosen.held_out.weak.as_ref()));
        line(text, &format!("  * of strength {WEAK_BELOW} and more: {strong}; of less: {weak}"));
    }
}

/// A share with what it is of: of two cases a percentage alone says too much.
fn share(share: Option<f64>, of: u64, all: u64) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} % ({of} of {all})", share * 100.0))
}

/// Minutes with a decimal where they are few.
pub(crate) fn minutes(minutes: Option<f64>) -> String {
    match minutes {
        None => "-".to_owned(),
        Some(few) if few < 100.0 => format!("{few:.1}"),
        Some(many) => format!("{many:.0}"),
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

/// A field of CSV.
fn quoted(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
