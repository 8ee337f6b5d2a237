//! Requests against a stream in the process: what is answered, what is on the stream, and that it counts.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::types::ShardIteratorType;
use cdr::{Lateness, NumberPlan};
use count_calls::{BatchReport, CallCounter, CounterSettings, ObjectQuarantine};
use event_source::{Record, kinesis_event};
use features::{FeatureSet, HOUR_MS};
use http::{Request, Response};
use ingest_calls::{Ingest, IngestReport, Moments, lambda};
use lambda_http::aws_lambda_events::encodings::Body;
use local_aws::{LocalAws, LocalAwsConfig};
use objects::Objects;
use serde_json::{Value, json};
use tiles::MemoryTiles;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// 2026-11-21T07:06:06Z.
const NOW_MS: i64 = 1_795_244_766_000;
const STREAM: &str = "calls";
const CALLER: &str = "+12025550101";

fn ingest(kinesis: aws_sdk_kinesis::Client) -> Ingest {
    let lateness = Lateness { allowed_ms: 24 * HOUR_MS };
    Ingest::new(kinesis, STREAM.to_owned(), NumberPlan::new("US").unwrap(), lateness)
}

async fn stream() -> (LocalAws, Ingest) {
    let local = LocalAws::start(LocalAwsConfig::default().with_kinesis()).await.unwrap();
    local.create_stream(STREAM, 1).await.unwrap();
    let ingest = ingest(local.kinesis().unwrap());
    (local, ingest)
}

fn request(content_type: &str, body: impl Into<Vec<u8>>) -> Request<Vec<u8>> {
    Request::post("https://ingest.example/v1/calls").header("content-type", content_type).body(body.into()).unwrap()
}

fn moments() -> Moments {
    Moments { received_at_ms: NOW_MS, answer_by: Instant::now() + Duration::from_secs(20) }
}

async fn ask(ingest: &Ingest, request: &Request<Vec<u8>>) -> (u16, Value, IngestReport) {
    let (response, report) = ingest.answer(request, moments()).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let status = response.status().as_u16();
    assert_eq!(report.status, status);
    (status, serde_json::from_str(response.body()).unwrap(), report)
}

fn call(id: &str) -> Value {
    json!({
        "call_id": id, "caller": "(202) 555-0101", "callee": "+442079460018",
        "started_at": "2026-11-21T07:06:05.004Z", "ended_at": "2026-11-21T07:06:06.004Z", "outcome": "busy",
    })
}

/// Everything on the stream.
async fn on_stream(local: &LocalAws) -> Vec<Record> {
    let kinesis = local.kinesis().unwrap();
    let iterator = kinesis.get_shard_iterator().stream_name(STREAM).shard_id("shardId-000000000000");
    let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let read = kinesis.get_records().shard_iterator(iterator.shard_iterator.unwrap()).send().await.unwrap();
    let records = read.records.into_iter().map(|record| Record {
        sequence_number: record.sequence_number,
        partition_key: record.partition_key.unwrap_or_default(),
        data: record.data.into_inner(),
        arrived_at_ms: NOW_MS,
    });
    records.collect()
}

/// What count-calls makes of records.
async fn counted(records: &[Record]) -> BatchReport {
    let folder = tempfile::tempdir().unwrap();
    let quarantine = ObjectQuarantine::new(Objects::in_folder(folder.path()));
    let set = Arc::new(FeatureSet::default_set().unwrap());
    let plan = Arc::new(NumberPlan::new("US").unwrap());
    let mut counter = CallCounter::new(MemoryTiles::default(), quarantine, set, plan, CounterSettings::default());
    let event = kinesis_event(
        "arn:aws:kinesis:us-east-1:0:stream/calls",
        "shardId-000000000000",
        records.iter().collect::<Vec<_>>(),
    );
    counter.handle(event, Instant::now() + Duration::from_mins(1)).await.unwrap().1
}

