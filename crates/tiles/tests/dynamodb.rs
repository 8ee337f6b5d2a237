//! The DynamoDB backend against the embedded table.
#![allow(clippy::unwrap_used)]

use local_aws::{DynamoStorage, LocalAws, LocalAwsConfig};

#[tokio::test]
async fn dynamodb_keeps_the_contract() {
    let config = LocalAwsConfig { dynamodb: Some(DynamoStorage::Memory), ..Default::default() };
    let local = LocalAws::start(config).await.unwrap();
    let tiles = tiles::DynamoTiles::new(local.dynamodb().unwrap().clone(), "tiles");
    tiles.create_table_if_missing().await.unwrap();
    tiles.create_table_if_missing().await.unwrap();
    tiles::check_store(&tiles).await.unwrap();
    let mut seen = 0;
    tiles.scan(|_, _| seen += 1).await.unwrap();
    assert_eq!(seen, 9);
    assert_eq!(tiles.sweep(4_000_000_001).await.unwrap(), 8);
    assert_eq!(tiles.sweep(4_000_000_001).await.unwrap(), 0);
}
