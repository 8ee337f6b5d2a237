//! Reading the files of calls that a user names, and telling of every row that cannot be used.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use call_files::{FileCall, FileError, Format, LegFile, Legs, ReadError, ReadOptions, RowError, SwitchOptions};
use cdr::{NumberPlan, NumberShape};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::HumanCount;
use pseudonyms::Pseudonyms;

use crate::failure::{Blame as _, Failure};

/// Refused rows that are shown one by one; the others are counted.
const SHOWN_MAX: usize = 10;
/// Shapes of numbers that are kept of those that are no numbers.
const SHAPES_MAX: usize = 5;

/// How files of calls are read.
#[derive(clap::Args, Clone)]
pub(crate) struct ReadFlags {
    /// Format of the files [default: what each file turns out to be]
    #[arg(long, value_parser = format_parser())]
    format: Option<Format>,
    /// The switch that wrote the files: its extension 1001 becomes ext:<SITE>/1001
    #[arg(long, default_value = "pbx")]
    site: String,
    /// Time zone of times that are written without one
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// The order of the columns, as the switch is told: the mapping of Asterisk's cdr_custom.conf, the template of
    /// FreeSWITCH's cdr_csv.conf.xml, or names between commas [default: found out]
    #[arg(long, value_name = "TEMPLATE")]
    columns: Option<String>,
    /// TOML that says what the columns of any CSV are: docs/formats.md
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Where a switch writes a row for each leg: whether those of a call are one call, or calls each
    #[arg(long, value_enum, default_value_t = LegsFlag::Merged, value_name = "merged|each")]
    legs: LegsFlag,
}

/// What becomes of the legs of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LegsFlag {
    Merged,
    Each,
}

/// The longest mapping that is read, in bytes: one has some 20 lines.
const MAPPING_BYTES_MAX: u64 = 1024 * 1024;

impl ReadFlags {
    /// The same as options of the reader, checked.
    pub(crate) fn options(&self) -> Result<ReadOptions, Failure> {
        if jiff::tz::TimeZone::get(&self.zone).is_err() {
            let zone = &self.zone;
            return Err(Failure::user(anyhow!(
                "--zone {zone:?} is unknown: wants an IANA name such as UTC or Europe/Berlin"
            )));
        }
        if NumberPlan::new("US").or_internal()?.parse(&format!("ext:{}/1", self.site)).is_err() {
            let site = &self.site;
            return Err(Failure::user(anyhow!(
                "--site {site:?} names no PBX: wants 1 to 32 letters, digits and . _ -"
            )));
        }
        let legs = match self.legs {
            LegsFlag::Merged => Legs::Merged,
            LegsFlag::Each => Legs::Each,
        };
        let mapping = self.mapping.as_deref().map(read_mapping).transpose()?;
        let (site, zone, columns) = (self.site.clone(), self.zone.clone(), self.columns.clone());
        Ok(ReadOptions { format: self.format, switch: SwitchOptions { site, zone, columns, mapping, legs } })
    }
}

/// Reads the calls of a file in its order, under pseudonyms where there are some; rows that cannot be used, or hidden, go
/// to `refused`. An empty file has no calls, and is told of.
pub(crate) fn read_calls(
    file: &Path,
    plan: &NumberPlan,
    options: &ReadOptions,
    pseudonyms: Option<&Pseudonyms>,
    refused: &mut Refusals,
    mut each: impl FnMut(FileCall) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Some(rows) = unless_empty(file, refused, || call_files::open(file, plan, options))? else { return Ok(()) };
    let format = rows.format();
    for row in rows {
        match row {
            Ok(call) => match hidden(call, plan, pseudonyms, format) {
                Ok(call) => each(call)?,
                Err(error) => refused.note(file, &error)?,
            },
            Err(ReadError::Row(error)) => refused.note(file, &error)?,
            Err(ReadError::File(error)) => return Err(Failure::user(error)),
        }
    }
    Ok(())
}

/// The legs of a file; `None` for an empty one, which is told of.
pub(crate) fn open_or_empty<'p>(
    file: &Path,
    plan: &'p NumberPlan,
    options: &ReadOptions,
    refused: &mut Refusals,
) -> Result<Option<LegFile<'p>>, Failure> {
    unless_empty(file, refused, || call_files::open_legs(file, plan, options))
}

fn unless_empty<T>(
    file: &Path,
    refused: &mut Refusals,
    open: impl FnOnce() -> Result<T, FileError>,
) -> Result<Option<T>, Failure> {
    if file.is_dir() {
        let shown = file.display();
        return Err(Failure::user(anyhow!("{shown} is a folder: give its files, such as {shown}/*.parquet")));
    }
    match open() {
        Ok(opened) => Ok(Some(opened)),
        Err(error @ FileError::Empty { .. }) => {
            refused.empty.push(error.to_string());
            Ok(None)
        }
        Err(error) => Err(Failure::user(error)),
    }
}

/// The call under its pseudonyms, or that it cannot be used.
pub(crate) fn hidden(
    call: FileCall,
    plan: &NumberPlan,
    pseudonyms: Option<&Pseudonyms>,
    format: Format,
) -> Result<FileCall, RowError> {
    let Some(pseudonyms) = pseudonyms else {
        return Ok(call);
    };
    let FileCall { row, position, arrived_at_ms, unknown_fields, call } = call;
    match pseudonyms.call(plan, call) {
        Ok(call) => Ok(FileCall { row, position, arrived_at_ms, unknown_fields, call }),
        Err(error) => Err(RowError { format, row, position, arrived_at_ms, error: error.into() }),
    }
}

