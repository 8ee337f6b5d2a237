//! Webhooks of a carrier and a switch: what is taken, what is on the stream, and who is turned away.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use aws_sdk_kinesis::types::ShardIteratorType;
use cdr::{Lateness, NumberPlan};
use features::HOUR_MS;
use http::Request;
use ingest_calls::{FORM_FIELDS_MAX, Ingest, Moments, Secret, TwilioWebhook, Webhooks};
use local_aws::{LocalAws, LocalAwsConfig};
use serde_json::{Value, json};
use tokio::time::Instant;

/// 2026-11-21T07:06:06Z.
const NOW_MS: i64 = 1_795_244_766_000;
const STREAM: &str = "calls";
const TWILIO_URL: &str = "https://ingest.example/v1/calls/twilio?from=tw";

/// The callback whose signature is below.
const FORM: &str = "CallSid=CA00000000000000000000000000000001&AccountSid=AC00000000000000000000000000000001\
    &From=%2B12025550101&To=%2B12025550102&CallStatus=completed&CallDuration=60\
    &Timestamp=Sat%2C+21+Nov+2026+07%3A05%3A00+%2B0000&Direction=inbound";

/// Base64 of HMAC-SHA1 of the URL and the sorted fields, keyed by `not-a-token`; made with Python's `hmac`, which by the
/// same lines makes the signature of Twilio's own example.
const SIGNATURE: &str = "6keaCvRyRc/Uea0btEmnoxpnoRo=";

fn webhooks() -> Webhooks {
    Webhooks {
        site: "hq".to_owned(),
        twilio: Some(TwilioWebhook { url: TWILIO_URL.to_owned(), auth_token: Secret("not-a-token".to_owned()) }),
        freeswitch: Some(Secret("switch:not-a-password".to_owned())),
    }
}

async fn stream(webhooks: Option<Webhooks>) -> (LocalAws, Ingest) {
    let local = LocalAws::start(LocalAwsConfig::default().with_kinesis()).await.unwrap();
    local.create_stream(STREAM, 1).await.unwrap();
    let lateness = Lateness { allowed_ms: 24 * HOUR_MS };
    let plan = NumberPlan::new("US").unwrap();
    let ingest = Ingest::new(local.kinesis().unwrap(), STREAM.to_owned(), plan, lateness);
    (local, ingest.with_webhooks(webhooks))
}

fn twilio(form: &str, signature: &str) -> Request<Vec<u8>> {
    Request::post("https://internal.example/v1/calls/twilio")
        .header("content-type", "application/x-www-form-urlencoded; charset=UTF-8")
        .header("x-twilio-signature", signature)
        .body(form.as_bytes().to_vec())
        .unwrap()
}

fn freeswitch(content_type: &str, credentials: &str, body: &str) -> Request<Vec<u8>> {
    Request::post("https://internal.example/v1/calls/freeswitch?uuid=a_1")
        .header("content-type", content_type)
        .header("authorization", credentials)
        .body(body.as_bytes().to_vec())
        .unwrap()
}

async fn ask(ingest: &Ingest, request: &Request<Vec<u8>>) -> (u16, Value) {
    let moments = Moments { received_at_ms: NOW_MS, answer_by: Instant::now() + Duration::from_secs(20) };
    let (response, report) = ingest.answer(request, moments).await;
    assert_eq!(report.status, response.status().as_u16());
    assert!(!response.body().contains("555"), "{}", response.body());
    (report.status, serde_json::from_str(response.body()).unwrap())
}

async fn on_stream(local: &LocalAws) -> Vec<Value> {
    let kinesis = local.kinesis().unwrap();
    let iterator = kinesis.get_shard_iterator().stream_name(STREAM).shard_id("shardId-000000000000");
    let iterator = iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    let read = kinesis.get_records().shard_iterator(iterator.shard_iterator.unwrap()).send().await.unwrap();
    read.records.iter().map(|record| serde_json::from_slice(record.data.as_ref()).unwrap()).collect()
}

#[tokio::test]
async fn a_signed_callback_of_twilio_is_a_call() {
    let (local, ingest) = stream(Some(webhooks())).await;
    let (status, answer) = ask(&ingest, &twilio(FORM, SIGNATURE)).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(1)));
    let call = json!({
        "call_id": "CA00000000000000000000000000000001", "caller": "+12025550101", "callee": "+12025550102",
        "started_at": "2026-11-21T07:04:00.000Z", "answered_at": "2026-11-21T07:04:00.000Z",
        "ended_at": "2026-11-21T07:05:00.000Z", "outcome": "answered", "channel": "voice",
    });
    assert_eq!(on_stream(&local).await, [call]);
}

#[tokio::test]
async fn a_callback_that_is_not_signed_as_configured_is_turned_away() {
    let (local, ingest) = stream(Some(webhooks())).await;
    let other = FORM.replace("CallDuration=60", "CallDuration=61");
    for (form, signature) in [(FORM, ""), (FORM, "no base64"), (FORM, "AAAA"), (&other, SIGNATURE)] {
        let (status, answer) = ask(&ingest, &twilio(form, signature)).await;
        assert_eq!((status, &answer["error"]["code"]), (403, &json!("not_allowed")), "{signature}");
    }
    let mut elsewhere = webhooks();
    elsewhere.twilio.as_mut().unwrap().url = "https://other.example/v1/calls/twilio".to_owned();
    let (_other, ingest) = stream(Some(elsewhere)).await;
    assert_eq!(ask(&ingest, &twilio(FORM, SIGNATURE)).await.0, 403);
    assert!(on_stream(&local).await.is_empty());
}

