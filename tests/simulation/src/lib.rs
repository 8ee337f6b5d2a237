//! The consumer under every fault that a seed can think of.
//!
//! One number decides everything: the calls, their copies and the poison among them ([`scenario`]), the shards and
//! how batches are cut, what the store and the quarantine do to each request ([`store`]), when functions die or
//! overstay their time ([`world`]). The handler, its tiles and the event source's decisions are the real ones. After
//! a run the store is compared with a recount made of plain loops ([`recount`]); a run of a seed is the same run
//! every time ([`trace`]).
//!
//! `tiles::sabotage` lists what can be done wrong on purpose. Each is caught: `cargo run -p simulation -- --table`.

pub mod recount;
pub mod scenario;
pub mod store;
pub mod trace;
pub mod world;

pub use tiles::sabotage::Sabotage;
pub use world::{Outcome, run};

/// The first seed from `from` on, of at most `most`, whose run differs from the recount under a sabotage; and how
/// many seeds it took.
pub fn seeds_until_caught(sabotage: Sabotage, from: u64, most: u64) -> Option<(u64, Outcome)> {
    (0..most)
        .map(|n| (n + 1, run(from + n, Some(sabotage), false)))
        .find(|(_, outcome)| !outcome.differences.is_empty())
}
