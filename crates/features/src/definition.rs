//! `features.toml`: read, checked, and turned into slots and formulas. A definition that does not type-check is
//! refused with the line, the column and what was expected.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Deserialize;
use smol_str::SmolStr;
use toml::Spanned;

use crate::feature_set::SLOTS_MAX;
use crate::parse_expression::{nearest, parse_expression};
use crate::{Aggregate, BatchWindow, CompareOp, Expr, Feature, FeatureSet, Field, Formula, Level, Lists, Party};
use crate::{Settings, Slot, SlotKind, StreamWindow, Type, Window};

/// Longest feature name; ids become column names.
const NAME_BYTES_MAX: usize = 64;
/// Features in a file.
const FEATURES_MAX: usize = 500;
/// Values in a list.
const LIST_VALUES_MAX: usize = 100_000;
const AGGREGATES: [&str; 9] = ["count", "sum", "mean", "min", "max", "stddev", "distinct", "active_days", "rate"];

/// One thing that is wrong with a definition file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in bytes.
    pub column: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

/// Everything that is wrong with a definition file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionErrors(pub Vec<DefinitionError>);

impl fmt::Display for DefinitionErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "\n" };
            write!(f, "{separator}line {}, column {}: {}", error.line, error.column, error.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for DefinitionErrors {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    settings: SettingsTable,
    #[serde(default)]
    lists: std::collections::BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    feature: Vec<Spanned<FeatureTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsTable {
    default_region: Spanned<String>,
    range_digits: Spanned<u8>,
    zone: Spanned<String>,
    stream_levels: StreamLevelsTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamLevelsTable {
    #[serde(default)]
    caller: Vec<Spanned<String>>,
    #[serde(default)]
    callee: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureTable {
    name: Spanned<String>,
    #[serde(default)]
    about: String,
    of: Spanned<String>,
    per: Option<Spanned<String>>,
    r#where: Option<Spanned<String>>,
    party: Vec<Spanned<String>>,
    level: Vec<Spanned<String>>,
    #[serde(default)]
    stream: Vec<Spanned<String>>,
    #[serde(default)]
    batch: Vec<Spanned<String>>,
    decimals: Option<Spanned<u32>>,
}

/// A message and the byte it is about.
type Wrong = (usize, String);

/// Reads a file into a feature set that has no version yet.
pub(crate) fn build(
    text: &str,
    read_list: impl FnMut(&str) -> Result<String, String>,
) -> Result<FeatureSet, DefinitionErrors> {
    let located = |wrong: Vec<Wrong>| {
        DefinitionErrors(
            wrong
                .into_iter()
                .map(|(offset, message)| {
                    let before = &text.as_bytes()[..offset.min(text.len())];
                    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                    DefinitionError { line, column: before.len() - line_start + 1, message }
                })
                .collect(),
        )
    };
    let file: File = toml::from_str(text).map_err(|error| {
        located(vec![(error.span().map_or(0, |span| span.start), error.message().trim().to_owned())])
    })?;
    let mut wrong = Vec::new();
    let settings = note(&mut wrong, read_settings(&file.settings));
    let lists = note(&mut wrong, read_lists(&file.lists, read_list));
    let (Some(settings), Some(lists)) = (settings, lists) else { return Err(located(wrong)) };
    if file.feature.is_empty() || file.feature.len() > FEATURES_MAX {
        wrong.push((0, format!("a file declares 1 to {FEATURES_MAX} [[feature]]s, this one {}", file.feature.len())));
    }
    let mut builder = Builder { lists, text, features: Vec::new(), slots: [Vec::new(), Vec::new()] };
    for table in &file.feature {
        if let Err(error) = builder.feature(table) {
            wrong.push(error);
        }
    }
    if !wrong.is_empty() {
        return Err(located(wrong));
    }
    Ok(FeatureSet::unversioned(settings, builder.features, builder.slots))
}

fn note<T>(wrong: &mut Vec<Wrong>, result: Result<T, Wrong>) -> Option<T> {
    result.map_err(|error| wrong.push(error)).ok()
}

fn read_settings(table: &SettingsTable) -> Result<Settings, Wrong> {
    cdr::NumberPlan::new(table.default_region.get_ref())
        .map_err(|error| (table.default_region.span().start, error.to_string()))?;
    if !(1..=6).contains(table.range_digits.get_ref()) {
        return Err((table.range_digits.span().start, "range_digits must be 1 to 6".to_owned()));
    }
    let zone = table.zone.get_ref();
    let time_zone = match zone.as_str() {
        "UTC" => TimeZone::UTC,
        name => TimeZone::get(name).map_err(|_| {
            (table.zone.span().start, format!("there is no time zone {name}; use an IANA name such as Europe/Berlin"))
        })?,
    };
    let levels = |names: &[Spanned<String>]| -> Result<Vec<Level>, Wrong> { names.iter().map(read_level).collect() };
    Ok(Settings {
        default_region: table.default_region.get_ref().clone(),
        range_digits: *table.range_digits.get_ref(),
        zone: zone.clone(),
        stream_levels: [levels(&table.stream_levels.caller)?, levels(&table.stream_levels.callee)?],
        time_zone,
    })
}

fn read_lists(
    declared: &std::collections::BTreeMap<String, Spanned<String>>,
    mut read_list: impl FnMut(&str) -> Result<String, String>,
) -> Result<Lists, Wrong> {
    let mut lists = Lists::new();
    for (name, path) in declared {
        let wrong = |why: String| (path.span().start, format!("list {name} ({}): {why}", path.get_ref()));
        let csv = read_list(path.get_ref()).map_err(|why| wrong(format!("cannot be read: {why}")))?;
        let first_column = |line: &str| SmolStr::new(line.split(',').next().unwrap_or("").trim().trim_matches('"'));
        let values: std::collections::BTreeSet<_> =
            csv.lines().skip(1).map(first_column).filter(|value| !value.is_empty()).collect();
        if values.is_empty() || values.len() > LIST_VALUES_MAX {
            let rule = format!("wants a header line and 1 to {LIST_VALUES_MAX} values, has {}", values.len());
            return Err(wrong(rule));
        }
        lists.insert(name.clone(), Arc::new(values));
    }
    Ok(lists)
}

fn read_level(name: &Spanned<String>) -> Result<Level, Wrong> {
    name.get_ref().parse().map_err(|error: crate::EntityError| (name.span().start, error.to_string()))
}

/// An aggregate with its argument, parsed.
struct Parsed {
    aggregate: Aggregate,
    argument: Option<Expr>,
}

struct Builder<'a> {
    lists: Lists,
    text: &'a str,
    features: Vec<Feature>,
    slots: [Vec<Slot>; 2],
}

impl Builder<'_> {
    fn feature(&mut self, spanned: &Spanned<FeatureTable>) -> Result<(), Wrong> {
        let table = spanned.get_ref();
        let start = |span: Range<usize>| span.start;
        check_name(&table.name)?;
        let condition = match &table.r#where {
            Some(text) => Some(self.expression(text, 0..text.get_ref().len(), Some(Type::Boolean))?),
            None => None,
        };
        let of = self.aggregate(&table.of)?;
        let per = table.per.as_ref().map(|per| self.aggregate(per)).transpose()?;
        for (part, place) in [(Some(&of), Some(&table.of)), (per.as_ref(), table.per.as_ref())] {
            let (Some(part), Some(place)) = (part, place) else { continue };
            check_money(part, condition.as_ref()).map_err(|message| (start(place.span()), message))?;
            let divisible = matches!(part.aggregate, Aggregate::Count | Aggregate::Sum | Aggregate::Distinct);
            if per.is_some() && !divisible {
                return Err((start(place.span()), "a ratio divides count, sum and distinct only".to_owned()));
            }
        }
        let aggregate = if per.is_some() { Aggregate::Ratio } else { of.aggregate };
        let (stream, batch) = read_windows(table)?;
        if stream.is_empty() && batch.is_empty() {
            return Err((start(table.name.span()), "a feature wants a window in stream or batch".to_owned()));
        }
        if aggregate == Aggregate::ActiveDays && !stream.is_empty() {
            return Err((start(table.of.span()), "active_days counts whole days: batch windows only".to_owned()));
        }
        if let Some(decimals) = &table.decimals
            && (aggregate.is_integer() || *decimals.get_ref() > 9)
        {
            let rule = "decimals is 0 to 9, for mean, stddev, rate and ratio";
            return Err((start(decimals.span()), rule.to_owned()));
        }
        let levels = table.level.iter().map(read_level).collect::<Result<Vec<_>, _>>()?;
        if levels.is_empty() || table.party.is_empty() {
            return Err((start(table.name.span()), "a feature wants at least one party and one level".to_owned()));
        }
        for name in &table.party {
            let party: Party = name
                .get_ref()
                .parse()
                .map_err(|error: crate::EntityError| (start(name.span()), error.to_string()))?;
            if self.features.iter().any(|other| other.name == *table.name.get_ref() && other.party == party) {
                let message = format!("there is a feature {} for {} already", table.name.get_ref(), party.as_str());
                return Err((start(table.name.span()), message));
            }
            let formula = self.formula(party, &of, per.as_ref(), condition.as_ref());
            if self.slots[party as usize].len() > SLOTS_MAX {
                let message = format!("the features of {} need more than {SLOTS_MAX} slots", party.as_str());
                return Err((start(table.name.span()), message));
            }
            self.features.push(Feature {
                name: table.name.get_ref().clone(),
                about: table.about.clone(),
                party,
                levels: levels.clone(),
                aggregate,
                formula,
                stream: stream.clone(),
                batch: batch.clone(),
                decimals: table.decimals.as_ref().map(|decimals| *decimals.get_ref()),
            });
        }
        Ok(())
    }

    /// Parses `name` or `name(argument)`.
    fn aggregate(&self, text: &Spanned<String>) -> Result<Parsed, Wrong> {
        let whole = text.get_ref().as_str();
        let place = text.span().start;
        let (name, argument) = match whole.split_once('(') {
            Some((name, rest)) => {
                let inner = rest.trim_end().strip_suffix(')');
                let inner = inner.ok_or_else(|| (place, format!("{name}( wants a closing )")))?;
                (name.trim(), Some(name.len() + 1..name.len() + 1 + inner.len()))
            }
            None => (whole.trim(), None),
        };
        let (aggregate, wanted) = match name {
            "count" => (Aggregate::Count, Some(Type::Boolean)),
            "sum" => (Aggregate::Sum, Some(Type::Integer)),
            "mean" => (Aggregate::Mean, Some(Type::Integer)),
            "min" => (Aggregate::Min, Some(Type::Integer)),
            "max" => (Aggregate::Max, Some(Type::Integer)),
            "stddev" => (Aggregate::Stddev, Some(Type::Integer)),
            "distinct" => (Aggregate::Distinct, None),
            "active_days" => (Aggregate::ActiveDays, None),
            "rate" => (Aggregate::Rate, None),
            other => return Err((place, format!("there is no aggregate {other}{}", nearest(other, &AGGREGATES)))),
        };
        let takes_none = matches!(aggregate, Aggregate::ActiveDays | Aggregate::Rate);
        match argument {
            Some(_) if takes_none => Err((place, format!("{name} takes no argument; put a condition into where"))),
            None if !takes_none && aggregate != Aggregate::Count => {
                Err((place, format!("{name} wants an argument, such as {name}(talk_ms)")))
            }
            argument => {
                let argument = argument.map(|range| self.expression(text, range, wanted)).transpose()?;
                if aggregate == Aggregate::Distinct && argument.as_ref().is_some_and(|a| a.type_of() == Type::Boolean)
                {
                    return Err((place, "distinct wants a text or an integer, this is a condition".to_owned()));
                }
                Ok(Parsed { aggregate, argument })
            }
        }
    }

    fn expression(&self, text: &Spanned<String>, part: Range<usize>, wanted: Option<Type>) -> Result<Expr, Wrong> {
        let quotes = if self.text[text.span()].starts_with("\"\"\"") || self.text[text.span()].starts_with("'''") {
            3
        } else {
            1
        };
        parse_expression(&text.get_ref()[part.clone()], wanted, &self.lists)
            .map_err(|error| (text.span().start + quotes + part.start + error.column - 1, error.message))
    }

    fn formula(&mut self, party: Party, of: &Parsed, per: Option<&Parsed>, condition: Option<&Expr>) -> Formula {
        let slots = &mut self.slots[party as usize];
        if let Some(per) = per {
            return Formula::Ratio { of: single_slot(slots, of, condition), per: single_slot(slots, per, condition) };
        }
        let input = of.argument.as_ref();
        // Calls whose input is null are neither summed nor counted.
        let counted = || match input {
            Some(input) if input.is_nullable() => {
                let present = Expr::Not(Box::new(Expr::IsNull(Box::new(input.clone()))));
                both(condition, Some(&present))
            }
            _ => condition.cloned(),
        };
        match of.aggregate {
            Aggregate::Mean => Formula::Mean {
                count: slot(slots, SlotKind::Count, None, counted()),
                sum: slot(slots, SlotKind::Sum, input, condition.cloned()),
            },
            Aggregate::Stddev => Formula::Stddev {
                count: slot(slots, SlotKind::Count, None, counted()),
                sum: slot(slots, SlotKind::Sum, input, condition.cloned()),
                sum_squares: slot(slots, SlotKind::SumSquares, input, condition.cloned()),
            },
            Aggregate::Rate => Formula::Rate { count: slot(slots, SlotKind::Count, None, condition.cloned()) },
            _ => Formula::Slot(single_slot(slots, of, condition)),
        }
    }
}

fn single_slot(slots: &mut Vec<Slot>, part: &Parsed, condition: Option<&Expr>) -> usize {
    let input = part.argument.as_ref();
    match part.aggregate {
        Aggregate::Sum => slot(slots, SlotKind::Sum, input, condition.cloned()),
        Aggregate::Min => slot(slots, SlotKind::Min, input, condition.cloned()),
        Aggregate::Max => slot(slots, SlotKind::Max, input, condition.cloned()),
        Aggregate::Distinct => slot(slots, SlotKind::Distinct, input, condition.cloned()),
        Aggregate::ActiveDays => slot(slots, SlotKind::Days, None, condition.cloned()),
        // The argument of count is a further condition.
        _ => slot(slots, SlotKind::Count, None, both(condition, input)),
    }
}

/// The place of a slot, shared with the features that need the same.
fn slot(slots: &mut Vec<Slot>, kind: SlotKind, input: Option<&Expr>, condition: Option<Expr>) -> usize {
    let wanted = Slot { kind, input: input.cloned(), condition };
    slots.iter().position(|slot| *slot == wanted).unwrap_or_else(|| {
        slots.push(wanted);
        slots.len() - 1
    })
}

fn both(a: Option<&Expr>, b: Option<&Expr>) -> Option<Expr> {
    match (a, b) {
        (Some(a), Some(b)) => Some(Expr::And(Box::new(a.clone()), Box::new(b.clone()))),
        (one, other) => one.or(other).cloned(),
    }
}

fn check_name(name: &Spanned<String>) -> Result<(), Wrong> {
    let text = name.get_ref();
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain && text.len() <= NAME_BYTES_MAX && text.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Ok(());
    }
    Err((name.span().start, format!("a name is lower_snake_case of at most {NAME_BYTES_MAX} bytes")))
}

