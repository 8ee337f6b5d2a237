//! Files of labels: which number took part in which campaign of which scheme, from when to when.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use cdr::{NumberKind, NumberPlan};
use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};
use features::Party;
use smol_str::SmolStr;

use crate::error::{LabelProblem, LabelsError};
use crate::limits::{LABEL_FILE_BYTES_MAX, NAME_BYTES_MAX, PROBLEMS_MAX, STRENGTH_MAX};

/// One number of one campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Number of its line, from 1.
    pub line: u64,
    /// What kind of fraud; any name.
    pub scheme: SmolStr,
    /// Tells the campaigns of a scheme apart; any name.
    pub campaign: SmolStr,
    /// The number, canonical.
    pub number: SmolStr,
    /// Whether it calls or is called.
    pub role: Party,
    /// When the campaign begins, in milliseconds since 1970 UTC.
    pub start_ms: i64,
    /// When it is over, in milliseconds since 1970 UTC.
    pub end_ms: i64,
    /// How plain the campaign is, where somebody knows: 1 is as plain as such fraud is described, less is harder to tell.
    pub strength: Option<f64>,
}

/// A file of labels, read whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    rows: Vec<Label>,
    passed_over: Vec<String>,
}

const SCHEME: &str = "scheme";
const CAMPAIGN: &str = "campaign";
const NUMBER: &str = "number";
const ROLE: &str = "role";
const START: &str = "start";
const END: &str = "end";
const STRENGTH: &str = "strength";
const REQUIRED: [&str; 6] = [SCHEME, CAMPAIGN, NUMBER, ROLE, START, END];

impl Labels {
    /// Reads CSV with a header line; columns go by name, in any order: `scheme`, `campaign`, `number`, `role` (`caller`
    /// or `callee`), `start` and `end` (RFC 3339 with a zone), and `strength` (0 to 100) where it is there. Numbers are
    /// read by `plan`. Any label that cannot be read refuses the file.
    pub fn read(path: &Path, plan: &NumberPlan) -> Result<Self, LabelsError> {
        let unreadable = |source| LabelsError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        if bytes > LABEL_FILE_BYTES_MAX {
            return Err(LabelsError::TooLarge { path: path.to_owned(), bytes, max: LABEL_FILE_BYTES_MAX });
        }
        let mut text = Vec::new();
        // What grows while it is read is cut.
        file.take(LABEL_FILE_BYTES_MAX).read_to_end(&mut text).map_err(unreadable)?;
        Self::parse(path, &text, plan)
    }

    /// The same of the content of a file; `path` names it in errors.
    pub fn parse(path: &Path, text: &[u8], plan: &NumberPlan) -> Result<Self, LabelsError> {
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(text);
        let wrong = |problem: String| LabelsError::Columns { path: path.to_owned(), problem };
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(_) => {
                return Err(wrong("is no text of UTF-8: wants CSV with a header line".to_owned()));
            }
        };
        if header.is_empty() || header.len() == 1 && header[0].is_empty() {
            return Err(LabelsError::Empty { path: path.to_owned() });
        }
        let columns = ColumnPlaces::of(&header).map_err(wrong)?;
        let mut lines = Lines { text, byte: 0, line: 1 };
        let mut rows = Rows::default();
        let mut record = StringRecord::new();
        loop {
            let at = reader.position().byte();
            match reader.read_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {
                    let line = lines.of(record.position().map_or(at, csv::Position::byte));
                    rows.take_in(line, &record, &header, &columns, plan);
                }
                Err(error) if matches!(error.kind(), ErrorKind::Utf8 { .. }) => {
                    rows.note(lines.of(at), None, "is not UTF-8: write the file as UTF-8".to_owned());
                }
                Err(error) => {
                    let source = std::io::Error::other(error);
                    return Err(LabelsError::Unreadable { path: path.to_owned(), source });
                }
            }
        }
        if rows.count > 0 {
            return Err(LabelsError::Rows { path: path.to_owned(), count: rows.count, problems: rows.problems });
        }
        if rows.labels.is_empty() {
            return Err(LabelsError::Empty { path: path.to_owned() });
        }
        let passed_over = header.iter().filter(|name| !REQUIRED.contains(name) && *name != STRENGTH);
        Ok(Self { rows: rows.labels, passed_over: passed_over.map(str::to_owned).collect() })
    }

    /// The labels, in the order of the file.
    pub fn rows(&self) -> &[Label] {
        &self.rows
    }

    /// Columns of the file that say nothing here.
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }
}

/// Where the columns stand.
struct ColumnPlaces {
    required: [usize; REQUIRED.len()],
    strength: Option<usize>,
}

