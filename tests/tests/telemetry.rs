//! What operators see of calls, from the producer to an answer: spans at a collector, read with OpenTelemetry's own
//! messages, and metrics as Prometheus reads them.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::primitives::Blob;
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use local_aws::{DynamoStorage, LocalAws, LocalAwsConfig};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use telemetry::{Function, metrics};
use tiles::DynamoTiles;
use tokio::net::TcpListener;

/// How long anything may take: far longer than it does, on a machine with other work.
const PATIENCE: Duration = Duration::from_mins(2);
/// Of calls, and of one that is refused for its number.
const NUMBERS: [&str; 4] = ["12025550101", "442079460123", "12025550177", "19995550101"];

/// A collector of traces.
struct Collector {
    url: String,
    bodies: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    async fn start() -> Self {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&bodies);
        let take = move |body: Bytes| {
            taken.lock().unwrap().push(body);
            std::future::ready(())
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/traces", post(take))).await });
        Self { url, bodies }
    }

    /// Spans of a service by kind, as far as they came.
    fn spans(&self, service: &str, kind: SpanKind) -> Vec<Span> {
        let mut found = Vec::new();
        for body in self.bodies.lock().unwrap().iter() {
            for process in ExportTraceServiceRequest::decode(body.clone()).unwrap().resource_spans {
                let is_named = process.resource.iter().flat_map(|resource| &resource.attributes).any(|attribute| {
                    let value = attribute.value.as_ref().and_then(|value| value.value.clone());
                    attribute.key == "service.name" && value == Some(Value::StringValue(service.to_owned()))
                });
                let spans = process.scope_spans.into_iter().flat_map(|scope| scope.spans);
                found.extend(spans.filter(|span| is_named && span.kind() == kind));
            }
        }
        found
    }

    /// All that was sent, as far as it is text.
    fn text(&self) -> String {
        self.bodies.lock().unwrap().iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect()
    }
}

