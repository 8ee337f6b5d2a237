//! When a connection has nothing more to do here. A pure function of what happened and of the moment: the clock is
//! its caller's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::limits::{FAREWELL, FIRST_REQUEST_MAX, IDLE_MAX, REQUEST_LIFE_MAX};

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays; nothing changes before that moment unless a request begins or ends.
    Stays(Instant),
    /// Nothing was asked for long: it takes no new request.
    Retires,
    /// It holds what it should not: it is closed at once.
    Ends,
}

/// What happens on one connection.
#[derive(Debug)]
pub(crate) struct Activity(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    /// When it opened, or when its last request ended.
    idle_since: Instant,
    requests: u64,
    /// When each request began that is not answered yet; `None` for those that may stay.
    in_flight: BTreeMap<u64, Option<Instant>>,
}

impl Activity {
    /// A connection that opened now.
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Seen { idle_since: now, requests: 0, in_flight: BTreeMap::new() }))
    }

    /// A request begins; it ends when what is returned is dropped. One that `may_stay` is a stream, which lasts.
    pub(crate) fn begin(self: &Arc<Self>, now: Instant, may_stay: bool) -> InFlight {
        let mut seen = self.seen();
        seen.requests += 1;
        let id = seen.requests;
        seen.in_flight.insert(id, (!may_stay).then_some(now));
        InFlight { activity: Arc::clone(self), id }
    }

    /// What is to become of it at this moment. Where the service `is_stopping`, streams keep no connection.
    pub(crate) fn verdict(&self, now: Instant, is_stopping: bool) -> Verdict {
        let seen = self.seen();
        let oldest = seen.in_flight.values().flatten().min();
        match oldest {
            Some(began) if now >= *began + REQUEST_LIFE_MAX => Verdict::Ends,
            Some(began) if is_stopping => Verdict::Stays((*began + REQUEST_LIFE_MAX).min(now + FAREWELL)),
            Some(began) => Verdict::Stays(*began + REQUEST_LIFE_MAX),
            None if is_stopping => Verdict::Ends,
            // Streams alone.
            None if !seen.in_flight.is_empty() => Verdict::Stays(now + IDLE_MAX),
            None if seen.requests == 0 && now >= seen.idle_since + FIRST_REQUEST_MAX => Verdict::Ends,
            None if seen.requests == 0 => Verdict::Stays(seen.idle_since + FIRST_REQUEST_MAX),
            None if now >= seen.idle_since + IDLE_MAX => Verdict::Retires,
            None => Verdict::Stays(seen.idle_since + IDLE_MAX),
        }
    }

    fn end(&self, id: u64, now: Instant) {
        let mut seen = self.seen();
        seen.in_flight.remove(&id);
        seen.idle_since = now;
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is not answered to the last byte.
#[derive(Debug)]
pub(crate) struct InFlight {
    activity: Arc<Activity>,
    id: u64,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.end(self.id, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asks_nothing_ends() {
        let opened = Instant::now();
        let activity = Activity::new(opened);
        let at = |after| activity.verdict(opened + after, false);
        assert_eq!(at(Duration::ZERO), Verdict::Stays(opened + FIRST_REQUEST_MAX));
        assert_eq!(at(FIRST_REQUEST_MAX.saturating_sub(MOMENT)), Verdict::Stays(opened + FIRST_REQUEST_MAX));
        assert_eq!(at(FIRST_REQUEST_MAX), Verdict::Ends);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_retires_after_its_last_answer() {
        let activity = Arc::new(Activity::new(Instant::now()));
        let request = activity.begin(Instant::now(), false);
        tokio::time::advance(Duration::from_secs(20)).await;
        drop(request);
        let ended = Instant::now();
        assert_eq!(activity.verdict(ended, false), Verdict::Stays(ended + IDLE_MAX));
        assert_eq!(
            activity.verdict(ended + IDLE_MAX.saturating_sub(MOMENT), false),
            Verdict::Stays(ended + IDLE_MAX)
        );
        assert_eq!(activity.verdict(ended + IDLE_MAX, false), Verdict::Retires);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_the_connection_whatever_else_goes_on() {
        let activity = Arc::new(Activity::new(Instant::now()));
        let began = Instant::now();
        let _stuck = activity.begin(began, false);
        tokio::time::advance(REQUEST_LIFE_MAX.saturating_sub(MOMENT)).await;
        let _busy = activity.begin(Instant::now(), false);
        assert_eq!(activity.verdict(Instant::now(), false), Verdict::Stays(began + REQUEST_LIFE_MAX));
        tokio::time::advance(MOMENT).await;
        assert_eq!(activity.verdict(Instant::now(), false), Verdict::Ends);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_stay() {
        let activity = Arc::new(Activity::new(Instant::now()));
        let stream = activity.begin(Instant::now(), true);
        tokio::time::advance(REQUEST_LIFE_MAX * 100).await;
        assert_eq!(activity.verdict(Instant::now(), false), Verdict::Stays(Instant::now() + IDLE_MAX));
        // But not when the service stops.
        assert_eq!(activity.verdict(Instant::now(), true), Verdict::Ends);
        let request = activity.begin(Instant::now(), false);
        assert_eq!(activity.verdict(Instant::now(), true), Verdict::Stays(Instant::now() + FAREWELL));
        drop(request);
        drop(stream);
        assert_eq!(activity.verdict(Instant::now() + IDLE_MAX, false), Verdict::Retires);
    }
}
