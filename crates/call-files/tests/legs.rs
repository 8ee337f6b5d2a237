//! Legs of files: their place, files that grow, and one call of many files.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use call_files::{
    Compression, FileError, FileLeg, Format, JsonLinesWriter, LINGER_MS, LegMerger, LegStart, Legs, MergeRule,
    Merged, ParquetWriter, Place, ReadError, ReadOptions, SwitchFormat, open, open_legs, open_legs_at,
};
use cdr::{NumberPlan, Reason};

static PLAN: LazyLock<NumberPlan> = LazyLock::new(|| NumberPlan::new("US").unwrap());

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../switch-records/testdata").join(name)
}

type Read = Vec<Result<FileLeg, (u64, Reason)>>;

/// The legs from a place on, and where reading ended.
fn read(path: &Path, start: LegStart) -> (Read, Place) {
    let mut file = open_legs_at(path, &PLAN, &ReadOptions::default(), start).unwrap();
    let mut legs = Vec::new();
    while let Some(leg) = file.next() {
        if let Ok(leg) = &leg {
            assert_eq!(leg.end_offset, file.place().offset);
        }
        legs.push(leg.map_err(|error| match error {
            ReadError::Row(error) => (error.row, error.error.reason),
            ReadError::File(error) => panic!("{error}"),
        }));
    }
    (legs, file.place())
}

const TEXTS: [&str; 5] = [
    "freeswitch_csv/example.csv",
    "freeswitch_json/legs.json",
    "cisco_cucm/cdr_StandAloneCluster_02_202612011000_1",
    "twilio_csv/console.csv",
    "twilio_json/calls.jsonl",
];

#[test]
fn reading_goes_on_at_every_place_as_if_it_had_not_stopped() {
    let folder = tempfile::tempdir().unwrap();
    for name in TEXTS {
        let text = std::fs::read(fixture(name)).unwrap();
        let zst = folder.path().join("compressed");
        std::fs::write(&zst, zstd::encode_all(&text[..], 1).unwrap()).unwrap();
        for path in [fixture(name), zst] {
            let (whole, end) = read(&path, LegStart::default());
            assert!(whole.len() >= 4, "{name}");
            assert_eq!(end.offset, text.len() as u64, "{name}");
            let mut file = open_legs(&path, &PLAN, &ReadOptions::default()).unwrap();
            for at in 1..=whole.len() {
                file.next().unwrap().ok();
                let start = LegStart { place: file.place(), growing: false };
                let (rest, rest_end) = read(&path, start);
                assert_eq!(rest, whole[at..], "{name} behind {at}");
                assert_eq!(rest_end, end, "{name} behind {at}");
            }
        }
    }
}

#[test]
fn a_file_that_grows_gives_each_row_once_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("growing");
    for name in TEXTS {
        let mut text = std::fs::read(fixture(name)).unwrap();
        if name.starts_with("twilio_json") {
            // Its last object is cut off, which is an error only where the file is whole.
            text.truncate(text.iter().rposition(|byte| *byte == b'{').unwrap());
        }
        std::fs::write(&path, &text).unwrap();
        let (whole, _) = read(&path, LegStart::default());
        let mut place = Place::default();
        let mut legs = Vec::new();
        for len in (0..text.len()).step_by(97).chain([text.len()]) {
            std::fs::write(&path, &text[..len]).unwrap();
            let start = LegStart { place, growing: true };
            match open_legs_at(&path, &PLAN, &ReadOptions::default(), start) {
                Ok(_) => {}
                Err(FileError::Empty { .. }) => continue,
                Err(error) => panic!("{name} {len}: {error}"),
            }
            let (more, end) = read(&path, start);
            legs.extend(more);
            assert!(end.offset >= place.offset && end.offset <= len as u64);
            place = end;
        }
        assert_eq!(legs, whole, "{name}");
    }
}

#[test]
fn call_records_are_legs_of_their_own_with_a_place_in_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, columns) = (folder.path().join("lines"), folder.path().join("columns"));
    let calls: Vec<_> = open(&fixture("freeswitch_csv/example.csv"), &PLAN, &ReadOptions::default())
        .unwrap()
        .map(|call| call.unwrap().call)
        .collect();
    let mut json = JsonLinesWriter::create(&lines, Compression::None).unwrap();
    let mut parquet = ParquetWriter::create(&columns).unwrap();
    for call in &calls {
        json.write(call).unwrap();
        parquet.write(call).unwrap();
    }
    json.finish().unwrap();
    parquet.finish().unwrap();
    for (path, format) in [(&lines, Format::JsonLines), (&columns, Format::Parquet)] {
        let file = open_legs(path, &PLAN, &ReadOptions::default()).unwrap();
        assert_eq!((file.format(), file.merge_rule()), (format, None));
        let legs: Vec<_> = file.map(Result::unwrap).collect();
        assert!(legs.iter().map(|leg| &leg.leg.call).eq(&calls));
        assert!(legs.iter().all(|leg| leg.leg.links.is_empty()));
    }
    let (whole, _) = read(&lines, LegStart::default());
    let first = whole[0].as_ref().unwrap();
    let text = std::fs::read_to_string(&lines).unwrap();
    assert_eq!(first.end_offset, text.find('\n').unwrap() as u64 + 1);
    let behind = LegStart { place: Place { offset: first.end_offset, lines: 1 }, growing: true };
    assert_eq!(read(&lines, behind).0, whole[1..]);
    // The last line has no end yet.
    std::fs::write(&lines, text.trim_end()).unwrap();
    assert_eq!(read(&lines, behind).0, whole[1..whole.len() - 1]);
}

