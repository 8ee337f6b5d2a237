//! Days that do not look like those before them: what stops a run, what is kept, and what a look at it allows.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use batch::{BatchError, BatchOptions, BatchReport, HardFindings, Outcome, Rebuild};
use cdr::CallRecord;
use features::{DAY_MS, HOUR_MS};
use objects::Objects;
use snapshot::{
    CURRENT, Finding, MissingReason, Quality, QualityFile, Severity, UtcDay, Verdict, manifest_key, quality_key,
};
use telemetry::{Exposition, Function, Sink as _};

use support::{Dice, as_of, calls_of_days, options, small_set, write_calls};

/// Calls of a whole day: enough for chance to move no rule.
const CALLS: usize = 600;

struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// Ten usual days, each in a file, of which the last is `as_of` less `back`.
    fn new(back: i32) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        for day in back..back + 10 {
            world.write(day, &calls_of(day));
        }
        world
    }

    fn input(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn write(&self, day: i32, calls: &[CallRecord]) {
        write_calls(&self.file(day), calls);
    }

    fn file(&self, day: i32) -> PathBuf {
        self.input().join(format!("{}.jsonl", as_of().plus(-day)))
    }

    async fn run(&self, run: &str, day: i32, hard_findings: HardFindings) -> Result<BatchReport, BatchError> {
        let options = options(&self.input(), &self.output(), run);
        let options = BatchOptions { as_of: as_of().plus(-day), hard_findings, ..options };
        batch::run(options, small_set(), |_| ()).await
    }

    fn current(&self) -> Vec<u8> {
        fs::read(self.output().join(CURRENT)).unwrap()
    }

    async fn quality(&self, key: String) -> Quality {
        let bytes = fs::metadata(self.output().join(&key)).unwrap().len();
        let file = QualityFile { key, bytes, verdict: Verdict::Passed };
        Quality::read(&Objects::in_folder(self.output()), &file).await.unwrap()
    }
}

fn calls_of(day: i32) -> Vec<CallRecord> {
    let mut calls = calls_of_days((700 + day) as u64, CALLS, &[day]);
    for call in &mut calls {
        call.call_id = format!("{day}-{}", call.call_id).into();
    }
    calls
}

fn rules(findings: &[Finding]) -> Vec<(&str, UtcDay)> {
    findings.iter().map(|finding| (finding.rule.as_str(), finding.date)).collect()
}

fn stopped(done: Result<BatchReport, BatchError>) -> (String, Vec<Finding>) {
    match done {
        Err(BatchError::Quality { object, findings, .. }) => (object, findings),
        other => panic!("it was not stopped: {other:?}"),
    }
}

/// Every file below a folder that has this in its path.
fn files_with(folder: &Path, part: &str) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.contains(part) {
                found.push(name);
            }
        }
    }
    found
}

#[tokio::test]
async fn a_day_that_lacks_half_of_its_calls_keeps_the_snapshot_before() {
    let world = World::new(1);
    let first = world.run("r1", 1, HardFindings::Stop).await.unwrap();
    assert_eq!(first.quality.as_ref().unwrap().findings, []);
    assert_eq!(first.manifest.quality.as_ref().unwrap().verdict, Verdict::Passed);
    let before = world.current();

    world.write(0, &calls_of(0)[..CALLS / 2]);
    let (object, findings) = stopped(world.run("r2", 0, HardFindings::Stop).await);
    assert_eq!(world.current(), before);
    assert_eq!(rules(&findings), [("volume_low", as_of())]);
    assert_eq!((findings[0].figure, findings[0].bound), (0.5, 0.6));
    // Where to look, and nothing else of that run.
    let key = quality_key(as_of(), &"r2".parse().unwrap());
    assert_eq!(files_with(&world.output(), "run=r2"), std::slice::from_ref(&key));
    assert!(object.ends_with(&key), "{object}");
    let quality = world.quality(key).await;
    assert_eq!((quality.verdict, quality.findings, quality.accepted.len()), (Verdict::Stopped, findings, 0));
    assert_eq!((quality.days.len(), quality.days[&as_of()].counted), (11, CALLS as u64 / 2));
    // What is told of it names the day, the rule, figures, the way out, and nobody.
    let error = stopped_text(&world).await;
    for word in ["volume_low", "2026-11-20", "50.0%", "60.0%", "--accept-quality", "quality.json", "run again"] {
        assert!(error.contains(word), "{word}: {error}");
    }
    assert!(!error.contains("+1202"), "{error}");

    // The other half comes, and nobody has to say anything.
    write_calls(&world.input().join("late.jsonl"), &calls_of(0)[CALLS / 2..]);
    let whole = world.run("r4", 0, HardFindings::Stop).await.unwrap();
    assert_eq!((whole.outcome, whole.quality.unwrap().verdict), (Outcome::Snapshot, Verdict::Passed));
    assert_eq!(whole.rebuilt, [as_of()]);
}

