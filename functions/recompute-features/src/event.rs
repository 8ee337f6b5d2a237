//! What a schedule or a person asks for.

use batch::{HardFindings, Rebuild};
use features::MINUTE_MS;
use serde::Deserialize;
use serde_json::Value;
use snapshot::UtcDay;

use crate::limits::CLOCK_TOLERANCE_MS;

/// The event of an invocation. A field that is not known is an error: it may be a wish that is misspelt.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecomputeEvent {
    /// When the run was to begin, in RFC 3339: `<aws.scheduler.scheduled-time>` of `EventBridge` Scheduler. A run that is
    /// repeated or begins late does what it was to do then.
    pub scheduled_time: String,
    /// The last day of every window, such as `2026-11-20`; without it the UTC day before `scheduled_time`.
    #[serde(default)]
    pub as_of: Option<String>,
    /// The archive has every call that arrived before this moment, in RFC 3339. Without it that is taken to be so long
    /// before `scheduled_time` as `ARCHIVE_DELAY_MINUTES` says, or not known where that is not set.
    #[serde(default)]
    pub complete_before: Option<String>,
    /// Makes everything anew from the calls of the archive.
    #[serde(default)]
    pub rebuild: bool,
    /// Publishes although hard rules of quality are broken.
    #[serde(default)]
    pub accept_quality: bool,
}

/// A run, as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The last day of every window.
    pub as_of: UtcDay,
    /// The UTC day of the scheduled time.
    pub today: UtcDay,
    /// All calls that had arrived before this moment (milliseconds since 1970 UTC) are in the archive, if that is known.
    pub complete_before_ms: Option<i64>,
    /// Whether day tiles of earlier runs are gone on with.
    pub rebuild: Rebuild,
    /// What hard findings do.
    pub hard_findings: HardFindings,
}

/// An event that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A field is missing, or not known, or of another type.
    #[error(
        "the event cannot be read: wants an object with scheduled_time, and of as_of, complete_before, rebuild and \
         accept_quality what is needed"
    )]
    Form,
    /// A field asks for what cannot be.
    #[error("{field} of the event {rule}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What is wrong and what is wanted.
        rule: &'static str,
    },
}

impl RecomputeEvent {
    /// Reads the event as Lambda gives it.
    pub fn read(event: Value) -> Result<Self, EventError> {
        serde_json::from_value(event).map_err(|_| EventError::Form)
    }

    /// What is asked for, where the archive lags so many minutes behind the stream and the clock says `now_ms`
    /// (milliseconds since 1970 UTC).
    pub fn asked(&self, archive_delay_minutes: Option<u32>, now_ms: i64) -> Result<Asked, EventError> {
        let time = |field: &'static str, text: &str| {
            let rule = "is no time: wants RFC 3339 with a zone, such as 2026-11-21T01:00:00Z";
            cdr::parse_time(text).ok_or(EventError::Field { field, rule })
        };
        let scheduled_ms = time("scheduled_time", &self.scheduled_time)?;
        if scheduled_ms > now_ms + CLOCK_TOLERANCE_MS {
            let rule = "is in the future: what will arrive is not known";
            return Err(EventError::Field { field: "scheduled_time", rule });
        }
        let today = UtcDay::of_ms(scheduled_ms);
        let as_of = match &self.as_of {
            None => today.plus(-1),
            Some(text) => {
                let rule = "is no day: wants one such as 2026-11-20";
                text.parse().map_err(|_| EventError::Field { field: "as_of", rule })?
            }
        };
        if as_of > today {
            // It would let go of the tiles of days that today's windows need.
            return Err(EventError::Field { field: "as_of", rule: "is after the day of scheduled_time" });
        }
        let complete_before_ms = match (&self.complete_before, archive_delay_minutes) {
            (Some(text), _) => Some(time("complete_before", text)?),
            (None, Some(minutes)) => {
                let before_ms = scheduled_ms - i64::from(minutes) * MINUTE_MS;
                // A whole minute, the one before: a claim that is too early is still true.
                Some(before_ms - before_ms.rem_euclid(MINUTE_MS))
            }
            (None, None) => None,
        };
        if complete_before_ms.is_some_and(|before_ms| before_ms > scheduled_ms) {
            let rule = "is after scheduled_time: what will arrive is not known";
            return Err(EventError::Field { field: "complete_before", rule });
        }
        Ok(Asked {
            as_of,
            today,
            complete_before_ms,
            rebuild: if self.rebuild { Rebuild::Always } else { Rebuild::Never },
            hard_findings: if self.accept_quality { HardFindings::Accept } else { HardFindings::Stop },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ms(text: &str) -> i64 {
        cdr::parse_time(text).unwrap()
    }

    fn asked(event: &str, delay: Option<u32>) -> Result<Asked, String> {
        let event = RecomputeEvent::read(serde_json::from_str(event).unwrap());
        let asked = event.and_then(|event| event.asked(delay, ms("2026-11-21T01:02:00Z")));
        asked.map_err(|error| error.to_string())
    }

    #[test]
    fn a_schedule_asks_for_the_day_before() {
        let scheduled = r#"{"scheduled_time": "2026-11-21T00:30:45Z"}"#;
        let known = asked(scheduled, Some(20)).unwrap();
        assert_eq!(
            (known.as_of.to_string().as_str(), known.today.to_string().as_str()),
            ("2026-11-20", "2026-11-21")
        );
        assert_eq!(known.complete_before_ms, Some(ms("2026-11-21T00:10:00Z")));
        assert_eq!((known.rebuild, known.hard_findings), (Rebuild::Never, HardFindings::Stop));
        // Nobody has said how far the archive lags behind: nothing is claimed.
        assert_eq!(asked(scheduled, None).unwrap().complete_before_ms, None);
    }

    #[test]
    fn a_person_may_ask_for_more() {
        let event = r#"{"scheduled_time": "2026-11-21T01:00:00Z", "as_of": "2026-11-18",
            "complete_before": "2026-11-20T23:00:00+01:00", "rebuild": true, "accept_quality": true}"#;
        let asked = asked(event, Some(20)).unwrap();
        assert_eq!(asked.as_of.to_string(), "2026-11-18");
        assert_eq!(asked.complete_before_ms, Some(ms("2026-11-20T22:00:00Z")));
        assert_eq!((asked.rebuild, asked.hard_findings), (Rebuild::Always, HardFindings::Accept));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let wrong = |rest: &str| asked(&format!(r#"{{"scheduled_time": "2026-11-21T01:00:00Z"{rest}}}"#), None);
        assert!(asked("{}", None).unwrap_err().contains("scheduled_time"));
        assert!(
            asked(r#"{"scheduled_time": "now"}"#, None).unwrap_err().contains("scheduled_time of the event is no")
        );
        let future = asked(r#"{"scheduled_time": "2026-11-21T01:03:01Z"}"#, None).unwrap_err();
        assert!(future.contains("is in the future"), "{future}");
        assert!(wrong(r#", "as_of": "2026-11-22""#).unwrap_err().contains("as_of of the event is after"));
        assert!(wrong(r#", "as_of": "yesterday""#).unwrap_err().contains("as_of of the event is no day"));
        let future = wrong(r#", "complete_before": "2026-11-21T01:00:00.001Z""#).unwrap_err();
        assert!(future.contains("complete_before of the event is after"), "{future}");
        let unknown = wrong(r#", "acceptquality": true"#).unwrap_err();
        assert!(unknown.contains("accept_quality") && !unknown.contains("acceptquality"), "{unknown}");
    }
}