#[tokio::test]
async fn what_is_accepted_is_on_the_stream_and_counts_once() {
    let (local, ingest) = stream().await;
    let one = request("application/json", call("a-1").to_string());
    let (status, answer, _) = ask(&ingest, &one).await;
    assert_eq!(status, 202);
    let placed = on_stream(&local).await;
    let [record] = &placed[..] else { panic!("{placed:?}") };
    let result = &answer["results"][0];
    assert_eq!(
        *result,
        json!({"index": 0, "status": "accepted", "shard": "shardId-000000000000", "sequence_number": record.sequence_number})
    );
    // Normalised, under its caller.
    assert_eq!(record.partition_key, CALLER);
    let on_it: Value = serde_json::from_slice(&record.data).unwrap();
    assert_eq!((&on_it["caller"], &on_it["callee"]), (&json!(CALLER), &json!("+442079460018")));

    let lines = format!("{}\n\n{}\n", call("a-2"), call("a-3"));
    assert_eq!(ask(&ingest, &request("application/x-ndjson", lines)).await.0, 202);
    let mut known = call("a-5");
    known["cellid"] = json!("a misspelt field");
    let (status, answer, report) =
        ask(&ingest, &request("application/json", json!([call("a-4"), known]).to_string())).await;
    assert_eq!((status, report.ingested, report.unknown_fields), (202, 2, 1));
    assert_eq!(answer["results"][1]["unknown_fields"], 1);
    let protobuf = cdr::parse(&NumberPlan::new("US").unwrap(), call("a-6").to_string().as_bytes()).unwrap();
    let protobuf = Request::post("https://ingest.example/v1/calls")
        .header("content-type", "application/x-protobuf")
        .body(Body::Binary(protobuf.record.to_protobuf()))
        .unwrap();
    let (response, _) = lambda::answer(&ingest, protobuf, NOW_MS, Duration::from_secs(20)).await;
    assert_eq!(response.status(), 202);
    // Again, as a producer does that lost the answer.
    assert_eq!(ask(&ingest, &one).await.0, 202);

    let report = counted(&on_stream(&local).await).await;
    assert_eq!((report.received, report.counted, report.duplicates), (7, 6, 1));
    assert!(report.quarantined.is_empty(), "{:?}", report.quarantined);
}

/// A record travels under its own trace context, or under that of its request if somebody records that.
#[tokio::test]
async fn the_trace_of_a_request_goes_on_with_its_records() {
    let (local, ingest) = stream().await;
    let traced = |byte: &str, flags: &str| format!("00-{}-{}-{flags}", byte.repeat(16), byte.repeat(8));
    let mut own = call("t-2");
    own["traceparent"] = json!(traced("ab", "01"));
    for (header, body) in [
        (traced("cd", "01"), json!([call("t-1"), own])),
        (traced("ef", "00"), json!([call("t-3")])),
        ("no context".to_owned(), json!([call("t-4")])),
    ] {
        let mut request = request("application/json", body.to_string());
        request.headers_mut().insert("traceparent", header.parse().unwrap());
        assert_eq!(ask(&ingest, &request).await.0, 202);
    }
    let on_it: Vec<Value> =
        on_stream(&local).await.iter().map(|record| serde_json::from_slice(&record.data).unwrap()).collect();
    let contexts: Vec<_> = on_it.iter().map(|record| record["traceparent"].as_str()).collect();
    assert_eq!(contexts, [Some(traced("cd", "01").as_str()), Some(&traced("ab", "01")), None, None]);
}

