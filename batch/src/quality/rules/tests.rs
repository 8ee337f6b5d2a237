//! Each rule just inside and just outside of its bound.
#![allow(clippy::unwrap_used)]

use super::*;

/// The judged day.
const DAY: UtcDay = UtcDay::new(20_778);
const CALLS: u64 = 1_000;

fn usual() -> DayMeasures {
    let mix = |kept: &[(&str, u64)]| PrefixMix {
        kept: kept.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect(),
        other: 0,
        none: 0,
    };
    DayMeasures {
        counted: CALLS,
        duplicates: 0,
        invalid: BTreeMap::new(),
        nulls: [("cell_id".to_owned(), 100)].into(),
        callers: mix(&[("+1202", 500), ("+4420", 500)]),
        callees: mix(&[("+1202", 1_000)]),
        arrivals: (0..26).map(|hour| (hour, 20)).collect(),
    }
}

/// Four weeks of usual days, and the judged one.
fn history(change: impl FnOnce(&mut DayMeasures)) -> BTreeMap<UtcDay, DayMeasures> {
    let mut days: BTreeMap<UtcDay, DayMeasures> = (0..=28).map(|back| (DAY.plus(-back), usual())).collect();
    change(days.get_mut(&DAY).unwrap());
    days
}

fn judged(days: &BTreeMap<UtcDay, DayMeasures>, published: &[(UtcDay, u64)]) -> Judgement {
    let (judged, none, published) = ([DAY].into(), BTreeSet::new(), published.iter().copied().collect());
    let asked = Asked {
        days,
        judged: &judged,
        invalid_changed: &none,
        unfinished: &none,
        of_no_day: 0,
        as_of: DAY,
        published: &published,
    };
    judge(&asked, &Bounds::default())
}

/// The rules that are broken, each with what it is about.
fn broken(days: &BTreeMap<UtcDay, DayMeasures>, published: &[(UtcDay, u64)]) -> Vec<(String, String)> {
    judged(days, published).findings.into_iter().map(|finding| (finding.rule, finding.about)).collect()
}

fn breaks(change: impl FnOnce(&mut DayMeasures)) -> Vec<(String, String)> {
    broken(&history(change), &[])
}

fn one(rule: Rule, about: &str) -> Vec<(String, String)> {
    vec![(rule.name().to_owned(), about.to_owned())]
}

#[test]
fn a_usual_day_breaks_no_rule() {
    let judged = judged(&history(|_| ()), &[(DAY, CALLS)]);
    assert_eq!(judged, Judgement { days_judged: 1, ..Judgement::default() });
}

#[test]
fn calls_are_compared_with_what_days_before_have() {
    assert_eq!(breaks(|day| day.counted = 600), []);
    assert_eq!(breaks(|day| day.counted = 599), one(Rule::VolumeLow, "calls"));
    assert_eq!(breaks(|day| day.counted = 2_000), []);
    assert_eq!(breaks(|day| day.counted = 2_001), one(Rule::VolumeHigh, "calls"));
    let mut days = history(|_| ());
    days.remove(&DAY);
    assert_eq!(broken(&days, &[]), one(Rule::VolumeLow, "calls"), "a day without a tile has no calls");
}

#[test]
fn the_lower_of_the_weekday_and_all_days_is_expected() {
    // Every seventh day is quiet, and the judged one is of these.
    let mut quiet = history(|_| ());
    for back in [0, 7, 14, 21, 28] {
        quiet.get_mut(&DAY.plus(-back)).unwrap().counted = 520;
    }
    assert_eq!(broken(&quiet, &[]), []);
    // The same weekday had campaigns, and this one is as the others are.
    let mut busy = history(|_| ());
    for back in [7, 14, 21] {
        busy.get_mut(&DAY.plus(-back)).unwrap().counted = 9_000;
    }
    assert_eq!(broken(&busy, &[]), []);
}

#[test]
fn too_little_history_is_not_judged() {
    let with = |days_before: i32, calls: u64| {
        let mut days = history(|day| day.counted = 0);
        days.retain(|date, _| *date >= DAY.plus(-days_before));
        for (_, day) in days.range_mut(..DAY) {
            day.counted = calls;
        }
        judged(&days, &[])
    };
    let (few, enough) = (with(6, CALLS), with(7, CALLS));
    assert_eq!((few.findings.len(), few.days_judged), (0, 0));
    assert_eq!(few.not_judged[0].why, "6 of the 28 days before it have calls, 7 are needed");
    assert_eq!((enough.findings.len(), enough.days_judged, enough.not_judged.len()), (1, 1, 0));
    let small = with(28, 499);
    assert_eq!(
        (small.findings.len(), small.not_judged[0].why.as_str()),
        (0, "days before it have some 499 calls, 500 are needed")
    );
    assert_eq!(with(28, 500).findings.len(), 1);
}

