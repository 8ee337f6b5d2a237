//! What the service answers, against a plain count over the same calls.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::world::{CALLER, MIDNIGHT, TODAY, World, ask, call, history, integer, number, value, window};
use cdr::CallRecord;
use features::{DAY_MS, FeatureSet, MINUTE_MS};
use proto::v1::{Level, MissingReason, Party, Source};
use proto::{from_millis, v1};
use serve_features::deadline;
use serve_features::error::AnswerError;
use serve_features::merge::SnapshotDay;
use serve_features::sources::TileSource as _;
use serve_features::stores::{REFRESH_AFTER, RETRY_AFTER, StoredTiles};
use snapshot::{LeftOut, MissingDay, UtcDay};
use tiles::{MemoryTiles, move_coverage_back, note_coverage};
use tokio::time::Instant;

/// Moments of a day at which days are easily counted wrong.
const MOMENTS: [i64; 5] = [0, 1, 5 * MINUTE_MS, 12 * 3_600_000 + 34_567, DAY_MS - 1];

#[tokio::test]
async fn stream_windows_agree_with_a_plain_count() {
    for moment in MOMENTS {
        let now = MIDNIGHT + moment;
        let world = World::new(history(now + 1), now);
        let answer = world.service().await.get(&ask(CALLER, &["calls", "distinct_callees_5m"])).await.unwrap();
        for (id, minutes) in [("calls_1m", 1), ("calls_5m", 5), ("calls_1h", 60), ("calls_24h", 1440)] {
            let from = now - now.rem_euclid(MINUTE_MS) - minutes * MINUTE_MS;
            assert_eq!(integer(&answer, id), world.counted(CALLER, from, now + 1).count() as i64, "{id} {moment}");
            assert_eq!(window(value(&answer, id)), (from, now));
            assert_eq!(value(&answer, id).source, Source::SOURCE_STREAM);
        }
        let from = now - now.rem_euclid(MINUTE_MS) - 5 * MINUTE_MS;
        let callees: HashSet<_> = world.counted(CALLER, from, now + 1).map(|call| call.callee.as_str()).collect();
        assert_eq!(integer(&answer, "distinct_callees_5m"), callees.len() as i64);
        assert!(value(&answer, "distinct_callees_5m").exact);
    }
}