#[tokio::test]
async fn each_record_is_judged_as_count_calls_would_and_no_number_is_echoed() {
    let (local, ingest) = stream().await;
    let with = |field: &str, value: Value| {
        let mut call = call("b-1");
        call[field] = value;
        call
    };
    let records = json!([
        call("b-1"),
        with("caller", json!("+1202555010155501015550101")),
        with("ended_at", json!(5)),
        with("started_at", json!("2026-11-20T07:06:04Z")),
        json!({"call_id": "b-2", "caller": CALLER}),
        "+12025550199",
        // Its beginning is after its arrival by more than clocks may differ.
        {
            "call_id": "b-3", "caller": CALLER, "callee": "anonymous", "outcome": "busy",
            "started_at": "2026-11-21T07:16:06.001Z", "ended_at": "2026-11-21T07:16:07Z",
        },
    ]);
    let (status, answer, report) = ask(&ingest, &request("application/json", records.to_string())).await;
    assert_eq!(status, 207);
    assert_eq!((&answer["accepted"], &answer["refused"], &answer["failed"]), (&json!(1), &json!(6), &json!(0)));
    let told: Vec<_> = answer["results"].as_array().unwrap()[1..]
        .iter()
        .map(|result| {
            (result["index"].as_u64().unwrap(), result["reason"].as_str().unwrap(), result["field"].as_str())
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, "bad_number", Some("caller")),
            (2, "wrong_type", Some("ended_at")),
            (3, "too_late", Some("started_at")),
            (4, "missing_field", Some("callee")),
            (5, "unparseable", None),
            (6, "from_future", Some("started_at")),
        ]
    );
    assert_eq!(answer["results"][1]["rule"], "has the wrong length for E.164: wants + and 7 to 15 digits");
    // Not as protobuf, for which the stream would take it.
    assert_eq!(answer["results"][5]["rule"], "is no JSON object: wants one a record");
    let told = answer["results"].as_array().unwrap()[1..].iter().map(Value::to_string).collect::<String>();
    assert!(!told.contains("555"), "{told}");
    assert_eq!(report.refused.values().sum::<u64>(), 6);
    assert_eq!(on_stream(&local).await.len(), 1);

    // What was refused would have been set aside, for the same reasons, and what was accepted not.
    let put = |value: &Value, n: usize| Record {
        sequence_number: n.to_string(),
        partition_key: CALLER.to_owned(),
        data: value.to_string().into_bytes(),
        arrived_at_ms: NOW_MS,
    };
    let all: Vec<Record> = records.as_array().unwrap().iter().zip(1..).map(|(value, n)| put(value, n)).collect();
    assert_eq!(counted(&all).await.quarantined, report.refused);
}

#[tokio::test]
async fn where_nothing_is_valid_nothing_is_put() {
    let (local, ingest) = stream().await;
    let (status, answer, report) = ask(&ingest, &request("application/json", "{\"call_id\":")).await;
    assert_eq!((status, report.put_attempts), (400, 0));
    let result = &answer["results"][0];
    assert_eq!((&result["reason"], &result["at"]), (&json!("unparseable"), &json!(11)));
    let (status, _, report) = ask(&ingest, &request("application/x-ndjson", "{}\nno\n")).await;
    assert_eq!((status, report.refused.values().sum::<u64>()), (400, 2));
    assert!(on_stream(&local).await.is_empty());
}

#[tokio::test]
async fn a_request_that_is_none_is_told_so() {
    let (_local, ingest) = stream().await;
    let refused = async |request: Request<Vec<u8>>| {
        let (status, answer, report) = ask(&ingest, &request).await;
        assert_eq!(answer["error"]["code"].as_str(), report.refusal);
        assert!(answer["error"]["message"].as_str().unwrap().len() > 20);
        (status, report.refusal.unwrap())
    };
    let elsewhere = Request::post("https://ingest.example/v1/call").body(Vec::new()).unwrap();
    assert_eq!(refused(elsewhere).await, (404, "not_found"));
    let get = Request::get("https://ingest.example/v1/calls").body(Vec::new()).unwrap();
    let (response, _) = ingest.answer(&get, moments()).await;
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(refused(get).await, (405, "method_not_allowed"));
    assert_eq!(refused(request("text/csv", "a")).await, (415, "unsupported_media_type"));
    assert_eq!(refused(request("application/json", "[]")).await, (400, "no_records"));
    assert_eq!(refused(request("application/json", "[{},")).await, (400, "not_json"));
    assert_eq!(refused(request("application/x-ndjson", "{}\n".repeat(501))).await, (413, "too_many_records"));
    assert_eq!(refused(request("application/json", vec![b'['; 4 << 20 | 1])).await, (413, "body_too_large"));
}