#[test]
fn old_days_and_days_to_come_are_not_judged() {
    for (date, findings) in [(DAY, 1), (DAY.plus(-6), 1), (DAY.plus(-7), 0), (DAY.plus(1), 0)] {
        let mut days: BTreeMap<UtcDay, DayMeasures> = (-1..=35).map(|back| (DAY.plus(-back), usual())).collect();
        days.get_mut(&date).unwrap().counted = 0;
        let (judged, unfinished) = ([date].into(), BTreeSet::new());
        let published = BTreeMap::new();
        let asked = Asked {
            days: &days,
            judged: &judged,
            invalid_changed: &unfinished,
            unfinished: &unfinished,
            of_no_day: 0,
            as_of: DAY,
            published: &published,
        };
        assert_eq!(judge(&asked, &Bounds::default()).findings.len(), findings, "{date}");
        let asked = Asked { judged: &unfinished, unfinished: &judged, ..asked };
        let waiting = judge(&asked, &Bounds::default());
        assert_eq!((waiting.findings.len(), waiting.not_judged.len()), (0, findings), "{date}");
    }
}

#[test]
fn a_day_may_lose_few_of_its_published_calls() {
    let long_ago = DAY.plus(-60);
    for (before, now, is_broken) in
        [(1_000, 900, false), (1_000, 899, true), (499, 0, false), (500, 0, true), (500, 600, false)]
    {
        let mut days = history(|_| ());
        days.insert(long_ago, DayMeasures { counted: now, ..usual() });
        let expected = if is_broken { one(Rule::DayShrank, "calls") } else { Vec::new() };
        assert_eq!(broken(&days, &[(long_ago, before)]), expected, "{now} of {before}");
    }
    assert_eq!(broken(&history(|_| ()), &[(long_ago, 500)]), one(Rule::DayShrank, "calls"), "its tile is gone");
}

#[test]
fn copies_may_be_a_tenth_more_than_before() {
    assert_eq!(breaks(|day| day.duplicates = 111), []);
    assert_eq!(breaks(|day| day.duplicates = 112), one(Rule::DuplicatesHigh, "duplicates"));
    let mut days = history(|day| day.duplicates = 300);
    for (_, day) in days.range_mut(..DAY) {
        day.duplicates = 200;
    }
    assert_eq!(broken(&days, &[]), [], "a fifth was usual");
}

#[test]
fn records_that_are_no_calls_may_be_a_little_more_than_before() {
    let with = |count: u64| breaks(|day| day.invalid = [("bad_json".to_owned(), count)].into());
    assert_eq!(with(10), []);
    assert_eq!(with(11), one(Rule::InvalidReason, "bad_json"));
    assert_eq!(with(111), one(Rule::InvalidReason, "bad_json"));
    assert_eq!(with(112), [one(Rule::InvalidHigh, "invalid records"), one(Rule::InvalidReason, "bad_json")].concat());
    // Where most of a day cannot be read, few calls are left of it.
    let unread = breaks(|day| (day.counted, day.invalid) = (100, [("bad_json".to_owned(), 900)].into()));
    assert_eq!(unread[..2], [one(Rule::VolumeLow, "calls"), one(Rule::InvalidHigh, "invalid records")].concat());
    let few = breaks(|day| (day.counted, day.invalid) = (100, [("bad_json".to_owned(), 399)].into()));
    assert_eq!(few, one(Rule::VolumeLow, "calls"));
}

#[test]
fn a_day_that_got_records_that_are_no_calls_and_nothing_else_is_judged_by_these() {
    // It breaks rules of other kinds, and those were told, or accepted, when it was built.
    let mut days: BTreeMap<UtcDay, DayMeasures> = (0..=40).map(|back| (DAY.plus(-back), usual())).collect();
    for (_, day) in days.range_mut(DAY.plus(-7)..) {
        (day.counted, day.duplicates) = (500, 400);
        day.invalid = [("bad_json".to_owned(), 700)].into();
    }
    let (none, published) = (BTreeSet::new(), BTreeMap::new());
    for (date, expected) in [(DAY, 2), (DAY.plus(-6), 2), (DAY.plus(-7), 0)] {
        let changed = [date].into();
        let asked = Asked {
            days: &days,
            judged: &none,
            invalid_changed: &changed,
            unfinished: &none,
            of_no_day: 0,
            as_of: DAY,
            published: &published,
        };
        let said = judge(&asked, &Bounds::default());
        let rules: Vec<&str> = said.findings.iter().map(|finding| finding.rule.as_str()).collect();
        assert_eq!(rules, ["invalid_high", "invalid_reason"][..expected], "{date}");
        assert_eq!((said.days_judged, said.not_judged.len()), (expected / 2, 0));
    }
}

