//! One answer against the recount: which calls its values ought to hold, and whether they do.

use std::collections::{BTreeMap, HashMap};

use ::features::{DAY_MS, Feature, FeatureSet, Formula, HOUR_MS, Level, MINUTE_MS, Party, SlotKind, Window};
use cdr::CallRecord;
use point_in_time::{Entities, Kept, KeptCalls};
use proto::v1::{FeatureValue, MissingReason, Source, Value};

use crate::parity::logged::Logged;
use crate::parity::recount::{Counted, Covered, recount};

/// How late a call may come and still be counted by the stream: what `count-calls` allows unless told otherwise.
const ALLOWED_LATENESS_MS: i64 = 24 * HOUR_MS;
/// How far a call may begin after it arrived and still be counted by the stream.
const FUTURE_TOLERANCE_MS: i64 = 10 * MINUTE_MS;
/// Doubles may differ in the last bits: sums are taken in another order.
const RELATIVE_TOLERANCE: f64 = 1e-9;
/// An estimate states one standard error; it is wrong when it is further away than chance would have it in a million
/// draws.
const STANDARD_ERRORS_MAX: f64 = 5.0;
/// Differences that are told one by one.
const SHOWN_MAX: usize = 20;

/// What came of one feature and window of one party.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub(super) struct Tally {
    /// Values that are what the recount says.
    pub(super) matched: u64,
    /// Among them, estimates within their stated error.
    pub(super) estimates: u64,
    /// Values that are not, and ought to be.
    pub(super) different: u64,
    /// Values that the service did not give, for want of a snapshot, of tiles or of a store.
    pub(super) missing: u64,
    /// Values that lie between what was certainly counted and what may have been: calls were on their way.
    pub(super) unsettled: u64,
    /// Values that are not what the recount says, of answers that say that they are degraded and where.
    pub(super) degraded: u64,
    /// The largest difference among those that differ.
    pub(super) largest_difference: f64,
}

/// What came of all answers.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) of: BTreeMap<(&'static str, String), Tally>,
    /// The first differences, in words without a number.
    pub(super) shown: Vec<String>,
}

/// What answers are held against.
pub(super) struct Comparison<'a> {
    pub(super) set: &'a FeatureSet,
    /// Feature and window of an id.
    pub(super) ids: &'a HashMap<(Party, String), (usize, Window)>,
    pub(super) entities: &'a Entities,
    pub(super) kept: &'a KeptCalls,
    /// How long before an answer a call may have arrived and not be in it yet, in milliseconds.
    pub(super) settle_ms: i64,
}

/// Feature and window of every id.
pub(super) fn ids(set: &FeatureSet) -> HashMap<(Party, String), (usize, Window)> {
    let of_feature = |(place, feature): (usize, &Feature)| {
        let ids = feature.windows().map(|window| ((feature.party, feature.id(window)), (place, window)));
        ids.collect::<Vec<_>>()
    };
    set.features().iter().enumerate().flat_map(of_feature).collect()
}

/// Whether a call is in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Certain,
    Possible,
    No,
}

/// What a value covers, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Covers {
    party: Party,
    from_ms: i64,
    to_ms: i64,
    /// From a snapshot alone; otherwise from a snapshot and tiles.
    source: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    Stream,
    Merged,
    Batch,
}

/// The calls of a value: those that it certainly holds, and those and the possible ones.
struct Calls<'a> {
    certain: Vec<&'a CallRecord>,
    all: Vec<&'a CallRecord>,
}

