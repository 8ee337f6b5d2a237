//! The functions: whether they run, and with what environment.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::doctor::deployed::Looking;
use crate::doctor::report::{Fault, Report, Verdict};

/// A function and the variables that it needs.
struct Function {
    name: &'static str,
    /// The output that names it.
    output: &'static str,
    /// Variables, and what they are of the stack's outputs.
    variables: &'static [(&'static str, &'static str)],
}

const FUNCTIONS: [Function; 5] = [
    Function {
        name: "count-calls",
        output: "CountCallsFunction",
        variables: &[
            ("TILE_TABLE", "{TileTable}"),
            ("QUARANTINE", "s3://{QuarantineBucket}"),
            ("QUARANTINE_QUEUE_URL", "{QuarantineQueueUrl}"),
        ],
    },
    Function { name: "archive-calls", output: "ArchiveCallsFunction", variables: &[] },
    Function {
        name: "recompute-features",
        output: "RecomputeFeaturesFunction",
        variables: &[("INPUT", "s3://{ArchiveBucket}/raw"), ("OUTPUT", "s3://{SnapshotBucket}")],
    },
    Function {
        name: "serve-features",
        output: "ServeFeaturesFunction",
        variables: &[("TILE_TABLE", "{TileTable}"), ("DATA", "s3://{SnapshotBucket}")],
    },
    Function { name: "ingest-calls", output: "IngestCallsFunction", variables: &[("STREAM_NAME", "{StreamName}")] },
];

/// The environment of a function, as far as it was read.
pub(super) type Variables = BTreeMap<String, String>;

/// Looks at each function. Returns the environment of count-calls, for what else depends on it.
pub(super) async fn check(report: &mut Report, looking: &mut Looking<'_>) -> Option<Variables> {
    let mut counting = None;
    for function in &FUNCTIONS {
        let verdict = match read(function, looking).await {
            Ok(configuration) => {
                let variables = variables(&configuration);
                let verdict = judge(function, &configuration, &variables, looking);
                if function.name == "count-calls" {
                    counting = Some(variables);
                }
                verdict
            }
            Err(verdict) => verdict,
        };
        report.add(function.name, verdict);
    }
    counting
}

async fn read(function: &Function, looking: &mut Looking<'_>) -> Result<Value, Verdict> {
    let name = looking.output(function.output)?;
    let answer = looking.rest.lambda(&format!("/2015-03-31/functions/{name}/configuration")).await;
    let missing =
        || Verdict::wrong(format!("there is no function {name}"), "deploy the stack again: it was deleted by hand");
    looking.asked.note("lambda:GetFunctionConfiguration", &format!("function {name}"), answer, missing)
}

fn variables(configuration: &Value) -> Variables {
    let variables = configuration["Environment"]["Variables"].as_object().into_iter().flatten();
    variables.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn judge(function: &Function, configuration: &Value, variables: &Variables, looking: &Looking<'_>) -> Verdict {
    let mut faults = Vec::new();
    let text = |key: &str| configuration[key].as_str().unwrap_or_default();
    // An inactive one was not called for weeks, and wakes up when it is.
    if !matches!(text("State"), "Active" | "Inactive") {
        let reason = text("StateReason");
        faults.push(Fault::new(
            format!("its state is {} {reason}", text("State")),
            "look at its reason in the console, and deploy again",
        ));
    }
    if !matches!(text("LastUpdateStatus"), "Successful" | "") {
        let reason = text("LastUpdateStatusReason");
        faults.push(Fault::new(
            format!("its last update is {} {reason}", text("LastUpdateStatus")),
            "wait for it, or deploy again",
        ));
    }
    let redeploy = "deploy again, so that the template sets its environment";
    for (name, template) in function.variables {
        match (variables.get(*name).filter(|value| !value.is_empty()), looking.stack.fill(template)) {
            (None, _) => faults.push(Fault::new(format!("variable {name} is not set"), redeploy)),
            (Some(value), Ok(expected)) if value.trim_end_matches('/') != expected => {
                faults
                    .push(Fault::new(format!("variable {name} is {value}, and the stack has {expected}"), redeploy));
            }
            // An output that is missing was told already.
            (Some(_), _) => {}
        }
    }
    Verdict::of_faults(faults, format!("active, {} MB", configuration["MemorySize"]))
}
