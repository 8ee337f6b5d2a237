//! The legs of the file of a switch.

use std::path::{Path, PathBuf};

use cdr::{NumberPlan, RecordError};
use switch_records::{CannotRead, Leg, LegReader, Legs, Settings, Site, SwitchFormat, UnknownSite};

use crate::detect::{Text, damaged};
use crate::rows::Rows;
use crate::{FileError, Format, LegStart, Place, ReadError, RowError, SwitchOptions};

pub(crate) struct SwitchLegs<'p> {
    path: PathBuf,
    format: SwitchFormat,
    legs: Legs,
    rows: Rows,
    reader: Box<dyn LegReader + 'p>,
}

impl<'p> SwitchLegs<'p> {
    pub fn open(
        text: &Text,
        plan: &'p NumberPlan,
        format: SwitchFormat,
        options: &SwitchOptions,
        start: LegStart,
    ) -> Result<Self, FileError> {
        let path = &text.path;
        let site = site(plan, options)?;
        let settings = settings(options);
        let first_rows: Vec<&[u8]> = text.first_rows.iter().map(Vec::as_slice).collect();
        let mut reader = format.reader(site, &settings, &first_rows).map_err(|error| cannot_read(path, error))?;
        if start.place != Place::default()
            && let Some(first) = first_rows.first()
        {
            // What it says of that row was said when the file was read from its beginning.
            let _ = reader.leg(first);
        }
        let rows = Rows::new(format.framing(), text.content_from(start.place)?, start);
        Ok(Self { path: path.clone(), format, legs: options.legs, rows, reader })
    }

    pub const fn format(&self) -> SwitchFormat {
        self.format
    }

    /// Behind the last row that was given.
    pub const fn place(&self) -> Place {
        self.rows.place()
    }

    /// The next leg and the number of its line.
    pub fn next_leg(&mut self) -> Option<Result<(u64, Leg), ReadError>> {
        loop {
            let (line, row) = match self.rows.next_row() {
                Ok(Some(row)) => row,
                Ok(None) => return None,
                Err(error) => return Some(Err(damaged(&self.path, &error).into())),
            };
            match row.and_then(|row| self.reader.leg(row)) {
                Ok(None) => {}
                Ok(Some(mut leg)) => {
                    if self.legs == Legs::Each {
                        leg.links.clear();
                    }
                    return Some(Ok((line, leg)));
                }
                Err(error) => return Some(Err(refused(self.format, line, error).into())),
            }
        }
    }
}

/// What the readers of switches are told.
pub(crate) fn settings(options: &SwitchOptions) -> Settings<'_> {
    Settings { columns: options.columns.as_deref(), mapping: options.mapping.as_deref(), legs: options.legs }
}

/// A row that is refused.
pub(crate) fn refused(format: SwitchFormat, row: u64, error: RecordError) -> RowError {
    RowError { format: Format::Switch(format), row, position: None, arrived_at_ms: None, error }
}

fn site<'p>(plan: &'p NumberPlan, options: &SwitchOptions) -> Result<Site<'p>, FileError> {
    Site::new(plan, &options.site, &options.zone).map_err(|error| match error {
        UnknownSite::Name(value) => {
            let wanted = "1 to 32 letters, digits and . _ - that name the switch";
            FileError::Option { option: "site", value, wanted }
        }
        UnknownSite::Zone(value) => {
            FileError::Option { option: "time zone", value, wanted: "an IANA name such as UTC or America/New_York" }
        }
    })
}

fn cannot_read(path: &Path, error: CannotRead) -> FileError {
    match error {
        CannotRead::Rows { found, wanted } => FileError::NotThisFormat { path: path.to_owned(), found, wanted },
        CannotRead::Columns(_) | CannotRead::Mapping(_) => FileError::Told { problem: error.to_string() },
    }
}
