//! What CI runs of the simulation: clean seeds, the same seed twice, and every sabotage caught.
#![allow(clippy::unwrap_used)]

use simulation::{Sabotage, run, seeds_until_caught};

/// Seeds without a sabotage, and the most that a sabotage may take to be caught.
const SEEDS: u64 = 1_500;

#[test]
fn every_tile_equals_the_recount_whatever_happens() {
    for seed in 0..SEEDS {
        let outcome = run(seed, None, false);
        assert_eq!(
            outcome.differences,
            Vec::<String>::new(),
            "seed {seed}: cargo run -p simulation -- --trace --from {seed}"
        );
    }
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in 0..40 {
        let (first, second) = (run(seed, None, true), run(seed, None, true));
        assert_eq!(first, second, "seed {seed}");
    }
    let traces: std::collections::BTreeSet<u64> = (0..40).map(|seed| run(seed, None, false).trace).collect();
    assert_eq!(traces.len(), 40, "seeds differ");
}

#[test]
fn every_sabotage_is_caught() {
    println!("{:<28} {:>18}", "sabotage", "seeds until caught");
    let mut missed = Vec::new();
    for sabotage in Sabotage::ALL {
        match seeds_until_caught(sabotage, 0, SEEDS) {
            Some((seeds, _)) => println!("{:<28} {seeds:>18}", format!("{sabotage:?}")),
            None => missed.push(sabotage),
        }
    }
    assert_eq!(missed, [], "not caught within {SEEDS} seeds");
}
