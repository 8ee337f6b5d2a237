//! Which format rows are of, by what is in them.

use crate::fields::Fields;
use crate::{
    AsteriskColumns, CiscoCucmReader, FreeswitchJsonReader, FreeswitchTemplate, Settings, SwitchFormat,
    TwilioCsvReader, TwilioJsonReader,
};

impl SwitchFormat {
    /// The format of a CSV that begins with these rows, or what it is otherwise, to follow the name of the file.
    pub fn of_csv(rows: &[&[u8]], settings: &Settings<'_>) -> Result<Self, String> {
        if settings.mapping.is_some() {
            return Ok(Self::MappedCsv);
        }
        if let Some(columns) = settings.columns {
            return Ok(if columns.contains("CDR(") || AsteriskColumns::given(columns).is_ok() {
                Self::Asterisk
            } else {
                Self::FreeswitchCsv
            });
        }
        let header = header(rows, b',');
        if CiscoCucmReader::recognises(&header) {
            return Ok(Self::CiscoCucm);
        }
        if TwilioCsvReader::recognises(&header) {
            return Ok(Self::TwilioCsv);
        }
        if AsteriskColumns::detect(rows).is_some() {
            return Ok(Self::Asterisk);
        }
        // A template that is known and does not do is told of by its reader.
        if !matches!(FreeswitchTemplate::detect(rows), Ok(None)) {
            return Ok(Self::FreeswitchCsv);
        }
        Err(shape(rows))
    }

    /// The format of a text that begins with these JSON objects; `None` if it is none that is known.
    pub fn of_json(objects: &[&[u8]]) -> Option<Self> {
        if objects.iter().any(|object| FreeswitchJsonReader::recognises(object)) {
            return Some(Self::FreeswitchJson);
        }
        objects.iter().any(|object| TwilioJsonReader::recognises(object)).then_some(Self::TwilioJson)
    }
}

/// The fields of the first row that can be split; none if there is none.
pub(crate) fn header(rows: &[&[u8]], delimiter: u8) -> Vec<String> {
    let mut fields = Fields::new(delimiter);
    match rows.iter().any(|row| fields.split(row)) {
        true => (0..fields.len()).map(|index| fields.get(index).to_owned()).collect(),
        false => Vec::new(),
    }
}

/// What the first rows of a CSV look like, to follow the name of the file. Names of columns are told, values never: they
/// may be numbers.
pub(crate) fn shape(rows: &[&[u8]]) -> String {
    let mut fields = Fields::new(b',');
    let Some(first) = rows.iter().find(|row| fields.split(row)) else {
        return "has no line of text that can be read among its first".to_owned();
    };
    fields.split(first);
    let names: Vec<&str> = (0..fields.len()).map(|index| fields.get(index).trim()).collect();
    let is_name = |name: &&str| {
        name.len() <= MAX_NAME_BYTES
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b' ' | b'-' | b'.'))
    };
    let columns = names.len();
    let plural = if columns == 1 { "" } else { "s" };
    if CiscoCucmReader::recognises_quality(&names) {
        return "is a CMR file of Cisco Unified CM, which tells of the quality of calls".to_owned();
    }
    if columns > 1 && names.iter().all(is_name) {
        let more = if columns > NAMES_TOLD { ", ..." } else { "" };
        let told = names[..columns.min(NAMES_TOLD)].join(", ");
        return format!("is a CSV of {columns} columns with the header {told}{more}");
    }
    format!("has {columns} comma-separated column{plural}")
}

/// The longest name of a column that is told.
const MAX_NAME_BYTES: usize = 40;

/// How many names of columns are told.
const NAMES_TOLD: usize = 6;
