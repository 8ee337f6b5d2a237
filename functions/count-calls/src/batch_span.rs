//! The span of a batch, with links to the producers whose records it has
//! (<https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/>).

use std::collections::HashSet;

use telemetry::limits::LINKS_MAX;
use telemetry::{Span, SpanKind, TraceContext, Tracer};

/// A batch at work; nothing where traces are off.
pub(crate) struct BatchSpan(Option<Linking>);

struct Linking {
    span: Span,
    linked: HashSet<TraceContext>,
}

impl BatchSpan {
    /// Begins with a batch of one shard.
    pub(crate) fn begin(tracer: Option<&Tracer>, stream: &str, shard: &str, records: usize) -> Self {
        Self(tracer.map(|tracer| {
            // A batch has many producers, so none is its parent.
            let mut span = tracer.span(format!("process {stream}"), SpanKind::Consumer, None);
            span.set("messaging.system", "aws_kinesis");
            span.set("messaging.operation.type", "process");
            span.set("messaging.operation.name", "process");
            span.set("messaging.destination.name", stream.to_owned());
            span.set("messaging.destination.partition.id", shard.to_owned());
            span.set("messaging.batch.message_count", records as i64);
            Linking { span, linked: HashSet::new() }
        }))
    }

    /// Links the context that a record came with, if somebody records that trace. The records of one request to the
    /// stream mostly share it.
    pub(crate) fn link(&mut self, traceparent: Option<&str>) {
        let (Some(linking), Some(traceparent)) = (&mut self.0, traceparent) else { return };
        let Some(context) = TraceContext::parse(traceparent).filter(|context| context.is_sampled) else { return };
        // What is beyond the bound is counted, some of it twice.
        if linking.linked.len() >= LINKS_MAX && !linking.linked.contains(&context) || linking.linked.insert(context) {
            linking.span.link(context);
        }
    }

    /// Says why not all of it is done.
    pub(crate) fn fail(&mut self, code: &'static str) {
        if let Some(linking) = &mut self.0 {
            linking.span.fail(code);
        }
    }
}
