//! The objects of a quarantine: found, read, and told in JSON lines.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cdr::Reason;
use count_calls::QuarantinedRecord;
use futures::{Stream, StreamExt as _};
use indicatif::HumanCount;
use objects::{Location, Objects};
use serde::{Deserialize, Serialize};

use crate::defaults::STATE_FOLDER;
use crate::failure::{Blame as _, Failure};
use crate::locations;

/// What all keys begin with.
const FOLDER: &str = "quarantine/";
/// Objects read at a time; each may hold a record of some megabytes.
const READS_IN_FLIGHT: usize = 16;

/// Where a quarantine is.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// Where the quarantine is: a folder or s3://bucket/prefix, in which `quarantine/` is
    #[arg(long, value_name = "LOCATION", default_value = STATE_FOLDER)]
    at: Location,
}

impl Place {
    /// Opens it; it must exist.
    pub(crate) async fn open(&self) -> Result<Store, Failure> {
        let objects = locations::open(&self.at).await?;
        objects.check_exists().await.context("there is no quarantine: name its place with --at").or_user()?;
        Ok(Store(objects))
    }
}

/// A record and its key.
pub(crate) struct Stored {
    pub(crate) key: String,
    pub(crate) record: QuarantinedRecord,
    /// What the producer sent.
    pub(crate) bytes: Vec<u8>,
}

/// A quarantine.
#[derive(Clone)]
pub(crate) struct Store(Objects);

impl Store {
    /// The keys of all records, or of those of one reason.
    pub(crate) async fn keys(&self, reason: Option<Reason>) -> Result<Vec<String>, Failure> {
        let prefix = reason.map_or_else(|| FOLDER.to_owned(), |reason| format!("{FOLDER}{}/", reason.as_str()));
        let listed = self.0.list(&prefix).await.or_internal()?;
        Ok(listed.into_iter().map(|object| object.key).collect())
    }

    /// Reads records in the order of their keys. One that is gone meanwhile is left out.
    pub(crate) fn read(&self, keys: Vec<String>) -> impl Stream<Item = Result<Stored, Failure>> + use<> {
        let store = self.clone();
        let reads = futures::stream::iter(keys).map(move |key| {
            let store = store.clone();
            async move { store.get(&key).await.transpose() }
        });
        reads.buffered(READS_IN_FLIGHT).filter_map(|read| async { read })
    }

    /// The record of a key; `None` where there is none.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Stored>, Failure> {
        let json = match self.0.get(key).await {
            Ok(json) => json,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error @ objects::Error::InvalidKey { .. }) => return Err(Failure::user(error)),
            Err(error) => return Err(Failure::internal(error)),
        };
        let what = || format!("{key} in {} is no record that was set aside: move it elsewhere", self.0.location());
        let record: QuarantinedRecord = serde_json::from_slice(&json).with_context(what).or_user()?;
        let bytes = STANDARD.decode(&record.bytes).with_context(what).or_user()?;
        Ok(Some(Stored { key: key.to_owned(), record, bytes }))
    }

    /// Forgets a record.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), objects::Error> {
        self.0.delete(key).await
    }

    /// Where it is, for messages.
    pub(crate) fn location(&self) -> Location {
        self.0.location()
    }
}

/// A record as `list --json` writes it and `redrive --from` reads it: what `key` names is replaced by `record`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) key: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    shard: String,
    #[serde(default)]
    position: String,
    #[serde(default)]
    arrived_at: String,
    /// The original, where it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    /// The original, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record_base64: Option<String>,
}

impl Line {
    /// The line of a record.
    pub(crate) fn of(stored: Stored) -> Self {
        let Stored { key, record: set_aside, bytes } = stored;
        let QuarantinedRecord { reason, message, shard, position, arrived_at_ms, bytes: base64 } = set_aside;
        let (record, record_base64) = match String::from_utf8(bytes) {
            Ok(text) => (Some(text), None),
            Err(_) => (None, Some(base64)),
        };
        let arrived_at = cdr::format_time(arrived_at_ms);
        Self { key, reason, message, shard, position, arrived_at, record, record_base64 }
    }

    /// The record that it holds. Errors do not quote it.
    pub(crate) fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        match (&self.record, &self.record_base64) {
            (Some(text), None) => Ok(text.clone().into_bytes()),
            (None, Some(base64)) => STANDARD.decode(base64).map_err(|_| anyhow!("record_base64 is no base64")),
            _ => Err(anyhow!("it must have either record or record_base64")),
        }
    }
}

/// The reason in a key.
pub(crate) fn reason_of(key: &str) -> &str {
    key.strip_prefix(FOLDER).and_then(|rest| rest.split_once('/')).map_or("", |(reason, _)| reason)
}

/// The position in a key.
pub(crate) fn position_of(key: &str) -> &str {
    key.rsplit_once('/').and_then(|(_, name)| name.strip_suffix(".json")).unwrap_or_default()
}

/// Whether a key can be that of a record.
pub(crate) fn is_key(key: &str) -> bool {
    !reason_of(key).is_empty() && !position_of(key).is_empty()
}

/// A line a reason.
pub(crate) fn by_reason(counts: &BTreeMap<String, u64>) -> String {
    let line = |(reason, count): (&String, &u64)| format!("  {reason:<17}  {}\n", HumanCount(*count));
    counts.iter().map(line).collect()
}

/// Reads a reason code.
pub(crate) fn parse_reason(text: &str) -> Result<Reason, String> {
    Reason::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or_else(|| {
        let known = Reason::ALL.map(Reason::as_str).join(", ");
        format!("{text} is no reason: give one of {known}")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stored(bytes: &[u8]) -> Stored {
        let record = QuarantinedRecord {
            reason: "bad_time".to_owned(),
            message: "field started_at is no time".to_owned(),
            shard: "calls/1/shardId-000000000000".to_owned(),
            position: "0a".to_owned(),
            arrived_at_ms: 0,
            bytes: STANDARD.encode(bytes),
        };
        let key = "quarantine/bad_time/calls/1/shardId-000000000000/0a.json".to_owned();
        Stored { key, record, bytes: bytes.to_vec() }
    }

    #[test]
    fn a_line_gives_the_same_bytes_back() {
        for (bytes, field) in [(&b"{\"caller\": \"\xc3\xa9\"}"[..], "record"), (b"\n\x07\xff\xfe", "record_base64")] {
            let json = serde_json::to_value(Line::of(stored(bytes))).unwrap();
            assert!(json[field].is_string() && json["arrived_at"] == "1970-01-01T00:00:00.000Z", "{json}");
            assert_eq!(json.as_object().unwrap().len(), 7);
            assert_eq!(serde_json::from_value::<Line>(json).unwrap().bytes().unwrap(), bytes);
        }
        let both = serde_json::json!({"key": "k", "record": "a", "record_base64": "YQ=="});
        assert!(serde_json::from_value::<Line>(both).unwrap().bytes().is_err());
    }

    #[test]
    fn keys_name_reason_and_position() {
        let key = stored(b"").key;
        assert_eq!((reason_of(&key), position_of(&key)), ("bad_time", "0a"));
        assert!(is_key(&key));
        for key in ["", "quarantine/bad_time", "raw/bad_time/0a.json", "quarantine/bad_time/0a"] {
            assert!(!is_key(key), "{key}");
        }
    }

    #[test]
    fn reasons_are_known() {
        assert_eq!(parse_reason("too_late"), Ok(Reason::TooLate));
        assert!(parse_reason("late").unwrap_err().contains("too_late"));
    }
}
