//! `sim`: runs seeds, shows one, or tells how soon each sabotage is caught.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use simulation::{Sabotage, run, seeds_until_caught};

/// Exactly once, under faults. Exit code 1 if any run differs from the recount.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run
    #[arg(default_value_t = 1_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Print what happened in the run of the first seed
    #[arg(long)]
    trace: bool,
    /// Do this wrong, named as in the table
    #[arg(long, value_parser = by_name)]
    sabotage: Option<Sabotage>,
    /// For each sabotage, print after how many seeds it was caught
    #[arg(long, conflicts_with_all = ["trace", "sabotage"])]
    table: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_good = if arguments.table {
        table(&arguments)
    } else if arguments.trace {
        let outcome = run(arguments.from, arguments.sabotage, true);
        outcome.lines.iter().for_each(|line| println!("{line}"));
        outcome.differences.iter().for_each(|difference| println!("differs: {difference}"));
        outcome.differences.is_empty()
    } else {
        seeds(&arguments)
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn seeds(arguments: &Arguments) -> bool {
    let started = Instant::now();
    let (mut events, mut bad) = (0, 0);
    for n in 0..arguments.seeds {
        let outcome = run(arguments.from + n, arguments.sabotage, false);
        events += outcome.events;
        if let Some(first) = outcome.differences.first() {
            bad += 1;
            println!("seed {}: {} differences, such as {first}", outcome.seed, outcome.differences.len());
        }
        if (n + 1).is_multiple_of(10_000) {
            eprintln!("{} seeds, {events} events, {bad} wrong, {:.0?}", n + 1, started.elapsed());
        }
    }
    println!(
        "{} seeds from {}: {events} writes and answers, {bad} runs differ from the recount, {:.1?}",
        arguments.seeds,
        arguments.from,
        started.elapsed()
    );
    bad == 0
}

fn table(arguments: &Arguments) -> bool {
    println!("{:<28} {:>18}   first difference", "sabotage", "seeds until caught");
    let mut is_good = true;
    for sabotage in Sabotage::ALL {
        let name = format!("{sabotage:?}");
        if let Some((seeds, outcome)) = seeds_until_caught(sabotage, arguments.from, arguments.seeds) {
            let shown: String = outcome.differences[0].chars().take(90).collect();
            println!("{name:<28} {seeds:>18}   {shown}");
        } else {
            is_good = false;
            println!("{name:<28} {:>18}", "not caught");
        }
    }
    is_good
}

fn by_name(name: &str) -> Result<Sabotage, String> {
    let found = Sabotage::ALL.into_iter().find(|sabotage| format!("{sabotage:?}").eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let names: Vec<String> = Sabotage::ALL.iter().map(|sabotage| format!("{sabotage:?}")).collect();
        format!("there is no such sabotage; there are {}", names.join(", "))
    })
}
