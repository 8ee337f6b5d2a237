//! The calls of one day as columns: what identity, order and the definitions need of them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher as _};

use cdr::CallRecord;
use features::{Datum, Expr, FeatureSet, Field, Party, Row, Type};
use polars::prelude::{
    Column, DataFrame, DataType, Int64Chunked, IntoColumn as _, PlSmallStr, PolarsResult, StringChunkedBuilder,
    UInt32Chunked, UInt64Chunked,
};

use crate::day_tiles::batched;

/// Event time, milliseconds since 1970 UTC.
pub(crate) const STARTED_AT_MS: &str = "@started_at_ms";
/// A hash of caller, `call_id` and the minute of event time: equal for copies of a call.
pub(crate) const IDENTITY: &str = "@identity";
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

/// How many bytes of a party's number are its prefix; 0 where it has none.
pub(crate) const fn prefix_bytes(party: Party) -> &'static str {
    match party {
        Party::Caller => "@caller_prefix_bytes",
        Party::Callee => "@callee_prefix_bytes",
    }
}

/// How and where a call came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) arrived_at_ms: Option<i64>,
    pub(crate) position: Option<String>,
    pub(crate) file: u64,
    pub(crate) record: u64,
}

/// The fields to keep of each call: those that the definitions name, and the numbers that tell calls and phones apart.
pub(crate) fn fields_of(set: &FeatureSet) -> Vec<Field> {
    let mut fields = BTreeSet::from([Field::Number(Party::Caller)]);
    for (party, _) in batched(set) {
        fields.insert(Field::Number(party));
        for slot in set.slots(party) {
            let named =
                |expr: &Expr| Field::ALL.into_iter().filter(|field| expr.mentions(*field)).collect::<Vec<_>>();
            fields.extend(slot.input.iter().chain(&slot.condition).flat_map(named));
        }
    }
    fields.into_iter().collect()
}

/// What a call takes in memory with these fields, roughly.
pub(crate) fn call_bytes(fields: &[Field]) -> usize {
    let of_field = |field: &Field| match field.type_of() {
        // A view, and the bytes of a longer text.
        Type::Text => 28,
        Type::Integer => 16,
        Type::Boolean => 2,
    };
    // Times, hashes, place in the files, position, prefixes.
    let fixed = 80;
    fixed + fields.iter().map(of_field).sum::<usize>()
}

/// Gathers calls.
pub(crate) struct DayColumns {
    fields: Vec<(Field, FieldColumn)>,
    /// Of the parties whose numbers are kept.
    prefix_bytes: Vec<(Party, Vec<u32>)>,
    started_at_ms: Vec<i64>,
    identity: Vec<u64>,
    /// As long as no call says when it arrived, none of these is written.
    arrived_at_ms: Vec<Option<i64>>,
    position: Option<StringChunkedBuilder>,
    file: Vec<u64>,
    record: Vec<u64>,
    content: Vec<u64>,
    /// What is being hashed.
    hashed: Vec<u8>,
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
        let numbers = Party::ALL.into_iter().filter(|party| fields.contains(&Field::Number(*party)));
        Self {
            fields: fields.iter().map(column).collect(),
            prefix_bytes: numbers.map(|party| (party, Vec::new())).collect(),
            started_at_ms: Vec::new(),
            identity: Vec::new(),
            arrived_at_ms: Vec::new(),
            position: None,
            file: Vec::new(),
            record: Vec::new(),
            content: Vec::new(),
            hashed: Vec::new(),
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
        for (party, lengths) in &mut self.prefix_bytes {
            lengths.push(party.number(call).prefix().map_or(0, |prefix| prefix.len() as u32));
        }
        self.started_at_ms.push(call.started_at_ms);
        self.identity.push(identity_hash(call, &mut self.hashed));
        let before = self.file.len();
        if arrival.arrived_at_ms.is_some() || !self.arrived_at_ms.is_empty() {
            self.arrived_at_ms.resize(before, None);
            self.arrived_at_ms.push(arrival.arrived_at_ms);
        }
        if let Some(position) = &mut self.position {
            position.append_option(arrival.position.as_deref());
        } else if let Some(first) = &arrival.position {
            let mut position = StringChunkedBuilder::new(PlSmallStr::from_static(POSITION), 0);
            (0..before).for_each(|_| position.append_null());
            position.append_value(first);
            self.position = Some(position);
        }
        self.file.push(arrival.file);
        self.record.push(arrival.record);
        self.content.push(content_hash(call, &mut self.hashed));
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
        for (party, lengths) in self.prefix_bytes {
            columns.push(UInt32Chunked::from_vec(named(prefix_bytes(party)), lengths).into_column());
        }
        columns.push(Int64Chunked::from_vec(named(STARTED_AT_MS), self.started_at_ms).into_column());
        columns.push(if self.arrived_at_ms.is_empty() {
            Column::full_null(named(ARRIVED_AT_MS), height, &DataType::Int64)
        } else {
            Column::new(named(ARRIVED_AT_MS), self.arrived_at_ms)
        });
        columns.push(match self.position {
            Some(position) => position.finish().into_column(),
            None => Column::full_null(named(POSITION), height, &DataType::String),
        });
        let numbers = [(IDENTITY, self.identity), (FILE, self.file), (RECORD, self.record), (CONTENT, self.content)];
        let numbers = numbers.map(|(name, numbers)| UInt64Chunked::from_vec(named(name), numbers).into_column());
        columns.extend(numbers);
        DataFrame::new(height, columns)
    }
}

