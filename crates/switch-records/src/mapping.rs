//! What a CSV file of calls is made of, said in TOML. `examples/mapping.toml` has every key, with comments.

use std::collections::BTreeMap;

use cdr::{Channel, NumberPlan, Outcome, rules};
use jiff::tz::TimeZone;
use toml::de::DeValue;

use crate::MappingError;
use crate::header::plain;
use crate::mapping_field::MappedField;
use crate::mapping_table::{Entry, Table};
use crate::mapping_time::TimeFormat;

/// Which column of a CSV file is what, and how it is written.
#[derive(Debug)]
pub struct Mapping {
    pub(crate) delimiter: u8,
    pub(crate) has_header: bool,
    pub(crate) columns: Columns,
    pub(crate) time_format: TimeFormat,
    /// Overrides the zone of the site.
    pub(crate) zone: Option<TimeZone>,
    /// Overrides the plan of the site.
    pub(crate) plan: Option<NumberPlan>,
    /// Milliseconds of one unit of a duration.
    pub(crate) duration_unit_ms: i64,
    /// Millionths of one unit of a cost.
    pub(crate) cost_unit_micros: i64,
    pub(crate) decimal_point: u8,
    /// By their text in lower case.
    pub(crate) outcomes: BTreeMap<String, Outcome>,
    pub(crate) outcome_default: Option<Outcome>,
    pub(crate) constants: Constants,
}

/// A column, by its name in the header or by its place from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Named(String),
    Place(usize),
}

/// The columns of each field; none where the file has no such field.
#[derive(Debug, Default)]
pub(crate) struct Columns([Vec<Column>; MappedField::COUNT]);

/// What is the same in every row.
#[derive(Debug, Default)]
pub(crate) struct Constants {
    pub channel: Option<Channel>,
    pub currency: Option<String>,
    pub trunk: Option<String>,
}

/// The longest mapping, in bytes: one with all keys and a hundred outcomes has a tenth of that.
pub const MAX_MAPPING_BYTES: usize = 64 * 1024;

/// The last place of a column that a mapping may name: CDR files of the largest switches have some 400.
const MAX_PLACE: usize = 2_000;

