//! What `--dry-run` says: what an import would make of the files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use cdr::{CallRecord, NumberKind};
use indicatif::HumanCount;

use crate::call_input::UnusableNumbers;
use crate::import::merging::FileFound;
use crate::import::reading::Imported;

/// Countries of callers that are named; the others are counted.
const COUNTRIES_SHOWN: usize = 5;

/// Counts over the calls of an import. There are few countries and kinds: it is small however many calls there are.
#[derive(Default)]
pub(crate) struct Understood {
    /// What each file was.
    pub(crate) files: Vec<(PathBuf, FileFound)>,
    outcomes: BTreeMap<&'static str, u64>,
    channels: BTreeMap<&'static str, u64>,
    kinds: BTreeMap<NumberKind, u64>,
    countries: BTreeMap<String, u64>,
    international: u64,
    of_unknown_country: u64,
}

impl Understood {
    /// Takes a call in.
    pub(crate) fn take(&mut self, call: &CallRecord) {
        *self.outcomes.entry(call.outcome.as_str()).or_default() += 1;
        *self.channels.entry(call.channel.map_or("not said", cdr::Channel::as_str)).or_default() += 1;
        *self.kinds.entry(call.caller.kind()).or_default() += 1;
        if call.caller.kind() == NumberKind::E164 {
            match self.countries.get_mut(call.caller.country().unwrap_or(NO_COUNTRY)) {
                Some(count) => *count += 1,
                None => drop(self.countries.insert(call.caller.country().unwrap_or(NO_COUNTRY).to_owned(), 1)),
            }
        }
        match call.is_international() {
            Some(true) => self.international += 1,
            Some(false) => {}
            None => self.of_unknown_country += 1,
        }
    }
}

const NO_COUNTRY: &str = "of no known country";

/// The whole report.
pub(crate) fn report(imported: &Imported, understood: &Understood, region: &str) -> String {
    let mut text = String::from("dry run: nothing was written\n");
    for (path, file) in &understood.files {
        let path = path.display();
        // Writing to a string does not fail.
        let _ = match file.format {
            Some(format) => writeln!(
                text,
                "  file     {path}: {}, {} rows, {} calls, {} refused",
                format.as_str(),
                HumanCount(file.rows),
                HumanCount(file.calls),
                HumanCount(file.refused)
            ),
            None => writeln!(text, "  file     {path}: empty"),
        };
    }
    let begun = imported.span.map_or_else(String::new, |span| format!(", begun {}", span.text()));
    let _ = writeln!(text, "  rows     {}", HumanCount(imported.rows));
    let _ = writeln!(text, "  calls    {}{begun}", HumanCount(imported.calls));
    if imported.calls > 0 {
        let _ =
            writeln!(text, "  outcome  {}", counts(understood.outcomes.iter().map(|(name, count)| (*name, *count))));
        let _ =
            writeln!(text, "  channel  {}", counts(understood.channels.iter().map(|(name, count)| (*name, *count))));
        let _ = writeln!(text, "  callers  {}", understood.callers());
        let _ = writeln!(
            text,
            "  abroad   {} calls between two countries, {} where one is not known",
            HumanCount(understood.international),
            HumanCount(understood.of_unknown_country)
        );
    }
    text += &imported.refused.summary();
    text += &numbers(imported.refused.numbers(), region);
    text
}

impl Understood {
    fn callers(&self) -> String {
        let kinds = self.kinds.iter().map(|(kind, count)| {
            let name = kind.as_str();
            let count = HumanCount(*count);
            if *kind == NumberKind::E164 {
                format!("{name} {count} ({})", self.largest_countries())
            } else {
                format!("{name} {count}")
            }
        });
        kinds.collect::<Vec<_>>().join(", ")
    }

    fn largest_countries(&self) -> String {
        let mut countries: Vec<(&str, u64)> =
            self.countries.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        // The most first; equal ones by name.
        countries.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let rest = countries.split_off(COUNTRIES_SHOWN.min(countries.len()));
        let others: u64 = rest.iter().map(|(_, count)| count).sum();
        let shown = counts(countries.into_iter());
        if rest.is_empty() { shown } else { format!("{shown}, {} others {}", rest.len(), HumanCount(others)) }
    }
}

fn counts<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    counts.map(|(name, count)| format!("{name} {}", HumanCount(count))).collect::<Vec<_>>().join(", ")
}

/// The numbers that could not be normalised, and what may help.
fn numbers(numbers: &UnusableNumbers, region: &str) -> String {
    if numbers.rows == 0 {
        return String::new();
    }
    let rows = HumanCount(numbers.rows);
    let mut text = format!("  numbers  {rows} could not be normalised; x is a digit, a is a letter:\n");
    for (field, shape) in &numbers.shapes {
        let _ = writeln!(text, "           {field} {shape}");
    }
    let _ = writeln!(
        text,
        "           numbers without + are read as dialled in {region}: give the region of the switch as --region"
    );
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use cdr::{NumberPlan, NumberShape};

    use super::*;

    fn call(caller: &str, callee: &str) -> CallRecord {
        let json = format!(
            r#"{{"call_id":"a","caller":"{caller}","callee":"{callee}","started_at":"2026-11-20T10:00:00Z","ended_at":"2026-11-20T10:00:09Z","outcome":"busy"}}"#
        );
        cdr::parse(&NumberPlan::new("US").unwrap(), json.as_bytes()).unwrap().record
    }

    #[test]
    fn callers_are_counted_by_kind_and_country_the_most_first() {
        let mut understood = Understood::default();
        for caller in [
            "+12025550101",
            "+12025550102",
            "+442079460000",
            "+4930123456",
            "+33123456789",
            "+390612345678",
            "+34911234567",
        ] {
            understood.take(&call(caller, "+12025550199"));
        }
        understood.take(&call("ext:hq/1001", "+12025550199"));
        understood.take(&call("anonymous", "+12025550199"));
        let callers = understood.callers();
        assert_eq!(callers, "e164 7 (US 2, DE 1, ES 1, FR 1, GB 1, 1 others 1), ext 1, anonymous 1");
        assert_eq!((understood.international, understood.of_unknown_country), (5, 2));
    }

    #[test]
    fn numbers_that_cannot_be_read_are_shapes() {
        let shapes = vec![("src", NumberShape::of("004930123456"))];
        let text = numbers(&UnusableNumbers { rows: 3, shapes }, "US");
        assert!(text.contains("3 could not be normalised") && text.contains("src 00xxxxxxxxxx\n"), "{text}");
        assert!(!text.contains("4930") && text.contains("--region"), "{text}");
        assert_eq!(numbers(&UnusableNumbers::default(), "US"), "");
    }
}
