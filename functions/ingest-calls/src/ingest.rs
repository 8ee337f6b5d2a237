//! One request: its records read and judged, put on the stream, and answered for.

use aws_sdk_kinesis::Client;
use cdr::{Lateness, NumberPlan, Parsed, RecordError};
use http::{Method, Request, Response};
use stream_writer::{Outgoing, Patience, Put, Sending, put_records};
use telemetry::{TraceContext, Tracer};
use tokio::time::Instant;

use crate::answer::{Answer, RecordResult, Status};
use crate::body::records;
use crate::limits::{PUT_ATTEMPTS_MAX, PUT_FIRST_PAUSE};
use crate::webhook::{FREESWITCH_PATH, TWILIO_PATH};
use crate::{IngestReport, Refusal, Webhooks};

/// Where records are taken.
const PATH: &str = "/v1/calls";
/// The W3C trace context of a request (<https://www.w3.org/TR/trace-context/>).
const TRACE_PARENT: &str = "traceparent";

/// Takes call records for a stream.
#[derive(Debug)]
pub struct Ingest {
    kinesis: Client,
    stream: String,
    plan: NumberPlan,
    lateness: Lateness,
    webhooks: Option<Webhooks>,
    tracer: Option<Tracer>,
}

/// When a request is worked on.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// When it came, in milliseconds since 1970 UTC: what the beginning of a call is judged by.
    pub received_at_ms: i64,
    /// When it is to be answered, whatever Kinesis has by then.
    pub answer_by: Instant,
}

impl Ingest {
    /// Records go on this stream. National numbers are of the plan's region; what is older than `lateness` when it comes
    /// is refused.
    pub const fn new(kinesis: Client, stream: String, plan: NumberPlan, lateness: Lateness) -> Self {
        Self { kinesis, stream, plan, lateness, webhooks: None, tracer: None }
    }

    /// The same with a span for the records of each request, if there is a tracer.
    #[must_use]
    pub fn with_tracer(mut self, tracer: Option<Tracer>) -> Self {
        self.tracer = tracer;
        self
    }

    /// The same with webhooks, if there are any.
    #[must_use]
    pub fn with_webhooks(mut self, webhooks: Option<Webhooks>) -> Self {
        self.webhooks = webhooks;
        self
    }

    /// Answers a request, at [`Moments::answer_by`] at the latest.
    pub async fn answer<B: AsRef<[u8]>>(
        &self,
        request: &Request<B>,
        moments: Moments,
    ) -> (Response<String>, IngestReport) {
        let read = match self.records_of(request) {
            Ok(read) => read,
            Err(refusal) => {
                let (status, refused) = (refusal.status().as_u16(), Some(refusal.code()));
                let report = IngestReport { status, refusal: refused, ..IngestReport::default() };
                return (refusal.to_response(), report);
            }
        };
        let parent = request.headers().get(TRACE_PARENT).and_then(|value| value.to_str().ok());
        let parent = parent.and_then(TraceContext::parse);
        let sending = Sending::begin(self.tracer.as_ref(), &self.stream, read.len(), parent);
        let mut results: Vec<RecordResult> = Vec::with_capacity(read.len());
        let (mut outgoing, mut places) = (Vec::new(), Vec::new());
        for (index, read) in read.into_iter().enumerate() {
            let (result, call) = self.judge(index, read, moments.received_at_ms);
            if let Some(parsed) = call {
                outgoing.push(to_stream(&parsed, &sending));
                places.push(index);
            }
            results.push(result);
        }
        let patience =
            Patience { attempts_max: PUT_ATTEMPTS_MAX, first_pause: PUT_FIRST_PAUSE, until: Some(moments.answer_by) };
        let Put { placed, attempts, error, .. } = put_records(&self.kinesis, &self.stream, &outgoing, patience).await;
        sending.end(error.is_none());
        if let Some(error) = error {
            tracing::error!(%error, "records are not on the stream");
        }
        for (index, placed) in places.into_iter().zip(placed) {
            let result = &mut results[index];
            if let Some(placed) = placed {
                result.status = Status::Accepted;
                (result.reason, result.rule) = (None, None);
                (result.shard, result.sequence_number) = (Some(placed.shard), Some(placed.sequence_number));
            }
        }
        let answer = Answer::of(results);
        let report = report(&answer, attempts);
        (answer.to_response(), report)
    }

    /// The records of a request, each as a call or why it is none.
    fn records_of<B: AsRef<[u8]>>(&self, request: &Request<B>) -> Result<Vec<Result<Parsed, RecordError>>, Refusal> {
        let (path, headers, body) = (request.uri().path(), request.headers(), request.body().as_ref());
        let webhooks = self.webhooks.as_ref();
        match path {
            PATH => {}
            TWILIO_PATH if webhooks.is_some_and(|webhooks| webhooks.twilio.is_some()) => {}
            FREESWITCH_PATH if webhooks.is_some_and(|webhooks| webhooks.freeswitch.is_some()) => {}
            _ => return Err(Refusal::NotFound),
        }
        if request.method() != Method::POST {
            return Err(Refusal::NotPost);
        }
        match (path, webhooks) {
            (TWILIO_PATH, Some(webhooks)) => webhooks.twilio(&self.plan, headers, body),
            (FREESWITCH_PATH, Some(webhooks)) => webhooks.freeswitch(&self.plan, headers, body),
            _ => Ok(records(headers, body)?.into_iter().map(|raw| raw.parse(&self.plan)).collect()),
        }
    }

    /// What is said of a record, and its call if it goes on the stream: that it failed until the stream has it.
    fn judge(
        &self,
        index: usize,
        read: Result<Parsed, RecordError>,
        received_at_ms: i64,
    ) -> (RecordResult, Option<Parsed>) {
        let result = RecordResult { index, ..RecordResult::default() };
        let judged = read.and_then(|parsed| {
            self.lateness.judge(parsed.record.started_at_ms, received_at_ms)?;
            Ok(parsed)
        });
        match judged {
            Ok(parsed) => {
                let result = RecordResult {
                    reason: Some("not_taken"),
                    rule: Some("was not taken by the stream: send it again, which is safe"),
                    unknown_fields: Some(parsed.unknown_fields).filter(|count| *count > 0),
                    ..result
                };
                (result, Some(parsed))
            }
            Err(error) => {
                let result = RecordResult {
                    status: Status::Refused,
                    reason: Some(error.reason.as_str()),
                    field: Some(error.field).filter(|field| !field.is_empty()),
                    rule: Some(error.rule),
                    at: error.at,
                    ..result
                };
                (result, None)
            }
        }
    }
}

/// A call as it goes on the stream, with the trace context that it travels under: its own, if its producer gave it one.
fn to_stream(Parsed { record, traceparent, .. }: &Parsed, sending: &Sending) -> Outgoing {
    let bytes = record.to_json().into_bytes();
    let bytes = match traceparent {
        Some(own) => cdr::with_traceparent(bytes, own),
        None => sending.traced(bytes),
    };
    Outgoing { partition_key: record.caller.as_str().to_owned(), bytes }
}

fn report(answer: &Answer, attempts: u32) -> IngestReport {
    let mut report = IngestReport {
        status: answer.status().as_u16(),
        ingested: answer.accepted as u64,
        failed: answer.failed as u64,
        put_attempts: u64::from(attempts),
        ..IngestReport::default()
    };
    for result in &answer.results {
        match result.status {
            Status::Accepted => report.unknown_fields += result.unknown_fields.unwrap_or(0) as u64,
            Status::Refused => *report.refused.entry(result.reason.unwrap_or_default()).or_default() += 1,
            Status::Failed => {}
        }
    }
    report
}
