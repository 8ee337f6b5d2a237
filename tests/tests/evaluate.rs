//! `tollwatch evaluate` as users run it: generated calls, files, halves, and what it refuses.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use serde_json::Value;
use tests::{run, said};

/// Runs the command, which must do it, and returns what it says.
#[track_caller]
fn done(folder: &Path, arguments: &str) -> String {
    said(arguments, run(folder, arguments))
}

/// Runs the command, which must refuse it as the user's mistake with each of these words.
#[track_caller]
fn refused(folder: &Path, arguments: &str, words: &[&str]) {
    let output = run(folder, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments}: {word:?} is not in: {said}");
    }
}

const SMALL: &str = "evaluate --subscribers 200 --days 2 --campaigns 2 --seeds 1 --held-out 2";

#[test]
fn seeds_give_a_table_a_plot_and_every_figure_always_alike() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = done(folder, &format!("{SMALL} --svg plot.svg --csv rules.csv"));
    for words in
        ["Thresholds chosen on  seed 1 (", "Figures from          seed 2 (", "\nwangiri, callers: 6 numbers of 2"]
    {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    let [plot, rules] = ["plot.svg", "rules.csv"].map(|file| fs::read_to_string(folder.join(file)).unwrap());
    assert!(plot.starts_with("<svg ") && plot.contains(">wangiri</text>"));
    assert_eq!(done(folder, &format!("{SMALL} --svg plot.svg --csv rules.csv")), text);
    assert_eq!(
        ["plot.svg", "rules.csv"].map(|file| fs::read_to_string(folder.join(file)).unwrap()),
        [plot, rules.clone()]
    );
    let report: Value = serde_json::from_str(&done(folder, &format!("{SMALL} --json"))).unwrap();
    let groups = report["groups"].as_array().unwrap();
    let count: usize = groups.iter().map(|group| group["rules"].as_array().unwrap().len()).sum();
    assert_eq!(rules.lines().count(), count + 1);
    let wangiri = groups.iter().find(|group| group["scheme"] == "wangiri" && group["role"] == "caller").unwrap();
    assert_eq!(wangiri["held_out"]["campaigns"], 2);
}

#[test]
fn files_of_the_generator_are_dealt_out_or_held_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for seed in [1, 2] {
        let generate = "generate --subscribers 200 --days 2 --campaigns 4 --end 2026-11-21";
        done(folder, &format!("{generate} --seed {seed} --output calls{seed}"));
    }
    let text = done(folder, "evaluate --labels calls1/labels.csv");
    assert!(text.starts_with("One set of calls, dealt out: "), "{text}");
    assert!(text.contains("\nrobocall, callers: ") && text.contains(" of 2 campaigns held out, "), "{text}");
    let two = "evaluate --labels calls1/labels.csv --held-out-labels calls2/labels.csv";
    let beside = done(folder, two);
    assert!(beside.contains("Figures from          calls2/labels.csv ("), "{beside}");
    assert!(beside.contains(" of 4 campaigns held out, "), "{beside}");
    let from = |set: &str| format!("calls{set}/calls-2026-11-19.parquet calls{set}/calls-2026-11-20.parquet");
    let named = done(folder, &format!("{two} --from {} --held-out-from {}", from("1"), from("2")));
    assert_eq!(named, beside);
}

#[test]
fn what_cannot_be_evaluated_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("bad.csv"), "scheme,campaign,number,role,start,end\na,1,+12025550142,caller,noon,noon\n")
        .unwrap();
    let time = "2026-11-21T07:00:00Z";
    let good = format!("scheme,campaign,number,role,start,end\na,1,+12025550142,caller,{time},{time}\n");
    fs::write(folder.join("good.csv"), good).unwrap();
    refused(folder, "evaluate --labels bad.csv", &["bad.csv has 1 labels", "line 2, column start", "RFC 3339"]);
    refused(folder, "evaluate --labels good.csv", &["there is no file calls-* in .", "--from"]);
    refused(folder, "evaluate --labels no.csv", &["cannot read no.csv"]);
    refused(folder, "evaluate --seeds 1,2 --held-out 2,3", &["seed 2 is given twice"]);
    refused(folder, "evaluate --labels good.csv --seeds 1", &["--labels", "--seeds"]);
    refused(folder, "evaluate --held-out-labels good.csv", &["--labels"]);
    refused(folder, "evaluate --false-alarms-per-day=-1", &["--false-alarms-per-day"]);
}
