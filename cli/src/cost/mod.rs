//! `tollwatch cost`: what a volume of calls costs on AWS in a month, and what other designs would.

mod bill;
mod capacity;
mod figures;

use std::fmt::Write as _;

use indicatif::HumanCount;
use serde_json::json;

use crate::cost::bill::{Counting, Design, Line, bill, options};
use crate::cost::capacity::Capacity;
use crate::cost::figures::{DAYS_A_MONTH, MB, MILLION, PRICES_OF, REGION, SECONDS_A_DAY, assumed, measured, rules};
use crate::failure::{Blame as _, Outcome};
use crate::output::print;

/// Calls and lookups of a day: beyond, prices have steps that the table of them has not.
const CALLS_MAX: u64 = 1_000_000_000;
/// Shards of a stream; the quota of an account is lower until it is raised.
const SHARDS_MAX: i64 = 20_000;

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Calls a day, from 1 to 1000000000
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=CALLS_MAX))]
    calls_per_day: u64,
    /// Shards of a provisioned stream [default: a stream on demand]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=SHARDS_MAX))]
    shards: Option<u32>,
    /// Lookups a day, all features of a number each [default: one a call]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(0..=CALLS_MAX))]
    lookups: Option<u64>,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

/// What is to be paid for.
#[derive(Clone, Copy, Debug)]
struct Volume {
    calls_a_day: f64,
    lookups_a_day: f64,
    /// Of a provisioned stream; `None` on demand.
    shards: Option<u32>,
}

impl Volume {
    /// Shards that calls are spread over.
    fn shards_at_work(&self) -> f64 {
        self.shards.map_or_else(
            || {
                let peak = self.calls_a_day / SECONDS_A_DAY * assumed::PEAK_TO_MEAN;
                let ready = peak * rules::ON_DEMAND_HEADROOM / rules::SHARD_RECORDS_A_SECOND;
                ready.ceil().max(rules::ON_DEMAND_SHARDS_MIN)
            },
            f64::from,
        )
    }
}

/// Reckons and prints.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let volume = Volume {
        calls_a_day: arguments.calls_per_day as f64,
        lookups_a_day: arguments.lookups.unwrap_or(arguments.calls_per_day) as f64,
        shards: arguments.shards,
    };
    let bills = [Design::Tollwatch, Design::CounterPerWindow, Design::Transactions].map(|of| bill(&volume, of));
    let capacity = Capacity::of(&volume);
    if arguments.json {
        let mut text = serde_json::to_string_pretty(&as_json(&volume, &bills, &capacity)).or_internal()?;
        text.push('\n');
        return print(&text);
    }
    print(&as_text(&volume, &bills, &capacity))
}

fn total(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.usd).sum()
}

/// Of a month's total, the share of a million calls.
fn of_a_million(volume: &Volume, usd: f64) -> f64 {
    usd / (volume.calls_a_day * DAYS_A_MONTH) * MILLION
}

fn as_text(volume: &Volume, bills: &[Vec<Line>; 3], capacity: &Capacity) -> String {
    let [ours, counter, transactions] = bills;
    let counting = Counting::of(volume, Design::Tollwatch);
    let mut text = format!(
        "{} calls and {} lookups a day: dollars a month of {DAYS_A_MONTH} days\n\
         List prices of {REGION} as others quoted them by {PRICES_OF}: look at AWS's pages before you rely on them\n\
         Without free tiers, taxes, support and what leaves AWS\n\
         Stream: {}\n\
         Batches of {:.0} records, {:.2} write units a call\n\n\
         {:<11} {:<24} {:>12} {:>12} {:>12}\n",
        HumanCount(volume.calls_a_day as u64),
        HumanCount(volume.lookups_a_day as u64),
        capacity.told(volume.shards),
        counting.batch,
        counting.write_units_a_call,
        "",
        "",
        "Tollwatch",
        "counters",
        "transactions",
    );
    // Writing to a string does not fail.
    let mut row = |service: &str, what: &str, usd: [f64; 3]| {
        let [ours, counter, transactions] = usd.map(|usd| format!("{usd:.2}"));
        let _ = writeln!(text, "{service:<11} {what:<24} {ours:>12} {counter:>12} {transactions:>12}");
    };
    let mut before = "";
    for ((line, counter), transactions) in ours.iter().zip(counter).zip(transactions) {
        let service = if line.service == before { "" } else { line.service };
        before = line.service;
        row(service, line.what, [line.usd, counter.usd, transactions.usd]);
    }
    let totals = [ours, counter, transactions].map(|lines| total(lines));
    row("total", "", totals);
    row("a million calls", "", totals.map(|usd| of_a_million(volume, usd)));
    if volume.calls_a_day > measured::LAMBDA_RUN_CALLS_A_DAY_MAX {
        text += "\nSo many calls a day are too many for recompute-features: the tasks on Fargate, or the jobs on Spark, that take \
                 its place\nare not in this bill (docs/scale.md).\n";
    }
    text += "\nIf switched on, besides:\n";
    for line in options(volume) {
        let _ = writeln!(text, "{:<11} {:<32} {:>4.2}", line.service, line.what, line.usd);
    }
    text += "\nCounters: an ADD a call for each entity and window, which counts a redelivery twice. Transactions: one a \
             call.\nBoth are reckoned by the same rules and cost the same but for what counting takes.\n\
             Sources of all figures: cli/src/cost/figures.rs and docs/measurements.md; quantities: --json.\n";
    text
}

fn as_json(volume: &Volume, bills: &[Vec<Line>; 3], capacity: &Capacity) -> serde_json::Value {
    let counting = Counting::of(volume, Design::Tollwatch);
    let one = |lines: &Vec<Line>| {
        let usd = total(lines);
        json!({ "lines": lines, "total_usd": usd, "usd_a_million_calls": of_a_million(volume, usd) })
    };
    let [ours, counter, transactions] = bills.each_ref().map(one);
    json!({
        "calls_per_day": volume.calls_a_day as u64,
        "lookups_per_day": volume.lookups_a_day as u64,
        "days_a_month": DAYS_A_MONTH,
        "region": REGION,
        "prices_of": PRICES_OF,
        "stream": {
            "shards": volume.shards,
            "is_enough": volume.shards.is_none_or(|shards| shards >= capacity.shards_needed),
            "capacity": capacity,
        },
        "records_a_batch": counting.batch,
        "write_units_a_call": counting.write_units_a_call,
        "tollwatch": ours,
        "counter_per_window": counter,
        "transactions": transactions,
        "options": options(volume),
        "template": {
            "count_calls_mb": assumed::COUNT_CALLS_MB,
            "archive_calls_mb": assumed::ARCHIVE_CALLS_MB,
            "serve_features_mb": assumed::SERVE_FEATURES_MB,
            "ingest_calls_mb": assumed::INGEST_CALLS_MB,
            "batch_records": assumed::BATCH_RECORDS_MAX,
            "batching_window_s": assumed::BATCHING_WINDOW_S,
            "firehose_buffer_s": assumed::FIREHOSE_BUFFER_S,
            "firehose_buffer_mb": assumed::FIREHOSE_BUFFER_BYTES / MB,
            "transformation_buffer_s": assumed::TRANSFORMATION_BUFFER_S,
            "transformation_buffer_mb": assumed::TRANSFORMATION_BUFFER_BYTES / MB,
            "archive_days": assumed::ARCHIVE_DAYS,
            "log_days": assumed::LOG_DAYS,
            "alarms": assumed::ALARMS,
            "dashboards": assumed::DASHBOARDS,
        },
    })
}
