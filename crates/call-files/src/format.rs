//! The formats of files.

use switch_records::SwitchFormat;

/// A format of call records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A JSON object a line, plain or compressed by gzip or zstd; also lines of our archive.
    JsonLines,
    /// Parquet with a column a field.
    Parquet,
    /// What a switch or carrier writes, plain or compressed.
    Switch(SwitchFormat),
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 9] = [
        Self::JsonLines,
        Self::Parquet,
        Self::Switch(SwitchFormat::Asterisk),
        Self::Switch(SwitchFormat::FreeswitchCsv),
        Self::Switch(SwitchFormat::FreeswitchJson),
        Self::Switch(SwitchFormat::CiscoCucm),
        Self::Switch(SwitchFormat::TwilioJson),
        Self::Switch(SwitchFormat::TwilioCsv),
        Self::Switch(SwitchFormat::MappedCsv),
    ];

    /// The name on a command line: `jsonl`, `parquet`, or that of the [`SwitchFormat`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
            Self::Switch(format) => format.as_str(),
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// What a row is called, and numbered as.
    pub(crate) const fn row_name(self) -> &'static str {
        match self {
            Self::JsonLines | Self::Switch(_) => "line",
            Self::Parquet => "row",
        }
    }
}
