//! The manifest: what the published snapshot consists of.

use std::collections::BTreeMap;

use features::{FeatureSet, Level, Party, Sketch};
use serde::{Deserialize, Serialize};

use crate::checksum::crc32;
use crate::day::instant;
use crate::{CURRENT, Face, RunId, SnapshotError, UtcDay, Verdict, manifest_key};

/// Format of the manifest and of the files it lists; a reader knows one. Fields that a reader may do without are added
/// within a format.
pub const FORMAT: u32 = 1;

/// What a snapshot consists of. It lies at [`CURRENT`] as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the definitions that it was made with.
    pub feature_set_version: String,
    /// The hash that the version is the beginning of; absent in manifests of before there were ledgers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_set_hash: Option<String>,
    /// The last day of every window.
    pub as_of: UtcDay,
    /// The run that made it.
    pub run: RunId,
    /// All calls that had arrived before this instant (milliseconds since 1970 UTC, RFC 3339 in JSON) are in it;
    /// absent where the run does not know.
    #[serde(with = "instant", default, skip_serializing_if = "Option::is_none")]
    pub complete_for_arrivals_before: Option<i64>,
    /// Program and version that made it.
    pub created_by: String,
    /// What computed the day tiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// What was published before it. The manifests of published runs form a chain from the newest to the oldest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<RunRef>,
    /// What is known of the input; absent in manifests of before there were ledgers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerFile>,
    /// What was found of the quality of the calls; absent in manifests of before it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<QualityFile>,
    /// Standard error of a distinct count that is estimated, relative to the count.
    pub sketch_relative_error: f64,
    /// What became of the records of all objects in the ledger.
    pub calls: Calls,
    /// Day tiles, by day: those that the windows were rolled up from, and some of days before and after them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<DayTiles>,
    /// Days of the longest window without a tile. A window with such a day in it says less than its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_days: Vec<MissingDay>,
    /// Days of the longest window that do not hold everything that has arrived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Entities, party by party and level by level.
    pub rows: Vec<LevelRows>,
    /// Every file. Those of one party, level and face follow each other in the order of their part numbers.
    pub files: Vec<FaceFile>,
}

/// A run that published a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRef {
    /// The last day of its windows.
    pub as_of: UtcDay,
    /// Its id.
    pub run: RunId,
}

/// Where the ledger lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerFile {
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// Objects in it.
    pub objects: usize,
}

/// Where the quality object lies, and what it says in a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityFile {
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// What came of the rules.
    pub verdict: Verdict,
}

/// The tiles of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayTiles {
    /// The day.
    pub date: UtcDay,
    /// The run that made them.
    pub run: RunId,
    /// Calls counted in them.
    pub counted: u64,
    /// Copies of these.
    pub duplicates: u64,
    /// Copies that differ from the call that was counted; among `duplicates`.
    pub differing_duplicates: u64,
    /// The files.
    pub tiles: Vec<TileFile>,
}

/// A day tile of one party and level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TileFile {
    /// `caller` or `callee`.
    #[serde(with = "party_name")]
    pub party: Party,
    /// `phone`, `prefix` or `range`.
    #[serde(with = "level_name")]
    pub level: Level,
    /// Where it lies.
    pub key: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// As [`FaceFile::footer_crc32`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer_crc32: Option<u32>,
}

/// A day without a tile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingDay {
    /// The day.
    pub date: UtcDay,
    /// Why there is none.
    pub reason: MissingReason,
}

/// Why a day has no tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingReason {
    /// There are calls of days before and after it, or its arrivals are known to be complete: nobody called, or its
    /// records never came. Or records of it came, and none was a valid call.
    NoCalls,
    /// The input begins after it or ends before it.
    NoInput,
}

/// A day that does not hold everything that has arrived: objects of it were gone when others came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The day.
    pub date: UtcDay,
    /// Records that are not in its tile; 0 where a record ought to have been taken out of it.
    pub records: u64,
}

/// A day of the longest window that a snapshot knows less of than all, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayGap {
    /// The day.
    pub day: UtcDay,
    /// Why.
    pub reason: GapReason,
}

/// Why a snapshot knows less than all of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapReason {
    /// Records of it are not in its tile: see [`LeftOut`].
    LeftOut,
    /// See [`MissingReason::NoCalls`].
    NoCalls,
    /// See [`MissingReason::NoInput`].
    NoInput,
}

/// What became of records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Records, good and bad.
    pub read: u64,
    /// Calls counted.
    pub counted: u64,
    /// Copies of a counted call.
    pub duplicates: u64,
    /// Copies that differ from the call that was counted; among `duplicates`.
    pub differing_duplicates: u64,
    /// Calls of days that no window of this snapshot covers.
    pub outside: u64,
    /// Records that are no valid call, by the code of the reason.
    pub invalid: BTreeMap<String, u64>,
}