#[tokio::test]
async fn a_webhook_that_is_not_configured_is_not_there() {
    let none = Webhooks { twilio: None, freeswitch: None, ..webhooks() };
    for webhooks in [None, Some(none)] {
        let (_local, ingest) = stream(webhooks).await;
        assert_eq!(ask(&ingest, &twilio(FORM, SIGNATURE)).await.0, 404);
        assert_eq!(ask(&ingest, &freeswitch("application/json", "", "{}")).await.0, 404);
    }
}

#[tokio::test]
async fn a_form_is_bounded_and_a_form() {
    let (_local, ingest) = stream(Some(webhooks())).await;
    let fields = vec!["a=b"; FORM_FIELDS_MAX + 1].join("&");
    assert_eq!(ask(&ingest, &twilio(&fields, SIGNATURE)).await.1["error"]["code"], "too_many_fields");
    assert_eq!(ask(&ingest, &twilio(&"a".repeat(4 << 20 | 1), SIGNATURE)).await.0, 413);
    let mut json = twilio("{}", SIGNATURE);
    json.headers_mut().insert("content-type", "application/json".parse().unwrap());
    assert_eq!(ask(&ingest, &json).await.0, 415);
    let mut get = twilio(FORM, SIGNATURE);
    *get.method_mut() = http::Method::GET;
    assert_eq!(ask(&ingest, &get).await.0, 405);
}

/// `switch:not-a-password`.
const CREDENTIALS: &str = "Basic c3dpdGNoOm5vdC1hLXBhc3N3b3Jk";

fn record(direction: &str) -> String {
    json!({
        "core-uuid": "00000000-0000-4000-8000-000000000000",
        "channel_data": {"state": "CS_REPORTING", "direction": direction},
        "variables": {
            "direction": direction, "uuid": "00000000-0000-4000-8000-000000000001",
            "hangup_cause": "NORMAL_CLEARING", "start_epoch": "1795244640", "answer_epoch": "1795244648",
            "end_epoch": "1795244700", "duration": "60", "billsec": "52",
        },
        "callflow": [{"profile_index": "1", "caller_profile": {
            "caller_id_number": "+12025550101", "destination_number": "+12025550102",
            "uuid": "00000000-0000-4000-8000-000000000001",
        }}],
    })
    .to_string()
}

#[tokio::test]
async fn records_of_freeswitch_are_calls_as_json_and_as_a_form() {
    let (local, ingest) = stream(Some(webhooks())).await;
    let record = record("inbound");
    let (status, answer) = ask(&ingest, &freeswitch("application/json", CREDENTIALS, &record)).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(1)), "{answer}");
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("cdr", &record).finish();
    let (status, _) = ask(&ingest, &freeswitch("application/x-www-form-urlencoded", CREDENTIALS, &form)).await;
    assert_eq!(status, 202);
    let calls = on_stream(&local).await;
    assert_eq!(calls.len(), 2);
    // Sent twice, they are the same call.
    assert_eq!(calls[0], calls[1]);
    assert_eq!(
        (&calls[0]["caller"], &calls[0]["started_at"]),
        (&json!("+12025550101"), &json!("2026-11-21T07:04:00.000Z"))
    );
}

#[tokio::test]
async fn a_call_that_the_switch_began_itself_is_a_call() {
    let (local, ingest) = stream(Some(webhooks())).await;
    let (status, answer) = ask(&ingest, &freeswitch("application/json", CREDENTIALS, &record("outbound"))).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(1)), "{answer}");
    assert_eq!(on_stream(&local).await.len(), 1);
}

#[tokio::test]
async fn a_leg_that_is_not_the_callers_is_passed_over_and_who_has_no_credentials_is_turned_away() {
    let (local, ingest) = stream(Some(webhooks())).await;
    for credentials in ["", "Basic", "Basic c3dpdGNoOm5v", "Bearer c3dpdGNoOm5vdC1hLXBhc3N3b3Jk"] {
        let request = freeswitch("application/json", credentials, &record("inbound"));
        assert_eq!(ask(&ingest, &request).await.0, 403, "{credentials}");
    }
    let mut made: Value = serde_json::from_str(&record("outbound")).unwrap();
    made["variables"]["originator"] = json!("00000000-0000-4000-8000-000000000002");
    let (status, answer) = ask(&ingest, &freeswitch("application/json", CREDENTIALS, &made.to_string())).await;
    assert_eq!((status, &answer["results"]), (202, &json!([])));
    let (status, answer) = ask(&ingest, &freeswitch("application/json", CREDENTIALS, "{\"variables\": {}}")).await;
    assert_eq!((status, &answer["refused"]), (400, &json!(1)));
    assert!(on_stream(&local).await.is_empty());
}