/// Equal for copies of a call. What is not a copy has the same by chance alone.
fn identity_hash(call: &CallRecord, bytes: &mut Vec<u8>) -> u64 {
    bytes.clear();
    bytes.extend_from_slice(&call.start_minute().to_le_bytes());
    push_text(bytes, Some(call.caller.as_str()));
    bytes.extend_from_slice(call.call_id.as_bytes());
    hash(bytes)
}

/// Equal for equal records. It is compared within a run only.
fn content_hash(call: &CallRecord, bytes: &mut Vec<u8>) -> u64 {
    bytes.clear();
    let numbers = [Some(call.started_at_ms), call.answered_at_ms, Some(call.ended_at_ms), call.cost_micros];
    for number in numbers {
        bytes.push(u8::from(number.is_some()));
        bytes.extend_from_slice(&number.unwrap_or_default().to_le_bytes());
    }
    push_text(bytes, Some(&call.call_id));
    push_text(bytes, Some(call.caller.as_str()));
    push_text(bytes, Some(call.callee.as_str()));
    bytes.push(call.outcome as u8);
    bytes.push(call.channel.map_or(u8::MAX, |channel| channel as u8));
    for optional in [&call.trunk, &call.cell_id, &call.imei, &call.currency, &call.caller_ip] {
        push_text(bytes, optional.as_deref());
    }
    hash(bytes)
}

/// A length keeps neighbours apart; an absent text differs from an empty one.
fn push_text(bytes: &mut Vec<u8>, text: Option<&str>) {
    // Texts of a call have at most 128 bytes.
    bytes.push(text.map_or(u8::MAX, |text| text.len() as u8));
    bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
}

/// In one piece: the hasher is slow with many short ones.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_definitions_name_what_is_kept() {
        let fields = fields_of(&FeatureSet::default_set().unwrap());
        for wanted in [Field::TalkMs, Field::CellId, Field::HourLocal, Field::Number(Party::Callee)] {
            assert!(fields.contains(&wanted), "{wanted:?}");
        }
        for unwanted in [Field::CallId, Field::Imei, Field::Range(Party::Callee)] {
            assert!(!fields.contains(&unwanted), "{unwanted:?}");
        }
    }

    #[test]
    fn copies_that_differ_anywhere_have_another_hash() {
        let plan = cdr::NumberPlan::new("US").unwrap();
        let json = |extra: &str| {
            let json = format!(
                r#"{{"call_id":"a","caller":"+12025550101","callee":"+12025550102","started_at":"2026-11-20T00:00:00Z",
                "ended_at":"2026-11-20T00:00:01Z","outcome":"busy"{extra}}}"#
            );
            content_hash(&cdr::parse(&plan, json.as_bytes()).unwrap().record, &mut Vec::new())
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
