//! A stand-in for an AWS account on loopback: it checks who asks, answers what is asked of a stack and its resources in
//! the forms of the services, and remembers what was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use features::{DAY_MS, FeatureSet};
use serde_json::{Value, json};
use snapshot::{Manifest, UtcDay};
use tokio::net::TcpListener;

use crate::sigv4;

pub const REGION: &str = "eu-west-1";

/// What the account has and has been asked.
pub struct Account {
    pub stack_status: &'static str,
    /// When the stack was made, RFC 3339.
    pub created: &'static str,
    pub outputs: BTreeMap<&'static str, String>,
    /// Answers by action; what is not here does not exist.
    pub answers: BTreeMap<&'static str, Value>,
    /// Actions that are refused.
    pub refused: BTreeSet<&'static str>,
    /// Of all answers, where it is not the true one.
    pub date: Option<&'static str>,
    /// Action and body, in order.
    pub asked: Vec<(String, String)>,
}

impl Account {
    /// One in which everything is as it should be.
    fn good(url: &str) -> Self {
        let outputs = [
            ("StreamName", "calls"),
            ("TileTable", "tiles"),
            ("ArchiveBucket", "archive"),
            ("SnapshotBucket", "snapshots"),
            ("QuarantineBucket", "quarantine"),
            ("QuarantineQueueUrl", "https://sqs.eu-west-1.amazonaws.com/111122223333/notices"),
            ("IngestUrl", "https://i.lambda-url.eu-west-1.on.aws/"),
            ("CountCallsFunction", "count"),
            ("RecomputeFeaturesFunction", "recompute"),
            ("ArchiveCallsFunction", "archive"),
            ("ServeFeaturesFunction", "serve"),
            ("IngestCallsFunction", "ingest"),
            ("ArchiveStream", "firehose"),
            ("CountCallsMapping", "mapping-1"),
        ];
        let mut outputs: BTreeMap<_, _> = outputs.map(|(name, value)| (name, value.to_owned())).into();
        outputs.insert("ServiceUrl", format!("{url}/"));
        // One environment for all functions: each looks at its own variables.
        let function = json!({
            "State": "Active", "LastUpdateStatus": "Successful", "MemorySize": 1024,
            "Environment": { "Variables": {
                "TILE_TABLE": "tiles", "QUARANTINE": "s3://quarantine", "STREAM_RETENTION_HOURS": "24",
                "QUARANTINE_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/111122223333/notices",
                "INPUT": "s3://archive/raw", "OUTPUT": "s3://snapshots", "DATA": "s3://snapshots", "STREAM_NAME": "calls",
            } },
        });
        let mapping = json!({
            "UUID": "mapping-1", "State": "Enabled", "BatchSize": 1000, "ParallelizationFactor": 1,
            "EventSourceArn": "arn:aws:kinesis:eu-west-1:111122223333:stream/calls",
            "FunctionResponseTypes": ["ReportBatchItemFailures"], "BisectBatchOnFunctionError": true,
            "MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1, "LastProcessingResult": "OK",
            "DestinationConfig": { "OnFailure": { "Destination": "arn:aws:s3:::quarantine" } },
        });
        let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
        let text = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        let table = json!({ "Table": {
            "TableName": "tiles", "TableStatus": "ACTIVE", "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "AttributeDefinitions": [text("pk"), text("sk")],
        } });
        let stream = json!({ "StreamDescriptionSummary": {
            "StreamName": "calls", "StreamARN": "arn:aws:kinesis:eu-west-1:111122223333:stream/calls",
            "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24, "StreamCreationTimestamp": 1.0,
            "EnhancedMonitoring": [], "OpenShardCount": 4,
        } });
        let answers = [
            ("sts:GetCallerIdentity", json!({})),
            ("cloudformation:DescribeStacks", json!({})),
            ("lambda:GetFunctionConfiguration", function),
            ("lambda:ListEventSourceMappings", json!({ "EventSourceMappings": [mapping] })),
            ("kinesis:DescribeStreamSummary", stream),
            (
                "kinesis:PutRecords",
                json!({ "FailedRecordCount": 0, "Records": [{ "ShardId": "shardId-000000000000", "SequenceNumber": "7" }] }),
            ),
            ("dynamodb:DescribeTable", table),
            (
                "dynamodb:DescribeTimeToLive",
                json!({ "TimeToLiveDescription": { "TimeToLiveStatus": "ENABLED", "AttributeName": "ttl" } }),
            ),
            (
                "dynamodb:DescribeContinuousBackups",
                json!({ "ContinuousBackupsDescription": {
                    "ContinuousBackupsStatus": "ENABLED",
                    "PointInTimeRecoveryDescription": { "PointInTimeRecoveryStatus": "ENABLED" },
                } }),
            ),
            ("s3:ListBucket", json!("")),
            ("s3:GetBucketPublicAccessBlock", json!(public_access_block("true"))),
            ("s3:GetObject", json!(manifest(1))),
            ("sqs:GetQueueAttributes", json!({ "Attributes": { "ApproximateNumberOfMessages": "0" } })),
            ("lambda:InvokeFunctionUrl", json!("")),
        ];
        Self {
            stack_status: "UPDATE_COMPLETE",
            created: "2026-01-01T00:00:00Z",
            outputs,
            answers: answers.into(),
            refused: BTreeSet::new(),
            date: None,
            asked: Vec::new(),
        }
    }