#[test]
fn records_of_no_known_day_are_compared_with_the_calls_of_a_day() {
    let (days, none, published) = (history(|_| ()), BTreeSet::new(), BTreeMap::new());
    for (of_no_day, expected) in [(0, 0), (10, 0), (11, 1), (90_000, 1)] {
        let asked = Asked {
            days: &days,
            judged: &none,
            invalid_changed: &none,
            unfinished: &none,
            of_no_day,
            as_of: DAY,
            published: &published,
        };
        let found = judge(&asked, &Bounds::default()).findings;
        assert_eq!(found.len(), expected, "{of_no_day}");
        assert!(found.iter().all(|finding| finding.severity == Severity::Soft && finding.about == NO_DAY));
    }
}

#[test]
fn a_day_without_calls_says_what_could_not_be_read_of_it() {
    let days = history(|day| {
        *day = DayMeasures { invalid: [("bad_outcome".to_owned(), 900)].into(), ..DayMeasures::default() }
    });
    let found = judged(&days, &[]).findings;
    assert!(found[0].told.ends_with("; 900 records of that day are no valid call: 900 bad_outcome"), "{}", found[0]);
    let rules: Vec<&str> = found.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["volume_low", "invalid_high", "invalid_reason"]);
}

#[test]
fn a_field_may_be_missing_a_little_more_than_before() {
    let with = |nulls: u64| breaks(|day| day.nulls = [("cell_id".to_owned(), nulls)].into());
    assert_eq!(with(0), []);
    assert_eq!(with(200), []);
    assert_eq!(with(201), one(Rule::NullsHigh, "cell_id"));
    assert_eq!(with(600), one(Rule::NullsHigh, "cell_id"));
    assert_eq!(with(601), one(Rule::FieldVanished, "cell_id"));
    // A field that was not measured before has no share to compare with.
    assert_eq!(breaks(|day| day.nulls = [("trunk".to_owned(), CALLS)].into()), []);
}

#[test]
fn prefixes_may_move_a_little() {
    let with = |first: u64| {
        let kept: BTreeMap<String, u64> = [("+1202".to_owned(), first), ("+4420".to_owned(), CALLS - first)].into();
        breaks(|day| day.callers = PrefixMix { kept, other: 0, none: 0 })
    };
    assert_eq!(with(700), []);
    assert_eq!(with(701), one(Rule::PrefixesMoved, "callers"));
    assert_eq!(with(1_000), one(Rule::PrefixesMoved, "callers"), "half of them moved");
    let other = |prefix: &str| PrefixMix {
        kept: [(prefix.to_owned(), 999), ("+1202".to_owned(), 1)].into(),
        other: 0,
        none: 0,
    };
    assert_eq!(breaks(|day| day.callers = other("+353")), one(Rule::PrefixesOther, "callers"));
    assert_eq!(breaks(|day| day.callees = other("+353")), one(Rule::PrefixesOther, "callees"));
    let said = judged(&history(|day| day.callees = other("+353")), &[]).findings;
    assert!(
        said[0]
            .to_string()
            .contains("99.9% of the calls are of other prefixes than in days before it (+1202, +353 moved most)"),
        "{}",
        said[0]
    );
    // A mix of six days is not enough.
    let mut days = history(|day| day.callers = other("+353"));
    for (_, day) in days.range_mut(..DAY.plus(-6)) {
        day.callers = PrefixMix::default();
    }
    assert_eq!(broken(&days, &[]), []);
}

#[test]
fn an_hour_with_usual_arrivals_may_not_be_empty() {
    // Calls of the day before arrive in the first two hours.
    assert_eq!(breaks(|day| day.arrivals.retain(|hour, _| *hour > 1)), []);
    assert_eq!(
        breaks(|day| day.arrivals.retain(|hour, _| ![4, 5, 9].contains(hour))),
        [one(Rule::HourGap, "hours 04 to 05"), one(Rule::HourGap, "hour 09")].concat()
    );
    assert_eq!(breaks(|day| day.arrivals.retain(|hour, _| *hour < 20)), [], "they may be on their way");
    let mut quiet = history(|day| day.arrivals.retain(|hour, _| *hour != 4));
    for (_, day) in quiet.range_mut(..DAY) {
        day.arrivals.insert(4, 19);
    }
    assert_eq!(broken(&quiet, &[]), []);
}

