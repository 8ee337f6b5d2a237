//! Reading Asterisk's `Master.csv`, as `cdr_csv` writes it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use cdr::{NumberPlan, RecordError};
use jiff::tz::TimeZone;
use switch_records::SwitchFormat;

use crate::asterisk_row::{self, COLUMNS, Site};
use crate::csv_rows::{CsvRows, Row, split};
use crate::detect::{Content, damaged};
use crate::limits::CSV_ROWS_LOOKED_AT;
use crate::{FileCall, FileError, Format, ReadError, RowError, SwitchOptions};

pub(crate) struct AsteriskReader<'p> {
    path: PathBuf,
    site: Site<'p>,
    rows: CsvRows,
    /// Rows that were read to tell whether it is an Asterisk file.
    looked_at: VecDeque<Row>,
}

impl<'p> AsteriskReader<'p> {
    pub fn new(
        path: &Path,
        plan: &'p NumberPlan,
        content: Content,
        options: &SwitchOptions,
    ) -> Result<Self, FileError> {
        let site = site(plan, options)?;
        let mut rows = CsvRows::new(content);
        let mut looked_at = VecDeque::new();
        while looked_at.len() < CSV_ROWS_LOOKED_AT
            && let Some(row) = rows.next_row().map_err(|error| damaged(path, &error))?
        {
            looked_at.push_back(row);
        }
        check(path, &site, &looked_at)?;
        Ok(Self { path: path.to_owned(), site, rows, looked_at })
    }

    fn next_row(&mut self) -> std::io::Result<Option<Row>> {
        match self.looked_at.pop_front() {
            Some(row) => Ok(Some(row)),
            None => self.rows.next_row(),
        }
    }
}

impl Iterator for AsteriskReader<'_> {
    type Item = Result<FileCall, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (number, row) = match self.next_row() {
            Ok(Some(row)) => row,
            Ok(None) => return None,
            Err(error) => return Some(Err(damaged(&self.path, &error).into())),
        };
        let call = row.and_then(|row| asterisk_row::read(&self.site, &row));
        Some(call.map_err(|error| refused(number, error).into()).map(|call| FileCall {
            row: number,
            position: None,
            arrived_at_ms: None,
            unknown_fields: 0,
            call,
        }))
    }
}

fn site<'p>(plan: &'p NumberPlan, options: &SwitchOptions) -> Result<Site<'p>, FileError> {
    let unknown = |option, value: &String, wanted| FileError::Option { option, value: value.clone(), wanted };
    let zone = TimeZone::get(&options.zone)
        .map_err(|_| unknown("time zone", &options.zone, "an IANA name such as UTC or America/New_York"))?;
    plan.parse(&format!("ext:{}/1", options.site))
        .map_err(|_| unknown("site", &options.site, "1 to 32 letters, digits and . _ - that name the PBX"))?;
    Ok(Site { plan, name: options.site.clone(), zone })
}

/// Refuses a file none of whose first rows looks like one of `cdr_csv`: some other CSV would otherwise be read
/// to its end, every row an error.
fn check(path: &Path, site: &Site<'_>, rows: &VecDeque<Row>) -> Result<(), FileError> {
    let wanted = "Asterisk's Master.csv (cdr_csv: 16 to 21 columns, no header), JSON lines or Parquet";
    let refuse = |found| Err(FileError::NotThisFormat { path: path.to_owned(), found, wanted });
    if rows.is_empty() {
        return Err(FileError::Empty { path: path.to_owned() });
    }
    let readable: Vec<_> =
        rows.iter().filter_map(|(_, row)| std::str::from_utf8(row.as_ref().ok()?).ok().map(split)).collect();
    let Some(first) = readable.first() else {
        return refuse("has no line of text that can be read among its first".to_owned());
    };
    if !readable.iter().any(|fields| COLUMNS.contains(&fields.len())) {
        let columns = first.len();
        let plural = if columns == 1 { "" } else { "s" };
        return refuse(format!("has {columns} comma-separated column{plural}"));
    }
    if !readable.iter().any(|fields| asterisk_row::has_times(site, fields)) {
        let found = "has as many columns as Asterisk's, but no time in the tenth (cdr_custom orders them freely)";
        return refuse(found.to_owned());
    }
    Ok(())
}

fn refused(row: u64, error: RecordError) -> RowError {
    RowError { format: Format::Switch(SwitchFormat::Asterisk), row, position: None, arrived_at_ms: None, error }
}
