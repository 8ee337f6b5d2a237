//! `tollwatch batch`.

use std::fmt::Write as _;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ::features::MINUTE_MS;
use anyhow::{Context as _, anyhow};
use batch::{BatchError, BatchOptions, BatchReport, HardFindings, Input, Outcome, Rebuild, run_id, stopped_json};
use indicatif::HumanCount;
use objects::{Location, Objects};
use serde_json::Value;
use snapshot::{Manifest, Quality, UtcDay};

use crate::batch_progress::BatchProgress;
use crate::call_input::ReadFlags;
use crate::defaults::FeatureFile;
use crate::failure::{self, Blame as _, Failure};
use crate::interrupt::unless_interrupted;
use crate::output::print;
use crate::{clock, locations, run_folder, times};

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Files of calls: a file, a folder or an s3:// URL; all below it that are named as files of calls
    #[arg(long, value_name = "LOCATION")]
    input: Location,
    /// Where day tiles and snapshots go: a folder or an s3:// URL
    #[arg(long, value_name = "LOCATION")]
    output: Location,
    /// Last UTC day of every window [default: yesterday]
    #[arg(long, value_name = "DATE", value_parser = times::parse_day)]
    as_of: Option<UtcDay>,
    /// The input has every call that arrived before this moment. Answers say so, and a day that was not over then is not
    /// judged [default: nobody knows]
    #[arg(long, value_name = "TIME", value_parser = times::parse_time)]
    complete_before: Option<i64>,
    /// The same as a delay: every call that arrived so many minutes before this run began
    #[arg(long, value_name = "MINUTES", conflicts_with = "complete_before")]
    archive_delay: Option<u32>,
    /// Make everything anew from the calls of the input, also where the output has day tiles of other definitions or of
    /// another input. What is no longer in the input is then gone
    #[arg(long)]
    rebuild: bool,
    /// Publish although hard rules of quality are broken: use it after a look at quality.json. What was accepted stops no
    /// later run
    #[arg(long)]
    accept_quality: bool,
    /// Threads to compute with; each takes the memory of a day's calls [default: one a core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    read: ReadFlags,
    #[command(flatten)]
    definitions: FeatureFile,
}

/// Runs the job once.
pub(crate) async fn run(arguments: Arguments) -> failure::Outcome {
    let set = arguments.definitions.read()?;
    let read = arguments.read.options()?;
    let now_ms = clock::now_ms();
    let today = UtcDay::of_ms(now_ms);
    if let Some(as_of) = arguments.as_of.filter(|as_of| *as_of > today) {
        // It would let go of the tiles of days that today's windows need.
        return Err(Failure::user(anyhow!("--as-of {as_of} is in the future: today is {today} (UTC)")));
    }
    if let Some(before_ms) = arguments.complete_before.filter(|before_ms| *before_ms > now_ms) {
        let before = cdr::format_time(before_ms);
        return Err(Failure::user(anyhow!(
            "--complete-before {before} is in the future: what will arrive is not known"
        )));
    }
    let delay_ms = arguments.archive_delay.map(|minutes| i64::from(minutes) * MINUTE_MS);
    let complete_before = arguments.complete_before.or(delay_ms.map(|delay_ms| now_ms - delay_ms));
    let client = locations::client(&arguments.input).await;
    let input = Input::open(&arguments.input, |location| Objects::open(location, client)).or_user()?;
    let output = locations::open(&arguments.output).await?;
    let made = check_writable(&arguments.output)?;
    let folder = run_folder::make()?;
    let options = BatchOptions {
        input,
        output,
        as_of: arguments.as_of.unwrap_or_else(|| today.plus(-1)),
        run: run_id(now_ms, random()).or_internal()?,
        complete_for_arrivals_before: complete_before,
        rebuild: if arguments.rebuild { Rebuild::Always } else { Rebuild::Never },
        hard_findings: if arguments.accept_quality { HardFindings::Accept } else { HardFindings::Stop },
        temporary: Some(folder.path().to_owned()),
        read,
        threads: arguments.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get),
    };
    let shown = BatchProgress::new();
    let work = async {
        batch::run(options, set, move |step| shown.show(step)).await.map_err(|error| {
            if arguments.json
                && let BatchError::Quality { object, findings, calls } = &error
                && let Err(failure) = print_json(&stopped_json(object, findings, calls))
            {
                return failure;
            }
            blame(error)
        })
    };
    let done = unless_interrupted("nothing was published", Some(folder.path()), work).await;
    if done.is_err()
        && let Some(folder) = made
    {
        // What is in it now is not ours.
        let _ = fs::remove_dir(folder);
    }
    let report = done?;
    if let Some(warning) = went_back(&report) {
        eprintln!("tollwatch: {warning}");
    }
    if arguments.json {
        print_json(&report.to_json(&arguments.output, today))
    } else {
        print(&as_text(&report, &arguments.output, today))
    }
}

/// Tells before the work rather than after it that a folder cannot be written to. Returns the folder if it was made.
fn check_writable(output: &Location) -> Result<Option<PathBuf>, Failure> {
    let Location::Path(folder) = output else { return Ok(None) };
    let is_new = !folder.exists();
    fs::create_dir_all(folder)
        .and_then(|()| tempfile::tempfile_in(folder))
        .with_context(|| format!("cannot write to {output}"))
        .or_user()?;
    Ok(is_new.then(|| folder.clone()))
}

/// Tells apart what starts at the same moment: the keys of a hasher are random.
fn random() -> u32 {
    RandomState::new().hash_one(std::process::id()) as u32
}