#[test]
fn shares_of_few_calls_are_not_judged() {
    let few =
        |counted: u64| breaks(|day| (day.counted, day.nulls) = (counted, [("cell_id".to_owned(), counted)].into()));
    assert_eq!(few(499), one(Rule::VolumeLow, "calls"));
    assert_eq!(few(500), [one(Rule::VolumeLow, "calls"), one(Rule::FieldVanished, "cell_id")].concat());
}

#[test]
fn what_was_accepted_stops_again_only_if_it_is_worse() {
    let bounds = Bounds::default();
    let with = |rule: Rule, figure| rule.finding(DAY, "it", (figure, 0.5), "");
    let is_known = |rule, before, now| is_as_accepted(&with(rule, now), &with(rule, before), &bounds);
    assert!(is_known(Rule::VolumeLow, 0.5, 0.55) && is_known(Rule::VolumeLow, 0.5, 0.46));
    assert!(!is_known(Rule::VolumeLow, 0.5, 0.44));
    assert!(is_known(Rule::InvalidHigh, 0.3, 0.1) && is_known(Rule::InvalidHigh, 0.3, 0.34));
    assert!(!is_known(Rule::InvalidHigh, 0.3, 0.36));
    assert!(!is_known(Rule::DayShrank, 0.3, 0.3));
    assert!(!is_as_accepted(&with(Rule::InvalidHigh, 0.3), &with(Rule::PrefixesOther, 0.3), &bounds));
    let other_day = Finding { date: DAY.plus(1), ..with(Rule::InvalidHigh, 0.3) };
    assert!(!is_as_accepted(&with(Rule::InvalidHigh, 0.3), &other_day, &bounds));
}

#[test]
fn the_rules_are_documented_with_their_bounds() {
    use Rule::{
        DayShrank, DuplicatesHigh, FieldVanished, HourGap, InvalidHigh, InvalidReason, NullsHigh, PrefixesMoved,
        PrefixesOther, VolumeHigh, VolumeLow,
    };
    let bounds = Bounds::default();
    let in_percent = |share: f64| format!("{:.0}%", share * 100.0);
    let rows: Vec<(String, String, String)> = [
        (VolumeLow, in_percent(bounds.volume_low)),
        (DayShrank, in_percent(bounds.day_shrank)),
        (InvalidHigh, in_percent(bounds.invalid_high)),
        (FieldVanished, in_percent(bounds.field_vanished)),
        (PrefixesOther, in_percent(bounds.prefixes_other)),
        (VolumeHigh, in_percent(bounds.volume_high)),
        (DuplicatesHigh, in_percent(bounds.duplicates_high)),
        (InvalidReason, in_percent(bounds.invalid_reason)),
        (NullsHigh, in_percent(bounds.nulls_high)),
        (HourGap, format!("{} records", bounds.hour_gap)),
        (PrefixesMoved, in_percent(bounds.prefixes_moved)),
    ]
    .map(|(rule, bound)| (format!("`{}`", rule.name()), rule.severity().as_str().to_owned(), bound))
    .to_vec();
    let text = include_str!("../../../../docs/batch.md");
    let table = text
        .lines()
        .skip_while(|line| !line.starts_with("| rule |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let documented: Vec<(String, String, String)> = table
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1].to_owned(), cells[2].to_owned(), cells[4].to_owned())
        })
        .collect();
    assert_eq!(documented, rows);
    for number in [
        format!("the last {} days", bounds.days_judged),
        format!("the {} days before", bounds.days_compared),
        format!("fewer than {} of these", bounds.days_needed),
        format!("fewer than {} calls", bounds.calls_needed),
        format!("{} points", bounds.accepted_slack * 100.0),
        format!("{} largest prefixes", crate::quality::measure::PREFIXES_KEPT),
    ] {
        assert!(text.contains(&number), "{number}");
    }
}

#[test]
fn hard_findings_come_first() {
    let found = judged(&history(|day| (day.duplicates, day.counted) = (5_000, 590)), &[]).findings;
    let severities: Vec<Severity> = found.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [Severity::Hard, Severity::Soft]);
    let text = found[0].to_string();
    assert!(text.starts_with("volume_low, calls of 2026-11-21: 590 calls are 59.0% of the 1000 that days before it have; at least 60.0% is allowed ("), "{text}");
}
