//! Merging legs, beside a plain union of everything that is linked.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cdr::{CallRecord, NumberPlan, Outcome, Reason};
use proptest::prelude::*;
use switch_records::{LINGER_MS, Leg, LegMerger, MergeRule, Merged, Role};

static PLAN: LazyLock<NumberPlan> = LazyLock::new(|| NumberPlan::new("US").unwrap());

const START_MS: i64 = 1_795_244_765_000;
const MINUTE_MS: i64 = 60_000;

/// A leg that rings for a second, and is answered for the rest of `len_ms`.
fn leg(id: &str, links: &[&str], role: Role, start_ms: i64, len_ms: i64, outcome: Outcome) -> Leg {
    let time = |ms: i64| cdr::format_time(START_MS + ms);
    let answer = if outcome == Outcome::Answered {
        format!(r#""answered_at":"{}","#, time(start_ms + 1_000.min(len_ms)))
    } else {
        String::new()
    };
    let json = format!(
        r#"{{"call_id":"{id}","caller":"+12025550101","callee":"+12025550102","outcome":"{}",{answer}
        "started_at":"{}","ended_at":"{}","cost_micros":5,"currency":"USD"}}"#,
        outcome.as_str(),
        time(start_ms),
        time(start_ms + len_ms)
    );
    let call = cdr::parse(&PLAN, json.as_bytes()).unwrap().record;
    Leg { links: links.iter().map(|link| (*link).into()).collect(), role, call }
}

fn ready(merger: &mut LegMerger<usize>) -> Vec<Merged<usize>> {
    std::iter::from_fn(|| merger.next_ready()).collect()
}

fn merge(rule: MergeRule, legs: &[Leg]) -> Vec<Merged<usize>> {
    let mut merger = LegMerger::new(rule, LINGER_MS);
    legs.iter().enumerate().for_each(|(tag, leg)| merger.push(leg.clone(), tag));
    merger.finish();
    ready(&mut merger)
}

fn one_call(rule: MergeRule, legs: &[Leg]) -> (CallRecord, usize, u32) {
    match merge(rule, legs).as_slice() {
        [Merged::Call { call, tag, legs, .. }] => (call.clone(), *tag, *legs),
        other => panic!("{other:?}"),
    }
}

/// Tags of what was refused as late.
fn late(merged: &[Merged<usize>]) -> Vec<usize> {
    let tag = |merged: &Merged<usize>| match merged {
        Merged::Refused { tag, error } => {
            assert_eq!(error.reason, Reason::LateLeg);
            Some(*tag)
        }
        Merged::Call { .. } => None,
    };
    merged.iter().filter_map(tag).collect()
}

fn calls(merged: &[Merged<usize>]) -> Vec<(&str, u32)> {
    let call = |merged: &'_ Merged<usize>| match merged {
        Merged::Call { call, legs, .. } => Some((call.call_id.as_str().to_owned(), *legs)),
        Merged::Refused { .. } => None,
    };
    let names: Vec<_> = merged.iter().filter_map(call).collect();
    names.into_iter().map(|(name, legs)| (&*name.leak(), legs)).collect()
}

#[test]
fn a_leg_without_links_is_a_call_at_once() {
    let mut merger = LegMerger::new(MergeRule::Span, LINGER_MS);
    merger.push(leg("a", &[], Role::Originating, 0, 5_000, Outcome::Busy), 0);
    assert_eq!(calls(&ready(&mut merger)), [("a", 1)]);
    assert_eq!(merger.open_calls(), 0);
}

#[test]
fn the_leg_that_wins_is_the_call() {
    let b = leg("b", &["a", "b"], Role::Terminating, 500, 8_000, Outcome::Answered);
    let a = leg("a", &["a", "b"], Role::Originating, 1_000, 9_000, Outcome::Answered);
    let (call, tag, legs) = one_call(MergeRule::Winner, &[b, a.clone()]);
    assert_eq!((call, tag, legs), (a.call, 1, 2));
}

