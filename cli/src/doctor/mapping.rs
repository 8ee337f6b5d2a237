//! The event-source mapping between the stream and count-calls. Its settings are part of the argument that calls are
//! counted exactly once and that no shard stands still (docs/exactly-once.md).

use serde_json::Value;

use crate::doctor::deployed::Looking;
use crate::doctor::report::{Fault, Report, Verdict};

/// Looks at the mappings of the function.
pub(super) async fn check(report: &mut Report, looking: &mut Looking<'_>) {
    let verdict = look(looking).await.unwrap_or_else(|verdict| verdict);
    report.add("event-source mapping", verdict);
}

async fn look(looking: &mut Looking<'_>) -> Result<Verdict, Verdict> {
    let function = looking.output("CountCallsFunction")?;
    let stream = looking.output("StreamName")?;
    let listed = looking.rest.lambda(&format!("/2015-03-31/event-source-mappings/?FunctionName={function}")).await;
    let missing = || Verdict::wrong(format!("there is no function {function}"), "deploy the stack again");
    let listed = looking.asked.note("lambda:ListEventSourceMappings", "*", listed, missing)?;
    let mappings: Vec<&Value> = listed["EventSourceMappings"].as_array().into_iter().flatten().collect();
    let is_ours = |mapping: &&&Value| {
        let arn = mapping["EventSourceArn"].as_str().unwrap_or_default();
        arn.rsplit_once(":stream/").is_some_and(|(_, name)| name == stream)
    };
    let ours: Vec<&&Value> = mappings.iter().filter(is_ours).collect();
    let mapping = match ours[..] {
        [] => {
            return Ok(Verdict::wrong(
                format!("nothing brings the records of stream {stream} to {function}"),
                "deploy the stack again: the mapping was deleted by hand",
            ));
        }
        [mapping] => *mapping,
        _ => {
            return Ok(Verdict::wrong(
                format!("{} mappings bring the records of stream {stream} to {function}", ours.len()),
                "delete all but the one of the stack: batches of a shard must come one after the other",
            ));
        }
    };
    let mut faults = judge(mapping);
    if let Ok(expected) = looking.output("CountCallsMapping")
        && mapping["UUID"].as_str() != Some(expected.as_str())
    {
        faults.push(Fault::new("it is not the mapping of the stack", "delete it, and deploy the stack again"));
    }
    Ok(Verdict::of_faults(faults, format!("enabled, batches of {}", mapping["BatchSize"])))
}

fn judge(mapping: &Value) -> Vec<Fault> {
    let redeploy = "set it as the template has it: deploy the stack again";
    let mut faults = Vec::new();
    let mut expect = |is_right: bool, what: String| {
        if !is_right {
            faults.push(Fault::new(what, redeploy));
        }
    };
    let factor = mapping["ParallelizationFactor"].as_i64().unwrap_or(1);
    expect(
        factor == 1,
        format!(
            "ParallelizationFactor is {factor}, not 1: batches of a shard overtake each other, and calls are lost"
        ),
    );
    let reports = mapping["FunctionResponseTypes"].as_array().into_iter().flatten();
    expect(
        reports.into_iter().any(|kind| kind == "ReportBatchItemFailures"),
        "ReportBatchItemFailures is off: what is left undone of a batch is taken for done".to_owned(),
    );
    expect(
        mapping["BisectBatchOnFunctionError"].as_bool() == Some(true),
        "BisectBatchOnFunctionError is off: one bad record holds up a whole batch".to_owned(),
    );
    for (name, of) in [("MaximumRetryAttempts", "attempts"), ("MaximumRecordAgeInSeconds", "seconds")] {
        let limit = mapping[name].as_i64().unwrap_or(-1);
        expect(limit == -1, format!("{name} is {limit}, not -1: records are given up after so many {of}"));
    }
    expect(
        mapping["DestinationConfig"]["OnFailure"]["Destination"].as_str().is_some_and(|arn| arn.contains(":s3:::")),
        "its on-failure destination is no bucket: what expires is lost, and only a bucket gets whole records"
            .to_owned(),
    );
    expect(
        mapping["FilterCriteria"]["Filters"].as_array().is_none_or(Vec::is_empty),
        "it has FilterCriteria: what they leave out is counted nowhere".to_owned(),
    );
    expect(
        mapping["TumblingWindowInSeconds"].as_i64().unwrap_or(0) == 0,
        "it has a tumbling window, which count-calls does not know".to_owned(),
    );
    let state = mapping["State"].as_str().unwrap_or_default();
    match state {
        "Enabled" => {}
        "Disabled" | "Disabling" => faults.push(Fault::new(
            format!("it is {state}: no call is counted"),
            format!(
                "`aws lambda update-event-source-mapping --enabled --uuid {}`",
                mapping["UUID"].as_str().unwrap_or_default()
            ),
        )),
        _ => faults.push(Fault::new(format!("it is {state}"), "wait until it is Enabled, and look again")),
    }
    let result = mapping["LastProcessingResult"].as_str().unwrap_or_default();
    if result.starts_with("PROBLEM") {
        faults.push(Fault::new(format!("Lambda says: {result}"), "look at the log of count-calls"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "UUID": "u", "State": "Enabled", "BatchSize": 1000, "ParallelizationFactor": 1,
            "FunctionResponseTypes": ["ReportBatchItemFailures"], "BisectBatchOnFunctionError": true,
            "MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1, "LastProcessingResult": "OK",
            "DestinationConfig": { "OnFailure": { "Destination": "arn:aws:s3:::failed" } },
        })
    }

    #[test]
    fn each_setting_that_breaks_the_argument_is_told() {
        assert!(judge(&good()).is_empty());
        for (name, value, word) in [
            ("ParallelizationFactor", json!(2), "ParallelizationFactor is 2"),
            ("FunctionResponseTypes", json!([]), "ReportBatchItemFailures"),
            ("BisectBatchOnFunctionError", json!(false), "BisectBatchOnFunctionError"),
            ("MaximumRetryAttempts", json!(3), "MaximumRetryAttempts is 3"),
            ("MaximumRecordAgeInSeconds", json!(60), "MaximumRecordAgeInSeconds is 60"),
            ("DestinationConfig", json!({}), "on-failure"),
            ("DestinationConfig", json!({ "OnFailure": { "Destination": "arn:aws:sqs:r:1:q" } }), "no bucket"),
            ("FilterCriteria", json!({ "Filters": [{ "Pattern": "{}" }] }), "FilterCriteria"),
            ("TumblingWindowInSeconds", json!(900), "tumbling window"),
            ("State", json!("Disabled"), "no call is counted"),
            ("State", json!("Creating"), "it is Creating"),
            ("LastProcessingResult", json!("PROBLEM: Function call failed"), "PROBLEM"),
        ] {
            let mut mapping = good();
            mapping[name] = value;
            let Verdict::Wrong { what, .. } = Verdict::of_faults(judge(&mapping), "") else { panic!("{name}") };
            assert!(what.contains(word) && !what.contains("; "), "{name}: {what}");
        }
    }
}
