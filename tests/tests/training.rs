//! `tollwatch training-set` as users run it, from generated calls to a model.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use call_files::ReadOptions;
use cdr::{CallRecord, NumberKind, NumberPlan};
use tests::{run, said};

#[track_caller]
fn done(folder: &Path, arguments: &str) -> String {
    said(arguments, run(folder, arguments))
}

#[track_caller]
fn refused(folder: &Path, arguments: &str, words: &[&str]) {
    let output = run(folder, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments}: {word:?} is not in: {said}");
    }
    assert!(!folder.join("train.parquet").exists(), "{arguments}");
    // Nothing half done is left, under whatever name.
    assert!(
        fs::read_dir(folder).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().contains("partial"))
    );
}

fn calls_of(folder: &Path) -> Vec<CallRecord> {
    let plan = NumberPlan::new("US").unwrap();
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "parquet"));
    files.sort();
    let read = ReadOptions::default();
    files.iter().flat_map(|file| call_files::open(file, &plan, &read).unwrap()).map(|row| row.unwrap().call).collect()
}

#[test]
fn labels_become_rows_and_what_cannot_be_read_is_named_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, "generate --subscribers 60 --days 3 --campaigns 0 --end 2026-11-21 --output calls");
    let calls = calls_of(&folder.join("calls"));
    let mut by_caller: BTreeMap<&str, Vec<&CallRecord>> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.caller.kind() != NumberKind::Anonymous) {
        by_caller.entry(call.caller.as_str()).or_default().push(call);
    }
    let (busiest, _) = by_caller.iter().max_by_key(|(_, calls)| calls.len()).unwrap();
    let labels = format!(
        "number,time,label,level,party\n{busiest},2026-11-20T12:00:30Z,1,,\n{busiest},2026-11-20T12:00:30Z,0,prefix,caller\n"
    );
    fs::write(folder.join("labels.csv"), &labels).unwrap();
    let arguments = "training-set --labels labels.csv --input calls --out train.parquet";
    let said = done(folder, arguments);
    assert!(said.starts_with("wrote 2 rows of "), "{said}");
    assert!(said.contains("coverage  begins_later 2 rows"), "{said}");
    let report: serde_json::Value = serde_json::from_str(&done(folder, &format!("{arguments} --json"))).unwrap();
    assert_eq!(report["records"], calls.len());
    assert_eq!(report["rows"], 2);
    assert_eq!(report["late_arrivals"], false);
    let again = fs::read(folder.join("train.parquet")).unwrap();
    done(folder, arguments);
    assert_eq!(fs::read(folder.join("train.parquet")).unwrap(), again, "the same labels and calls, the same bytes");
    fs::remove_file(folder.join("train.parquet")).unwrap();

    let bad = "number,time,level\n12,2026-11-20T12:00:00Z,phone\nanonymous,2026-11-20T12:00:00Z,phone\n\
               +12025550101,noon,phone\next:hq/1,2026-11-20T12:00:00Z,prefix\n";
    fs::write(folder.join("bad.csv"), bad).unwrap();
    fs::write(folder.join("empty.csv"), "").unwrap();
    fs::write(folder.join("columns.csv"), "phone,when\n1,2\n").unwrap();
    fs::write(folder.join("taken.csv"), labels.replace("label", "coverage")).unwrap();
    fs::create_dir(folder.join("nothing")).unwrap();
    let asked =
        |labels: &str, input: &str| format!("training-set --labels {labels} --input {input} --out train.parquet");
    // The calls do not even exist.
    let words = ["bad.csv has 4 labels", "line 2: ", "line 3: ", "line 4: time of 4 bytes", "line 5: "];
    refused(folder, &asked("bad.csv", "absent"), &words);
    refused(folder, &asked("empty.csv", "calls"), &["empty.csv holds no label"]);
    refused(folder, &asked("columns.csv", "calls"), &["column number is missing, it has phone, when"]);
    fs::copy(folder.join("calls/calls-2026-11-20.parquet"), folder.join("labels.parquet")).unwrap();
    let words = ["labels.parquet is Parquet", "CSV with a header or JSON lines"];
    refused(folder, &asked("labels.parquet", "calls"), &words);
    refused(folder, &asked("absent.csv", "calls"), &["cannot read absent.csv"]);
    refused(folder, &asked("taken.csv", "calls"), &["a column coverage"]);
    refused(folder, &asked("labels.csv", "absent"), &["absent does not exist"]);
    refused(folder, &asked("labels.csv", "nothing"), &["nothing holds no file of calls"]);
    refused(folder, &format!("{} --calls-in-memory 1", asked("labels.csv", "calls")), &["touches more than 1 calls"]);
    refused(folder, "training-set --labels labels.csv --input calls --out labels.csv", &["would be replaced"]);
    refused(folder, "training-set --labels labels.csv --input calls --out no/train.parquet", &["cannot write"]);
    refused(
        folder,
        "training-set --labels labels.csv --input calls --out calls/t.parquet",
        &["among the calls of calls"],
    );
    assert_eq!(fs::read_to_string(folder.join("labels.csv")).unwrap(), labels);
}

/// Where Python has what the examples need; elsewhere what they read is held to be there.
#[test]
fn the_examples_learn_from_a_training_set() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let python = |arguments: &[&str]| Command::new(&python).args(arguments).current_dir(folder).output();
    done(folder, "generate --subscribers 300 --days 12 --end 2026-11-21 --output calls");
    let has_packages =
        python(&["-c", "import pandas, pyarrow, sklearn"]).is_ok_and(|imported| imported.status.success());
    let script = |name: &str| examples.join(name).display().to_string();
    if has_packages {
        let made = python(&[&script("fraud_labels.py"), "calls", "labels.csv"]).unwrap();
        assert!(made.status.success(), "{made:?}");
    } else {
        println!("no Python with pandas, pyarrow and scikit-learn: the examples themselves are not run");
        let truth = fs::read_to_string(folder.join("calls/labels.csv")).unwrap();
        let labels = truth.lines().skip(1).map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            format!("{},{},1\n", fields[2], fields[5])
        });
        fs::write(folder.join("labels.csv"), format!("number,time,label\n{}", labels.collect::<String>())).unwrap();
    }
    let said = done(folder, "training-set --labels labels.csv --input calls --out train.parquet");
    assert!(said.starts_with("wrote "), "{said}");
    for column in ["coverage", "time", "label"] {
        let named = fs::read_to_string(examples.join("train.py")).unwrap().contains(&format!("\"{column}\""));
        assert!(named, "{column}");
    }
    if has_packages {
        let trained = python(&[&script("train.py"), "train.parquet"]).unwrap();
        let said = String::from_utf8(trained.stdout.clone()).unwrap();
        assert!(trained.status.success(), "{trained:?}");
        assert!(said.contains("ROC AUC"), "{said}");
        println!("{said}");
    }
}