impl Comparison<'_> {
    /// Holds every value of an answer against the recount.
    pub(super) fn check(&self, logged: &Logged, findings: &mut Findings) {
        let mut calls: HashMap<Covers, Calls<'_>> = HashMap::new();
        for value in &logged.response.values {
            let party = match value.party.as_known() {
                Some(proto::v1::Party::PARTY_CALLER) => Party::Caller,
                Some(proto::v1::Party::PARTY_CALLEE) => Party::Callee,
                _ => {
                    findings.differ("", &value.id, f64::INFINITY, || {
                        format!("line {}: a value names no party", logged.line)
                    });
                    continue;
                }
            };
            let differ = |findings: &mut Findings, difference: f64, what: String| {
                let place = format!("line {}, {} {}", logged.line, party.as_str(), value.id);
                findings.differ(party.as_str(), &value.id, difference, || format!("{place}: {what}"));
            };
            let Some((place, window)) = self.ids.get(&(party, value.id.clone())).copied() else {
                differ(findings, f64::INFINITY, "is not declared".to_owned());
                continue;
            };
            let feature = &self.set.features()[place];
            let reason = value.missing_reason.as_known();
            if value.value.is_none() && reason != Some(MissingReason::MISSING_REASON_NO_CALLS) {
                findings.tally(party.as_str(), &value.id).missing += 1;
                continue;
            }
            let covers = match covers(logged, value, party, window) {
                Ok(covers) => covers,
                Err(problem) => {
                    differ(findings, f64::INFINITY, problem);
                    continue;
                }
            };
            let calls = calls.entry(covers).or_insert_with(|| self.calls(logged, covers));
            let covered = match window {
                Window::Stream(_) => Covered::Milliseconds(covers.to_ms - covers.from_ms),
                Window::Batch(window) => Covered::Days(window.days()),
            };
            let counted = recount(self.set, feature, &calls.certain, covered);
            let error = if value.exact { 0.0 } else { value.relative_error };
            if agree(value.value.as_ref(), counted, error) {
                let tally = findings.tally(party.as_str(), &value.id);
                tally.matched += 1;
                tally.estimates += u64::from(value.value.is_some() && !value.exact);
                continue;
            }
            let with_possible = recount(self.set, feature, &calls.all, covered);
            let tally = findings.tally(party.as_str(), &value.id);
            if agree(value.value.as_ref(), with_possible, error) {
                tally.matched += 1;
                tally.estimates += u64::from(value.value.is_some() && !value.exact);
            } else if self.is_unsettled(feature, value, calls, (counted, with_possible)) {
                tally.unsettled += 1;
            } else if is_excused(logged, value, covers) {
                tally.degraded += 1;
            } else {
                let difference = distance(value.value.as_ref(), counted);
                differ(findings, difference, format!("answered {}, recounted {}", said(value), told(counted)));
            }
        }
    }

    /// The calls of what a value covers.
    fn calls(&self, logged: &Logged, covers: Covers) -> Calls<'_> {
        let mut calls = Calls { certain: Vec::new(), all: Vec::new() };
        let key = &logged.response.entity.key;
        let Some(entity) = self.entities.id(covers.party, logged.level, key) else { return calls };
        for kept in self.kept.of(entity) {
            match self.presence(logged, covers, kept) {
                Presence::Certain => {
                    calls.certain.push(&kept.call);
                    calls.all.push(&kept.call);
                }
                Presence::Possible => calls.all.push(&kept.call),
                Presence::No => {}
            }
        }
        calls
    }

    fn presence(&self, logged: &Logged, covers: Covers, kept: &Kept) -> Presence {
        let began_ms = kept.call.started_at_ms;
        // Tiles are read to the end of the running minute: a switch's clock may be ahead.
        let running_ms =
            if covers.to_ms % MINUTE_MS == 0 { 0 } else { MINUTE_MS - covers.to_ms.rem_euclid(MINUTE_MS) };
        if began_ms < covers.from_ms || began_ms >= covers.to_ms + running_ms {
            return Presence::No;
        }
        let known_ms = kept.known_from_ms;
        // Whoever does not say when he answered may have done so at any time since.
        if logged.answered_at_ms.is_some_and(|answered_ms| known_ms >= answered_ms + self.settle_ms) {
            return Presence::No;
        }
        let midnight_ms = logged.as_of_ms - logged.as_of_ms.rem_euclid(DAY_MS);
        let complete_ms = logged.response.complete_for_arrivals_before.as_option().and_then(proto::to_millis);
        let answered_ms = logged.answered_at_ms.unwrap_or(logged.as_of_ms);
        let in_snapshot = |unless_said: i64| known_ms < complete_ms.unwrap_or(unless_said);
        let is_in_time = (-FUTURE_TOLERANCE_MS..=ALLOWED_LATENESS_MS).contains(&(known_ms - began_ms));
        let in_tiles = known_ms < answered_ms - self.settle_ms && is_in_time;
        // The day from which on tiles are read is that of the snapshot, yesterday or the day before.
        let is_in = match covers.source {
            Origin::Merged if began_ms < midnight_ms - 2 * DAY_MS => in_snapshot(midnight_ms - DAY_MS),
            Origin::Merged if began_ms < midnight_ms - DAY_MS => in_tiles && in_snapshot(midnight_ms - DAY_MS),
            Origin::Stream | Origin::Merged => in_tiles,
            Origin::Batch => in_snapshot(covers.to_ms),
        };
        if is_in && began_ms < covers.to_ms { Presence::Certain } else { Presence::Possible }
    }

    /// Whether a value may be right though it is neither of the two that were recounted.
    fn is_unsettled(
        &self,
        feature: &Feature,
        value: &FeatureValue,
        calls: &Calls<'_>,
        (certain, all): (Counted, Counted),
    ) -> bool {
        if calls.certain.len() == calls.all.len() {
            return false;
        }
        let grows = match feature.formula {
            Formula::Slot(slot) => matches!(
                self.set.slots(feature.party)[slot].kind,
                SlotKind::Count | SlotKind::Distinct | SlotKind::Days
            ),
            _ => false,
        };
        match (grows, value.value.as_ref(), certain, all) {
            (true, Some(Value::Integer(value)), Counted::Whole(least), Counted::Whole(most)) => {
                (least..=most).contains(&i128::from(*value))
            }
            _ => true,
        }
    }
}