#[tokio::test]
async fn thirty_days_up_to_this_second_are_the_calendar_days_whichever_snapshot_there_is() {
    for moment in MOMENTS {
        for age_days in [1, 2] {
            let now = MIDNIGHT + moment;
            let mut world = World::new(history(now + 1), now).with_snapshot(age_days);
            // Some calls of the snapshot's day arrived after it was made.
            let day = TODAY - age_days;
            world.late = world
                .calls
                .iter()
                .enumerate()
                .filter(|(n, call)| call.started_at_ms.div_euclid(DAY_MS) as i32 == day && n % 2 == 0)
                .map(|(n, _)| n)
                .collect();
            assert!(!world.late.is_empty());
            // Every kind of aggregate, with and without a condition.
            let names = [
                "calls",
                "velocity",
                "active_days",
                "talk_ms",
                "distinct_callees",
                "max_talk_ms",
                "min_ring_ms",
                "mean_talk_ms",
                "stddev_talk_ms",
                "answer_seizure_ratio",
                "short_calls",
            ];
            let answer = world.service().await.get(&ask(CALLER, &names)).await.unwrap();
            assert!(!answer.degraded, "{:?}", answer.degraded_reasons);
            for days in [1, 7, 30, 90] {
                let from = MIDNIGHT - (days - 1) * DAY_MS;
                let calls: Vec<&CallRecord> = world.counted(CALLER, from, now + 1).collect();
                let context = format!("{days}d at {moment}, snapshot {age_days} days old");
                assert_eq!(integer(&answer, &format!("calls_{days}d")), calls.len() as i64, "{context}");
                let talk: i64 = calls.iter().map(|call| call.talk_ms()).sum();
                assert_eq!(integer(&answer, &format!("talk_ms_{days}d")), talk, "{context}");
                let active: HashSet<i64> = calls.iter().map(|call| call.started_at_ms.div_euclid(DAY_MS)).collect();
                assert_eq!(integer(&answer, &format!("active_days_{days}d")), active.len() as i64, "{context}");
                let callees: HashSet<_> = calls.iter().map(|call| call.callee.as_str()).collect();
                assert_eq!(integer(&answer, &format!("distinct_callees_{days}d")), callees.len() as i64, "{context}");
                let talks: Vec<i64> =
                    calls.iter().filter(|call| call.answered_at_ms.is_some()).map(|call| call.talk_ms()).collect();
                let extremes = [
                    ("max_talk_ms", talks.iter().max().copied()),
                    ("min_ring_ms", calls.iter().map(|call| call.ring_ms()).min()),
                    ("short_calls", Some(talks.iter().filter(|talk| **talk < 6_000).count() as i64)),
                ];
                for (name, expected) in extremes {
                    let found = &value(&answer, &format!("{name}_{days}d")).value;
                    assert_eq!(*found, expected.map(v1::Value::Integer), "{name} {context}");
                }
                let answered = talks.len() as f64;
                let mean = talks.iter().sum::<i64>() as f64 / answered;
                let variance = talks.iter().map(|talk| (*talk as f64 - mean).powi(2)).sum::<f64>() / answered;
                let ratio = ("answer_seizure_ratio", answered / calls.len() as f64);
                // Of a day there is no mean.
                let spread = [("mean_talk_ms", mean), ("stddev_talk_ms", variance.sqrt())];
                for (name, expected) in spread.into_iter().filter(|_| days > 1).chain([ratio]) {
                    let id = format!("{name}_{days}d");
                    if expected.is_nan() {
                        assert_eq!(value(&answer, &id).missing_reason, MissingReason::MISSING_REASON_NO_CALLS);
                    } else {
                        let found = number(&answer, &id);
                        assert!((found - expected).abs() <= 1e-9 * expected.max(1.0), "{id} {found} {context}");
                    }
                }
                let velocity = (calls.len() as f64 / days as f64 * 100.0).round() / 100.0;
                assert!((number(&answer, &format!("velocity_{days}d")) - velocity).abs() < 1e-9, "{context}");
                let of_calls = value(&answer, &format!("calls_{days}d"));
                assert_eq!(window(of_calls), (from, now));
                let source = if days == 1 { Source::SOURCE_STREAM } else { Source::SOURCE_MERGED };
                assert_eq!(of_calls.source, source);
                let newest = calls.iter().map(|call| call.started_at_ms).max();
                let said = of_calls.newest_event.as_option().map(|at| proto::to_millis(at).unwrap());
                assert_eq!(said, newest, "{context}");
            }
            let complete = proto::to_millis(answer.complete_for_arrivals_before.as_option().unwrap());
            assert_eq!(complete, Some(i64::from(day + 1) * DAY_MS));
        }
    }
}

#[tokio::test]
async fn windows_say_which_of_their_days_the_snapshot_knows_less_of() {
    let now = MIDNIGHT + 5 * MINUTE_MS;
    let day = |ago: i32| UtcDay::new(TODAY - ago);
    let missing = |ago, reason| MissingDay { date: day(ago), reason };
    for age_days in [1, 2, 5] {
        let mut world = World::new(history(now + 1), now).with_snapshot(age_days);
        let no_input = (60..90).rev().map(|ago| missing(ago, snapshot::MissingReason::NoInput));
        world.missing_days = no_input.chain([missing(20, snapshot::MissingReason::NoCalls)]).collect();
        let service = world.service().await;
        let answer = service.get(&ask(CALLER, &["calls"])).await.unwrap();
        // A window of the snapshot alone ends with its day.
        let shift = if age_days == 5 { 5 } else { 0 };
        for days in [1, 7, 30, 90] {
            let within = |ago: i32| (shift..days + shift).contains(&ago);
            let expected = if days == 1 { 0 } else { (60..90).chain([20]).filter(|ago| within(*ago)).count() };
            assert_eq!(value(&answer, &format!("calls_{days}d")).gap_days, expected as u32, "{days} {age_days}");
        }
        assert_eq!(value(&answer, "calls_24h").gap_days, 0);
        assert_eq!(answer.degraded, age_days == 5);
        let said: Vec<_> = answer
            .day_gaps
            .iter()
            .map(|gap| (gap.first_date.clone(), gap.last_date.clone(), gap.reason.as_known().unwrap()))
            .collect();
        let span = |first, last, reason| (day(first).to_string(), day(last).to_string(), reason);
        let expected = [
            span(89, 60, v1::DayGapReason::DAY_GAP_REASON_NO_INPUT),
            span(20, 20, v1::DayGapReason::DAY_GAP_REASON_NO_CALLS),
        ];
        assert_eq!(said, expected);
        // A window that holds none of these days is as before.
        assert!(service.get(&ask(CALLER, &["calls_7d"])).await.unwrap().day_gaps.is_empty());

        // Records that could not be counted make the answer worse than it ought to be.
        let mut world = World::new(history(now + 1), now).with_snapshot(age_days);
        world.missing_days = vec![missing(20, snapshot::MissingReason::NoCalls)];
        world.left_out = vec![LeftOut { date: day(8), records: 3 }, LeftOut { date: day(20), records: 1 }];
        let answer = world.service().await.get(&ask(CALLER, &["calls_30d", "calls_7d"])).await.unwrap();
        assert!(answer.degraded);
        let reason = answer.degraded_reasons.iter().find(|reason| reason.contains("lacks records")).unwrap();
        assert!(reason.contains(&day(8).to_string()) && reason.contains(&day(20).to_string()), "{reason}");
        let reasons: Vec<_> = answer.day_gaps.iter().map(|gap| gap.reason.as_known().unwrap()).collect();
        assert_eq!(reasons, [v1::DayGapReason::DAY_GAP_REASON_LEFT_OUT; 2]);
        assert_eq!(value(&answer, "calls_30d").gap_days, 2);
        assert_eq!(value(&answer, "calls_7d").gap_days, u32::from(age_days == 5));
    }
}

