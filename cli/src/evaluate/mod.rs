//! `tollwatch evaluate`: which features find which fraud, at what threshold, how soon and at what price.

mod files;
mod generated;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::features::FeatureSet;
use anyhow::{Context as _, anyhow};
use cdr::NumberPlan;
use cdr_generator::{MAX_CAMPAIGNS_PER_SCHEME, MAX_DAYS, MAX_SUBSCRIBERS};
use evaluation::{DataSet, EvaluationError, Half, Objective, Options, Report, csv, evaluate, plot, replays, table};

use crate::call_input::ReadFlags;
use crate::defaults::FeatureFile;
use crate::evaluate::generated::Recipe;
use crate::failure::{Blame as _, Failure, Outcome};
use crate::interrupt::unless_interrupted;
use crate::output::print;
use crate::{progress, times};

/// Data sets that are generated for one side: each is a world of its own.
const SEEDS_MAX: usize = 100;
/// Data sets at once: each takes memory of its own.
const THREADS_MAX: usize = 4;
/// When generated calls end where nobody says: a fixed day, so that the same seeds give the same table on any day.
const END: &str = "2026-11-21";

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Labels of your own calls, CSV: scheme, campaign, number, role, start, end and, where known, strength [default:
    /// calls and labels are generated]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "held_out", "subscribers", "days", "end", "campaigns"])]
    labels: Option<PathBuf>,
    /// The calls that --labels is about [default: the calls-* files beside it, as `generate` writes them]
    #[arg(long, value_name = "FILES", num_args = 1.., requires = "labels")]
    from: Vec<PathBuf>,
    /// Labels of calls that have no say in thresholds [default: half of the campaigns and numbers of --labels]
    #[arg(long, value_name = "FILE", requires = "labels")]
    held_out_labels: Option<PathBuf>,
    /// The calls that --held-out-labels is about [default: the calls-* files beside it]
    #[arg(long, value_name = "FILES", num_args = 1.., requires = "held_out_labels")]
    held_out_from: Vec<PathBuf>,
    /// Seeds of the generated data sets that thresholds are chosen on
    #[arg(long, value_name = "SEEDS", value_delimiter = ',', default_value = "1,2,3")]
    seeds: Vec<u64>,
    /// Seeds of the generated data sets that the figures are from
    #[arg(long, value_name = "SEEDS", value_delimiter = ',', default_value = "4,5,6")]
    held_out: Vec<u64>,
    /// Numbers that place ordinary calls, in each generated data set
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SUBSCRIBERS)))]
    subscribers: u32,
    /// UTC days of each generated data set
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
    days: u32,
    /// The last moment of each generated data set: RFC 3339, or a date for its beginning
    #[arg(long, value_name = "TIME", default_value = END, value_parser = times::parse_time)]
    end: i64,
    /// Campaigns of each kind of fraud in each generated data set
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CAMPAIGNS_PER_SCHEME)))]
    campaigns: u32,
    /// Choose thresholds that name at most so many innocent numbers a day, and find the most numbers [default: the best
    /// F1]
    #[arg(long, value_name = "COUNT", value_parser = budget)]
    false_alarms_per_day: Option<f64>,
    /// Rules shown of each scheme and role
    #[arg(short = 'n', value_name = "COUNT", default_value_t = 5)]
    top: usize,
    /// Print every rule with every figure as one JSON object instead
    #[arg(long)]
    json: bool,
    /// Write every rule with every figure to a CSV file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a plot of the share found by time since the beginning of campaigns
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    read: ReadFlags,
    #[command(flatten)]
    definitions: FeatureFile,
}

/// Evaluates and tells.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let set = arguments.definitions.read()?;
    let (json, top, csv_file, svg_file) =
        (arguments.json, arguments.top, arguments.csv.clone(), arguments.svg.clone());
    let work = tokio::task::spawn_blocking(move || report(&set, &arguments));
    let work = async { work.await.context("the work broke off").or_internal()? };
    let report = unless_interrupted("nothing was written", None, work).await?;
    for (file, text) in [(csv_file, csv(&report)), (svg_file, plot(&report))] {
        if let Some(file) = file {
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display())).or_user()?;
        }
    }
    if json {
        let mut text = serde_json::to_string_pretty(&report).or_internal()?;
        text.push('\n');
        return print(&text);
    }
    print(&table(&report, top))
}

