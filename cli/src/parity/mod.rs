//! `tollwatch parity`: what the service answered, recounted from the archive.
//!
//! The recount is a path of its own ([`recount`]): it reads the records, keeps one copy of each call, and loops over
//! the calls of an entity for every value. Of what made the answers it uses nothing but what definitions mean.

mod compare;
mod logged;
mod recount;

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use cdr::NumberPlan;
use indicatif::HumanCount;
use objects::Location;
use point_in_time::{Archive, Entities, KeptCalls};
use serde_json::{Value, json};

use crate::call_archive::CallArchive;
use crate::call_input::ReadFlags;
use crate::defaults::FeatureFile;
use crate::failure::{Blame as _, Failure, Outcome};
use crate::interrupt::unless_interrupted;
use crate::output::print;
use crate::parity::compare::{Comparison, Findings, Tally};
use crate::parity::logged::{Log, Logged};
use crate::progress;

/// Answers that are recounted at once: the archive is read for each so many.
const ANSWERS_AT_ONCE: usize = 5_000;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Answers, one JSON object a line: what --answer-log of serve and up writes, or `tollwatch get --json` prints
    #[arg(long, value_name = "FILE")]
    responses: PathBuf,
    /// The calls: a file, a folder or an s3:// URL; all below it that are named as files of calls
    #[arg(long, value_name = "LOCATION")]
    input: Location,
    /// Seconds before an answer in which a call may have arrived and not be counted yet
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    settle: u32,
    /// Calls kept in memory, some 500 bytes each
    #[arg(long, value_name = "COUNT", default_value_t = point_in_time::CALLS_IN_MEMORY)]
    calls_in_memory: usize,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    read: ReadFlags,
    #[command(flatten)]
    definitions: FeatureFile,
}

/// What was held against what.
#[derive(Default)]
struct Report {
    answers: u64,
    /// Answers of other definitions.
    of_other_versions: u64,
    /// Answers that say that they are degraded.
    degraded: u64,
    /// Answers later than the last that the archive knows of.
    later_than_archive: u64,
    records: u64,
    findings: Findings,
}

/// Recounts, and fails if a value differs.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let log = Log::open(&arguments.responses)?;
    let archive = CallArchive::open(&arguments.input).await?;
    let json = arguments.json;
    let folder = archive.folder().to_owned();
    let work = tokio::task::spawn_blocking(move || compare(&arguments, log, &archive));
    let work = async { work.await.context("the recount broke off").or_internal()? };
    let report = unless_interrupted("nothing was reported", Some(&folder), work).await?;
    let total = report.findings.total();
    if json {
        print(&(serde_json::to_string_pretty(&as_json(&report, &total)).or_internal()? + "\n"))?;
    } else {
        print(&as_text(&report, &total))?;
    }
    if total.different > 0 {
        return Err(Failure::internal(anyhow!("{} values are not what the archive says", total.different)));
    }
    if total.matched == 0 {
        return Err(Failure::user(anyhow!(
            "no value could be held against the archive: {} answers, {} of them of other definitions",
            report.answers,
            report.of_other_versions
        )));
    }
    Ok(())
}

