//! Every feature on calls small enough to count by hand.
#![allow(clippy::similar_names, clippy::unwrap_used)]

use oracle::Answer::{Integer, Missing, Number};
use oracle::{Answer, Call, Denominator, Level, Party, Recount};

/// 2026-11-20T00:00:00Z, a Friday.
const FRIDAY: i64 = 1_795_132_800_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const ALICE: &str = "+12025550101";
const BOB: &str = "+12025550102";
const LONDON: &str = "+442079460018";
const CUBA: &str = "+5372031234";
const IRSF: &str = "value,note\nCU,Cuba\n\"LV\",Latvia\n\n";

fn call(caller: &str, callee: &str, started_at_ms: i64, ring_ms: i64, talk_ms: Option<i64>) -> Call {
    Call {
        call_id: "c".into(),
        caller: caller.into(),
        callee: callee.into(),
        started_at_ms,
        answered_at_ms: talk_ms.map(|_| started_at_ms + ring_ms),
        ended_at_ms: started_at_ms + ring_ms + talk_ms.unwrap_or(0),
        outcome: if talk_ms.is_some() { "answered" } else { "no_answer" }.into(),
        channel: None,
        cell_id: None,
        imei: None,
        cost_micros: None,
        currency: None,
    }
}

fn with(mut call: Call, change: impl FnOnce(&mut Call)) -> Call {
    change(&mut call);
    call
}

/// Seven calls by Alice and one by Bob, from Friday noon to Sunday morning.
fn calls() -> Vec<Call> {
    vec![
        // Friday 12:00: ten seconds with Bob, in cell a, 0.25 EUR.
        with(call(ALICE, BOB, FRIDAY + 12 * HOUR, 4_000, Some(10_000)), |c| {
            c.cell_id = Some("a".into());
            c.cost_micros = Some(250_000);
            c.currency = Some("EUR".into());
        }),
        // Friday 21:59:59.999: four seconds with London, in cell b, 0.50 USD.
        with(call(ALICE, LONDON, FRIDAY + 22 * HOUR - 1, 2_000, Some(4_000)), |c| {
            c.cell_id = Some("b".into());
            c.cost_micros = Some(500_000);
            c.currency = Some("USD".into());
        }),
        // Friday 22:00: a minute with Cuba, in cell b, 3 USD.
        with(call(ALICE, CUBA, FRIDAY + 22 * HOUR, 3_000, Some(60_000)), |c| {
            c.cell_id = Some("b".into());
            c.cost_micros = Some(3_000_000);
            c.currency = Some("USD".into());
        }),
        // Saturday 05:59: dropped by Alice after 1 s; no cell; a cost without a currency.
        with(call(ALICE, CUBA, FRIDAY + DAY + 6 * HOUR - 60_000, 1_000, None), |c| {
            c.outcome = "canceled".into();
            c.cost_micros = Some(9);
        }),
        // Saturday 06:00: dropped by Alice after exactly 5 s.
        with(call(ALICE, BOB, FRIDAY + DAY + 6 * HOUR, 5_000, None), |c| c.outcome = "canceled".into()),
        // Saturday 07:00: an extension, whose country is unknown; talked for exactly 6 s.
        call(ALICE, "ext:hq/12", FRIDAY + DAY + 7 * HOUR, 8_000, Some(6_000)),
        // Sunday 08:00: a withheld number does not answer for 20 s.
        call(ALICE, "anonymous", FRIDAY + 2 * DAY + 8 * HOUR, 20_000, None),
        // Sunday 09:00: Bob talks to Alice for exactly 15 s.
        call(BOB, ALICE, FRIDAY + 2 * DAY + 9 * HOUR, 5_000, Some(15_000)),
    ]
}

fn ask(party: Party, level: Level, key: &str, feature: &str, window: (i64, i64), covered: Denominator) -> Answer {
    Recount::new(calls(), IRSF).answer(feature, party, level, key, window, covered).unwrap()
}

fn alice(feature: &str) -> Answer {
    ask(Party::Caller, Level::Phone, ALICE, feature, (FRIDAY, FRIDAY + 3 * DAY), Denominator::Days(3))
}

/// Every feature of a day without calls.
fn nothing() -> Vec<(&'static str, Answer)> {
    let recount = Recount::new(calls(), IRSF);
    let of = |party| recount.answers(party, Level::Phone, ALICE, (FRIDAY - DAY, FRIDAY), Denominator::Days(1));
    let all = [of(Party::Caller), of(Party::Callee)].concat();
    assert_eq!(all.len(), oracle::names().count());
    all
}

