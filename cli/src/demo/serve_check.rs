//! The service, asked over gRPC as a client would, against the recount.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::features::{FeatureSet, Level, Party, Value, Window};
use anyhow::{Context as _, anyhow};
use cdr_generator::Role;
use futures::{StreamExt as _, TryStreamExt as _};
use oracle::{Answer, Denominator, Recount};
use proto::v1;
use serve_features::response;

use crate::demo::compare::{Tally, masked, oracle_level, oracle_party};
use crate::demo::material::Material;
use crate::demo::report::Shown;
use crate::progress;

/// Entities of one request: their values stay within what one response carries.
const ENTITIES_A_REQUEST: usize = 200;
/// Requests in flight.
const REQUESTS_IN_FLIGHT: usize = 2;
/// Lookups that are timed one after the other.
const TIMED_LOOKUPS: usize = 2_000;
/// Features that the table of campaigns shows.
const SHOWN_FEATURES: [&str; 8] = [
    "calls_1h",
    "calls_24h",
    "calls_30d",
    "answer_seizure_ratio_24h",
    "ring_and_drop_ratio_24h",
    "distinct_callees_24h",
    "mean_talk_ms_24h",
    "irsf_calls_24h",
];

/// What the service said, by where it says it has it from.
#[derive(Default)]
pub(crate) struct Served {
    /// Windows of minutes and hours, from tiles.
    pub(crate) stream: Tally,
    /// Windows of days up to now, from snapshot and tiles.
    pub(crate) merged: Tally,
}

type Client = proto::v1::FeatureServiceClient<serve_features::client::Transport>;

/// Asks for every feature of every entity that had a call since the stream began.
pub(crate) async fn check(
    url: &str,
    set: &Arc<FeatureSet>,
    truth: &Arc<Recount>,
    material: &Material,
) -> anyhow::Result<Served> {
    let client = serve_features::client::connect(url)?;
    let period = (material.stream_from_ms, material.end_ms);
    let entities = active(truth, period);
    let bar = progress::bar("check service", entities.len() as u64, "entities");
    let names = Arc::new(Names::of(set));
    let mut answers = futures::stream::iter(entities.chunks(ENTITIES_A_REQUEST).map(|chunk| {
        let (client, names, truth, bar) = (&client, Arc::clone(&names), Arc::clone(truth), bar.clone());
        async move {
            let results = ask(client, chunk).await?;
            let chunk = chunk.to_vec();
            bar.inc(chunk.len() as u64);
            let compared = tokio::task::spawn_blocking(move || compare(&truth, &names, &chunk, &results));
            compared.await.context("the check broke")?
        }
    }))
    .buffer_unordered(REQUESTS_IN_FLIGHT);
    let mut served = Served::default();
    while let Some(part) = answers.try_next().await? {
        served.stream.add(part.stream);
        served.merged.add(part.merged);
    }
    drop(answers);
    bar.finish_and_clear();
    Ok(served)
}

/// Times single lookups, one after the other, each of all features of a caller.
pub(crate) async fn time_lookups(url: &str, truth: &Recount, material: &Material) -> anyhow::Result<Vec<Duration>> {
    let client = serve_features::client::connect(url)?;
    let period = (material.stream_from_ms, material.end_ms);
    let callers: Vec<_> = active(truth, period)
        .into_iter()
        .filter(|entity| entity.party == Party::Caller && entity.level == Level::Phone)
        .collect();
    let mut took = Vec::with_capacity(TIMED_LOOKUPS);
    let every = (callers.len() / TIMED_LOOKUPS).max(1);
    for entity in callers.iter().step_by(every).take(TIMED_LOOKUPS) {
        let request = v1::GetFeaturesRequest {
            number: entity.key.to_string(),
            party: response::party(entity.party).into(),
            ..Default::default()
        };
        let started = Instant::now();
        client.get_features(request).await.map_err(|error| anyhow!("the service failed: {error}"))?;
        took.push(started.elapsed());
    }
    Ok(took)
}

/// One number of each scheme that is at work at the end, beside an ordinary subscriber, as the service has them.
pub(crate) async fn campaigns(url: &str, truth: &Recount, material: &Material) -> anyhow::Result<Vec<Shown>> {
    let client = serve_features::client::connect(url)?;
    let day = (material.end_ms - 24 * 3_600_000, material.end_ms);
    let mut shown: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let callers = material.labels.iter().filter(|label| label.role == Role::Caller);
    for label in callers.filter(|label| label.start_ms < material.end_ms && label.end_ms > day.0) {
        let calls = truth.calls(oracle::Party::Caller, oracle::Level::Phone, &label.number, day);
        let best = shown.entry(label.scheme.as_str().to_owned()).or_default();
        if calls > best.0 {
            *best = (calls, label.number.to_string());
        }
    }
    let labelled: Vec<_> = material.labels.iter().map(|label| label.number.as_str()).collect();
    // The subscriber in the middle, by calls of the last day, of those that called at all.
    let mut ordinary: Vec<_> = active(truth, day)
        .into_iter()
        .filter(|entity| entity.party == Party::Caller && entity.level == Level::Phone)
        .filter(|entity| !labelled.contains(&&*entity.key))
        .map(|entity| (truth.calls(oracle::Party::Caller, oracle::Level::Phone, &entity.key, day), entity.key))
        .collect();
    ordinary.sort();
    let mut wanted: Vec<(String, String)> = shown
        .into_iter()
        .filter(|(_, (calls, _))| *calls > 0)
        .map(|(scheme, (_, number))| (scheme, number))
        .collect();
    if let Some((_, key)) = ordinary.get(ordinary.len() / 2) {
        wanted.push(("ordinary".to_owned(), key.to_string()));
    }
    let mut rows = Vec::new();
    for (who, number) in wanted {
        let request = v1::GetFeaturesRequest {
            number: number.clone(),
            party: v1::Party::PARTY_CALLER.into(),
            features: SHOWN_FEATURES.map(str::to_owned).to_vec(),
            ..Default::default()
        };
        let answer = client.get_features(request).await.map_err(|error| anyhow!("the service failed: {error}"))?;
        let values = answer.into_owned().values.iter().map(|value| (value.id.clone(), value_of(value))).collect();
        rows.push(Shown { who, number, values });
    }
    Ok(rows)
}

