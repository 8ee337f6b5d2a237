//! What operators see of a process: its metrics, and traces where the environment names a collector.

use std::sync::Arc;

use telemetry::{Exposition, Function, Machine, Sink, TraceSettings, Tracer, Watch, limits};

use crate::failure::{Blame as _, Failure};

/// What they see; the default is nothing.
#[derive(Clone, Default)]
pub(crate) struct Observed {
    pub(crate) exposition: Option<Arc<Exposition>>,
    pub(crate) tracer: Option<Tracer>,
}

impl Observed {
    /// The metrics of these functions, and the traces of the process under this name.
    pub(crate) fn start(service: &str, functions: &[Function]) -> Result<Self, Failure> {
        let exposition = Some(Arc::new(Exposition::of_functions(functions)));
        Ok(Self { exposition, tracer: tracer(service)? })
    }

    /// Where measurements go.
    pub(crate) fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.exposition.clone().map(|exposition| exposition as Arc<dyn Sink>)
    }

    /// The same for a part of the process.
    pub(crate) fn watch(&self) -> Watch {
        Watch { sink: self.sink(), tracer: self.tracer.clone() }
    }

    /// Sends what is left.
    pub(crate) async fn finish(&self) {
        finish(self.tracer.as_ref()).await;
    }
}

/// Traces of the process, where the environment names a collector.
pub(crate) fn tracer(service: &str) -> Result<Option<Tracer>, Failure> {
    let settings = TraceSettings::read(service, |name| std::env::var(name).ok()).or_user()?;
    Ok(settings.map(|settings| Tracer::start(settings, Machine::this())))
}

/// Sends the spans that are left, if that does not take long.
pub(crate) async fn finish(tracer: Option<&Tracer>) {
    if let Some(tracer) = tracer {
        tracer.flush(limits::FLUSH_COMMAND_MAX).await;
    }
}