/// An endpoint that speaks Kinesis and takes so many of the records of a `PutRecords`, by its number from 0 and how many
/// it has.
async fn slow_stream(takes: impl Fn(usize, usize) -> usize + Clone + Send + Sync + 'static) -> Ingest {
    let requests = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let app = axum::Router::new().fallback(move |body: axum::body::Bytes| async move {
        let number = requests.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let request: Value = serde_json::from_slice(&body).unwrap();
        let count = request["Records"].as_array().unwrap().len();
        let takes = takes(number, count);
        let answer = |place: usize| match place < takes {
            true => json!({"ShardId": "shardId-000000000000", "SequenceNumber": format!("{number}{place:03}")}),
            false => json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "full"}),
        };
        let records: Vec<Value> = (0..count).map(answer).collect();
        let body = json!({"FailedRecordCount": count - takes, "Records": records}).to_string();
        ([("content-type", "application/x-amz-json-1.1")], body)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    ingest(local_aws::kinesis_client(&url))
}

#[tokio::test]
async fn records_that_are_turned_away_at_first_are_put_again() {
    let ingest = slow_stream(|number, count| if number == 0 { 0 } else { count.div_ceil(2) }).await;
    let records: Vec<Value> = (0..4).map(|n| call(&format!("c-{n}"))).collect();
    let (status, answer, report) = ask(&ingest, &request("application/json", json!(records).to_string())).await;
    // None, then two, one and one.
    assert_eq!((status, report.put_attempts, report.ingested), (202, 4, 4));
    let numbers: Vec<&str> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["sequence_number"].as_str().unwrap())
        .collect();
    assert_eq!(numbers, ["1000", "1001", "2000", "3000"]);
}

#[tokio::test]
async fn a_stream_that_never_takes_them_is_told_of_in_time() {
    let ingest = slow_stream(|_, _| 0).await;
    let began = Instant::now();
    let moments = Moments { received_at_ms: NOW_MS, answer_by: began + Duration::from_secs(2) };
    let records = json!([call("d-1"), {"call_id": "d-2"}]).to_string();
    let (response, report) = ingest.answer(&request("application/json", records), moments).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "5");
    let answer: Value = serde_json::from_str(response.body()).unwrap();
    assert_eq!(answer["results"][0]["status"], "failed");
    assert_eq!(answer["results"][0]["reason"], "not_taken");
    assert_eq!(answer["results"][1]["status"], "refused");
    assert_eq!((report.failed, report.ingested, report.put_attempts > 1), (1, 0, true));
}

#[tokio::test]
async fn a_part_that_was_not_taken_is_told_of_beside_the_rest() {
    let ingest = slow_stream(|number, _| if number == 0 { 2 } else { 0 }).await;
    let moments = Moments { received_at_ms: NOW_MS, answer_by: Instant::now() + Duration::from_secs(2) };
    let records: Vec<Value> = (0..3).map(|n| call(&format!("e-{n}"))).collect();
    let (response, _): (Response<String>, _) =
        ingest.answer(&request("application/json", json!(records).to_string()), moments).await;
    assert_eq!(response.status(), 207);
    assert_eq!(response.headers()["retry-after"], "5");
    let answer: Value = serde_json::from_str(response.body()).unwrap();
    let statuses: Vec<&str> =
        answer["results"].as_array().unwrap().iter().map(|result| result["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["accepted", "accepted", "failed"]);
}