impl Mapping {
    /// Reads a mapping. What is wrong with it is told with its line and key.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        if text.len() > MAX_MAPPING_BYTES {
            let rule = format!("the mapping has {} bytes: wants at most {MAX_MAPPING_BYTES}", text.len());
            return Err(MappingError { line: 1, key: String::new(), rule });
        }
        let mut table = Table::parse(text)?;
        let has_header = table.take("header").map_or(Ok(true), |entry| entry.flag())?;
        let columns = Columns::read(table.table("columns")?, has_header)?;
        let mapping = Self {
            delimiter: table.take("delimiter").map_or(Ok(b','), |entry| delimiter(&entry))?,
            has_header,
            time_format: table.take("time_format").map_or(Ok(TimeFormat::Rfc3339), |entry| time_format(&entry))?,
            zone: table.take("zone").map(|entry| zone(&entry)).transpose()?,
            plan: table.take("region").map(|entry| plan(&entry)).transpose()?,
            duration_unit_ms: table.take("duration_unit").map_or(Ok(1000), |entry| entry.one_of(&DURATION_UNITS))?,
            cost_unit_micros: table.take("cost_unit").map_or(Ok(1_000_000), |entry| entry.one_of(&COST_UNITS))?,
            decimal_point: table.take("decimal_point").map_or(Ok(b'.'), |entry| entry.one_of(&DECIMAL_POINTS))?,
            outcomes: outcomes(&mut table.table("outcomes")?)?,
            outcome_default: table
                .take("outcome_default")
                .map(|entry| entry.one_of(&named_outcomes()))
                .transpose()?,
            constants: Constants::read(table.table("constants")?)?,
            columns,
        };
        table.finish(&KEYS)?;
        mapping.check(text)
    }

    /// What separates the fields of a row.
    pub const fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Checks that a file's first row has the columns that the mapping names, each once; says which it has not.
    pub fn check_header<T: AsRef<str>>(&self, header: &[T]) -> Result<(), String> {
        let names: Vec<String> = header.iter().map(|name| plain(name.as_ref())).collect();
        for column in self.columns.all() {
            let Column::Named(name) = column else { continue };
            let problem = match names.iter().filter(|other| **other == plain(name)).count() {
                1 => continue,
                0 => "has no column",
                _ => "has more than one column",
            };
            return Err(format!("{problem} {name:?}, which the mapping names"));
        }
        Ok(())
    }

    /// Refuses a mapping by which no row could become a call.
    fn check(self, text: &str) -> Result<Self, MappingError> {
        let has = |field| !self.columns.of(field).is_empty();
        let refused = |key: &str, rule: &str| {
            let line = text.lines().position(|line| line.trim() == "[columns]").map_or(1, |line| line + 1);
            Err(MappingError { line, key: key.to_owned(), rule: rule.to_owned() })
        };
        if !has(MappedField::Caller) {
            return refused("columns.caller", "is missing: wants the column of who calls");
        }
        if !has(MappedField::Callee) {
            return refused("columns.callee", "is missing: wants the column of who is called");
        }
        let (has_end, has_duration) = (has(MappedField::EndedAt), has(MappedField::Duration));
        if !(has(MappedField::StartedAt) || has_end && has_duration) {
            let rule = "is missing: wants the column of the beginning, or ended_at and duration";
            return refused("columns.started_at", rule);
        }
        if !has_end && !has_duration && !has(MappedField::Talk) {
            return refused("columns.ended_at", "is missing: wants the column of the end, or duration, or talk");
        }
        let has_answer = has(MappedField::AnsweredAt) || has(MappedField::Talk);
        if !has(MappedField::Outcome) && !has_answer && self.outcome_default.is_none() {
            let rule = "is missing: wants the column of the outcome, or answered_at or talk to tell it by, or outcome_default";
            return refused("columns.outcome", rule);
        }
        if has(MappedField::Outcome) && self.outcomes.is_empty() {
            let rule = "is missing: wants a table of the texts of columns.outcome, such as \"OK\" = \"answered\"";
            return refused("outcomes", rule);
        }
        if has(MappedField::Cost) && !has(MappedField::Currency) && self.constants.currency.is_none() {
            return refused("constants.currency", "is missing: columns.cost needs it, or columns.currency");
        }
        Ok(self)
    }
}

const KEYS: [&str; 12] = [
    "delimiter",
    "header",
    "time_format",
    "zone",
    "region",
    "duration_unit",
    "cost_unit",
    "decimal_point",
    "outcome_default",
    "[columns]",
    "[outcomes]",
    "[constants]",
];

const DURATION_UNITS: [(&str, i64); 2] = [("s", 1000), ("ms", 1)];
const COST_UNITS: [(&str, i64); 3] = [("whole", 1_000_000), ("hundredth", 10_000), ("millionth", 1)];
const DECIMAL_POINTS: [(&str, u8); 2] = [(".", b'.'), (",", b',')];

fn named_outcomes() -> [(&'static str, Outcome); 5] {
    Outcome::ALL.map(|outcome| (outcome.as_str(), outcome))
}

fn delimiter(entry: &Entry<'_>) -> Result<u8, MappingError> {
    match entry.text()?.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
        _ => Err(entry.wrong("wants one character such as \",\", \";\", \"|\" or \"\\t\"".to_owned())),
    }
}

fn time_format(entry: &Entry<'_>) -> Result<TimeFormat, MappingError> {
    TimeFormat::of(entry.text()?).ok_or_else(|| {
        entry.wrong(
            "is no form of time: wants epoch_s, epoch_ms, rfc3339, rfc2822, or a pattern of strptime with date and \
             time such as \"%d.%m.%Y %H:%M:%S\""
                .to_owned(),
        )
    })
}

fn zone(entry: &Entry<'_>) -> Result<TimeZone, MappingError> {
    let name = entry.text()?;
    TimeZone::get(name)
        .map_err(|_| entry.wrong(format!("{name:?} is no time zone: wants an IANA name such as Europe/Berlin")))
}

