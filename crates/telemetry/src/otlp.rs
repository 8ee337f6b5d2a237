//! Spans as the protobuf message `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`
//! (<https://github.com/open-telemetry/opentelemetry-proto/tree/v1.9.0/opentelemetry/proto>). Written by hand: the
//! messages are few and stable, and their generated forms bring a gRPC stack. A test reads them with those.

use crate::span::{AttributeValue, Recorded, SpanKind};

/// The request for some spans of a process that `resource` describes.
pub(crate) fn request(resource: &[(String, String)], spans: &[Recorded]) -> Vec<u8> {
    let mut of_resource = Message::default();
    for (key, value) in resource {
        of_resource.message(1, &key_value(key, |any| any.bytes(1, value.as_bytes())));
    }
    let mut scope = Message::default();
    scope.bytes(1, b"tollwatch");
    scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
    let mut of_scope = Message::default();
    of_scope.message(1, &scope);
    for recorded in spans {
        of_scope.message(2, &span(recorded));
    }
    let mut of_process = Message::default();
    of_process.message(1, &of_resource);
    of_process.message(2, &of_scope);
    let mut request = Message::default();
    request.message(1, &of_process);
    request.0
}

fn span(recorded: &Recorded) -> Message {
    let mut span = Message::default();
    span.bytes(1, recorded.context.trace_id.as_bytes());
    span.bytes(2, recorded.context.span_id.as_bytes());
    if let Some(parent) = &recorded.parent {
        span.bytes(4, parent.as_bytes());
    }
    span.bytes(5, recorded.name.as_bytes());
    span.varint(
        6,
        match recorded.kind {
            SpanKind::Server => 2,
            SpanKind::Client => 3,
            SpanKind::Producer => 4,
            SpanKind::Consumer => 5,
        },
    );
    span.fixed64(7, recorded.start_ns);
    span.fixed64(8, recorded.end_ns);
    for (key, value) in &recorded.attributes {
        span.message(
            9,
            &key_value(key, |any| match value {
                AttributeValue::Text(text) => any.bytes(1, text.as_bytes()),
                AttributeValue::Integer(number) => any.varint(3, *number as u64),
            }),
        );
    }
    for to in &recorded.links {
        let mut link = Message::default();
        link.bytes(1, to.trace_id.as_bytes());
        link.bytes(2, to.span_id.as_bytes());
        link.fixed32(6, u32::from(to.is_sampled));
        span.message(13, &link);
    }
    if recorded.links_dropped > 0 {
        span.varint(14, u64::from(recorded.links_dropped));
    }
    if recorded.is_error {
        let mut status = Message::default();
        status.varint(3, STATUS_ERROR);
        span.message(15, &status);
    }
    // Of the trace flags, whether it is sampled.
    span.fixed32(16, 1);
    span
}

const STATUS_ERROR: u64 = 2;

fn key_value(key: &str, value: impl FnOnce(&mut Message)) -> Message {
    let mut any = Message::default();
    value(&mut any);
    let mut pair = Message::default();
    pair.bytes(1, key.as_bytes());
    pair.message(2, &any);
    pair
}

/// A protobuf message that is being written (<https://protobuf.dev/programming-guides/encoding/>).
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        self.raw_varint(value);
    }

    fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        self.raw_varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn message(&mut self, field: u32, value: &Self) {
        self.bytes(field, &value.0);
    }

    fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn tag(&mut self, field: u32, wire_type: u64) {
        self.raw_varint(u64::from(field) << 3 | wire_type);
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}
