//! Stores that fail, are throttled or never answer, in every combination: what is said is true or missing, never a
//! zero that nobody counted, and it is said within the caller's time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use connectrpc::client::CallOptions;
use features::MINUTE_MS;
use lambda_http::aws_lambda_events::encodings::Body;
use proto::v1::{self, GetFeaturesResponse, MissingReason};
use serve_features::client::Credentials;
use serve_features::native::Exposure;
use serve_features::{DEADLINE_MAX, deadline, lambda, router};
use tokio::time::Instant;

use crate::running::{PROTOCOLS, Running};
use crate::world::{CALLER, MIDNIGHT, Mood, World, ask, history, value, window};

const NOW: i64 = MIDNIGHT + 5 * MINUTE_MS;
/// What the clock counts in.
const MOMENT: Duration = Duration::from_millis(1);
const ASKED: [&str; 4] = ["calls_5m", "calls_24h", "calls_1d", "calls_30d"];
/// How long the caller waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Every value is what a plain count over its window says, or missing. Returns those that are missing.
fn check(world: &World, answer: &GetFeaturesResponse) -> BTreeSet<String> {
    let mut missing = BTreeSet::new();
    for id in ASKED {
        let value = value(answer, id);
        let (from_ms, to_ms) = window(value);
        match value.value {
            Some(v1::Value::Integer(calls)) => {
                // The end of a window that reaches until now is in it.
                let to_ms = if to_ms == NOW { to_ms + 1 } else { to_ms };
                let counted = world.counted(CALLER, from_ms, to_ms).count() as i64;
                assert!(counted > 0);
                assert_eq!(calls, counted, "{id}: {value:?}");
            }
            None => {
                assert_eq!(value.missing_reason, MissingReason::MISSING_REASON_UNAVAILABLE, "{id}");
                missing.insert(id.to_owned());
            }
            ref other => panic!("{id} is {other:?}"),
        }
    }
    missing
}

