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
//! A [`TraceContext`] says which trace some work belongs to, in the form that W3C Trace Context gives it.

pub mod catalogue;
pub mod emf;

mod exposition;
mod measurement;
mod trace_context;

pub use catalogue::{Function, Kind, METRICS, Metric, Unit, metrics};
pub use exposition::Exposition;
pub use measurement::{Collected, Labels, Measurement, Sink};
pub use trace_context::{SpanId, TraceContext, TraceId};
