//! The calls of one day as columns: what identity, order and the definitions need of them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher as _};

use cdr::CallRecord;
use features::{Datum, Expr, FeatureSet, Field, Party, Row, Type};
use polars::prelude::{Column, DataFrame, IntoColumn as _, PlSmallStr, PolarsResult, StringChunkedBuilder};

/// Event time, milliseconds since 1970 UTC.
pub(crate) const STARTED_AT_MS: &str = "@started_at_ms";
/// Minute of event time; with caller and `call_id` it is the call's identity.
pub(crate) const START_MINUTE: &str = "@start_minute";
/// When the archive received it, milliseconds since 1970 UTC; null where the file does not say.
pub(crate) const ARRIVED_AT_MS: &str = "@arrived_at_ms";
/// Its position in the stream, in a form that sorts; null where the file does not say.
pub(crate) const POSITION: &str = "@position";
/// Number of the file in the sorted listing, and of the record in the file.
pub(crate) const FILE: &str = "@file";
/// See [`FILE`].
pub(crate) const RECORD: &str = "@record";
/// A hash of everything in the record: copies of a call ought to have the same.
pub(crate) const CONTENT: &str = "@content";

/// How and where a call came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) arrived_at_ms: Option<i64>,
    pub(crate) position: Option<String>,
    pub(crate) file: u64,
    pub(crate) record: u64,
}

/// The fields to keep of each call: those that the definitions name, and those that tell calls and entities apart.
pub(crate) fn fields_of(set: &FeatureSet) -> Vec<Field> {
    let mut fields = BTreeSet::from([Field::CallId]);
    for party in Party::ALL {
        fields.extend([Field::Number(party), Field::Kind(party), Field::Prefix(party), Field::Range(party)]);
        for slot in set.slots(party) {
            let named =
                |expr: &Expr| Field::ALL.into_iter().filter(|field| expr.mentions(*field)).collect::<Vec<_>>();
            fields.extend(slot.input.iter().chain(&slot.condition).flat_map(named));
        }
    }
    fields.into_iter().collect()
}

/// Gathers calls.
pub(crate) struct DayColumns {
    fields: Vec<(Field, FieldColumn)>,
    started_at_ms: Vec<i64>,
    start_minute: Vec<i64>,
    arrived_at_ms: Vec<Option<i64>>,
    position: StringChunkedBuilder,
    file: Vec<u64>,
    record: Vec<u64>,
    content: Vec<u64>,
}

enum FieldColumn {
    Text(StringChunkedBuilder),
    Integer(Vec<Option<i64>>),
    Boolean(Vec<Option<bool>>),
}