/// Every metric of the job is exported by these runs, with labels of the program alone.
#[tokio::test]
async fn what_came_of_runs_is_measured() {
    let world = World::new(1);
    let exposition = Exposition::of_functions(&[Function::RecomputeFeatures]);
    let run = async |name: &str, day| {
        let run = world.run(name, day, HardFindings::Stop).await;
        exposition.record(&batch::measurements(run.as_ref(), Duration::from_millis(1_500)));
    };
    run("r1", 1).await;
    run("r2", 1).await;
    world.write(0, &calls_of(0)[..CALLS / 2]);
    run("r3", 0).await;
    fs::remove_dir_all(world.input()).unwrap();
    fs::create_dir(world.input()).unwrap();
    fs::remove_dir_all(world.output()).unwrap();
    run("r4", 0).await;

    let text = exposition.text();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for metric in telemetry::metrics().filter(|metric| metric.function == Function::RecomputeFeatures) {
        let is_there = |sample: &String| lines.iter().any(|line| line.starts_with(&format!("{sample}{{")));
        assert!(metric.samples().iter().all(is_there), "{} is not exported: {text}", metric.name);
    }
    for line in [
        "tollwatch_runs_total{outcome=\"snapshot\"} 1.0".to_owned(),
        "tollwatch_runs_total{outcome=\"nothing\"} 1.0".to_owned(),
        "tollwatch_runs_total{outcome=\"stopped\"} 1.0".to_owned(),
        "tollwatch_runs_total{outcome=\"failed\"} 1.0".to_owned(),
        "tollwatch_quality_findings_total{severity=\"hard\"} 1.0".to_owned(),
        "tollwatch_run_seconds_sum{} 6.0".to_owned(),
        "tollwatch_days_built_total{} 10.0".to_owned(),
        format!("tollwatch_calls_read_total{{}} {}.0", 10 * CALLS),
        format!("tollwatch_snapshot_calls{{}} {}.0", 10 * CALLS),
    ] {
        assert!(lines.contains(&line.as_str()), "{line}: {text}");
    }
}

async fn stopped_text(world: &World) -> String {
    world.run("r3", 0, HardFindings::Stop).await.unwrap_err().to_string()
}

#[tokio::test]
async fn what_was_accepted_stops_no_later_run_unless_it_is_worse() {
    let world = World::new(1);
    world.run("r1", 1, HardFindings::Stop).await.unwrap();
    world.write(0, &calls_of(0)[..CALLS / 2]);
    let accepted = world.run("r2", 0, HardFindings::Accept).await.unwrap();
    let quality = accepted.quality.unwrap();
    assert_eq!((quality.verdict, rules(&quality.findings)), (Verdict::Accepted, vec![("volume_low", as_of())]));
    assert_eq!(accepted.manifest.quality.as_ref().unwrap().verdict, Verdict::Accepted);
    assert_eq!(quality.findings[0].accepted_by.as_ref().unwrap().as_str(), "r2");
    assert_eq!(quality.accepted, quality.findings);
    // Another day is all that is new, then a late call of the day that was accepted.
    write_calls(&world.input().join("next.jsonl"), &calls_of(-1));
    let next = world.run("r3", -1, HardFindings::Stop).await.unwrap();
    assert_eq!(next.quality.unwrap().findings, []);
    write_calls(&world.input().join("late.jsonl"), &calls_of(0)[CALLS / 2..=CALLS / 2]);
    let late = world.run("r4", -1, HardFindings::Stop).await.unwrap().quality.unwrap();
    assert_eq!((late.verdict, rules(&late.findings)), (Verdict::Warned, vec![("volume_low", as_of())]));
    assert_eq!(
        (late.findings[0].severity, late.findings[0].accepted_by.as_ref().unwrap().as_str()),
        (Severity::Hard, "r2")
    );
    // Much less is another matter.
    world.write(0, &calls_of(0)[..CALLS / 4]);
    let (_, findings) = stopped(world.run("r5", -1, HardFindings::Stop).await);
    assert_eq!(rules(&findings), [("volume_low", as_of())]);
}

