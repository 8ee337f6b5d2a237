//! What a demo found, as one JSON object or for people.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use ::features::{Level, Value};
use batch::Stage;
use event_source::ProgressSnapshot;
use serde::Serialize;
use snapshot::Manifest;

use crate::demo::compare::Tally;
use crate::demo::ledger::Balance;
use crate::demo::material::Material;
use crate::failure::Failure;

/// The parts of a demo, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    Generate,
    Batch,
    Stream,
    Recount,
    CheckBatch,
    CheckService,
    Lookups,
}

impl Step {
    const fn for_people(self) -> &'static str {
        match self {
            Self::Generate => "make or read the calls",
            Self::Batch => "batch job",
            Self::Stream => "Kinesis, handler, DynamoDB",
            Self::Recount => "index the recount, meanwhile",
            Self::CheckBatch => "check the snapshot",
            Self::CheckService => "check the service",
            Self::Lookups => "timed lookups",
        }
    }
}

/// One number of the table of campaigns.
pub(crate) struct Shown {
    pub(crate) who: String,
    pub(crate) number: String,
    pub(crate) values: Vec<(String, Value)>,
}

#[derive(Default, Serialize)]
struct BatchFacts {
    rows: BTreeMap<&'static str, u64>,
}

#[derive(Default, Serialize)]
struct ServeFacts {
    lookups: usize,
    p50_us: u64,
    p99_us: u64,
}

#[derive(Default, Serialize)]
struct DynamoFacts {
    write_units_per_call: f64,
    writes: u64,
    refusals: u64,
}

#[derive(Default, Serialize)]
struct DeliveryFacts {
    batches: u64,
    delivered: u64,
    redelivered: u64,
}

/// Everything found.
#[derive(Default)]
pub(crate) struct DemoReport {
    history_calls: u64,
    streamed_from_ms: i64,
    end_ms: i64,
    refused: BTreeMap<String, u64>,
    pub(crate) calls: Balance,
    pub(crate) stream: Tally,
    pub(crate) batch: Tally,
    pub(crate) merged: Tally,
    batch_facts: BatchFacts,
    serve: ServeFacts,
    dynamodb: DynamoFacts,
    delivery: DeliveryFacts,
    seconds: BTreeMap<Step, f64>,
    pub(crate) batch_stages: Vec<(Stage, Duration)>,
    pub(crate) campaigns: Vec<Shown>,
}

impl DemoReport {
    /// Runs a step and notes how long it took.
    pub(crate) fn time<T>(&mut self, step: Step, run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let started = Instant::now();
        let done = run();
        self.took(step, started.elapsed());
        done
    }

    /// Notes how long a step took.
    pub(crate) fn took(&mut self, step: Step, time: Duration) {
        self.seconds.insert(step, (time.as_secs_f64() * 1_000.0).round() / 1_000.0);
    }

    /// Notes what there is to work on.
    pub(crate) fn describe(&mut self, material: &Material) {
        self.history_calls = material.calls.len() as u64;
        self.streamed_from_ms = material.stream_from_ms;
        self.end_ms = material.end_ms;
        self.refused.clone_from(&material.refused);
    }

    /// Notes the rows of the snapshot, both parties together.
    pub(crate) fn rows(&mut self, manifest: &Manifest) {
        for level in Level::ALL {
            let rows = manifest.rows.iter().filter(|rows| rows.level == level).map(|rows| rows.rows).sum();
            self.batch_facts.rows.insert(level.as_str(), rows);
        }
    }

    /// Notes what the consumer did.
    pub(crate) fn consumed(&mut self, totals: &count_calls::BatchReport, delivered: &ProgressSnapshot) {
        let counted = (totals.counted + totals.unchecked).max(1);
        self.dynamodb = DynamoFacts {
            write_units_per_call: (totals.write_units / counted as f64 * 1_000.0).round() / 1_000.0,
            writes: totals.writes,
            refusals: totals.refusals,
        };
        self.delivery = DeliveryFacts {
            batches: delivered.batches,
            delivered: delivered.records_delivered,
            redelivered: delivered.records_redelivered,
        };
    }

