//! Files of labels: which entity, at which time, and whatever else stands beside them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};
use features::{EntityError, Level, Party};
use serde_json::Value;

use crate::cells::{Cell, Cells, column_of};
use crate::error::{LabelProblem, LabelsError};

/// Problems that are told one by one; the others are counted.
const PROBLEMS_MAX: usize = 20;
/// A text has no NUL in its beginning.
const TEXT_BYTES: usize = 1024;
/// The columns that say what is asked.
const NUMBER: &str = "number";
const LEVEL: &str = "level";
const PARTY: &str = "party";
const TIME: &str = "time";

/// Whom a label is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The side of the call; `None` is both.
    pub party: Option<Party>,
    /// Phone, prefix or range.
    pub level: Level,
    /// The number, prefix or range, normalised.
    pub key: String,
}

/// One row of a file of labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Number of its line, from 1.
    pub line: u64,
    /// Whom it is about.
    pub target: Target,
    /// The time it is about, in milliseconds since 1970 UTC.
    pub time_ms: i64,
}

/// A file of labels, read whole: a training set has a row for each.
#[derive(Clone, Debug)]
pub struct Labels {
    pub(crate) rows: Vec<Label>,
    /// Every column of the file, in its order, by name.
    pub(crate) columns: Vec<(String, Cells)>,
}

/// A row before it is judged: its line, and a cell and its text a column.
type RawRow = (u64, Vec<(Cell, Option<String>)>);

impl Labels {
    /// Reads CSV with a header, or JSON lines. The columns are `number` (or a prefix or range), `time` (RFC 3339
    /// with a zone), and, where they are there, `level` and `party`; all others are carried through. `resolve` says
    /// whom a number, level and party mean, or what is wrong with them; it must not repeat the number.
    pub fn read(
        path: &Path,
        resolve: impl Fn(&str, Option<Party>, Option<Level>) -> Result<Target, String>,
    ) -> Result<Self, LabelsError> {
        let unreadable = |source| LabelsError::Unreadable { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let beginning = file.fill_buf().map_err(unreadable)?;
        if let Some(found) = no_text(beginning) {
            return Err(LabelsError::NoText { path: path.to_owned(), found });
        }
        let first = beginning.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(beginning).trim_ascii_start().first().copied();
        let mut problems = Problems::default();
        let (names, raw) = match first {
            None => return Err(LabelsError::Empty { path: path.to_owned() }),
            Some(b'{') => read_json(file, &mut problems).map_err(unreadable)?,
            Some(_) => read_csv(file, &mut problems).map_err(unreadable)?,
        };
        if names.is_empty() && problems.count > 0 {
            return Err(LabelsError::Rows { path: path.to_owned(), count: problems.count, problems: problems.first });
        }
        let asked =
            Asked::among(&names).map_err(|problem| LabelsError::Columns { path: path.to_owned(), problem })?;
        let mut rows = Vec::with_capacity(raw.len());
        for (line, cells) in &raw {
            match asked.label(*line, cells, &resolve) {
                Ok(label) => rows.push(label),
                Err(problem) => problems.note(*line, problem),
            }
        }
        if problems.count > 0 {
            problems.first.sort_by_key(|problem| problem.line);
            return Err(LabelsError::Rows { path: path.to_owned(), count: problems.count, problems: problems.first });
        }
        if rows.is_empty() {
            return Err(LabelsError::Empty { path: path.to_owned() });
        }
        let columns = columns(names, raw, &rows);
        Ok(Self { rows, columns })
    }

    /// The labels, in the order of the file.
    pub fn rows(&self) -> &[Label] {
        &self.rows
    }
}

/// What the beginning of a file says that is no text. What has no known mark is read as text: an encoding that is not
/// UTF-8 is told line by line.
fn no_text(beginning: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 7] = [
        (b"PAR1", "is Parquet"),
        (b"\x1F\x8B", "is compressed by gzip"),
        (b"\x28\xB5\x2F\xFD", "is compressed by zstd"),
        (b"ARROW1", "is an Arrow file"),
        (b"PK\x03\x04", "is a ZIP file, or a spreadsheet"),
        (b"\xFF\xFE", "is UTF-16 text"),
        (b"\xFE\xFF", "is UTF-16 text"),
    ];
    let marked = known.iter().find(|(mark, _)| beginning.starts_with(mark)).map(|(_, found)| *found);
    marked.or_else(|| beginning[..beginning.len().min(TEXT_BYTES)].contains(&0).then_some("is binary"))
}

