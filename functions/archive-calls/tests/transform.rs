//! Kinesis records through Firehose: positions, order, sizes, and what the batch job reads of it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Write as _;

use archive_calls::{BUFFER_BYTES_MAX, FirehoseEvent, FirehoseResponse, Outcome, RESPONSE_BYTES_MAX, transform};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use call_files::{ReadError, ReadOptions};
use cdr::NumberPlan;
use event_source::Record;
use serde_json::{Value, json};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/calls";
const SHARD: &str = "shardId-000000000003";
/// 2026-11-21T07:06:06.302Z, one of the moments that a fraction of seconds does not keep.
const ARRIVED_MS: i64 = 1_795_244_766_302;

fn plan() -> NumberPlan {
    NumberPlan::new("US").unwrap()
}

fn call(id: &str) -> String {
    format!(
        r#"{{"call_id":"{id}","caller":"(202) 555-0101","callee":"+442079460018","started_at":"2026-11-21T07:06:05.004Z","ended_at":"2026-11-21T07:06:06.004Z","outcome":"busy"}}"#
    )
}

fn record(number: u64, data: Vec<u8>) -> Record {
    Record {
        sequence_number: format!("4959033827149025660855969253836157109592157598913658{number:04}"),
        partition_key: "+12025550101".to_owned(),
        data,
        arrived_at_ms: ARRIVED_MS + number as i64,
    }
}

/// Lone records of all kinds, a whole aggregate, a broken one and one in another.
fn records() -> Vec<Record> {
    let (one, two) = (call("a-1"), call("a-2"));
    let parts: [(&str, &[u8]); 3] = [("k", one.as_bytes()), ("k", b"no call"), ("l", two.as_bytes())];
    let whole = cdr::aggregate(parts);
    let mut broken = whole.clone();
    broken.pop();
    let nested = cdr::aggregate([("k", whole.as_slice())]);
    let data = [call("b-1").into_bytes(), whole, b"{".to_vec(), broken, Vec::new(), nested, call("b-2").into_bytes()];
    (1..).zip(data).map(|(number, data)| record(number, data)).collect()
}

/// A record as Firehose sends it; `sub_sequence` where it was in an aggregate that Firehose has taken apart.
fn firehose_record(id: usize, record: &Record, data: &[u8], sub_sequence: Option<usize>) -> Value {
    let mut metadata = json!({
        "shardId": SHARD,
        "partitionKey": record.partition_key,
        "approximateArrivalTimestamp": record.arrived_at_ms,
        "sequenceNumber": record.sequence_number,
    });
    metadata["subsequenceNumber"] = sub_sequence.map_or(json!(""), |n| json!(n));
    json!({
        "recordId": format!("{}{id:06}", record.sequence_number),
        "approximateArrivalTimestamp": record.arrived_at_ms,
        "data": STANDARD.encode(data),
        "kinesisRecordMetadata": metadata,
    })
}

fn event(records: &[Value]) -> FirehoseEvent {
    let event = json!({
        "invocationId": "invoked",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/archive",
        "sourceKinesisStreamArn": ARN,
        "region": "us-east-1",
        "records": records,
    });
    serde_json::from_value(event).unwrap()
}

fn as_they_came(records: &[Record]) -> Vec<Value> {
    records.iter().enumerate().map(|(id, record)| firehose_record(id, record, &record.data, None)).collect()
}

fn lines(response: &FirehoseResponse) -> String {
    let datas = response.records.iter().filter_map(|record| record.data.as_ref());
    datas.map(|data| String::from_utf8(STANDARD.decode(data).unwrap()).unwrap()).collect()
}

/// What is to be the same however a record came: where it stands, when it arrived, and what is in it.
fn of_line(line: &str) -> (String, String, String) {
    let line: Value = serde_json::from_str(line).unwrap();
    let what = if line["call"].is_null() { &line["bytes"] } else { &line["call"]["call_id"] };
    [&line["position"], &line["arrived_at"], what].map(|value| value.as_str().unwrap().to_owned()).into()
}

/// The same of what count-calls is given.
fn of_received(records: &[Record]) -> Vec<(String, String, String)> {
    let batch = count_calls::read_event(event_source::kinesis_event(ARN, SHARD, records)).unwrap();
    let of = |record: count_calls::Received| {
        let what = match cdr::parse(&plan(), &record.bytes) {
            Ok(parsed) => parsed.record.call_id.to_string(),
            Err(_) => STANDARD.encode(&record.bytes),
        };
        (record.position.to_string(), cdr::format_time(record.arrived_at_ms), what)
    };
    batch.records.into_iter().map(of).collect()
}

#[test]
fn positions_are_those_that_count_calls_gives_the_same_records() {
    let (response, report) = transform(&plan(), event(&as_they_came(&records())));
    let written: Vec<_> = lines(&response).lines().map(of_line).collect();
    assert_eq!(written, of_received(&records()));
    // Three of the whole aggregate; the other two aggregates stay whole.
    assert_eq!((report.received, report.lines, report.unreadable), (7, 9, 5));
    assert_eq!(report.records_not_archived(), 0);
}

#[test]
fn an_aggregate_that_firehose_took_apart_has_the_same_lines() {
    let records = records();
    let mut taken_apart = Vec::new();
    for record in &records {
        match cdr::deaggregate(&record.data) {
            Ok(parts) => taken_apart
                .extend(parts.iter().enumerate().map(|(n, part)| firehose_record(n, record, part, Some(n)))),
            // What cannot be taken apart comes as it is.
            Err(_) => taken_apart.push(firehose_record(0, record, &record.data, Some(0))),
        }
    }
    let (response, _) = transform(&plan(), event(&taken_apart));
    let (whole, _) = transform(&plan(), event(&as_they_came(&records)));
    assert_eq!(lines(&response), lines(&whole));
}