    /// The bodies of the questions of an action.
    pub fn bodies(&self, action: &str) -> Vec<&str> {
        self.asked.iter().filter(|(asked, _)| asked == action).map(|(_, body)| body.as_str()).collect()
    }
}

/// What S3 says of a bucket, with one of the four parts of the block as told.
pub fn public_access_block(first: &str) -> String {
    format!(
        "<PublicAccessBlockConfiguration><BlockPublicAcls>{first}</BlockPublicAcls><IgnorePublicAcls>true\
         </IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true\
         </RestrictPublicBuckets></PublicAccessBlockConfiguration>"
    )
}

/// The manifest of a snapshot whose last day was so many days ago.
pub fn manifest(days_ago: i32) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let today = i32::try_from(now.as_millis() as i64 / DAY_MS).unwrap();
    let set = FeatureSet::default_set().unwrap();
    let manifest = Manifest::new(&set, UtcDay::new(today - days_ago), "run-1".parse().unwrap(), "test");
    String::from_utf8(manifest.to_json().unwrap()).unwrap()
}

/// The account, listening.
pub struct StandIn {
    pub url: String,
    account: Arc<Mutex<Account>>,
}

impl StandIn {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let account = Arc::new(Mutex::new(Account::good(&url)));
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&account));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, account }
    }

    pub fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap()
    }

    /// The command with credentials for the account and nothing else of the environment's AWS.
    pub fn command(&self, folder: &Path) -> Command {
        let mut command = tests::tollwatch();
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command
            .current_dir(folder)
            .env("AWS_ACCESS_KEY_ID", sigv4::KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", sigv4::SECRET)
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        command
    }

    pub fn run(&self, folder: &Path, arguments: &str) -> Output {
        let mut command = self.command(folder);
        command.args(arguments.split_whitespace());
        tokio::task::block_in_place(|| command.output().unwrap())
    }
}

async fn answer(State(account): State<Arc<Mutex<Account>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let action = action(&head, &body);
    let mut account = account.lock().unwrap();
    account.asked.push((action.clone(), String::from_utf8_lossy(&body).into_owned()));
    let mut response = match sigv4::check(&head, &body) {
        Ok(service) if action.starts_with(&service) => account.say(&action, &head, &body),
        Ok(service) => {
            error(&action, StatusCode::FORBIDDEN, "SignatureDoesNotMatch", &format!("signed for {service}"))
        }
        Err(why) => error(&action, StatusCode::FORBIDDEN, "SignatureDoesNotMatch", &why),
    };
    if let Some(date) = account.date {
        response.headers_mut().insert("date", date.parse().unwrap());
    }
    response
}