#[tokio::test]
async fn a_published_day_that_shrinks_stops_the_run_however_old_it_is() {
    let world = World::new(0);
    world.run("r1", 0, HardFindings::Stop).await.unwrap();
    let before = world.current();
    let old = as_of().plus(-9);
    world.write(9, &calls_of(9)[..CALLS * 8 / 10]);
    let (_, findings) = stopped(world.run("r2", 0, HardFindings::Stop).await);
    assert_eq!(rules(&findings), [("day_shrank", old)]);
    assert_eq!(world.current(), before);
    // A day without any call left has no tile, and is told as well.
    world.write(9, &[]);
    let (_, findings) = stopped(world.run("r3", 0, HardFindings::Stop).await);
    assert_eq!((rules(&findings), findings[0].figure), (vec![("day_shrank", old)], 1.0));
    world.write(9, &calls_of(9));
    assert_eq!(world.run("r4", 0, HardFindings::Stop).await.unwrap().outcome, Outcome::Nothing);
}

#[tokio::test]
async fn a_day_of_which_nothing_comes_stops_the_run_and_an_input_that_ends_early_does_not() {
    let world = World::new(2);
    // The first run: its input ends before the day that is asked for, as the manifest says.
    let first = world.run("r1", 0, HardFindings::Stop).await.unwrap();
    assert_eq!(first.quality.unwrap().verdict, Verdict::Passed);
    let rebuilt = BatchOptions { rebuild: Rebuild::Always, ..options(&world.input(), &world.output(), "r2") };
    batch::run(rebuilt, small_set(), |_| ()).await.unwrap();
    // A run that goes on from another expects every day after it.
    let (_, findings) = stopped(world.run("r3", -1, HardFindings::Stop).await);
    assert_eq!((rules(&findings), findings[0].figure), (vec![("volume_low", as_of().plus(1))], 0.0));
    // Unless it is told that the arrivals of that day are not complete.
    let waiting = BatchOptions {
        as_of: as_of().plus(1),
        complete_for_arrivals_before: Some(as_of().plus(2).start_ms() - 1),
        ..options(&world.input(), &world.output(), "r4")
    };
    let waiting = batch::run(waiting, small_set(), |_| ()).await.unwrap().quality.unwrap();
    assert_eq!((waiting.verdict, waiting.findings.len()), (Verdict::NotJudged, 0));
    assert_eq!(waiting.not_judged[0].date, as_of().plus(1));
}

#[tokio::test]
async fn a_run_with_little_history_is_not_judged() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    write_calls(&input.join("a.jsonl"), &calls_of_days(1, 60, &[0, 1, 2]));
    let report = batch::run(options(&input, &output, "r1"), small_set(), |_| ()).await.unwrap();
    let quality = report.quality.unwrap();
    assert_eq!((quality.verdict, quality.findings.len(), quality.not_judged.len()), (Verdict::NotJudged, 0, 3));
    assert!(quality.not_judged[2].why.contains("2 of the 28 days"), "{:?}", quality.not_judged);
}

#[tokio::test]
async fn records_that_cannot_be_read_stop_the_run_and_prefixes_that_are_others_are_told() {
    let world = World::new(1);
    world.run("r1", 1, HardFindings::Stop).await.unwrap();
    let good = calls_of(0);
    world.write(0, &good);
    let text = fs::read_to_string(world.file(0)).unwrap();
    fs::write(world.file(0), format!("{text}{}", "{\"call_id\"\n".repeat(CALLS / 4))).unwrap();
    let (_, findings) = stopped(world.run("r2", 0, HardFindings::Stop).await);
    assert_eq!(rules(&findings), [("invalid_high", as_of()), ("invalid_reason", as_of())]);
    assert_eq!((findings[0].about.as_str(), findings[0].figure), ("invalid records", 0.2));

    let plan = cdr::NumberPlan::new("US").unwrap();
    let mut others = good.clone();
    for call in &mut others {
        call.callee = plan.parse("+33123456789").unwrap();
    }
    world.write(0, &others);
    // A campaign of fraud does that too: it is told.
    let quality = world.run("r3", 0, HardFindings::Stop).await.unwrap().quality.unwrap();
    assert_eq!(quality.verdict, Verdict::Warned);
    assert_eq!(rules(&quality.findings), [("prefixes_other", as_of())]);
    assert_eq!(quality.findings[0].about, "callees");
}

