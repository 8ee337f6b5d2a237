//! Training sets against the recount of `tests/oracle`, which shares no code with them: generated calls that come
//! late, come twice, and come a second time with another callee.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;

use features::{DAY_MS, Level, MINUTE_MS, Party, Window};
use oracle::{Answer, Denominator, Recount, known_before};
use point_in_time::{Coverage, Label, Options, TrainingError};
use support::{Dice, Files, MIDNIGHT, NUMBERS, Record, World, level_of, party_of, records};

const IRSF: &str = include_str!("../../../lists/irsf.csv");

/// What the recount says for one label: the value of every feature and window by column.
fn recounted(world: &World, records: &[Record], label: &Label, late_arrivals: bool) -> HashMap<String, Answer> {
    let until_ms = if late_arrivals { i64::MAX } else { label.time_ms };
    let arrived: Vec<oracle::Arrived> = records.iter().map(Record::arrived).collect();
    let recount = Recount::new(known_before(&arrived, until_ms), IRSF);
    let as_of_ms = label.time_ms - label.time_ms.rem_euclid(MINUTE_MS);
    let midnight_ms = as_of_ms - as_of_ms.rem_euclid(DAY_MS);
    let mut found = HashMap::new();
    let level = label.target.level;
    for party in Party::ALL.into_iter().filter(|party| label.target.party.is_none_or(|asked| asked == *party)) {
        // By hand from features.toml: what the stream keeps.
        let is_streamed = match party {
            Party::Caller => level != Level::Range,
            Party::Callee => level == Level::Phone,
        };
        for feature in world.set.features_at(party, level) {
            for window in feature.windows() {
                let (interval, covered) = match window {
                    Window::Stream(_) if !is_streamed => continue,
                    Window::Stream(window) => {
                        let covered_ms = window.duration_ms();
                        ((as_of_ms - covered_ms, as_of_ms), Denominator::Minutes { covered_ms })
                    }
                    Window::Batch(window) => {
                        let days = i64::from(window.days());
                        let interval = match is_streamed {
                            true => (midnight_ms - (days - 1) * DAY_MS, as_of_ms),
                            false => (midnight_ms - days * DAY_MS, midnight_ms),
                        };
                        (interval, Denominator::Days(days))
                    }
                };
                let answer = recount.answer(
                    &feature.name,
                    party_of(party),
                    level_of(level),
                    &label.target.key,
                    interval,
                    covered,
                );
                found.insert(format!("{}_{}", party.as_str(), feature.id(window)), answer.unwrap());
            }
        }
    }
    found
}

/// Compares every value of a training set; returns how many there were that say something.
fn compare(world: &World, records: &[Record], files: &Files, labels: &str, options: Options) -> usize {
    let (labels, rows) = files.training_set(world, labels, options);
    assert_eq!(rows.len(), labels.rows().len());
    let mut said = 0;
    for (label, row) in labels.rows().iter().zip(&rows) {
        let expected = recounted(world, records, label, options.late_arrivals);
        let features: Vec<_> =
            row.iter().filter(|(name, _)| name.starts_with("caller_") || name.starts_with("callee_")).collect();
        assert!(features.len() >= expected.len());
        for (name, value) in features {
            let context = || format!("{name} of line {} ({:?})", label.line, label.target);
            match expected.get(name) {
                // A column of another level or party.
                None | Some(Answer::Missing) => assert!(value.is_none(), "{}: {value:?}", context()),
                Some(Answer::Integer(expected)) => {
                    said += usize::from(*expected != 0);
                    assert_eq!(*value, Some(*expected as f64), "{}", context());
                }
                Some(Answer::Number(expected)) => {
                    said += usize::from(*expected != 0.0);
                    let value = value.unwrap_or_else(|| panic!("{} is missing", context()));
                    let apart = (value - expected).abs();
                    assert!(apart <= 1e-9 * expected.abs(), "{}: {value} and {expected}", context());
                }
            }
        }
    }
    said
}

