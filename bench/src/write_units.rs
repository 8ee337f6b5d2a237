//! DynamoDB write units a call: Tollwatch beside a plain ADD per window and beside transactions.
//!
//!     cargo run --release -p bench --bin write-units
//!
//! Prints a Markdown table. Tollwatch's units are those of its own store in memory, which bills as DynamoDB does; a
//! sample is sent through the SDK to the local DynamoDB, together with the peers, and billed by it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, Put, ReturnConsumedCapacity, TransactWriteItem, Update,
};
use bench::{Nowhere, arrivals, events, handle, machine};
use cdr::{CallRecord, NumberPlan};
use cdr_generator::Arrival;
use count_calls::{BatchReport, CallCounter, CounterSettings};
use features::{Entity, FeatureSet, Level, MINUTE_MS, Party};
use local_aws::{DynamoStorage, LocalAws, LocalAwsConfig};
use tiles::{DynamoTiles, MemoryTiles, TileStore};

const CALLS: usize = 100_000;
/// Calls that are sent through the SDK: at a batch of 1,000 from one shard, and one by one by the peers.
const SAMPLE: usize = 2_000;
/// The stream windows of the default features, in minutes.
const WINDOWS: [i64; 6] = [1, 5, 10, 60, 360, 1_440];
const TABLE: &str = "bench-tiles";

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let set = Arc::new(FeatureSet::default_set()?);
    let all = arrivals(CALLS)?;
    println!("Write units a call, default features, {CALLS} records of 200,000 subscribers ({}):\n", machine());
    println!("| shards | batch of 100 | batch of 1,000 | batch of 10,000 |\n|---|---|---|---|");
    for shards in [1_u32, 4, 16] {
        print!("| {shards} |");
        for batch in [100, 1_000, 10_000] {
            let store = Arc::new(MemoryTiles::default());
            let mut total = BatchReport::default();
            for shard in 0..shards {
                let mine: Vec<&Arrival> = all.iter().filter(|arrival| shard_of(arrival, shards) == shard).collect();
                total.merge(&count(Arc::clone(&store), &set, &events(shard, &mine, batch)).await?);
            }
            print!(" {:.2} |", total.write_units / total.counted as f64);
        }
        println!();
    }

    let sample: Vec<&Arrival> = all[CALLS - SAMPLE..].iter().collect();
    println!("\nBilled by the local DynamoDB through the SDK, the last {SAMPLE} records:\n");
    println!("| way | writes a call | units a call | ms a call |\n|---|---|---|---|");
    let started = Instant::now();
    let local = LocalAws::start(LocalAwsConfig::default().with_dynamodb(DynamoStorage::Memory)).await?;
    let tiles = DynamoTiles::new(local.dynamodb()?, TABLE);
    tiles.create_table_if_missing().await?;
    let report = count(tiles, &set, &events(0, &sample, 1_000)).await?;
    line("Tollwatch, batches of 1,000", report.writes as f64, report.write_units, report.counted, started);
    let client = local.dynamodb()?;
    let calls = calls(&set, &sample)?;
    let started = Instant::now();
    let (writes, units) = plain_add(&client, &set, &calls).await?;
    line("ADD per entity and window, not exactly once", writes, units, calls.len() as u64, started);
    let started = Instant::now();
    let (writes, units) = transactions(&client, &set, &calls).await?;
    line("transaction with an idempotency record", writes, units, calls.len() as u64, started);
    local.shutdown().await;
    Ok(())
}

fn line(way: &str, writes: f64, units: f64, calls: u64, started: Instant) {
    let calls = calls as f64;
    let ms = started.elapsed().as_secs_f64() * 1_000.0 / calls;
    println!("| {way} | {:.2} | {:.2} | {ms:.2} |", writes / calls, units / calls);
}

/// The shard of a caller, evenly enough.
fn shard_of(arrival: &Arrival, shards: u32) -> u32 {
    (features::hash_text(&arrival.partition_key) % u64::from(shards)) as u32
}

async fn count(store: impl TileStore, set: &Arc<FeatureSet>, events: &[String]) -> anyhow::Result<BatchReport> {
    let plan = Arc::new(NumberPlan::new("US")?);
    let mut counter = CallCounter::new(store, Nowhere, Arc::clone(set), plan, CounterSettings::default());
    let mut total = BatchReport::default();
    handle(&mut counter, events, &mut total).await?;
    Ok(total)
}

