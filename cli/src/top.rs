//! `tollwatch top`: the entities that lead a feature, from the snapshot's wide face.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::sync::Arc;

use ::features::{Feature, FeatureSet, Level, Party, Value, Window};
use anyhow::anyhow;
use futures::TryStreamExt as _;
use objects::Location;
use serve_features::catalog::Catalog;
use serve_features::error::RequestError;
use snapshot::Snapshot;

use crate::defaults::{FeatureFile, STATE_FOLDER};
use crate::failure::{Blame as _, Failure, Outcome};
use crate::locations;
use crate::output::print;

/// Entities that may be asked for: they are held in memory.
const COUNT_MAX: i64 = 100_000;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Name and window of days, such as calls_7d
    feature: String,
    /// caller or callee [default: the one that the feature is about]
    #[arg(long)]
    party: Option<Party>,
    /// phone, prefix or range
    #[arg(long, default_value = "phone")]
    level: Level,
    /// How many
    #[arg(short = 'n', value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=COUNT_MAX))]
    count: u32,
    /// Where the snapshot is: a folder or s3://bucket/prefix
    #[arg(long, value_name = "LOCATION", default_value = STATE_FOLDER)]
    data: Location,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    definitions: FeatureFile,
}

/// Reads one column and prints its head.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let set = arguments.definitions.read()?;
    let feature = find(&set, &arguments)?;
    let (party, integers) = (feature.party, feature.aggregate.is_integer());
    let data = locations::open(&arguments.data).await?;
    let opened = Snapshot::open(data, Arc::clone(&set)).await.or_user()?;
    let snapshot = opened.ok_or_else(|| {
        let place = &arguments.data;
        Failure::user(anyhow!(
            "{place} holds no snapshot: `tollwatch up` makes one there by itself, `tollwatch batch` from files of \
             calls; name another place with --data"
        ))
    })?;
    let values = snapshot.column(party, arguments.level, &arguments.feature);
    let leaders = leaders(values, arguments.count as usize).await.or_internal()?;
    if arguments.json {
        return print(&(in_json(&snapshot, &arguments, party, &leaders) + "\n"));
    }
    let mut text = format!(
        "{} of {} {}s as of {}\n",
        arguments.feature,
        party.as_str(),
        if arguments.level == Level::Prefix { "prefixe" } else { arguments.level.as_str() },
        snapshot.manifest().as_of
    );
    let width = leaders.iter().map(|leader| leader.key.len()).max().unwrap_or(0);
    for leader in &leaders {
        let value = if integers { format!("{}", leader.value) } else { format!("{:.3}", leader.value) };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:<width$}  {value}", leader.key);
    }
    if leaders.is_empty() {
        text.push_str("nobody: no entity has a value\n");
    }
    print(&text)
}

/// The feature that is asked for, or what to ask for instead.
fn find<'a>(set: &'a Arc<FeatureSet>, arguments: &Arguments) -> Result<&'a Feature, Failure> {
    let id = arguments.feature.as_str();
    let refuse = |why: String| Err(Failure::user(anyhow!("{why}")));
    let has_batch = |feature: &Feature| feature.batch.iter().any(|window| feature.id(Window::Batch(*window)) == id);
    let declared: Vec<&Feature> = set.features().iter().filter(|feature| has_batch(feature)).collect();
    if declared.is_empty() {
        let mut windows: Vec<String> = Vec::new();
        for feature in set.features() {
            let ids = feature.windows().map(|window| feature.id(window));
            if feature.name == id || ids.into_iter().any(|known| known == id) {
                windows.extend(feature.batch.iter().map(|window| feature.id(Window::Batch(*window))));
            }
        }
        if !windows.is_empty() {
            return refuse(format!("{id} is no window of a snapshot: give one of {}", windows.join(", ")));
        }
        return match Catalog::new(Arc::clone(set)).select(&[id]) {
            Err(RequestError::FeatureUnknown { nearest, .. }) if !nearest.is_empty() => {
                refuse(format!("{id} is no feature; near it are {}", nearest.join(", ")))
            }
            Err(_) => refuse(format!("{id} is no feature: `tollwatch features list` has them")),
            Ok(_) => refuse(format!("{id} has no window of days: ask a service with `tollwatch get`")),
        };
    }
    let of_party = declared.iter().find(|feature| arguments.party.is_none_or(|party| party == feature.party));
    let Some(feature) = of_party else {
        return refuse(format!("{id} is a feature of the {}: leave out --party", declared[0].party.as_str()));
    };
    if !feature.levels.contains(&arguments.level) {
        let levels: Vec<&str> = feature.levels.iter().map(|level| level.as_str()).collect();
        return refuse(format!(
            "{id} is not computed for a {}: give --level {}",
            arguments.level.as_str(),
            levels.join(" or ")
        ));
    }
    Ok(feature)
}

/// An entity and its value. The greater value comes first, then the lesser key.
#[derive(Clone, Debug, PartialEq)]
struct Leader {
    value: Amount,
    key: String,
}

impl Eq for Leader {}

impl Ord for Leader {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value).then_with(|| other.key.cmp(&self.key))
    }
}

impl PartialOrd for Leader {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A value that is there. All of a column are of one kind.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
enum Amount {
    Integer(i64),
    Number(f64),
}

impl Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        let number = |amount: &Self| match amount {
            Self::Integer(integer) => *integer as f64,
            Self::Number(number) => *number,
        };
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (a, b) => number(a).total_cmp(&number(b)),
        }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(integer) => integer.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// The first `count` of a column, from the greatest on, in memory for so many.
async fn leaders<E>(
    values: impl futures::Stream<Item = Result<(String, Value), E>>,
    count: usize,
) -> Result<Vec<Leader>, E> {
    let mut values = std::pin::pin!(values);
    let mut heap: BinaryHeap<Reverse<Leader>> = BinaryHeap::new();
    while let Some((key, value)) = values.try_next().await? {
        let value = match value {
            Value::Missing => continue,
            Value::Integer(integer) => Amount::Integer(integer),
            Value::Number(number) => Amount::Number(number),
        };
        heap.push(Reverse(Leader { value, key }));
        if heap.len() > count {
            heap.pop();
        }
    }
    Ok(heap.into_sorted_vec().into_iter().map(|Reverse(leader)| leader).collect())
}

fn in_json(snapshot: &Snapshot, arguments: &Arguments, party: Party, leaders: &[Leader]) -> String {
    let entities: Vec<_> =
        leaders.iter().map(|leader| serde_json::json!({"key": leader.key, "value": leader.value})).collect();
    serde_json::json!({
        "feature": arguments.feature,
        "party": party.as_str(),
        "level": arguments.level.as_str(),
        "as_of": snapshot.manifest().as_of.to_string(),
        "feature_set_version": snapshot.manifest().feature_set_version,
        "entities": entities,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn the_greatest_come_first_and_of_equals_the_lesser_key() {
        let column =
            [("d", 7), ("b", 9), ("c", 7), ("a", 1)].map(|(key, value)| (key.to_owned(), Value::Integer(value)));
        let column =
            futures::stream::iter(column.into_iter().chain([("e".to_owned(), Value::Missing)]).map(Ok::<_, ()>));
        let keys: Vec<String> = leaders(column, 3).await.unwrap().into_iter().map(|leader| leader.key).collect();
        assert_eq!(keys, ["b", "c", "d"]);
    }
}
