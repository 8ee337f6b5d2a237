//! Spans as a collector gets them, read with OpenTelemetry's own messages.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as Kind;
use prost::Message as _;
use telemetry::{Machine, SpanKind, TraceContext, TraceSettings, Tracer, limits};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const START_NS: u64 = 1_790_000_000_000_000_000;

/// A clock that goes on by a second each time it is asked, and numbers that differ.
fn machine() -> Machine {
    static SECONDS: AtomicU64 = AtomicU64::new(0);
    static NUMBERS: AtomicU64 = AtomicU64::new(1 << 40);
    Machine {
        now_ns: || START_NS + SECONDS.fetch_add(1, Ordering::Relaxed) * 1_000_000_000,
        random: || NUMBERS.fetch_add(0x0101, Ordering::Relaxed),
    }
}

/// What a collector was sent.
struct Received {
    headers: HeaderMap,
    request: ExportTraceServiceRequest,
}

/// A collector, and what it is sent.
async fn collector() -> (String, mpsc::UnboundedReceiver<Received>) {
    let (sender, received) = mpsc::unbounded_channel();
    let take = move |headers: HeaderMap, body: Bytes| {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        sender.send(Received { headers, request }).unwrap();
        std::future::ready(StatusCode::OK)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, received)
}

fn tracer(url: &str, more: &[(&str, &str)]) -> Tracer {
    let settings = TraceSettings::read("count-calls", |name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(url.to_owned()),
        _ => more.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
    });
    Tracer::start(settings.unwrap().unwrap(), machine())
}

