//! Calls of Parquet read by columns are those that are read by rows, and so are the refusals.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use call_files::{CallBatch, FileError, ReadError, ReadOptions, Texts, open, open_columns};
use cdr::{CallRecord, Channel, NumberPlan, Outcome, RecordError};
use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use proptest::prelude::*;
use smol_str::SmolStr;

static PLAN: LazyLock<NumberPlan> = LazyLock::new(|| NumberPlan::new("US").unwrap());

/// Of a column each value, absent or not.
#[derive(Clone, Debug)]
enum Column {
    Texts(Vec<Option<Vec<u8>>>),
    Wholes(Vec<Option<i64>>),
}

/// How a file is written.
#[derive(Clone, Copy, Debug)]
struct Form {
    /// Bytes after which a dictionary is given up; 0 writes none.
    dictionary_bytes: usize,
    second_version: bool,
    page_rows: usize,
    group_rows: usize,
    micros: bool,
    plain: bool,
}

fn write(path: &Path, columns: &[(&str, Column)], form: Form) {
    let fields = columns.iter().map(|(name, column)| {
        let is_time = name.ends_with("_at");
        let (physical, logical) = match column {
            Column::Texts(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Column::Wholes(_) => (
                Physical::INT64,
                is_time.then(|| {
                    LogicalType::timestamp(true, if form.micros { TimeUnit::MICROS } else { TimeUnit::MILLIS })
                }),
            ),
        };
        let field = Type::primitive_type_builder(name, physical).with_logical_type(logical);
        let is_full = match column {
            Column::Texts(values) => values.iter().all(Option::is_some),
            Column::Wholes(values) => values.iter().all(Option::is_some),
        };
        let repetition = if is_full { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        (Arc::new(field.with_repetition(repetition).build().unwrap()), is_full)
    });
    let (fields, is_full): (Vec<_>, Vec<_>) = fields.unzip();
    let schema = Type::group_type_builder("call").with_fields(fields).build().unwrap();
    let version = if form.second_version { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
    let mut properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(form.dictionary_bytes > 0)
        .set_dictionary_page_size_limit(form.dictionary_bytes.max(1))
        .set_data_page_row_count_limit(form.page_rows)
        .set_write_batch_size(form.page_rows);
    if form.plain {
        properties = properties.set_encoding(Encoding::PLAIN);
    }
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties.build())).unwrap();
    let rows = match &columns[0].1 {
        Column::Texts(values) => values.len(),
        Column::Wholes(values) => values.len(),
    };
    for start in (0..rows).step_by(form.group_rows) {
        let end = rows.min(start + form.group_rows);
        let mut group = writer.next_row_group().unwrap();
        for ((_, column), is_full) in columns.iter().zip(&is_full) {
            let mut written = group.next_column().unwrap().unwrap();
            match column {
                Column::Texts(values) => {
                    let values = &values[start..end];
                    let present: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
                    let texts: Vec<ByteArray> = values.iter().flatten().map(|text| text.clone().into()).collect();
                    let present = (!is_full).then_some(present.as_slice());
                    written.typed::<ByteArrayType>().write_batch(&texts, present, None).unwrap();
                }
                Column::Wholes(values) => {
                    let values = &values[start..end];
                    let present: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
                    let wholes: Vec<i64> = values.iter().flatten().copied().collect();
                    let present = (!is_full).then_some(present.as_slice());
                    written.typed::<Int64Type>().write_batch(&wholes, present, None).unwrap();
                }
            }
            written.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

type Found = BTreeMap<u64, Result<CallRecord, RecordError>>;

fn by_rows(path: &Path) -> Found {
    let rows = open(path, &PLAN, &ReadOptions::default()).unwrap();
    (0..)
        .zip(rows)
        .map(|(row, call)| match call {
            Ok(call) => (row, Ok(call.call)),
            Err(ReadError::Row(error)) => (row, Err(error.error)),
            Err(ReadError::File(error)) => panic!("{error}"),
        })
        .collect()
}

/// None where the file has to be read by rows.
fn by_columns(path: &Path) -> Option<Found> {
    let mut columns = open_columns(path, &PLAN, &ReadOptions::default()).unwrap()?;
    let mut found = Found::new();
    while let Some(batch) = columns.next_batch().unwrap() {
        assert_eq!(batch.calls.len() + batch.others.len(), batch.rows);
        found.extend(
            batch.calls.iter().map(|row| (batch.first_row + u64::from(*row), Ok(call(batch, *row as usize)))),
        );
        found.extend(batch.others.iter().map(|(row, call)| (batch.first_row + u64::from(*row), call.clone())));
    }
    Some(found)
}

fn call(batch: &CallBatch, row: usize) -> CallRecord {
    let text = |texts: &Texts| texts.get(row).map(SmolStr::new);
    CallRecord {
        call_id: text(&batch.call_id).unwrap(),
        caller: batch.caller.get(row).unwrap().clone(),
        callee: batch.callee.get(row).unwrap().clone(),
        started_at_ms: batch.started_at_ms(row),
        answered_at_ms: batch.answered_at_ms(row),
        ended_at_ms: batch.ended_at_ms(row),
        outcome: Outcome::from_name(batch.outcome.get(row).unwrap()).unwrap(),
        channel: batch.channel.get(row).map(|name| Channel::from_name(name).unwrap()),
        trunk: text(&batch.trunk),
        cell_id: text(&batch.cell_id),
        imei: text(&batch.imei),
        cost_micros: batch.cost_micros(row),
        currency: text(&batch.currency),
        caller_ip: text(&batch.caller_ip),
    }
}

/// Mostly one of the good texts, sometimes a bad one.
fn texts(good: &'static [&'static str], bad: &'static [&'static [u8]]) -> BoxedStrategy<Option<Vec<u8>>> {
    prop_oneof![
        60 => prop::sample::select(good).prop_map(|text| Some(text.as_bytes().to_vec())),
        1 => prop::sample::select(bad).prop_map(|text| Some(text.to_vec())),
        1 => Just(Some(Vec::new())),
        1 => Just(Some(vec![b'x'; 200])),
        1 => Just(Some(b"\xff\xfe".to_vec())),
        1 => Just(None),
    ]
    .boxed()
}

fn optional(good: &'static [&'static str], bad: &'static [&'static [u8]]) -> BoxedStrategy<Option<Vec<u8>>> {
    prop_oneof![1 => Just(None), 2 => texts(good, bad)].boxed()
}