fn plan(entry: &Entry<'_>) -> Result<NumberPlan, MappingError> {
    NumberPlan::new(entry.text()?).map_err(|error| entry.wrong(error.to_string()))
}

fn outcomes(table: &mut Table<'_>) -> Result<BTreeMap<String, Outcome>, MappingError> {
    let mut outcomes = BTreeMap::new();
    for (text, entry) in table.rest() {
        let outcome = entry.one_of(&named_outcomes())?;
        if outcomes.insert(text.trim().to_lowercase(), outcome).is_some() {
            return Err(entry.wrong("is there twice: upper and lower case are the same".to_owned()));
        }
    }
    Ok(outcomes)
}

impl Columns {
    fn read(mut table: Table<'_>, has_header: bool) -> Result<Self, MappingError> {
        let mut read = Self::default();
        for field in MappedField::ALL {
            if let Some(entry) = table.take(field.key()) {
                read.0[field as usize] = columns(&entry, has_header, field.most_columns())?;
            }
        }
        table.finish(&MappedField::ALL.map(MappedField::key))?;
        Ok(read)
    }

    /// The columns of a field.
    pub fn of(&self, field: MappedField) -> &[Column] {
        &self.0[field as usize]
    }

    fn all(&self) -> impl Iterator<Item = &Column> {
        self.0.iter().flatten()
    }
}

/// One or several columns, each by its name or its place from 1.
fn columns(entry: &Entry<'_>, has_header: bool, most: usize) -> Result<Vec<Column>, MappingError> {
    let values = entry.values();
    if values.is_empty() || values.len() > most {
        return Err(entry.wrong(if most == 1 {
            "wants one column".to_owned()
        } else {
            format!("wants 1 to {most} columns")
        }));
    }
    values.into_iter().map(|value| column(entry, value, has_header)).collect()
}

fn column(entry: &Entry<'_>, value: &DeValue<'_>, has_header: bool) -> Result<Column, MappingError> {
    if let Some(name) = value.as_str() {
        return if !has_header {
            Err(entry.wrong("is a name, and the file has no header: wants the column's place, from 1".to_owned()))
        } else if plain(name).is_empty() {
            Err(entry.wrong("is empty: wants the column's name in the header, or its place from 1".to_owned()))
        } else {
            Ok(Column::Named(name.to_owned()))
        };
    }
    let place = value.as_integer().and_then(|integer| usize::from_str_radix(integer.as_str(), integer.radix()).ok());
    match place {
        Some(place @ 1..=MAX_PLACE) => Ok(Column::Place(place - 1)),
        _ => Err(entry.wrong(format!("wants the column's name in quotes, or its place from 1 to {MAX_PLACE}"))),
    }
}

