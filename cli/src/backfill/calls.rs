//! The calls of a group of archived objects as records of a shard, in the order in which they arrived.

use std::path::PathBuf;

use anyhow::Context as _;
use call_files::{FileError, ReadError, ReadOptions};
use cdr::NumberPlan;
use event_source::Record;

/// Records of a group of objects, at most: a place has twelve digits of a sequence number.
const PLACES: u128 = 1_000_000_000_000;

/// What is read of a group.
#[derive(Default)]
pub(super) struct Read {
    pub(super) records: Vec<Record>,
    /// Rows that are no call: they were set aside when they arrived.
    pub(super) refused: u64,
    /// Calls that began before the backfill.
    pub(super) before: u64,
}

/// Reads the files of group number `group`. Equal groups make equal records. A call whose arrival the archive does not
/// know counts as having arrived when it began.
pub(super) fn read(files: &[PathBuf], group: usize, since_ms: i64, plan: &NumberPlan) -> anyhow::Result<Read> {
    let mut read = Read::default();
    let mut calls = Vec::new();
    for (file, path) in files.iter().enumerate() {
        let rows = match call_files::open(path, plan, &ReadOptions::default()) {
            Ok(rows) => rows,
            Err(FileError::Empty { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        for row in rows {
            match row {
                Ok(row) if row.call.started_at_ms < since_ms => read.before += 1,
                Ok(row) => {
                    let arrived_at_ms = row.arrived_at_ms.unwrap_or(row.call.started_at_ms);
                    calls.push(((arrived_at_ms, row.position, file, row.row), row.call));
                }
                Err(ReadError::Row(_)) => read.refused += 1,
                Err(ReadError::File(error)) => return Err(error.into()),
            }
        }
    }
    calls.sort_by(|(a, _), (b, _)| a.cmp(b));
    let first = (group as u128 + 1) * PLACES;
    read.records = (first..)
        .zip(calls)
        .map(|(place, ((arrived_at_ms, ..), call))| Record {
            sequence_number: place.to_string(),
            partition_key: "-".to_owned(),
            data: call.to_json().into_bytes(),
            arrived_at_ms,
        })
        .collect();
    u128::try_from(read.records.len())
        .ok()
        .filter(|count| *count < PLACES)
        .context("a group holds too many calls")?;
    Ok(read)
}