/// The calls of a sample that can be read, each once.
fn calls(set: &FeatureSet, sample: &[&Arrival]) -> anyhow::Result<Vec<CallRecord>> {
    let plan = NumberPlan::new(&set.settings().default_region)?;
    let parsed = sample.iter().filter_map(|arrival| cdr::parse(&plan, &arrival.bytes).ok());
    let mut seen = BTreeMap::new();
    parsed.for_each(|parsed| drop(seen.insert(parsed.record.call_id.clone(), parsed.record)));
    Ok(seen.into_values().collect())
}

/// The entities that the stream keeps of a call: the peers keep the same.
fn entities(set: &FeatureSet, call: &CallRecord) -> Vec<Entity> {
    let mut entities = Vec::new();
    for party in Party::ALL {
        for level in Level::ALL.into_iter().filter(|level| set.is_streamed(party, *level)) {
            if let Some(key) = level.key(party.number(call), set.settings().range_digits) {
                entities.push(Entity::new(party, level, key));
            }
        }
    }
    entities
}

fn key(entity: &Entity, width: i64, start_ms: i64) -> [(&'static str, AttributeValue); 2] {
    let start = start_ms.div_euclid(width * MINUTE_MS) * width;
    [("pk", AttributeValue::S(format!("add#{entity}"))), ("sk", AttributeValue::S(format!("{width}m#{start:010}")))]
}

fn units(capacity: Option<&ConsumedCapacity>) -> f64 {
    capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or_default()
}

/// One ADD a call for each entity and window: counts and sums alone, and twice after a redelivery.
async fn plain_add(client: &Client, set: &FeatureSet, calls: &[CallRecord]) -> anyhow::Result<(f64, f64)> {
    let (mut writes, mut billed) = (0.0, 0.0);
    for call in calls {
        for entity in entities(set, call) {
            for window in WINDOWS {
                let [pk, sk] = key(&entity, window, call.started_at_ms);
                let answer = client
                    .update_item()
                    .table_name(TABLE)
                    .key(pk.0, pk.1)
                    .key(sk.0, sk.1)
                    .update_expression("ADD calls :one, talk_ms :talk")
                    .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
                    .expression_attribute_values(":talk", AttributeValue::N(call.talk_ms().to_string()))
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
                    .await?;
                writes += 1.0;
                billed += units(answer.consumed_capacity());
            }
        }
    }
    Ok((writes, billed))
}

/// One transaction a call: a record that the call was counted, and an ADD to the minute of each entity. Exactly once
/// within the life of the record, and billed twice for each item.
async fn transactions(client: &Client, set: &FeatureSet, calls: &[CallRecord]) -> anyhow::Result<(f64, f64)> {
    let (mut writes, mut billed) = (0.0, 0.0);
    for call in calls {
        let seen = Put::builder()
            .table_name(TABLE)
            .item("pk", AttributeValue::S(format!("seen#{}#{}", call.caller.as_str(), call.call_id)))
            .item("sk", AttributeValue::S("seen".to_owned()))
            .condition_expression("attribute_not_exists(pk)")
            .build()?;
        let mut items = vec![TransactWriteItem::builder().put(seen).build()];
        for entity in entities(set, call) {
            let [pk, sk] = key(&entity, 1, call.started_at_ms);
            let update = Update::builder()
                .table_name(TABLE)
                .key(pk.0, AttributeValue::S(format!("tx{}", pk.1.as_s().map_err(|_| anyhow::anyhow!("a key"))?)))
                .key(sk.0, sk.1)
                .update_expression("ADD calls :one, talk_ms :talk")
                .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
                .expression_attribute_values(":talk", AttributeValue::N(call.talk_ms().to_string()))
                .build()?;
            items.push(TransactWriteItem::builder().update(update).build());
        }
        let count = items.len();
        let answer = client
            .transact_write_items()
            .set_transact_items(Some(items))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .context("a transaction failed")?;
        writes += count as f64;
        billed += answer.consumed_capacity().iter().map(|capacity| units(Some(capacity))).sum::<f64>();
    }
    Ok((writes, billed))
}