impl Constants {
    fn read(mut table: Table<'_>) -> Result<Self, MappingError> {
        let channels = Channel::ALL.map(|channel| (channel.as_str(), channel));
        let channel = table.take("channel").map(|entry| entry.one_of(&channels)).transpose()?;
        let text = |entry: Entry<'_>| entry.text().map(str::to_owned);
        let currency = match table.take("currency") {
            Some(entry) => {
                rules::currency(entry.text()?).map_err(|error| entry.wrong(error.rule.to_owned()))?;
                Some(entry.text()?.to_owned())
            }
            None => None,
        };
        let trunk = table.take("trunk").map(text).transpose()?;
        table.finish(&["channel", "currency", "trunk"])?;
        Ok(Self { channel, currency, trunk })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LEAST: &str = "[columns]\ncaller = \"a\"\ncallee = \"b\"\nstarted_at = \"t\"\ntalk = \"d\"\n";

    fn refused(text: &str) -> String {
        Mapping::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_example_names_every_key() {
        let example = include_str!("../../../examples/mapping.toml");
        Mapping::parse(example).unwrap();
        let named = |key: &str| {
            let line = |line: &str| line.trim_start_matches("# ").split([' ', '=']).next() == Some(key);
            example.lines().any(line)
        };
        for key in
            KEYS.iter().copied().chain(MappedField::ALL.map(MappedField::key)).chain(["channel", "currency", "trunk"])
        {
            assert!(named(key), "{key}");
        }
        // What is commented out is right too.
        let whole: String = example
            .lines()
            .map(|line| if line.contains(" = ") { line.trim_start_matches("# ") } else { line })
            .filter(|line| !line.starts_with("# "))
            .fold(String::new(), |text, line| text + line + "\n");
        Mapping::parse(&whole).unwrap();
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_key() {
        for (text, wanted) in [
            (format!("zone = \"Mars\"\n{LEAST}"), "line 1, key zone: \"Mars\" is no time zone"),
            (format!("\nregion = \"de\"\n{LEAST}"), "line 2, key region: default region \"de\" is unknown"),
            (format!("delimiter = \",,\"\n{LEAST}"), "line 1, key delimiter: wants one character"),
            (format!("header = 1\n{LEAST}"), "line 1, key header: wants true or false"),
            (format!("time_format = \"%H:%M\"\n{LEAST}"), "line 1, key time_format: is no form of time"),
            (format!("duration_unit = \"min\"\n{LEAST}"), "line 1, key duration_unit: wants one of \"s\", \"ms\""),
            (format!("colour = 1\n{LEAST}"), "line 1, key colour: is unknown: wants one of delimiter"),
            (format!("{LEAST}callr = 1\n"), "line 6, key columns.callr: is unknown: wants one of call_id"),
            (format!("{LEAST}[outcomes]\nOK = \"yes\"\n"), "line 7, key outcomes.OK: wants one of \"answered\""),
            (format!("{LEAST}[outcomes]\nOK = \"busy\"\nok = \"busy\"\n"), "line 8, key outcomes.ok: is there twice"),
            (format!("{LEAST}[constants]\ncurrency = \"euro\"\n"), "line 7, key constants.currency: is no currency"),
            (format!("{LEAST}[constants]\nzone = \"UTC\"\n"), "line 7, key constants.zone: is unknown"),
            ("columns = 1\n".to_owned(), "line 1, key columns: wants a table"),
            (format!("{LEAST}imei = 0\n"), "line 6, key columns.imei: wants the column's name"),
            (format!("{LEAST}imei = [\"a\", \"b\"]\n"), "line 6, key columns.imei: wants one column"),
            (format!("header = false\n{LEAST}"), "key columns.caller: is a name, and the file has no header"),
            (format!("{LEAST}imei = \n"), "line 6, the mapping is no TOML"),
            (String::new(), "line 1, key columns.caller: is missing"),
        ] {
            let error = refused(&text);
            assert!(error.contains(wanted), "{error} / {wanted}");
        }
    }

    #[test]
    fn a_mapping_by_which_no_row_is_a_call_is_refused() {
        let columns = |columns: &str| format!("# mine\n[columns]\ncaller = 1\n{columns}");
        for (text, wanted) in [
            (columns(""), "line 2, key columns.callee"),
            (columns("callee = 2"), "line 2, key columns.started_at"),
            (columns("callee = 2\nstarted_at = 3"), "line 2, key columns.ended_at"),
            (columns("callee = 2\nstarted_at = 3\nended_at = 4"), "line 2, key columns.outcome"),
            (columns("callee = 2\nstarted_at = 3\nended_at = 4\noutcome = 5"), "key outcomes: is missing"),
            (columns("callee = 2\nstarted_at = 3\ntalk = 4\ncost = 5"), "key constants.currency: is missing"),
        ] {
            let error = refused(&text);
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_header_has_to_have_each_named_column_once() {
        let mapping = Mapping::parse(LEAST).unwrap();
        assert_eq!(mapping.check_header(&["\u{feff}A", "b ", "T", "d", "more"]), Ok(()));
        assert!(mapping.check_header(&["a", "b", "d"]).unwrap_err().starts_with("has no column \"t\""));
        assert!(
            mapping.check_header(&["a", "b", "t", "d", "A"]).unwrap_err().starts_with("has more than one column")
        );
    }

    #[test]
    fn a_mapping_is_bounded() {
        assert!(refused(&"#".repeat(MAX_MAPPING_BYTES + 1)).contains("wants at most 65536"));
    }
}