/// FreeSWITCH writes a file a leg: who reads them together has one call.
#[test]
fn legs_of_several_files_are_one_call() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(fixture("freeswitch_json/legs.json")).unwrap();
    let mut merger = LegMerger::new(MergeRule::Winner, LINGER_MS);
    for (at, object) in text.lines().take(3).enumerate() {
        let path = folder.path().join(format!("{at}.cdr.json"));
        std::fs::write(&path, object).unwrap();
        let file = open_legs(&path, &PLAN, &ReadOptions::default()).unwrap();
        assert_eq!(file.merge_rule(), Some(MergeRule::Winner));
        file.for_each(|leg| merger.push(leg.unwrap().leg, at));
    }
    merger.finish();
    let merged: Vec<_> = std::iter::from_fn(|| merger.next_ready())
        .map(|merged| match merged {
            Merged::Call { call, tag, legs, .. } => (call.call_id.to_string(), tag, legs),
            Merged::Refused { error, .. } => panic!("{error}"),
        })
        .collect();
    let expected = [
        ("5f3a0c1e-0001-4000-8000-00000000000a".to_owned(), 1, 2),
        ("5f3a0c1e-0002-4000-8000-00000000000a".to_owned(), 2, 1),
    ];
    assert_eq!(merged, expected);
}

#[test]
fn legs_count_as_one_call_or_each_as_its_own() {
    for (name, rows, calls) in [
        ("freeswitch_csv/example.csv", 6, 5),
        ("freeswitch_json/legs.json", 4, 3),
        ("asterisk/custom.csv", 3, 2),
        ("cisco_cucm/cdr_StandAloneCluster_02_202612011000_1", 11, 9),
    ] {
        let count = |legs| {
            let mut options = ReadOptions::default();
            options.switch.legs = legs;
            let calls: Vec<_> = open(&fixture(name), &PLAN, &options).unwrap().filter_map(Result::ok).collect();
            let mut names: Vec<_> = calls.iter().map(|call| call.call.call_id.clone()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), calls.len(), "{name} {legs:?}");
            calls.len()
        };
        assert_eq!((count(Legs::Each), count(Legs::Merged)), (rows, calls), "{name}");
    }
}

/// A call that comes again three hours behind its end, by the clock of the rows between them.
#[test]
fn a_leg_that_comes_late_is_a_refused_row_and_counts_no_second_time() {
    let row = |n: u32, hour: u32, id: &str| {
        format!(
            "\"\",\"2025550101\",\"1001\",\"x\",\"\",\"SIP/gw-{n}\",\"\",\"Dial\",\"\",\"2026-12-01 {hour:02}:00:00\",,\
             \"2026-12-01 {hour:02}:00:10\",10,0,\"BUSY\",\"DOCUMENTATION\",\"{n}.{n}\",\"\",\"\",\"{id}\",{n}\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Master.csv");
    let text: String = [(1, 0, "a"), (2, 1, "b"), (3, 1, "a"), (4, 3, "c"), (5, 4, "d"), (6, 4, "a")]
        .map(|(n, hour, id)| row(n, hour, id))
        .concat();
    std::fs::write(&path, text).unwrap();
    let rows = open(&path, &PLAN, &ReadOptions::default()).unwrap();
    assert_eq!(rows.format(), Format::Switch(SwitchFormat::Asterisk));
    let (mut calls, mut late) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Ok(call) => calls.push((call.row, call.call.call_id.to_string())),
            Err(ReadError::Row(error)) => late.push((error.row, error.error.reason)),
            Err(ReadError::File(error)) => panic!("{error}"),
        }
    }
    let call = |row, name: &str| (row, name.to_owned());
    assert_eq!(calls, [call(1, "a"), call(2, "b"), call(4, "c"), call(5, "d")]);
    assert_eq!(late, [(6, Reason::LateLeg)]);
}