#[test]
fn answers_are_in_order_and_what_has_no_place_is_kept_by_firehose() {
    let records = records();
    let mut sent = as_they_came(&records[..4]);
    sent[0]["kinesisRecordMetadata"] = Value::Null;
    sent[1]["data"] = json!("no Base64!");
    sent[2]["kinesisRecordMetadata"]["approximateArrivalTimestamp"] = Value::Null;
    sent.push(firehose_record(9, &records[0], &cdr::aggregate([]), None));
    let (response, report) = transform(&plan(), event(&sent));
    let ids: Vec<&str> = sent.iter().map(|record| record["recordId"].as_str().unwrap()).collect();
    let answered: Vec<&str> = response.records.iter().map(|record| record.record_id.as_str()).collect();
    assert_eq!(answered, ids);
    let answer = serde_json::to_value(&response).unwrap();
    let results: Vec<&str> =
        answer["records"].as_array().unwrap().iter().map(|record| record["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["ProcessingFailed", "ProcessingFailed", "ProcessingFailed", "Ok", "Dropped"]);
    // Without data: Firehose keeps what it sent.
    assert_eq!(answer["records"][0], json!({"recordId": ids[0], "result": "ProcessingFailed"}));
    let whys: Vec<_> = report.not_archived.into_iter().collect();
    assert_eq!(whys, [("no_position", 2), ("not_base64", 1)]);
}

#[test]
fn the_batch_job_reads_what_comes_out() {
    let (response, _) = transform(&plan(), event(&as_they_came(&records())));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive-1-2026-11-21-07-06-06.jsonl.gz");
    // Firehose compresses what the records' data are, one after the other.
    let mut file =
        flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::default());
    file.write_all(lines(&response).as_bytes()).unwrap();
    file.finish().unwrap();
    let plan = plan();
    let rows: Vec<_> = call_files::open(&path, &plan, &ReadOptions::default()).unwrap().collect();
    let read: Vec<_> = rows
        .iter()
        .map(|row| match row {
            Ok(call) => (call.position.clone().unwrap(), call.arrived_at_ms.unwrap(), Some(call.call.clone())),
            Err(ReadError::Row(refused)) => (refused.position.clone().unwrap(), refused.arrived_at_ms.unwrap(), None),
            Err(error) => panic!("{error}"),
        })
        .collect();
    let batch = count_calls::read_event(event_source::kinesis_event(ARN, SHARD, &records())).unwrap();
    let expected: Vec<_> = batch
        .records
        .iter()
        .map(|record| {
            let call = cdr::parse(&plan, &record.bytes).ok().map(|parsed| parsed.record);
            (record.position.to_string(), record.arrived_at_ms, call)
        })
        .collect();
    assert_eq!(read, expected);
}

#[test]
fn an_answer_stays_within_what_lambda_takes() {
    // Of long records that are no calls more than fit, and in the end a short one.
    let mut records: Vec<Record> = (0..100).map(|number| record(number, vec![b'x'; 50_000])).collect();
    records.push(record(100, b"short".to_vec()));
    let (response, report) = transform(&plan(), event(&as_they_came(&records)));
    let bytes = serde_json::to_vec(&response).unwrap().len();
    let one = response.records[0].data.as_ref().unwrap().len();
    assert!(bytes <= RESPONSE_BYTES_MAX && bytes + one + 2_000 > RESPONSE_BYTES_MAX, "{bytes}");
    assert_eq!(report.lines + report.not_archived["answer_full"], 101);
    let results: Vec<Outcome> = response.records.iter().map(|record| record.result).collect();
    let fit = RESPONSE_BYTES_MAX / (one + 100);
    assert!(results[..fit].iter().all(|result| *result == Outcome::Ok), "{fit} {results:?}");
    // What did not fit is kept by Firehose; what came after it and is shorter had room still.
    assert!(results[fit + 1..100].iter().all(|result| *result == Outcome::ProcessingFailed), "{fit} {results:?}");
    assert_eq!(results[100], Outcome::Ok);
}

/// Bytes of the shortest call between two numbers in its two forms, and how many times as long its part of an answer is.
fn growth() -> [(usize, f64); 2] {
    let json = r#"{"call_id":"a","caller":"+2908000","callee":"+2908001","started_at":"2026-11-21T07:06:05Z","ended_at":"2026-11-21T07:06:05Z","outcome":"busy"}"#;
    let call = cdr::parse(&plan(), json.as_bytes()).unwrap().record;
    [call.to_protobuf(), json.as_bytes().to_vec()].map(|data| {
        let records: Vec<Record> = (0..20).map(|number| record(number, data.clone())).collect();
        let (response, report) = transform(&plan(), event(&as_they_came(&records)));
        assert_eq!((report.lines, report.unreadable), (20, 0));
        (data.len(), serde_json::to_vec(&response).unwrap().len() as f64 / (20 * data.len()) as f64)
    })
}

#[test]
fn a_buffer_of_the_shortest_calls_fits_into_an_answer() {
    let [(protobuf_bytes, protobuf), (json_bytes, json)] = growth();
    let answer = protobuf * BUFFER_BYTES_MAX as f64;
    let told =
        format!("{protobuf_bytes} bytes of protobuf times {protobuf}, {json_bytes} of JSON times {json}: {answer}");
    // With room for a buffer that is half as full again: its size is a hint.
    assert!(answer * 1.5 < RESPONSE_BYTES_MAX as f64, "{told}");
    // Of Firehose's default, a third would fit.
    assert!(protobuf * 1024.0 * 1024.0 / 3.0 > RESPONSE_BYTES_MAX as f64 * 0.95, "{told}");
    println!("{told}");
}
