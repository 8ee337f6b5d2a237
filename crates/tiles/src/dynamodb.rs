//! Tiles in a DynamoDB table: one item a tile, written by conditional `UpdateItem`, which hands the current item
//! back when it refuses.
//!
//! Attributes are short, for they count towards the bytes billed: `pk`, `sk`, `v` version (a number on caller
//! tiles, bytes on derived ones), `c` marks of the calls counted, `s` state, `ttl` expiry in seconds.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TimeToLiveSpecification,
};
use smol_str::SmolStr;

use crate::{CasOutcome, Position, StoreError, StoredTile, TileKey, TileStore, TileVersion};

type Item = HashMap<String, AttributeValue>;

/// A table of tiles.
#[derive(Clone, Debug)]
pub struct DynamoTiles {
    client: Client,
    table: String,
}

/// A table that cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[error("table {table}: {why}")]
pub struct TableSetupError {
    table: String,
    why: String,
}

impl DynamoTiles {
    /// The tiles of a table that exists.
    pub fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.to_owned() }
    }

    /// Makes the table, on demand and with TTL, unless it is there. For local endpoints; on AWS the template
    /// makes it.
    pub async fn create_table_if_missing(&self) -> Result<(), TableSetupError> {
        let wrong = |why: String| TableSetupError { table: self.table.clone(), why };
        let tables = self.client.list_tables().send().await.map_err(|error| wrong(shown(&error)))?;
        if tables.table_names().contains(&self.table) {
            return Ok(());
        }
        let key = |name: &str, role| KeySchemaElement::builder().attribute_name(name).key_type(role).build();
        let text = |name: &str| {
            let kind = ScalarAttributeType::S;
            AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()
        };
        let built = |error: aws_sdk_dynamodb::error::BuildError| wrong(error.to_string());
        self.client
            .create_table()
            .table_name(&self.table)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key("pk", KeyType::Hash).map_err(built)?)
            .key_schema(key("sk", KeyType::Range).map_err(built)?)
            .attribute_definitions(text("pk").map_err(built)?)
            .attribute_definitions(text("sk").map_err(built)?)
            .send()
            .await
            .map_err(|error| wrong(shown(&error)))?;
        let ttl = TimeToLiveSpecification::builder().attribute_name("ttl").enabled(true).build().map_err(built)?;
        let update = self.client.update_time_to_live().table_name(&self.table).time_to_live_specification(ttl);
        update.send().await.map_err(|error| wrong(shown(&error)))?;
        Ok(())
    }

    /// Every tile of the table, page by page, without the marks. For checks and sweeps; it reads everything.
    pub async fn scan(&self, mut visit: impl FnMut(TileKey, StoredTile) + Send) -> Result<(), StoreError> {
        let mut pages = self.client.scan().table_name(&self.table).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| classify_read(&error))?;
            for item in items_of(page.items)? {
                let key = TileKey { pk: SmolStr::new(text(&item, "pk")?), sk: SmolStr::new(text(&item, "sk")?) };
                visit(key, read_item(&item)?);
            }
        }
        Ok(())
    }

    /// Deletes tiles that expired before `now_s`, which DynamoDB does by itself and the embedded table does
    /// not. Returns how many.
    pub async fn sweep(&self, now_s: i64) -> Result<usize, StoreError> {
        let mut expired = Vec::new();
        self.scan(|key, tile| {
            if tile.expires_at_s < now_s {
                expired.push(key);
            }
        })
        .await?;
        for key in &expired {
            let delete = self
                .client
                .delete_item()
                .table_name(&self.table)
                .key("pk", AttributeValue::S(key.pk.to_string()))
                .key("sk", AttributeValue::S(key.sk.to_string()));
            delete.send().await.map_err(|error| classify_read(&error))?;
        }
        Ok(expired.len())
    }
}