#[derive(Default)]
struct Problems {
    count: u64,
    first: Vec<LabelProblem>,
}

impl Problems {
    fn note(&mut self, line: u64, problem: String) {
        self.count += 1;
        if self.first.len() < PROBLEMS_MAX {
            self.first.push(LabelProblem { line, problem });
        }
    }
}

/// Where the columns stand that say what is asked.
struct Asked {
    number: usize,
    time: usize,
    level: Option<usize>,
    party: Option<usize>,
}

impl Asked {
    fn among(names: &[String]) -> Result<Self, String> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
            return Err(format!("there are two columns {twice:?}: give one of them another name"));
        }
        let at = |wanted: &str| names.iter().position(|name| name == wanted);
        let required = |wanted: &str| {
            at(wanted).ok_or_else(|| {
                format!(
                    "column {wanted} is missing, it has {}: wants number and time, and if need be level and party",
                    names.join(", ")
                )
            })
        };
        Ok(Self { number: required(NUMBER)?, time: required(TIME)?, level: at(LEVEL), party: at(PARTY) })
    }

    fn label(
        &self,
        line: u64,
        cells: &[(Cell, Option<String>)],
        resolve: impl Fn(&str, Option<Party>, Option<Level>) -> Result<Target, String>,
    ) -> Result<Label, String> {
        let text = |at: usize| cells[at].1.as_deref().unwrap_or_default();
        let named = |at: Option<usize>| at.map(text).filter(|text| !text.is_empty());
        let party: Option<Party> =
            named(self.party).map(str::parse).transpose().map_err(|error: EntityError| error.to_string())?;
        let level: Option<Level> =
            named(self.level).map(str::parse).transpose().map_err(|error: EntityError| error.to_string())?;
        let time = text(self.time);
        let time_ms = cdr::parse_time(time).ok_or_else(|| {
            format!(
                "time of {} bytes is no time: wants RFC 3339 with a zone, such as 2026-11-21T07:06:05Z",
                time.len()
            )
        })?;
        if !(cdr::TIME_FROM_MS..cdr::TIME_UNTIL_MS).contains(&time_ms) {
            let (from, until) = (cdr::format_time(cdr::TIME_FROM_MS), cdr::format_time(cdr::TIME_UNTIL_MS));
            return Err(format!("time is out of range: wants one from {from} to before {until}"));
        }
        let target = resolve(text(self.number), party, level)?;
        Ok(Label { line, target, time_ms })
    }
}

/// The names of the columns, and the rows that have them all.
fn read_csv(mut file: impl std::io::Read, problems: &mut Problems) -> std::io::Result<(Vec<String>, Vec<RawRow>)> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(bytes.as_slice());
    let names: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect(),
        Err(error) => return Err(std::io::Error::other(error)),
    };
    let mut rows = Vec::new();
    let mut record = StringRecord::new();
    // The reader says where it began to look for a record; blank lines may stand before it.
    let (mut counted_bytes, mut counted_line) = (0, 1);
    let mut line_of = |position: &csv::Position| {
        let at = (position.byte() as usize).min(bytes.len());
        let blank = bytes[at..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        counted_line += bytes[counted_bytes..at + blank].iter().filter(|byte| **byte == b'\n').count() as u64;
        counted_bytes = at + blank;
        counted_line
    };
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok((names, rows)),
            Ok(true) => {
                let line = record.position().map_or(line, &mut line_of);
                if record.len() == names.len() {
                    let cell = |field: &str| (Cell::of_csv(field), (!field.is_empty()).then(|| field.to_owned()));
                    rows.push((line, record.iter().map(cell).collect()));
                } else {
                    let (has, wants) = (record.len(), names.len());
                    problems.note(
                        line,
                        format!("has {has} columns, the header has {wants}: quote fields with commas in them"),
                    );
                }
            }
            Err(error) => match error.kind() {
                ErrorKind::Utf8 { pos, .. } => {
                    problems.note(pos.as_ref().map_or(line, csv::Position::line), "is not UTF-8".to_owned());
                }
                _ => return Err(std::io::Error::other(error)),
            },
        }
    }
}

