//! What operators see of Tollwatch.
//!
//! A [`Metric`] is an entry of the [`catalogue`], a [`Measurement`] a value of one, made from the report of whoever
//! did the work. Measurements leave in two forms: as lines of the CloudWatch embedded metric format ([`emf`]) on the
//! standard output of a Lambda, and as the text that Prometheus reads ([`Exposition`]) from a server. Both take the
//! same values:
//!
//! ```
//! use telemetry::catalogue::count_calls::{RECORDS_QUARANTINED, RECORDS_RECEIVED};
//! use telemetry::{Exposition, Sink, emf};
//!
//! let measured = [RECORDS_RECEIVED.of(500.0), RECORDS_QUARANTINED.with(["bad_number"], 2.0)];
//! // In a Lambda, at the end of an invocation.
//! for line in emf::lines(&measured, "production", 1_790_000_000_000) {
//!     println!("{line}");
//! }
//! // In a server.
//! let exposition = Exposition::default();
//! exposition.record(&measured);
//! assert!(exposition.text().contains("tollwatch_records_quarantined_total{reason=\"bad_number\"} 2.0"));
//! ```
//!
//! The values of labels are texts of the program itself (`&'static str`): what somebody sent, such as a phone number,
//! cannot become one.
//!
//! # Traces
//!
//! A [`TraceContext`] says which trace some work belongs to, in the form that W3C Trace Context gives it: the header
//! `traceparent`, and the field of that name of a call record. Where [`TraceSettings`] names a collector, a [`Tracer`]
//! makes [`Span`]s, which are sent to it over OTLP beside the work. Nothing is set up where it does not, and work
//! neither fails nor waits where the collector is away: the queue is bounded, and so is [`Tracer::flush`].
//!
//! ```no_run
//! # async fn handle(traceparent: Option<&str>) -> Result<(), Box<dyn std::error::Error>> {
//! use telemetry::{Machine, SpanKind, TraceContext, TraceSettings, Tracer, limits};
//!
//! // Once, at the start; `None` where no collector is named.
//! let settings = TraceSettings::read("ingest-calls", |name| std::env::var(name).ok())?;
//! let tracer = settings.map(|settings| Tracer::start(settings, Machine::this()));
//!
//! // For each request; what is malformed is no parent.
//! let parent = traceparent.and_then(TraceContext::parse);
//! let span = tracer.as_ref().map(|tracer| tracer.span("POST /calls", SpanKind::Server, parent));
//! // What goes into the record, or on to another service. Where traces are off, what came is passed on.
//! let onward = span.as_ref().map(|span| span.context()).or(parent).map(|context| context.to_string());
//! # drop(onward);
//! drop(span);
//!
//! // In a Lambda, at the end of an invocation: between two of them nothing runs.
//! if let Some(tracer) = &tracer {
//!     tracer.flush(limits::FLUSH_LAMBDA_MAX).await;
//! }
//! # Ok(())
//! # }
//! ```

pub mod catalogue;
pub mod emf;
pub mod limits;

mod export;
mod exposition;
mod measurement;
mod otlp;
mod span;
mod trace_context;
mod trace_settings;
mod tracer;
mod watch;

pub use catalogue::{Function, Kind, METRICS, Metric, Unit, metrics};
pub use exposition::Exposition;
pub use measurement::{Collected, Labels, Measurement, Sink};
pub use span::{AttributeValue, Span, SpanKind};
pub use trace_context::{SpanId, TraceContext, TraceId};
pub use trace_settings::{TraceSettings, TraceSettingsError};
pub use tracer::{Machine, Tracer};
pub use watch::Watch;
