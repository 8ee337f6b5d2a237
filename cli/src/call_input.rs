//! Reading the files of calls that a user names, and telling of every row that cannot be used.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use call_files::{FileCall, FileError, Format, ReadError, ReadOptions, RowError, SwitchOptions};
use cdr::NumberPlan;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::HumanCount;
use pseudonyms::Pseudonyms;

use crate::failure::{Blame as _, Failure};

/// Refused rows that are shown one by one; the others are counted.
const SHOWN_MAX: usize = 10;

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
}

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
        let switch = SwitchOptions { site: self.site.clone(), zone: self.zone.clone(), ..SwitchOptions::default() };
        Ok(ReadOptions { format: self.format, switch })
    }
}

/// Reads the calls of a file in its order, under pseudonyms where there are some; rows that cannot be used, or hidden, go
/// to `refused`. An empty file has no calls and is told of.
pub(crate) fn read_calls(
    file: &Path,
    plan: &NumberPlan,
    options: &ReadOptions,
    pseudonyms: Option<&Pseudonyms>,
    refused: &mut Refusals,
    mut each: impl FnMut(FileCall) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if file.is_dir() {
        let shown = file.display();
        return Err(Failure::user(anyhow!("{shown} is a folder: give its files, such as {shown}/*.parquet")));
    }
    let rows = match call_files::open(file, plan, options) {
        Ok(rows) => rows,
        Err(error @ FileError::Empty { .. }) => {
            refused.empty.push(error.to_string());
            return Ok(());
        }
        Err(error) => return Err(Failure::user(error)),
    };
    let format = rows.format();
    for row in rows {
        match row.and_then(|call| hidden(call, plan, pseudonyms, format)) {
            Ok(call) => each(call)?,
            Err(ReadError::Row(error)) => refused.note(file, &error)?,
            Err(ReadError::File(error)) => return Err(Failure::user(error)),
        }
    }
    Ok(())
}

/// The call under its pseudonyms, or that it cannot be used.
fn hidden(
    call: FileCall,
    plan: &NumberPlan,
    pseudonyms: Option<&Pseudonyms>,
    format: Format,
) -> Result<FileCall, ReadError> {
    let Some(pseudonyms) = pseudonyms else {
        return Ok(call);
    };
    let FileCall { row, position, arrived_at_ms, unknown_fields, call } = call;
    match pseudonyms.call(plan, call) {
        Ok(call) => Ok(FileCall { row, position, arrived_at_ms, unknown_fields, call }),
        Err(error) => Err(RowError { format, row, position, arrived_at_ms, error: error.into() }.into()),
    }
}

/// The rows that could not be used.
#[derive(Default)]
pub(crate) struct Refusals {
    rows: u64,
    by_reason: BTreeMap<&'static str, u64>,
    shown: Vec<String>,
    empty: Vec<String>,
    list: Option<List>,
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

    /// Completes the list and says on the error stream what the first ones are.
    pub(crate) fn tell(&mut self) -> Result<(), Failure> {
        if let Some(list) = &mut self.list {
            list.file.flush().with_context(|| cannot_write(&list.path)).or_user()?;
        }
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

    fn note(&mut self, file: &Path, error: &RowError) -> Result<(), Failure> {
        self.rows += 1;
        let reason = error.error.reason.as_str();
        *self.by_reason.entry(reason).or_default() += 1;
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