#[test]
fn volume() {
    assert_eq!(alice("calls"), Integer(7));
    assert_eq!(alice("velocity"), Number(2.33));
    assert_eq!(alice("active_days"), Integer(3));
    assert_eq!(alice("talk_ms"), Integer(10_000 + 4_000 + 60_000 + 6_000));
    assert_eq!(alice("cost_usd_micros"), Integer(3_500_000));
}

#[test]
fn outcome() {
    assert_eq!(alice("answered_calls"), Integer(4));
    assert_eq!(alice("answer_seizure_ratio"), Number(4.0 / 7.0));
    assert_eq!(alice("mean_talk_ms"), Number(20_000.0));
    // Apart from the mean: -10, -16, 40, -14 seconds; squares 100 + 256 + 1600 + 196 = 2152, over 4 is 538.
    let Number(spread) = alice("stddev_talk_ms") else { panic!("a number") };
    assert!((spread - 538_000_000_f64.sqrt()).abs() < 1e-6, "{spread}");
    assert_eq!(alice("max_talk_ms"), Integer(60_000));
    assert_eq!(alice("min_ring_ms"), Integer(1_000));
    // Exactly six seconds is not short.
    assert_eq!(alice("short_calls"), Integer(1));
    assert_eq!(alice("short_call_ratio"), Number(3.0 / 4.0));
    // Exactly five seconds is not a drop.
    assert_eq!(alice("ring_and_drop_ratio"), Number(1.0 / 7.0));
}

#[test]
fn exactly_fifteen_seconds_is_not_short() {
    let window = (FRIDAY, FRIDAY + 3 * DAY);
    let bob = |feature| ask(Party::Caller, Level::Phone, BOB, feature, window, Denominator::Days(3));
    assert_eq!(bob("short_call_ratio"), Number(0.0));
    assert_eq!(bob("stddev_talk_ms"), Number(0.0));
}

#[test]
fn dispersion() {
    // Bob, London, Cuba, the extension and the withheld number, which is a text like any other.
    assert_eq!(alice("distinct_callees"), Integer(5));
    assert_eq!(alice("callee_dispersion"), Number(5.0 / 7.0));
    // Nulls are no value: the extension and the withheld number have neither prefix nor country.
    assert_eq!(alice("distinct_callee_prefixes"), Integer(3));
    assert_eq!(alice("distinct_callee_countries"), Integer(3));
    assert_eq!(alice("distinct_cells"), Integer(2));
}

#[test]
fn mix() {
    // London and Cuba twice; the two of unknown country count below, not above.
    assert_eq!(alice("international_ratio"), Number(3.0 / 7.0));
    assert_eq!(alice("irsf_calls"), Integer(2));
    // Friday 22:00 and Saturday 05:59; neither 21:59:59.999 nor 06:00.
    assert_eq!(alice("night_ratio"), Number(2.0 / 7.0));
    assert_eq!(alice("weekend_ratio"), Number(4.0 / 7.0));
}

#[test]
fn the_list_is_about_other_countries_only() {
    let at_home = vec![call("+5372031235", CUBA, FRIDAY, 1, Some(1))];
    let irsf = Recount::new(at_home, IRSF).answer(
        "irsf_calls",
        Party::Caller,
        Level::Phone,
        "+5372031235",
        (FRIDAY, FRIDAY + DAY),
        Denominator::Days(1),
    );
    assert_eq!(irsf, Some(Integer(0)));
}

#[test]
fn callee_side() {
    let window = (FRIDAY, FRIDAY + 3 * DAY);
    let days = Denominator::Days(3);
    let at = |key, feature| ask(Party::Callee, Level::Phone, key, feature, window, days);
    assert_eq!(at(CUBA, "received_calls"), Integer(2));
    assert_eq!(at(CUBA, "received_talk_ms"), Integer(60_000));
    assert_eq!(at(CUBA, "received_answer_ratio"), Number(0.5));
    assert_eq!(at(CUBA, "distinct_callers"), Integer(1));
    // The prefix gathers Alice and Bob, each calling the other.
    let prefix = |feature| ask(Party::Callee, Level::Prefix, "+1202", feature, window, days);
    assert_eq!(prefix("received_calls"), Integer(3));
    assert_eq!(prefix("distinct_callers"), Integer(2));
    assert_eq!(ask(Party::Callee, Level::Range, "+1202555", "received_talk_ms", window, days), Integer(25_000));
}

#[test]
fn with_no_calls_sums_are_nothing_and_shares_are_missing() {
    for (feature, found) in nothing() {
        let expected = match feature {
            "velocity" => Number(0.0),
            "answer_seizure_ratio"
            | "mean_talk_ms"
            | "stddev_talk_ms"
            | "max_talk_ms"
            | "min_ring_ms"
            | "short_call_ratio"
            | "ring_and_drop_ratio"
            | "callee_dispersion"
            | "international_ratio"
            | "night_ratio"
            | "weekend_ratio"
            | "received_answer_ratio" => Missing,
            _ => Integer(0),
        };
        assert_eq!(found, expected, "{feature}");
    }
}

