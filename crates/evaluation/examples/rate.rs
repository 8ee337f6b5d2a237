//! How long a replay of generated calls takes: `cargo run -p evaluation --profile dist --example rate`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::Instant;

use cdr::NumberPlan;
use cdr_generator::{Config, Delivered, Generator};
use evaluation::{Columns, LoadedCalls, replay};
use features::FeatureSet;

fn main() {
    let generator = Generator::new(Config::new(1, 1_795_219_200_000, 7, 20_000)).unwrap();
    let plan = NumberPlan::new("US").unwrap();
    let began = Instant::now();
    let mut calls = LoadedCalls::default();
    for arrival in generator.arrivals(generator.config().start_ms(), generator.config().end_ms) {
        if let Delivered::Call(call) | Delivered::Duplicate(call) = arrival.delivered {
            calls.push(Some(arrival.arrival_ms), call.to_record(&plan).unwrap()).unwrap();
        }
    }
    println!("generated {} records in {:.1} s", calls.len(), began.elapsed().as_secs_f64());
    let set = Arc::new(FeatureSet::default_set().unwrap());
    let began = Instant::now();
    let mut evaluations = 0u64;
    let replayed = replay(&set, &Columns::of(&set), &calls, &mut |_| evaluations += 1).unwrap();
    println!("{replayed:?}: {evaluations} evaluations in {:.1} s", began.elapsed().as_secs_f64());
}