fn print_json(value: &Value) -> failure::Outcome {
    let mut text = serde_json::to_string_pretty(value).or_internal()?;
    text.push('\n');
    print(&text)
}

/// What the user can mend, and what not.
fn blame(error: BatchError) -> Failure {
    let is_quality = matches!(error, BatchError::Quality { .. });
    let passes = error.may_pass();
    let error = anyhow::Error::new(error).context("nothing was published");
    match () {
        () if is_quality => Failure::quality(error),
        () if passes => Failure::internal(error),
        () => Failure::user(error),
    }
}

fn as_text(report: &BatchReport, output: &Location, today: UtcDay) -> String {
    let manifest = &report.manifest;
    let calls = &manifest.calls;
    let (as_of, run) = (manifest.as_of, &manifest.run);
    let mut text = match report.outcome {
        Outcome::Nothing => format!("nothing new: the snapshot of {as_of} in {output} (run {run}) stays as it is\n"),
        Outcome::LedgerOnly => format!(
            "no new call in the days of the snapshot of {as_of} in {output}: what came is noted (run {run})\n"
        ),
        Outcome::Snapshot => format!("published the snapshot of {as_of} in {output} (run {run})\n"),
    };
    let mut line = |name: &str, value: String| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {name:10} {value}");
    };
    let mut files = format!("{}, {} of them new", report.input_files, report.new_files);
    for (count, what) in [
        (report.older_files, "read again"),
        (report.empty_files, "empty"),
        (report.gone_files, "more known and gone"),
        (report.other_files, "of other kinds passed over"),
    ] {
        if count > 0 {
            let _ = write!(files, ", {count} {what}");
        }
    }
    line("files", files);
    line(
        "records",
        format!("{}, {} of them read by this run", HumanCount(calls.read), HumanCount(report.records_read)),
    );
    line("counted", format!("{} calls of {} days", HumanCount(calls.counted), report.days));
    let others = if report.rebuilt.len() < report.days { ", the others are of earlier runs" } else { "" };
    line("built", format!("{} of {} days{others}", report.rebuilt.len(), report.days));
    let differing = match calls.differing_duplicates {
        0 => String::new(),
        differing => format!(", {} of which differ from the call counted", HumanCount(differing)),
    };
    line("duplicates", format!("{}{differing}", HumanCount(calls.duplicates)));
    let future = match report.calls_of_days_to_come(today) {
        0 => String::new(),
        future => {
            format!(", {} of them of days after today: look at the clocks of their producers", HumanCount(future))
        }
    };
    line("outside", format!("{} calls of other days{future}", HumanCount(calls.outside)));
    let reasons: Vec<_> =
        calls.invalid.iter().map(|(reason, count)| format!("{} {reason}", HumanCount(*count))).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    line("invalid", format!("{}{reasons}", HumanCount(calls.invalid_total())));
    if !manifest.missing_days.is_empty() {
        line("missing", format!("{} days without a call: {}", manifest.missing_days.len(), days(manifest)));
    }
    for left_out in &manifest.left_out {
        let (date, records) = (left_out.date, HumanCount(left_out.records));
        line("left out", format!("{date}  {records} records: files of that day are gone, and its tile was kept"));
    }
    if let Some(quality) = &report.quality {
        for told in quality_lines(quality) {
            line("quality", told);
        }
    }
    for level in &manifest.rows {
        let name = format!("{}:{}", level.party.as_str(), level.level.as_str());
        line("rows", format!("{name:16} {}", HumanCount(level.rows)));
    }
    for (stage, took) in &report.took {
        line("seconds", format!("{:16} {:.1}", stage.as_str(), took.as_secs_f64()));
    }
    let took: Duration = report.took.iter().map(|(_, took)| *took).sum();
    line("seconds", format!("{:16} {:.1}", "in all", took.as_secs_f64()));
    text
}

/// What is to be said where a snapshot of an earlier day has taken the place of a later one.
fn went_back(report: &BatchReport) -> Option<String> {
    let Manifest { as_of, previous, .. } = &report.manifest;
    let before = previous.as_ref().filter(|before| before.as_of > *as_of && report.outcome == Outcome::Snapshot)?;
    Some(format!(
        "warning: the snapshot of {as_of} has replaced that of {}: the service answers from the older one until a run with a later --as-of",
        before.as_of
    ))
}

/// The verdict, what was found, and what was not looked at.
fn quality_lines(quality: &Quality) -> Vec<String> {
    let mut lines = vec![quality.verdict.as_str().replace('_', " ")];
    lines.extend(quality.findings.iter().map(|finding| {
        let accepted = finding.accepted_by.as_ref().map(|run| format!(", accepted by run {run}")).unwrap_or_default();
        format!("{}{accepted}: {finding}", finding.severity.as_str())
    }));
    if !quality.invalid_of_no_day.is_empty() {
        let all = HumanCount(quality.invalid_of_no_day.values().sum());
        lines.push(format!(
            "of no known day: {all} records that are no valid call, in files without a valid call and without a day in their names"
        ));
    }
    lines.extend(quality.not_judged.iter().map(|not| format!("not judged: {}: {}", not.date, not.why)));
    lines
}

/// The days without a tile, as stretches of days.
fn days(manifest: &Manifest) -> String {
    let mut stretches: Vec<(UtcDay, UtcDay)> = Vec::new();
    for missing in &manifest.missing_days {
        match stretches.last_mut() {
            Some((_, last)) if last.plus(1) == missing.date => *last = missing.date,
            _ => stretches.push((missing.date, missing.date)),
        }
    }
    let shown = |(first, last): &(UtcDay, UtcDay)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    stretches.iter().map(shown).collect::<Vec<_>>().join(", ")
}