/// With the clock paused, silence lasts as long as it is listened to and no longer.
#[tokio::test(start_paused = true)]
async fn every_combination_is_answered_truly_or_not_at_all() {
    let world = World::new(history(NOW + 1), NOW).with_snapshot(1);
    let service = world.service().await;
    let set = |place: &AtomicU8, mood: Mood| place.store(mood as u8, Ordering::Relaxed);
    for tiles in Mood::STORES {
        for manifest in Mood::STORES {
            for row in Mood::STORES {
                let what = format!("tiles {tiles:?}, manifest {manifest:?}, row {row:?}");
                set(&world.moods.tiles, tiles);
                set(&world.moods.manifest, manifest);
                set(&world.moods.row, row);
                let began = Instant::now();
                let request = ask(CALLER, &ASKED);
                let answered = deadline::within(began + PATIENCE, service.get(&request)).await;
                // There is time left to send it.
                assert!(began.elapsed() <= PATIENCE / 10 * 9 + MOMENT, "{what}: {:?}", began.elapsed());
                let has_snapshot = manifest == Mood::Well && row == Mood::Well;
                match answered {
                    Err(error) => {
                        assert!(tiles != Mood::Well && !has_snapshot, "{what}: {error}");
                        assert_eq!(error.detail().reason, "store_unavailable", "{what}");
                    }
                    Ok(answer) => {
                        let missing = check(&world, &answer);
                        let expected: &[&str] = match (tiles, has_snapshot) {
                            (Mood::Well, true) => &[],
                            (Mood::Well, false) => &["calls_30d"],
                            (_, true) => &["calls_24h", "calls_5m"],
                            (_, false) => panic!("{what}: {answer:?}"),
                        };
                        assert_eq!(missing.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{what}");
                        let is_well = tiles == Mood::Well && has_snapshot;
                        assert_eq!(answer.degraded, !is_well, "{what}: {:?}", answer.degraded_reasons);
                        assert_eq!(answer.degraded_reasons.is_empty(), is_well, "{what}");
                    }
                }
            }
        }
    }
}

/// The tiles answer, and what says since when they are counted does not: nobody knows whether an empty tile means that
/// nobody called.
#[tokio::test(start_paused = true)]
async fn tiles_of_which_nobody_knows_since_when_they_are_counted_are_marked() {
    let mut world = World::new(Vec::new(), NOW);
    world.counted_since_ms = None;
    let service = world.service().await;
    for mood in [Mood::Failing, Mood::Throttled, Mood::Silent] {
        world.moods.since.store(mood as u8, Ordering::Relaxed);
        let request = ask(CALLER, &["calls_5m"]);
        let answer = deadline::within(Instant::now() + PATIENCE, service.get(&request)).await.unwrap();
        assert!(answer.degraded, "{mood:?}: {answer:?}");
        assert!(answer.degraded_reasons[0].contains("since when"), "{answer:?}");
    }
}

/// The deadline comes with the request, and what one store knows arrives within it while the other is silent.
#[tokio::test]
async fn a_silent_store_leaves_time_to_answer_over_every_protocol() {
    let world = World::new(history(NOW + 1), NOW).with_snapshot(1);
    let running = Running::start(world.service().await, Exposure::default()).await;
    for place in [&world.moods.tiles, &world.moods.row, &world.moods.manifest] {
        place.store(Mood::Silent as u8, Ordering::Relaxed);
        let asked = PROTOCOLS.map(|protocol| {
            let client = running.client(&Credentials::default(), protocol);
            let options = CallOptions::default().with_timeout(PATIENCE);
            async move { client.get_features_with_options(ask(CALLER, &ASKED), options).await }
        });
        for (protocol, answered) in PROTOCOLS.iter().zip(futures::future::join_all(asked).await) {
            let answer = answered.unwrap_or_else(|error| panic!("{protocol:?}: {error}")).into_owned();
            assert!(answer.degraded && !check(&world, &answer).is_empty(), "{protocol:?}: {answer:?}");
        }
        place.store(Mood::Well as u8, Ordering::Relaxed);
    }
    running.stop().await;
}

#[tokio::test]
async fn behind_lambda_the_time_that_is_left_bounds_the_deadline() {
    let world = World::new(history(NOW + 1), NOW).with_snapshot(1);
    let (rpc, _health) = router(world.service().await).unwrap();
    world.moods.tiles.store(Mood::Silent as u8, Ordering::Relaxed);
    // The caller would wait longer, or names nothing.
    for asked in [Some("25000"), None] {
        let mut event =
            http::Request::post("https://id.lambda-url.us-east-1.on.aws/tollwatch.v1.FeatureService/GetFeatures")
                .header("content-type", "application/json");
        if let Some(timeout_ms) = asked {
            event = event.header("connect-timeout-ms", timeout_ms);
        }
        let body = format!(r#"{{"number": "{CALLER}", "features": ["calls_5m", "calls_30d"]}}"#);
        let began = Instant::now();
        let answer = lambda::answer(rpc.clone(), event.body(Body::Text(body)).unwrap(), PATIENCE).await.unwrap();
        assert!(began.elapsed() < PATIENCE);
        assert_eq!(answer.0.status(), 200);
        let Body::Text(text) = answer.0.into_body() else { panic!("JSON went as base64") };
        let answer: GetFeaturesResponse = serde_json::from_str(&text).unwrap();
        assert!(answer.degraded && value(&answer, "calls_30d").value.is_some(), "{answer:?}");
    }
}

#[test]
fn the_time_that_an_invocation_has_left_keeps_some_for_sending() {
    let left = |ends_at_ms| lambda::time_left(ends_at_ms, NOW);
    let now = NOW as u64;
    assert_eq!(left(now + 3_000), Duration::from_millis(2_800));
    assert_eq!(left(now + 100), Duration::ZERO);
    assert_eq!(left(now + 900_000), DEADLINE_MAX);
    // Outside of Lambda there is no such moment.
    assert_eq!(left(0), DEADLINE_MAX);
}