/// Whether the answer says itself that this value lacks something, or claims less than to be exact.
fn is_excused(logged: &Logged, value: &FeatureValue, covers: Covers) -> bool {
    let is_uncounted = covers.source != Origin::Batch
        && logged.not_counted_before_ms.is_some_and(|since_ms| covers.from_ms < since_ms);
    logged.response.degraded && (is_uncounted || (value.value.is_some() && !value.exact))
        || value.duplicates_unchecked
}

/// What a value says that it covers, if that is what its window means.
fn covers(logged: &Logged, value: &FeatureValue, party: Party, window: Window) -> Result<Covers, String> {
    let moment = |sent: Option<&proto::Timestamp>| sent.and_then(proto::to_millis);
    let stated = moment(value.window_start.as_option()).zip(moment(value.window_end.as_option()));
    let (from_ms, to_ms) = stated.ok_or("names no interval")?;
    let source = match value.source.as_known() {
        Some(Source::SOURCE_STREAM) => Origin::Stream,
        Some(Source::SOURCE_MERGED) => Origin::Merged,
        Some(Source::SOURCE_BATCH) => Origin::Batch,
        _ => return Err("names no source".to_owned()),
    };
    let as_of_ms = logged.as_of_ms;
    let midnight_ms = as_of_ms - as_of_ms.rem_euclid(DAY_MS);
    let is_right = match (window, source) {
        (Window::Stream(window), Origin::Stream) => {
            let minute_ms = as_of_ms - as_of_ms.rem_euclid(MINUTE_MS);
            (from_ms, to_ms) == (minute_ms - window.duration_ms(), as_of_ms)
        }
        (Window::Stream(_), _) => false,
        (Window::Batch(window), Origin::Batch) => {
            // The snapshot's own days: whole ones, and the newest there are unless the answer says that it is degraded.
            let is_recent = to_ms >= midnight_ms - DAY_MS || logged.response.degraded;
            to_ms - from_ms == i64::from(window.days()) * DAY_MS
                && to_ms % DAY_MS == 0
                && to_ms <= midnight_ms + DAY_MS
                && is_recent
        }
        (Window::Batch(window), _) => {
            (from_ms, to_ms) == (midnight_ms - (i64::from(window.days()) - 1) * DAY_MS, as_of_ms)
        }
    };
    if !is_right {
        let (from, to) = (cdr::format_time(from_ms), cdr::format_time(to_ms));
        return Err(format!("covers {from} to {to}, which is not its window as of {}", cdr::format_time(as_of_ms)));
    }
    Ok(Covers { party, from_ms, to_ms, source })
}

