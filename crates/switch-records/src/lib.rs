//! What switches and carriers write about calls.
//!
//! A switch writes rows (or objects), and often several a call: one a leg. A [`LegReader`] makes a [`Leg`] of a row,
//! and a [`LegMerger`] makes one call of the legs that are linked, by the switch's own rule. No files here: who has bytes,
//! from a file or from a webhook, cuts them into rows.

mod asterisk;
mod asterisk_columns;
mod cannot_read;
mod cisco_cause;
mod cisco_cucm;
mod csv_columns;
mod decimal;
mod detect;
mod durations;
mod fields;
mod format;
mod freeswitch;
mod freeswitch_cause;
mod freeswitch_csv;
mod freeswitch_json;
mod freeswitch_template;
#[cfg(test)]
mod garbage_tests;
mod header;
mod json_text;
mod leg;
mod limits;
mod local_time;
mod mapped_csv;
mod mapping;
mod mapping_field;
mod mapping_table;
mod mapping_time;
mod merge;
mod open_call;
mod pbx_number;
mod q850;
mod row_hash;
mod site;
#[cfg(test)]
mod testing;
mod twilio;
mod twilio_callback;
mod twilio_csv;
mod twilio_json;
mod twilio_number;
mod wrong_columns;

pub use asterisk::AsteriskReader;
pub use asterisk_columns::AsteriskColumns;
pub use cannot_read::CannotRead;
pub use cisco_cucm::CiscoCucmReader;
pub use format::{Framing, LegReader, Settings, SwitchFormat};
pub use freeswitch_csv::FreeswitchCsvReader;
pub use freeswitch_json::FreeswitchJsonReader;
pub use freeswitch_template::FreeswitchTemplate;
pub use leg::{Leg, Legs, Role};
pub use mapped_csv::MappedCsvReader;
pub use mapping::{MAX_MAPPING_BYTES, Mapping};
pub use mapping_table::MappingError;
pub use merge::{LINGER_MS, LegMerger, MergeRule, Merged};
pub use site::{Site, UnknownSite};
pub use twilio_callback::status_callback;
pub use twilio_csv::TwilioCsvReader;
pub use twilio_json::TwilioJsonReader;
pub use wrong_columns::WrongColumns;
