//! Series against a plain count over the same calls, minute by minute and day by day.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use cdr::{CallRecord, Outcome};
use features::{DAY_MS, MINUTE_MS};
use proto::v1::{self, Level, MissingReason, Party, SeriesPoint, SeriesValue, Source};
use serve_features::error::AnswerError;
use snapshot::{LeftOut, MissingDay, UtcDay};

use crate::world::{CALLER, MIDNIGHT, TODAY, World, ask, call, history, integer};

/// 2026-11-21, 00:20:34.567 UTC: the last hour is of two days.
const NOW: i64 = MIDNIGHT + 20 * MINUTE_MS + 34_567;

fn of(feature: &str, party: Party, level: Level) -> v1::GetSeriesRequest {
    let number = if party == Party::PARTY_CALLEE { "+12025560007" } else { CALLER };
    v1::GetSeriesRequest {
        number: number.to_owned(),
        party: party.into(),
        level: level.into(),
        feature: feature.to_owned(),
        ..Default::default()
    }
}

fn calls_of(feature: &str) -> v1::GetSeriesRequest {
    of(feature, Party::PARTY_UNSPECIFIED, Level::LEVEL_PHONE)
}

fn start_of(point: &SeriesPoint) -> i64 {
    proto::to_millis(point.start.as_option().unwrap()).unwrap()
}

fn missing(point: &SeriesPoint) -> Option<MissingReason> {
    assert!(
        point.value.is_some()
            || point.source == Source::SOURCE_UNSPECIFIED
            || point.missing_reason == MissingReason::MISSING_REASON_NO_CALLS
    );
    point.value.is_none().then(|| point.missing_reason.as_known().unwrap())
}

/// What a plain count says of some calls.
#[derive(Clone, Copy)]
enum Measure {
    Count,
    Talk,
    Longest,
    DifferentCallees,
    Answered,
    PerUnit,
}

fn recount(measure: Measure, calls: &[&CallRecord]) -> Option<SeriesValue> {
    let answered = || calls.iter().filter(|call| call.outcome == Outcome::Answered);
    Some(match measure {
        Measure::Count => SeriesValue::Integer(calls.len() as i64),
        Measure::Talk => SeriesValue::Integer(calls.iter().map(|call| call.talk_ms()).sum()),
        Measure::Longest => SeriesValue::Integer(answered().map(|call| call.talk_ms()).max()?),
        Measure::DifferentCallees => {
            SeriesValue::Integer(calls.iter().map(|call| call.callee.as_str()).collect::<HashSet<_>>().len() as i64)
        }
        Measure::Answered if calls.is_empty() => return None,
        Measure::Answered => SeriesValue::Number(answered().count() as f64 / calls.len() as f64),
        // One minute or one day: calls a minute, calls a day.
        Measure::PerUnit => SeriesValue::Number(calls.len() as f64),
    })
}

const FEATURES: [(&str, Measure); 6] = [
    ("calls", Measure::Count),
    ("talk_ms", Measure::Talk),
    ("max_talk_ms", Measure::Longest),
    ("distinct_callees", Measure::DifferentCallees),
    ("answer_seizure_ratio", Measure::Answered),
    ("velocity", Measure::PerUnit),
];

#[tokio::test]
async fn every_minute_and_day_agrees_with_a_plain_count() {
    for age_days in [1, 2] {
        let mut world = World::new(history(NOW + 1), NOW).with_snapshot(age_days);
        world.day_tiles = true;
        // Some calls of the snapshot's day arrived after it was made: the stream has them.
        let late =
            |(_, call): &(usize, &CallRecord)| call.started_at_ms.div_euclid(DAY_MS) as i32 == TODAY - age_days;
        world.late = world.calls.iter().enumerate().filter(late).map(|(place, _)| place).step_by(2).collect();
        assert!(!world.late.is_empty());
        let service = world.service().await;
        for (feature, measure) in FEATURES {
            let series = service.get_series(&calls_of(feature)).await.unwrap();
            assert!(!series.degraded, "{:?}", series.degraded_reasons);
            assert_eq!((series.minutes.len(), series.days.len()), (61, 30));
            let points = series
                .minutes
                .iter()
                .zip(0..)
                .map(|(point, n)| (point, NOW - 34_567 + (n - 60) * MINUTE_MS, MINUTE_MS));
            let days = series.days.iter().zip(0..).map(|(point, n)| (point, MIDNIGHT + (n - 29) * DAY_MS, DAY_MS));
            for (point, from_ms, length_ms) in points.chain(days) {
                let calls: Vec<_> = world.counted(CALLER, from_ms, from_ms + length_ms).collect();
                let context = format!("{feature} from {from_ms} for {length_ms}, snapshot {age_days} days old");
                assert_eq!(start_of(point), from_ms, "{context}");
                assert_eq!(point.value, recount(measure, &calls), "{context}");
                assert_eq!(missing(point), point.value.is_none().then_some(MissingReason::MISSING_REASON_NO_CALLS));
                assert_eq!(point.incomplete, from_ms + length_ms > NOW, "{context}");
                let streamed = length_ms == MINUTE_MS || from_ms >= MIDNIGHT - i64::from(age_days) * DAY_MS;
                let source = if streamed { Source::SOURCE_STREAM } else { Source::SOURCE_BATCH };
                assert_eq!(point.source, source, "{context}");
                assert!(point.exact || point.value.is_none());
            }
        }
        // What adds up adds up to the windows.
        let series = service.get_series(&calls_of("")).await.unwrap();
        assert_eq!(series.feature, "calls");
        let windows = service.get(&ask(CALLER, &["calls_1h", "calls_30d"])).await.unwrap();
        assert_eq!(sum(&series.minutes), integer(&windows, "calls_1h"));
        assert_eq!(sum(&series.days), integer(&windows, "calls_30d"));
    }
}