/// The rows that could not be used.
#[derive(Default)]
pub(crate) struct Refusals {
    rows: u64,
    by_reason: BTreeMap<&'static str, u64>,
    shown: Vec<String>,
    empty: Vec<String>,
    numbers: UnusableNumbers,
    list: Option<List>,
}

/// Numbers that the number plan cannot read.
#[derive(Default)]
pub(crate) struct UnusableNumbers {
    /// How many rows were refused because of one.
    pub(crate) rows: u64,
    /// What some of them look like, each once, with the field.
    pub(crate) shapes: Vec<(&'static str, NumberShape)>,
}

impl UnusableNumbers {
    fn note(&mut self, field: &'static str, shape: NumberShape) {
        self.rows += 1;
        if self.shapes.len() < SHAPES_MAX && !self.shapes.contains(&(field, shape)) {
            self.shapes.push((field, shape));
        }
    }
}

/// A CSV file of all of them.
struct List {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Refusals {
    /// Lists them in a CSV file too: file, row, reason, what is wrong.
    pub(crate) fn listed_in(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).with_context(|| cannot_write(path)).or_user()?;
        let mut list = List { path: path.to_owned(), file: BufWriter::new(file) };
        list.write("file,row,reason,problem\n")?;
        Ok(Self { list: Some(list), ..Self::default() })
    }

    /// How many there are.
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Those of them that are refused because of a number.
    pub(crate) const fn numbers(&self) -> &UnusableNumbers {
        &self.numbers
    }

    /// Completes the list and says on the error stream what the first ones are.
    pub(crate) fn tell(&mut self) -> Result<(), Failure> {
        self.flush()?;
        for empty in &self.empty {
            eprintln!("passed over: {empty}");
        }
        for shown in &self.shown {
            eprintln!("refused: {shown}");
        }
        let more = self.rows - self.shown.len() as u64;
        if more > 0 {
            let remedy = match &self.list {
                Some(list) => format!("all are in {}", list.path.display()),
                None => "--refused FILE of `tollwatch import` lists them all".to_owned(),
            };
            eprintln!("refused: {} more; {remedy}", HumanCount(more));
        }
        Ok(())
    }

    /// The count, and the count by reason on lines of their own.
    pub(crate) fn summary(&self) -> String {
        let mut text = format!("  refused  {}\n", HumanCount(self.rows));
        for (reason, count) in &self.by_reason {
            // Writing to a String does not fail.
            let _ = writeln!(text, "           {} {reason}", HumanCount(*count));
        }
        text
    }

    /// The count by reason as the end of a sentence.
    pub(crate) fn reasons(&self) -> String {
        let reasons: Vec<_> = self.by_reason.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) }
    }

    /// Notes a refused row and says at once what it is, of the first ones.
    pub(crate) fn note_aloud(&mut self, file: &Path, error: &RowError) -> Result<(), Failure> {
        self.note(file, error)?;
        if self.rows <= SHOWN_MAX as u64 {
            eprintln!("refused: {} {error} ({})", file.display(), error.error.reason.as_str());
        }
        Ok(())
    }

    /// Brings what was noted to the list, where there is one.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        match &mut self.list {
            Some(list) => list.file.flush().with_context(|| cannot_write(&list.path)).or_user(),
            None => Ok(()),
        }
    }

    /// Notes a refused row.
    pub(crate) fn note(&mut self, file: &Path, error: &RowError) -> Result<(), Failure> {
        self.rows += 1;
        let reason = error.error.reason.as_str();
        *self.by_reason.entry(reason).or_default() += 1;
        if let Some(shape) = error.error.shape {
            self.numbers.note(error.error.field, shape);
        }
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(format!("{} {error} ({reason})", file.display()));
        }
        if let Some(list) = &mut self.list {
            let (file, problem) = (quoted(&file.display().to_string()), quoted(&error.error.to_string()));
            list.write(&format!("{file},{},{reason},{problem}\n", error.row))?;
        }
        Ok(())
    }
}

impl List {
    fn write(&mut self, line: &str) -> Result<(), Failure> {
        self.file.write_all(line.as_bytes()).with_context(|| cannot_write(&self.path)).or_user()
    }
}

fn read_mapping(path: &Path) -> Result<String, Failure> {
    let cannot = || format!("cannot read the mapping {}", path.display());
    let mut text = String::new();
    let file = File::open(path).with_context(cannot).or_user()?;
    file.take(MAPPING_BYTES_MAX + 1).read_to_string(&mut text).with_context(cannot).or_user()?;
    if text.len() as u64 > MAPPING_BYTES_MAX {
        let path = path.display();
        return Err(Failure::user(anyhow!("the mapping {path} is larger than 1 MiB: give a TOML file")));
    }
    Ok(text)
}

fn format_parser() -> impl TypedValueParser<Value = Format> {
    let names = PossibleValuesParser::new(Format::ALL.map(Format::as_str));
    names.try_map(|name| Format::from_name(&name).ok_or("it is no format"))
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// A field of CSV.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(quoted("plain.csv"), "plain.csv");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