#[tokio::test]
async fn an_older_snapshot_is_answered_as_it_is_and_marked() {
    let now = MIDNIGHT + 5 * MINUTE_MS;
    let world = World::new(history(now + 1), now).with_snapshot(3);
    let answer = world.service().await.get(&ask(CALLER, &["calls"])).await.unwrap();
    assert!(answer.degraded);
    assert_eq!(answer.degraded_reasons.len(), 1);
    assert!(answer.degraded_reasons[0].contains("2026-11-18"), "{:?}", answer.degraded_reasons);
    let (from, to) = (MIDNIGHT - 9 * DAY_MS, MIDNIGHT - 2 * DAY_MS);
    assert_eq!(window(value(&answer, "calls_7d")), (from, to));
    assert_eq!(integer(&answer, "calls_7d"), world.counted(CALLER, from, to).count() as i64);
    assert_eq!(value(&answer, "calls_7d").source, Source::SOURCE_BATCH);
    // Today needs no snapshot.
    assert_eq!(integer(&answer, "calls_1d"), world.counted(CALLER, MIDNIGHT, now + 1).count() as i64);
}

#[tokio::test]
async fn without_a_snapshot_days_are_missing_and_never_zero() {
    let now = MIDNIGHT + 5 * MINUTE_MS;
    let world = World::new(history(now + 1), now);
    let answer = world.service().await.get(&ask(CALLER, &["calls"])).await.unwrap();
    let week = value(&answer, "calls_7d");
    assert_eq!(week.value, None);
    assert_eq!(week.missing_reason, MissingReason::MISSING_REASON_NO_SNAPSHOT);
    assert!(answer.degraded);
    assert!(integer(&answer, "calls_1d") > 0);
    // Where the stream keeps nothing there is nothing to answer today from, either.
    let mut range = ask(CALLER, &["calls_1d"]);
    range.level = Level::LEVEL_RANGE.into();
    let answer = world.service().await.get(&range).await.unwrap();
    assert_eq!(value(&answer, "calls_1d").missing_reason, MissingReason::MISSING_REASON_NO_SNAPSHOT);
}

#[tokio::test]
async fn a_snapshot_of_other_definitions_is_not_mixed_in() {
    let now = MIDNIGHT + 5 * MINUTE_MS;
    let mut world = World::new(history(now + 1), now).with_snapshot(1);
    world.snapshot_version = Some("00000000".to_owned());
    let answer = world.service().await.get(&ask(CALLER, &["calls_7d"])).await.unwrap();
    assert_eq!(value(&answer, "calls_7d").value, None);
    assert!(answer.degraded_reasons[0].contains("00000000"), "{:?}", answer.degraded_reasons);
}

#[tokio::test]
async fn ranges_are_answered_from_the_snapshot_alone() {
    let now = MIDNIGHT + 5 * MINUTE_MS;
    let world = World::new(history(now + 1), now).with_snapshot(1);
    let mut request = ask("range:+1202555", &["calls"]);
    request.party = Party::PARTY_CALLER.into();
    let answer = world.service().await.get(&request).await.unwrap();
    assert!(!answer.degraded);
    assert_eq!(answer.values.len(), 4);
    for days in [1, 7, 30, 90] {
        let id = format!("calls_{days}d");
        assert_eq!(window(value(&answer, &id)), (MIDNIGHT - days * DAY_MS, MIDNIGHT));
        let counted = world.counted(CALLER, MIDNIGHT - days * DAY_MS, MIDNIGHT).count();
        assert_eq!(integer(&answer, &id), counted as i64);
        assert_eq!(value(&answer, &id).source, Source::SOURCE_BATCH);
    }
}