/// What a request asks for, as IAM names it.
fn action(head: &Parts, body: &Bytes) -> String {
    let path = head.uri.path();
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    if let Some((service, operation)) = target.and_then(|target| target.split_once('.')) {
        let service = match service {
            "DynamoDB_20120810" => "dynamodb",
            "Kinesis_20131202" => "kinesis",
            "AmazonSQS" => "sqs",
            other => panic!("{other} is unknown"),
        };
        return format!("{service}:{operation}");
    }
    let form = std::str::from_utf8(body).unwrap_or_default();
    if let Some(operation) = form.split('&').find_map(|field| field.strip_prefix("Action=")) {
        let service = if operation == "GetCallerIdentity" { "sts" } else { "cloudformation" };
        return format!("{service}:{operation}");
    }
    match (head.method.as_str(), path) {
        (_, path) if path.starts_with("/tollwatch.v1.") => "lambda:InvokeFunctionUrl",
        (_, path) if path.starts_with("/2015-03-31/functions/") => "lambda:GetFunctionConfiguration",
        (_, path) if path.starts_with("/2015-03-31/event-source-mappings/") => "lambda:ListEventSourceMappings",
        ("HEAD", _) => "s3:ListBucket",
        (_, _) if head.uri.query().is_some_and(|query| query.contains("publicAccessBlock")) => {
            "s3:GetBucketPublicAccessBlock"
        }
        _ => "s3:GetObject",
    }
    .to_owned()
}

impl Account {
    fn say(&self, action: &str, head: &Parts, body: &Bytes) -> Response {
        if self.refused.contains(action) {
            return error(action, StatusCode::FORBIDDEN, "AccessDeniedException", "not authorized to perform this");
        }
        let Some(answer) = self.answers.get(action) else {
            let code = if action.starts_with("s3:") { "NoSuchKey" } else { "ResourceNotFoundException" };
            return error(action, StatusCode::NOT_FOUND, code, "it does not exist");
        };
        match action {
            "sts:GetCallerIdentity" => xml(
                StatusCode::OK,
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/tester</Arn>\
                 <Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
                    .to_owned(),
            ),
            "cloudformation:DescribeStacks" => self.stacks(std::str::from_utf8(body).unwrap()),
            "lambda:InvokeFunctionUrl" => {
                assert_eq!(head.headers["content-type"], "application/proto");
                ([("content-type", "application/proto")], Vec::<u8>::new()).into_response()
            }
            _ => match answer {
                Value::String(text) => xml(StatusCode::OK, text.clone()),
                json => ([("content-type", "application/x-amz-json-1.1")], json.to_string()).into_response(),
            },
        }
    }

    fn stacks(&self, form: &str) -> Response {
        if !form.split('&').any(|field| field == "StackName=fraud") {
            return error(
                "cloudformation:DescribeStacks",
                StatusCode::BAD_REQUEST,
                "ValidationError",
                "Stack with id other does not exist",
            );
        }
        let member = |(name, value)| {
            format!("<member><OutputKey>{name}</OutputKey><OutputValue>{value}</OutputValue></member>")
        };
        let outputs: String = self.outputs.iter().map(member).collect();
        xml(
            StatusCode::OK,
            format!(
                "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
                 <DescribeStacksResult><Stacks><member><StackName>fraud</StackName><StackStatus>{}</StackStatus>\
                 <CreationTime>{}</CreationTime><Outputs>{outputs}</Outputs></member></Stacks></DescribeStacksResult>\
                 </DescribeStacksResponse>",
                self.stack_status, self.created
            ),
        )
    }
}

fn xml(status: StatusCode, text: String) -> Response {
    (status, [("content-type", "text/xml")], text).into_response()
}

/// An error in the form of the service.
fn error(action: &str, status: StatusCode, code: &str, message: &str) -> Response {
    let (service, _) = action.split_once(':').unwrap();
    match service {
        "s3" => xml(status, format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")),
        "sts" | "cloudformation" => xml(
            status,
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                 </ErrorResponse>"
            ),
        ),
        _ => {
            let kind = (HeaderName::from_static("x-amzn-errortype"), code.to_owned());
            (status, [kind], json!({ "__type": code, "message": message }).to_string()).into_response()
        }
    }
}