#[tokio::test]
async fn a_file_of_nothing_but_invalid_records_is_judged_though_its_day_is_not_built_anew() {
    let world = World::new(0);
    let first = world.run("r1", 0, HardFindings::Stop).await.unwrap();
    let before = world.current();
    // A second producer, that writes outcomes which are none.
    let bad: String = calls_of(0)
        .iter()
        .map(|call| call.to_json().replace("\"outcome\":\"", "\"outcome\":\"XX"))
        .fold(String::new(), |text, line| text + &line + "\n");
    let second = world.input().join("second-2026-11-20.jsonl");
    fs::write(&second, &bad).unwrap();
    let (object, findings) = stopped(world.run("r2", 0, HardFindings::Stop).await);
    assert_eq!(rules(&findings), [("invalid_high", as_of()), ("invalid_reason", as_of())]);
    assert!((findings[0].figure - 0.5).abs() < 1e-9);
    assert!(object.contains("run=r2") && world.current() == before);
    // It is not forgotten by the next run.
    stopped(world.run("r3", 0, HardFindings::Stop).await);
    let accepted = world.run("r4", 0, HardFindings::Accept).await.unwrap();
    assert_eq!((accepted.outcome, accepted.rebuilt.len()), (Outcome::LedgerOnly, 0));
    let quality = accepted.quality.unwrap();
    assert_eq!(
        (quality.verdict, quality.days[&as_of()].invalid.values().sum::<u64>()),
        (Verdict::Accepted, CALLS as u64)
    );
    assert_eq!(accepted.manifest.files, first.manifest.files);
    // A few are no finding. The same file under a name that says nothing may be of many days: it is told.
    let world = World::new(0);
    world.run("r1", 0, HardFindings::Stop).await.unwrap();
    fs::write(world.input().join("2026-11-20-b.jsonl"), "{\n").unwrap();
    let few = world.run("r2", 0, HardFindings::Stop).await.unwrap().quality.unwrap();
    assert_eq!((few.verdict, few.days[&as_of()].invalid.len()), (Verdict::Passed, 1));
    fs::write(world.input().join("second.jsonl"), bad).unwrap();
    let unknown = world.run("r3", 0, HardFindings::Stop).await.unwrap().quality.unwrap();
    assert_eq!((unknown.verdict, unknown.invalid_of_no_day.values().sum::<u64>()), (Verdict::Warned, CALLS as u64));
    assert_eq!((rules(&unknown.findings), unknown.findings[0].figure), (vec![("invalid_reason", as_of())], 0.5));
    fs::write(world.input().join("more.jsonl"), "").unwrap();
    let next = world.run("r4", 0, HardFindings::Stop).await.unwrap().quality.unwrap();
    assert_eq!((next.verdict, next.findings.len()), (Verdict::Passed, 0), "it was told when it came");
}

