//! The calls of one day as columns: what identity, order and the definitions need of them.

use std::collections::BTreeSet;

use call_files::CallBatch;
use cdr::{CallRecord, Number};
use features::{Datum, Expr, FeatureSet, Field, Party, Row, Settings, Type};
use polars::prelude::{
    Column, DataFrame, DataType, Int64Chunked, IntoColumn as _, PlSmallStr, PolarsResult, StringChunkedBuilder,
    UInt64Chunked,
};

use crate::batch_hashes::BatchHashes;
use crate::day_tiles::batched;
use crate::hashes;
use crate::phone_key::PhoneKey;

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

/// The number of a party as [`PhoneKey`]; 0 where it is not E.164.
pub(crate) const fn key_name(party: Party) -> &'static str {
    match party {
        Party::Caller => "@caller_key",
        Party::Callee => "@callee_key",
    }
}

/// The text of a party's number that is not E.164; null where it is.
pub(crate) const fn other_name(party: Party) -> &'static str {
    match party {
        Party::Caller => "@caller_other",
        Party::Callee => "@callee_other",
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

/// What is kept of each call.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// Fields that the definitions name.
    pub(crate) fields: Vec<Field>,
    /// Parties by whose number calls are told apart, grouped or measured.
    pub(crate) parties: Vec<Party>,
}

impl Kept {
    pub(crate) fn of(set: &FeatureSet) -> Self {
        let mut fields = BTreeSet::new();
        let mut parties = BTreeSet::from([Party::Caller]);
        for (party, _) in batched(set) {
            parties.insert(party);
            for slot in set.slots(party) {
                let named =
                    |expr: &Expr| Field::ALL.into_iter().filter(|field| expr.mentions(*field)).collect::<Vec<_>>();
                fields.extend(slot.input.iter().chain(&slot.condition).flat_map(named));
            }
        }
        parties.extend(Party::ALL.into_iter().filter(|party| fields.contains(&Field::Number(*party))));
        Self { fields: fields.into_iter().collect(), parties: parties.into_iter().collect() }
    }

    /// What a call takes in memory, roughly.
    pub(crate) fn call_bytes(&self) -> usize {
        let of_field = |field: &Field| match field.type_of() {
            // A view, and the bytes of a longer text.
            Type::Text => 28,
            Type::Integer => 16,
            Type::Boolean => 2,
        };
        // Event time, hashes, place in the files; position and arrival where they are known.
        let fixed = 40 + 24;
        fixed + self.parties.len() * size_of::<u64>() + self.fields.iter().map(of_field).sum::<usize>()
    }
}

/// Gathers calls.
pub(crate) struct DayColumns {
    fields: Vec<(Field, FieldColumn)>,
    numbers: Vec<NumberColumn>,
    started_at_ms: Vec<i64>,
    identity: Vec<u64>,
    /// As long as no call says when it arrived, none of these is written.
    arrived_at_ms: Vec<Option<i64>>,
    position: SparseTexts,
    file: Vec<u64>,
    record: Vec<u64>,
    content: Vec<u64>,
}

enum FieldColumn {
    Text(StringChunkedBuilder),
    Integer(Vec<Option<i64>>),
    Boolean(Vec<Option<bool>>),
}

struct NumberColumn {
    party: Party,
    keys: Vec<u64>,
    others: SparseTexts,
}

/// Texts that mostly nobody has.
struct SparseTexts {
    name: &'static str,
    /// None as long as all are absent.
    texts: Option<StringChunkedBuilder>,
    len: usize,
}

impl SparseTexts {
    const fn new(name: &'static str) -> Self {
        Self { name, texts: None, len: 0 }
    }

    /// Sets the text of row `row`, which is behind all that have one.
    fn set(&mut self, row: usize, text: &str) {
        let new = || StringChunkedBuilder::new(PlSmallStr::from_static(self.name), 0);
        let texts = self.texts.get_or_insert_with(new);
        (self.len..row).for_each(|_| texts.append_null());
        texts.append_value(text);
        self.len = row + 1;
    }

    fn into_column(self, height: usize) -> Column {
        let Some(mut texts) = self.texts else {
            return Column::full_null(PlSmallStr::from_static(self.name), height, &DataType::String);
        };
        (self.len..height).for_each(|_| texts.append_null());
        texts.finish().into_column()
    }
}

impl DayColumns {
    pub(crate) fn new(kept: &Kept) -> Self {
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
        let numbers = |party: &Party| NumberColumn {
            party: *party,
            keys: Vec::new(),
            others: SparseTexts::new(other_name(*party)),
        };
        Self {
            fields: kept.fields.iter().map(column).collect(),
            numbers: kept.parties.iter().map(numbers).collect(),
            started_at_ms: Vec::new(),
            identity: Vec::new(),
            arrived_at_ms: Vec::new(),
            position: SparseTexts::new(POSITION),
            file: Vec::new(),
            record: Vec::new(),
            content: Vec::new(),
        }
    }

    /// How many calls there are.
    pub(crate) const fn len(&self) -> usize {
        self.started_at_ms.len()
    }