const START: i64 = 1_795_244_765_004;
const NUMBERS: &[&str] = &["+12025550101", "+12025550102", "+442079460018", "anonymous", "ext:hq/1001", "2025550103"];
const NO_NUMBERS: &[&[u8]] = &[b"+", b"nobody", b"+999999999999999999", b"short:1:"];

/// A row: the columns of a call record in order.
type AnyRow = (Vec<Option<Vec<u8>>>, Vec<Option<i64>>);

fn any_row() -> impl Strategy<Value = AnyRow> {
    let time = |usual: std::ops::Range<i64>| {
        prop_oneof![
            60 => usual.prop_map(|ms| Some(START + ms)),
            1 => prop::sample::select(vec![0, -1, i64::MIN, i64::MAX, 4_102_444_800_000]).prop_map(Some),
            1 => Just(None),
        ]
    };
    // What was answered mostly has a time.
    let answered = prop_oneof![30 => Just(true), 30 => Just(false)].prop_flat_map(move |answered| {
        let outcomes: &'static [&'static str] =
            if answered { &["answered"] } else { &["busy", "no_answer", "failed"] };
        let at =
            if answered { time(10..20).boxed() } else { prop_oneof![40 => Just(None), 1 => time(10..20)].boxed() };
        (texts(outcomes, &[b"gone", b"answered"]), at)
    });
    let cost = prop_oneof![3 => Just(None), 3 => (-5i64..5).prop_map(Some), 1 => Just(Some(i64::MAX))];
    (
        (texts(&["a", "b", "c", "d-e"], &[b"\0"]), texts(NUMBERS, NO_NUMBERS), texts(NUMBERS, NO_NUMBERS)),
        (time(0..10), answered, time(20..700_000_000)),
        (
            optional(&["voice", "sms"], &[b"fax"]),
            optional(&["t1", "t2"], &[b"t3"]),
            optional(&["\u{fc}"], &[b"c"]),
            optional(&["4901"], &[b"4902"]),
        ),
        (
            cost,
            optional(&["USD", "EUR"], &[b"usd"]),
            optional(&["192.0.2.7", "2001:db8::7", "2001:DB8::7"], &[b"192"]),
        ),
    )
        .prop_map(
            |(
                (id, caller, callee),
                (started, (outcome, answered), ended),
                (channel, trunk, cell, imei),
                (cost, currency, ip),
            )| {
                (
                    vec![id, caller, callee, outcome, channel, trunk, cell, imei, currency, ip],
                    vec![started, answered, ended, cost],
                )
            },
        )
}