/// Labels of all numbers, at all levels and both parties, at moments at which windows are easily got wrong.
fn labels(dice: &mut Dice, count: usize) -> String {
    let line = |n: usize| {
        let number = NUMBERS[dice.below(9) as usize];
        let is_e164 = number.starts_with('+');
        let (number, level) = match dice.below(4) {
            0 if is_e164 => (number, "prefix"),
            1 if is_e164 => (number, "range"),
            2 => (number, ""),
            _ => (number, "phone"),
        };
        let party = dice.one_of(&["", "caller", "callee"]);
        let day = MIDNIGHT - dice.below(5) as i64 * DAY_MS;
        let moments = [0, 1, 59_999, 60_000, DAY_MS - 1, dice.below(DAY_MS as u64) as i64];
        let time = cdr::format_time(day + dice.one_of(&moments));
        format!("{},{number},{time},{level},{party}\n", n % 2)
    };
    let lines: Vec<String> = (0..count).map(line).collect();
    format!("label,number,time,level,party\n{}", lines.concat())
}

#[test]
fn every_value_is_what_the_recount_says() {
    let world = World::new();
    for seed in 0..3 {
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let records = records(&world, &mut dice, 1_500);
        let files = Files::of(&records);
        let labels = labels(&mut dice, 60);
        for late_arrivals in [false, true] {
            let said = compare(&world, &records, &files, &labels, Options { late_arrivals, ..Options::default() });
            assert!(said > 2_000, "{said}");
        }
    }
}

#[test]
fn few_calls_in_memory_give_the_same_rows() {
    let world = World::new();
    let records = records(&world, &mut Dice(7), 600);
    let files = Files::of(&records);
    let labels = labels(&mut Dice(8), 30);
    let few = Options { calls_in_memory: 300, ..Options::default() };
    let (_, whole) = files.training_set(&world, &labels, Options::default());
    let (_, pieces) = files.training_set(&world, &labels, few);
    assert_eq!(pieces, whole);
    let read = point_in_time::Labels::read(&files.labels(&labels), |number, party, level| {
        Ok(world.resolve(number, party, level))
    });
    let read = read.unwrap();
    let report = files.write(&world, &read, few).unwrap();
    assert!(report.stretches > 1 && report.rows == 30, "{report:?}");
    let none = Options { calls_in_memory: 0, ..Options::default() };
    let error = files.write(&world, &read, none).unwrap_err();
    assert!(matches!(error, TrainingError::TooManyCalls { line: 2, limit: 0 }), "{error}");
}

#[test]
fn a_later_copy_never_matters_not_even_one_that_touches_what_the_first_does_not() {
    let world = World::new();
    let began = MIDNIGHT + 3_600_000;
    let (first, second) = (began + 60_000, began + 7_200_000);
    let copy = |callee: &str, arrived| Record::of(&world, "a", NUMBERS[0], callee, began, Some(arrived));
    // The first copy is to another number. The later one is read before it.
    let files = Files::of(&[copy(NUMBERS[1], second), copy(NUMBERS[2], first)]);
    let time = |ms| cdr::format_time(ms);
    let text = format!(
        "number,time,party\n{},{t},callee\n{},{t},callee\n{},{t},caller\n",
        NUMBERS[1],
        NUMBERS[2],
        NUMBERS[0],
        t = time(began + DAY_MS / 2),
    );
    for late_arrivals in [false, true] {
        let options = Options { late_arrivals, ..Options::default() };
        let (_, rows) = files.training_set(&world, &text, options);
        let value = |row: usize, name: &str| rows[row][name];
        assert_eq!(value(0, "callee_received_calls_24h"), Some(0.0));
        assert_eq!(value(1, "callee_received_calls_24h"), Some(1.0));
        assert_eq!(value(2, "caller_calls_24h"), Some(1.0));
        // Alone, the number that only the later copy names is asked for without the others.
        let alone = format!("number,time,party\n{},{},callee\n", NUMBERS[1], time(began + DAY_MS / 2));
        let (_, rows) = files.training_set(&world, &alone, options);
        assert_eq!(rows[0]["callee_received_calls_24h"], Some(0.0));
    }
}