/// Amounts of two currencies have no sum.
fn check_money(part: &Parsed, condition: Option<&Expr>) -> Result<(), String> {
    let is_money = part.argument.as_ref().is_some_and(|argument| argument.mentions(Field::CostMicros));
    if part.aggregate != Aggregate::Count && is_money && !condition.is_some_and(fixes_currency) {
        return Err("cost_micros is in many currencies: add where = \"currency = 'USD'\" or another one".to_owned());
    }
    Ok(())
}

fn fixes_currency(condition: &Expr) -> bool {
    match condition {
        Expr::And(left, right) => fixes_currency(left) || fixes_currency(right),
        Expr::Compare { op: CompareOp::Equal, left, right } => matches!(
            (&**left, &**right),
            (Expr::Field(Field::Currency), Expr::Text(_)) | (Expr::Text(_), Expr::Field(Field::Currency))
        ),
        _ => false,
    }
}

fn read_windows(table: &FeatureTable) -> Result<(Vec<StreamWindow>, Vec<BatchWindow>), Wrong> {
    let (mut stream, mut batch) = (Vec::new(), Vec::new());
    for text in &table.stream {
        match Window::parse(text.get_ref()) {
            Some(Window::Stream(window)) => stream.push(window),
            _ => return Err((text.span().start, "a stream window is 1m to 1440m or 1h to 24h".to_owned())),
        }
    }
    for text in &table.batch {
        match Window::parse(text.get_ref()) {
            Some(Window::Batch(window)) => batch.push(window),
            _ => return Err((text.span().start, "a batch window is 1d to 90d".to_owned())),
        }
    }
    stream.sort_unstable();
    stream.dedup();
    batch.sort_unstable();
    batch.dedup();
    Ok((stream, batch))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SETTINGS: &str = "[settings]\ndefault_region = 'US'\nrange_digits = 4\nzone = 'UTC'\n[settings.stream_levels]\ncaller = ['phone']\n";

    fn errors(feature: &str) -> String {
        let text = format!("{SETTINGS}[[feature]]\nname = 'f'\nparty = ['caller']\nlevel = ['phone']\n{feature}\n");
        FeatureSet::parse(&text, |_| Err("none".to_owned()))
            .err()
            .map(|errors| errors.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn a_wrong_definition_is_refused_with_its_place() {
        let cases = [
            ("of = 'count'", "line 8, column 8: a feature wants a window in stream or batch"),
            ("of = 'cuont'\nbatch = ['1d']", "line 11, column 6: there is no aggregate cuont, did you mean count?"),
            (
                "of = 'sum(talk_sm)'\nbatch = ['1d']",
                "line 11, column 11: there is no field talk_sm, did you mean talk_ms?",
            ),
            ("of = 'sum(outcome)'\nbatch = ['1d']", "line 11, column 11: expected an integer, this is a text"),
            (
                "of = 'count'\nwhere = \"talk_ms < 'a'\"\nbatch = ['1d']",
                "line 12, column 20: expected an integer, found a text",
            ),
            ("of = 'count'\nbatch = ['1h']", "line 12, column 10: a batch window is 1d to 90d"),
            (
                "of = 'active_days'\nstream = ['1h']",
                "line 11, column 6: active_days counts whole days: batch windows only",
            ),
            (
                "of = 'mean(talk_ms)'\nper = 'count'\nbatch = ['1d']",
                "line 11, column 6: a ratio divides count, sum and distinct only",
            ),
            (
                "of = 'count'\nbatch = ['1d']\ndecimals = 1",
                "line 13, column 12: decimals is 0 to 9, for mean, stddev, rate and ratio",
            ),
        ];
        for (feature, expected) in cases {
            assert_eq!(errors(feature), expected, "{feature}");
        }
        assert!(errors("of = 'sum(cost_micros)'\nbatch = ['1d']").contains("many currencies"));
        assert_eq!(errors("of = 'sum(cost_micros)'\nwhere = \"currency = 'EUR'\"\nbatch = ['1d']"), "");
        assert!(errors("of = 'count'\nwhere_ = 'x'\nbatch = ['1d']").contains("unknown field `where_`"));
    }

    #[test]
    fn features_share_slots() {
        let two = "of = 'mean(talk_ms)'\nbatch = ['1d']\n[[feature]]\nname = 'g'\nof = 'sum(talk_ms)'\nper = 'count'\nparty = ['caller']\nlevel = ['phone']\nbatch = ['1d']\n";
        let text = format!("{SETTINGS}[[feature]]\nname = 'f'\nparty = ['caller']\nlevel = ['phone']\n{two}");
        let set = FeatureSet::parse(&text, |_| Err("none".to_owned())).unwrap();
        assert_eq!(set.slots(Party::Caller).len(), 2);
        assert_eq!(set.features()[1].formula, Formula::Ratio { of: 1, per: 0 });
    }
}
