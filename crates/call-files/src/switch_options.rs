//! What the file of a switch does not say of itself.

use switch_records::Legs;

/// What has to be told to read the file of a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchOptions {
    /// Names the switch: its extension 1001 becomes `ext:<site>/1001`. Letters, digits and `. _ -`, at most 32.
    pub site: String,
    /// The IANA time zone of times that are written without one; `UTC` where Asterisk has `usegmtime` set.
    pub zone: String,
    /// The order of columns: names, the mapping of `cdr_custom.conf`, or the template of `cdr_csv.conf.xml`. Found out
    /// where it is not given.
    pub columns: Option<String>,
    /// The text of the TOML that maps the columns of any CSV.
    pub mapping: Option<String>,
    /// Whether the legs of a call are one call.
    pub legs: Legs,
}

impl Default for SwitchOptions {
    /// Site `pbx`, zone `UTC`, legs merged.
    fn default() -> Self {
        Self { site: "pbx".to_owned(), zone: "UTC".to_owned(), columns: None, mapping: None, legs: Legs::Merged }
    }
}