    /// Adds a call.
    pub(crate) fn push(&mut self, row: &Row<'_>, arrival: &Arrival) {
        let at = self.started_at_ms.len();
        for (field, column) in &mut self.fields {
            column.push(row.field(*field));
        }
        let call = row.call();
        for column in &mut self.numbers {
            column.push(at, column.party.number(call));
        }
        self.started_at_ms.push(call.started_at_ms);
        self.identity.push(identity(call));
        if arrival.arrived_at_ms.is_some() || !self.arrived_at_ms.is_empty() {
            self.arrived_at_ms.resize(at, None);
            self.arrived_at_ms.push(arrival.arrived_at_ms);
        }
        if let Some(position) = &arrival.position {
            self.position.set(at, position);
        }
        self.file.push(arrival.file);
        self.record.push(arrival.record);
        self.content.push(hashes::content(call));
    }

    /// Adds the calls of these rows of a batch. They do not say when they arrived.
    pub(crate) fn push_batch(
        &mut self,
        batch: &CallBatch,
        rows: &[u32],
        hashes: &BatchHashes,
        file: u64,
        settings: &Settings,
    ) {
        let at = self.started_at_ms.len();
        let places = || rows.iter().map(|row| *row as usize);
        for (field, column) in &mut self.fields {
            column.push_batch(*field, batch, rows, settings);
        }
        for column in &mut self.numbers {
            let numbers = if column.party == Party::Caller { &batch.caller } else { &batch.callee };
            let keys = hashes.keys(column.party);
            column.keys.extend(places().map(|row| numbers.code(row).map_or(0, |code| keys[code])));
            if hashes.has_others(column.party) {
                for (at, row) in (at..).zip(places()) {
                    if column.keys[at] == 0 {
                        column.others.set(at, numbers.get(row).map_or("", Number::as_str));
                    }
                }
            }
        }
        self.started_at_ms.extend(places().map(|row| batch.started_at_ms(row)));
        self.identity.extend(places().map(|row| hashes.identity(batch, row)));
        if !self.arrived_at_ms.is_empty() {
            self.arrived_at_ms.resize(at + rows.len(), None);
        }
        self.file.extend(std::iter::repeat_n(file, rows.len()));
        self.record.extend(rows.iter().map(|row| batch.first_row + u64::from(*row)));
        self.content.extend(places().map(|row| hashes.content(batch, row)));
    }

    pub(crate) fn into_frame(mut self) -> PolarsResult<DataFrame> {
        let height = self.started_at_ms.len();
        let named = PlSmallStr::from_static;
        let mut columns: Vec<Column> = Vec::with_capacity(self.fields.len() + 10);
        for (field, column) in self.fields {
            columns.push(match column {
                FieldColumn::Text(texts) => texts.finish().into_column(),
                FieldColumn::Integer(integers) => Column::new(named(field.as_str()), integers),
                FieldColumn::Boolean(booleans) => Column::new(named(field.as_str()), booleans),
            });
        }
        for column in self.numbers {
            columns.push(UInt64Chunked::from_vec(named(key_name(column.party)), column.keys).into_column());
            columns.push(column.others.into_column(height));
        }
        columns.push(Int64Chunked::from_vec(named(STARTED_AT_MS), self.started_at_ms).into_column());
        columns.push(if self.arrived_at_ms.is_empty() {
            Column::full_null(named(ARRIVED_AT_MS), height, &DataType::Int64)
        } else {
            self.arrived_at_ms.resize(height, None);
            Column::new(named(ARRIVED_AT_MS), self.arrived_at_ms)
        });
        columns.push(self.position.into_column(height));
        let numbers = [(IDENTITY, self.identity), (FILE, self.file), (RECORD, self.record), (CONTENT, self.content)];
        let numbers = numbers.map(|(name, numbers)| UInt64Chunked::from_vec(named(name), numbers).into_column());
        columns.extend(numbers);
        DataFrame::new(height, columns)
    }
}

impl FieldColumn {
    fn push(&mut self, value: Datum<'_>) {
        match (self, value) {
            (Self::Text(texts), Datum::Text(text)) => texts.append_value(text),
            (Self::Text(texts), _) => texts.append_null(),
            (Self::Integer(integers), Datum::Integer(integer)) => integers.push(Some(integer)),
            (Self::Integer(integers), _) => integers.push(None),
            (Self::Boolean(booleans), Datum::Boolean(value)) => booleans.push(Some(value)),
            (Self::Boolean(booleans), _) => booleans.push(None),
        }
    }

    fn push_batch(&mut self, field: Field, batch: &CallBatch, rows: &[u32], settings: &Settings) {
        for row in rows {
            self.push(value(field, batch, *row as usize, settings));
        }
    }
}