fn compare(arguments: &Arguments, mut log: Log, archive: &CallArchive) -> Result<Report, Failure> {
    let set = arguments.definitions.read()?;
    let read = arguments.read.options()?;
    let plan = NumberPlan::new(&set.settings().default_region).or_internal()?;
    let ids = compare::ids(&set);
    let mut report = Report::default();
    loop {
        let mut answers = log.next(ANSWERS_AT_ONCE)?;
        if answers.is_empty() {
            return Ok(report);
        }
        let read_now = answers.len() as u64;
        report.answers += read_now;
        answers.retain(|logged| logged.response.feature_set_version == set.version());
        report.of_other_versions += read_now - answers.len() as u64;
        report.degraded += answers.iter().filter(|logged| logged.response.degraded).count() as u64;
        if answers.is_empty() {
            continue;
        }
        let entities = Entities::of(compare::entities(&answers), set.settings().range_digits);
        let bar = progress::bar("read calls", archive.files.len() as u64, "files");
        let calls = Archive { files: &archive.files, plan: &plan, read: &read };
        let (period, limit) = (period(&answers), arguments.calls_in_memory);
        let kept = KeptCalls::gather(calls, &entities, period, limit, &|files| bar.set_position(files as u64));
        bar.finish_and_clear();
        let kept = kept.or_user()?.ok_or_else(|| {
            anyhow!("the answers touch more than {limit} calls: raise --calls-in-memory, or give fewer answers")
        });
        let kept = kept.or_user()?;
        let (_, last_ms) = kept.span().ok_or_else(|| anyhow!("{} holds no valid call", arguments.input)).or_user()?;
        report.records = kept.records();
        let is_later = |logged: &&Logged| logged.answered_at_ms.unwrap_or(logged.as_of_ms) > last_ms;
        report.later_than_archive += answers.iter().filter(is_later).count() as u64;
        let comparison = Comparison {
            set: &set,
            ids: &ids,
            entities: &entities,
            kept: &kept,
            settle_ms: i64::from(arguments.settle) * 1000,
        };
        answers.iter().for_each(|logged| comparison.check(logged, &mut report.findings));
    }
}

/// When the calls began that answers may be about: the longest window is of 90 days, the running minute is read to its
/// end.
fn period(answers: &[Logged]) -> std::ops::Range<i64> {
    use ::features::{BATCH_DAYS_MAX, DAY_MS, MINUTE_MS};
    let from_ms = answers.iter().map(|logged| logged.as_of_ms).min().unwrap_or_default();
    let to_ms = answers.iter().map(|logged| logged.as_of_ms).max().unwrap_or_default();
    // A stale snapshot ends some days before what is asked for.
    let stale_ms = 2 * i64::from(BATCH_DAYS_MAX) * DAY_MS;
    from_ms - stale_ms..to_ms - to_ms.rem_euclid(MINUTE_MS) + MINUTE_MS
}

fn as_text(report: &Report, total: &Tally) -> String {
    let mut text = format!("{} answers against {} records\n", HumanCount(report.answers), HumanCount(report.records));
    if report.degraded > 0 {
        let _ = writeln!(text, "{} answers say that they are degraded", HumanCount(report.degraded));
    }
    if report.later_than_archive > 0 {
        let _ = writeln!(
            text,
            "{} answers are later than the last that the archive knows of: it must have every call up to them",
            HumanCount(report.later_than_archive)
        );
    }
    if report.of_other_versions > 0 {
        let _ =
            writeln!(text, "{} answers are of other definitions: passed over", HumanCount(report.of_other_versions));
    }
    let _ = writeln!(
        text,
        "\n{:<7} {:<32} {:>9} {:>9} {:>9} {:>9} {:>9} {:>12}",
        "party", "feature", "matched", "different", "missing", "unsettled", "degraded", "difference"
    );
    let mut row = |party: &str, id: &str, tally: &Tally| {
        let largest = if tally.different == 0 { "-".to_owned() } else { format!("{}", tally.largest_difference) };
        let _ = writeln!(
            text,
            "{party:<7} {id:<32} {:>9} {:>9} {:>9} {:>9} {:>9} {largest:>12}",
            tally.matched, tally.different, tally.missing, tally.unsettled, tally.degraded
        );
    };
    for ((party, id), tally) in &report.findings.of {
        row(party, id, tally);
    }
    row("all", "", total);
    for shown in &report.findings.shown {
        let _ = writeln!(text, "differs: {shown}");
    }
    text
}

fn as_json(report: &Report, total: &Tally) -> Value {
    // Infinity, where only one side has a value, is null in JSON.
    let features: Vec<Value> = report
        .findings
        .of
        .iter()
        .map(|((party, id), tally)| json!({ "party": party, "id": id, "values": tally }))
        .collect();
    json!({
        "answers": report.answers,
        "of_other_versions": report.of_other_versions,
        "degraded_answers": report.degraded,
        "later_than_archive": report.later_than_archive,
        "records": report.records,
        "total": total,
        "features": features,
        "differences": report.findings.shown,
    })
}
