//! `tollwatch training-set`: what was known of labelled entities at the times of their labels.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::features::{FeatureSet, Level, Party};
use anyhow::{Context as _, anyhow};
use cdr::NumberPlan;
use indicatif::HumanCount;
use objects::Location;
use point_in_time::{Archive, Labels, Options, Report, Target, TrainingError, TrainingSet};
use proto::v1;
use serde_json::{Map, Value, json};
use serve_features::{request, response};

use crate::call_archive::CallArchive;
use crate::call_input::ReadFlags;
use crate::defaults::FeatureFile;
use crate::failure::{Blame as _, Failure, Outcome};
use crate::interrupt::unless_interrupted;
use crate::output::print;
use crate::progress;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// CSV with a header or JSON lines: number, time, and if need be level and party; other columns are kept
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// The calls: a file, a folder or an s3:// URL; all below it that are named as files of calls
    #[arg(long, value_name = "LOCATION")]
    input: Location,
    /// The Parquet file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Count calls that arrived after the time of a label too, if they began before it
    #[arg(long)]
    late_arrivals: bool,
    /// Calls kept in memory, some 500 bytes each; where labels touch more, the calls are read several times
    #[arg(long, value_name = "COUNT", default_value_t = point_in_time::CALLS_IN_MEMORY, value_parser = at_least_one)]
    calls_in_memory: usize,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    read: ReadFlags,
    #[command(flatten)]
    definitions: FeatureFile,
}

/// Makes the training set.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let set = arguments.definitions.read()?;
    let read = arguments.read.options()?;
    let plan = NumberPlan::new(&set.settings().default_region).or_internal()?;
    let range_digits = set.settings().range_digits;
    let labels =
        Labels::read(&arguments.labels, |number, party, level| target(&plan, range_digits, number, party, level));
    let labels = labels.or_user()?;
    check_output(&arguments)?;
    let archive = CallArchive::open(&arguments.input).await?;
    let options = Options { late_arrivals: arguments.late_arrivals, calls_in_memory: arguments.calls_in_memory };
    let (version, out) = (set.version().to_owned(), arguments.out.clone());
    let folder = archive.folder().to_owned();
    let work = tokio::task::spawn_blocking(move || write(&set, &plan, &archive, &read, options, &labels, &out));
    let work = async { work.await.context("the work broke off").or_internal()? };
    let report = unless_interrupted("nothing was written", Some(&folder), work).await?;
    if arguments.json {
        let mut text = serde_json::to_string_pretty(&as_json(&report, &arguments, &version)).or_internal()?;
        text.push('\n');
        print(&text)
    } else {
        print(&as_text(&report, &arguments, &version))
    }
}

fn write(
    set: &Arc<FeatureSet>,
    plan: &NumberPlan,
    archive: &CallArchive,
    read: &call_files::ReadOptions,
    options: Options,
    labels: &Labels,
    out: &Path,
) -> Result<Report, Failure> {
    let bar = progress::bar("read calls", archive.files.len() as u64, "files");
    let archive = Archive { files: &archive.files, plan, read };
    let written = TrainingSet { set, archive, options }.write(labels, out, &|files| bar.set_position(files as u64));
    bar.finish_and_clear();
    written.map_err(|error| match error {
        TrainingError::Region(_) => Failure::internal(error),
        error => Failure::user(anyhow::Error::new(error).context("nothing was written")),
    })
}

/// Whom a label means: what the service would take a request of the same words for.
fn target(
    plan: &NumberPlan,
    range_digits: u8,
    number: &str,
    party: Option<Party>,
    level: Option<Level>,
) -> Result<Target, String> {
    let party = party.map_or(v1::Party::PARTY_UNSPECIFIED, response::party);
    let level = level.map_or(v1::Level::LEVEL_UNSPECIFIED, response::level);
    let target = request::target(plan, range_digits, number, party.into(), level.into());
    let target = target.map_err(|error| error.to_string())?;
    Ok(Target { party: target.party, level: target.level, key: target.key })
}

/// Refuses to write over what is read, or among it: the next reader would take the training set for calls.
fn check_output(arguments: &Arguments) -> Outcome {
    let input = match &arguments.input {
        Location::Path(path) => path.canonicalize().ok(),
        Location::S3 { .. } => None,
    };
    let out = arguments.out.canonicalize().ok();
    if out.is_some() && (arguments.labels.canonicalize().ok() == out || input == out) {
        let out = arguments.out.display();
        return Err(Failure::user(anyhow!("{out} would be replaced, and it is read: choose another output")));
    }
    let folder = arguments.out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_among =
        |input: &PathBuf| input.is_dir() && folder.canonicalize().is_ok_and(|folder| folder.starts_with(input));
    if input.as_ref().is_some_and(is_among) {
        let (out, input) = (arguments.out.display(), &arguments.input);
        return Err(Failure::user(anyhow!("{out} would lie among the calls of {input}: choose another folder")));
    }
    Ok(())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| format!("{text} is no count: give 1 or more"))
}

fn as_text(report: &Report, arguments: &Arguments, version: &str) -> String {
    let mut text = format!(
        "wrote {} rows of {} features to {}, feature set {version}\n",
        HumanCount(report.rows),
        report.features,
        arguments.out.display(),
    );
    let mut line = |name: &str, value: String| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {name:9} {value}");
    };
    let refused: u64 = report.refused.values().sum();
    let reasons: Vec<_> = report.refused.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    let (first, last) = (cdr::format_time(report.span.0), cdr::format_time(report.span.1));
    line("records", format!("{}, known from {first} to {last}", HumanCount(report.records)));
    line("refused", format!("{}{reasons}", HumanCount(refused)));
    let stretches = match report.stretches {
        1 => String::new(),
        stretches => format!(", in {stretches} readings; raise --calls-in-memory for fewer"),
    };
    line("calls", format!("{} touch the labels{stretches}", HumanCount(report.calls)));
    let late = match arguments.late_arrivals {
        true => "counted too".to_owned(),
        false => {
            format!("left out {} times, as not known yet at the time of a row", HumanCount(report.not_yet_known))
        }
    };
    line("late", late);
    for (coverage, rows) in &report.coverage {
        line("coverage", format!("{:12} {} rows", coverage.as_str(), HumanCount(*rows)));
    }
    text
}

fn as_json(report: &Report, arguments: &Arguments, version: &str) -> Value {
    let coverage: Map<String, Value> =
        report.coverage.iter().map(|(coverage, rows)| (coverage.as_str().to_owned(), (*rows).into())).collect();
    json!({
        "out": arguments.out.display().to_string(),
        "feature_set_version": version,
        "rows": report.rows,
        "features": report.features,
        "records": report.records,
        "refused": report.refused,
        "first_call": cdr::format_time(report.span.0),
        "last_known": cdr::format_time(report.span.1),
        "calls": report.calls,
        "readings": report.stretches,
        "late_arrivals": arguments.late_arrivals,
        "not_yet_known": report.not_yet_known,
        "coverage": coverage,
    })
}
