//! Manifests for tests.
#![allow(clippy::unwrap_used)]

use features::{Level, Party};

use crate::{
    Calls, DayTiles, FORMAT, Face, FaceFile, LedgerFile, LevelRows, Manifest, QualityFile, RunRef, TileFile, UtcDay,
    Verdict, daily_key, features_key, ledger_key, quality_key,
};

/// The day that they are as of.
pub(crate) fn as_of() -> UtcDay {
    "2026-11-20".parse().unwrap()
}

/// The manifest of a run with one file of its own, and a day tile of the run `tiles-of-<run>`.
pub(crate) fn manifest(run: &str) -> Manifest {
    let (id, tiles) = (run.parse().unwrap(), format!("tiles-of-{run}").parse().unwrap());
    Manifest {
        format: FORMAT,
        feature_set_version: "0a1b2c3d".to_owned(),
        feature_set_hash: None,
        as_of: as_of(),
        complete_for_arrivals_before: Some(1_795_219_200_007),
        created_by: "tollwatch-batch 0.1.0".to_owned(),
        engine: Some("polars".to_owned()),
        previous: None,
        ledger: Some(LedgerFile { key: ledger_key(as_of(), &id), bytes: 7, objects: 1 }),
        quality: Some(QualityFile { key: quality_key(as_of(), &id), bytes: 8, verdict: Verdict::Passed }),
        sketch_relative_error: 0.016_25,
        calls: Calls { read: 7, counted: 5, invalid: [("bad_json".to_owned(), 2)].into(), ..Calls::default() },
        days: vec![DayTiles {
            date: as_of(),
            counted: 5,
            duplicates: 0,
            differing_duplicates: 0,
            tiles: vec![TileFile {
                party: Party::Caller,
                level: Level::Range,
                key: daily_key(as_of(), &tiles, Party::Caller, Level::Range),
                rows: 2,
                bytes: 9,
                footer_crc32: None,
            }],
            run: tiles,
        }],
        missing_days: Vec::new(),
        left_out: Vec::new(),
        rows: vec![LevelRows { party: Party::Caller, level: Level::Phone, rows: 3 }],
        files: vec![FaceFile {
            party: Party::Caller,
            level: Level::Phone,
            face: Face::Features,
            key: features_key(as_of(), &id, Party::Caller, Level::Phone, 0),
            rows: 3,
            bytes: 10,
            first_key: Some("+1".to_owned()),
            last_key: None,
            footer_crc32: None,
        }],
        run: id,
    }
}

/// The same, published after another.
pub(crate) fn manifest_after(run: &str, previous: &Manifest) -> Manifest {
    Manifest { previous: Some(RunRef { as_of: previous.as_of, run: previous.run.clone() }), ..manifest(run) }
}
