//! Seeded synthetic call records with planted fraud.
//!
//! A [`Generator`] makes subscribers with habits, the calls they place, and campaigns of fraud with their
//! [`Label`]s. The same [`Config`] gives the same bytes on every machine, and any stretch of the period can be
//! made without what came before it. What the numbers are drawn from is in this package's README.
// Caller and callee are the words of this trade.
#![allow(clippy::similar_names)]

mod alias;
mod call;
mod campaign;
mod config;
mod contacts;
mod countries;
mod delivery;
mod dice;
mod durations;
mod files;
mod flaw;
mod generator;
mod handset;
mod known_series;
mod label;
mod ordinary;
mod population;
mod rhythm;
mod text;

pub use call::GeneratedCall;
pub use config::{
    Config, ConfigError, MAX_CALLS_PER_DAY, MAX_CAMPAIGNS_PER_SCHEME, MAX_DAYS, MAX_REPEAT_SHARE, MAX_STRENGTH,
    MAX_SUBSCRIBERS, MIN_STRENGTH,
};
pub use delivery::{Arrival, Arrivals, Delivered, LATE_FROM_MS, LATEST_MS, Ledger};
pub use files::{Format, Progress, WriteError, Written, write_files};
pub use generator::{Calls, Generator};
pub use label::{Label, Role, Scheme};