/// The same of JSON lines; the columns are those of all lines, in the order in which they come up.
fn read_json(
    mut file: impl std::io::BufRead,
    problems: &mut Problems,
) -> std::io::Result<(Vec<String>, Vec<RawRow>)> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let mut names: Vec<String> = Vec::new();
    let mut rows: Vec<RawRow> = Vec::new();
    let lines = text.trim_start_matches('\u{feff}').lines();
    for (line, text) in (1..).zip(lines).filter(|(_, text)| !text.trim_ascii().is_empty()) {
        // The error of the parser would repeat what stands there.
        let Ok(Value::Object(object)) = serde_json::from_str(text) else {
            problems.note(line, "is no JSON object: wants one a line".to_owned());
            continue;
        };
        let mut cells = vec![(Cell::Null, None); names.len()];
        for (name, value) in object {
            let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                cells.push((Cell::Null, None));
                names.len() - 1
            });
            cells[at] = match value {
                Value::Null => (Cell::Null, None),
                Value::Bool(flag) => (Cell::Flag(flag), Some(flag.to_string())),
                Value::String(text) => (Cell::Text(text.clone()), Some(text)),
                Value::Number(number) => {
                    let float = || Cell::Number(number.as_f64().unwrap_or(f64::NAN));
                    (number.as_i64().map_or_else(float, Cell::Whole), Some(number.to_string()))
                }
                nested => (Cell::Text(nested.to_string()), Some(nested.to_string())),
            };
        }
        rows.push((line, cells));
    }
    for (_, cells) in &mut rows {
        cells.resize(names.len(), (Cell::Null, None));
    }
    Ok((names, rows))
}

