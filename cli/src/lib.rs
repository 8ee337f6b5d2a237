//! The `tollwatch` command: one file a subcommand, and what they share.
// Comments on arguments are the help texts: names and URLs stand there as people type them.
#![allow(clippy::doc_markdown, rustdoc::bare_urls)]
// A match says both ways on one level.
#![allow(clippy::single_match_else)]

mod answer_log;
mod archive;
mod backfill;
mod batch;
mod batch_progress;
mod call_archive;
mod call_input;
mod clock;
mod consume;
mod cost;
mod credentials;
mod defaults;
mod demo;
mod doctor;
mod endpoints;
mod evaluate;
mod exposure;
mod failure;
mod features;
mod generate;
mod get;
mod import;
mod interrupt;
mod locations;
mod metrics_server;
mod observed;
mod output;
mod parity;
mod pipeline;
mod progress;
mod pseudonymize;
mod quarantine;
mod replay;
mod run_folder;
mod serve;
mod signed;
mod snapshots;
mod stack;
mod times;
mod top;
mod training_set;
mod up;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::failure::Failure;

/// Exact features of telephone calls: from call records, in minutes and over 90 days.
#[derive(Parser)]
#[command(name = "tollwatch", version, arg_required_else_help = true)]
struct Arguments {
    /// A deployed stack, by name or ARN: what is not given is taken from its outputs. AWS_REGION and AWS_PROFILE say
    /// where it is
    #[arg(long, global = true, value_name = "NAME", env = "TOLLWATCH_STACK", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    stack: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The whole system on synthetic calls or your own, checked against a brute-force recount
    Demo(demo::Arguments),
    /// The whole system live on this machine, until Ctrl-C
    Up(up::Arguments),
    /// The features of a number, prefix or range, from a running service
    Get(get::Arguments),
    /// The entities that lead a feature, from the snapshot
    Top(top::Arguments),
    /// Synthetic call records with planted fraud, and the truth about them
    Generate(generate::Arguments),
    /// Files of calls into call records or onto a stream, once or as they grow
    Import(import::Arguments),
    /// Calls of a file onto a running stream
    Replay(replay::Arguments),
    /// The consumer alone: a stream into a table of tiles
    Consume(consume::Arguments),
    /// The tiles of a lost or new table, counted again from the archive
    Backfill(backfill::Arguments),
    /// Records that were set aside: list them, show one, put them back on the stream
    Quarantine(quarantine::Arguments),
    /// One run of the batch job: calls in, a snapshot out
    Batch(batch::Arguments),
    /// What was known of labelled numbers at the times of their labels, for training a model
    TrainingSet(training_set::Arguments),
    /// Which features find labelled fraud, at what threshold, how soon, and whom they name wrongly
    Evaluate(evaluate::Arguments),
    /// What the service answered, recounted from the calls
    Parity(parity::Arguments),
    /// What batch runs have published: list it, delete old runs
    Snapshots(snapshots::Arguments),
    /// The feature service over a table of tiles and a snapshot
    Serve(serve::Arguments),
    /// The definitions: list them, check a file
    Features(features::Arguments),
    /// What it costs on AWS, in dollars a month
    Cost(cost::Arguments),
    /// What is wrong with credentials, stack and settings, in words
    Doctor(doctor::Arguments),
}

/// What is logged where `TOLLWATCH_LOG` does not say: what goes wrong, and what is written for operators. Warnings of
/// libraries are left out: they might hold what was asked.
const LOG_DEFAULT: &str =
    "error,tollwatch=info,serve_features=warn,shared_cache=warn,event_source=warn,count_calls=warn,local_aws=warn";

/// Runs the command that the process was given.
pub fn main() -> ExitCode {
    let log = tracing_subscriber::EnvFilter::try_from_env("TOLLWATCH_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(LOG_DEFAULT));
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(log).with_ansi(is_terminal).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::internal(error).report(),
    };
    let done = runtime.block_on(async {
        let matches = stack::parse(Arguments::command(), std::env::args_os().collect()).await?;
        // What clap has checked, it can read.
        let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let stack = arguments.stack;
        match arguments.command {
            Command::Demo(arguments) => demo::run(arguments).await,
            Command::Up(arguments) => up::run(arguments).await,
            Command::Get(arguments) => get::run(arguments).await,
            Command::Top(arguments) => top::run(arguments).await,
            Command::Generate(arguments) => generate::run(arguments).await,
            Command::Import(arguments) => import::run(arguments).await,
            Command::Replay(arguments) => replay::run(arguments).await,
            Command::Consume(arguments) => consume::run(arguments).await,
            Command::Backfill(arguments) => backfill::run(arguments).await,
            Command::Quarantine(arguments) => quarantine::run(arguments).await,
            Command::Batch(arguments) => batch::run(arguments).await,
            Command::TrainingSet(arguments) => training_set::run(arguments).await,
            Command::Evaluate(arguments) => evaluate::run(arguments).await,
            Command::Parity(arguments) => parity::run(arguments).await,
            Command::Snapshots(arguments) => snapshots::run(arguments).await,
            Command::Serve(arguments) => serve::run(arguments).await,
            Command::Features(arguments) => features::run(arguments).await,
            Command::Cost(arguments) => cost::run(&arguments),
            Command::Doctor(arguments) => doctor::run(arguments, stack).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