#[tokio::test]
async fn a_day_of_which_every_record_is_invalid_says_so() {
    for key in ["calls-2026-11-20.jsonl", "raw/2026/11/20/10/x.jsonl", "date=2026-11-20/part.jsonl"] {
        let world = World::new(1);
        world.run("r1", 1, HardFindings::Stop).await.unwrap();
        let bad: String =
            calls_of(0).iter().map(|call| call.to_json().replace("\"outcome\"", "\"was\"") + "\n").collect();
        let path = world.input().join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bad).unwrap();
        let error = world.run("r2", 0, HardFindings::Stop).await.unwrap_err();
        let told = error.to_string();
        let BatchError::Quality { findings, calls, .. } = error else { panic!("{told}") };
        assert_eq!(
            rules(&findings),
            [("volume_low", as_of()), ("invalid_high", as_of()), ("invalid_reason", as_of())],
            "{key}"
        );
        assert_eq!((calls.counted, calls.invalid_total()), (10 * CALLS as u64, CALLS as u64));
        assert!(told.contains("; 600 records of that day are no valid call: 600 "), "{told}");
        assert!(told.contains("Of all 6600 records 600 are no valid call (600 "), "{told}");

        let accepted = world.run("r3", 0, HardFindings::Accept).await.unwrap();
        let quality = accepted.quality.unwrap();
        assert_eq!(quality.days[&as_of()].invalid.values().sum::<u64>(), CALLS as u64);
        assert!(quality.invalid_of_no_day.is_empty());
        let missing = accepted.manifest.missing_days.iter().find(|missing| missing.date == as_of());
        assert_eq!(missing.unwrap().reason, MissingReason::NoCalls);
        // It was accepted, and nothing about it has changed since.
        fs::write(world.input().join("more.jsonl"), "").unwrap();
        let next = world.run("r4", 0, HardFindings::Stop).await.unwrap();
        assert_eq!((next.outcome, next.quality.unwrap().findings.len()), (Outcome::LedgerOnly, 0));
    }
}

/// Writes a day as the archive has it: an object an hour, each call as it arrived.
fn archive(input: &Path, day: i32, calls: &[CallRecord], is_there: impl Fn(i64) -> bool) {
    let mut hours: BTreeMap<i64, String> = BTreeMap::new();
    for (number, call) in calls.iter().enumerate() {
        let arrived_at_ms = call.ended_at_ms;
        let hour = arrived_at_ms.div_euclid(HOUR_MS);
        if is_there(hour.rem_euclid(24)) {
            let lines = hours.entry(hour).or_default();
            call_files::write_archive_line(lines, &format!("{number:020}"), arrived_at_ms, call);
        }
    }
    for (hour, lines) in hours {
        fs::create_dir_all(input).unwrap();
        fs::write(input.join(format!("{day}-{hour}.jsonl")), lines).unwrap();
    }
}

#[tokio::test]
async fn an_hour_in_which_nothing_arrived_is_told_and_published() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    for day in 0..9 {
        let mut calls = calls_of_days(900 + day as u64, 1_000, &[day]);
        for (number, call) in calls.iter_mut().enumerate() {
            // Spread evenly over the day.
            let start = as_of().plus(-day).start_ms() + (number as i64 * DAY_MS) / 1_000;
            let shift = start - call.started_at_ms;
            call.started_at_ms += shift;
            call.answered_at_ms = call.answered_at_ms.map(|at| at + shift);
            call.ended_at_ms += shift;
        }
        archive(&input, day, &calls, |hour| day > 0 || ![9, 10].contains(&hour));
    }
    let report = batch::run(options(&input, &output, "r1"), small_set(), |_| ()).await.unwrap();
    let quality = report.quality.unwrap();
    assert_eq!((quality.verdict, rules(&quality.findings)), (Verdict::Warned, vec![("hour_gap", as_of())]));
    assert_eq!((quality.findings[0].about.as_str(), quality.findings[0].figure), ("hours 09 to 10", 2.0));
}

#[tokio::test]
async fn measures_of_run_after_run_are_those_of_one_run_over_everything() {
    for seed in [1, 2, 3] {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in"), folder.path().join("out"));
        fs::create_dir(&input).unwrap();
        let mut dice = Dice(seed);
        let pool = calls_of_days(seed, 200, &[0, 1, 2, 3]);
        let (mut carried, mut reread) = (0, 0);
        for run in 0..6 {
            // A few calls of some days, copies among them, early and late, and lines that are none.
            let mut lines = String::new();
            for _ in 0..30 {
                let call = &pool[dice.below(200) as usize];
                let late = dice.below(60) as i64 * HOUR_MS;
                call_files::write_archive_line(
                    &mut lines,
                    &format!("{:020}", dice.below(99)),
                    call.ended_at_ms + late,
                    call,
                );
            }
            lines.push_str(&"{\n".repeat(dice.below(4) as usize));
            fs::write(input.join(format!("{}.jsonl", dice.below(8))), lines).unwrap();
            let of_run = |output: &Path, run: &str| batch::run(options(&input, output, run), small_set(), |_| ());
            let ours = of_run(&output, &format!("r{run}")).await.unwrap();
            let theirs = of_run(&folder.path().join(format!("full-{run}")), "full").await.unwrap();
            let (found, expected) = (ours.quality.unwrap(), theirs.quality.unwrap());
            assert_eq!(found.days, expected.days, "seed {seed}, run {run}");
            assert_eq!(found.invalid_of_no_day, expected.invalid_of_no_day);
            carried += found.days.len() - ours.rebuilt.len();
            reread += ours.older_files;
            let all = found.days.values();
            let invalid: u64 = all.clone().flat_map(|day| day.invalid.values()).sum();
            assert_eq!(invalid, ours.manifest.calls.invalid_total(), "seed {seed}, run {run}");
            assert_eq!(all.map(|day| day.duplicates).sum::<u64>(), ours.manifest.calls.duplicates);
        }
        // Else nothing of it was proven.
        assert!(carried + reread > 0);
    }
}