#[tokio::test]
async fn prefixes_and_callees_are_merged_too() {
    let now = MIDNIGHT + 12 * 3_600_000 + 34_567;
    let world = World::new(history(now + 1), now).with_snapshot(2);
    let service = world.service().await;
    let answer = service.get(&ask("prefix:+1202", &["calls", "received_calls"])).await.unwrap();
    let from = MIDNIGHT - 29 * DAY_MS;
    let counted = world.counted(CALLER, from, now + 1).count() as i64;
    // All callers and all callees are of one prefix.
    assert_eq!(integer(&answer, "calls_30d"), counted);
    assert_eq!(integer(&answer, "received_calls_30d"), counted);
    let day = world.counted(CALLER, now - now.rem_euclid(MINUTE_MS) - DAY_MS, now + 1).count() as i64;
    assert_eq!(integer(&answer, "received_calls_24h"), day);
    assert_eq!(value(&answer, "calls_30d").party, Party::PARTY_CALLER);
    assert_eq!(value(&answer, "received_calls_30d").party, Party::PARTY_CALLEE);
}

#[tokio::test]
async fn a_past_moment_sees_nothing_later() {
    let now = MIDNIGHT + 12 * 3_600_000;
    let world = World::new(history(now + 1), now);
    let mut request = ask(CALLER, &["calls_1h", "calls_1d"]);
    let at = now - 3_600_000 + 30_123;
    request.as_of = from_millis(at).into();
    let answer = world.service().await.get(&request).await.unwrap();
    let end = at - at.rem_euclid(MINUTE_MS);
    assert_eq!(proto::to_millis(answer.as_of.as_option().unwrap()), Some(end));
    assert_eq!(window(value(&answer, "calls_1h")), (end - 3_600_000, end));
    assert_eq!(integer(&answer, "calls_1h"), world.counted(CALLER, end - 3_600_000, end).count() as i64);
    assert_eq!(integer(&answer, "calls_1d"), world.counted(CALLER, MIDNIGHT, end).count() as i64);
}

#[tokio::test]
async fn a_moment_that_is_no_longer_kept_is_missing() {
    let now = MIDNIGHT + 12 * 3_600_000;
    let world = World::new(history(now + 1), now).with_snapshot(1);
    let mut request = ask(CALLER, &["calls_24h", "calls_7d"]);
    request.as_of = from_millis(now - 8 * DAY_MS).into();
    let answer = world.service().await.get(&request).await.unwrap();
    for id in ["calls_24h", "calls_7d"] {
        assert_eq!(value(&answer, id).value, None);
        assert_eq!(value(&answer, id).missing_reason, MissingReason::MISSING_REASON_EXPIRED);
    }
}

#[tokio::test]
async fn windows_from_before_counting_began_are_marked() {
    let now = MIDNIGHT + 12 * 3_600_000;
    let mut world = World::new(history(now + 1), now).with_snapshot(1);
    world.counted_since_ms = Some(now - 2 * 3_600_000);
    let service = world.service().await;
    let within = service.get(&ask(CALLER, &["calls_1h"])).await.unwrap();
    assert!(!within.degraded);
    for before in ["calls_6h", "calls_30d"] {
        let answer = service.get(&ask(CALLER, &[before])).await.unwrap();
        assert!(answer.degraded, "{before}");
        assert!(answer.degraded_reasons[0].contains("counted with these definitions since 2026-"), "{answer:?}");
    }
    // Ranges come from the snapshot alone.
    let mut request = ask("range:+1202555", &["calls"]);
    request.party = Party::PARTY_CALLER.into();
    assert!(!service.get(&request).await.unwrap().degraded);

    let mut nothing = World::new(Vec::new(), now);
    nothing.counted_since_ms = None;
    let answer = nothing.service().await.get(&ask(CALLER, &["calls_1h"])).await.unwrap();
    assert!(answer.degraded_reasons[0].contains("no call of the stream has been counted"), "{answer:?}");
    assert_eq!(value(&answer, "calls_1h").missing_reason, MissingReason::MISSING_REASON_NO_RECORDS);
}