impl Calls {
    /// Records that are no valid call.
    pub fn invalid_total(&self) -> u64 {
        self.invalid.values().sum()
    }
}

/// How many entities there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelRows {
    /// `caller` or `callee`.
    #[serde(with = "party_name")]
    pub party: Party,
    /// `phone`, `prefix` or `range`.
    #[serde(with = "level_name")]
    pub level: Level,
    /// Entities with a call in the longest window.
    pub rows: u64,
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaceFile {
    /// `caller` or `callee`.
    #[serde(with = "party_name")]
    pub party: Party,
    /// `phone`, `prefix` or `range`.
    #[serde(with = "level_name")]
    pub level: Level,
    /// `features` or `online`.
    pub face: Face,
    /// Where it lies.
    pub key: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Smallest key in it; absent where it has no rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_key: Option<String>,
    /// Largest key in it; absent where it has no rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_key: Option<String>,
    /// CRC-32 of the bytes behind its last row group, which has those of the row groups; absent in the wide face.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer_crc32: Option<u32>,
}

impl Manifest {
    /// A snapshot without files, made with the definitions of `set`.
    pub fn new(set: &FeatureSet, as_of: UtcDay, run: RunId, created_by: &str) -> Self {
        Self {
            format: FORMAT,
            feature_set_version: set.version().to_owned(),
            feature_set_hash: Some(set.hash().to_owned()),
            as_of,
            run,
            complete_for_arrivals_before: None,
            created_by: created_by.to_owned(),
            engine: None,
            previous: None,
            ledger: None,
            quality: None,
            sketch_relative_error: Sketch::relative_error(),
            calls: Calls::default(),
            days: Vec::new(),
            missing_days: Vec::new(),
            left_out: Vec::new(),
            rows: Vec::new(),
            files: Vec::new(),
        }
    }

    /// The files of one party, level and face, by part number.
    pub fn files_of(&self, party: Party, level: Level, face: Face) -> impl Iterator<Item = &FaceFile> {
        self.files.iter().filter(move |file| (file.party, file.level, file.face) == (party, level, face))
    }

    /// The days of the longest window that it knows less of than all, in their order, each once.
    pub fn day_gaps(&self) -> Vec<DayGap> {
        let missing = self.missing_days.iter().map(|missing| {
            let reason = match missing.reason {
                MissingReason::NoCalls => GapReason::NoCalls,
                MissingReason::NoInput => GapReason::NoInput,
            };
            DayGap { day: missing.date, reason }
        });
        let left_out = self.left_out.iter().map(|left| DayGap { day: left.date, reason: GapReason::LeftOut });
        let mut gaps: Vec<DayGap> = missing.chain(left_out).collect();
        gaps.sort_unstable();
        // That records were left out says more than that no others are there.
        gaps.dedup_by_key(|gap| gap.day);
        gaps
    }

    /// Keys of every object that it needs: its files, its day tiles, its ledger, its quality object, its own copy below its
    /// run.
    pub fn keys(&self) -> impl Iterator<Item = String> + '_ {
        let tiles = self.days.iter().flat_map(|day| &day.tiles).map(|tile| &tile.key);
        let files = self.files.iter().map(|file| &file.key).chain(tiles);
        files
            .chain(self.ledger.iter().map(|ledger| &ledger.key))
            .chain(self.quality.iter().map(|quality| &quality.key))
            .cloned()
            .chain([manifest_key(self.as_of, &self.run)])
    }

    /// Reads the JSON form. Fails with [`SnapshotError::Format`] before anything that another format may have
    /// changed is looked at.
    pub fn parse(json: &[u8]) -> Result<Self, SnapshotError> {
        Self::parse_at(CURRENT, json)
    }

    pub(crate) fn parse_at(key: &str, json: &[u8]) -> Result<Self, SnapshotError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(json).map_err(|error| SnapshotError::corrupt(key, error))?;
        if head.format != FORMAT {
            return Err(SnapshotError::Format { key: key.to_owned(), found: head.format, known: FORMAT });
        }
        if let Some(detail) = seal_problem(json) {
            return Err(SnapshotError::corrupt(key, detail));
        }
        serde_json::from_slice(json).map_err(|error| SnapshotError::corrupt(key, error))
    }

    /// The JSON form, indented for people. Its last field, `crc32`, is the CRC-32 of all bytes before that field's name:
    /// what the manifest says of keys and sizes decides what is looked for and where, and a wrong digit in it would make
    /// calls disappear without an error.
    pub fn to_json(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| SnapshotError::corrupt(CURRENT, error))?;
        json.truncate(json.len() - END.len());
        json.extend_from_slice(b",\n  ");
        let seal = crc32(&json);
        json.extend_from_slice(format!("{CRC32_NAME} {seal}").as_bytes());
        json.extend_from_slice(END);
        Ok(json)
    }
}