/// What [`Row::field`] gives for the call of a row of a batch.
fn value<'b>(field: Field, batch: &'b CallBatch, row: usize, settings: &Settings) -> Datum<'b> {
    let number = |party| if party == Party::Caller { batch.caller.get(row) } else { batch.callee.get(row) };
    let text = |text: Option<&'b str>| text.map_or(Datum::Null, Datum::Text);
    let (started, answered, ended) = (batch.started_at_ms(row), batch.answered_at_ms(row), batch.ended_at_ms(row));
    match field {
        Field::CallId => text(batch.call_id.get(row)),
        Field::Number(party) => text(number(party).map(Number::as_str)),
        Field::Country(party) => text(number(party).and_then(Number::country)),
        Field::Prefix(party) => text(number(party).and_then(Number::prefix)),
        Field::Range(party) => text(number(party).and_then(|number| number.range(settings.range_digits))),
        Field::Kind(party) => text(number(party).map(|number| number.kind().as_str())),
        Field::Outcome => text(batch.outcome.get(row)),
        Field::Channel => text(batch.channel.get(row)),
        Field::Trunk => text(batch.trunk.get(row)),
        Field::CellId => text(batch.cell_id.get(row)),
        Field::Imei => text(batch.imei.get(row)),
        Field::CostMicros => batch.cost_micros(row).map_or(Datum::Null, Datum::Integer),
        Field::Currency => text(batch.currency.get(row)),
        Field::CallerIp => text(batch.caller_ip.get(row)),
        Field::TalkMs => Datum::Integer(cdr::talk_ms(answered, ended)),
        Field::RingMs => Datum::Integer(cdr::ring_ms(started, answered, ended)),
        Field::IsInternational => {
            let parties = number(Party::Caller).zip(number(Party::Callee));
            let crosses = parties.and_then(|(caller, callee)| cdr::is_international(caller, callee));
            crosses.map_or(Datum::Null, Datum::Boolean)
        }
        Field::HourLocal => Datum::Integer(settings.hour_local(started)),
        Field::WeekdayLocal => Datum::Integer(settings.weekday_local(started)),
    }
}

impl NumberColumn {
    fn push(&mut self, row: usize, number: &Number) {
        let key = PhoneKey::of(number);
        self.keys.push(key.map_or(0, PhoneKey::bits));
        if key.is_none() {
            self.others.set(row, number.as_str());
        }
    }
}

fn identity(call: &CallRecord) -> u64 {
    hashes::identity(hashes::of_number(&call.caller), hashes::of_text(&call.call_id), call.start_minute())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use call_files::{ParquetWriter, ReadOptions, open_columns};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::any_call;

    #[test]
    fn the_definitions_name_what_is_kept() {
        let kept = Kept::of(&FeatureSet::default_set().unwrap());
        for wanted in [Field::TalkMs, Field::CellId, Field::HourLocal, Field::Number(Party::Callee)] {
            assert!(kept.fields.contains(&wanted), "{wanted:?}");
        }
        for unwanted in [Field::CallId, Field::Imei, Field::Range(Party::Callee)] {
            assert!(!kept.fields.contains(&unwanted), "{unwanted:?}");
        }
        assert_eq!(kept.parties, Party::ALL);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn batches_make_the_columns_that_calls_make(
            calls in prop::collection::vec(any_call(), 1..30),
            skipped in 0usize..5,
            zone in prop::sample::select(vec!["UTC", "America/New_York"]),
        ) {
            let file = include_str!("../../features.toml").replace("zone = \"UTC\"", &format!("zone = \"{zone}\""));
            let set = FeatureSet::parse(&file, |_| Ok("country\nCU\n".to_owned())).unwrap();
            prop_assert_eq!(&set.settings().zone, zone);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("calls.parquet");
            let mut writer = ParquetWriter::create(&path).unwrap();
            calls.iter().for_each(|call| writer.write(call).unwrap());
            writer.finish().unwrap();

            let kept = Kept { fields: Field::ALL.to_vec(), parties: Party::ALL.to_vec() };
            let (mut by_rows, mut by_batches) = (DayColumns::new(&kept), DayColumns::new(&kept));
            // Calls of another file before them, which knows arrivals.
            let before = Arrival { arrived_at_ms: Some(7), position: Some("p".to_owned()), file: 1, record: 0 };
            for call in &calls[..skipped.min(calls.len() - 1)] {
                let row = Row::new(call, set.settings());
                by_rows.push(&row, &before);
                by_batches.push(&row, &before);
            }
            let plan = cdr::NumberPlan::new("US").unwrap();
            let mut file = open_columns(&path, &plan, &ReadOptions::default()).unwrap().unwrap();
            let mut hashes = BatchHashes::default();
            while let Some(batch) = file.next_batch().unwrap() {
                hashes.update(9, batch);
                by_batches.push_batch(batch, &batch.calls, &hashes, 9, set.settings());
                for row in &batch.calls {
                    let arrival = Arrival { file: 9, record: u64::from(*row), ..Arrival::default() };
                    by_rows.push(&Row::new(&calls[*row as usize], set.settings()), &arrival);
                }
            }
            prop_assert!(by_rows.into_frame().unwrap().equals_missing(&by_batches.into_frame().unwrap()));
        }
    }
}
