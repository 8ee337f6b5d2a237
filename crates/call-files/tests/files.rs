//! JSON lines and Parquet: what is written is read, and what is damaged is named.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use call_files::{
    CallRow, Compression, FileError, Format, JsonLinesWriter, MAX_LINE_BYTES, NumberSeries, PARQUET_ROW_GROUP_ROWS,
    ParquetWriter, ReadError, ReadOptions, RowRefused, SwitchFormat, open,
};
use cdr::{CallRecord, NumberPlan, Reason};
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use tempfile::TempDir;

static PLAN: LazyLock<NumberPlan> = LazyLock::new(|| NumberPlan::new("US").unwrap());

/// Different calls, some with all fields and some with few.
fn some_calls(count: usize) -> Vec<CallRecord> {
    (0..count)
        .map(|n| {
            let ended = 1_795_244_765_004 + n as i64 * 1_000;
            let optional = if n % 3 == 0 {
                r#","channel":"voice","trunk":"t \"1\"","cell_id":"ü","imei":"4901","cost_micros":-7,"currency":"USD","caller_ip":"2001:db8::7""#
            } else {
                ""
            };
            let answer = if n % 2 == 0 {
                format!(r#""outcome":"answered","answered_at":"{}""#, cdr::format_time(ended - 10))
            } else {
                r#""outcome":"no_answer""#.to_owned()
            };
            let json = format!(
                r#"{{"call_id":"c-{n}","caller":"+1202555{:04}","callee":"ext:hq/{n}","started_at":"{}","ended_at":"{}",{answer}{optional}}}"#,
                n % 10_000,
                cdr::format_time(ended - 20),
                cdr::format_time(ended),
            );
            cdr::parse(&PLAN, json.as_bytes()).unwrap().record
        })
        .collect()
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn read(path: &Path) -> Vec<CallRecord> {
    open(path, &PLAN, &ReadOptions::default()).unwrap().map(|call| call.unwrap().call).collect()
}

fn refused(path: &Path) -> FileError {
    open(path, &PLAN, &ReadOptions::default()).err().unwrap()
}

fn json_lines(path: &Path, compression: Compression, calls: &[CallRecord]) -> u64 {
    let mut writer = JsonLinesWriter::create(path, compression).unwrap();
    for call in calls {
        writer.write(call).unwrap();
    }
    writer.finish().unwrap()
}

fn parquet(path: &Path, calls: &[CallRecord]) -> u64 {
    let mut writer = ParquetWriter::create(path).unwrap();
    for call in calls {
        writer.write(call).unwrap();
    }
    writer.finish().unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn json_lines_are_read_as_written_plain_and_compressed() {
    let folder = Folder::new();
    let calls = some_calls(50);
    // Names say nothing: the content does.
    let (plain, gz) = (folder.path("plain"), folder.path("gz"));
    assert_eq!(json_lines(&plain, Compression::None, &calls), 50);
    assert_eq!(json_lines(&gz, Compression::Gzip, &calls), 50);
    assert_eq!(read(&plain), calls);
    assert_eq!(read(&gz), calls);
    let text = std::fs::read(&plain).unwrap();
    let zst = folder.write("zst", &zstd::encode_all(&text[..], 1).unwrap());
    assert_eq!(read(&zst), calls);
    // Two members, as a log shipper appends them, cut in the middle of a line.
    let members = [gzip(&text[..777]), gzip(&text[777..])].concat();
    assert_eq!(read(&folder.write("members", &members)), calls);
}

#[test]
fn parquet_is_read_as_written_over_batches_and_row_groups() {
    let folder = Folder::new();
    let path = folder.path("calls.parquet");
    for count in [0, 1, 4_096, 4_097, 70_000] {
        let calls = some_calls(count);
        assert_eq!(parquet(&path, &calls), count as u64);
        let reader = open(&path, &PLAN, &ReadOptions::default()).unwrap();
        assert_eq!(reader.format(), Format::Parquet);
        let read: Vec<_> = reader.map(Result::unwrap).collect();
        assert!(read.iter().map(|call| &call.call).eq(&calls), "{count}");
        assert!(read.iter().zip(1..).all(|(call, row)| call.row == row));
    }
}

fn row(call: &CallRecord) -> CallRow<'_> {
    CallRow {
        call_id: &call.call_id,
        caller: call.caller.as_str(),
        callee: call.callee.as_str(),
        started_at_ms: call.started_at_ms,
        answered_at_ms: call.answered_at_ms,
        ended_at_ms: call.ended_at_ms,
        outcome: call.outcome,
        channel: call.channel,
        trunk: call.trunk.as_deref(),
        cell_id: call.cell_id.as_deref(),
        imei: call.imei.as_deref(),
        cost_micros: call.cost_micros,
        currency: call.currency.as_deref(),
        caller_ip: call.caller_ip.as_deref(),
    }
}

#[test]
fn rows_are_written_as_records_are_and_a_number_that_is_none_leaves_no_trace() {
    let folder = Folder::new();
    let calls = some_calls(70_000);
    let (records, rows) = (folder.path("records"), folder.path("rows"));
    parquet(&records, &calls);
    let mut writer = ParquetWriter::create(&rows).unwrap();
    for (place, call) in calls.iter().enumerate() {
        if place % 10_000 == 5 {
            let bad = CallRow { callee: "no number", ..row(call) };
            let refused = writer.write_row(&bad, &PLAN, |_| None).unwrap_err();
            assert!(matches!(refused, RowRefused::Number(_)), "{refused}");
            assert!(refused.to_string().starts_with("a number is no number: wants E.164"), "{refused}");
        }
        // Some of the numbers are known from their series.
        let series = NumberSeries { country: "US", prefix_bytes: 5 };
        writer
            .write_row(&row(call), &PLAN, |number| {
                number.ends_with('7').then_some(series).filter(|_| number.starts_with('+'))
            })
            .unwrap();
    }
    assert_eq!(writer.finish().unwrap(), 70_000);
    assert!(std::fs::read(&records).unwrap() == std::fs::read(&rows).unwrap());
}

#[test]
fn the_footer_says_what_engines_skip_row_groups_by() {
    let folder = Folder::new();
    let path = folder.path("calls.parquet");
    let calls = some_calls(70_000);
    parquet(&path, &calls);
    let file = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    assert_eq!(file.num_row_groups(), 2);
    for (group, calls) in calls.chunks(PARQUET_ROW_GROUP_ROWS).enumerate() {
        let group = file.metadata().row_group(group);
        assert_eq!(group.num_rows(), calls.len() as i64);
        let column = |name: &str| {
            let columns = group.columns();
            columns.iter().find(|column| column.column_descr().name() == name).unwrap().statistics().unwrap().clone()
        };
        let texts = |name: &str| {
            let statistics = column(name);
            let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
            (text(statistics.min_bytes_opt()), text(statistics.max_bytes_opt()), statistics.null_count_opt())
        };
        let ends = |text: fn(&CallRecord) -> Option<&str>| {
            let texts = || calls.iter().filter_map(text);
            let absent = calls.len() - texts().count();
            (texts().min().map(str::to_owned), texts().max().map(str::to_owned), Some(absent as u64))
        };
        assert_eq!(texts("call_id"), ends(|call| Some(&call.call_id)));
        assert_eq!(texts("caller"), ends(|call| Some(call.caller.as_str())));
        assert_eq!(texts("trunk"), ends(|call| call.trunk.as_deref()));
        assert_eq!(texts("caller_country"), ends(|call| call.caller.country()));
        let started = column("started_at");
        let first = calls.iter().map(|call| call.started_at_ms).min().unwrap();
        assert_eq!(started.min_bytes_opt(), Some(&first.to_le_bytes()[..]));
    }
}

#[test]
fn parquet_has_columns_for_engines_without_a_number_plan() {
    let folder = Folder::new();
    let path = folder.path("calls.parquet");
    parquet(&path, &some_calls(1));
    let file = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let row = file.get_row_iter(None).unwrap().next().unwrap().unwrap();
    let derived: Vec<String> =
        row.get_column_iter().skip(15).map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        derived,
        [
            "caller_country=\"US\"",
            "caller_prefix=\"+1202\"",
            "caller_kind=\"e164\"",
            "callee_country=null",
            "callee_prefix=null",
            "callee_kind=\"ext\"",
        ]
    );
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    let folder = Folder::new();
    let calls = some_calls(500);
    let (a, b) = (folder.path("a"), folder.path("b"));
    let same = || std::fs::read(&a).unwrap() == std::fs::read(&b).unwrap();
    json_lines(&a, Compression::Gzip, &calls);
    json_lines(&b, Compression::Gzip, &calls);
    assert!(same());
    parquet(&a, &calls);
    assert!(!same());
    parquet(&b, &calls);
    assert!(same());
}

#[test]
fn nothing_half_written_is_left() {
    let folder = Folder::new();
    let calls = some_calls(10);
    let old = folder.write("old.jsonl", b"what was there");
    {
        let mut json = JsonLinesWriter::create(&old, Compression::Gzip).unwrap();
        let mut columns = ParquetWriter::create(&folder.path("new.parquet")).unwrap();
        json.write(&calls[0]).unwrap();
        columns.write(&calls[0]).unwrap();
        assert_eq!(std::fs::read(&old).unwrap(), b"what was there");
        assert_eq!(folder.names().len(), 3);
        // Both are dropped unfinished.
    }
    assert_eq!(folder.names(), ["old.jsonl"]);
    let nowhere = folder.path("missing/new.parquet");
    assert!(matches!(ParquetWriter::create(&nowhere).err().unwrap(), FileError::Unwritable { .. }));
}

#[test]
fn archive_lines_bring_position_and_arrival() {
    let folder = Folder::new();
    let calls = some_calls(2);
    let path = folder.path("archive.jsonl");
    let mut writer = JsonLinesWriter::create(&path, Compression::None).unwrap();
    writer.write_archived("000\"7", 1_795_244_765_999, &calls[0]).unwrap();
    writer.write(&calls[1]).unwrap();
    writer.finish().unwrap();
    let mut text = std::fs::read_to_string(&path).unwrap();
    // What engines without a number plan need stands behind the call, and only in lines of an archive.
    let [archived, plain] = [0, 1].map(|line| text.lines().nth(line).unwrap());
    assert!(archived.ends_with(r#""callee_kind":"ext"}}"#) && archived.contains(r#","derived":{"number_plan":""#));
    assert!(!plain.contains("derived"));
    // Other orders and more fields; the call as bytes; and what is wrong with an archive line.
    let json = calls[0].to_json();
    let protobuf = base64(&calls[1].to_protobuf());
    text += &[
        format!("{{\"call\":{json},\"derived\":1,\"arrived_at\":\"2026-11-21T07:06:05Z\",\"position\":\"8\"}}"),
        format!("{{\"position\":\"9\",\"arrived_at\":\"2026-11-21T07:06:05Z\",\"bytes\":\"{protobuf}\"}}"),
        "{\"position\":\"10\",\"arrived_at\":\"2026-11-21T07:06:05Z\",\"bytes\":\"aGVsbG8=\"}".to_owned(),
        "{\"position\":\"11\",\"arrived_at\":\"2026-11-21T07:06:05Z\",\"bytes\":\"*\"}".to_owned(),
        format!("{{\"position\":\"12\",\"arrived_at\":\"noon\",\"call\":{json}}}"),
        "{\"position\":\"13\",\"arrived_at\":\"2026-11-21T07:06:05Z\",\"call\":{\"call_id\":\"c\"}}".to_owned(),
    ]
    .join("\n");
    std::fs::write(&path, text).unwrap();

    let mut good = Vec::new();
    let mut bad = Vec::new();
    for call in open(&path, &PLAN, &ReadOptions::default()).unwrap() {
        match call {
            Ok(call) => good.push((call.row, call.position, call.arrived_at_ms, call.call)),
            Err(ReadError::Row(error)) => {
                bad.push((error.row, error.position.unwrap(), error.arrived_at_ms, error.error.reason));
            }
            Err(ReadError::File(error)) => panic!("{error}"),
        }
    }
    let arrived = Some(1_795_244_765_000);
    let position = |text: &str| Some(text.to_owned());
    assert_eq!(
        good,
        [
            (1, position("000\"7"), Some(1_795_244_765_999), calls[0].clone()),
            (2, None, None, calls[1].clone()),
            (3, position("8"), arrived, calls[0].clone()),
            (4, position("9"), arrived, calls[1].clone()),
        ]
    );
    assert_eq!(
        bad,
        [
            (5, "10".to_owned(), arrived, Reason::Unparseable),
            (6, "11".to_owned(), arrived, Reason::BadText),
            (7, "12".to_owned(), None, Reason::BadTime),
            (8, "13".to_owned(), arrived, Reason::MissingField),
        ]
    );
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

#[test]
fn bad_lines_do_not_end_the_file() {
    let folder = Folder::new();
    let call = &some_calls(1)[0];
    let json = call.to_json();
    let long_field = json.replace("c-0", &"x".repeat(1_000_000));
    let long_record = json.replace("c-0", &"x".repeat(1_100_000));
    let long_line = json.replace("c-0", &"x".repeat(MAX_LINE_BYTES));
    let text = format!(
        "\u{feff}{json}\r\n\r\n[1]\n{long_field}\n{long_record}\n{long_line}\n{}\n  {json}  \n{json}{json}\n{json}",
        &json[..40]
    );
    let path = folder.write("bad.jsonl", text.as_bytes());
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for read in open(&path, &PLAN, &ReadOptions::default()).unwrap() {
        match read {
            Ok(read) => {
                assert_eq!(&read.call, call);
                good.push(read.row);
            }
            Err(ReadError::Row(error)) => bad.push((error.row, error.error.reason)),
            Err(ReadError::File(error)) => panic!("{error}"),
        }
    }
    assert_eq!(good, [1, 8, 10]);
    assert_eq!(
        bad,
        [
            (3, Reason::Unparseable),
            (4, Reason::BadCallId),
            (5, Reason::TooLarge),
            (6, Reason::TooLarge),
            (7, Reason::Unparseable),
            (9, Reason::Unparseable),
        ]
    );
}

#[test]
fn unknown_fields_are_counted() {
    let folder = Folder::new();
    let json = some_calls(1)[0].to_json().replace("{\"call_id\"", "{\"x\":1,\"y\":[2],\"call_id\"");
    let path = folder.write("calls", json.as_bytes());
    let read = open(&path, &PLAN, &ReadOptions::default()).unwrap().next().unwrap().unwrap();
    assert_eq!(read.unknown_fields, 2);
}

#[test]
fn a_cut_compressed_file_gives_what_it_has_and_an_error() {
    let folder = Folder::new();
    let calls = some_calls(2_000);
    let plain: String = calls.iter().map(|call| call.to_json() + "\n").collect();
    for (name, whole) in [("gzip", gzip(plain.as_bytes())), ("zstd", zstd::encode_all(plain.as_bytes(), 1).unwrap())]
    {
        for cut in [whole.len() / 2, whole.len() - 1] {
            let path = folder.write("cut", &whole[..cut]);
            let read: Vec<_> = open(&path, &PLAN, &ReadOptions::default()).unwrap().collect();
            let (last, before) = read.split_last().unwrap();
            assert!(matches!(last, Err(ReadError::File(FileError::Damaged { .. }))), "{name} {cut}");
            assert!(before.iter().zip(&calls).all(|(read, call)| &read.as_ref().unwrap().call == call));
        }
        // Only the magic.
        let path = folder.write("cut", &whole[..6]);
        assert!(matches!(refused(&path), FileError::Damaged { .. }), "{name}");
    }
    let mut broken = gzip(plain.as_bytes());
    let middle = broken.len() / 2;
    broken[middle..middle + 64].fill(0xAA);
    let last = open(&folder.write("broken", &broken), &PLAN, &ReadOptions::default()).unwrap().last().unwrap();
    assert!(matches!(last, Err(ReadError::File(FileError::Damaged { .. }))));
}

#[test]
fn a_cut_parquet_file_is_refused_at_once() {
    let folder = Folder::new();
    let path = folder.path("calls.parquet");
    parquet(&path, &some_calls(300));
    let whole = std::fs::read(&path).unwrap();
    for cut in [4, 5, 8, 12, whole.len() / 2, whole.len() - 9, whole.len() - 8, whole.len() - 1] {
        let error = refused(&folder.write("cut", &whole[..cut]));
        assert!(matches!(error, FileError::Damaged { .. }), "{cut}: {error}");
    }
}

/// Every byte takes long; 13 divides no size of a structure, so that no kind of byte is left out.
const STEP: usize = 13;

#[test]
fn parquet_with_a_wrong_byte_never_ends_the_program() {
    let folder = Folder::new();
    let path = folder.path("calls.parquet");
    parquet(&path, &some_calls(40));
    let whole = std::fs::read(&path).unwrap();
    for at in (4..whole.len()).step_by(STEP) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let path = folder.write("wrong", &bytes);
        if let Ok(reader) = open(&path, &PLAN, &ReadOptions::default()) {
            assert!(reader.take(100).count() <= 100);
        }
    }
}

#[test]
fn what_is_no_file_of_calls_is_refused_with_a_remedy() {
    let folder = Folder::new();
    let message = |name: &str, bytes: &[u8]| {
        let path = folder.write(name, bytes);
        let error = refused(&path);
        (error.to_string().replace(folder.0.path().to_str().unwrap(), "DIR"), error)
    };
    let (text, error) = message("empty", b"");
    assert!(matches!(error, FileError::Empty { .. }), "{text}");
    let (text, error) = message("blank", b"\r\n\n  \n");
    assert!(matches!(error, FileError::Empty { .. }), "{text}");
    let (text, error) = message("empty.gz", &gzip(b""));
    assert!(matches!(error, FileError::Empty { .. }), "{text}");
    let (text, _) = message("array", b"[{\"call_id\":1}]");
    assert_eq!(text, "DIR/array begins as a JSON array; wants an object a line (jq -c '.[]' makes that of it)");
    let (text, _) = message("binary", &[0, 1, 2, 3, 0xFF, 0xFE, 0x80, 7]);
    assert!(text.starts_with("DIR/binary is binary; wants call records in JSON lines"), "{text}");
    let (text, _) = message("utf16", b"\xFF\xFE{\0\"\0");
    assert_eq!(text, "DIR/utf16 is UTF-16 text; wants UTF-8 (iconv -f UTF-16 -t UTF-8 makes that of it)");
    let missing = refused(&folder.path("missing")).to_string();
    assert!(missing.contains("missing: No such file") && missing.contains("check the name"), "{missing}");
    assert!(matches!(refused(folder.0.path()), FileError::Unreadable { .. }));
}

#[test]
fn a_format_that_was_asked_for_must_be_it() {
    let folder = Folder::new();
    let options = |format| ReadOptions { format: Some(format), ..ReadOptions::default() };
    let text = folder.write("text", b"{}\n");
    let columns = folder.path("columns");
    parquet(&columns, &some_calls(1));
    assert!(matches!(open(&text, &PLAN, &options(Format::Parquet)), Err(FileError::NotThisFormat { .. })));
    assert!(matches!(open(&columns, &PLAN, &options(Format::JsonLines)), Err(FileError::NotThisFormat { .. })));
    assert!(matches!(
        open(&text, &PLAN, &options(Format::Switch(SwitchFormat::Asterisk))),
        Err(FileError::NotThisFormat { .. })
    ));
    assert_eq!(open(&text, &PLAN, &options(Format::JsonLines)).unwrap().format(), Format::JsonLines);
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.as_str()), Some(format));
    }
}

