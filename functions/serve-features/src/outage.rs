//! What the log says of a store that does not answer: once that it does not, with how often meanwhile, and once that it
//! does again; and whether there is a snapshot. Not once a request, which would be a full disk on top of the outage.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::sources::Current;

/// How often the log says at most that a store fails, and how long it must not have failed before the log says that it
/// works again: some of what is read comes from memory.
pub const TOLD_EVERY: Duration = Duration::from_secs(10);

/// What has become of one kind of reads or writes.
#[derive(Debug)]
pub struct Outage {
    /// Such as `tiles`, to begin a sentence with.
    what: &'static str,
    /// Whether anything failed that has not worked again: most reads look at nothing else.
    is_noted: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When the log said so last.
    told_at: Option<Instant>,
    failed_at: Option<Instant>,
    /// Failures since the log said so last.
    failures: u64,
}

impl Outage {
    /// Nothing has failed so far. `what` is what the log calls it, such as `tiles`.
    pub const fn new(what: &'static str) -> Self {
        let seen = Mutex::new(Seen { told_at: None, failed_at: None, failures: 0 });
        Self { what, is_noted: AtomicBool::new(false), seen }
    }

    /// Notes how it went.
    pub fn note<T, E: Display>(&self, result: &Result<T, E>) {
        match result {
            Ok(_) => self.worked(),
            Err(error) => self.failed(error),
        }
    }

    /// Notes that it failed. `error` must hold nothing that was asked.
    pub fn failed(&self, error: &impl Display) {
        let now = Instant::now();
        let failures = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            self.is_noted.store(true, Ordering::Relaxed);
            seen.failures += 1;
            seen.failed_at = Some(now);
            if is_recent(seen.told_at, now) {
                return;
            }
            seen.told_at = Some(now);
            std::mem::take(&mut seen.failures)
        };
        tracing::warn!(target: "tollwatch", %error, failures, "{}: failed", self.what);
    }

    /// Notes that it went well.
    pub fn worked(&self) {
        if !self.is_noted.load(Ordering::Relaxed) {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Another may have noted it meanwhile.
        if seen.failed_at.is_some() && !is_recent(seen.failed_at, Instant::now()) {
            *seen = Seen::default();
            self.is_noted.store(false, Ordering::Relaxed);
            drop(seen);
            tracing::info!(target: "tollwatch", "{}: works again", self.what);
        }
    }
}

fn is_recent(moment: Option<Instant>, now: Instant) -> bool {
    moment.is_some_and(|moment| now < moment + TOLD_EVERY)
}

/// What the log says of snapshots: whether there are any. It expects that there is one.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    /// What was found last; the version of other definitions in it.
    found: Mutex<Found>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Found {
    /// One of the service's own definitions; what nothing need be said of.
    #[default]
    Open,
    None,
    OtherVersion(String),
}

impl Announcements {
    /// Notes what is published now.
    pub(crate) fn note(&self, current: &Current) {
        let found = match current {
            Current::Open(_) => Found::Open,
            Current::None => Found::None,
            Current::OtherVersion(version) => Found::OtherVersion(version.clone()),
        };
        if std::mem::replace(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner), found.clone()) == found
        {
            return;
        }
        match found {
            Found::Open => tracing::info!(target: "tollwatch", "a snapshot is published"),
            Found::None => tracing::warn!(
                target: "tollwatch",
                "no snapshot is published: windows of more than a day are missing until the batch job has run"
            ),
            Found::OtherVersion(version) => tracing::warn!(
                target: "tollwatch",
                version,
                "the published snapshot is of other definitions: windows of more than a day are missing until the batch \
                 job has run with these"
            ),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;

    use super::*;

    /// What this thread logs.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_failures_are_one_line_and_so_is_their_end() {
        let log = Log::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone());
        let _guard = tracing::subscriber::set_default(lines.finish());
        let said = || String::from_utf8(std::mem::take(&mut *log.0.lock().unwrap())).unwrap();
        let outage = Outage::new("tiles");
        let fail = || outage.note(&Err::<(), _>("no answer"));
        let work = || outage.note(&Ok::<_, &str>(()));

        work();
        assert_eq!(said(), "", "what works is no news");
        for _ in 0..1_000 {
            fail();
        }
        assert_eq!(said(), " WARN tollwatch: tiles: failed error=no answer failures=1\n");
        tokio::time::advance(TOLD_EVERY).await;
        fail();
        fail();
        assert_eq!(said(), " WARN tollwatch: tiles: failed error=no answer failures=1000\n");
        // What comes and goes is not told each time, and nor is what memory had.
        for _ in 0..100 {
            work();
            fail();
        }
        assert_eq!(said(), "");
        tokio::time::advance(TOLD_EVERY).await;
        work();
        work();
        assert_eq!(said(), " INFO tollwatch: tiles: works again\n");
        fail();
        assert_eq!(said(), " WARN tollwatch: tiles: failed error=no answer failures=1\n");
    }
}