/// The snapshot's own day would be lost if the stream, which was not there yet, were to count it again.
#[tokio::test]
async fn where_the_stream_began_later_windows_of_days_end_with_the_snapshot() {
    let now = MIDNIGHT + 12 * 3_600_000;
    for age_days in [1, 2] {
        let snapshot_end = MIDNIGHT - i64::from(age_days - 1) * DAY_MS;
        for since_ms in [None, Some(now - 60_000), Some(snapshot_end - DAY_MS + 1)] {
            let mut world = World::new(history(now + 1), now).with_snapshot(age_days);
            world.counted_since_ms = since_ms;
            let answer = world.service().await.get(&ask(CALLER, &["calls"])).await.unwrap();
            assert!(answer.degraded);
            for (id, days) in [("calls_7d", 7), ("calls_30d", 30), ("calls_90d", 90)] {
                let window = window(value(&answer, id));
                assert_eq!(window, (snapshot_end - days * DAY_MS, snapshot_end), "{id}, since {since_ms:?}");
                let counted = world.counted(CALLER, window.0, window.1).count() as i64;
                assert!(counted > 0);
                assert_eq!(integer(&answer, id), counted, "{id}, since {since_ms:?}");
            }
        }
        // One moment earlier it has counted all that it ought to.
        let mut world = World::new(history(now + 1), now).with_snapshot(age_days);
        world.counted_since_ms = Some(snapshot_end - DAY_MS);
        let answer = world.service().await.get(&ask(CALLER, &["calls_30d"])).await.unwrap();
        assert!(!answer.degraded);
        assert_eq!(window(value(&answer, "calls_30d")), (MIDNIGHT - 29 * DAY_MS, now));
    }
}

#[tokio::test]
async fn what_was_over_before_counting_began_is_missing_and_not_zero() {
    let now = MIDNIGHT + 12 * 3_600_000;
    let mut world = World::new(history(now + 1), now);
    world.counted_since_ms = Some(MIDNIGHT + 6 * 3_600_000);
    let service = world.service().await;
    let mut request = ask(CALLER, &["calls_1h", "calls_24h", "calls_1d"]);
    request.as_of = from_millis(MIDNIGHT + 5 * 3_600_000).into();
    let answer = service.get(&request).await.unwrap();
    assert!(answer.degraded);
    for value in &answer.values {
        assert_eq!(value.missing_reason, MissingReason::MISSING_REASON_NO_RECORDS, "{value:?}");
    }
    // Of what is known in part, the part is answered and marked.
    let answer = service.get(&ask(CALLER, &["calls_24h"])).await.unwrap();
    assert!(answer.degraded && integer(&answer, "calls_24h") > 0, "{answer:?}");
}

/// A backfill counts what came before; whoever answers must not have to be started again.
#[tokio::test(start_paused = true)]
async fn a_backfill_is_noticed() {
    let now = MIDNIGHT + 12 * 3_600_000;
    let store = Arc::new(MemoryTiles::default());
    let set = Arc::new(FeatureSet::default_set().unwrap());
    let tiles = StoredTiles::new(Arc::clone(&store), Arc::clone(&set), Arc::new(move || now));
    note_coverage(&*store, set.version(), now).await.unwrap();
    assert_eq!(tiles.counted_since().await.unwrap(), Some(now));
    move_coverage_back(&*store, set.version(), 7).await.unwrap();
    assert_eq!(tiles.counted_since().await.unwrap(), Some(now));
    tokio::time::advance(REFRESH_AFTER).await;
    assert_eq!(tiles.counted_since().await.unwrap(), Some(7));
}

#[tokio::test]
async fn levels_of_one_number_are_what_each_is_alone() {
    let now = MIDNIGHT + 5 * MINUTE_MS;
    let world = World::new(history(now + 1), now).with_snapshot(1);
    let service = world.service().await;
    let levels = [Level::LEVEL_RANGE, Level::LEVEL_PREFIX];
    for features in [&[][..], &["calls_7d", "calls_5m"]] {
        let mut request = ask(CALLER, features);
        request.more_levels = levels.iter().map(|level| (*level).into()).collect();
        let mut answer = service.get(&request).await.unwrap();
        for (level, result) in levels.into_iter().zip(std::mem::take(&mut answer.more_levels)) {
            let Some(v1::EntityOutcome::Features(of_level)) = result.result else { panic!("{result:?}") };
            // A range has no windows of minutes: they are left out there.
            let names = if level == Level::LEVEL_RANGE { &features[..features.len().min(1)] } else { features };
            let alone = v1::GetFeaturesRequest { level: level.into(), ..ask(CALLER, names) };
            assert_eq!(*of_level, service.get(&alone).await.unwrap());
            assert!(!of_level.values.is_empty());
        }
        assert_eq!(answer, service.get(&ask(CALLER, features)).await.unwrap());
    }
    // A number without prefixes is answered at the level that it has.
    let mut request = ask("ext:hq/1001", &["calls_5m"]);
    request.more_levels = vec![Level::LEVEL_PREFIX.into()];
    let answer = service.get(&request).await.unwrap();
    assert_eq!(integer(&answer, "calls_5m"), 0);
    let Some(v1::EntityOutcome::Error(error)) = &answer.more_levels[0].result else { panic!("{answer:?}") };
    assert_eq!(error.reason, "number_has_no_such_level");
}

