//! A training set's row against what the service answers at that `as_of`, from tiles and a snapshot.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use call_files::{ReadOptions, write_archive_line};
use cdr::{CallRecord, NumberPlan};
use features::{DAY_MS, Level, MINUTE_MS, Party};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use point_in_time::{Archive, CallFile, Labels, Options, Target, TrainingSet};
use proto::{from_millis, v1};

use crate::world::{CALLER, MIDNIGHT, World, call, history};

/// A callee that calls back, so that it has features of both parties.
const CALLEE: &str = "+12025560007";

/// Who is asked for, as labels and as requests have it.
const ENTITIES: [(&str, &str, Level); 4] = [
    (CALLER, "phone", Level::Phone),
    (CALLEE, "phone", Level::Phone),
    ("+1202", "prefix", Level::Prefix),
    ("+1202555", "range", Level::Range),
];

/// The calls with their arrivals: every seventh comes hours or days late.
fn arrivals(now_ms: i64) -> Vec<(CallRecord, i64)> {
    let mut calls = history(now_ms);
    for n in 0..40 {
        calls.push(call(CALLEE, CALLER, now_ms - 1 - n * 3 * 3_600_000, (n % 2 == 0).then_some(4_000)));
    }
    let late = |n: usize| if n.is_multiple_of(7) { (n as i64 % 5) * 9 * 3_600_000 } else { 500 };
    calls
        .into_iter()
        .enumerate()
        .map(|(n, call)| {
            let arrived = call.ended_at_ms + late(n);
            (call, arrived)
        })
        .collect()
}

/// One row a label, by column.
fn training_set(
    world: &World,
    arrivals: &[(CallRecord, i64)],
    labels: &str,
    late_arrivals: bool,
) -> Vec<BTreeMap<String, Option<f64>>> {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for (n, (call, arrived)) in arrivals.iter().enumerate() {
        write_archive_line(&mut lines, &format!("{n:08}"), *arrived, call);
        // The same record again, later.
        write_archive_line(&mut lines, &format!("{n:08}b"), arrived + 60_000, call);
    }
    let path = folder.path().join("calls.jsonl");
    std::fs::write(&path, lines).unwrap();
    let label_file = folder.path().join("labels.csv");
    std::fs::write(&label_file, labels).unwrap();
    let target = |number: &str, party: Option<Party>, level: Option<Level>| {
        Ok(Target { party, level: level.unwrap_or(Level::Phone), key: number.to_owned() })
    };
    let labels = Labels::read(&label_file, target).unwrap();
    let (files, read) = ([CallFile { name: "calls.jsonl".to_owned(), path }], ReadOptions::default());
    let plan = NumberPlan::new("US").unwrap();
    let archive = Archive { files: &files, plan: &plan, read: &read };
    let options = Options { late_arrivals, ..Options::default() };
    let out = folder.path().join("out.parquet");
    TrainingSet { set: &Arc::clone(&world.set), archive, options }.write(&labels, &out, &|_| ()).unwrap();
    rows(&out)
}

fn rows(path: &Path) -> Vec<BTreeMap<String, Option<f64>>> {
    let file = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let number = |field: &Field| match field {
        Field::Long(whole) => Some(*whole as f64),
        Field::Double(number) => Some(*number),
        _ => None,
    };
    let rows = file.get_row_iter(None).unwrap();
    rows.map(|row| row.unwrap().get_column_iter().map(|(name, field)| (name.clone(), number(field))).collect())
        .collect()
}

/// Every value of an answer, by the column that a training set has it in.
fn answered(answer: &v1::GetFeaturesResponse) -> BTreeMap<String, Option<f64>> {
    assert!(!answer.degraded, "{:?}", answer.degraded_reasons);
    let value = |value: &v1::FeatureValue| {
        let party = if value.party == v1::Party::PARTY_CALLER { "caller" } else { "callee" };
        let number = match value.value {
            Some(v1::Value::Integer(whole)) => Some(whole as f64),
            Some(v1::Value::Number(number)) => Some(number),
            None => {
                assert_eq!(value.missing_reason, v1::MissingReason::MISSING_REASON_NO_CALLS, "{}", value.id);
                None
            }
        };
        (format!("{party}_{}", value.id), number)
    };
    answer.values.iter().map(value).collect()
}

/// Holds every value of every row against the service's; returns how many there were.
async fn compare(now_ms: i64, time_ms: i64, snapshot_age: i32, late_arrivals: bool) -> usize {
    let arrivals = arrivals(now_ms);
    let as_of_ms = time_ms - time_ms.rem_euclid(MINUTE_MS);
    let snapshot_day = as_of_ms.div_euclid(DAY_MS) as i32 - snapshot_age;
    let is_known = |arrived: i64| late_arrivals || arrived < time_ms;
    let known: Vec<CallRecord> =
        arrivals.iter().filter(|(_, arrived)| is_known(*arrived)).map(|(call, _)| call.clone()).collect();
    assert!(late_arrivals || known.len() < arrivals.len());
    let age_days = now_ms.div_euclid(DAY_MS) as i32 - snapshot_day;
    let world = World::new(known, now_ms).with_snapshot(age_days);
    let service = world.service().await;

    let time = cdr::format_time(time_ms);
    let lines = ENTITIES.map(|(key, level, _)| format!("{key},{level},{time}\n"));
    let labels = format!("number,level,time\n{}", lines.concat());
    let rows = training_set(&world, &arrivals, &labels, late_arrivals);
    let mut compared = 0;
    for ((key, name, level), row) in ENTITIES.into_iter().zip(&rows) {
        // The snapshot of two days ago is another one for what is answered from it alone.
        if level == Level::Range && snapshot_age != 1 {
            continue;
        }
        let request = v1::GetFeaturesRequest {
            number: if level == Level::Phone { key.to_owned() } else { format!("{name}:{key}") },
            as_of: from_millis(time_ms).into(),
            ..Default::default()
        };
        let answer = service.get(&request).await.unwrap();
        assert_eq!(answer.as_of.as_option().and_then(proto::to_millis), Some(as_of_ms));
        for (column, value) in answered(&answer) {
            assert_eq!(row.get(&column), Some(&value), "{column} of {name} at {time}");
            compared += 1;
        }
        let ours = row.iter().filter(|(column, value)| column.starts_with("calle") && value.is_some());
        assert_eq!(ours.count(), answered(&answer).values().flatten().count(), "{name}");
    }
    compared
}

#[tokio::test]
async fn a_row_is_what_the_service_answered_then() {
    let now_ms = MIDNIGHT + 12 * 3_600_000 + 34_567;
    for time_ms in [now_ms - 1, now_ms - 3 * 3_600_000, MIDNIGHT + 1, MIDNIGHT - 1, MIDNIGHT - DAY_MS] {
        for snapshot_age in [1, 2] {
            if now_ms - time_ms < DAY_MS || snapshot_age == 1 {
                assert!(compare(now_ms, time_ms, snapshot_age, false).await > 300);
            }
        }
    }
}

#[tokio::test]
async fn with_late_arrivals_a_row_is_what_the_service_answers_now() {
    let now_ms = MIDNIGHT + 12 * 3_600_000 + 34_567;
    for time_ms in [now_ms - 1, MIDNIGHT, MIDNIGHT - 1] {
        assert!(compare(now_ms, time_ms, 1, true).await > 300);
    }
}
