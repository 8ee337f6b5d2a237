//! The five functions: what each is asked first, and what it needs to answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bench::world::{World, phone};
use bench::{arrivals, events};
use cdr_generator::Arrival;
use features::FeatureSet;
use local_aws::{Endpoints, LocalAws};
use tiles::{DynamoTiles, note_coverage};

const BATCH: usize = 100;
const TABLE: &str = "bench-tiles";
const BUCKET: &str = "bench";
const STREAM: &str = "bench-calls";
const PHONES: u64 = 100_000;
/// Calls of the archive that recompute-features finds.
const ARCHIVED: usize = 1_000;

/// What is started, and what it is asked.
pub struct Function {
    /// The program.
    pub binary: PathBuf,
    /// Its name, by which what it needs is told.
    pub name: String,
    /// The first event.
    pub event: String,
    /// What its answer has in it.
    pub wanted: &'static str,
    /// The same in words.
    pub asked: String,
    /// The root of the S3.
    pub s3: tempfile::TempDir,
}

impl Function {
    /// The function whose program this is, by its name.
    pub fn new(binary: PathBuf) -> anyhow::Result<Self> {
        let name = binary.file_name().context("no binary")?.to_string_lossy().into_owned();
        let s3 = tempfile::tempdir()?;
        let bucket = s3.path().join(BUCKET);
        std::fs::create_dir_all(&bucket)?;
        let (event, wanted, asked) = match name.as_str() {
            "count-calls" => {
                let arrivals = arrivals(BATCH)?;
                let event = events(0, &arrivals.iter().collect::<Vec<_>>(), BATCH).remove(0);
                (event, "\"batchItemFailures\":[]", format!("a batch of {BATCH} calls, DynamoDB on loopback"))
            }
            "serve-features" => {
                let world = World::new(Arc::new(FeatureSet::default_set()?), PHONES, 1.0)?;
                world.write_snapshot(&bucket)?;
                let asked = "all features of a phone, S3 and DynamoDB on loopback".to_owned();
                let body = serde_json::json!({ "number": phone(PHONES / 3, PHONES), "party": "PARTY_CALLER" });
                (post("/tollwatch.v1.FeatureService/GetFeatures", &body.to_string()), "calls_90d", asked)
            }
            "archive-calls" => {
                (firehose(&arrivals(BATCH)?), "\"result\":\"Ok\"", format!("a batch of {BATCH} calls of Firehose"))
            }
            "ingest-calls" => {
                (post("/v1/calls", &one_call()), "\"statusCode\":202", "a call, Kinesis on loopback".to_owned())
            }
            "recompute-features" => {
                write_archive(&bucket.join("raw"))?;
                let event = serde_json::json!({ "scheduled_time": "2026-11-21T01:00:00Z" }).to_string();
                (event, "\"as_of\":\"2026-11-20\"", format!("a run over {ARCHIVED} calls, S3 on loopback"))
            }
            _ => bail!("{name} is none of the functions: wants one of target/dist, such as target/dist/count-calls"),
        };
        Ok(Self { binary, name, event, wanted, asked, s3 })
    }

    /// Makes what the function finds on AWS.
    pub async fn prepare(&self, local: &LocalAws) -> anyhow::Result<()> {
        let tiles = DynamoTiles::new(local.dynamodb()?, TABLE);
        tiles.create_table_if_missing().await?;
        note_coverage(&tiles, FeatureSet::default_set()?.version(), 0).await?;
        local.create_stream(STREAM, 1).await?;
        Ok(())
    }

    /// The variables that its configuration is made of; `run` tells one start from another.
    pub fn variables(
        endpoints: &Endpoints,
        quarantine: &Path,
        run: usize,
    ) -> anyhow::Result<Vec<(&'static str, String)>> {
        let url = |url: &Option<String>| url.clone().context("an endpoint is missing");
        Ok(vec![
            ("AWS_REGION", local_aws::REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", local_aws::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", local_aws::SECRET_KEY.to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", url(&endpoints.dynamodb)?),
            ("AWS_ENDPOINT_URL_KINESIS", url(&endpoints.kinesis)?),
            ("AWS_ENDPOINT_URL_S3", url(&endpoints.s3)?),
            ("TILE_TABLE", TABLE.to_owned()),
            ("STREAM_NAME", STREAM.to_owned()),
            ("DATA", format!("s3://{BUCKET}")),
            ("INPUT", format!("s3://{BUCKET}/raw")),
            // A second run over the same output would find nothing to do.
            ("OUTPUT", format!("s3://{BUCKET}/run-{run}")),
            ("QUARANTINE", quarantine.to_string_lossy().into_owned()),
        ])
    }
}

/// The event of a function URL: <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>.
fn post(path: &str, body: &str) -> String {
    serde_json::json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": { "content-type": "application/json", "host": "bench.lambda-url.us-east-1.on.aws" },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "bench",
            "domainName": "bench.lambda-url.us-east-1.on.aws",
            "domainPrefix": "bench",
            "http": {
                "method": "POST",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "bench",
            },
            "requestId": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            "routeKey": "$default",
            "stage": "$default",
            "time": "21/Nov/2026:09:30:00 +0000",
            "timeEpoch": 1_795_253_400_000_i64,
        },
        "body": body,
        "isBase64Encoded": false,
    })
    .to_string()
}

/// A call of a moment ago: ingest-calls refuses old ones.
fn one_call() -> String {
    let now_ms =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let time = |before_ms: i64| cdr::format_time(now_ms as i64 - before_ms);
    serde_json::json!({
        "call_id": "bench-1",
        "caller": "+12025550101",
        "callee": "+12025550102",
        "started_at": time(9_000),
        "ended_at": time(1_000),
        "outcome": "no_answer",
    })
    .to_string()
}

/// What Firehose gives its transformation: <https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html>.
fn firehose(arrivals: &[Arrival]) -> String {
    let record = |(n, arrival): (usize, &Arrival)| {
        let sequence = 49_590_338_271_490_256_608_559_692_538_361_571_095_u128 + n as u128;
        serde_json::json!({
            "recordId": format!("{sequence}000000"),
            "approximateArrivalTimestamp": arrival.arrival_ms,
            "data": STANDARD.encode(&arrival.bytes),
            "kinesisRecordMetadata": {
                "shardId": "shardId-000000000000",
                "partitionKey": arrival.partition_key.as_str(),
                "approximateArrivalTimestamp": arrival.arrival_ms,
                "sequenceNumber": sequence.to_string(),
                "subsequenceNumber": 0,
            },
        })
    };
    let records: Vec<_> = arrivals.iter().enumerate().map(record).collect();
    serde_json::json!({
        "invocationId": "bench",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/bench",
        "sourceKinesisStreamArn": format!("arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}"),
        "region": "us-east-1",
        "records": records,
    })
    .to_string()
}

/// An archive of some calls, under the hour of their arrival.
fn write_archive(raw: &Path) -> anyhow::Result<()> {
    let plan = cdr::NumberPlan::new("US")?;
    let mut lines = String::new();
    // Some arrivals are broken on purpose, and belong into quarantine.
    let calls = arrivals(2 * ARCHIVED)?;
    let calls = calls.iter().filter_map(|arrival| Some((arrival, cdr::parse(&plan, &arrival.bytes).ok()?.record)));
    for (n, (arrival, call)) in calls.take(ARCHIVED).enumerate() {
        call_files::write_archive_line(&mut lines, &format!("{n:056x}"), arrival.arrival_ms, &call);
    }
    let folder = raw.join("2026/11/20/00");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("calls.jsonl"), lines)?;
    Ok(())
}
