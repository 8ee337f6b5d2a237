//! What switches and carriers write about calls.
//!
//! A switch writes rows (or objects), and often several a call: one a leg. A [`LegReader`] makes a [`Leg`] of a row,
//! and a [`LegMerger`] makes one call of the legs that are linked, by the switch's own rule. No files here: who has bytes,
//! from a file or from a webhook, cuts them into rows.

mod cisco_cause;
mod cisco_cucm;
mod durations;
mod fields;
mod format;
mod header;
mod leg;
mod local_time;
mod merge;
mod pbx_number;
mod q850;
mod site;
#[cfg(test)]
mod testing;

pub use cisco_cucm::CiscoCucmReader;
pub use format::{Framing, LegReader, SwitchFormat};
pub use leg::{Leg, Legs, Role};
pub use merge::{LINGER_MS, LegMerger, MergeRule, Merged};
pub use site::{Site, UnknownSite};
