//! An endpoint that speaks Kinesis and turns records away.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use serde_json::{Value, json};
use stream_writer::{Outgoing, Patience, PutError, put_records};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// The data of the records of each request, in their order.
type Requests = Arc<Mutex<Vec<Vec<String>>>>;

/// Serves `PutRecords`: of its n-th request (from 0) it takes the records that `takes` says.
async fn stream(takes: impl Fn(usize, usize) -> bool + Clone + Send + Sync + 'static) -> (String, Requests) {
    let seen: Requests = Arc::default();
    let requests = Arc::clone(&seen);
    let app = axum::Router::new().fallback(move |body: Bytes| async move {
        let request: Value = serde_json::from_slice(&body).unwrap();
        let mut requests = requests.lock().unwrap();
        let records = request["Records"].as_array().unwrap();
        requests.push(records.iter().map(|record| record["Data"].as_str().unwrap().to_owned()).collect());
        let number = requests.len() - 1;
        let answers = (0..records.len()).map(|place| match takes(number, place) {
            true => json!({"ShardId": "shardId-000000000000", "SequenceNumber": format!("{number}{place:03}")}),
            false => json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "full"}),
        });
        let answers: Vec<Value> = answers.collect();
        let failed = answers.iter().filter(|answer| answer["ErrorCode"].is_string()).count();
        let body = json!({"FailedRecordCount": failed, "Records": answers}).to_string();
        ([("content-type", "application/x-amz-json-1.1")], body)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, seen)
}

fn records(count: usize) -> Vec<Outgoing> {
    let record = |n: usize| Outgoing { partition_key: "+12025550101".to_owned(), bytes: n.to_string().into_bytes() };
    (0..count).map(record).collect()
}

fn patience() -> Patience {
    Patience { attempts_max: 4, first_pause: Duration::from_millis(1), until: None }
}

#[tokio::test]
async fn what_is_turned_away_is_put_again_and_nothing_else() {
    // Every second record at first, and half of those again.
    let (url, requests) = stream(|number, place| number >= 2 || place % 2 == 0).await;
    let put = put_records(&local_aws::kinesis_client(&url), "calls", &records(8), patience()).await;
    assert!(put.error.is_none(), "{:?}", put.error);
    assert_eq!((put.attempts, put.again), (3, 6));
    let sizes: Vec<usize> = requests.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [8, 4, 2]);
    let places: Vec<String> = put.placed.into_iter().map(|placed| placed.unwrap().sequence_number).collect();
    // Each has the place that the request said which took it: 1, 3, 5 and 7 were put again, then 3 and 7.
    assert_eq!(places, ["0000", "1000", "0002", "2000", "0004", "1002", "0006", "2001"]);
    let last = requests.lock().unwrap()[2].clone();
    assert_eq!(last, ["Mw==", "Nw=="]);
}

#[tokio::test]
async fn patience_ends_and_later_requests_are_not_made() {
    // It has no room for the second request.
    let (url, requests) = stream(|number, _| number == 0).await;
    let put = put_records(&local_aws::kinesis_client(&url), "calls", &records(1_100), patience()).await;
    let placed: Vec<bool> = put.placed.iter().map(Option::is_some).collect();
    assert!(placed[..500].iter().all(|placed| *placed) && !placed[500..].iter().any(|placed| *placed));
    assert_eq!((put.attempts, requests.lock().unwrap().len()), (5, 5));
    let Some(PutError::TurnedAway { records: 500, attempts: 4, code, .. }) = &put.error else {
        panic!("{:?}", put.error)
    };
    assert_eq!(code, "ProvisionedThroughputExceededException");
    assert!(put.all().unwrap_err().to_string().contains("stream calls turned 500 records away 4 times"));
}

#[tokio::test]
async fn the_time_is_kept_between_attempts_and_while_waiting_for_an_answer() {
    let (url, requests) = stream(|_, _| false).await;
    let until = Some(Instant::now() + Duration::from_millis(300));
    let slow = Patience { attempts_max: 2, first_pause: Duration::from_secs(2), until };
    let put = put_records(&local_aws::kinesis_client(&url), "calls", &records(1), slow).await;
    assert!(matches!(put.error, Some(PutError::TurnedAway { attempts: 1, .. })), "{:?}", put.error);
    assert_eq!(requests.lock().unwrap().len(), 1);

    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let until = Some(Instant::now() + Duration::from_millis(50));
    let put =
        put_records(&local_aws::kinesis_client(&url), "calls", &records(1), Patience { until, ..patience() }).await;
    assert!(matches!(put.error, Some(PutError::NoAnswer { .. })), "{:?}", put.error);
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_an_error_at_once() {
    let local = local_aws::LocalAws::start(local_aws::LocalAwsConfig::default().with_kinesis()).await.unwrap();
    let put = put_records(&local.kinesis().unwrap(), "calls", &records(2), patience()).await;
    let error = put.error.unwrap().to_string();
    assert_eq!(error, "records could not be put on stream calls: ResourceNotFoundException");
    assert_eq!(put.attempts, 1);
}