/// A command that runs until it is interrupted.
struct Running {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Running {
    fn start(collector: &Collector, folder: &Path, arguments: &str) -> Self {
        let mut command = traced(collector, folder, arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The URL in the line that begins with a word.
    fn url(&self, word: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("it says where it is");
            let url = line.split([' ', ',']).find(|word| word.starts_with("http"));
            if let Some(url) = url.filter(|_| line.starts_with(word)) {
                return url.to_owned();
            }
        }
    }

    fn interrupt(mut self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn traced(collector: &Collector, folder: &Path, arguments: &str) -> Command {
    let mut command = tests::tollwatch();
    command.args(arguments.split_whitespace()).current_dir(folder);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    command
}

/// What `GET` says, which must work.
fn get(url: &str) -> String {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /{path} HTTP/1.0\r\nhost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// What is exported is what the catalogue has of a function, with the labels that it says; but for some.
#[track_caller]
fn check_exported(text: &str, function: Function, but_for: &[&str]) {
    for metric in metrics().filter(|metric| metric.function == function && !but_for.contains(&metric.name)) {
        for sample in metric.samples() {
            let line = text.lines().find(|line| line.starts_with(&format!("{sample}{{")));
            let line = line.unwrap_or_else(|| panic!("{sample} is not exported: {text}"));
            for label in metric.labels {
                assert!(line.contains(&format!("{label}=\"")), "{label} is no label of {line}");
            }
        }
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let known =
            |metric: &telemetry::Metric| metric.function == function && metric.samples().iter().any(|s| s == name);
        assert!(metrics().any(known), "{name} is not in the catalogue of {function:?}");
    }
}

#[track_caller]
fn check_discreet(exported: &str) {
    for number in NUMBERS.iter().flat_map(|number| [*number, &number[number.len() - 7..]]) {
        assert!(!exported.contains(number), "{number} is in {exported}");
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// Ten calls of now, in a file.
fn write_calls(file: &Path) {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let line = |n: i64| {
        let started_at = cdr::format_time(now_ms - 60_000 + n * 1_000);
        let ended_at = cdr::format_time(now_ms - 50_000 + n * 1_000);
        let (caller, callee) = (NUMBERS[0], NUMBERS[1]);
        format!(
            "{{\"call_id\":\"call-{n}\",\"caller\":\"+{caller}\",\"callee\":\"+{callee}\",\"started_at\":\"{started_at}\",\
             \"ended_at\":\"{ended_at}\",\"outcome\":\"no_answer\"}}\n"
        )
    };
    let text: String = (0..10).map(line).collect();
    std::fs::write(file, text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_followed_from_its_producer_to_an_answer() {
    let collector = Collector::start().await;
    let config = LocalAwsConfig::default().with_dynamodb(DynamoStorage::Memory).with_kinesis();
    let local = LocalAws::start(config).await.unwrap();
    local.create_stream("calls", 1).await.unwrap();
    DynamoTiles::new(local.dynamodb().unwrap(), "tiles").create_table_if_missing().await.unwrap();
    let (kinesis, dynamodb) = (local.endpoints().kinesis.unwrap(), local.endpoints().dynamodb.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();

    // The producers: one that traces, and one that sends what is no call.
    write_calls(&folder.join("calls.jsonl"));
    let replay = format!("replay --from calls.jsonl --stream calls --endpoint-url {kinesis}");
    tests::said(&replay, tokio::task::block_in_place(|| traced(&collector, folder, &replay).output().unwrap()));
    let refused = format!("{{\"call_id\":\"call-x\",\"caller\":\"+{}\",\"callee\":\"+{}\"}}", NUMBERS[3], NUMBERS[2]);
    let put = local.kinesis().unwrap().put_record().stream_name("calls").partition_key("p");
    put.data(Blob::new(refused)).send().await.unwrap();
    let [sent] = &collector.spans("tollwatch-replay", SpanKind::Producer)[..] else { panic!("one request") };
    assert_eq!(sent.name, "send calls");
    assert!(sent.parent_span_id.is_empty());

    // The consumer.
    let consume = format!(
        "consume --stream calls --table tiles --quarantine set-aside --checkpoints checkpoints --kinesis-endpoint \
         {kinesis} --dynamodb-endpoint {dynamodb} --metrics-port 0"
    );
    let consumer = Running::start(&collector, folder, &consume);
    let metrics_url = consumer.url("metrics");
    let mut scraped = String::new();
    wait_until("all records are received", || {
        scraped = get(&metrics_url);
        scraped.contains("tollwatch_records_received_total{} 11.0")
    });
    assert!(scraped.contains("tollwatch_calls_counted_total{} 10.0"), "{scraped}");
    assert!(scraped.contains("tollwatch_records_quarantined_total{reason=\"missing_field\"} 1.0"), "{scraped}");
    assert!(scraped.contains("tollwatch_unknown_fields_total{} 0.0"), "a traceparent is a known field: {scraped}");
    check_exported(&scraped, Function::CountCalls, &[]);
    check_discreet(&scraped);
    consumer.interrupt();
    let batches = collector.spans("count-calls", SpanKind::Consumer);
    let links: Vec<_> = batches.iter().flat_map(|batch| &batch.links).collect();
    assert!(!links.is_empty() && links.len() <= batches.len(), "the records of one request share a context");
    for batch in &batches {
        assert_eq!(batch.name, "process calls");
        assert!(batch.parent_span_id.is_empty(), "a batch has many producers and no parent");
        assert_ne!(batch.trace_id, sent.trace_id);
    }
    for link in links {
        assert_eq!((&link.trace_id, &link.span_id), (&sent.trace_id, &sent.span_id));
    }

    // The question and its answer.
    std::fs::create_dir(folder.join("data")).unwrap();
    let serve = format!("serve --address 127.0.0.1:0 --tiles tiles --endpoint-url {dynamodb} --data data");
    let service = Running::start(&collector, folder, &serve);
    let url = service.url("listening");
    let question = format!("get +{} --party caller --features calls_24h --json --url {url}", NUMBERS[0]);
    let asked = tokio::task::block_in_place(|| traced(&collector, folder, &question).output().unwrap());
    let answer: serde_json::Value = serde_json::from_str(&tests::said(&question, asked)).unwrap();
    assert_eq!(answer["values"][0]["integer"], "10", "{answer}");
    let scraped = get(&format!("{url}/metrics"));
    // There is no snapshot here.
    check_exported(&scraped, Function::ServeFeatures, &["snapshot_age_seconds"]);
    check_discreet(&scraped);
    service.interrupt();
    let [asking] = &collector.spans("tollwatch-get", SpanKind::Client)[..] else { panic!("one question") };
    let [answering] = &collector.spans("serve-features", SpanKind::Server)[..] else { panic!("one answer") };
    assert_eq!(answering.trace_id, asking.trace_id);
    assert_eq!(answering.parent_span_id, asking.span_id);
    assert_eq!(answering.name, "tollwatch.v1.FeatureService/GetFeatures");
    assert!(answering.start_time_unix_nano >= asking.start_time_unix_nano);
    assert!(answering.end_time_unix_nano >= answering.start_time_unix_nano);
    check_discreet(&collector.text());
}

/// The system traces its own calls, and asks for no collector where none is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_is_up_traces_its_calls() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let up = "up --port 0 --rate 20 --subscribers 40 --no-history --folder state";
    let running = Running::start(&collector, folder.path(), up);
    let service = running.url("service");
    assert_eq!(running.url("metrics"), format!("{service}/metrics"));
    wait_until("a batch is linked to who sent it", || {
        let sent = collector.spans("tollwatch-up", SpanKind::Producer);
        let batches = collector.spans("tollwatch-up", SpanKind::Consumer);
        let mut links = batches.iter().flat_map(|batch| &batch.links);
        links.any(|link| sent.iter().any(|sent| (&sent.trace_id, &sent.span_id) == (&link.trace_id, &link.span_id)))
    });
    running.interrupt();
}
