//! FreeSWITCH's `mod_cdr_csv`: rows of a template.
//!
//! FreeSWITCH puts values into its template as they are: a quote in a name is not doubled. Numbers, times and causes have
//! none, so that such a row is read, unless there is a comma between its quotes too: then it has a column too many and is
//! refused. What is made of the values: [`crate::freeswitch`].

use std::borrow::Cow;

use cdr::{Reason, RecordError};

use crate::fields::Fields;
use crate::freeswitch::Values;
use crate::row_hash::row_hash;
use crate::{FreeswitchTemplate, Leg, LegReader, Site};

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
        values.leg(&self.site, || row_hash(row)).map(Some)
    }
}

/// A value between its quotes: a template may have blanks before them, and quotes of SQL.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inner = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cdr::NumberPlan;

    use super::*;
    use crate::WrongColumns;

    fn read(template: &FreeswitchTemplate, file: &str) -> Vec<Result<Option<Leg>, RecordError>> {
        let plan = NumberPlan::new("US").unwrap();
        let mut reader = FreeswitchCsvReader::new(Site::new(&plan, "hq", "Europe/Berlin").unwrap(), template.clone());
        file.lines().map(|row| reader.leg(row.as_bytes())).collect()
    }

    fn detect(file: &str) -> Result<Option<FreeswitchTemplate>, WrongColumns> {
        let rows: Vec<&[u8]> = file.lines().map(str::as_bytes).collect();
        FreeswitchTemplate::detect(&rows)
    }

    fn told(file: &str) -> String {
        crate::testing::told(read(&detect(file).unwrap().unwrap(), file).into_iter())
    }

    #[test]
    fn rows_of_the_example_template() {
        insta::assert_snapshot!(told(include_str!("../testdata/freeswitch_csv/example.csv")));
    }

    #[test]
    fn other_templates_that_are_shipped_are_found() {
        let sql = told(include_str!("../testdata/freeswitch_csv/sql.csv"));
        let asterisk = told(include_str!("../testdata/freeswitch_csv/asterisk.csv"));
        insta::assert_snapshot!(sql + &asterisk);
        let row = "\"5f3a0c1e-0001-4000-8000-00000000000a\",\"\",\"inbound\",\"+12025550101\",\"1001\",\"2026-11-21 07:06:09\",\
                   \"2026-11-21 07:07:00\",\"51\",\"\",\"\",\"192.0.2.7\",\"\",\"\"";
        assert!(matches!(detect(row), Err(WrongColumns::Template("opencdrrate", _))));
        assert_eq!(detect("a,b,c"), Ok(None));
    }

    #[test]
    fn a_template_of_ones_own_is_read_as_it_stands() {
        let template = FreeswitchTemplate::given("'${uuid}'");
        assert!(matches!(template, Err(WrongColumns::Missing("destination_number", _))));
        let template = FreeswitchTemplate::given(
            "CALL \"${uuid}\", \"${aleg_uuid}\", \"${direction}\", \"${ani}\", \"${destination_number}\", \"${start_uepoch}\", \
             \"${answer_epoch}\", \"${duration}\", \"${hangup_cause_q850}\", \"${network_addr}\"!",
        )
        .unwrap();
        let rows = "CALL \"a\", \"\", \"inbound\", \"+12025550101\", \"1001\", \"1795244765250000\", \"1795244769\", \"55\", \"16\", \"192.0.2.7\"!\n\
                    CALL \"b\", \"a\", \"outbound\", \"+12025550101\", \"1001\", \"1795244765250000\", \"0\", \"55\", \"17\", \"192.0.2.8\"!\n\
                    CALL \"c\", \"a\", \"outbound\", \"+12025550101\", \"1001\", \"now\", \"0\", \"55\", \"17\", \"192.0.2.8\"!";
        insta::assert_snapshot!(crate::testing::told(read(&template, rows).into_iter()));
    }
}
