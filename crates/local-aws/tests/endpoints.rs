//! The behaviour of the three endpoints that the rest of Tollwatch relies on.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ReturnValuesOnConditionCheckFailure,
    ScalarAttributeType,
};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use aws_sdk_s3::primitives::ByteStream;
use local_aws::{DynamoStorage, Error, LocalAws, LocalAwsConfig, Ports};

async fn create_table(client: &aws_sdk_dynamodb::Client) {
    let key = |name: &str, kind: KeyType| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let attribute = |name: &str| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
    };
    client
        .create_table()
        .table_name("tiles")
        .key_schema(key("pk", KeyType::Hash).unwrap())
        .key_schema(key("sk", KeyType::Range).unwrap())
        .attribute_definitions(attribute("pk").unwrap())
        .attribute_definitions(attribute("sk").unwrap())
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
}

fn tile_key() -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S("1#caller:prefix:+1202".to_owned())),
        ("sk".to_owned(), AttributeValue::S("1m#0".to_owned())),
    ])
}

/// Writes version `to` where version `from` (or nothing) is; `Err` is the item that was there instead.
async fn write_version(
    client: &aws_sdk_dynamodb::Client,
    from: Option<u64>,
    to: u64,
) -> Result<(), Option<HashMap<String, AttributeValue>>> {
    let update = client
        .update_item()
        .table_name("tiles")
        .set_key(Some(tile_key()))
        .update_expression("SET v = :to")
        .expression_attribute_values(":to", AttributeValue::N(to.to_string()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let update = match from {
        None => update.condition_expression("attribute_not_exists(v)"),
        Some(from) => update
            .condition_expression("v = :from")
            .expression_attribute_values(":from", AttributeValue::N(from.to_string())),
    };
    match update.send().await {
        Ok(_) => Ok(()),
        Err(error) => match error.into_service_error() {
            aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(refused) => {
                Err(refused.item)
            }
            other => panic!("{other:?}"),
        },
    }
}

#[tokio::test]
async fn a_refused_update_brings_the_current_item_back() {
    let local = LocalAws::start(LocalAwsConfig::default().with_dynamodb(DynamoStorage::Memory)).await.unwrap();
    let client = local.dynamodb().unwrap();
    create_table(&client).await;
    write_version(&client, None, 1).await.unwrap();
    write_version(&client, Some(1), 2).await.unwrap();

    let refused = write_version(&client, Some(1), 3).await.unwrap_err().unwrap();
    assert_eq!(refused["v"], AttributeValue::N("2".to_owned()));
    assert_eq!(refused["pk"], tile_key()["pk"]);
    local.shutdown().await;
}

#[tokio::test]
async fn tables_in_a_file_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = LocalAwsConfig::default().with_dynamodb(DynamoStorage::File(folder.path().join("dynamodb.sqlite")));

    let first = LocalAws::start(config.clone()).await.unwrap();
    create_table(&first.dynamodb().unwrap()).await;
    write_version(&first.dynamodb().unwrap(), None, 7).await.unwrap();
    let second = LocalAws::start(config.clone()).await;
    assert!(matches!(second, Err(Error::StateInUse { .. })), "{second:?}");
    first.shutdown().await;

    let again = LocalAws::start(config).await.unwrap();
    let item =
        again.dynamodb().unwrap().get_item().table_name("tiles").set_key(Some(tile_key())).send().await.unwrap();
    assert_eq!(item.item.unwrap()["v"], AttributeValue::N("7".to_owned()));
    again.shutdown().await;
}

#[tokio::test]
async fn a_stream_gives_back_what_was_put_in_order() {
    let local = LocalAws::start(LocalAwsConfig::default().with_kinesis()).await.unwrap();
    let arn = local.create_stream("calls", 1).await.unwrap();
    assert_eq!(arn, "arn:aws:kinesis:us-east-1:000000000000:stream/calls");
    let client = local.kinesis().unwrap();
    // One request above the 2 MB that a web framework allows by default.
    let entries: Vec<_> = (0..4_u8)
        .map(|n| {
            PutRecordsRequestEntry::builder()
                .partition_key("+12025550101")
                .data(Blob::new(vec![n; 1_000_000]))
                .build()
                .unwrap()
        })
        .collect();
    let put = client.put_records().stream_name("calls").set_records(Some(entries)).send().await.unwrap();
    assert_eq!(put.failed_record_count, Some(0));

    let iterator = client
        .get_shard_iterator()
        .stream_name("calls")
        .shard_id("shardId-000000000000")
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await
        .unwrap();
    let got = client.get_records().set_shard_iterator(iterator.shard_iterator).send().await.unwrap();
    let firsts: Vec<u8> = got.records.iter().map(|record| record.data.as_ref()[0]).collect();
    assert_eq!(firsts, [0, 1, 2, 3]);
    local.shutdown().await;
}

/// Many writers to one shard while a reader polls: every record is read once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_misses_nothing_while_writers_race() {
    const WRITERS: usize = 8;
    const PUTS: usize = 40;
    let local = LocalAws::start(LocalAwsConfig::default().with_kinesis()).await.unwrap();
    local.create_stream("calls", 1).await.unwrap();
    let client = local.kinesis().unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let client = client.clone();
            tokio::spawn(async move {
                for n in 0..PUTS {
                    let data = Blob::new(format!("{writer}/{n}"));
                    client.put_record().stream_name("calls").partition_key("k").data(data).send().await.unwrap();
                }
            })
        })
        .collect();
    let mut iterator = client
        .get_shard_iterator()
        .stream_name("calls")
        .shard_id("shardId-000000000000")
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await
        .unwrap()
        .shard_iterator;
    let mut read = Vec::new();
    loop {
        let all_put = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let got = client.get_records().set_shard_iterator(iterator).send().await.unwrap();
        let empty = got.records.is_empty();
        read.extend(got.records.into_iter().map(|record| String::from_utf8(record.data.into_inner()).unwrap()));
        iterator = got.next_shard_iterator;
        if all_put && empty {
            break;
        }
    }
    assert_eq!(read.len(), WRITERS * PUTS);
    read.sort_unstable();
    read.dedup();
    assert_eq!(read.len(), WRITERS * PUTS);
    local.shutdown().await;
}