fn agree(value: Option<&Value>, counted: Counted, relative_error: f64) -> bool {
    let allowed = (relative_error * STANDARD_ERRORS_MAX).max(RELATIVE_TOLERANCE);
    let near = |value: f64, counted: f64| (value - counted).abs() <= allowed * counted.abs();
    match (value, counted) {
        (None, Counted::Missing) => true,
        (Some(Value::Integer(value)), Counted::Whole(counted)) if relative_error == 0.0 => {
            i128::from(*value) == counted
        }
        (Some(Value::Integer(value)), Counted::Whole(counted)) => near(*value as f64, counted as f64),
        (Some(Value::Number(value)), Counted::Number(counted)) => near(*value, counted),
        // A sum beyond 64 bits is answered as a number.
        (Some(Value::Number(value)), Counted::Whole(counted)) => {
            i64::try_from(counted).is_err() && near(*value, counted as f64)
        }
        _ => false,
    }
}

/// How far apart two values are; what only one of them says is infinitely far from nothing.
fn distance(value: Option<&Value>, counted: Counted) -> f64 {
    let value = match value {
        Some(Value::Integer(value)) => *value as f64,
        Some(Value::Number(value)) => *value,
        None => return f64::INFINITY,
    };
    match counted {
        Counted::Missing => f64::INFINITY,
        Counted::Whole(counted) => (value - counted as f64).abs(),
        Counted::Number(counted) => (value - counted).abs(),
    }
}

fn said(value: &FeatureValue) -> String {
    match &value.value {
        None => "nothing".to_owned(),
        Some(Value::Integer(integer)) => integer.to_string(),
        Some(Value::Number(number)) => number.to_string(),
    }
}

fn told(counted: Counted) -> String {
    match counted {
        Counted::Missing => "nothing".to_owned(),
        Counted::Whole(whole) => whole.to_string(),
        Counted::Number(number) => number.to_string(),
    }
}

impl Findings {
    fn tally(&mut self, party: &'static str, id: &str) -> &mut Tally {
        self.of.entry((party, id.to_owned())).or_default()
    }

    fn differ(&mut self, party: &'static str, id: &str, difference: f64, what: impl FnOnce() -> String) {
        let tally = self.tally(party, id);
        tally.different += 1;
        tally.largest_difference = tally.largest_difference.max(difference);
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(what());
        }
    }

    /// All features together.
    pub(super) fn total(&self) -> Tally {
        self.of.values().fold(Tally::default(), |mut total, tally| {
            total.matched += tally.matched;
            total.estimates += tally.estimates;
            total.different += tally.different;
            total.missing += tally.missing;
            total.unsettled += tally.unsettled;
            total.degraded += tally.degraded;
            total.largest_difference = total.largest_difference.max(tally.largest_difference);
            total
        })
    }
}

