//! FreeSWITCH's `mod_cdr_csv`: rows of a template.
//!
//! FreeSWITCH puts values into its template as they are: a quote in a name is not doubled. Numbers, times and causes have
//! none, so that such a row is read, unless there is a comma between its quotes too: then it has a column too many and is
//! refused. What is made of the values: [`crate::freeswitch`].

use std::borrow::Cow;

use cdr::{Reason, RecordError};

use crate::fields::Fields;
use crate::freeswitch::Values;
use crate::{FreeswitchTemplate, Leg, LegReader, Site, row_name};

/// Reads rows of `mod_cdr_csv`.
pub struct FreeswitchCsvReader<'p> {
    site: Site<'p>,
    template: FreeswitchTemplate,
    fields: Fields,
}

impl<'p> FreeswitchCsvReader<'p> {
    /// A reader of rows of a template.
    pub fn new(site: Site<'p>, template: FreeswitchTemplate) -> Self {
        Self { site, template, fields: Fields::new(b',') }
    }
}

impl LegReader for FreeswitchCsvReader<'_> {
    fn leg(&mut self, row: &[u8]) -> Result<Option<Leg>, RecordError> {
        let of_row = |rule| RecordError::of_record(Reason::Unparseable, row.len(), rule);
        if !self.fields.split(self.template.strip(row)) {
            return Err(of_row("is not UTF-8"));
        }
        let variables = &self.template.variables;
        if self.fields.len() != variables.len() {
            return Err(of_row("has another number of columns than the template that was given or found"));
        }
        let mut values = Values::new();
        for (place, variable) in variables.iter().enumerate() {
            if let Some(variable) = variable {
                values.set(*variable, Cow::Borrowed(unquoted(self.fields.get(place))));
            }
        }
        values.leg(&self.site, || row_name::of(row)).map(Some)
    }
}

/// A value between its quotes: a template may have blanks before them, and quotes of SQL.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inner = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}
