//! Begins spans and hands those that ended to the exporter.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::export::Exporter;
use crate::span::Recorded;
use crate::{Span, SpanId, SpanKind, TraceContext, TraceId, TraceSettings};

/// What a machine gives to a tracer: in tests both are made up.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Nanoseconds since 1970 UTC.
    pub now_ns: fn() -> u64,
    /// A number that nobody can foresee, anew each time.
    pub random: fn() -> u64,
}

impl Machine {
    /// The one that this runs on.
    pub fn this() -> Self {
        Self { now_ns, random: || fastrand::u64(..) }
    }
}

/// Makes spans, where traces are switched on. Copies share a queue.
#[derive(Clone, Debug)]
pub struct Tracer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    exporter: Exporter,
    machine: Machine,
    ratio: f64,
}

impl Tracer {
    /// Begins to export. Needs the runtime of tokio, on which a task gathers spans and sends them.
    pub fn start(settings: TraceSettings, machine: Machine) -> Self {
        let ratio = settings.ratio;
        Self(Arc::new(Inner { exporter: Exporter::start(settings), machine, ratio }))
    }

    /// Begins a span: of its parent's trace, which decided whether it is recorded, or of a new one.
    pub fn span(&self, name: impl Into<Cow<'static, str>>, kind: SpanKind, parent: Option<TraceContext>) -> Span {
        let span_id = SpanId(self.nonzero().to_be_bytes());
        let context = match parent {
            Some(parent) => TraceContext { span_id, ..parent },
            None => self.root(span_id),
        };
        let recorded = Recorded {
            context,
            parent: parent.map(|parent| parent.span_id),
            name: name.into(),
            kind,
            start_ns: (self.0.machine.now_ns)(),
            end_ns: 0,
            attributes: Vec::new(),
            links: Vec::new(),
            links_dropped: 0,
            is_error: false,
        };
        Span::new(self.clone(), recorded)
    }

    /// Waits until the spans that ended so far are sent or given up, for at most `within`; not at all while the
    /// collector is known to be away.
    pub async fn flush(&self, within: Duration) {
        self.0.exporter.flush(within).await;
    }

    pub(crate) fn end(&self, mut recorded: Recorded) {
        // A clock that is set back makes no span that ends before it began.
        recorded.end_ns = (self.0.machine.now_ns)().max(recorded.start_ns);
        self.0.exporter.take(recorded);
    }

    fn root(&self, span_id: SpanId) -> TraceContext {
        let (high, low) = (self.nonzero(), self.nonzero());
        let mut trace_id = [0; 16];
        trace_id[..8].copy_from_slice(&high.to_be_bytes());
        trace_id[8..].copy_from_slice(&low.to_be_bytes());
        // As OpenTelemetry's sampler has it: by the id, so that others with the same share decide alike.
        let is_sampled = ((low >> 1) as f64) < self.0.ratio * (1_u64 << 63) as f64;
        TraceContext { trace_id: TraceId(trace_id), span_id, is_sampled }
    }

    fn nonzero(&self) -> u64 {
        (self.0.machine.random)().max(1)
    }
}

fn now_ns() -> u64 {
    // A clock before 1970 is one that was never set.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
