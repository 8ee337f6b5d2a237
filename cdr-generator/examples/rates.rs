//! How many calls a second one core generates, alone and into files, and in how much memory.
//!
//!     cargo run --profile dist -p cdr-generator --example rates [-- SUBSCRIBERS DAYS RUNS]
//!
//! It is here rather than in `bench/` because that package links all of Tollwatch. Time is that on the processor, as the
//! system accounts it to this thread: others on the machine do not count. Prints a Markdown table of medians.

use std::fs;
use std::path::Path;
use std::time::Instant;

use cdr_generator::{Config, Format, Generator, write_files};

/// 2026-11-21T00:00:00Z.
const END_MS: i64 = 1_795_219_200_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let asked: Vec<u32> = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let asked = |place: usize, default| asked.get(place).copied().unwrap_or(default);
    let (subscribers, days, runs) = (asked(0, 200_000), asked(1, 5), asked(2, 5));
    let generator = Generator::new(Config::new(1, END_MS, days, subscribers))?;
    println!("{}; {subscribers} subscribers, {days} days, medians of {runs}", processor());
    println!(
        "| what | calls a second of one core | records | bytes a record | CPU s | wall s |\n|---|---|---|---|---|---|"
    );
    report("generate", runs, || Ok(((0..days).map(|day| generator.day(day).count() as u64).sum(), 0)))?;
    for (what, format) in [("JSON lines", Format::JsonLines), ("Parquet", Format::Parquet)] {
        report(what, runs, || {
            let folder = tempfile::tempdir()?;
            let written = write_files(&generator, folder.path(), format, |_| {})?;
            Ok((written.unique_calls + written.duplicates, bytes_of(folder.path())?))
        })?;
    }
    println!("peak memory: {}", status("VmHWM:"));
    Ok(())
}

type Done = Result<(u64, u64), Box<dyn std::error::Error>>;

/// Runs it some times, and prints the median.
fn report(what: &str, runs: u32, work: impl Fn() -> Done) -> Result<(), Box<dyn std::error::Error>> {
    let mut taken = Vec::new();
    for _ in 0..runs {
        let (began, cpu) = (Instant::now(), cpu_seconds());
        let (records, bytes) = work()?;
        taken.push((cpu_seconds() - cpu, began.elapsed().as_secs_f64(), records, bytes));
    }
    taken.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (cpu, wall, records, bytes) = taken[taken.len() / 2];
    let (rate, each) = (records as f64 / cpu, bytes as f64 / records as f64);
    println!("| {what} | {rate:.0} | {records} | {each:.1} | {cpu:.2} | {wall:.2} |");
    Ok(())
}

fn bytes_of(folder: &Path) -> std::io::Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

/// Seconds that this thread was on a processor.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name"));
    name.map_or_else(|| "unknown processor".to_owned(), |name| name.trim_start_matches([' ', '\t', ':']).to_owned())
}

fn status(field: &str) -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("unknown").trim().to_owned()
}
