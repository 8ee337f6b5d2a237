//! The manifest: what the published snapshot consists of.

use std::collections::BTreeMap;

use features::{Level, Party};
use objects::{Expected, Objects};
use serde::{Deserialize, Serialize};

use crate::day::instant;
use crate::{CURRENT, Face, RunId, SnapshotError, UtcDay};

/// Format of the manifest and of the files it lists; a reader knows one.
pub const FORMAT: u32 = 1;

/// What a snapshot consists of. It lies at [`CURRENT`] as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the definitions that it was made with.
    pub feature_set_version: String,
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
    /// Standard error of a distinct count that is estimated, relative to the count.
    pub sketch_relative_error: f64,
    /// What the run read.
    pub calls: Calls,
    /// Entities, party by party and level by level.
    pub rows: Vec<LevelRows>,
    /// Every file. Those of one party, level and face follow each other in the order of their part numbers.
    pub files: Vec<FaceFile>,
}

/// What a run read.
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
}

impl Manifest {
    /// The files of one party, level and face, by part number.
    pub fn files_of(&self, party: Party, level: Level, face: Face) -> impl Iterator<Item = &FaceFile> {
        self.files.iter().filter(move |file| (file.party, file.level, file.face) == (party, level, face))
    }

    /// Reads the JSON form. Fails with [`SnapshotError::Format`] before anything that another format may have
    /// changed is looked at.
    pub fn parse(json: &[u8]) -> Result<Self, SnapshotError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(json).map_err(|error| SnapshotError::corrupt(CURRENT, error))?;
        if head.format != FORMAT {
            return Err(SnapshotError::Format { key: CURRENT.to_owned(), found: head.format, known: FORMAT });
        }
        serde_json::from_slice(json).map_err(|error| SnapshotError::corrupt(CURRENT, error))
    }

    /// The JSON form, indented for people.
    pub fn to_json(&self) -> Result<Vec<u8>, SnapshotError> {
        serde_json::to_vec_pretty(self).map_err(|error| SnapshotError::corrupt(CURRENT, error))
    }
}

/// The right to replace the manifest that was current when a run began.
#[derive(Debug)]
pub struct Publication {
    objects: Objects,
    run: RunId,
    replaces: Expected,
}

impl Publication {
    /// Notes which manifest the run starts from. Refuses a run id that the published snapshot has, since its files
    /// would be written anew under the eyes of readers. A current manifest that cannot be read is replaced.
    pub async fn begin(objects: Objects, run: RunId) -> Result<Self, SnapshotError> {
        let replaces = match objects.get_versioned(CURRENT).await {
            Ok((json, version)) => {
                if Manifest::parse(&json).is_ok_and(|current| current.run == run) {
                    return Err(SnapshotError::RunInUse { run: run.to_string() });
                }
                Expected::Version(version)
            }
            Err(error) if error.is_not_found() => Expected::Absent,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { objects, run, replaces })
    }

    /// Makes the run visible. Fails with [`SnapshotError::Overtaken`], changing nothing, if another run was
    /// published since [`Self::begin`].
    pub async fn publish(self, manifest: &Manifest) -> Result<(), SnapshotError> {
        let json = manifest.to_json()?;
        match self.objects.put_if(CURRENT, json.clone(), self.replaces).await {
            Ok(_) => Ok(()),
            // A put whose first attempt was done but whose answer was lost conflicts with itself.
            Err(error) if error.is_conflict() => match self.objects.get(CURRENT).await {
                Ok(current) if current[..] == json[..] => Ok(()),
                _ => Err(SnapshotError::Overtaken { run: self.run.to_string() }),
            },
            Err(error) => Err(error.into()),
        }
    }
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

    fn manifest(run: &str) -> Manifest {
        Manifest {
            format: FORMAT,
            feature_set_version: "0a1b2c3d".to_owned(),
            as_of: "2026-11-20".parse().unwrap(),
            run: run.parse().unwrap(),
            complete_for_arrivals_before: Some(1_795_219_200_007),
            created_by: "tollwatch-batch 0.1.0".to_owned(),
            sketch_relative_error: 0.016_25,
            calls: Calls { read: 7, counted: 5, invalid: [("bad_json".to_owned(), 2)].into(), ..Calls::default() },
            rows: vec![LevelRows { party: Party::Caller, level: Level::Phone, rows: 3 }],
            files: vec![FaceFile {
                party: Party::Caller,
                level: Level::Phone,
                face: Face::Online,
                key: "k".to_owned(),
                rows: 3,
                bytes: 10,
                first_key: Some("+1".to_owned()),
                last_key: None,
            }],
        }
    }

    #[test]
    fn a_manifest_reads_what_it_writes() {
        let json = manifest("a").to_json().unwrap();
        assert_eq!(Manifest::parse(&json).unwrap(), manifest("a"));
        let text = String::from_utf8(json).unwrap();
        assert!(text.contains(r#""complete_for_arrivals_before": "2026-11-21T00:00:00.007Z""#), "{text}");
        assert!(text.contains(r#""as_of": "2026-11-20""#), "{text}");
    }

    #[test]
    fn another_format_is_told_from_a_damaged_file() {
        let other = br#"{"format": 9, "anything": []}"#;
        assert!(matches!(Manifest::parse(other), Err(SnapshotError::Format { found: 9, .. })));
        assert!(matches!(Manifest::parse(b"{\"format\": 1}"), Err(SnapshotError::Corrupt { .. })));
        assert!(matches!(Manifest::parse(b""), Err(SnapshotError::Corrupt { .. })));
    }

    #[tokio::test]
    async fn the_run_that_comes_second_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::in_folder(folder.path());
        let begin = |run: &str| Publication::begin(objects.clone(), run.parse().unwrap());
        let (first, second) = (begin("a").await.unwrap(), begin("b").await.unwrap());
        first.publish(&manifest("a")).await.unwrap();
        let error = second.publish(&manifest("b")).await.unwrap_err();
        assert!(matches!(&error, SnapshotError::Overtaken { run } if run == "b"), "{error}");
        let current = Manifest::parse(&objects.get(CURRENT).await.unwrap()).unwrap();
        assert_eq!(current.run.as_str(), "a");
        assert!(matches!(begin("a").await, Err(SnapshotError::RunInUse { .. })));
        begin("b").await.unwrap().publish(&manifest("b")).await.unwrap();
        let current = Manifest::parse(&objects.get(CURRENT).await.unwrap()).unwrap();
        assert_eq!(current.run.as_str(), "b");
    }
}
