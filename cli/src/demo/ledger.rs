//! Calls in and calls out: what the sender says was sent against what the table and quarantine hold.

use std::collections::BTreeMap;

use objects::Objects;
use tiles::{DynamoTiles, TileVersion};

use crate::demo::material::Material;

/// The balance of the stream.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct Balance {
    /// Records put on the stream.
    pub(crate) received: u64,
    /// Calls counted, read back from the caller tiles of the table.
    pub(crate) counted: u64,
    /// Records that were copies: what is neither counted nor quarantined.
    pub(crate) duplicates: u64,
    /// Records in quarantine.
    pub(crate) quarantined: u64,
    /// The same by reason.
    pub(crate) quarantined_by_reason: BTreeMap<String, u64>,
    /// Facts that differ from the sender's own ledger.
    #[serde(skip)]
    pub(crate) differences: Vec<String>,
}

/// Reads both back and compares them with the ledger.
pub(crate) async fn balance(
    material: &Material,
    tiles: &DynamoTiles,
    quarantine: &Objects,
) -> anyhow::Result<Balance> {
    let mut counted = 0;
    tiles
        .scan(|_, tile| {
            if let TileVersion::Calls(calls) = tile.version {
                counted += u64::from(calls);
            }
        })
        .await?;
    let mut by_reason = BTreeMap::new();
    for object in quarantine.list("quarantine/").await? {
        let reason = object.key.split('/').nth(1).unwrap_or_default().to_owned();
        *by_reason.entry(reason).or_default() += 1;
    }
    let received = material.records.len() as u64;
    let quarantined = by_reason.values().sum();
    let sent = &material.sent;
    let mut differences = Vec::new();
    if counted != sent.unique {
        differences.push(format!("{counted} calls are in the table, {} were sent", sent.unique));
    }
    if by_reason != sent.invalid {
        differences.push(format!("quarantine holds {by_reason:?}, sent were {:?}", sent.invalid));
    }
    let duplicates = received.saturating_sub(counted + quarantined);
    if duplicates != sent.duplicates {
        differences.push(format!("{duplicates} records are copies, {} were sent", sent.duplicates));
    }
    Ok(Balance { received, counted, duplicates, quarantined, quarantined_by_reason: by_reason, differences })
}