/// An entity to ask for.
#[derive(Clone)]
struct Asked {
    party: Party,
    level: Level,
    key: Arc<str>,
}

fn active(truth: &Recount, period: (i64, i64)) -> Vec<Asked> {
    let mut entities = Vec::new();
    for party in Party::ALL {
        for level in Level::ALL {
            let (of, at) = (oracle_party(party), oracle_level(level));
            let keys = truth.entities(of, at).into_iter().filter(|key| truth.calls(of, at, key, period) > 0);
            entities.extend(keys.map(|key| Asked { party, level, key }));
        }
    }
    entities
}

async fn ask(client: &Client, entities: &[Asked]) -> anyhow::Result<Vec<v1::EntityResult>> {
    let request = v1::BatchGetFeaturesRequest {
        entities: entities
            .iter()
            .map(|entity| v1::EntityRequest {
                // A prefix or range is meant as it is written.
                number: match entity.level {
                    Level::Phone => entity.key.to_string(),
                    level => format!("{}:{}", level.as_str(), entity.key),
                },
                party: response::party(entity.party).into(),
                level: response::level(entity.level).into(),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let answer = client.batch_get_features(request).await.map_err(|error| anyhow!("the service failed: {error}"))?;
    Ok(answer.into_owned().results)
}

/// From a feature id to its name and window.
struct Names(HashMap<String, (String, Window)>);

impl Names {
    fn of(set: &FeatureSet) -> Self {
        let ids = set.features().iter().flat_map(|feature| {
            feature.windows().map(|window| (feature.id(window), (feature.name.clone(), window))).collect::<Vec<_>>()
        });
        Self(ids.collect())
    }
}

fn compare(
    truth: &Recount,
    names: &Names,
    entities: &[Asked],
    results: &[v1::EntityResult],
) -> anyhow::Result<Served> {
    let mut served = Served::default();
    anyhow::ensure!(results.len() == entities.len(), "the service answered another number of entities");
    for (entity, result) in entities.iter().zip(results) {
        let Some(v1::EntityOutcome::Features(response)) = &result.result else {
            served.stream.differ(|| format!("{:?} {} was refused", entity.level, masked(&entity.key)));
            continue;
        };
        // The features of one window are recounted together.
        let mut recounted: HashMap<(i64, i64, Window), HashMap<&'static str, Answer>> = HashMap::new();
        for value in &response.values {
            let (name, window) =
                names.0.get(&value.id).context("the service names a feature that is not declared")?;
            let tally = match window {
                Window::Stream(_) => &mut served.stream,
                Window::Batch(_) => &mut served.merged,
            };
            let what = || format!("{} of {:?} {:?} {}", value.id, entity.party, entity.level, masked(&entity.key));
            let bounds = (value.window_start.as_option(), value.window_end.as_option());
            let (Some(from_ms), Some(to_ms)) =
                (bounds.0.and_then(proto::to_millis), bounds.1.and_then(proto::to_millis))
            else {
                tally.differ(|| format!("{} names no interval", what()));
                continue;
            };
            let answers = recounted.entry((from_ms, to_ms, *window)).or_insert_with(|| {
                let covered = match window {
                    Window::Stream(_) => Denominator::Minutes { covered_ms: to_ms - from_ms },
                    Window::Batch(window) => Denominator::Days(i64::from(window.days())),
                };
                let (party, level) = (oracle_party(entity.party), oracle_level(entity.level));
                truth.answers(party, level, &entity.key, (from_ms, to_ms), covered).into_iter().collect()
            });
            match answers.get(name.as_str()) {
                Some(answer) => tally.compare(value_of(value), *answer, value.relative_error, what),
                None => tally.differ(|| format!("{name} is not known to the recount")),
            }
        }
    }
    Ok(served)
}

fn value_of(value: &v1::FeatureValue) -> Value {
    match value.value {
        Some(v1::Value::Integer(integer)) => Value::Integer(integer),
        Some(v1::Value::Number(number)) => Value::Number(number),
        None => Value::Missing,
    }
}
