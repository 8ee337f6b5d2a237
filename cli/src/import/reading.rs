//! Reading the files of an import, and handing each call to all it is meant for.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use call_files::{FileCall, ReadOptions};
use cdr::{CallRecord, NumberPlan};
use indicatif::{HumanCount, ProgressBar};
use pseudonyms::Pseudonyms;

use crate::call_input::Refusals;
use crate::failure::{Failure, Outcome};
use crate::import::files::FileWriters;
use crate::import::lateness::LatenessNote;
use crate::import::merging::read_files;
use crate::import::stream::{Feed, StreamEnded};
use crate::import::understood::Understood;

/// Calls between two looks at the spinner.
const SPINNER_STEP: u64 = 10_000;

/// Where calls go; nowhere, where it is only to be known what they are.
#[derive(Default)]
pub(crate) struct Sinks {
    pub(crate) files: Option<FileWriters>,
    pub(crate) stream: Option<Feed>,
    pub(crate) understood: Option<Understood>,
}

/// What is read, and how.
pub(crate) struct Source {
    pub(crate) plan: NumberPlan,
    pub(crate) options: ReadOptions,
    /// What numbers become before anybody else sees them.
    pub(crate) pseudonyms: Option<Pseudonyms>,
    /// In their order.
    pub(crate) files: Vec<PathBuf>,
    /// For each of them, where files are written, the name of the one that its calls go to.
    pub(crate) names: Vec<String>,
}

/// An import that runs.
pub(crate) struct Reading {
    pub(crate) sinks: Sinks,
    pub(crate) refused: Refusals,
    pub(crate) lateness: Option<LatenessNote>,
    pub(crate) bar: ProgressBar,
    pub(crate) calls: u64,
    pub(crate) span: Option<Span>,
}

/// When the first and the last call began, in milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
}

impl Span {
    /// A span with one more call.
    fn with(span: Option<Self>, call: &CallRecord) -> Self {
        let at = call.started_at_ms;
        span.map_or(Self { first_ms: at, last_ms: at }, |span| Self {
            first_ms: span.first_ms.min(at),
            last_ms: span.last_ms.max(at),
        })
    }

    /// For people.
    pub(crate) fn text(self) -> String {
        format!("from {} to {}", cdr::format_time(self.first_ms), cdr::format_time(self.last_ms))
    }
}

/// What became of the files.
pub(crate) struct Imported {
    /// Names of the files that were made.
    pub(crate) names: Vec<String>,
    /// Rows that tell of a leg, or of nothing that can be used.
    pub(crate) rows: u64,
    pub(crate) calls: u64,
    pub(crate) span: Option<Span>,
    pub(crate) refused: Refusals,
    pub(crate) understood: Option<Understood>,
    /// What a consumer has to allow, in hours, where that is more than it does by default.
    pub(crate) hours_late: Option<i64>,
}

impl Reading {
    /// Reads the files in their order, those of each to the file of its name. Waits for the stream: not for tasks.
    pub(crate) fn read(mut self, source: &Source) -> Result<Imported, Failure> {
        let mut refused = std::mem::take(&mut self.refused);
        let read = read_files(source, &mut refused, |place, call| {
            let name = source.names.get(place).map_or("", String::as_str);
            self.take(&source.files[place], name, &call)
        });
        self.refused = refused;
        let found = read?;
        let rows = found.iter().map(|file| file.rows).sum();
        if let Some(understood) = &mut self.sinks.understood {
            understood.files = source.files.iter().cloned().zip(found).collect();
        }
        self.finish(rows)
    }

    fn take(&mut self, file: &Path, name: &str, read: &FileCall) -> Outcome {
        if let Some(files) = &mut self.sinks.files {
            files.write(name, file, read)?;
        }
        if let Some(understood) = &mut self.sinks.understood {
            understood.take(&read.call);
        }
        if let Some(note) = &mut self.lateness {
            note.look_at(&self.bar, read.call.started_at_ms);
        }
        if let Some(stream) = &mut self.sinks.stream {
            stream.push(&read.call).map_err(ended)?;
        }
        self.calls += 1;
        self.span = Some(Span::with(self.span, &read.call));
        if self.sinks.stream.is_none() && self.calls.is_multiple_of(SPINNER_STEP) {
            self.bar.set_message(format!("{} calls", HumanCount(self.calls)));
        }
        Ok(())
    }

    fn finish(mut self, rows: u64) -> Result<Imported, Failure> {
        if let Some(stream) = self.sinks.stream {
            stream.finish().map_err(ended)?;
        }
        self.bar.suspend(|| self.refused.tell())?;
        let names = self.sinks.files.map_or_else(|| Ok(Vec::new()), FileWriters::finish)?;
        let Self { calls, span, refused, lateness, .. } = self;
        let hours_late = lateness.and_then(|note| note.hours_needed());
        Ok(Imported { names, rows, calls, span, refused, understood: self.sinks.understood, hours_late })
    }
}

/// The stream says why.
fn ended(StreamEnded: StreamEnded) -> Failure {
    Failure::internal(anyhow!("the stream takes nothing any more"))
}
