//! The requests of `docs/ingest.md` are sent, and what it says of the answers holds.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use cdr::{Lateness, NumberPlan};
use features::DAY_MS;
use http::Request;
use ingest_calls::{Ingest, Moments};
use local_aws::{LocalAws, LocalAwsConfig};
use serde_json::{Value, json};
use tokio::time::Instant;

/// What stands between the first pair of quotes after `flag`.
fn quoted<'a>(text: &'a str, flag: &str) -> &'a str {
    text.split_once(&format!("{flag} '")).unwrap().1.split_once('\'').unwrap().0
}

/// The example blocks: a command that ends in a body, the answer, the status.
fn examples(document: &str) -> Vec<(String, String, Value, u16)> {
    let mut examples = Vec::new();
    for block in document.split("\n\n").filter(|block| block.starts_with("    post ")) {
        let lines: Vec<&str> = block.lines().map(str::trim).collect();
        let (status, told) = lines.split_last().unwrap();
        let begins =
            told.iter().position(|line| line.starts_with("{\"accepted\"") || line.starts_with("{\"error\"")).unwrap();
        let command = told[..begins].join("\n");
        let answer = serde_json::from_str(&told[begins..].concat()).unwrap();
        let body = quoted(&command, "-d").to_owned();
        examples.push((quoted(&command, "-H").to_owned(), body, answer, status.parse().unwrap()));
    }
    examples
}

#[tokio::test]
async fn the_examples_are_answered_as_they_say() {
    let document = include_str!("../../../docs/ingest.md");
    let examples = examples(document);
    assert!(examples.len() >= 4, "{}", examples.len());
    let local = LocalAws::start(LocalAwsConfig::default().with_kinesis()).await.unwrap();
    local.create_stream("calls", 1).await.unwrap();
    let plan = NumberPlan::new("US").unwrap();
    let lateness = Lateness { allowed_ms: DAY_MS };
    let ingest = Ingest::new(local.kinesis().unwrap(), "calls".to_owned(), plan, lateness);
    for (header, body, expected, status) in examples {
        let (name, value) = header.split_once(": ").unwrap();
        let request = Request::post("https://ingest.example/v1/calls").header(name, value).body(body).unwrap();
        let moments = Moments {
            received_at_ms: cdr::parse_time("2026-11-21T07:10:00Z").unwrap(),
            answer_by: Instant::now() + Duration::from_secs(20),
        };
        let (response, _) = ingest.answer(&request, moments).await;
        let mut answer: Value = serde_json::from_str(response.body()).unwrap();
        for result in answer.get_mut("results").and_then(Value::as_array_mut).into_iter().flatten() {
            if result["status"] == "accepted" {
                result["sequence_number"] = json!("49590338271490256608559692538361571095921575989136588898");
            }
        }
        assert_eq!((response.status().as_u16(), &answer), (status, &expected), "{}", request.body());
    }
}
