//! The sample of answers that the service writes down.

use proto::v1;
use serde_json::Value;
use serve_features::Service;
use serve_features::answer_log::{AnswerLog, Rate};

use crate::world::{CALLER, MIDNIGHT, World, ask, history};

/// The answers of `questions` to a service that logs at a rate, and the lines that it wrote.
async fn logged(world: &World, rate: f64, batch: &[&str]) -> (v1::GetFeaturesResponse, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.jsonl");
    let log = AnswerLog::open(&path, Rate::new(rate).unwrap()).unwrap();
    let service: Service = world.service_alone().await.with_answer_log(log);
    let answer = service.get(&ask(CALLER, &["calls"])).await.unwrap();
    if !batch.is_empty() {
        let entity = |number: &&str| v1::EntityRequest { number: (*number).to_owned(), ..Default::default() };
        let entities = batch.iter().map(entity).collect();
        let request =
            v1::BatchGetFeaturesRequest { entities, features: vec!["calls".to_owned()], ..Default::default() };
        service.get_batch(&request).await.unwrap();
    }
    // A question that is refused has no answer.
    service.get(&ask("anonymous", &["calls"])).await.unwrap_err();
    let text = std::fs::read_to_string(&path).unwrap();
    (answer, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[tokio::test]
async fn a_line_is_the_answer_and_when_it_was_given() {
    let now = MIDNIGHT + 34_567;
    let mut world = World::new(history(now + 1), now);
    world.counted_since_ms = Some(now - 60_000);
    let (answer, lines) = logged(&world, 1.0, &[CALLER, "anonymous", "+12025560007"]).await;
    assert!(answer.degraded);
    assert_eq!(lines.len(), 3, "one for the question, and one for each entity that was answered");
    assert_eq!(lines[0]["answered_at"], cdr::format_time(now));
    assert_eq!(lines[0]["not_counted_before"], cdr::format_time(now - 60_000));
    let read: v1::GetFeaturesResponse = serde_json::from_value(lines[0]["response"].clone()).unwrap();
    assert_eq!(read, answer);
    assert_eq!(lines[1], lines[0]);
    assert_eq!(lines[2]["response"]["entity"]["key"], "+12025560007");

    world.counted_since_ms = Some(0);
    let (_, lines) = logged(&world, 1.0, &[]).await;
    assert_eq!(lines[0]["not_counted_before"], Value::Null);
    world.counted_since_ms = None;
    let (_, lines) = logged(&world, 1.0, &[]).await;
    assert_eq!(lines[0]["not_counted_before"], cdr::format_time(now));
}

#[tokio::test]
async fn the_same_questions_are_in_the_sample_each_time() {
    let now = MIDNIGHT + 34_567;
    let world = World::new(history(now + 1), now);
    let numbers: Vec<String> = (0..200).map(|n| format!("+1202556{n:04}")).collect();
    let batch: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let (_, first) = logged(&world, 0.2, &batch).await;
    let (_, again) = logged(&world, 0.2, &batch).await;
    let keys = |lines: &[Value]| -> Vec<String> {
        let mut keys: Vec<String> =
            lines.iter().map(|line| line["response"]["entity"]["key"].as_str().unwrap().to_owned()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&first), keys(&again));
    assert!((20..60).contains(&first.len()), "{}", first.len());
}
