//! The span of records that are put on a stream, whose context travels in each of them
//! (<https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/>).

use telemetry::{Span, SpanKind, TraceContext, Tracer};

/// Records on their way.
#[derive(Debug)]
pub struct Sending {
    span: Option<Span>,
    /// Only of a trace that is recorded: the stream is paid for by the byte.
    traceparent: Option<String>,
}

impl Sending {
    /// Begins to put so many records on a stream, on behalf of `parent` if somebody asked for it. Where traces are off,
    /// the parent's own context travels.
    pub fn begin(tracer: Option<&Tracer>, stream: &str, records: usize, parent: Option<TraceContext>) -> Self {
        let span = tracer.map(|tracer| {
            let mut span = tracer.span(format!("send {stream}"), SpanKind::Producer, parent);
            span.set("messaging.system", "aws_kinesis");
            span.set("messaging.operation.type", "send");
            span.set("messaging.operation.name", "send");
            span.set("messaging.destination.name", stream.to_owned());
            span.set("messaging.batch.message_count", records as i64);
            span
        });
        let context = span.as_ref().map(Span::context).or(parent).filter(|context| context.is_sampled);
        Self { span, traceparent: context.map(|context| context.to_string()) }
    }

    /// A record with the context of the span.
    pub fn traced(&self, record: Vec<u8>) -> Vec<u8> {
        match &self.traceparent {
            Some(traceparent) => cdr::with_traceparent(record, traceparent),
            None => record,
        }
    }

    /// Notes what became of them.
    pub fn end(mut self, is_all_put: bool) {
        if let (false, Some(span)) = (is_all_put, &mut self.span) {
            span.fail("not_put");
        }
    }
}
