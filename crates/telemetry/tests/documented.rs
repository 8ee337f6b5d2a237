//! What is written of metrics, for people and for Grafana, is what the catalogue has.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use telemetry::{Metric, metrics};

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Function, name, kind, unit and labels of every metric.
type Row = (String, String, String, String, Vec<String>);

#[test]
fn the_tables_are_the_catalogue() {
    let text = fs::read_to_string(file("docs/metrics.md")).unwrap();
    let mut documented: BTreeSet<Row> = BTreeSet::new();
    let mut section = "";
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", name, kind, unit, labels, meaning, ""] = cells[..]
            && let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`'))
        {
            assert!(!meaning.is_empty(), "{name}");
            let labels = labels.split(',').map(|label| label.trim().trim_matches('`').to_owned());
            let labels = labels.filter(|label| !label.is_empty()).collect();
            let is_new = documented.insert((section.into(), name.into(), kind.into(), unit.into(), labels));
            assert!(is_new, "{name} is there twice");
        }
    }
    let row = |metric: &Metric| -> Row {
        let labels = metric.labels.iter().map(|label| (*label).to_owned()).collect();
        (
            metric.function.as_str().into(),
            metric.name.into(),
            metric.kind.as_str().into(),
            metric.unit.as_str().into(),
            labels,
        )
    };
    let declared: BTreeSet<Row> = metrics().map(row).collect();
    assert_eq!(documented, declared);
}

/// Labels that a scrape or the format adds.
const ADDED: [&str; 3] = ["job", "instance", "le"];

#[test]
fn every_query_of_the_dashboard_asks_for_what_there_is() {
    let dashboard: Value = serde_json::from_slice(&fs::read(file("infra/grafana-dashboard.json")).unwrap()).unwrap();
    let mut asked = BTreeSet::new();
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels {
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{}", panel["title"]);
        for target in panel["targets"].as_array().unwrap() {
            let (query, legend) = (target["expr"].as_str().unwrap(), target["legendFormat"].as_str().unwrap());
            let named = names_in(query);
            assert!(!named.is_empty(), "{query}");
            for name in &named {
                let metric = metrics().find(|metric| metric.samples().iter().any(|sample| sample == name));
                let metric = metric.unwrap_or_else(|| panic!("{name} of {query} is not exported"));
                asked.insert(metric.name);
                for label in labels_in(query).chain(labels_of_legend(legend)) {
                    let is_known = metric.labels.contains(&label) || ADDED.contains(&label);
                    assert!(is_known, "{} has no label {label}: {query}", metric.name);
                }
            }
        }
    }
    // What an operator asks first.
    for metric in [
        "calls_counted",
        "calls_by_lateness",
        "records_quarantined",
        "write_units",
        "requests",
        "request_seconds",
        "answers_degraded",
        "snapshot_age_seconds",
        "runs",
    ] {
        assert!(asked.contains(metric), "no panel shows {metric}");
    }
}

/// The names of samples in a query.
fn names_in(query: &str) -> Vec<&str> {
    words(query).filter(|word| word.starts_with("tollwatch_")).collect()
}

/// The labels that a query selects or groups by.
fn labels_in(query: &str) -> impl Iterator<Item = &str> {
    let between = |open: &'static str, close: char| {
        query.split(open).skip(1).filter_map(move |rest| Some(rest.split_once(close)?.0))
    };
    let selected = between("{", '}').flat_map(|inside| inside.split(',')).filter_map(|one| words(one).next());
    let grouped =
        ["by (", "ignoring (", "without ("].into_iter().flat_map(move |open| between(open, ')')).flat_map(words);
    selected.chain(grouped)
}

/// The labels that a legend shows, as `{{label}}`.
fn labels_of_legend(legend: &str) -> impl Iterator<Item = &str> {
    legend.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}