impl TileStore for DynamoTiles {
    async fn compare_and_set(
        &self,
        key: &TileKey,
        expected: Option<TileVersion>,
        tile: &StoredTile,
    ) -> Result<CasOutcome, StoreError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(key.pk.to_string()))
            .key("sk", AttributeValue::S(key.sk.to_string()))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":v", version_value(tile.version))
            .expression_attribute_values(":s", AttributeValue::B(Blob::new(tile.state.clone())))
            .expression_attribute_values(":ttl", AttributeValue::N(tile.expires_at_s.to_string()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        update = if tile.calls.is_empty() {
            update.update_expression("SET v = :v, s = :s, #ttl = :ttl")
        } else {
            update
                .update_expression("SET v = :v, s = :s, #ttl = :ttl, c = :c")
                .expression_attribute_values(":c", AttributeValue::B(Blob::new(tile.calls.clone())))
        };
        update = match expected {
            None => update.condition_expression("attribute_not_exists(pk)"),
            Some(version) => update
                .condition_expression("v = :expected")
                .expression_attribute_values(":expected", version_value(version)),
        };
        match update.send().await {
            Ok(done) => {
                let units = done.consumed_capacity.and_then(|capacity| capacity.capacity_units).unwrap_or(0.0);
                Ok(CasOutcome::Written { units })
            }
            Err(error) => refusal(key, &error),
        }
    }

    async fn query(&self, partition: &str, from: &str, to: &str) -> Result<Vec<(SmolStr, StoredTile)>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk and sk between :from and :to")
            .projection_expression("sk, v, s, #ttl")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()))
            .expression_attribute_values(":from", AttributeValue::S(from.to_owned()))
            .expression_attribute_values(":to", AttributeValue::S(to.to_owned()))
            .into_paginator()
            .send();
        let mut tiles = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| classify_read(&error))?;
            for item in items_of(page.items)? {
                let sk = text(&item, "sk")?;
                // BETWEEN takes in its upper bound.
                if sk < to {
                    tiles.push((SmolStr::new(sk), read_item(&item)?));
                }
            }
        }
        Ok(tiles)
    }
}

/// A page without tiles has an empty list. What answers without one is not the store, or only half of it.
fn items_of<T>(items: Option<Vec<T>>) -> Result<Vec<T>, StoreError> {
    items.ok_or_else(|| StoreError::Unavailable("an answer without Items".to_owned()))
}

fn refusal(key: &TileKey, error: &SdkError<UpdateItemError>) -> Result<CasOutcome, StoreError> {
    if let Some(UpdateItemError::ConditionalCheckFailedException(refused)) = error.as_service_error() {
        let current = refused.item().filter(|item| !item.is_empty()).map(read_item).transpose()?;
        // A refused write is billed at the size of the item found; the answer does not say how much.
        let units = current.as_ref().map_or(1.0, |tile| crate::write_units(key, tile));
        return Ok(CasOutcome::Refused { current, units });
    }
    Err(classify_read(error))
}

/// Throttling and silence can be retried; what the service understood and refused cannot.
fn classify_read<E>(error: &SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let message = shown(error);
    let Some(service) = error.as_service_error() else { return StoreError::Unavailable(message) };
    match service.code().unwrap_or_default() {
        "ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded" => {
            StoreError::Throttled(message)
        }
        "ResourceNotFoundException" => StoreError::NoTable(message),
        "InternalServerError" | "ServiceUnavailable" | "" => StoreError::Unavailable(message),
        _ => StoreError::Fatal(message),
    }
}

/// What the service said; where it said nothing, what happened on the way to it. The SDK's own text of it is that of a
/// debugger.
fn shown<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let said = error.as_service_error().map(|service| (service.code(), service.message()));
    match said {
        Some((Some(code), Some(message))) => format!("{code}: {message}"),
        Some((Some(code), None)) => code.to_owned(),
        _ => {
            let causes = std::iter::successors(Some(error as &dyn std::error::Error), |cause| cause.source());
            let mut told: Vec<String> = causes.map(ToString::to_string).collect();
            told.dedup();
            told.join(": ")
        }
    }
}

fn version_value(version: TileVersion) -> AttributeValue {
    match version {
        TileVersion::Calls(calls) => AttributeValue::N(calls.to_string()),
        TileVersion::Applied(position) => AttributeValue::B(Blob::new(position.as_bytes())),
    }
}

fn read_item(item: &Item) -> Result<StoredTile, StoreError> {
    let version = match item.get("v") {
        Some(AttributeValue::N(calls)) => calls.parse().ok().map(TileVersion::Calls),
        Some(AttributeValue::B(bytes)) => Position::from_bytes(bytes.as_ref()).map(TileVersion::Applied),
        _ => None,
    };
    let bytes = |name: &str| match item.get(name) {
        Some(AttributeValue::B(bytes)) => Some(bytes.as_ref().to_vec()),
        _ => None,
    };
    let expires_at_s = match item.get("ttl") {
        Some(AttributeValue::N(seconds)) => seconds.parse().ok(),
        _ => None,
    };
    match (version, bytes("s"), expires_at_s) {
        (Some(version), Some(state), Some(expires_at_s)) => {
            Ok(StoredTile { version, calls: bytes("c").unwrap_or_default(), state, expires_at_s })
        }
        _ => Err(StoreError::Fatal("an item of the table is no tile: it lacks v, s or ttl".to_owned())),
    }
}

fn text<'a>(item: &'a Item, name: &str) -> Result<&'a str, StoreError> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(StoreError::Fatal(format!("an item of the table is no tile: it lacks {name}"))),
    }
}
