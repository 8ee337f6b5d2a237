//! Files that are written can be read, and hold what was generated.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use call_files::ReadOptions;
use cdr::{CallRecord, NumberPlan};
use cdr_generator::{Config, Format, Generator, Progress, WriteError, write_files};

/// 2026-11-21T15:00:00Z.
const END_MS: i64 = 1_795_273_200_000;

fn generator(seed: u64, days: u32) -> Generator {
    Generator::new(Config { duplicate_share: 0.05, ..Config::new(seed, END_MS, days, 300) }).unwrap()
}

fn read(plan: &NumberPlan, path: &Path) -> Vec<CallRecord> {
    let calls = call_files::open(path, plan, &ReadOptions::default()).unwrap();
    calls.map(|call| call.unwrap().call).collect()
}

#[test]
fn both_formats_hold_every_call_of_every_day() {
    let plan = NumberPlan::new("US").unwrap();
    let generator = generator(1, 3);
    for format in [Format::JsonLines, Format::Parquet] {
        let folder = tempfile::tempdir().unwrap();
        let mut steps = Vec::new();
        let written = write_files(&generator, &folder.path().join("new"), format, |step| steps.push(step)).unwrap();
        let names: Vec<_> = written.files.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["calls-2026-11-19", "calls-2026-11-20", "calls-2026-11-21"]);

        let mut records = 0;
        for (day, path) in written.files.iter().enumerate() {
            let found = read(&plan, path);
            records += found.len() as u64;
            let ids: HashSet<_> = found.iter().map(|call| call.call_id.to_string()).collect();
            let generated: Vec<_> = generator.day(day as u32).collect();
            assert_eq!(ids, generated.iter().map(|call| call.call_id.to_string()).collect());
            // What was written without being parsed is what parsing makes of it, in every field.
            let mut found = found;
            found.sort_by(|a, b| a.call_id.cmp(&b.call_id));
            found.dedup();
            let mut expected: Vec<_> = generated.iter().map(|call| call.to_record(&plan).unwrap()).collect();
            expected.sort_by(|a, b| a.call_id.cmp(&b.call_id));
            assert!(found == expected, "{}: {} and {}", path.display(), found.len(), expected.len());
        }
        assert!(written.duplicates > 50);
        assert_eq!(records, written.unique_calls + written.duplicates);
        assert_eq!(steps.len(), 3);
        assert_eq!(steps[2], Progress { days_done: 3, days: 3, records });

        let labels = fs::read_to_string(&written.labels).unwrap();
        assert_eq!(labels.lines().count(), 1 + generator.labels().len());
        assert!(labels.starts_with("scheme,campaign,number,role,start,end,strength\nwangiri,0,+"));
    }
}

#[test]
fn a_second_run_gives_the_same_bytes_and_another_data_set_is_not_mixed_in() {
    let folder = tempfile::tempdir().unwrap();
    let write = |generator: &Generator| write_files(generator, folder.path(), Format::Parquet, |_| {});
    let first = write(&generator(1, 2)).unwrap();
    let bytes: Vec<_> = first.files.iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(write(&generator(1, 2)).unwrap(), first);
    assert_eq!(bytes, first.files.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>());

    let refused = write(&generator(1, 1)).unwrap_err();
    assert!(matches!(&refused, WriteError::OtherCalls { path } if *path == first.files[0]), "{refused}");
    assert!(refused.to_string().ends_with("is of another data set: remove it, or write to another folder"));
    // Nothing was touched.
    assert_eq!(bytes[1], fs::read(&first.files[1]).unwrap());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = write_files(&generator(1, 1), &file.join("calls"), Format::JsonLines, |_| {}).unwrap_err();
    assert!(refused.to_string().starts_with(&format!("cannot write {}", file.display())), "{refused}");
}