#[test]
fn a_call_counts_from_its_arrival_on_and_where_that_is_not_noted_from_its_end() {
    let world = World::new();
    let began = MIDNIGHT + 3_600_000;
    let arrived = began + 10 * MINUTE_MS + 1_000;
    let noted = Record::of(&world, "a", NUMBERS[0], NUMBERS[1], began, Some(arrived));
    let unnoted = Record::of(&world, "b", NUMBERS[1], NUMBERS[0], began, None);
    let ended = unnoted.call.ended_at_ms;
    assert!(ended > began + MINUTE_MS);
    let files = Files::of(&[noted, unnoted]);
    let calls = |number: &str, time_ms: i64, late_arrivals| {
        let text = format!("number,time,party\n{number},{},caller\n", cdr::format_time(time_ms));
        let (_, rows) = files.training_set(&world, &text, Options { late_arrivals, ..Options::default() });
        rows[0]["caller_calls_1h"]
    };
    // Arrival is held against the time itself, not against its minute.
    assert_eq!(calls(NUMBERS[0], arrived, false), Some(0.0));
    assert_eq!(calls(NUMBERS[0], arrived + 1, false), Some(1.0));
    assert_eq!(calls(NUMBERS[0], arrived, true), Some(1.0));
    assert_eq!(calls(NUMBERS[1], ended, false), Some(0.0));
    assert_eq!(calls(NUMBERS[1], ended + 1, false), Some(1.0));
    assert_eq!(calls(NUMBERS[1], ended, true), Some(1.0));
    // The beginning is held against the minute: a call of the minute of the label is in no window yet.
    assert_eq!(calls(NUMBERS[0], began + 59_999, true), Some(0.0));
    assert_eq!(calls(NUMBERS[0], began + MINUTE_MS, true), Some(1.0));
}

#[test]
fn rows_that_the_archive_does_not_cover_say_so() {
    let world = World::new();
    let began = MIDNIGHT + 3_600_000;
    let old = Record::of(&world, "a", NUMBERS[0], NUMBERS[1], began - 95 * DAY_MS, None);
    let new = Record::of(&world, "b", NUMBERS[0], NUMBERS[1], began, Some(began + 3_600_000));
    let coverage = |records: &[Record], time_ms: i64| {
        let files = Files::of(records);
        let path = files.labels(&format!("number,time\n{},{}\n", NUMBERS[0], cdr::format_time(time_ms)));
        let labels =
            point_in_time::Labels::read(&path, |number, party, level| Ok(world.resolve(number, party, level)));
        let report = files.write(&world, &labels.unwrap(), Options::default()).unwrap();
        *report.coverage.first_key_value().unwrap().0
    };
    let both = [old, new.clone()];
    assert_eq!(coverage(&both, began + 3_600_000), Coverage::Whole);
    assert_eq!(coverage(&both, began + 3_600_001), Coverage::EndsEarlier);
    assert_eq!(coverage(&both, began + 91 * DAY_MS), Coverage::Outside);
    assert_eq!(coverage(&both, began - 96 * DAY_MS), Coverage::Outside);
    assert_eq!(coverage(&[new], began + 3_600_000), Coverage::BeginsLater);
}

#[test]
fn a_column_of_the_labels_may_not_have_a_name_of_ours() {
    let world = World::new();
    let files = Files::of(&records(&world, &mut Dice(1), 5));
    for name in ["key", "as_of", "coverage", "caller_calls_5m"] {
        let path = files.labels(&format!("number,time,{name}\n{},2026-11-21T00:00:00Z,1\n", NUMBERS[0]));
        let labels =
            point_in_time::Labels::read(&path, |number, party, level| Ok(world.resolve(number, party, level)));
        let error = files.write(&world, &labels.unwrap(), Options::default()).unwrap_err();
        assert!(matches!(error, TrainingError::ColumnTaken { name: ref taken } if taken == name), "{error}");
        assert!(!files.out().exists());
    }
}