/// A Parquet file as others write them: all columns optional, another order, one column more, times of `unit`.
fn foreign(path: &Path, unit: Option<(bool, TimeUnit)>, started: i64, without: &str) {
    let names = ["extra", "outcome", "ended_at", "started_at", "callee", "caller", "call_id"];
    let is_time = |name: &str| name.ends_with("_at");
    let names: Vec<_> = names.into_iter().filter(|name| *name != without).collect();
    let fields = names.iter().map(|name| {
        let time = unit.map(|(utc, unit)| LogicalType::timestamp(utc, unit));
        let (physical, logical) =
            if is_time(name) { (Physical::INT64, time) } else { (Physical::BYTE_ARRAY, Some(LogicalType::String)) };
        let field = Type::primitive_type_builder(name, physical);
        Arc::new(field.with_logical_type(logical).with_repetition(Repetition::OPTIONAL).build().unwrap())
    });
    let schema = Type::group_type_builder("schema").with_fields(fields.collect()).build().unwrap();
    let file = std::fs::File::create(path).unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for name in names {
        let mut column = group.next_column().unwrap().unwrap();
        // The second row has nulls alone.
        if is_time(name) {
            column.typed::<Int64Type>().write_batch(&[started], Some(&[1, 0]), None).unwrap();
        } else {
            let value = match name {
                "outcome" => "busy",
                "caller" | "callee" => "+12025550101",
                _ => "text",
            };
            column.typed::<ByteArrayType>().write_batch(&[ByteArray::from(value)], Some(&[1, 0]), None).unwrap();
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn parquet_of_others_is_read_by_the_names_of_its_columns() {
    let folder = Folder::new();
    let path = folder.path("foreign.parquet");
    for (unit, started) in [
        (TimeUnit::MILLIS, 1_795_244_765_004),
        (TimeUnit::MICROS, 1_795_244_765_004_999),
        (TimeUnit::NANOS, 1_795_244_765_004_999_999),
    ] {
        foreign(&path, Some((true, unit)), started, "");
        let read: Vec<_> = open(&path, &PLAN, &ReadOptions::default()).unwrap().collect();
        assert_eq!(read.len(), 2);
        let call = &read[0].as_ref().unwrap().call;
        assert_eq!((call.started_at_ms, call.call_id.as_str()), (1_795_244_765_004, "text"));
        let Err(ReadError::Row(error)) = &read[1] else { panic!("a row of nulls is no call") };
        assert_eq!((error.row, error.error.field), (2, "call_id"));
        assert_eq!(error.to_string(), "row 2: field call_id is missing: it is required");
    }
}

/// Written by pyarrow: this library writes no compression that it does not read.
#[test]
fn parquet_of_a_compression_that_is_not_supported_is_not_called_damaged() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/parquet");
    for codec in ["brotli", "gzip", "lz4"] {
        let path = folder.join(format!("{codec}.parquet"));
        let mut rows = open(&path, &PLAN, &ReadOptions::default()).unwrap();
        let Some(Err(error)) = rows.next() else { panic!("{codec} was read") };
        let said = error.to_string();
        let words =
            format!("{codec}.parquet is Parquet compressed by {codec}, which is not supported: write it with snappy");
        assert!(said.contains(&words) && !said.contains("damaged"), "{said}");
    }
}

#[test]
fn parquet_without_the_columns_is_refused_by_name() {
    let folder = Folder::new();
    let path = folder.path("foreign.parquet");
    let problem = |unit, without| {
        foreign(&path, unit, 0, without);
        match refused(&path) {
            FileError::Schema { problem, .. } => problem,
            error => panic!("{error}"),
        }
    };
    let utc = Some((true, TimeUnit::MILLIS));
    assert_eq!(
        problem(utc, "callee"),
        "column callee is missing, it has extra, outcome, ended_at, started_at, caller, call_id"
    );
    assert!(problem(Some((false, TimeUnit::MILLIS)), "").contains("column started_at holds local times"));
    assert!(problem(None, "").contains("column started_at is INT64 without a unit of time"));
}