#[test]
fn a_call_spans_its_legs() {
    // Two telephones ring; the second is answered, and transferred to a third.
    let legs = [
        leg("c", &["c"], Role::Numbered(12), 0, 20_000, Outcome::Answered),
        leg("c", &["c"], Role::Numbered(11), 0, 10_000, Outcome::NoAnswer),
        leg("c", &["c"], Role::Numbered(14), 15_000, 60_000, Outcome::Answered),
    ];
    let (call, tag, count) = one_call(MergeRule::Span, &legs);
    assert_eq!((tag, count), (1, 3));
    assert_eq!((call.started_at_ms, call.answered_at_ms), (START_MS, Some(START_MS + 1_000)));
    assert_eq!((call.ended_at_ms, call.outcome), (START_MS + 75_000, Outcome::Answered));
    assert_eq!((call.cost_micros, call.currency.as_deref()), (Some(15), Some("USD")));
}

#[test]
fn what_nobody_answered_ends_as_its_last_leg() {
    let legs = [
        leg("c", &["c"], Role::Numbered(1), 0, 9_000, Outcome::Busy),
        leg("c", &["c"], Role::Numbered(2), 0, 20_000, Outcome::NoAnswer),
        leg("c", &["c"], Role::Numbered(3), 0, 10_000, Outcome::Failed),
    ];
    let (call, tag, _) = one_call(MergeRule::Span, &legs);
    assert_eq!((call.outcome, call.answered_at_ms, tag), (Outcome::NoAnswer, None, 0));
}

#[test]
fn an_answer_before_the_leg_that_wins_began_is_its_beginning() {
    let legs = [
        leg("c", &["c"], Role::Numbered(2), 0, 30_000, Outcome::Answered),
        leg("c", &["c"], Role::Numbered(1), 10_000, 5_000, Outcome::NoAnswer),
    ];
    let (call, ..) = one_call(MergeRule::Span, &legs);
    assert_eq!((call.started_at_ms, call.answered_at_ms), (START_MS + 10_000, Some(START_MS + 10_000)));
}

#[test]
fn a_leg_joins_calls_that_were_apart() {
    let legs = [
        leg("a", &["a"], Role::Originating, 0, 1_000, Outcome::Busy),
        leg("b", &["b"], Role::Originating, 1, 1_000, Outcome::Busy),
        leg("c", &["c", "x"], Role::Originating, 2, 1_000, Outcome::Busy),
        leg("d", &["b", "x", "a"], Role::Terminating, 3, 1_000, Outcome::Busy),
    ];
    assert_eq!(calls(&merge(MergeRule::Winner, &legs[..3])), [("a", 1), ("b", 1), ("c", 1)]);
    assert_eq!(calls(&merge(MergeRule::Winner, &legs)), [("a", 4)]);
}

#[test]
fn a_call_waits_as_long_as_it_was_told() {
    let mut merger = LegMerger::new(MergeRule::Span, 10 * MINUTE_MS);
    merger.push(leg("a", &["a"], Role::Numbered(1), 0, MINUTE_MS, Outcome::Busy), 0);
    merger.push(leg("b", &["b"], Role::Numbered(1), 0, 10 * MINUTE_MS, Outcome::Busy), 1);
    // The call grows, and waits from its new end.
    merger.push(leg("a", &["a"], Role::Numbered(2), 0, 5 * MINUTE_MS, Outcome::Busy), 2);
    merger.push(leg("c", &["c"], Role::Numbered(1), 0, 15 * MINUTE_MS - 1, Outcome::Busy), 3);
    assert_eq!((ready(&mut merger), merger.open_calls()), (vec![], 3));
    merger.push(leg("d", &["d"], Role::Numbered(1), 0, 15 * MINUTE_MS, Outcome::Busy), 4);
    assert_eq!(calls(&ready(&mut merger)), [("a", 2)]);
    // A caller with a clock says how late it is.
    merger.advance_to(START_MS + 20 * MINUTE_MS);
    assert_eq!(calls(&ready(&mut merger)), [("b", 1)]);
    merger.finish();
    assert_eq!(calls(&ready(&mut merger)), [("c", 1), ("d", 1)]);
    assert_eq!(merger.closed_early(), 0);
}

