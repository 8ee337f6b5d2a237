//! What operators see of requests: metrics for whoever may call, and spans that continue the caller's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use connectrpc::ErrorCode;
use features::MINUTE_MS;
use serve_features::client::Credentials;
use serve_features::lambda::answer_watched;
use serve_features::metrics_page::Metrics;
use serve_features::native::Exposure;
use serve_features::{DEADLINE_MAX, router};
use snapshot::SnapshotCache;
use telemetry::{
    Collected, Exposition, Function, Machine, Measurement, Sink, TraceContext, TraceSettings, Tracer, Watch, emf,
    metrics,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::connections::http;
use crate::running::{Certificates, PROTOCOLS, Running, TOKEN};
use crate::world::{CALLER, MIDNIGHT, World, ask, history};

const PATH: &str = "/tollwatch.v1.FeatureService/GetFeatures";
const NOW: i64 = MIDNIGHT + 5 * MINUTE_MS;
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Both forms of the same measurements.
#[derive(Default)]
struct Both {
    exposition: Arc<Exposition>,
    collected: Collected,
}

impl Sink for Both {
    fn record(&self, measured: &[Measurement]) {
        self.exposition.record(measured);
        self.collected.record(measured);
    }
}

/// A tracer whose collector is not there.
fn tracer() -> Tracer {
    let endpoint = |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "http://127.0.0.1:9".to_owned());
    Tracer::start(TraceSettings::read("serve-features", endpoint).unwrap().unwrap(), Machine::this())
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Every metric of the service is exported once the service was asked well and badly, in both forms; and of the
/// numbers it was asked for nothing is in either.
#[tokio::test]
async fn requests_are_measured_by_method_and_code_and_no_number_is_told() {
    let world = World::new(history(NOW + 1), NOW).with_snapshot(2);
    let both = Arc::new(Both::default());
    let cache = Arc::new(SnapshotCache::default());
    let service = world.service_with(Arc::clone(&cache)).await.with_metrics(Arc::clone(&both) as _, Some(cache));
    let service = Arc::new(service);
    let metrics_page = Metrics { exposition: Arc::clone(&both.exposition), service: Arc::clone(&service) };
    let watch = Watch { sink: Some(Arc::clone(&both) as _), tracer: None };
    let certificates = Certificates::new();
    let exposure = Exposure { tls: None, ..certificates.with_token() };
    let running = Running::start_watched(Arc::clone(&service), exposure, watch, Some(metrics_page)).await;
    let known = Credentials { token: Some(certificates.path("tokens")), ..Credentials::default() };
    for protocol in PROTOCOLS {
        let asking = running.client(&known, protocol);
        asking.get_features(ask(CALLER, &["calls_7d"])).await.unwrap();
        let wrong = asking.get_features(ask("no number: 1999555010155", &[])).await.unwrap_err();
        assert_eq!(wrong.code, ErrorCode::InvalidArgument);
        let stranger = running.client(&Credentials::default(), protocol);
        assert_eq!(stranger.get_features(ask(CALLER, &[])).await.unwrap_err().code, ErrorCode::Unauthenticated);
        world.tiles_down.store(true, Ordering::Relaxed);
        asking.get_features(ask(CALLER, &["calls_7d"])).await.unwrap();
        world.tiles_down.store(false, Ordering::Relaxed);
    }
    // An error that no handler sees: gRPC-Web says it in the body of an answer whose status is 200.
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let request = format!(
        "POST {PATH} HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/grpc-web+proto\r\n\
         Grpc-Encoding: no\r\nContent-Length: 5\r\n\r\n\x01\0\0\0\0"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains(" 200 ") && answer.contains("grpc-status"), "{answer}");
    running.stop().await;
    service.measure().await;

    let service_metrics = || metrics().filter(|metric| metric.function == Function::ServeFeatures);
    let text = both.exposition.text();
    let has = |line: &str| text.lines().any(|known| known == line);
    for line in [
        "tollwatch_requests_total{method=\"get_features\",code=\"ok\"} 6.0",
        "tollwatch_requests_total{method=\"get_features\",code=\"invalid_argument\"} 3.0",
        "tollwatch_requests_total{method=\"get_features\",code=\"unauthenticated\"} 3.0",
        "tollwatch_requests_total{method=\"get_features\",code=\"unknown\"} 1.0",
        "tollwatch_request_seconds_count{method=\"get_features\"} 13",
        "tollwatch_answers_degraded_total{} 3.0",
        // The snapshot is of the day before yesterday.
        "tollwatch_snapshot_age_seconds{} 86700.0",
        "tollwatch_cache_hits_total{} 5.0",
        "tollwatch_cache_misses_total{} 1.0",
    ] {
        assert!(has(line), "{line}: {text}");
    }
    let lines = emf::lines(&both.collected.take(), "test", NOW).join("\n");
    let in_text: BTreeSet<&str> = service_metrics()
        .filter(|metric| metric.samples().iter().all(|sample| text.contains(&format!("\n{sample}{{"))))
        .map(|metric| metric.name)
        .collect();
    assert_eq!(in_text, service_metrics().map(|metric| metric.name).collect());
    for metric in service_metrics() {
        assert!(lines.contains(&format!("\"{}\":", metric.name)), "{}: {lines}", metric.name);
    }
    for exported in [text, lines] {
        for number in [&CALLER[1..], "5550101", "1999555010155"] {
            assert!(!exported.contains(number), "{number} is in {exported}");
        }
    }
}

#[tokio::test]
async fn metrics_are_shown_to_whoever_may_call() {
    let world = World::new(history(NOW + 1), NOW).with_snapshot(1);
    let exposition = Arc::new(Exposition::of_functions(&[Function::ServeFeatures]));
    let cache = Arc::new(SnapshotCache::default());
    let service = world.service_with(Arc::clone(&cache)).await;
    let service = Arc::new(service.with_metrics(Arc::clone(&exposition) as _, Some(cache)));
    let shown = Metrics { exposition: Arc::clone(&exposition), service: Arc::clone(&service) };
    // There is no room for a call: metrics are wanted then most of all.
    let exposure = Exposure { tls: None, max_in_flight: 0, ..Certificates::new().with_token() };
    let watch = Watch { sink: Some(exposition), tracer: None };
    let running = Running::start_watched(Arc::clone(&service), exposure, watch, Some(shown)).await;
    let refused = http(running.address, "GET", "/metrics", "", "").await;
    assert!(refused.starts_with("HTTP/1.1 401") && !refused.contains("tollwatch_"), "{refused}");
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    assert!(http(running.address, "POST", PATH, &token, "{}").await.starts_with("HTTP/1.1 429"));
    let answer = http(running.address, "GET", "/metrics", &token, "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(header(&answer, "content-type"), Some(Exposition::CONTENT_TYPE));
    assert!(answer.contains("tollwatch_requests_total{method=\"get_features\",code=\"resource_exhausted\"} 1.0"));
    assert!(answer.contains("tollwatch_snapshot_age_seconds{} 300.0"), "known without a request: {answer}");
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    let head = http(running.address, "HEAD", "/metrics", &token, "").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    running.stop().await;

    let plain = Running::start(service, Exposure::default()).await;
    assert!(http(plain.address, "GET", "/metrics", "", "").await.starts_with("HTTP/1.1 404"), "there are none");
    plain.stop().await;
}

#[tokio::test]
async fn an_answer_names_its_span_in_the_trace_of_the_caller() {
    let service = World::new(history(NOW + 1), NOW).with_snapshot(1).service().await;
    let (rpc, _health) = router(Arc::clone(&service)).unwrap();
    let watch = Watch { sink: None, tracer: Some(tracer()) };
    let running = Running::start_watched(Arc::clone(&service), Exposure::default(), watch.clone(), None).await;
    let body = format!("{{\"number\":\"{CALLER}\"}}");
    let caller = TraceContext::parse(TRACEPARENT).unwrap();
    let answered = async |headers: &str| {
        let answer = http(running.address, "POST", PATH, headers, &body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        TraceContext::parse(header(&answer, "traceresponse").unwrap()).unwrap()
    };
    let own = answered(&format!("traceparent: {TRACEPARENT}\r\n")).await;
    assert_eq!((own.trace_id, own.is_sampled), (caller.trace_id, true));
    assert_ne!(own.span_id, caller.span_id);
    // What is malformed, or there twice, begins a trace.
    for headers in ["", "traceparent: 00-abc\r\n", &format!("traceparent: {TRACEPARENT}\r\n").repeat(2)] {
        assert_ne!(answered(headers).await.trace_id, caller.trace_id, "{headers}");
    }
    let health = http(running.address, "POST", "/grpc.health.v1.Health/Check", "", "{}").await;
    assert_eq!(header(&health, "traceresponse"), None, "nobody follows a load balancer's questions");
    running.stop().await;

    let event = http::Request::post(format!("https://id.lambda-url.us-east-1.on.aws{PATH}"))
        .header("content-type", "application/json")
        .header("traceparent", TRACEPARENT)
        .body(lambda_http::Body::Text(body.clone()))
        .unwrap();
    let answer = answer_watched(rpc, event, DEADLINE_MAX, watch).await.unwrap().0;
    let own = TraceContext::parse(answer.headers()["traceresponse"].to_str().unwrap()).unwrap();
    assert_eq!(own.trace_id, caller.trace_id);

    // Nothing is said where nobody traces.
    let quiet = Running::start(service, Exposure::default()).await;
    let answer = http(quiet.address, "POST", PATH, &format!("traceparent: {TRACEPARENT}\r\n"), &body).await;
    assert_eq!(header(&answer, "traceresponse"), None);
    quiet.stop().await;
}