#[tokio::test]
async fn a_run_that_reads_one_day_carries_the_measures_of_all_others() {
    let world = World::new(1);
    let first = world.run("r1", 1, HardFindings::Stop).await.unwrap().quality.unwrap();
    world.write(0, &calls_of(0));
    let second = world.run("r2", 0, HardFindings::Stop).await.unwrap();
    assert_eq!((second.records_read, second.older_files), (CALLS as u64, 0));
    let quality = second.quality.unwrap();
    assert_eq!(quality.days.len(), 11);
    assert!(first.days.iter().all(|(day, measures)| quality.days[day] == *measures));
    assert_eq!(quality.days[&as_of()].callees.total(), CALLS as u64);
    // The manifest names what is stored.
    let file = second.manifest.quality.unwrap();
    assert_eq!(file.bytes, fs::metadata(world.output().join(&file.key)).unwrap().len());
    assert_eq!(world.quality(file.key).await, quality);
}

#[tokio::test]
async fn a_quality_object_that_is_damaged_or_gone_ends_the_run_and_may_be_done_without() {
    let world = World::new(1);
    let first = world.run("r1", 1, HardFindings::Stop).await.unwrap();
    let before = world.current();
    let path = world.output().join(&first.manifest.quality.as_ref().unwrap().key);
    let whole = fs::read(&path).unwrap();
    assert!(world.output().join(manifest_key(as_of().plus(-1), &"r1".parse().unwrap())).exists());
    world.write(0, &calls_of(0)[..CALLS / 2]);
    // A day of it is left out: still the JSON of a quality object.
    let mut shorter = world.quality(first.manifest.quality.as_ref().unwrap().key.clone()).await;
    shorter.days.pop_first();
    for (left, words) in [
        (Some(b"{}".to_vec()), "is damaged (it has 2 bytes, the manifest says"),
        (Some(shorter.to_json().unwrap()), "is damaged (it has"),
        (Some(vec![b' '; whole.len()]), "is damaged ("),
        (None, "is in the manifest but not in"),
    ] {
        match left {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let error = world.run("r2", 0, HardFindings::Stop).await.unwrap_err();
        assert!(matches!(error, BatchError::NoMeasures { .. }), "{error}");
        let told = error.to_string();
        for word in ["run=r1/quality.json", words, "--accept-quality", "--rebuild", "Put it back"] {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert_eq!(world.current(), before);
    }
    fs::write(&path, whole).unwrap();
    let (_, findings) = stopped(world.run("r3", 0, HardFindings::Stop).await);
    assert_eq!(rules(&findings), [("volume_low", as_of())], "put back");
    fs::remove_file(&path).unwrap();
    // The calls of the days before are in the manifest.
    let quality = world.run("r4", 0, HardFindings::Accept).await.unwrap().quality.unwrap();
    assert_eq!((quality.verdict, rules(&quality.findings)), (Verdict::Accepted, vec![("volume_low", as_of())]));
    assert!(quality.not_judged[0].why.contains("run=r1/quality.json is in the manifest but"), "{quality:?}");
    // From then on days are judged as before.
    world.write(0, &calls_of(0));
    let next = world.run("r5", 0, HardFindings::Stop).await.unwrap().quality.unwrap();
    assert_eq!((next.verdict, next.findings.len(), next.not_judged.len()), (Verdict::Passed, 0, 0));
}