/// The entities that answers are about.
pub(super) fn entities(answers: &[Logged]) -> impl Iterator<Item = (Party, Level, &str)> {
    let both = answers.iter().flat_map(|logged| Party::ALL.map(|party| (party, logged)));
    both.filter(|(party, logged)| {
        let asked = logged.response.entity.party.as_known();
        let other = match party {
            Party::Caller => proto::v1::Party::PARTY_CALLEE,
            Party::Callee => proto::v1::Party::PARTY_CALLER,
        };
        asked != Some(other)
    })
    .map(|(party, logged)| (party, logged.level, logged.response.entity.key.as_str()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;
    use std::sync::LazyLock;

    use ::features::SPARSE_MAX;
    use call_files::{ReadOptions, write_archive_line};
    use cdr::NumberPlan;
    use point_in_time::{Archive, CallFile};
    use proto::from_millis;
    use proto::v1::{Entity, GetFeaturesResponse, Level as L, Party as P};

    use super::*;

    static PLAN: LazyLock<NumberPlan> = LazyLock::new(|| NumberPlan::new("US").unwrap());
    const CALLER: &str = "+12025550101";
    /// 2026-11-21T12:00:30Z.
    const NOW: i64 = 1_795_262_430_000;
    const MINUTE: i64 = NOW - 30_000;

    /// A call of nine seconds, when it began and when its record arrived.
    fn call(id: usize, began_ms: i64, arrived_ms: i64) -> String {
        let json = format!(
            r#"{{"call_id":"{id}","caller":"{CALLER}","callee":"+4420794{id:05}","started_at":"{}","ended_at":"{}","outcome":"busy"}}"#,
            cdr::format_time(began_ms),
            cdr::format_time(began_ms + 9_000)
        );
        let mut line = String::new();
        let call = cdr::parse(&PLAN, json.as_bytes()).unwrap().record;
        write_archive_line(&mut line, &id.to_string(), arrived_ms, &call);
        line
    }

    fn answer(values: Vec<FeatureValue>) -> Logged {
        let entity = Entity { level: L::LEVEL_PHONE.into(), key: CALLER.to_owned(), ..Default::default() };
        let response = GetFeaturesResponse { entity: entity.into(), values, ..Default::default() };
        Logged {
            line: 1,
            answered_at_ms: Some(NOW),
            not_counted_before_ms: None,
            level: Level::Phone,
            as_of_ms: NOW,
            response,
        }
    }

    /// A value of an hour up to now, from the stream.
    fn value(id: &str, integer: i64) -> FeatureValue {
        FeatureValue {
            id: id.to_owned(),
            party: P::PARTY_CALLER.into(),
            value: Some(Value::Integer(integer)),
            window_start: from_millis(MINUTE - HOUR_MS).into(),
            window_end: from_millis(NOW).into(),
            source: Source::SOURCE_STREAM.into(),
            exact: true,
            ..Default::default()
        }
    }

    /// What comes of an answer where these are the calls.
    fn check(calls: &[String], logged: &Logged) -> Findings {
        let set = FeatureSet::default_set().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.jsonl");
        std::fs::write(&path, calls.concat()).unwrap();
        let files = [CallFile { name: "calls.jsonl".to_owned(), path: Path::new(&path).to_owned() }];
        let archive = Archive { files: &files, plan: &PLAN, read: &ReadOptions::default() };
        let entities = Entities::of(entities(std::slice::from_ref(logged)), 4);
        let kept = KeptCalls::gather(archive, &entities, 0..i64::MAX, 10_000, &|_| ()).unwrap().unwrap();
        let ids = ids(&set);
        let comparison = Comparison { set: &set, ids: &ids, entities: &entities, kept: &kept, settle_ms: 60_000 };
        let mut findings = Findings::default();
        comparison.check(logged, &mut findings);
        findings
    }

    /// Matched, different, unsettled and degraded.
    fn counts(calls: &[String], logged: &Logged) -> (u64, u64, u64, u64) {
        let total = check(calls, logged).total();
        (total.matched, total.different, total.unsettled, total.degraded)
    }

    const MATCHED: (u64, u64, u64, u64) = (1, 0, 0, 0);
    const DIFFERENT: (u64, u64, u64, u64) = (0, 1, 0, 0);
    const UNSETTLED: (u64, u64, u64, u64) = (0, 0, 1, 0);
    const DEGRADED: (u64, u64, u64, u64) = (0, 0, 0, 1);

    #[test]
    fn a_call_on_its_way_may_be_in_or_not_and_nothing_else() {
        let began = MINUTE - 600_000;
        let calls = [
            call(1, began, NOW - 300_000),
            call(2, began, NOW - 10_000),
            call(3, began, NOW - 9_000),
            // Not known for long after the answer.
            call(4, began, NOW + 60_000),
        ];
        let of = |count| counts(&calls, &answer(vec![value("calls_1h", count)]));
        assert_eq!([0, 1, 2, 3, 4].map(of), [DIFFERENT, MATCHED, UNSETTLED, MATCHED, DIFFERENT]);
        // Without the moment of the answer, all that arrived since is in doubt.
        let mut printed = answer(vec![value("calls_1h", 4)]);
        printed.answered_at_ms = None;
        assert_eq!(counts(&calls, &printed), MATCHED);
    }

    #[test]
    fn a_call_that_came_too_late_for_the_stream_is_in_doubt() {
        let as_of_ms = MINUTE - 3 * DAY_MS;
        let calls = [call(1, as_of_ms - 60_000, as_of_ms + DAY_MS)];
        let past = |count| {
            let mut value = value("calls_1h", count);
            value.window_start = from_millis(as_of_ms - HOUR_MS).into();
            value.window_end = from_millis(as_of_ms).into();
            Logged { as_of_ms, ..answer(vec![value]) }
        };
        assert_eq!([0, 1, 2].map(|count| counts(&calls, &past(count))), [MATCHED, MATCHED, DIFFERENT]);
    }

    #[test]
    fn a_degraded_answer_is_held_to_what_it_does_not_except() {
        let calls = [call(1, MINUTE - 600_000, MINUTE - 500_000)];
        let mut logged = answer(vec![value("calls_1h", 0)]);
        logged.response.degraded = true;
        assert_eq!(counts(&calls, &logged), DIFFERENT);
        logged.not_counted_before_ms = Some(MINUTE - HOUR_MS);
        assert_eq!(counts(&calls, &logged), DIFFERENT);
        logged.not_counted_before_ms = Some(MINUTE - HOUR_MS + 1);
        assert_eq!(counts(&calls, &logged), DEGRADED);
        let missing = FeatureValue {
            value: None,
            missing_reason: MissingReason::MISSING_REASON_UNAVAILABLE.into(),
            ..value("calls_1h", 0)
        };
        let findings = check(&calls, &answer(vec![missing]));
        assert_eq!(findings.total(), Tally { missing: 1, ..Tally::default() });
    }

    #[test]
    fn estimates_have_their_stated_error_and_exact_values_none() {
        let count = SPARSE_MAX as i64 + 16;
        let calls: Vec<String> =
            (0..count as usize).map(|n| call(n, MINUTE - 600_000 - n as i64, MINUTE - 300_000)).collect();
        let of = |answered: i64, exact: bool| {
            let error = if exact { 0.0 } else { 0.016_25 };
            let value = FeatureValue { exact, relative_error: error, ..value("distinct_callees_1h", answered) };
            counts(&calls, &answer(vec![value]))
        };
        assert_eq!(of(count, true), MATCHED);
        assert_eq!(of(count + 1, true), DIFFERENT);
        assert_eq!(of(count + count * 8 / 100, false), MATCHED);
        assert_eq!(of(count + count * 9 / 100, false), DIFFERENT);
    }

    #[test]
    fn a_value_over_another_interval_is_wrong_whatever_it_is() {
        let calls = [call(1, MINUTE - 600_000, MINUTE - 500_000)];
        for (start, end) in [(MINUTE - HOUR_MS - 60_000, NOW), (NOW - HOUR_MS, NOW), (MINUTE - HOUR_MS, MINUTE)] {
            let mut wrong = value("calls_1h", 1);
            wrong.window_start = from_millis(start).into();
            wrong.window_end = from_millis(end).into();
            let findings = check(&calls, &answer(vec![wrong]));
            assert_eq!(findings.total().different, 1, "{start} {end}");
            assert!(findings.shown[0].contains("not its window as of"), "{:?}", findings.shown);
        }
        // An old snapshot names its own days, and is right over them.
        let midnight = NOW - NOW.rem_euclid(DAY_MS);
        let old = [call(1, midnight - 6 * DAY_MS, midnight - 6 * DAY_MS + 60_000), calls[0].clone()];
        let mut week = value("calls_7d", 1);
        week.window_start = from_millis(midnight - 10 * DAY_MS).into();
        week.window_end = from_millis(midnight - 3 * DAY_MS).into();
        week.source = Source::SOURCE_BATCH.into();
        let mut logged = answer(vec![week]);
        assert_eq!(counts(&old, &logged), DIFFERENT);
        logged.response.degraded = true;
        assert_eq!(counts(&old, &logged), MATCHED);
        let undeclared = answer(vec![value("calls_2h", 1)]);
        assert_eq!(counts(&old, &undeclared), DIFFERENT);
    }
}
