//! The ledger: which object of the input has calls of which days.
//!
//! A run of the batch job reads what the ledger does not know yet, builds the days anew that these objects have calls
//! of, and publishes the ledger that knows them. Neither the name nor the hour of an object says what is new.
//!
//! It is a text of JSON lines: a head, then a line an object in the order of their keys.

use std::collections::{BTreeMap, BTreeSet};

use objects::{Objects, Version};
use serde::{Deserialize, Serialize};

use crate::{LedgerFile, SnapshotError, UtcDay};

/// Format of the ledger.
const FORMAT: u32 = 1;

/// What the day tiles of a snapshot were made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Where the objects are, and how they are read.
    pub source: Source,
    /// Every object that was read, by its key: also those that are no longer there, until no day of theirs is kept.
    pub objects: BTreeMap<String, LedgerObject>,
    /// Calls of objects that were gone and are forgotten, by the day on which they began. A tile of such a day that is
    /// made from what is there now lacks them.
    pub forgotten: BTreeMap<UtcDay, u64>,
}

/// An input, and how it is read: the same objects read otherwise are other calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Path or URL.
    pub location: String,
    /// What the reader was told, such as the zone of Asterisk's files.
    pub reading: String,
}

/// An object of the input, as it was when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerObject {
    /// Bytes.
    pub size: u64,
    /// The version of its content: the `ETag`, or the MD5 of a file.
    pub version: String,
    /// The version that listings show, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<String>,
    /// Records in it, good and bad.
    pub records: u64,
    /// Records that are no valid call, by the code of the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub invalid: BTreeMap<String, u64>,
    /// Valid calls by the day on which they began, copies included.
    pub days: BTreeMap<UtcDay, u64>,
    /// Days whose tile is without what this object has to say: they could not be built anew when it was read, since
    /// another object was gone, or they were built when this one was gone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left_out: BTreeSet<UtcDay>,
    /// Whether it is no longer there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub gone: bool,
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    #[serde(flatten)]
    source: Source,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    forgotten: BTreeMap<UtcDay, u64>,
    /// Lines that follow: a text that was cut is known by it.
    objects: usize,
}

#[derive(Serialize, Deserialize)]
struct Line<K, O> {
    key: K,
    #[serde(flatten)]
    object: O,
}

impl LedgerObject {
    /// The version that a listing of the same object shows.
    pub fn listed_version(&self) -> Version {
        Version::new(self.listed.as_ref().unwrap_or(&self.version))
    }
}

impl Ledger {
    /// A ledger that knows no object.
    pub const fn new(source: Source) -> Self {
        Self { source, objects: BTreeMap::new(), forgotten: BTreeMap::new() }
    }

    /// Reads the ledger that a manifest names.
    pub async fn read(objects: &Objects, file: &LedgerFile) -> Result<Self, SnapshotError> {
        let text = objects.get(&file.key).await.map_err(|error| match error.is_not_found() {
            true => SnapshotError::gone(&file.key, objects),
            false => error.into(),
        })?;
        Self::parse(&file.key, &text)
    }

    /// The text, as it is stored.
    pub fn to_text(&self) -> Result<Vec<u8>, SnapshotError> {
        let failed = |error: serde_json::Error| SnapshotError::corrupt("the ledger", error);
        let (source, forgotten) = (self.source.clone(), self.forgotten.clone());
        let head = Head { format: FORMAT, source, forgotten, objects: self.objects.len() };
        let mut text = serde_json::to_vec(&head).map_err(failed)?;
        for (key, object) in &self.objects {
            text.push(b'\n');
            serde_json::to_writer(&mut text, &Line { key, object }).map_err(failed)?;
        }
        text.push(b'\n');
        Ok(text)
    }

    fn parse(key: &str, text: &[u8]) -> Result<Self, SnapshotError> {
        let corrupt = |error: serde_json::Error| SnapshotError::corrupt(key, error);
        let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let head = lines.next().unwrap_or_default();
        let found: serde_json::Value = serde_json::from_slice(head).map_err(corrupt)?;
        if let Some(format) = found["format"].as_u64().filter(|format| *format != u64::from(FORMAT)) {
            let found = u32::try_from(format).unwrap_or(u32::MAX);
            return Err(SnapshotError::Format { key: key.to_owned(), found, known: FORMAT });
        }
        let head: Head = serde_json::from_value(found).map_err(corrupt)?;
        let mut ledger = Self { forgotten: head.forgotten, ..Self::new(head.source) };
        for line in lines {
            let line: Line<String, LedgerObject> = serde_json::from_slice(line).map_err(corrupt)?;
            ledger.objects.insert(line.key, line.object);
        }
        if ledger.objects.len() != head.objects {
            let detail = format!("it has {} objects of {}", ledger.objects.len(), head.objects);
            return Err(SnapshotError::corrupt(key, detail));
        }
        Ok(ledger)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ledger() -> Ledger {
        let source = Source { location: "s3://calls/raw".to_owned(), reading: "zone UTC".to_owned() };
        let day: UtcDay = "2026-11-20".parse().unwrap();
        let whole = LedgerObject {
            size: 7,
            version: "etag".to_owned(),
            listed: Some("t1-7".to_owned()),
            records: 9,
            invalid: [("bad_json".to_owned(), 2)].into(),
            days: [(day, 3), (day.plus(-90), 4)].into(),
            left_out: [day].into(),
            gone: true,
        };
        let objects = [("a \"quoted\" key".to_owned(), whole), ("b".to_owned(), LedgerObject::default())].into();
        Ledger { source, objects, forgotten: [(day.plus(-120), 5)].into() }
    }

    #[test]
    fn a_ledger_reads_what_it_writes() {
        for ledger in [ledger(), Ledger::new(ledger().source)] {
            assert_eq!(Ledger::parse("k", &ledger.to_text().unwrap()).unwrap(), ledger);
        }
        let text = String::from_utf8(ledger().to_text().unwrap()).unwrap();
        assert!(text.contains(r#""days":{"2026-08-22":4,"2026-11-20":3}"#), "{text}");
    }

    #[test]
    fn a_ledger_that_was_cut_is_known_for_it() {
        let text = ledger().to_text().unwrap();
        for length in 0..text.len() - 1 {
            let error = Ledger::parse("k", &text[..length]).unwrap_err();
            assert!(matches!(&error, SnapshotError::Corrupt { key, .. } if key == "k"), "{length}: {error}");
        }
        let other = br#"{"format":2,"anything":true}"#;
        assert!(matches!(Ledger::parse("k", other), Err(SnapshotError::Format { found: 2, known: 1, .. })));
    }
}