#[tokio::test]
async fn the_future_is_refused() {
    let world = World::new(Vec::new(), MIDNIGHT);
    let mut request = ask(CALLER, &[]);
    request.as_of = from_millis(MIDNIGHT + 1).into();
    let error = world.service().await.get(&request).await.unwrap_err();
    assert_eq!(error.detail().reason, "as_of_future");
    assert_eq!(error.detail().code, "invalid_argument");
}

#[tokio::test]
async fn no_calls_are_zero_where_that_is_true_and_missing_where_it_means_nothing() {
    let world = World::new(history(MIDNIGHT), MIDNIGHT).with_snapshot(1);
    let answer = world.service().await.get(&ask("+12125550199", &[])).await.unwrap();
    assert!(!answer.degraded);
    for id in ["calls_5m", "calls_7d", "distinct_callees_30d", "active_days_90d", "received_calls_7d"] {
        assert_eq!(integer(&answer, id), 0);
        assert!(value(&answer, id).newest_event.is_unset());
    }
    assert!(number(&answer, "velocity_7d").abs() < f64::EPSILON);
    for id in ["mean_talk_ms_7d", "max_talk_ms_7d", "answer_seizure_ratio_5m", "stddev_talk_ms_24h"] {
        assert_eq!(value(&answer, id).value, None, "{id}");
        assert_eq!(value(&answer, id).missing_reason, MissingReason::MISSING_REASON_NO_CALLS);
    }
}

#[tokio::test]
async fn a_dead_tile_store_is_said_and_nothing_becomes_zero() {
    let now = MIDNIGHT + 5 * MINUTE_MS;
    let world = World::new(history(now + 1), now).with_snapshot(1);
    world.tiles_down.store(true, Ordering::Relaxed);
    let service = world.service().await;
    let answer = service.get(&ask(CALLER, &["calls"])).await.unwrap();
    assert!(answer.degraded);
    assert_eq!(value(&answer, "calls_5m").value, None);
    assert_eq!(value(&answer, "calls_5m").missing_reason, MissingReason::MISSING_REASON_UNAVAILABLE);
    // Days fall back to the snapshot, with its own interval.
    assert_eq!(window(value(&answer, "calls_7d")), (MIDNIGHT - 7 * DAY_MS, MIDNIGHT));
    assert_eq!(value(&answer, "calls_7d").source, Source::SOURCE_BATCH);
    // One day does as well as seven, though it is asked alone and the stream would have had all of it.
    let alone = service.get(&ask(CALLER, &["calls_1d"])).await.unwrap();
    assert_eq!(window(value(&alone, "calls_1d")), (MIDNIGHT - DAY_MS, MIDNIGHT));
    assert!(alone.degraded && integer(&alone, "calls_1d") > 0);
    // With nothing left to say it is an error.
    let error = service.get(&ask(CALLER, &["calls_5m"])).await.unwrap_err();
    assert!(matches!(error, AnswerError::Unavailable(_)), "{error:?}");
    assert_eq!(error.detail().code, "unavailable");
    // Also where the rest is missing for another reason.
    let world = World::new(history(now + 1), now);
    world.tiles_down.store(true, Ordering::Relaxed);
    assert!(world.service().await.get(&ask(CALLER, &["calls"])).await.is_err());
}

#[tokio::test]
async fn a_dead_snapshot_store_is_said_and_the_stream_still_answers() {
    let now = MIDNIGHT + 5 * MINUTE_MS;
    let world = World::new(history(now + 1), now).with_snapshot(1);
    world.snapshot_down.store(true, Ordering::Relaxed);
    let service = world.service().await;
    let answer = service.get(&ask(CALLER, &["calls"])).await.unwrap();
    assert!(answer.degraded);
    assert_eq!(value(&answer, "calls_7d").missing_reason, MissingReason::MISSING_REASON_UNAVAILABLE);
    assert!(integer(&answer, "calls_5m") > 0);
    assert!(service.get(&ask(CALLER, &["calls_7d"])).await.is_err());
}