/// The columns of the rows, typed. What says whom a row is about stays text, the time becomes one.
fn columns(names: Vec<String>, raw: Vec<RawRow>, rows: &[Label]) -> Vec<(String, Cells)> {
    let mut by_column: Vec<(Vec<Cell>, Vec<Option<String>>)> = names.iter().map(|_| Default::default()).collect();
    for (_, cells) in raw {
        for ((typed, texts), (cell, text)) in by_column.iter_mut().zip(cells) {
            typed.push(cell);
            texts.push(text);
        }
    }
    let column = |(name, (typed, texts)): (String, (Vec<Cell>, Vec<Option<String>>))| {
        let cells = match name.as_str() {
            NUMBER | LEVEL | PARTY => Cells::Texts(texts),
            TIME => Cells::Times(rows.iter().map(|row| Some(row.time_ms)).collect()),
            _ => column_of(&typed, &texts),
        };
        (name, cells)
    };
    names.into_iter().zip(by_column).map(column).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: impl AsRef<[u8]>) -> Result<Labels, LabelsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels");
        std::fs::write(&path, text).unwrap();
        Labels::read(&path, |number, party, level| {
            let level = level.unwrap_or(Level::Phone);
            if number.starts_with('+') {
                Ok(Target { party, level, key: number.to_owned() })
            } else {
                Err(format!("number of {} bytes is none", number.len()))
            }
        })
    }

    fn column<'a>(labels: &'a Labels, name: &str) -> &'a Cells {
        &labels.columns.iter().find(|(known, _)| known == name).unwrap().1
    }

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let csv = "number, time,level,party,label,score,zip,fraud\n\
                   +12025550101,2026-11-21T07:06:05Z,,,1,0.5,007,true\n\n\
                   \"+1202\",2026-11-21T08:06:05+01:00,prefix,caller,,2,12,false\n";
        let json = concat!(
            "{\"number\":\"+12025550101\",\"time\":\"2026-11-21T07:06:05Z\",\"label\":1,\"score\":0.5,\"zip\":\"007\",\"fraud\":true}\n",
            "\n{\"number\":\"+1202\",\"time\":\"2026-11-21T08:06:05+01:00\",\"level\":\"prefix\",\"party\":\"caller\",",
            "\"label\":null,\"score\":2,\"zip\":\"12\",\"fraud\":false}\n"
        );
        for text in [csv.to_owned(), json.to_owned(), format!("\u{feff}{csv}"), csv.replace('\n', "\r\n")] {
            let labels = read(&text).unwrap();
            let time_ms = 1_795_244_765_000;
            let phone = Target { party: None, level: Level::Phone, key: "+12025550101".to_owned() };
            let prefix = Target { party: Some(Party::Caller), level: Level::Prefix, key: "+1202".to_owned() };
            let at = |line, target| Label { line, target, time_ms };
            assert_eq!(labels.rows, [at(labels.rows[0].line, phone), at(labels.rows[1].line, prefix)], "{text}");
            assert_eq!(labels.rows[1].line - labels.rows[0].line, 2, "{text}");
            assert_eq!(*column(&labels, "label"), Cells::Wholes(vec![Some(1), None]));
            assert_eq!(*column(&labels, "score"), Cells::Numbers(vec![Some(0.5), Some(2.0)]));
            assert_eq!(*column(&labels, "fraud"), Cells::Flags(vec![Some(true), Some(false)]));
            assert_eq!(*column(&labels, "zip"), Cells::Texts(vec![Some("007".to_owned()), Some("12".to_owned())]));
            assert_eq!(*column(&labels, "time"), Cells::Times(vec![Some(time_ms); 2]));
        }
    }

    #[test]
    fn every_label_that_cannot_be_read_is_named_by_its_line_and_no_number_is_repeated() {
        let text = "number,time,level\n\
                    +12025550101,2026-11-21T07:06:05Z,phone\n\
                    2025550102,2026-11-21T07:06:05Z,phone\n\
                    +12025550103,2026-11-21T07:06:05,phone\n\
                    +12025550104,2026-11-21T07:06:05Z\n\
                    +12025550105,2026-11-21T07:06:05Z,block\n\
                    +12025550106,0001-01-01T00:00:00Z,phone\n";
        let said = read(text).unwrap_err().to_string();
        for words in [
            "has 5 labels that cannot be read",
            "line 3: number of 10 bytes",
            "line 4: time of 19 bytes is no time: wants RFC 3339 with a zone",
            "line 5: has 2 columns, the header has 3",
            "line 6: level must be one of phone, prefix, range",
            "line 7: time is out of range",
        ] {
            assert!(said.contains(words), "{words:?} is not in {said}");
        }
        assert!(!said.contains("02555"), "{said}");
    }

    #[test]
    fn a_file_without_labels_or_their_columns_is_refused() {
        for (text, words) in [
            ("", "holds no label"),
            ("number,time\n", "holds no label"),
            ("number,when\n+1202,2026-11-21\n", "column time is missing, it has number, when"),
            ("number,time,number\n", "two columns \"number\""),
            ("{\"number\":\"+1202\"\n", "line 1: is no JSON object"),
        ] {
            let said = match read(text) {
                Err(error) => error.to_string(),
                Ok(_) => panic!("{text:?} was read"),
            };
            assert!(said.contains(words), "{words:?} is not in {said}");
        }
    }

    #[test]
    fn a_file_that_is_no_text_is_told_what_labels_are() {
        let files: [(&[u8], &str); 6] = [
            (b"PAR1\x15\x04", "is Parquet"),
            (b"\x1F\x8B\x08", "is compressed by gzip"),
            (b"\x28\xB5\x2F\xFD1", "is compressed by zstd"),
            (b"PK\x03\x04", "a spreadsheet"),
            (b"n\0u\0m\0", "is binary"),
            (b"\xFF\xFEn\0", "is UTF-16"),
        ];
        for (bytes, words) in files {
            let said = read(bytes).unwrap_err().to_string();
            assert!(said.contains(words) && said.contains("CSV with a header or JSON lines"), "{said}");
        }
    }

    #[test]
    fn problems_beyond_the_first_are_counted() {
        let text = format!("number,time\n{}", "x,y\n".repeat(100));
        let Err(LabelsError::Rows { count: 100, problems, .. }) = read(&text) else { panic!("read") };
        assert_eq!(problems.len(), PROBLEMS_MAX);
    }
}