    /// Notes how long lookups took.
    pub(crate) fn lookups(&mut self, took: &[Duration]) {
        let mut sorted: Vec<u64> = took.iter().map(|took| took.as_micros() as u64).collect();
        sorted.sort_unstable();
        let at = |share: f64| {
            let place = (sorted.len() as f64 * share) as usize;
            sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        self.serve = ServeFacts { lookups: sorted.len(), p50_us: at(0.5), p99_us: at(0.99) };
    }

    /// How many facts differ from the recount or the ledger.
    pub(crate) fn differences(&self) -> u64 {
        let ledger = self.calls.differences.len() as u64;
        ledger + self.stream.mismatches + self.batch.mismatches + self.merged.mismatches
    }

    /// One JSON object on standard output.
    pub(crate) fn print_json(&self) -> anyhow::Result<()> {
        let object = serde_json::json!({
            "calls": self.calls,
            "history": { "calls": self.history_calls, "refused": self.refused },
            "stream": self.stream,
            "batch": { "checked": self.batch.checked, "mismatches": self.batch.mismatches,
                       "estimates": self.batch.estimates, "rows": self.batch_facts.rows },
            "merged": self.merged,
            "serve": self.serve,
            "dynamodb": self.dynamodb,
            "delivery": self.delivery,
            "ledger_differences": self.calls.differences,
            "seconds": self.seconds,
        });
        println!("{}", serde_json::to_string_pretty(&object)?);
        self.print_differences();
        Ok(())
    }

    /// The same for people.
    pub(crate) fn print(&self, kept: Option<&Path>) {
        self.print_campaigns();
        self.print_calls();
        self.print_checks();
        println!("\nTime");
        for (step, seconds) in &self.seconds {
            println!("  {:<28} {seconds:>8.1} s", step.for_people());
        }
        if let Some(folder) = kept {
            println!("\nKept in {}: calls/, data/ (snapshot), quarantine/", folder.display());
        }
        self.print_differences();
    }

    fn print_campaigns(&self) {
        let Some(first) = self.campaigns.first() else { return };
        println!("\nPlanted fraud beside an ordinary subscriber, as the service answers");
        print!("  {:<28}", "");
        // The longest name of a scheme has 18 letters; numbers have 16.
        let width = |shown: &Shown| shown.who.len().max(16);
        self.campaigns.iter().for_each(|shown| print!(" {:>1$}", shown.who, width(shown)));
        print!("\n  {:<28}", "number");
        self.campaigns.iter().for_each(|shown| print!(" {:>1$}", shown.number, width(shown)));
        println!();
        for (id, _) in &first.values {
            print!("  {id:<28}");
            for shown in &self.campaigns {
                let value = shown.values.iter().find(|(own, _)| own == id).map(|(_, value)| *value);
                print!(" {:>1$}", for_people(value.unwrap_or(Value::Missing)), width(shown));
            }
            println!();
        }
    }

    fn print_calls(&self) {
        let calls = &self.calls;
        println!("\nCalls");
        println!("  {:<28} {:>12}", "in all", self.history_calls);
        println!("  {:<28} {:>12}", "put on the stream", calls.received);
        println!("  {:<28} {:>12}   read back from DynamoDB", "counted", calls.counted);
        println!("  {:<28} {:>12}", "copies, not counted", calls.duplicates);
        println!("  {:<28} {:>12}", "quarantined", calls.quarantined);
        for (reason, count) in &calls.quarantined_by_reason {
            println!("    {reason:<26} {count:>12}");
        }
        for (reason, count) in &self.refused {
            println!("  {:<28} {count:>12}   {reason}", "rows refused");
        }
        let delivery = &self.delivery;
        println!(
            "  {:<28} {:>12}   in {} batches",
            "delivered again on purpose", delivery.redelivered, delivery.batches
        );
        let dynamodb = &self.dynamodb;
        println!("  {:<28} {:>12.3}   redeliveries included", "write units a call", dynamodb.write_units_per_call);
    }

    fn print_checks(&self) {
        println!("\nChecked against the recount    values   mismatches   of them estimates");
        for (what, tally) in [
            ("stream windows, over gRPC", &self.stream),
            ("days up to now, over gRPC", &self.merged),
            ("snapshot", &self.batch),
        ] {
            println!("  {what:<26} {:>8} {:>12} {:>19}", tally.checked, tally.mismatches, tally.estimates);
        }
        let rows: Vec<_> = self.batch_facts.rows.iter().map(|(level, rows)| format!("{rows} {level}")).collect();
        println!("  rows in the snapshot: {}", rows.join(", "));
        let serve = &self.serve;
        println!("  {} single lookups: p50 {} us, p99 {} us", serve.lookups, serve.p50_us, serve.p99_us);
    }

    fn print_differences(&self) {
        let tallies = [&self.stream, &self.merged, &self.batch].into_iter().flat_map(|tally| &tally.shown);
        for difference in self.calls.differences.iter().chain(tallies) {
            eprintln!("differs: {difference}");
        }
    }
}

fn for_people(value: Value) -> String {
    match value {
        Value::Missing => "-".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Number(number) => format!("{number:.3}"),
    }
}