/// How an indented object ends.
const END: &[u8] = b"\n}";
/// The name of the last field.
const CRC32_NAME: &str = "\"crc32\":";

/// What is wrong with the checksum of a manifest. One of before there were any has none.
fn seal_problem(json: &[u8]) -> Option<&'static str> {
    let at = json.windows(CRC32_NAME.len()).rposition(|window| window == CRC32_NAME.as_bytes())?;
    let (sealed, rest) = json.split_at(at);
    let seal = std::str::from_utf8(&rest[CRC32_NAME.len()..]).ok().and_then(|rest| rest.trim().strip_suffix('}'));
    let is_whole = seal.and_then(|seal| seal.trim().parse().ok()) == Some(crc32(sealed));
    (!is_whole).then_some("its checksum is not that of what it says: it was damaged or edited")
}

macro_rules! by_name {
    ($module:ident, $type:ty) => {
        mod $module {
            use serde::{Deserialize as _, Deserializer, Serializer};
            pub(super) fn serialize<S: Serializer>(value: &$type, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(value.as_str())
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

by_name!(party_name, features::Party);
by_name!(level_name, features::Level);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{self, as_of};

    fn manifest(run: &str) -> Manifest {
        let previous = Some(RunRef { as_of: as_of().plus(-1), run: "before".parse().unwrap() });
        let missing_days = vec![MissingDay { date: as_of().plus(-1), reason: MissingReason::NoInput }];
        let left_out = vec![LeftOut { date: as_of(), records: 3 }];
        Manifest { previous, missing_days, left_out, ..testing::manifest(run) }
    }

    #[test]
    fn a_manifest_reads_what_it_writes() {
        let json = manifest("a").to_json().unwrap();
        assert_eq!(Manifest::parse(&json).unwrap(), manifest("a"));
        let text = String::from_utf8(json).unwrap();
        assert!(text.contains(r#""complete_for_arrivals_before": "2026-11-21T00:00:00.007Z""#), "{text}");
        assert!(text.contains(r#""as_of": "2026-11-20""#), "{text}");
        assert!(text.contains(r#""reason": "no_input""#), "{text}");
        let expected = [
            "snapshots/as_of=2026-11-20/run=a/caller/phone/features/part-000.parquet",
            "daily/date=2026-11-20/run=tiles-of-a/caller-range.parquet",
            "snapshots/as_of=2026-11-20/run=a/ledger.jsonl",
            "snapshots/as_of=2026-11-20/run=a/quality.json",
            "snapshots/as_of=2026-11-20/run=a/manifest.json",
        ];
        assert_eq!(manifest("a").keys().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn no_flipped_bit_makes_another_manifest() {
        let whole = manifest("a").to_json().unwrap();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(read) = Manifest::parse(&flipped) {
                    assert_eq!(read, manifest("a"), "bit {bit} of byte {at}");
                }
            }
        }
        let edited = String::from_utf8(whole).unwrap().replace("part-000", "part-001");
        let error = Manifest::parse(edited.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("checksum"), "{error}");
    }

    #[test]
    fn another_format_is_told_from_a_damaged_file() {
        let other = br#"{"format": 9, "anything": []}"#;
        assert!(matches!(Manifest::parse(other), Err(SnapshotError::Format { found: 9, .. })));
        assert!(matches!(Manifest::parse(b"{\"format\": 1}"), Err(SnapshotError::Corrupt { .. })));
        assert!(matches!(Manifest::parse(b""), Err(SnapshotError::Corrupt { .. })));
    }

    #[test]
    fn a_manifest_of_before_there_were_ledgers_is_read() {
        let old = br#"{"format": 1, "feature_set_version": "0a1b2c3d", "as_of": "2026-11-20", "run": "a",
            "created_by": "tollwatch batch 0.1.0 (Polars)", "sketch_relative_error": 0.01625, "rows": [], "files": [],
            "calls": {"read": 1, "counted": 1, "duplicates": 0, "differing_duplicates": 0, "outside": 0, "invalid": {}}}"#;
        let old = Manifest::parse(old).unwrap();
        assert_eq!((old.ledger.as_ref(), old.days.len(), old.previous.as_ref()), (None, 0, None));
        assert_eq!(old.quality, None);
        assert_eq!(old.keys().collect::<Vec<_>>(), ["snapshots/as_of=2026-11-20/run=a/manifest.json"]);
    }
}
