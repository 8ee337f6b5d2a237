//! What `tollwatch evaluate` does with its defaults, without the rest of the command, and how long its parts take:
//!
//!     cargo run -p evaluation --profile dist --example seeds -- FILE.svg [SUBSCRIBERS [DAYS]]
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cdr::{CallRecord, NumberPlan};
use cdr_generator::{Config, Delivered, Generator, Label};
use evaluation::{Calls, CallsError, Columns, DataSet, Labels, Objective, Options, evaluate, plot, replay, table};
use features::FeatureSet;

/// 2026-11-21T00:00:00Z.
const END_MS: i64 = 1_795_219_200_000;

struct Generated(Generator, NumberPlan);

impl Calls for Generated {
    fn each(&self, visit: &mut dyn FnMut(i64, &CallRecord)) -> Result<(), CallsError> {
        let config = self.0.config();
        for arrival in self.0.arrivals(config.start_ms(), config.end_ms) {
            if let Delivered::Call(call) | Delivered::Duplicate(call) = arrival.delivered {
                visit(arrival.arrival_ms, &call.to_record(&self.1)?);
            }
        }
        Ok(())
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let svg = arguments.next();
    let mut count = |default: u32| arguments.next().map_or(default, |text| text.parse().unwrap());
    let (subscribers, days) = (count(10_000), count(7));
    let world = |seed: u64| {
        let generator = Generator::new(Config::new(seed, END_MS, days, subscribers)).unwrap();
        let plan = NumberPlan::new("US").unwrap();
        let rows = generator.labels().iter().map(|label| label.to_csv() + "\n").collect::<String>();
        let text = format!("{}\n{rows}", Label::CSV_HEADER);
        let labels = Labels::parse(Path::new("labels"), text.as_bytes(), &plan).unwrap();
        (format!("seed {seed}"), Generated(generator, plan), labels)
    };
    let worlds: Vec<_> = (1..=6).map(world).collect();
    let set = Arc::new(FeatureSet::default_set().unwrap());

    let began = Instant::now();
    let mut records = 0u64;
    worlds[0].1.each(&mut |_, _| records += 1).unwrap();
    eprintln!("generated {records} records in {:.2} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let mut evaluations = 0u64;
    replay(&set, &Columns::of(&set), &worlds[0].1, &mut |_| evaluations += 1).unwrap();
    eprintln!("the same with {evaluations} evaluations in {:.2} s", began.elapsed().as_secs_f64());

    let sets: Vec<_> = worlds
        .iter()
        .map(|(name, calls, labels)| DataSet { name: name.clone(), calls, labels, half: None })
        .collect();
    let (calibration, held_out) = sets.split_at(3);
    let began = Instant::now();
    let options = Options { objective: Objective::BestF1, threads: 2 };
    let report = evaluate(&set, calibration, held_out, options, &|| ()).unwrap();
    eprintln!("evaluated in {:.2} s", began.elapsed().as_secs_f64());
    print!("{}", table(&report, 5));
    if let Some(file) = svg {
        std::fs::write(file, plot(&report)).unwrap();
    }
}