#[tokio::test]
async fn a_conditional_put_on_an_old_version_answers_412() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalAws::start(LocalAwsConfig::default().with_s3(folder.path())).await.unwrap();
    let client = local.s3().unwrap();
    client.create_bucket().bucket("snapshots").send().await.unwrap();
    let put = |body: &'static str| {
        client.put_object().bucket("snapshots").key("current.json").body(ByteStream::from_static(body.as_bytes()))
    };
    let first = put("1").if_none_match("*").send().await.unwrap().e_tag.unwrap();
    put("2").if_match(&first).send().await.unwrap();

    for refused in [put("3").if_match(&first).send().await, put("3").if_none_match("*").send().await] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.raw_response().unwrap().status().as_u16(), 412);
    }
    local.shutdown().await;

    let again = LocalAws::start(LocalAwsConfig::default().with_s3(folder.path())).await.unwrap();
    let got = again.s3().unwrap().get_object().bucket("snapshots").key("current.json").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "2");
    again.shutdown().await;
}

/// Of many conditional puts on the same version exactly one wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_conditional_puts_wins() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalAws::start(LocalAwsConfig::default().with_s3(folder.path())).await.unwrap();
    let client = local.s3().unwrap();
    client.create_bucket().bucket("snapshots").send().await.unwrap();
    let puts = (0..16).map(|n: u32| {
        let put = client
            .put_object()
            .bucket("snapshots")
            .key("current.json")
            .body(ByteStream::from(n.to_string().into_bytes()))
            .if_none_match("*");
        tokio::spawn(put.send())
    });
    let won = futures::future::join_all(puts).await.into_iter().filter(|put| put.as_ref().unwrap().is_ok()).count();
    assert_eq!(won, 1);
    local.shutdown().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let local = LocalAws::start(LocalAwsConfig::default().with_kinesis()).await.unwrap();
    let url = local.endpoints().kinesis.unwrap();
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    let error = LocalAws::start(
        LocalAwsConfig::default().with_kinesis().with_ports(Ports { kinesis: port, ..Ports::default() }),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, Error::PortInUse { port: named, .. } if named == port), "{error}");
    local.shutdown().await;

    // The port is free again.
    let again = LocalAws::start(
        LocalAwsConfig::default().with_kinesis().with_ports(Ports { kinesis: port, ..Ports::default() }),
    )
    .await
    .unwrap();
    assert_eq!(again.endpoints().kinesis, Some(url));
    again.shutdown().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dynamodb.sqlite");
    let damaged = [b"SQLite format 3\0".as_slice(), &[7; 4096]].concat();
    for content in [b"call_id,caller\n".as_slice(), b"x", &damaged] {
        std::fs::write(&path, content).unwrap();
        let error = LocalAws::start(LocalAwsConfig::default().with_dynamodb(DynamoStorage::File(path.clone())))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::NotADatabase { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for config in [
        LocalAwsConfig::default().with_s3(file.join("s3")),
        LocalAwsConfig::default().with_dynamodb(DynamoStorage::File(folder.path().join("missing/dynamodb.sqlite"))),
    ] {
        let error = LocalAws::start(config).await.unwrap_err();
        assert!(matches!(error, Error::Folder { .. }), "{error}");
        assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn only_what_was_asked_for_runs() {
    let local = LocalAws::start(LocalAwsConfig::default().with_dynamodb(DynamoStorage::Memory)).await.unwrap();
    let endpoints = local.endpoints();
    assert!(endpoints.dynamodb.is_some() && endpoints.kinesis.is_none() && endpoints.s3.is_none());
    assert!(matches!(local.kinesis(), Err(Error::NotStarted { .. })));
    local.shutdown().await;
}
