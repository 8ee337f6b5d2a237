//! Keys of everything that lies in the bucket or folder.
//!
//! ```text
//! raw/YYYY/MM/DD/HH/NAME.jsonl.gz                                        the archive, by arrival
//! daily/date=D/run=R/{caller,callee}.parquet                             one row of states a phone and day
//! daily/date=D/run=R/{caller,callee}-{prefix,range}.parquet              the same of prefixes and ranges
//! snapshots/as_of=D/run=R/{caller,callee}/LEVEL/{features,online}/part-NNN.parquet
//! snapshots/as_of=D/run=R/ledger.jsonl                                   the input: which object has which days
//! snapshots/as_of=D/run=R/quality.json                                   what was measured and found of the calls
//! snapshots/as_of=D/run=R/manifest.json                                  the manifest of that run
//! snapshots/current.json                                                 the manifest that is published
//! ```

use std::fmt;
use std::str::FromStr;

use features::{HOUR_MS, Level, Party, hash_text};
use serde::{Deserialize, Serialize};

use crate::UtcDay;

/// Key of the manifest of the published snapshot.
pub const CURRENT: &str = "snapshots/current.json";
/// Below this lie day tiles.
pub(crate) const DAILY: &str = "daily/";
/// Below this lie snapshots.
pub(crate) const SNAPSHOTS: &str = "snapshots/";
/// Below this lies the archive.
pub const RAW: &str = "raw/";

/// Rows that a file of the online face is meant to hold: its footer stays below some 100 KB at 2 KB a row.
const ONLINE_ROWS_PER_FILE: u64 = 16_384;
/// Files of one online face: each holds one open row group while a run writes it.
const ONLINE_FILES_MAX: u64 = 1_024;
const RUN_ID_BYTES_MAX: usize = 64;

/// Names a run of the batch job in keys: 1 to 64 letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// A text that is no run id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run id is 1 to {RUN_ID_BYTES_MAX} letters, digits, - and _")]
pub struct RunIdError;

