//! The formats, and what a reader of each does.

use cdr::RecordError;

use crate::detect::shape;
use crate::{
    AsteriskColumns, AsteriskReader, CannotRead, CiscoCucmReader, FreeswitchCsvReader, FreeswitchJsonReader,
    FreeswitchTemplate, Leg, Legs, MappedCsvReader, MergeRule, Site, TwilioCsvReader, TwilioJsonReader,
};

/// What a switch or carrier writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SwitchFormat {
    /// Asterisk's `cdr_csv` (`Master.csv`) and `cdr_custom`.
    Asterisk,
    /// FreeSWITCH's `mod_cdr_csv`.
    FreeswitchCsv,
    /// FreeSWITCH's `mod_json_cdr`.
    FreeswitchJson,
    /// Cisco Unified Communications Manager's CDR files.
    CiscoCucm,
    /// Twilio Call resources as JSON.
    TwilioJson,
    /// Twilio's call log exported as CSV.
    TwilioCsv,
    /// Any CSV, by a mapping.
    MappedCsv,
}

/// How bytes are cut into rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Rows of CSV; a quoted field may hold line breaks.
    CsvRows,
    /// JSON objects, one behind the other; each may span lines.
    JsonObjects,
}

impl SwitchFormat {
    /// Every format.
    pub const ALL: [Self; 7] = [
        Self::Asterisk,
        Self::FreeswitchCsv,
        Self::FreeswitchJson,
        Self::CiscoCucm,
        Self::TwilioJson,
        Self::TwilioCsv,
        Self::MappedCsv,
    ];

    /// The name on a command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asterisk => "asterisk",
            Self::FreeswitchCsv => "freeswitch-csv",
            Self::FreeswitchJson => "freeswitch-json",
            Self::CiscoCucm => "cisco-cucm",
            Self::TwilioJson => "twilio-json",
            Self::TwilioCsv => "twilio-csv",
            Self::MappedCsv => "csv",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// How its legs become calls.
    pub const fn merge_rule(self) -> MergeRule {
        match self {
            Self::Asterisk | Self::CiscoCucm | Self::MappedCsv => MergeRule::Span,
            Self::FreeswitchCsv | Self::FreeswitchJson | Self::TwilioJson | Self::TwilioCsv => MergeRule::Winner,
        }
    }

    /// How its rows are cut.
    pub const fn framing(self) -> Framing {
        match self {
            Self::FreeswitchJson | Self::TwilioJson => Framing::JsonObjects,
            Self::Asterisk | Self::FreeswitchCsv | Self::CiscoCucm | Self::TwilioCsv | Self::MappedCsv => {
                Framing::CsvRows
            }
        }
    }
}

/// What is told of a file beside its site. Text that is of no use to a format is passed over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'s> {
    /// The order of columns.
    pub columns: Option<&'s str>,
    /// The text of a TOML mapping.
    pub mapping: Option<&'s str>,
    /// What becomes of the legs of a call.
    pub legs: Legs,
}

impl SwitchFormat {
    /// A reader for a file that begins with these rows. They are to be read by it as well; where reading goes on further
    /// behind, only the first of them, which may be a header.
    pub fn reader<'p>(
        self,
        site: Site<'p>,
        settings: &Settings<'_>,
        first_rows: &[&[u8]],
    ) -> Result<Box<dyn LegReader + 'p>, CannotRead> {
        let legs = settings.legs;
        let refuse = |wanted| Err(CannotRead::Rows { found: shape(first_rows), wanted });
        match self {
            Self::Asterisk => match settings.columns.map(AsteriskColumns::given).transpose()? {
                Some(columns) => Ok(Box::new(AsteriskReader::new(site, columns, legs))),
                None => match AsteriskColumns::detect(first_rows) {
                    Some(columns) => Ok(Box::new(AsteriskReader::new(site, columns, legs))),
                    None => refuse(
                        "Asterisk's Master.csv (cdr_csv: 16 to 21 columns, no header) or the order of cdr_custom's \
                         sample; any other order has to be given",
                    ),
                },
            },
            Self::FreeswitchCsv => {
                let template = match settings.columns {
                    Some(template) => FreeswitchTemplate::given(template)?,
                    None => match FreeswitchTemplate::detect(first_rows)? {
                        Some(template) => template,
                        None => {
                            return refuse(
                                "rows of a template of FreeSWITCH's cdr_csv.conf.xml; one of your own has to be given",
                            );
                        }
                    },
                };
                Ok(Box::new(FreeswitchCsvReader::new(site, template)))
            }
            Self::FreeswitchJson => match first_rows.iter().any(|row| FreeswitchJsonReader::recognises(row)) {
                true => Ok(Box::new(FreeswitchJsonReader::new(site))),
                false => Err(CannotRead::Rows {
                    found: "has none among its first lines".to_owned(),
                    wanted: "objects of FreeSWITCH's mod_json_cdr, with variables and callflow",
                }),
            },
            Self::CiscoCucm => Ok(Box::new(CiscoCucmReader::open(site, legs, first_rows)?)),
            Self::TwilioJson => Ok(Box::new(TwilioJsonReader::open(site, legs, first_rows)?)),
            Self::TwilioCsv => Ok(Box::new(TwilioCsvReader::open(site, legs, first_rows)?)),
            Self::MappedCsv => Ok(Box::new(MappedCsvReader::open(site, settings.mapping, first_rows)?)),
        }
    }
}

/// Makes legs of the rows of one file, in their order.
pub trait LegReader: Send {
    /// The leg that a row tells of; `None` for a row that tells of none, such as a header. A row is what the framing
    /// gives: bytes without the line's end.
    fn leg(&mut self, row: &[u8]) -> Result<Option<Leg>, RecordError>;
}