impl ColumnPlaces {
    fn of(header: &StringRecord) -> Result<Self, String> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = header.iter().find(|name| !seen.insert(*name)) {
            return Err(format!("there are two columns {twice:?}: give one of them another name"));
        }
        let at = |wanted: &str| header.iter().position(|name| name == wanted);
        let mut required = [0; REQUIRED.len()];
        for (place, name) in required.iter_mut().zip(REQUIRED) {
            *place = at(name).ok_or_else(|| {
                let has = header.iter().take(20).collect::<Vec<_>>().join(", ");
                let (wants, cut) = (REQUIRED.join(", "), has.chars().take(200).collect::<String>());
                format!("column {name} is missing, it has {cut}: wants {wants}, and strength where it is known")
            })?;
        }
        Ok(Self { required, strength: at(STRENGTH) })
    }
}

/// Counts lines: the reader says at which byte a record begins, and blank lines may stand before it.
struct Lines<'a> {
    text: &'a [u8],
    byte: usize,
    line: u64,
}

impl Lines<'_> {
    fn of(&mut self, byte: u64) -> u64 {
        let byte = (byte as usize).clamp(self.byte, self.text.len());
        let blank = self.text[byte..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = &self.text[self.byte..byte + blank];
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.byte = byte + blank;
        self.line
    }
}

#[derive(Default)]
struct Rows {
    labels: Vec<Label>,
    /// The line of each number of a campaign and role.
    seen: HashMap<(SmolStr, SmolStr, SmolStr, Party), u64>,
    count: u64,
    problems: Vec<LabelProblem>,
}

impl Rows {
    fn note(&mut self, line: u64, column: Option<&'static str>, problem: String) {
        self.count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(LabelProblem { line, column, problem });
        }
    }

    fn take_in(
        &mut self,
        line: u64,
        record: &StringRecord,
        header: &StringRecord,
        columns: &ColumnPlaces,
        plan: &NumberPlan,
    ) {
        if record.len() != header.len() {
            let (has, wants) = (record.len(), header.len());
            let problem = format!("has {has} columns, the header has {wants}: quote fields with commas in them");
            return self.note(line, None, problem);
        }
        let cells = columns.required.map(|place| &record[place]);
        let label = match label(line, cells, columns.strength.map(|place| &record[place]), plan) {
            Ok(label) => label,
            Err((column, problem)) => return self.note(line, Some(column), problem),
        };
        let whom = (label.scheme.clone(), label.campaign.clone(), label.number.clone(), label.role);
        if let Some(first) = self.seen.insert(whom, line) {
            let problem =
                format!("is the number of line {first} again, of the same scheme, campaign and role: keep one");
            return self.note(line, Some(NUMBER), problem);
        }
        self.labels.push(label);
    }
}

/// A label of its cells, in the order of [`REQUIRED`], or the column that is wrong and why.
fn label(
    line: u64,
    [scheme, campaign, number, role, start, end]: [&str; REQUIRED.len()],
    strength: Option<&str>,
    plan: &NumberPlan,
) -> Result<Label, (&'static str, String)> {
    let in_column = |column: &'static str| move |problem: String| (column, problem);
    let number_problem = |why: String| (NUMBER, format!("a text of {} bytes {why}", number.len()));
    let parsed = plan.parse(number).map_err(|error| number_problem(error.to_string()))?;
    if parsed.kind() == NumberKind::Anonymous {
        return Err(number_problem("is a withheld number, which has no features: leave it out".to_owned()));
    }
    let start_ms = time(start).map_err(in_column(START))?;
    let end_ms = time(end).map_err(in_column(END))?;
    if end_ms < start_ms {
        return Err((END, "is before start: swap them, or mend one".to_owned()));
    }
    Ok(Label {
        line,
        scheme: name(scheme).map_err(in_column(SCHEME))?,
        campaign: name(campaign).map_err(in_column(CAMPAIGN))?,
        number: SmolStr::new(parsed.as_str()),
        role: role.parse().map_err(|_| (ROLE, "is neither caller nor callee: wants one of them".to_owned()))?,
        start_ms,
        end_ms,
        strength: match strength.filter(|text| !text.is_empty()) {
            Some(text) => Some(read_strength(text).map_err(in_column(STRENGTH))?),
            None => None,
        },
    })
}

fn name(text: &str) -> Result<SmolStr, String> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        let bytes = text.len();
        return Err(format!(
            "has {bytes} bytes: wants a name of 1 to {NAME_BYTES_MAX} bytes without control characters"
        ));
    }
    Ok(SmolStr::new(text))
}

fn time(text: &str) -> Result<i64, String> {
    let at = cdr::parse_time(text).ok_or_else(|| {
        let bytes = text.len();
        format!("a text of {bytes} bytes is no time: wants RFC 3339 with a zone, such as 2026-11-21T07:06:05Z")
    })?;
    if (cdr::TIME_FROM_MS..cdr::TIME_UNTIL_MS).contains(&at) {
        return Ok(at);
    }
    let (from, until) = (cdr::format_time(cdr::TIME_FROM_MS), cdr::format_time(cdr::TIME_UNTIL_MS));
    Err(format!("is out of range: wants a time from {from} to before {until}"))
}

