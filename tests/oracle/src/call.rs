//! A call as it was sent.

use std::collections::HashSet;
use std::sync::Arc;

/// One attempted call or message. Numbers are in their canonical text (`+12025550101`, `ext:hq/12`,
/// `short:1:911`, `alpha:44:BANK`, `anonymous`); names are those of the JSON form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The producer's name for the call.
    pub call_id: Arc<str>,
    /// The A-number.
    pub caller: Arc<str>,
    /// The B-number.
    pub callee: Arc<str>,
    /// When the attempt began.
    pub started_at_ms: i64,
    /// When the callee picked up, if it did.
    pub answered_at_ms: Option<i64>,
    /// When the attempt was over.
    pub ended_at_ms: i64,
    /// `answered`, `no_answer`, `busy`, `failed` or `canceled`.
    pub outcome: Arc<str>,
    /// `voice` or `sms`.
    pub channel: Option<Arc<str>>,
    /// The caller's radio cell.
    pub cell_id: Option<Arc<str>>,
    /// The caller's handset.
    pub imei: Option<Arc<str>>,
    /// Cost in millionths of `currency`.
    pub cost_micros: Option<i64>,
    /// ISO 4217 code of the cost.
    pub currency: Option<Arc<str>>,
}

impl Call {
    pub(crate) fn talk_ms(&self) -> i64 {
        match self.answered_at_ms {
            Some(answered) => self.ended_at_ms - answered,
            None => 0,
        }
    }

    pub(crate) fn ring_ms(&self) -> i64 {
        match self.answered_at_ms {
            Some(answered) => answered - self.started_at_ms,
            None => self.ended_at_ms - self.started_at_ms,
        }
    }

    pub(crate) fn answered(&self) -> bool {
        &*self.outcome == "answered"
    }

    /// Days since 1970-01-01 UTC.
    pub(crate) fn day(&self) -> i64 {
        self.started_at_ms.div_euclid(86_400_000)
    }

    /// 0 to 23, UTC.
    pub(crate) fn hour(&self) -> i64 {
        self.started_at_ms.rem_euclid(86_400_000) / 3_600_000
    }

    /// 1 Monday to 7 Sunday, UTC.
    pub(crate) fn weekday(&self) -> i64 {
        // Day 0 was a Thursday, 4.
        (self.day() + 3).rem_euclid(7) + 1
    }
}

/// Keeps one copy of each text, so that millions of calls do not each own the word `answered`.
#[derive(Debug, Default)]
pub struct Strings(HashSet<Arc<str>>);

impl Strings {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The shared copy of `text`.
    pub fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(text);
        self.0.insert(Arc::clone(&new));
        new
    }
}

/// Keeps the first of the calls that have the same caller, call id and minute of start.
pub fn distinct_calls(mut calls: Vec<Call>) -> Vec<Call> {
    let mut seen = HashSet::new();
    calls.retain(|call| {
        let minute = call.started_at_ms.div_euclid(60_000);
        seen.insert((Arc::clone(&call.caller), Arc::clone(&call.call_id), minute))
    });
    calls
}

/// A record of a call, and when it came in.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// What the record says.
    pub call: Call,
    /// When it arrived, if that was noted.
    pub arrived_at_ms: Option<i64>,
}

/// The calls that were known before a moment. Of records with the same caller, call id and minute of start the first
/// to arrive is the call, those whose arrival nobody noted come last, and of equals the first in the list. It is
/// known from its arrival on, or, where nobody noted that, from its end.
pub fn known_before(records: &[Arrived], moment_ms: i64) -> Vec<Call> {
    let mut in_order: Vec<&Arrived> = records.iter().collect();
    in_order.sort_by_key(|record| match record.arrived_at_ms {
        Some(arrived) => (0, arrived),
        None => (1, 0),
    });
    let mut seen = HashSet::new();
    let mut known = Vec::new();
    for record in in_order {
        let call = &record.call;
        let minute = call.started_at_ms.div_euclid(60_000);
        let is_first = seen.insert((Arc::clone(&call.caller), Arc::clone(&call.call_id), minute));
        let known_from = match record.arrived_at_ms {
            Some(arrived) => arrived,
            None => call.ended_at_ms,
        };
        if is_first && known_from < moment_ms {
            known.push(call.clone());
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str, caller: &str, started_at_ms: i64) -> Call {
        Call {
            call_id: id.into(),
            caller: caller.into(),
            callee: "+12025550199".into(),
            started_at_ms,
            answered_at_ms: None,
            ended_at_ms: started_at_ms + 1,
            outcome: "no_answer".into(),
            channel: None,
            cell_id: None,
            imei: None,
            cost_micros: None,
            currency: None,
        }
    }

    #[test]
    fn a_call_is_its_caller_id_and_minute() {
        let kept = distinct_calls(vec![
            call("a", "+12025550101", 60_000),
            call("a", "+12025550101", 119_999),
            call("a", "+12025550101", 120_000),
            call("a", "+12025550102", 60_000),
            call("b", "+12025550101", 60_000),
        ]);
        let starts: Vec<_> = kept.iter().map(|c| (&*c.call_id, &*c.caller, c.started_at_ms)).collect();
        assert_eq!(
            starts,
            [
                ("a", "+12025550101", 60_000),
                ("a", "+12025550101", 120_000),
                ("a", "+12025550102", 60_000),
                ("b", "+12025550101", 60_000),
            ]
        );
    }

    #[test]
    fn known_moments_have_their_weekday_and_hour() {
        // 2026-11-21T23:59:59.999Z, a Saturday; a millisecond later it is Sunday.
        let saturday = call("a", "x", 1_795_305_599_999);
        assert_eq!((saturday.weekday(), saturday.hour()), (6, 23));
        let sunday = call("a", "x", 1_795_305_600_000);
        assert_eq!((sunday.weekday(), sunday.hour()), (7, 0));
        let monday = call("a", "x", 1_795_305_600_000 + 86_400_000);
        assert_eq!(monday.weekday(), 1);
        // 1969-12-31 was a Wednesday.
        let before = call("a", "x", -1);
        assert_eq!((before.day(), before.weekday(), before.hour()), (-1, 3, 23));
    }

    #[test]
    fn a_text_is_kept_once() {
        let mut strings = Strings::new();
        let first = strings.get("answered");
        let second = strings.get("answered");
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(&*strings.get("busy"), "busy");
    }

    #[test]
    fn the_first_copy_to_arrive_is_the_call_also_where_it_is_not_known_yet() {
        let copy = |callee: &str, arrived_at_ms| Arrived {
            call: Call { callee: callee.into(), ..call("a", "+12025550101", 60_000) },
            arrived_at_ms,
        };
        let records = [copy("late", Some(300_000)), copy("early", Some(200_000)), copy("unknown", None)];
        let callees = |records: &[Arrived], moment_ms| -> Vec<String> {
            known_before(records, moment_ms).iter().map(|call| call.callee.to_string()).collect()
        };
        assert_eq!(callees(&records, 200_001), ["early"]);
        assert_eq!(callees(&records, 1_000_000), ["early"]);
        // The copy of unknown arrival had ended long before, but is not the call.
        assert_eq!(callees(&records, 200_000), Vec::<String>::new());
        // Known from its end, a millisecond after its beginning.
        assert_eq!(callees(&records[2..], 60_001), Vec::<String>::new());
        assert_eq!(callees(&records[2..], 60_002), ["unknown"]);
    }
}
