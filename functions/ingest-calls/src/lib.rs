//! Call records over HTTP, for producers that do not write to Kinesis themselves.
//!
//! `POST /v1/calls` takes one record or a batch ([`Ingest::answer`]). Each is read and judged as count-calls would judge
//! it, by the same code: what could never count is refused at once, with its reason. What is accepted goes on the stream
//! as JSON with its numbers normalised, under its caller, and is answered only when Kinesis has it: an accepted record
//! has a shard and a sequence number.
//!
//! Where they are configured, `POST /v1/calls/twilio` and `/v1/calls/freeswitch` take the webhooks of a carrier and a
//! switch ([`Webhooks`]), each checked by a secret.
//!
//! A request may be repeated: a call is known by its caller, `call_id` and start minute and counts once, however often it
//! is sent. `docs/ingest.md` has requests and answers.

mod answer;
mod body;
mod configuration;
mod ingest;
pub mod lambda;
mod limits;
mod measurements;
mod refusal;
mod report;
mod webhook;

pub use answer::{Answer, RecordResult, Status};
pub use configuration::{Configuration, ConfigurationError};
pub use ingest::{Ingest, Moments};
pub use limits::{BODY_BYTES_MAX, FORM_FIELDS_MAX, RECORDS_MAX, RETRY_AFTER_SECS};
pub use refusal::Refusal;
pub use report::IngestReport;
pub use webhook::{Secret, TwilioWebhook, Webhooks};