#[tokio::test]
async fn a_snapshot_of_today_is_answered_as_far_as_it_knows() {
    let now = MIDNIGHT + 12 * 3_600_000;
    let mut world = World::new(history(now + 1), now);
    world.snapshot = Some(SnapshotDay { day: TODAY, complete_before_ms: Some(now) });
    let answer = world.service().await.get(&ask(CALLER, &["calls_7d"])).await.unwrap();
    assert!(!answer.degraded);
    assert_eq!(integer(&answer, "calls_7d"), world.counted(CALLER, MIDNIGHT - 6 * DAY_MS, now + 1).count() as i64);
    world.snapshot = Some(SnapshotDay { day: TODAY, complete_before_ms: Some(now - 1) });
    let answer = world.service().await.get(&ask(CALLER, &["calls_7d"])).await.unwrap();
    assert!(answer.degraded_reasons[0].contains("2026-11-21"), "{:?}", answer.degraded_reasons);
}

#[tokio::test]
async fn a_batch_answers_each_entity_or_says_why_not() {
    let now = MIDNIGHT + 5 * MINUTE_MS;
    let world = World::new(history(now + 1), now).with_snapshot(1);
    let entity = |number: &str| v1::EntityRequest { number: number.to_owned(), ..Default::default() };
    let request = v1::BatchGetFeaturesRequest {
        entities: vec![entity(CALLER), entity("anonymous"), entity("prefix:+1202"), entity("ext:hq/1")],
        features: vec!["calls_5m".to_owned()],
        ..Default::default()
    };
    let service = world.service().await;
    let results = service.get_batch(&request).await.unwrap().results;
    assert_eq!(results.len(), 4);
    let reason = |result: &v1::EntityResult| match &result.result {
        Some(v1::EntityOutcome::Features(answer)) => Ok(integer(answer, "calls_5m")),
        Some(v1::EntityOutcome::Error(error)) => Err(error.reason.clone()),
        None => panic!("no outcome"),
    };
    let counted = world.counted(CALLER, MIDNIGHT, now + 1).count() as i64;
    assert_eq!(reason(&results[0]), Ok(counted));
    assert_eq!(reason(&results[1]), Err("number_anonymous".to_owned()));
    assert_eq!(reason(&results[2]), Ok(counted));
    assert_eq!(reason(&results[3]), Ok(0));
}