fn sum(points: &[SeriesPoint]) -> i64 {
    let value = |point: &SeriesPoint| match point.value {
        Some(SeriesValue::Integer(integer)) => integer,
        ref other => panic!("{other:?}"),
    };
    points.iter().map(value).sum()
}

#[tokio::test]
async fn every_party_and_level_has_its_own() {
    let mut world = World::new(history(NOW + 1), NOW).with_snapshot(1);
    world.calls.push(call("+12025550102", "+12025560007", NOW - DAY_MS, None));
    world.day_tiles = true;
    let service = world.service().await;
    let day_of = |call: &CallRecord| call.started_at_ms.div_euclid(DAY_MS) - i64::from(TODAY);
    for (party, level, prefix) in [
        (Party::PARTY_CALLER, Level::LEVEL_PREFIX, "+1202"),
        (Party::PARTY_CALLER, Level::LEVEL_RANGE, "+1202555"),
        (Party::PARTY_CALLEE, Level::LEVEL_PHONE, "+12025560007"),
        (Party::PARTY_CALLEE, Level::LEVEL_RANGE, "+1202556"),
    ] {
        let series = service.get_series(&of("", party, level)).await.unwrap();
        let entity = series.entity.as_option().unwrap();
        assert_eq!((entity.key.as_str(), &entity.party, &entity.level), (prefix, &party.into(), &level.into()));
        for (point, ago) in series.days.iter().zip(-29..) {
            let number = |call: &CallRecord| {
                if party == Party::PARTY_CALLEE { call.callee.clone() } else { call.caller.clone() }
            };
            let count = world
                .calls
                .iter()
                .filter(|call| day_of(call) == ago && number(call).as_str().starts_with(prefix))
                .count();
            if level == Level::LEVEL_RANGE && ago == 0 {
                // No tiles, and the snapshot is of yesterday.
                assert_eq!(missing(point), Some(MissingReason::MISSING_REASON_EXPIRED));
                continue;
            }
            assert_eq!(point.value, Some(SeriesValue::Integer(count as i64)), "{prefix} {ago}");
        }
        assert_eq!(series.minutes.len(), if level == Level::LEVEL_RANGE { 0 } else { 61 });
    }
}

#[tokio::test]
async fn a_day_that_is_not_known_is_missing_and_never_zero() {
    let mut world = World::new(history(NOW + 1), NOW).with_snapshot(6);
    world.day_tiles = true;
    let date = |ago: i32| UtcDay::new(TODAY - ago);
    world.missing_days = vec![
        MissingDay { date: date(20), reason: snapshot::MissingReason::NoCalls },
        MissingDay { date: date(29), reason: snapshot::MissingReason::NoInput },
    ];
    world.left_out = vec![LeftOut { date: date(10), records: 3 }];
    let days = world.service().await.get_series(&calls_of("calls")).await.unwrap().days;
    for (point, ago) in days.iter().zip((0..30).rev()) {
        // Tiles are kept for four days, the snapshot ends six days ago.
        let expected = match ago {
            20 | 29 => Some(MissingReason::MISSING_REASON_NO_RECORDS),
            4 | 5 => Some(MissingReason::MISSING_REASON_EXPIRED),
            _ => None,
        };
        assert_eq!(missing(point), expected, "{ago}");
        assert_eq!(point.incomplete, ago == 10 || ago == 0, "{ago}");
    }
}

#[tokio::test]
async fn a_day_that_was_not_over_when_it_was_counted_is_incomplete() {
    let mut world = World::new(history(NOW + 1), NOW).with_snapshot(0);
    world.day_tiles = true;
    // Made at midnight and ten minutes, of a level that the stream does not keep.
    world.snapshot.as_mut().unwrap().complete_before_ms = Some(MIDNIGHT + 10 * MINUTE_MS);
    let series = world.service().await.get_series(&of("", Party::PARTY_CALLER, Level::LEVEL_RANGE)).await.unwrap();
    let [.., yesterday, today] = series.days.as_slice() else { panic!() };
    assert_eq!((yesterday.incomplete, today.incomplete), (false, true));
    assert_eq!((missing(yesterday), missing(today)), (None, None));
}