fn report(set: &Arc<FeatureSet>, arguments: &Arguments) -> Result<Report, Failure> {
    let plan = NumberPlan::new(&set.settings().default_region).or_internal()?;
    match &arguments.labels {
        Some(labels) => of_files(set, arguments, &plan, labels),
        None => of_seeds(set, arguments, &plan),
    }
}

/// Generated sets, one a seed.
fn of_seeds(set: &Arc<FeatureSet>, arguments: &Arguments, plan: &NumberPlan) -> Result<Report, Failure> {
    let (seeds, held_out) = (&arguments.seeds, &arguments.held_out);
    if seeds.len() > SEEDS_MAX || held_out.len() > SEEDS_MAX {
        return Err(Failure::user(anyhow!("more than {SEEDS_MAX} seeds: give fewer, of longer periods")));
    }
    let all: Vec<u64> = seeds.iter().chain(held_out).copied().collect();
    if let Some(twice) = all.iter().enumerate().find_map(|(place, seed)| all[..place].contains(seed).then_some(seed))
    {
        return Err(Failure::user(anyhow!(
            "seed {twice} is given twice: what is held out must be other calls than what thresholds are chosen on"
        )));
    }
    let Arguments { subscribers, days, end, campaigns, .. } = *arguments;
    let recipe = Recipe { end_ms: end, days, subscribers, campaigns };
    let worlds = all.iter().map(|seed| recipe.world(*seed, plan)).collect::<Result<Vec<_>, _>>()?;
    let sets: Vec<DataSet<'_>> = worlds
        .iter()
        .zip(&all)
        .map(|(world, seed)| DataSet {
            name: format!("seed {seed}"),
            calls: &world.calls,
            labels: &world.labels,
            half: None,
        })
        .collect();
    let (calibration, held_out) = sets.split_at(seeds.len());
    measured(set, arguments, calibration, held_out)
}

/// One set of files dealt out, or two.
fn of_files(
    set: &Arc<FeatureSet>,
    arguments: &Arguments,
    plan: &NumberPlan,
    labels: &Path,
) -> Result<Report, Failure> {
    let read = arguments.read.options()?;
    let (first, calls) = files::read(labels, &arguments.from, plan, &read)?;
    let data_set =
        |name: &Path, calls, labels, half| DataSet { name: name.display().to_string(), calls, labels, half };
    if let Some(held_out) = &arguments.held_out_labels {
        let (second, other_calls) = files::read(held_out, &arguments.held_out_from, plan, &read)?;
        let calibration = [data_set(labels, &calls, &first, None)];
        return measured(set, arguments, &calibration, &[data_set(held_out, &other_calls, &second, None)]);
    }
    let [calibration, held_out] =
        [Half::Calibration, Half::HeldOut].map(|half| [data_set(labels, &calls, &first, Some(half))]);
    measured(set, arguments, &calibration, &held_out)
}

fn measured(
    set: &Arc<FeatureSet>,
    arguments: &Arguments,
    calibration: &[DataSet<'_>],
    held_out: &[DataSet<'_>],
) -> Result<Report, Failure> {
    let objective = arguments.false_alarms_per_day.map_or(Objective::BestF1, Objective::FalseAlarmsPerDay);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let bar = progress::bar("replay calls", replays(calibration.len(), held_out.len()) as u64, "sets");
    let report = evaluate(set, calibration, held_out, Options { objective, threads }, &|| bar.inc(1));
    bar.finish_and_clear();
    report.map_err(|error| match error {
        EvaluationError::Calls { .. } => Failure::internal(error),
        error => Failure::user(error),
    })
}

fn budget(text: &str) -> Result<f64, String> {
    // Written so that NaN is refused.
    let count = text.parse().ok().filter(|count: &f64| *count >= 0.0 && count.is_finite());
    count.ok_or_else(|| "wants a number of 0 or more, such as 2 or 0.5".to_owned())
}
