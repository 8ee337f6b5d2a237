//! `tollwatch demo`: exit code 0 only if every value equals the recount.
#![allow(clippy::unwrap_used)]

use serde_json::Value;

fn demo(arguments: &[&str]) -> (Option<i32>, Value, String) {
    let ran = tests::tollwatch().arg("demo").arg("--json").args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&ran.stderr).into_owned();
    let facts = serde_json::from_slice(&ran.stdout).unwrap_or(Value::Null);
    (ran.status.code(), facts, errors)
}

fn number(facts: &Value, path: &str) -> u64 {
    facts.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} is not in {facts}"))
}

#[test]
fn nothing_differs_from_the_recount() {
    let arguments = ["--subscribers", "20", "--days", "2", "--seed", "3", "--end", "2026-11-20T02:00:00Z"];
    let (code, facts, errors) = demo(&arguments);
    assert_eq!(code, Some(0), "{errors}");
    for checked in ["/stream/checked", "/merged/checked", "/batch/checked"] {
        assert!(number(&facts, checked) > 10_000, "{checked} in {facts}");
    }
    for wrong in ["/stream/mismatches", "/merged/mismatches", "/batch/mismatches"] {
        assert_eq!(number(&facts, wrong), 0, "{errors}");
    }
    let part = |name: &str| number(&facts, &format!("/calls/{name}"));
    assert_eq!(part("received"), part("counted") + part("duplicates") + part("quarantined"));
    assert!(part("duplicates") > 0 && part("quarantined") > 0, "{facts}");
    assert!(number(&facts, "/delivery/redelivered") > 0, "{facts}");
    for level in ["phone", "prefix", "range"] {
        assert!(number(&facts, &format!("/batch/rows/{level}")) > 0, "{facts}");
    }
    let units = facts.pointer("/dynamodb/write_units_per_call").and_then(Value::as_f64).unwrap_or(f64::MAX);
    assert!(units <= 3.0, "{units} write units a call");
}

#[test]
fn an_asterisk_file_is_taken_as_it_is() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/call-files/testdata/asterisk/columns-21.csv");
    let (code, facts, errors) = demo(&["--from", file, "--site", "hq", "--zone", "Europe/Berlin"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(number(&facts, "/calls/counted") > 0, "{facts}");
    assert!(number(&facts, "/batch/checked") > 0, "{facts}");
}

#[test]
fn what_cannot_work_is_a_users_error() {
    for (arguments, expected) in [
        (&["--from", "/nowhere/at/all"][..], "/nowhere/at/all"),
        (&["--subscribers", "0"], "subscribers"),
        (&["--end", "yesterday"], "RFC 3339"),
    ] {
        let (code, _, errors) = demo(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(expected), "{errors}");
    }
}
