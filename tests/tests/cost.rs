//! What README says of costs is what the command says.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use infra_tests::Template;
use serde_json::{Value, json};
use tests::{run, said};

fn cost(arguments: &str) -> Value {
    let arguments = format!("cost {arguments} --json");
    serde_json::from_str(&said(&arguments, run(Path::new("."), &arguments))).unwrap()
}

/// Whole dollars with separators, as README writes them.
fn dollars(usd: &Value) -> String {
    let whole = format!("{:.0}", usd.as_f64().unwrap());
    let digits: Vec<char> = whole.chars().rev().collect();
    let groups: Vec<String> = digits.chunks(3).map(|group| group.iter().collect()).collect();
    groups.join(",").chars().rev().collect()
}

#[test]
fn readme_quotes_the_command() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    for (calls, named) in [(1_000_000, "1 million"), (10_000_000, "10 million"), (100_000_000, "100 million")] {
        let bill = cost(&format!("--calls-per-day {calls}"));
        let of = |design: &str| dollars(&bill[design]["total_usd"]);
        let without = cost(&format!("--calls-per-day {calls} --lookups 0"));
        let row = format!(
            "| {named} | {} | {:.2} | {} | {} | {} |",
            of("tollwatch"),
            bill["tollwatch"]["usd_a_million_calls"].as_f64().unwrap(),
            dollars(&without["tollwatch"]["total_usd"]),
            of("counter_per_window"),
            of("transactions"),
        );
        assert!(readme.contains(&row), "README lacks: {row}");
    }
    let day = cost("--calls-per-day 1")["prices_of"].as_str().unwrap().to_owned();
    assert!(readme.contains(&day), "README lacks the day of the prices, {day}");
}

/// What a bill assumes of a deployment is what the template makes unless it is told otherwise.
#[test]
fn bills_are_of_the_template() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("infra/template.yaml");
    let template = Template::parse(&fs::read_to_string(path).unwrap()).unwrap();
    let default = |name: &str| template.0["Parameters"][name]["Default"].as_f64().unwrap();
    let memory = |function: &str| {
        let memory = &template.0["Resources"][function]["Properties"]["MemorySize"];
        memory.as_f64().unwrap_or_else(|| default(memory["Ref"].as_str().unwrap()))
    };
    let made = |kind: &str| template.of_type(kind).count() as f64;
    let transformation = |name: &str| {
        let stream = &template.0["Resources"]["ArchiveStream"]["Properties"]["ExtendedS3DestinationConfiguration"];
        let parameters = stream["ProcessingConfiguration"]["Processors"][0]["Parameters"].as_array().unwrap();
        let value = parameters.iter().find(|parameter| parameter["ParameterName"] == name).unwrap();
        value["ParameterValue"].as_str().unwrap().parse::<f64>().unwrap()
    };
    let expected = json!({
        "alarms": made("AWS::CloudWatch::Alarm"),
        "archive_calls_mb": memory("ArchiveCalls"),
        "archive_days": default("ArchiveDays"),
        "batch_records": default("BatchSize"),
        "batching_window_s": default("BatchWindowSeconds"),
        "count_calls_mb": memory("CountCalls"),
        "dashboards": made("AWS::CloudWatch::Dashboard"),
        "firehose_buffer_mb": default("ArchiveBufferMb"),
        "firehose_buffer_s": default("ArchiveBufferSeconds"),
        "ingest_calls_mb": memory("IngestCalls"),
        "log_days": default("LogRetentionDays"),
        "serve_features_mb": memory("ServeFeatures"),
        "transformation_buffer_mb": transformation("BufferSizeInMBs"),
        "transformation_buffer_s": transformation("BufferIntervalInSeconds"),
    });
    assert_eq!(cost("--calls-per-day 1000000")["template"], expected);
}

#[test]
fn totals_are_the_sums_of_their_lines_and_follow_what_is_asked() {
    let bill = cost("--calls-per-day 5000000 --lookups 0 --shards 2");
    for design in ["tollwatch", "counter_per_window", "transactions"] {
        let lines = bill[design]["lines"].as_array().unwrap();
        let sum: f64 = lines.iter().map(|line| line["usd"].as_f64().unwrap()).sum();
        let total = bill[design]["total_usd"].as_f64().unwrap();
        assert!((sum - total).abs() < 1e-6, "{design}: {sum} {total}");
        let of_a_million = bill[design]["usd_a_million_calls"].as_f64().unwrap();
        assert!((of_a_million * 5.0 * 30.4 - total).abs() < 1e-6, "{design}");
        let reads = lines.iter().find(|line| line["what"] == "reads" && line["service"] == "DynamoDB").unwrap();
        assert_eq!(reads["usd"], 0.0);
        assert!(lines.iter().any(|line| line["unit"] == "shard-hours") && lines.len() > 20);
    }
    assert_eq!(bill["stream"]["is_enough"], true);
    let few = cost("--calls-per-day 1000000000 --shards 2");
    assert_eq!(few["stream"]["is_enough"], false);
    let text = said("cost", run(Path::new("."), "cost --calls-per-day 1000000000 --shards 2"));
    assert!(text.contains("NOT ENOUGH") && text.contains("30.4 days"), "{text}");
}

#[test]
fn what_cannot_be_is_refused() {
    for (arguments, word) in [
        ("cost", "--calls-per-day"),
        ("cost --calls-per-day 0", "1..=1000000000"),
        ("cost --calls-per-day 1000000001", "1..=1000000000"),
        ("cost --calls-per-day many", "invalid digit"),
        ("cost --calls-per-day 1 --shards 0", "1..=20000"),
        ("cost --calls-per-day 1 --lookups=-1", "invalid digit"),
    ] {
        let output = run(Path::new("."), arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(word), "{arguments}: {said}");
    }
}