#[test]
fn a_leg_that_comes_too_late_never_counts() {
    let mut merger = LegMerger::new(MergeRule::Winner, MINUTE_MS);
    merger.push(leg("a", &["a", "b"], Role::Originating, 0, 1_000, Outcome::Busy), 0);
    merger.advance_to(START_MS + 2 * MINUTE_MS);
    assert_eq!(calls(&ready(&mut merger)), [("a", 1)]);
    // By a link of the call, and by a link of that leg.
    merger.push(leg("b", &["b", "c"], Role::Terminating, 0, 1_000, Outcome::Busy), 1);
    merger.push(leg("c", &["c"], Role::Terminating, 0, 1_000, Outcome::Busy), 2);
    // A leg that was waiting turns out to be of the call.
    merger.push(leg("d", &["d"], Role::Terminating, 0, 3 * MINUTE_MS, Outcome::Busy), 3);
    merger.push(leg("e", &["d", "a"], Role::Terminating, 0, 3 * MINUTE_MS, Outcome::Busy), 4);
    merger.push(leg("f", &["f"], Role::Originating, 0, 3 * MINUTE_MS, Outcome::Busy), 5);
    merger.finish();
    let merged = ready(&mut merger);
    assert_eq!(late(&merged), [1, 2, 3, 4]);
    assert_eq!(calls(&merged), [("f", 1)]);
}

#[test]
fn legs_that_ended_days_before_others_were_read_still_wait_for_each_other() {
    let day_ms = 24 * 60 * MINUTE_MS;
    let of = |id: &str, link: &str, number: u64, start_ms: i64| {
        leg(id, &[link], Role::Numbered(number), start_ms, MINUTE_MS, Outcome::NoAnswer)
    };
    // The newest file first, as a shell lists Master.csv and Master.csv.1.
    let legs = [
        of("new", "n", 1, 2 * day_ms),
        of("new-2", "n", 2, 2 * day_ms),
        of("old-2", "o", 2, 0),
        of("other", "x", 1, MINUTE_MS),
        of("old", "o", 1, 0),
    ];
    let merged = merge(MergeRule::Span, &legs);
    assert!(late(&merged).is_empty(), "{merged:?}");
    assert_eq!(BTreeMap::from_iter(calls(&merged)), BTreeMap::from([("new", 2), ("old", 2), ("other", 1)]));
}

#[test]
fn a_call_has_no_more_legs_than_are_kept_of_one() {
    let legs: Vec<_> = (0..1_100)
        .map(|n| leg(&format!("{n}"), &["l"], Role::Numbered(n), 0, MINUTE_MS, Outcome::NoAnswer))
        .collect();
    let merged = merge(MergeRule::Span, &legs);
    assert_eq!(calls(&merged), [("0", 1_024)]);
    assert_eq!(late(&merged), (1_024..1_100).collect::<Vec<_>>());
}

#[test]
fn one_wrong_clock_closes_no_call() {
    let year_ms = 365 * 24 * 60 * MINUTE_MS;
    let mut merger = LegMerger::new(MergeRule::Span, LINGER_MS);
    merger.push(leg("z", &["z"], Role::Numbered(1), 9 * year_ms, 1_000, Outcome::Busy), 0);
    for n in 1..5 {
        merger.push(leg("a", &["a"], Role::Numbered(n), 0, MINUTE_MS, Outcome::Busy), n as usize);
        merger.push(leg("y", &["y"], Role::Numbered(n), -9 * year_ms, 1_000, Outcome::Busy), n as usize);
        merger.push(leg("x", &[], Role::Numbered(n), 9 * (n as i64) * year_ms, 1_000, Outcome::Busy), n as usize);
    }
    merger.finish();
    let mut merged = ready(&mut merger);
    assert!(late(&merged).is_empty(), "{merged:?}");
    merged.retain(|merged| matches!(merged, Merged::Call { call, .. } if call.call_id != "x"));
    assert_eq!(calls(&merged), [("y", 4), ("a", 4), ("z", 1)]);
}

#[test]
fn more_calls_than_are_kept_open_close_the_oldest() {
    let bound = 262_144;
    let mut merger = LegMerger::new(MergeRule::Span, LINGER_MS);
    let mut one = leg("a", &[], Role::Numbered(1), 0, 1_000, Outcome::Busy);
    for n in 0..bound + 3 {
        one.links = vec![format!("link-{n}").into()];
        one.call.ended_at_ms += i64::from(n == 1);
        merger.push(one.clone(), n);
    }
    assert_eq!((merger.open_calls(), merger.closed_early()), (bound, 3));
    one.links = vec!["link-0".into()];
    merger.push(one, bound + 3);
    assert_eq!(late(&ready(&mut merger)), [bound + 3]);
}

