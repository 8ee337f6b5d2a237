//! Notices of records in quarantine, sent by the SDK to an endpoint that speaks SQS.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Builder, Credentials, Region};
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use count_calls::{ObjectQuarantine, Quarantine as _, QuarantineNotice, QuarantinedRecord, SqsNotices};
use objects::Objects;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/000000000000/quarantine";
const KEY: &str = "quarantine/bad_number/calls/1/shardId-000000000000/00.json";

/// An endpoint that takes messages for [`QUEUE`] and knows no other. Returns a client for it and what it took.
async fn sqs() -> (Client, Arc<Mutex<Vec<Value>>>) {
    let taken: Arc<Mutex<Vec<Value>>> = Arc::default();
    let takes = Arc::clone(&taken);
    let app = axum::Router::new().fallback(move |headers: HeaderMap, body: Bytes| async move {
        assert_eq!(headers["x-amz-target"], "AmazonSQS.SendMessage");
        assert_eq!(headers["content-type"], "application/x-amz-json-1.0");
        let request: Value = serde_json::from_slice(&body).unwrap();
        let (status, answer) = if request["QueueUrl"] == QUEUE {
            takes.lock().unwrap().push(request);
            (StatusCode::OK, json!({"MessageId": "1", "MD5OfMessageBody": "0"}))
        } else {
            let code = "com.amazonaws.sqs#QueueDoesNotExist";
            (StatusCode::BAD_REQUEST, json!({"__type": code, "message": "the queue is gone"}))
        };
        (status, [("content-type", "application/x-amz-json-1.0")], answer.to_string())
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled());
    (Client::from_conf(config.build()), taken)
}

fn record() -> QuarantinedRecord {
    QuarantinedRecord {
        reason: "bad_number".to_owned(),
        message: "field caller (3 bytes) is no number".to_owned(),
        shard: "calls/1/shardId-000000000000".to_owned(),
        position: "00".to_owned(),
        arrived_at_ms: 1_795_000_000_000,
        bytes: "eyJjYWxsZXIiOiI5OTkifQ==".to_owned(),
    }
}

#[tokio::test]
async fn a_record_is_stored_and_told_of_without_its_data() {
    let (client, taken) = sqs().await;
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::in_folder(folder.path());
    let quarantine = ObjectQuarantine::new(objects.clone()).with_notices(SqsNotices::new(client, QUEUE));
    quarantine.put(KEY, &record()).await.unwrap();

    let stored: QuarantinedRecord = serde_json::from_slice(&objects.get(KEY).await.unwrap()).unwrap();
    assert_eq!(stored, record());
    let messages = taken.lock().unwrap().clone();
    let [message] = &messages[..] else { panic!("{messages:?}") };
    let body = message["MessageBody"].as_str().unwrap();
    let QuarantinedRecord { reason, shard, position, arrived_at_ms, bytes, .. } = record();
    let expected = QuarantineNotice { reason, key: KEY.to_owned(), shard, position, arrived_at_ms };
    assert_eq!(serde_json::from_str::<QuarantineNotice>(body).unwrap(), expected);
    assert!(!body.contains(&bytes), "{body}");
}

#[tokio::test]
async fn a_record_that_nobody_could_be_told_of_is_not_set_aside() {
    let (client, taken) = sqs().await;
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::in_folder(folder.path());
    let elsewhere = "https://sqs.us-east-1.amazonaws.com/000000000000/other";
    let quarantine = ObjectQuarantine::new(objects.clone()).with_notices(SqsNotices::new(client, elsewhere));
    let error = quarantine.put(KEY, &record()).await.unwrap_err().to_string();
    assert!(error.contains(elsewhere) && error.contains("the queue is gone"), "{error}");
    assert!(taken.lock().unwrap().is_empty());
    // The object comes first: a redelivery overwrites it, a notice of what is not there would mislead.
    assert!(objects.get(KEY).await.is_ok());
}

#[tokio::test]
async fn a_record_that_could_not_be_stored_is_not_told_of() {
    let (client, taken) = sqs().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("quarantine"), "a file where a folder is needed").unwrap();
    let objects = Objects::in_folder(folder.path());
    let quarantine = ObjectQuarantine::new(objects).with_notices(SqsNotices::new(client, QUEUE));
    assert!(quarantine.put(KEY, &record()).await.is_err());
    assert!(taken.lock().unwrap().is_empty());
}