#[tokio::test]
async fn a_collector_gets_what_was_said_of_a_span() {
    let (url, mut received) = collector().await;
    let tracer = tracer(&url, &[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")]);
    let parent = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let mut sent = tracer.span("send calls", SpanKind::Producer, Some(parent));
    sent.set("messaging.batch.message_count", 12);
    let context = sent.context();
    drop(sent);
    let mut worked = tracer.span(format!("process {}", "calls"), SpanKind::Consumer, None);
    worked.set("messaging.destination.name", "calls".to_owned());
    for _ in 0..=limits::LINKS_MAX {
        worked.link(context);
    }
    worked.fail("undone");
    drop(worked);
    tracer.flush(Duration::from_mins(1)).await;

    let Received { headers, request } = received.try_recv().unwrap();
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert_eq!(headers["authorization"], "Bearer abc");
    let [of_process] = &request.resource_spans[..] else { panic!("one process") };
    let named = &of_process.resource.as_ref().unwrap().attributes[0];
    assert_eq!(named.key, "service.name");
    assert_eq!(named.value.as_ref().unwrap().value, Some(Value::StringValue("count-calls".to_owned())));
    let [of_scope] = &of_process.scope_spans[..] else { panic!("one scope") };
    assert_eq!(of_scope.scope.as_ref().unwrap().name, "tollwatch");
    let [sent, worked] = &of_scope.spans[..] else { panic!("two spans") };

    assert_eq!((sent.name.as_str(), sent.kind()), ("send calls", Kind::Producer));
    assert_eq!(sent.trace_id, parent.trace_id.as_bytes());
    assert_eq!(sent.parent_span_id, parent.span_id.as_bytes());
    assert_eq!(sent.span_id, context.span_id.as_bytes());
    assert_ne!(sent.span_id, sent.parent_span_id);
    assert_eq!(sent.end_time_unix_nano - sent.start_time_unix_nano, 1_000_000_000);
    assert!(sent.start_time_unix_nano >= START_NS);
    assert_eq!(sent.attributes[0].value.as_ref().unwrap().value, Some(Value::IntValue(12)));
    assert!(sent.status.as_ref().is_none_or(|status| status.code == 0));
    assert_eq!(sent.flags, 1);

    assert_eq!((worked.name.as_str(), worked.kind()), ("process calls", Kind::Consumer));
    assert!(worked.parent_span_id.is_empty());
    assert_ne!(worked.trace_id, sent.trace_id);
    assert_eq!(worked.links.len(), limits::LINKS_MAX);
    assert_eq!(worked.dropped_links_count, 1);
    assert_eq!((&worked.links[0].trace_id, &worked.links[0].span_id), (&sent.trace_id, &sent.span_id));
    assert_eq!(worked.status.as_ref().unwrap().code, 2);
    let errors: Vec<_> = worked.attributes.iter().filter(|attribute| attribute.key == "error.type").collect();
    assert_eq!(errors.len(), 1);
}

#[tokio::test]
async fn whoever_began_a_trace_decides_whether_it_is_recorded() {
    let (url, mut received) = collector().await;
    let tracer = tracer(&url, &[("OTEL_TRACES_SAMPLER", "always_off")]);
    let sampled = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let unsampled = TraceContext { is_sampled: false, ..sampled };
    assert!(tracer.span("continued", SpanKind::Server, Some(sampled)).context().is_sampled);
    assert!(!tracer.span("passed on", SpanKind::Server, Some(unsampled)).context().is_sampled);
    assert!(!tracer.span("begun", SpanKind::Server, None).context().is_sampled);
    let mut linked = tracer.span("linked", SpanKind::Consumer, None);
    linked.link(unsampled);
    assert!(!linked.context().is_sampled);
    linked.link(sampled);
    assert!(linked.context().is_sampled);
    drop(linked);
    tracer.flush(Duration::from_mins(1)).await;
    let spans = &received.try_recv().unwrap().request.resource_spans[0].scope_spans[0].spans;
    assert_eq!(spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["continued", "linked"]);
}

#[tokio::test]
async fn a_share_of_traces_is_recorded() {
    static STATE: AtomicU64 = AtomicU64::new(7);
    let settings = TraceSettings::read("count-calls", |name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://127.0.0.1:9".to_owned()),
        "OTEL_TRACES_SAMPLER" => Some("traceidratio".to_owned()),
        "OTEL_TRACES_SAMPLER_ARG" => Some("0.25".to_owned()),
        _ => None,
    });
    // Steps of the golden ratio fill the numbers evenly.
    let random = || STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    let tracer = Tracer::start(settings.unwrap().unwrap(), Machine { now_ns: || START_NS, random });
    let begun = |_: &u32| tracer.span("begun", SpanKind::Server, None).context().is_sampled;
    let recorded = (0..4_000).filter(begun).count();
    assert!((900..1_100).contains(&recorded), "{recorded} of 4000");
}

/// Work goes on at its pace where the collector refuses connections or takes them and says nothing.
#[tokio::test]
async fn a_collector_that_is_away_holds_nobody_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for address in [silent.local_addr().unwrap(), closed] {
        let tracer = tracer(&format!("http://{address}"), &[]);
        let began = Instant::now();
        for _ in 0..limits::QUEUE_SPANS_MAX * 3 {
            drop(tracer.span("begun", SpanKind::Server, None));
        }
        for _ in 0..100 {
            tracer.flush(Duration::from_millis(50)).await;
        }
        let took = began.elapsed();
        // Were each to wait until the collector is given up on, it would take the 3 seconds of a request.
        assert!(took < Duration::from_secs(2), "one flush waits, the others know: {took:?}");
    }
}

#[tokio::test]
async fn a_collector_that_comes_back_gets_spans_again() {
    let address = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap()).local_addr().unwrap();
    let tracer = tracer(&format!("http://{address}"), &[]);
    drop(tracer.span("lost", SpanKind::Server, None));
    tracer.flush(Duration::from_mins(1)).await;
    let (sender, mut received) = mpsc::unbounded_channel();
    let take = move |body: Bytes| {
        let names = ExportTraceServiceRequest::decode(body).unwrap().resource_spans[0].scope_spans[0].spans.clone();
        sender.send(names.into_iter().map(|span| span.name).collect::<Vec<_>>()).unwrap();
        std::future::ready(StatusCode::OK)
    };
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/traces", post(take))).await });
    tokio::time::pause();
    // Left alone for a while, what ends meanwhile is dropped.
    drop(tracer.span("dropped", SpanKind::Server, None));
    tokio::time::sleep(limits::AWAY + limits::GATHER * 2).await;
    tokio::time::resume();
    drop(tracer.span("sent", SpanKind::Server, None));
    let names = tokio::time::timeout(Duration::from_mins(1), received.recv()).await.unwrap().unwrap();
    assert_eq!(names, ["sent"]);
}