/// The names of legs that belong together: every leg begins alone, and two with a link in common join until none do.
fn union(legs: &[Leg]) -> Vec<BTreeSet<usize>> {
    let mut groups: Vec<BTreeSet<usize>> = (0..legs.len()).map(|tag| BTreeSet::from([tag])).collect();
    let links = |group: &BTreeSet<usize>| -> BTreeSet<&str> {
        group.iter().flat_map(|tag| legs[*tag].links.iter().map(smol_str::SmolStr::as_str)).collect()
    };
    loop {
        let joined = (0..groups.len())
            .flat_map(|a| (a + 1..groups.len()).map(move |b| (a, b)))
            .find(|(a, b)| !links(&groups[*a]).is_disjoint(&links(&groups[*b])));
        let Some((a, b)) = joined else { return groups };
        let other = groups.remove(b);
        groups[a].extend(other);
    }
}

const OUTCOMES: [Outcome; 5] = Outcome::ALL;

/// Legs within the wait, some without links, some linked to one or two of a few names.
fn any_legs() -> impl Strategy<Value = Vec<Leg>> {
    let role = prop_oneof![Just(Role::Originating), Just(Role::Terminating), (0u64..3).prop_map(Role::Numbered),];
    let links = prop::collection::vec(0..12usize, 0..3);
    let one = (role, links, 0..50 * MINUTE_MS, 0..30 * MINUTE_MS, prop::sample::select(OUTCOMES.to_vec()));
    prop::collection::vec(one, 1..30).prop_map(|legs| {
        legs.into_iter()
            .enumerate()
            .map(|(n, (role, links, start, len, outcome))| {
                let names: Vec<_> = links.iter().map(|link| format!("link-{link}")).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                leg(&format!("leg-{n}"), &names, role, start, len, outcome)
            })
            .collect()
    })
}

fn by_name(merged: Vec<Merged<usize>>, legs: &[Leg]) -> BTreeMap<String, (CallRecord, String, u32)> {
    merged
        .into_iter()
        .map(|merged| match merged {
            Merged::Call { call, tag, legs: count, .. } => {
                (call.call_id.to_string(), (call, legs[tag].call.call_id.to_string(), count))
            }
            Merged::Refused { .. } => panic!("{merged:?}"),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn calls_are_the_groups_of_legs_in_whatever_order_they_come(
        (legs, shuffled) in any_legs().prop_flat_map(|legs| (Just(legs.clone()), Just(legs).prop_shuffle())),
        rule in prop::sample::select(vec![MergeRule::Winner, MergeRule::Span]),
    ) {
        let groups = union(&legs);
        let calls = by_name(merge(rule, &legs), &legs);
        prop_assert_eq!(calls.len(), groups.len());
        for group in groups {
            let of_group = || group.iter().map(|tag| &legs[*tag]);
            let winner = of_group().min_by_key(|leg| (leg.role, leg.call.started_at_ms, &leg.call.call_id)).unwrap();
            let (call, tag, count) = &calls[winner.call.call_id.as_str()];
            prop_assert_eq!((tag.as_str(), *count as usize), (winner.call.call_id.as_str(), group.len()));
            if rule == MergeRule::Winner || group.len() == 1 {
                prop_assert_eq!(call, &winner.call);
                continue;
            }
            let first_answer = of_group().filter_map(|leg| leg.call.answered_at_ms).min();
            prop_assert_eq!(call.answered_at_ms, first_answer.map(|ms| ms.max(winner.call.started_at_ms)));
            prop_assert_eq!(call.ended_at_ms, of_group().map(|leg| leg.call.ended_at_ms).max().unwrap());
            prop_assert_eq!(call.cost_micros, Some(5 * group.len() as i64));
            prop_assert_eq!(call.outcome == Outcome::Answered, first_answer.is_some());
            prop_assert!(call.started_at_ms <= call.answered_at_ms.unwrap_or(call.started_at_ms));
            prop_assert!(call.answered_at_ms.unwrap_or(call.started_at_ms) <= call.ended_at_ms);
        }
        prop_assert_eq!(by_name(merge(rule, &shuffled), &shuffled), calls);
    }
}