fn any_form() -> impl Strategy<Value = Form> {
    (
        prop::sample::select(vec![0, 12, 1_000_000]),
        any::<bool>(),
        prop::sample::select(vec![1usize, 3, 7, 1_000]),
        prop::sample::select(vec![2usize, 11, 1_000]),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(dictionary_bytes, second_version, page_rows, group_rows, micros, plain)| Form {
            dictionary_bytes,
            second_version,
            page_rows,
            group_rows,
            micros,
            plain,
        })
}

const TEXTS: [&str; 10] =
    ["call_id", "caller", "callee", "outcome", "channel", "trunk", "cell_id", "imei", "currency", "caller_ip"];
const WHOLES: [&str; 4] = ["started_at", "answered_at", "ended_at", "cost_micros"];

fn columns_of(rows: &[AnyRow], left_out: &[&str], form: Form) -> Vec<(&'static str, Column)> {
    let texts = TEXTS
        .iter()
        .enumerate()
        .map(|(at, name)| (*name, Column::Texts(rows.iter().map(|row| row.0[at].clone()).collect())));
    let wholes = WHOLES.iter().enumerate().map(|(at, name)| {
        let scale = if form.micros && name.ends_with("_at") { 1_000 } else { 1 };
        let value = |value: i64| value.checked_mul(scale).map_or(value, |scaled| scaled + (scale - 1));
        (*name, Column::Wholes(rows.iter().map(|row| row.1[at].map(value)).collect()))
    });
    texts.chain(wholes).filter(|(name, _)| !left_out.contains(name)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn columns_give_what_rows_give(
        rows in prop::collection::vec(any_row(), 1..60),
        form in any_form(),
        left_out in prop::sample::subsequence(vec!["answered_at", "channel", "imei", "cost_micros", "currency"], 0..3),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.parquet");
        write(&path, &columns_of(&rows, &left_out, form), form);
        let expected = by_rows(&path);
        prop_assert_eq!(expected.len(), rows.len());
        match by_columns(&path) {
            Some(found) => prop_assert_eq!(found, expected),
            None => prop_assert!(form.second_version && !form.plain, "{:?}", form),
        }
    }
}

/// More rows than are read at once, with a dictionary that is given up in between.
#[test]
fn batches_of_a_row_group_go_on_from_each_other() {
    let rows = 40_000;
    let text = |at: &dyn Fn(usize) -> Option<String>| {
        Column::Texts((0..rows).map(|row| at(row).map(String::into_bytes)).collect())
    };
    let columns = [
        ("call_id", text(&|row| Some(format!("call-{row}")))),
        ("caller", text(&|row| Some(format!("+1202555{:04}", row * row % 10_000)))),
        (
            "callee",
            text(&|row| {
                Some(if row % 1_000 == 7 { "nobody".to_owned() } else { format!("+1212555{:04}", row % 10_000) })
            }),
        ),
        ("started_at", Column::Wholes((0..rows).map(|row| Some(START + row as i64)).collect())),
        ("ended_at", Column::Wholes((0..rows).map(|row| Some(START + row as i64)).collect())),
        ("outcome", text(&|_| Some("busy".to_owned()))),
        ("trunk", text(&|row| (row % 3 > 0).then(|| format!("trunk-{}", row / 5)))),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.parquet");
    for dictionary_bytes in [0, 20_000, 1_000_000] {
        let form = Form {
            dictionary_bytes,
            second_version: false,
            page_rows: 5_000,
            group_rows: 35_000,
            micros: false,
            plain: false,
        };
        write(&path, &columns, form);
        let expected = by_rows(&path);
        assert_eq!(expected.values().filter(|call| call.is_err()).count(), 40);
        assert!(by_columns(&path).unwrap() == expected, "{dictionary_bytes}");
        let columns = open_columns(&path, &PLAN, &ReadOptions::default()).unwrap().unwrap();
        assert_eq!(columns.started_between(), Some(START..=START + rows as i64 - 1));
    }
}

#[test]
fn rows_that_are_no_call_do_not_say_when_calls_begin() {
    let text = |text: &str| Column::Texts(vec![Some(text.as_bytes().to_vec()); 3]);
    // Nanoseconds taken for milliseconds, and a clock that was never set.
    let started = Column::Wholes(vec![Some(-1), Some(START), Some(START * 1_000_000)]);
    let columns = [
        ("call_id", text("a")),
        ("caller", text("+12025550101")),
        ("callee", text("+12025550102")),
        ("started_at", started.clone()),
        ("ended_at", started),
        ("outcome", text("busy")),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.parquet");
    let form = Form {
        dictionary_bytes: 0,
        second_version: false,
        page_rows: 10,
        group_rows: 10,
        micros: false,
        plain: false,
    };
    write(&path, &columns, form);
    let columns = open_columns(&path, &PLAN, &ReadOptions::default()).unwrap().unwrap();
    assert_eq!(columns.started_between(), Some(cdr::TIME_FROM_MS..=cdr::TIME_UNTIL_MS));
}

/// Any byte may be another one: what comes of it is an error, or calls, and never a panic.
#[test]
fn a_damaged_file_is_an_error_or_other_calls() {
    let text = |texts: &[&str]| Column::Texts(texts.iter().map(|text| Some(text.as_bytes().to_vec())).collect());
    let columns = [
        ("call_id", text(&["a", "b", "c"])),
        ("caller", text(&["+12025550101", "+12025550101", "+12025550102"])),
        ("callee", text(&["+12025550101", "+12025550101", "+12025550102"])),
        ("started_at", Column::Wholes(vec![Some(START); 3])),
        ("ended_at", Column::Wholes(vec![Some(START); 3])),
        ("outcome", text(&["busy"; 3])),
        ("trunk", Column::Texts(vec![None, Some(b"t".to_vec()), None])),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.parquet");
    let form = Form {
        dictionary_bytes: 15,
        second_version: false,
        page_rows: 1,
        group_rows: 9,
        micros: false,
        plain: false,
    };
    write(&path, &columns, form);
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = 0;
    for at in 0..whole.len() {
        let mut garbled = whole.clone();
        garbled[at] ^= 0xff;
        std::fs::write(&path, &garbled).unwrap();
        let Ok(Some(mut columns)) = open_columns(&path, &PLAN, &ReadOptions::default()) else { continue };
        let _ = columns.started_between();
        loop {
            match columns.next_batch() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    assert!(matches!(error, FileError::Damaged { .. }), "{error}");
                    assert!(columns.next_batch().unwrap().is_none());
                    damaged += 1;
                    break;
                }
            }
        }
    }
    assert!(damaged > 50, "{damaged}");
}