#[test]
fn calls_none_of_which_was_answered_have_no_length() {
    let sunday = (FRIDAY + 2 * DAY, FRIDAY + 3 * DAY);
    let at = |feature| ask(Party::Caller, Level::Phone, ALICE, feature, sunday, Denominator::Days(1));
    for feature in ["mean_talk_ms", "stddev_talk_ms", "max_talk_ms", "short_call_ratio"] {
        assert_eq!(at(feature), Missing, "{feature}");
    }
    assert_eq!(at("answer_seizure_ratio"), Number(0.0));
    assert_eq!(at("min_ring_ms"), Integer(20_000));
}

#[test]
fn a_window_has_its_first_millisecond_and_not_its_last() {
    let noon = FRIDAY + 12 * HOUR;
    let at = |window| ask(Party::Caller, Level::Phone, ALICE, "calls", window, Denominator::Days(1));
    assert_eq!(at((noon, noon + 1)), Integer(1));
    assert_eq!(at((noon - HOUR, noon)), Integer(0));
    assert_eq!(at((noon + 1, noon + HOUR)), Integer(0));
}

#[test]
fn rates_are_per_minute_or_per_day_to_the_hundredth_half_up() {
    let rate = |calls: i64, covered| {
        let all = (0..calls).map(|n| call(ALICE, BOB, FRIDAY + n, 1, None)).collect();
        let window = (FRIDAY, FRIDAY + DAY);
        Recount::new(all, IRSF).answer("velocity", Party::Caller, Level::Phone, ALICE, window, covered)
    };
    assert_eq!(rate(6, Denominator::Minutes { covered_ms: 330_000 }), Some(Number(1.09)));
    assert_eq!(rate(1, Denominator::Days(90)), Some(Number(0.01)));
    assert_eq!(rate(2, Denominator::Days(3)), Some(Number(0.67)));
    // 3/8 is a half of a hundredth, and so is 201/200, which no binary fraction holds.
    assert_eq!(rate(3, Denominator::Days(8)), Some(Number(0.38)));
    assert_eq!(rate(201, Denominator::Days(200)), Some(Number(1.01)));
}

#[test]
fn anonymous_is_no_entity_and_only_plus_numbers_have_a_prefix() {
    let mut calls = calls();
    calls.push(call("anonymous", BOB, FRIDAY, 1, None));
    calls.push(call("ext:hq/12", BOB, FRIDAY, 1, None));
    let recount = Recount::new(calls, IRSF);
    let keys =
        |party, level| -> Vec<String> { recount.entities(party, level).iter().map(ToString::to_string).collect() };
    assert_eq!(keys(Party::Caller, Level::Phone), [ALICE, BOB, "ext:hq/12"]);
    assert_eq!(keys(Party::Caller, Level::Prefix), ["+1202"]);
    assert_eq!(keys(Party::Caller, Level::Range), ["+1202555"]);
    assert_eq!(keys(Party::Callee, Level::Range), ["+1202555", "+44207946", "+537203"]);
    assert_eq!(recount.calls(Party::Callee, Level::Phone, BOB, (FRIDAY, FRIDAY + DAY)), 3);
    assert_eq!(recount.calls(Party::Callee, Level::Phone, "anonymous", (FRIDAY, FRIDAY + 3 * DAY)), 0);
}

#[test]
fn an_unknown_feature_has_no_answer() {
    let window = (FRIDAY, FRIDAY + DAY);
    let recount = Recount::new(calls(), IRSF);
    let days = Denominator::Days(1);
    assert_eq!(recount.answer("churn", Party::Caller, Level::Phone, ALICE, window, days), None);
    assert_eq!(recount.answer("calls", Party::Callee, Level::Phone, ALICE, window, days), None);
    assert_eq!(recount.answer("received_calls", Party::Caller, Level::Phone, ALICE, window, days), None);
}

#[test]
fn all_answers_are_the_single_ones() {
    let window = (FRIDAY, FRIDAY + 3 * DAY);
    let recount = Recount::new(calls(), IRSF);
    let mut names = Vec::new();
    for (party, key) in [(Party::Caller, ALICE), (Party::Callee, CUBA)] {
        for (name, value) in recount.answers(party, Level::Phone, key, window, Denominator::Days(3)) {
            assert_eq!(
                recount.answer(name, party, Level::Phone, key, window, Denominator::Days(3)),
                Some(value),
                "{name}"
            );
            names.push(name);
        }
    }
    assert_eq!(names, oracle::names().collect::<Vec<_>>());
}
