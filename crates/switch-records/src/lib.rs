//! What switches and carriers write about calls.
//!
//! A switch writes rows (or objects), and often several a call: one a leg. A [`LegReader`] makes a [`Leg`] of a row,
//! and a [`LegMerger`] makes one call of the legs that are linked, by the switch's own rule. No files here: who has bytes,
//! from a file or from a webhook, cuts them into rows.

mod asterisk;
mod asterisk_columns;
mod cannot_read;
mod csv_columns;
mod detect;
mod durations;
mod fields;
mod format;
mod leg;
mod limits;
mod local_time;
mod merge;
mod open_call;
mod pbx_number;
mod q850;
mod row_hash;
mod site;
mod wrong_columns;

pub use asterisk::AsteriskReader;
pub use asterisk_columns::AsteriskColumns;
pub use cannot_read::CannotRead;
pub use format::{Framing, LegReader, Settings, SwitchFormat};
pub use leg::{Leg, Legs, Role};
pub use merge::{LINGER_MS, LegMerger, MergeRule, Merged};
pub use site::{Site, UnknownSite};
pub use wrong_columns::WrongColumns;
