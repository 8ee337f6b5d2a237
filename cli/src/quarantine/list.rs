//! `tollwatch quarantine list`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::pin::pin;

use anyhow::Context as _;
use cdr::Reason;
use futures::StreamExt as _;
use indicatif::HumanCount;

use crate::failure::{Blame as _, Outcome};
use crate::output::print;
use crate::quarantine::stored::{Line, Place, Stored, by_reason, parse_reason};

/// Text printed at a time: a quarantine may be larger than memory.
const PAGE_BYTES: usize = 64 * 1024;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only records with this reason
    #[arg(long, value_parser = parse_reason)]
    reason: Option<Reason>,
    #[command(flatten)]
    place: Place,
    /// Print a JSON object a line instead, which `redrive --from` takes back
    #[arg(long)]
    json: bool,
}

/// Prints a row a record, then the counts.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let store = arguments.place.open().await?;
    let keys = store.keys(arguments.reason).await?;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut text = String::new();
    if !arguments.json && !keys.is_empty() {
        row(&mut text, "REASON", "ARRIVED AT", "SHARD", "POSITION", "MESSAGE");
    }
    let mut records = pin!(store.read(keys));
    while let Some(stored) = records.next().await {
        let stored = stored?;
        *counts.entry(stored.record.reason.clone()).or_default() += 1;
        if arguments.json {
            text += &serde_json::to_string(&Line::of(stored)).context("a record cannot be told").or_internal()?;
            text.push('\n');
        } else {
            let Stored { record, .. } = stored;
            let arrived_at = cdr::format_time(record.arrived_at_ms);
            row(&mut text, &record.reason, &arrived_at, &record.shard, &record.position, &record.message);
        }
        if text.len() >= PAGE_BYTES {
            print(&text)?;
            text.clear();
        }
    }
    if !arguments.json {
        text += &summary(&counts);
    }
    print(&text)
}

/// Reasons have 17 letters at most, moments 24 and positions 56; shards with an ordinary name of a stream some 40.
fn row(text: &mut String, reason: &str, arrived_at: &str, shard: &str, position: &str, message: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{reason:<17}  {arrived_at:<24}  {shard:<40}  {position:<56}  {message}");
}

fn summary(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "nothing is in quarantine\n".to_owned();
    }
    format!("\n{} in quarantine\n{}", HumanCount(counts.values().sum()), by_reason(counts))
}
