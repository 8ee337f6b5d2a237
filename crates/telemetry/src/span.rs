//! One piece of work in a trace.

use std::borrow::Cow;

use crate::limits::LINKS_MAX;
use crate::{SpanId, TraceContext, Tracer};

/// What a span is to the one that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// It answers a request.
    Server,
    /// It asks another service.
    Client,
    /// It puts messages on a stream.
    Producer,
    /// It works on messages of a stream.
    Consumer,
}

/// The value of an attribute. As with metrics, what a caller sent has no place in it: texts are names of the program
/// or of the deployment.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Integer(i64),
}

impl From<&'static str> for AttributeValue {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for AttributeValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// A span at work. It ends, and is handed to the collector if its trace is sampled, when it is dropped.
#[derive(Debug)]
pub struct Span {
    tracer: Tracer,
    recorded: Recorded,
    is_sampled: bool,
}

/// What is told of a span.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) context: TraceContext,
    pub(crate) parent: Option<SpanId>,
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: SpanKind,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) attributes: Vec<(&'static str, AttributeValue)>,
    pub(crate) links: Vec<TraceContext>,
    pub(crate) links_dropped: u32,
    pub(crate) is_error: bool,
}

impl Span {
    pub(crate) fn new(tracer: Tracer, recorded: Recorded) -> Self {
        let is_sampled = recorded.context.is_sampled;
        Self { tracer, recorded, is_sampled }
    }

    /// What those who work on behalf of this span are to be given.
    pub const fn context(&self) -> TraceContext {
        TraceContext { is_sampled: self.is_sampled, ..self.recorded.context }
    }

    /// Adds an attribute, under a name of the semantic conventions.
    pub fn set(&mut self, name: &'static str, value: impl Into<AttributeValue>) {
        self.recorded.attributes.push((name, value.into()));
    }

    /// Notes a span of another trace that this work is due to. Whoever follows that trace wants to get here, so a
    /// span that began a trace of its own is recorded if one of its links is. After [`LINKS_MAX`] they are counted.
    pub fn link(&mut self, to: TraceContext) {
        if self.recorded.parent.is_none() {
            self.is_sampled |= to.is_sampled;
        }
        if self.recorded.links.len() < LINKS_MAX {
            self.recorded.links.push(to);
        } else {
            self.recorded.links_dropped += 1;
        }
    }

    /// Says that the work failed, by a stable code.
    pub fn fail(&mut self, code: &'static str) {
        self.recorded.is_error = true;
        self.set("error.type", code);
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if self.is_sampled {
            let mut recorded = self.recorded.clone();
            recorded.context.is_sampled = true;
            self.tracer.end(recorded);
        }
    }
}