impl RunId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if plain && (1..=RUN_ID_BYTES_MAX).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RunIdError)
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = RunIdError;

    fn try_from(text: String) -> Result<Self, RunIdError> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(run: RunId) -> Self {
        run.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One of the two forms that a snapshot is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Face {
    /// A column a feature, for people and SQL engines.
    Features,
    /// Key and packed states, for the service.
    Online,
}

/// Key of a part of the wide face. Parts follow each other in the order of keys.
pub fn features_key(as_of: UtcDay, run: &RunId, party: Party, level: Level, part: usize) -> String {
    face_key(as_of, run, party, level, "features", part)
}

/// Key of a part of the online face. A row is in part [`online_file_of`] its key.
pub fn online_key(as_of: UtcDay, run: &RunId, party: Party, level: Level, part: usize) -> String {
    face_key(as_of, run, party, level, "online", part)
}

/// Key of a day tile.
pub fn daily_key(day: UtcDay, run: &RunId, party: Party, level: Level) -> String {
    let party = party.as_str();
    match level {
        Level::Phone => format!("{DAILY}date={day}/run={run}/{party}.parquet"),
        area => format!("{DAILY}date={day}/run={run}/{party}-{}.parquet", area.as_str()),
    }
}

/// Key of the ledger that a run wrote.
pub fn ledger_key(as_of: UtcDay, run: &RunId) -> String {
    format!("{SNAPSHOTS}as_of={as_of}/run={run}/ledger.jsonl")
}

/// Key of the quality object that a run wrote, also one that was stopped.
pub fn quality_key(as_of: UtcDay, run: &RunId) -> String {
    format!("{SNAPSHOTS}as_of={as_of}/run={run}/quality.json")
}

/// Key of the manifest that a run wrote: what [`CURRENT`] was after it, if it was published.
pub fn manifest_key(as_of: UtcDay, run: &RunId) -> String {
    format!("{SNAPSHOTS}as_of={as_of}/run={run}/manifest.json")
}

/// The run that a key belongs to.
pub fn run_of(key: &str) -> Option<&str> {
    key.split('/').find_map(|part| part.strip_prefix("run="))
}

/// Key of an archive object whose calls arrived from `arrived_at_ms` (since 1970 UTC) on. `name` tells it from
/// the others of that hour.
pub fn raw_key(arrived_at_ms: i64, name: &str) -> String {
    let day = UtcDay::of_ms(arrived_at_ms).to_string().replace('-', "/");
    format!("{RAW}{day}/{:02}/{name}.jsonl.gz", arrived_at_ms.div_euclid(HOUR_MS).rem_euclid(24))
}

/// Into how many files an online face of about `rows` rows is cut.
pub fn online_files(rows: u64) -> usize {
    rows.div_ceil(ONLINE_ROWS_PER_FILE).clamp(1, ONLINE_FILES_MAX) as usize
}

/// Which of `files` files holds a key: the first 8 bytes of its MD5, big-endian, modulo the number of files.
pub fn online_file_of(key: &str, files: usize) -> usize {
    (hash_text(key) % files.max(1) as u64) as usize
}

fn face_key(as_of: UtcDay, run: &RunId, party: Party, level: Level, face: &str, part: usize) -> String {
    let (party, level) = (party.as_str(), level.as_str());
    format!("{SNAPSHOTS}as_of={as_of}/run={run}/{party}/{level}/{face}/part-{part:03}.parquet")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_as_the_design_has_them() {
        let (day, run) = ("2026-11-20".parse().unwrap(), "r1".parse().unwrap());
        assert_eq!(
            online_key(day, &run, Party::Caller, Level::Prefix, 7),
            "snapshots/as_of=2026-11-20/run=r1/caller/prefix/online/part-007.parquet"
        );
        assert_eq!(
            features_key(day, &run, Party::Callee, Level::Phone, 0),
            "snapshots/as_of=2026-11-20/run=r1/callee/phone/features/part-000.parquet"
        );
        let daily = |level| daily_key(day, &run, Party::Caller, level);
        assert_eq!(daily(Level::Phone), "daily/date=2026-11-20/run=r1/caller.parquet");
        assert_eq!(daily(Level::Range), "daily/date=2026-11-20/run=r1/caller-range.parquet");
        assert_eq!(ledger_key(day, &run), "snapshots/as_of=2026-11-20/run=r1/ledger.jsonl");
        assert_eq!(quality_key(day, &run), "snapshots/as_of=2026-11-20/run=r1/quality.json");
        assert_eq!(run_of(&manifest_key(day, &run)), Some("r1"));
        assert_eq!(run_of(CURRENT), None);
        assert_eq!(raw_key(day.start_ms() + 3 * HOUR_MS + 1, "0-7"), "raw/2026/11/20/03/0-7.jsonl.gz");
        for key in [raw_key(0, "x"), online_key(day, &run, Party::Caller, Level::Phone, 1000)] {
            objects::check_key(&key).unwrap();
        }
    }

    #[test]
    fn a_run_id_stays_one_part_of_a_key() {
        for text in ["", "a/b", "..", "a b", &"x".repeat(65)] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
        assert_eq!("20261121T020000Z-1".parse::<RunId>().unwrap().as_str(), "20261121T020000Z-1");
    }

    #[test]
    fn rows_are_cut_by_the_md5_of_their_key() {
        // `printf +12025550101 | md5sum` begins with 8 bytes whose remainder by 16 is their last hex digit.
        let digits = format!("{:016x}", hash_text("+12025550101"));
        let last = usize::from_str_radix(&digits[15..], 16).unwrap();
        assert_eq!(online_file_of("+12025550101", 16), last);
        assert_eq!([online_files(0), online_files(16_384), online_files(16_385)], [1, 1, 2]);
        assert_eq!(online_files(u64::MAX), 1_024);
    }
}