#[tokio::test]
async fn a_batch_is_bounded() {
    let world = World::new(Vec::new(), MIDNIGHT);
    let service = world.service().await;
    let batch = |count: usize, names: &[&str]| v1::BatchGetFeaturesRequest {
        entities: vec![v1::EntityRequest { number: CALLER.to_owned(), ..Default::default() }; count],
        features: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    for (count, names, reason) in [
        (0, &["calls_5m"][..], "entities_missing"),
        (1_001, &["calls_5m"], "entities_too_many"),
        (1_000, &[], "values_too_many"),
        (1, &["clals_5m"], "feature_unknown"),
    ] {
        let error = service.get_batch(&batch(count, names)).await.unwrap_err();
        assert_eq!(error.detail().reason, reason);
    }
    assert_eq!(service.get_batch(&batch(1_000, &["calls_5m"])).await.unwrap().results.len(), 1_000);
}

#[tokio::test]
async fn the_older_service_answers_by_its_older_names() {
    let now = MIDNIGHT + 5 * MINUTE_MS;
    let world = World::new(history(now + 1), now).with_snapshot(1);
    let request = proto::legacy::FeatureRequest {
        user_id: "2025550101".to_owned(),
        ip_address: "192.0.2.1".to_owned(),
        ..Default::default()
    };
    let (response, degraded) = world.service().await.get_legacy(&request).await.unwrap();
    assert!(degraded.is_empty(), "{degraded:?}");
    let features = response.features;
    assert_eq!(features.len(), 28 + 1);
    let week = world.counted(CALLER, MIDNIGHT - 6 * DAY_MS, now + 1).count();
    assert_eq!(features["count_phone_7d"], week.to_string());
    assert_eq!(features["count_phone_prefix_7d"], week.to_string());
    assert_eq!(features["acount_phone_active_7d"], "7");
    let velocity: f64 = features["velocity_phone_7d"].parse().unwrap();
    assert!((velocity - week as f64 / 7.0).abs() < 0.005 + 1e-9);
    assert_eq!(features["ip_hash"], "d0f88d6c");
    // The stream keeps no ranges: the week ends with the snapshot.
    let range = world.counted(CALLER, MIDNIGHT - 7 * DAY_MS, MIDNIGHT).count();
    assert_eq!(features["count_phone_range_7d"], range.to_string());
}

#[tokio::test]
async fn what_is_listed_can_be_asked_for() {
    let now = MIDNIGHT + 5 * MINUTE_MS;
    let world = World::new(vec![call(CALLER, "+12025560001", now, Some(4_000))], now).with_snapshot(1);
    let service = world.service().await;
    let listed = service.list();
    assert_eq!(listed.feature_set_version, world.set.version());
    assert!(listed.features.len() > 100);
    for feature in &listed.features {
        for level in &feature.levels {
            let mut request = ask(CALLER, &[&feature.id]);
            request.level = *level;
            request.party = feature.party;
            let answer = service.get(&request).await.unwrap();
            assert_eq!(answer.values.len(), 1, "{}", feature.id);
            let matches_type = match (&answer.values[0].value, feature.value_type.as_known().unwrap()) {
                (Some(v1::Value::Integer(_)), kind) => kind == v1::ValueType::VALUE_TYPE_INTEGER,
                (Some(v1::Value::Number(_)), kind) => kind == v1::ValueType::VALUE_TYPE_NUMBER,
                (None, _) => true,
            };
            assert!(matches_type, "{}", feature.id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_snapshot_is_taken_up_without_a_restart() {
    let now = MIDNIGHT + 12 * 3_600_000;
    let world = World::new(history(now + 1), now);
    let service = world.service().await;
    let source = async || {
        let answer = service.get(&ask(CALLER, &["calls"])).await.unwrap();
        (value(&answer, "calls_7d").source.as_known().unwrap(), answer.degraded)
    };
    assert_eq!(source().await, (Source::SOURCE_UNSPECIFIED, true));
    let day = |age_days| SnapshotDay { day: TODAY - age_days, complete_before_ms: None };
    world.publish(day(3)).await;
    // The manifest is not read at every request.
    assert_eq!(source().await, (Source::SOURCE_UNSPECIFIED, true));
    tokio::time::advance(RETRY_AFTER).await;
    assert_eq!(source().await, (Source::SOURCE_BATCH, true));
    world.publish(day(1)).await;
    tokio::time::advance(RETRY_AFTER).await;
    assert_eq!(source().await, (Source::SOURCE_BATCH, true));
    tokio::time::advance(REFRESH_AFTER).await;
    assert_eq!(source().await, (Source::SOURCE_MERGED, false));
    // It says when it was seen to be the newest.
    let checked_at = async || {
        let answer = service.get(&ask(CALLER, &["calls_7d"])).await.unwrap();
        proto::to_millis(answer.snapshot_checked_at.as_option().unwrap()).unwrap()
    };
    assert_eq!(checked_at().await, now);
}

/// The manifest is read again for all by one who does not wait long for it, however little time a caller has.
#[tokio::test]
async fn a_manifest_that_is_slow_to_come_keeps_nobody() {
    let now = MIDNIGHT + 12 * 3_600_000;
    let world = World::new(history(now + 1), now).with_snapshot(3);
    let service = world.service().await;
    let source = async |patience: Duration| {
        let request = ask(CALLER, &["calls_7d"]);
        let answered = deadline::within(Instant::now() + patience, service.get(&request));
        value(&answered.await.unwrap(), "calls_7d").source.as_known().unwrap()
    };
    assert_eq!(source(Duration::from_secs(10)).await, Source::SOURCE_BATCH);
    world.publish(SnapshotDay { day: TODAY - 1, complete_before_ms: None }).await;
    // Whoever opens a pipe for reading waits until somebody writes.
    let current = world.folder().join(snapshot::CURRENT);
    let manifest = std::fs::read(&current).unwrap();
    std::fs::remove_file(&current).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&current).status().unwrap().success());
    tokio::time::pause();
    tokio::time::advance(REFRESH_AFTER).await;
    tokio::time::resume();
    for patience in [Duration::from_millis(100), Duration::from_secs(10)] {
        let began = Instant::now();
        assert_eq!(source(patience).await, Source::SOURCE_BATCH);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    std::fs::write(&current, &manifest).unwrap();
    while source(Duration::from_secs(10)).await != Source::SOURCE_MERGED {
        tokio::task::yield_now().await;
    }
}
