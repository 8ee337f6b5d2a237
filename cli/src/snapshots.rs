//! `tollwatch snapshots`: what was published, and the end of old runs.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{HumanBytes, HumanCount};
use objects::Location;
use serde_json::json;
use snapshot::{Manifest, Pruning, Published, Retention, history};

use crate::failure::{Blame as _, Outcome};
use crate::output::print;
use crate::{clock, locations, times};

/// The least time for which what may be in use is kept: longer than a run takes to put its files in place, and than
/// any reader holds a manifest.
const UNUSED_MIN: Duration = Duration::from_hours(1);

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// The published runs, the newest first
    List(ListArguments),
    /// Delete what no kept run needs; tells what it would delete unless --yes is given
    Prune(PruneArguments),
}

#[derive(clap::Args)]
struct ListArguments {
    /// Where the snapshots are: a folder or an s3:// URL
    #[arg(long, value_name = "LOCATION")]
    output: Location,
    /// Print a JSON array instead
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct PruneArguments {
    /// Where the snapshots are: a folder or an s3:// URL
    #[arg(long, value_name = "LOCATION")]
    output: Location,
    /// Published runs to keep, the newest, with the day tiles that they need
    #[arg(long, default_value_t = 7, value_name = "RUNS")]
    keep: usize,
    /// Keep also what was in use since then: at least 1h, such as 12h or 7d
    #[arg(long, default_value = "1d", value_name = "TIME", value_parser = parse_unused)]
    older_than: Duration,
    /// Delete, instead of telling what would be deleted
    #[arg(long)]
    yes: bool,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

/// Lists or prunes.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::List(arguments) => list(arguments).await,
        Command::Prune(arguments) => prune(arguments).await,
    }
}

async fn list(arguments: ListArguments) -> Outcome {
    let output = locations::open(&arguments.output).await?;
    output.check_exists().await.or_user()?;
    let published = history(&output).await.or_user()?;
    if arguments.json {
        let runs: Vec<_> = published.iter().map(as_json).collect();
        let mut text = serde_json::to_string_pretty(&runs).or_internal()?;
        text.push('\n');
        return print(&text);
    }
    if published.is_empty() {
        return print(&format!("nothing is published in {}\n", arguments.output));
    }
    let mut text = String::new();
    row(&mut text, ["AS OF", "RUN", "PUBLISHED", "CALLS", "DAYS", "MISSING", "SIZE"]);
    for Published { manifest, written_secs } in &published {
        let written = written_secs.map_or_else(|| "-".to_owned(), |secs| cdr::format_time(secs * 1_000));
        row(
            &mut text,
            [
                &manifest.as_of.to_string(),
                manifest.run.as_str(),
                &written,
                &HumanCount(manifest.calls.counted).to_string(),
                &manifest.days.len().to_string(),
                &manifest.missing_days.len().to_string(),
                &HumanBytes(bytes(manifest)).to_string(),
            ],
        );
    }
    text += "The first is the one that is served.\n";
    print(&text)
}

async fn prune(arguments: PruneArguments) -> Outcome {
    let output = locations::open(&arguments.output).await?;
    output.check_exists().await.or_user()?;
    let unused_since_secs = clock::now_ms().div_euclid(1_000) - arguments.older_than.as_secs().cast_signed();
    let retention = Retention { keep: arguments.keep, unused_since_secs };
    let pruning = Pruning::plan(&output, retention, |_| true).await.or_user()?;
    if arguments.yes {
        pruning.carry_out(&output).await.context("the pruning is not complete: repeat it").or_internal()?;
    }
    if arguments.json {
        let runs = pruning.runs.iter().map(|run| {
            json!({ "run": run.run, "published": run.is_published, "files": run.keys.len(), "bytes": run.bytes })
        });
        let runs: Vec<_> = runs.collect();
        let (kept, published) = (pruning.files_kept, pruning.published_kept);
        let (files, bytes) = half_written(&pruning);
        let all = json!({
            "deleted": arguments.yes,
            "runs": runs,
            "half_written": { "files": files, "bytes": bytes },
            "files_kept": kept,
            "published_kept": published,
        });
        return print(&format!("{all:#}\n"));
    }
    print(&as_text(&pruning, arguments.yes))
}

fn as_text(pruning: &Pruning, is_done: bool) -> String {
    let mut text = String::new();
    for run in &pruning.runs {
        let what = if run.is_published { "published" } else { "not published" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:<40}  {what:<13}  {} files, {}", run.run, run.keys.len(), HumanBytes(run.bytes));
    }
    let (left, left_bytes) = half_written(pruning);
    if left > 0 {
        let bytes = HumanBytes(left_bytes);
        let _ =
            writeln!(text, "{:<40}  {:<13}  {left} files, {bytes}", "half-written, of runs that were killed", "-");
    }
    let files = left + pruning.runs.iter().map(|run| run.keys.len()).sum::<usize>();
    let bytes = HumanBytes(left_bytes + pruning.runs.iter().map(|run| run.bytes).sum::<u64>());
    let said = match (files, is_done) {
        (0, _) => "nothing to delete".to_owned(),
        (_, true) => format!("deleted {files} files, {bytes}"),
        (_, false) => format!("{files} files, {bytes} would be deleted: repeat with --yes"),
    };
    let _ = writeln!(text, "{said}; {} published runs and {} files stay", pruning.published_kept, pruning.files_kept);
    text
}

/// How many files runs that were killed have left half-written, and their size.
fn half_written(pruning: &Pruning) -> (usize, u64) {
    let files = &pruning.abandoned.files;
    (files.len(), files.iter().map(|file| file.size).sum())
}

fn as_json(published: &Published) -> serde_json::Value {
    let manifest = &published.manifest;
    json!({
        "as_of": manifest.as_of,
        "run": manifest.run,
        "published_at": published.written_secs.map(|secs| cdr::format_time(secs * 1_000)),
        "feature_set_version": manifest.feature_set_version,
        "calls": manifest.calls,
        "days": manifest.days.len(),
        "missing_days": manifest.missing_days,
        "left_out": manifest.left_out,
        "bytes": bytes(manifest),
    })
}

/// Of its files and day tiles, also those that it shares with others.
fn bytes(manifest: &Manifest) -> u64 {
    let tiles = manifest.days.iter().flat_map(|day| &day.tiles).map(|tile| tile.bytes);
    manifest.files.iter().map(|file| file.bytes).chain(tiles).sum()
}

fn row(text: &mut String, [as_of, run, written, calls, days, missing, size]: [&str; 7]) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{as_of:<10}  {run:<40}  {written:<24}  {calls:>13}  {days:>4}  {missing:>7}  {size}");
}

fn parse_unused(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is no age of files that nobody uses: give at least 1h, such as 12h or 7d");
    times::parse_duration(text).filter(|time| *time >= UNUSED_MIN).ok_or_else(wrong)
}