impl DayColumns {
    pub(crate) fn new(fields: &[Field]) -> Self {
        let column = |field: &Field| {
            let column = match field.type_of() {
                Type::Text => {
                    FieldColumn::Text(StringChunkedBuilder::new(PlSmallStr::from_static(field.as_str()), 0))
                }
                Type::Integer => FieldColumn::Integer(Vec::new()),
                Type::Boolean => FieldColumn::Boolean(Vec::new()),
            };
            (*field, column)
        };
        Self {
            fields: fields.iter().map(column).collect(),
            started_at_ms: Vec::new(),
            start_minute: Vec::new(),
            arrived_at_ms: Vec::new(),
            position: StringChunkedBuilder::new(PlSmallStr::from_static(POSITION), 0),
            file: Vec::new(),
            record: Vec::new(),
            content: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, row: &Row<'_>, arrival: &Arrival) {
        for (field, column) in &mut self.fields {
            match (column, row.field(*field)) {
                (FieldColumn::Text(texts), Datum::Text(text)) => texts.append_value(text),
                (FieldColumn::Text(texts), _) => texts.append_null(),
                (FieldColumn::Integer(integers), Datum::Integer(integer)) => integers.push(Some(integer)),
                (FieldColumn::Integer(integers), _) => integers.push(None),
                (FieldColumn::Boolean(booleans), Datum::Boolean(value)) => booleans.push(Some(value)),
                (FieldColumn::Boolean(booleans), _) => booleans.push(None),
            }
        }
        let call = row.call();
        self.started_at_ms.push(call.started_at_ms);
        self.start_minute.push(call.start_minute());
        self.arrived_at_ms.push(arrival.arrived_at_ms);
        self.position.append_option(arrival.position.as_deref());
        self.file.push(arrival.file);
        self.record.push(arrival.record);
        self.content.push(content_hash(call));
    }

    pub(crate) fn into_frame(self) -> PolarsResult<DataFrame> {
        let height = self.started_at_ms.len();
        let named = PlSmallStr::from_static;
        let mut columns: Vec<Column> = Vec::with_capacity(self.fields.len() + 7);
        for (field, column) in self.fields {
            columns.push(match column {
                FieldColumn::Text(texts) => texts.finish().into_column(),
                FieldColumn::Integer(integers) => Column::new(named(field.as_str()), integers),
                FieldColumn::Boolean(booleans) => Column::new(named(field.as_str()), booleans),
            });
        }
        columns.push(Column::new(named(STARTED_AT_MS), self.started_at_ms));
        columns.push(Column::new(named(START_MINUTE), self.start_minute));
        columns.push(Column::new(named(ARRIVED_AT_MS), self.arrived_at_ms));
        columns.push(self.position.finish().into_column());
        columns.push(Column::new(named(FILE), self.file));
        columns.push(Column::new(named(RECORD), self.record));
        columns.push(Column::new(named(CONTENT), self.content));
        DataFrame::new(height, columns)
    }
}

/// Equal for equal records. It is compared within a run only.
fn content_hash(call: &CallRecord) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut text = |text: Option<&str>| {
        // A length keeps neighbours apart; an absent text differs from an empty one.
        hasher.write_u64(text.map_or(u64::MAX, |text| text.len() as u64));
        hasher.write(text.unwrap_or_default().as_bytes());
    };
    text(Some(&call.call_id));
    text(Some(call.caller.as_str()));
    text(Some(call.callee.as_str()));
    text(Some(call.outcome.as_str()));
    text(call.channel.map(cdr::Channel::as_str));
    for optional in [&call.trunk, &call.cell_id, &call.imei, &call.currency, &call.caller_ip] {
        text(optional.as_deref());
    }
    let numbers = [Some(call.started_at_ms), call.answered_at_ms, Some(call.ended_at_ms), call.cost_micros];
    for number in numbers {
        hasher.write_u8(u8::from(number.is_some()));
        hasher.write_i64(number.unwrap_or_default());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_definitions_name_what_is_kept() {
        let fields = fields_of(&FeatureSet::default_set().unwrap());
        for wanted in [Field::CallId, Field::TalkMs, Field::CellId, Field::HourLocal, Field::Range(Party::Callee)] {
            assert!(fields.contains(&wanted), "{wanted:?}");
        }
        assert!(!fields.contains(&Field::Imei));
    }

    #[test]
    fn copies_that_differ_anywhere_have_another_hash() {
        let plan = cdr::NumberPlan::new("US").unwrap();
        let json = |extra: &str| {
            let json = format!(
                r#"{{"call_id":"a","caller":"+12025550101","callee":"+12025550102","started_at":"2026-11-20T00:00:00Z",
                "ended_at":"2026-11-20T00:00:01Z","outcome":"busy"{extra}}}"#
            );
            content_hash(&cdr::parse(&plan, json.as_bytes()).unwrap().record)
        };
        let bare = json("");
        assert_eq!(bare, json(r#","trunk":null"#));
        for extra in
            [r#","trunk":"t""#, r#","cell_id":"t""#, r#","cost_micros":0,"currency":"USD""#, r#","channel":"sms""#]
        {
            assert_ne!(bare, json(extra), "{extra}");
        }
        assert_ne!(json(r#","trunk":"t""#), json(r#","cell_id":"t""#));
    }
}
