//! Rules over `infra/template.yaml` and what is written about it: least privilege, what exactly-once rests on, data
//! that is private and kept, alarms for everything, and documents that name what is there.
//!
//! A rule reads the template as data, so the tests can break it on purpose and see which rule notices.

mod documents;
mod rules;
mod sources;
mod template;

pub use documents::{described_alarms, described_parameters};
pub use rules::{Finding, Rule, check};
pub use sources::{Sources, VariablesRead};
pub use template::{Template, YamlError, substituted};
