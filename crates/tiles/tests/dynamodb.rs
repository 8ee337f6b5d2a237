//! The DynamoDB backend against the embedded table, and against another emulator for a second opinion.
#![allow(clippy::unwrap_used)]

use local_aws::{DynamoStorage, LocalAws, LocalAwsConfig};
use tiles::{StoreError, TileStore as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[tokio::test]
async fn dynamodb_keeps_the_contract() {
    let config = LocalAwsConfig { dynamodb: Some(DynamoStorage::Memory), ..Default::default() };
    let local = LocalAws::start(config).await.unwrap();
    // Another one to ask, without a table yet: `tests/rehearsal/emulators` has moto there, which bills half a unit for
    // any write.
    let other = std::env::var("DYNAMODB_ENDPOINT").map(|url| local_aws::dynamodb_client(&url));
    let tiles = tiles::DynamoTiles::new(other.clone().unwrap_or_else(|_| local.dynamodb().unwrap()), "tiles");
    tiles.create_table_if_missing().await.unwrap();
    tiles.create_table_if_missing().await.unwrap();
    let expected = match other {
        Ok(_) => tiles::check_counting(&tiles).await.map(|()| 9),
        Err(_) => tiles::check_store(&tiles).await.map(|()| 10),
    };
    let mut seen = 0;
    tiles.scan(|_, _| seen += 1).await.unwrap();
    assert_eq!(Ok(seen), expected);
    // All but the note of when counting began, which does not expire.
    assert_eq!(tiles.sweep(4_000_000_001).await.unwrap(), seen - 1);
    assert_eq!(tiles.sweep(4_000_000_001).await.unwrap(), 0);
}

/// A proxy with a fault, say. Zeros would be made of it.
#[tokio::test]
async fn an_answer_without_items_is_no_table_without_tiles() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 16 * 1024];
            let _ = stream.read(&mut request).await.unwrap();
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let tiles = tiles::DynamoTiles::new(local_aws::dynamodb_client(&url), "tiles");
    let error = tiles.query("partition", "0", "1").await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("Items")), "{error}");
}