fn read_strength(text: &str) -> Result<f64, String> {
    // Written so that NaN is refused.
    let strength = text.parse().ok().filter(|strength| (0.0..=STRENGTH_MAX).contains(strength));
    strength.ok_or_else(|| {
        format!("is no strength: wants a number from 0 to {STRENGTH_MAX}, or nothing where it is not known")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HEADER: &str = "scheme,campaign,number,role,start,end";
    const TIMES: &str = "2026-11-21T07:00:00Z,2026-11-21T08:00:00Z";

    fn parse(text: &str) -> Result<Labels, LabelsError> {
        Labels::parse(Path::new("labels.csv"), text.as_bytes(), &NumberPlan::new("US").unwrap())
    }

    #[test]
    fn columns_go_by_name_and_names_are_any() {
        let text = concat!(
            "\u{feff}strength,end,start,role,number,campaign,scheme,noted by\r\n\r\n",
            "0.25,2026-11-21T08:00:00Z,2026-11-21T08:00:00+01:00,callee,(202) 555-0101,spring 1,\"voucher, cards\",me\r\n",
            ",2026-11-21T08:00:00Z,2026-11-21T07:00:00Z,caller,+12025550101,spring 1,\"voucher, cards\",me\r\n"
        );
        let labels = parse(text).unwrap();
        let [first, second] = labels.rows() else { panic!("{labels:?}") };
        assert_eq!((first.line, second.line), (3, 4));
        assert_eq!((first.scheme.as_str(), first.campaign.as_str()), ("voucher, cards", "spring 1"));
        assert_eq!((first.number.as_str(), first.role), ("+12025550101", Party::Callee));
        assert_eq!((first.start_ms, first.end_ms), (1_795_244_400_000, 1_795_248_000_000));
        assert_eq!((first.strength, second.strength), (Some(0.25), None));
        assert_eq!(labels.passed_over(), ["noted by"]);
    }

    #[test]
    fn every_label_that_cannot_be_read_is_told_with_line_column_rule_and_remedy_and_without_its_number() {
        let text = format!(
            "{HEADER},strength\n\
             a,1,+12025550201,caller,{TIMES},1\n\
             \n\
             a,1,555012,caller,{TIMES},1\n\
             a,1,+12025550202,both,{TIMES},1\n\
             a,1,+12025550203,caller,2026-11-21T07:00:00,2026-11-21T08:00:00Z,1\n\
             a,1,+12025550204,caller,2026-11-21T07:00:00Z,1969-01-01T00:00:00Z,1\n\
             a,1,+12025550205,caller,2026-11-21T07:00:00Z,2026-11-21T06:00:00Z,1\n\
             ,1,+12025550206,caller,{TIMES},1\n\
             a,1,+12025550207,caller,{TIMES},-2\n\
             a,1,+12025550201,caller,{TIMES},1\n\
             a,1,+12025550208,caller,{TIMES}\n\
             a,1,anonymous,caller,{TIMES},1\n"
        );
        let said = parse(&text).unwrap_err().to_string();
        for words in [
            "labels.csv has 10 labels that cannot be read; nothing was computed",
            "line 4, column number: a text of 6 bytes is no possible number of the default region: wants",
            "line 5, column role: is neither caller nor callee: wants one of them",
            "line 6, column start: a text of 19 bytes is no time: wants RFC 3339 with a zone",
            "line 7, column end: is out of range: wants a time from",
            "line 8, column end: is before start: swap them",
            "line 9, column scheme: has 0 bytes: wants a name of 1 to 64 bytes",
            "line 10, column strength: is no strength: wants a number from 0 to 100",
            "line 11, column number: is the number of line 2 again",
            "line 12: has 6 columns, the header has 7: quote fields",
            "line 13, column number: a text of 9 bytes is a withheld number",
        ] {
            assert!(said.contains(words), "{words:?} is not in {said}");
        }
        assert!(!said.contains("0255502") && !said.contains("555012"), "{said}");
    }

    #[test]
    fn a_file_without_labels_or_their_columns_is_refused() {
        for (text, words) in [
            ("", "holds no label: wants CSV with a header line"),
            ("\n\n", "holds no label"),
            (&*format!("{HEADER}\n"), "holds no label"),
            (
                "scheme,campaign,number,party,start,end\n",
                "column role is missing, it has scheme, campaign, number, party",
            ),
            ("scheme,scheme\n", "two columns \"scheme\""),
        ] {
            let said = parse(text).unwrap_err().to_string();
            assert!(said.contains(words), "{words:?} is not in {said}");
        }
        let plan = NumberPlan::new("US").unwrap();
        let said = Labels::read(Path::new("no/labels.csv"), &plan).unwrap_err().to_string();
        assert!(
            said.starts_with("cannot read no/labels.csv: ") && said.ends_with("check the name and the permissions")
        );
    }

    #[test]
    fn problems_beyond_the_first_are_counted() {
        let text = format!("{HEADER}\n{}", "a,1,+12025550201,x,y,z\n".repeat(100));
        let Err(LabelsError::Rows { count: 100, problems, .. }) = parse(&text) else { panic!("read") };
        assert_eq!(problems.len(), PROBLEMS_MAX);
    }
}