#[tokio::test]
async fn without_a_snapshot_there_are_the_days_of_the_stream() {
    let world = World::new(history(NOW + 1), NOW);
    let series = world.service().await.get_series(&calls_of("calls")).await.unwrap();
    assert!(series.degraded_reasons[0].contains("no snapshot has been published"), "{:?}", series.degraded_reasons);
    let (gone, there) = series.days.split_at(26);
    assert!(gone.iter().all(|point| missing(point) == Some(MissingReason::MISSING_REASON_NO_SNAPSHOT)));
    assert!(there.iter().all(|point| point.source == Source::SOURCE_STREAM && sum(std::slice::from_ref(point)) > 0));
}

#[tokio::test]
async fn before_calls_were_counted_nothing_is_zero() {
    let series = async |counted_since_ms| {
        let mut world = World::new(history(NOW + 1), NOW).with_snapshot(2);
        world.day_tiles = true;
        world.counted_since_ms = counted_since_ms;
        world.service().await.get_series(&calls_of("calls")).await.unwrap()
    };
    // From half past yesterday's noon.
    let counted = series(Some(MIDNIGHT - 12 * 3_600_000 + 30 * MINUTE_MS)).await;
    let [.., before, yesterday, today] = counted.days.as_slice() else { panic!() };
    assert_eq!((before.source.as_known(), before.incomplete), (Some(Source::SOURCE_BATCH), false));
    assert_eq!((yesterday.source.as_known(), yesterday.incomplete), (Some(Source::SOURCE_STREAM), true));
    assert_eq!((today.source.as_known(), today.incomplete), (Some(Source::SOURCE_STREAM), true));
    assert!(counted.degraded_reasons[0].contains("2026-11-20T12:30"), "{:?}", counted.degraded_reasons);

    // Since ten minutes ago and some seconds.
    let recent = series(Some(NOW - 10 * MINUTE_MS)).await;
    let (gone, counted) = recent.minutes.split_at(50);
    assert!(gone.iter().all(|point| missing(point) == Some(MissingReason::MISSING_REASON_NO_RECORDS)));
    let incomplete: Vec<bool> = counted.iter().map(|point| point.incomplete).collect();
    assert_eq!((incomplete[0], incomplete[10], incomplete[1..10].contains(&true)), (true, true, false));
    // The day that was over before is in neither.
    assert_eq!(missing(&recent.days[28]), Some(MissingReason::MISSING_REASON_NO_RECORDS));

    let none = series(None).await;
    let mut points = none.minutes.iter().chain(&none.days[28..]);
    assert!(points.all(|point| missing(point) == Some(MissingReason::MISSING_REASON_NO_RECORDS)));
    assert!(
        none.degraded_reasons[0].contains("no call of the stream has been counted"),
        "{:?}",
        none.degraded_reasons
    );
}

#[tokio::test]
async fn a_store_that_is_down_is_said_and_the_other_still_answers() {
    let mut world = World::new(history(NOW + 1), NOW).with_snapshot(1);
    world.day_tiles = true;
    let service = world.service().await;
    world.tiles_down.store(true, Ordering::Relaxed);
    let series = service.get_series(&calls_of("calls")).await.unwrap();
    assert!(series.degraded_reasons[0].contains("the tile store did not answer"), "{:?}", series.degraded_reasons);
    let unavailable = Some(MissingReason::MISSING_REASON_UNAVAILABLE);
    assert!(series.minutes.iter().all(|point| missing(point) == unavailable));
    let [.., before, yesterday, today] = series.days.as_slice() else { panic!() };
    // Yesterday is in the snapshot too, without the calls that came later.
    assert_eq!((before.incomplete, yesterday.incomplete, missing(yesterday)), (false, true, None));
    assert_eq!(missing(today), unavailable);

    world.tiles_down.store(false, Ordering::Relaxed);
    world.snapshot_down.store(true, Ordering::Relaxed);
    let series = service.get_series(&calls_of("calls")).await.unwrap();
    assert!(series.degraded_reasons[0].contains("the snapshot could not be read"), "{:?}", series.degraded_reasons);
    let (gone, there) = series.days.split_at(28);
    assert!(gone.iter().all(|point| missing(point) == unavailable));
    assert!(there.iter().all(|point| missing(point).is_none()));

    world.tiles_down.store(true, Ordering::Relaxed);
    let error = service.get_series(&calls_of("calls")).await.unwrap_err();
    assert!(matches!(error, AnswerError::Unavailable(_)), "{error}");
}
