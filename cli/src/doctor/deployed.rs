//! A deployed stack, resource by resource.

use aws_account::SdkConfig;

use crate::doctor::report::{Report, Verdict};
use crate::doctor::rest::Rest;
use crate::doctor::trouble::Asked;
use crate::doctor::{buckets, functions, mapping, queue, stream, table};
use crate::stack::{DeployedStack, StackError};

/// The outputs of a stack that the checks and the commands read.
const OUTPUTS: [&str; 15] = [
    "StreamName",
    "TileTable",
    "ArchiveBucket",
    "SnapshotBucket",
    "QuarantineBucket",
    "QuarantineQueueUrl",
    "ServiceUrl",
    "IngestUrl",
    "CountCallsFunction",
    "RecomputeFeaturesFunction",
    "ArchiveCallsFunction",
    "ServeFeaturesFunction",
    "IngestCallsFunction",
    "ArchiveStream",
    "CountCallsMapping",
];

/// Whom to ask, and what was asked.
pub(super) struct Looking<'a> {
    pub(super) config: &'a SdkConfig,
    pub(super) rest: &'a Rest,
    pub(super) stack: &'a DeployedStack,
    pub(super) asked: Asked,
    pub(super) now_ms: i64,
}

impl Looking<'_> {
    /// An output, or the verdict of the check that needs it.
    pub(super) fn output(&self, name: &str) -> Result<String, Verdict> {
        let found = self.stack.output(name).map(str::to_owned);
        found.map_err(|_| Verdict::NotChecked(format!("the stack has no output {name}")))
    }
}

/// Looks at the stack, then at what is in it.
pub(super) async fn check(report: &mut Report, config: &SdkConfig, rest: &Rest, name: &str, now_ms: i64) {
    let stack = match DeployedStack::read(config, name).await {
        Ok(stack) => stack,
        Err(error) => return report.add("stack", unreadable(&error)),
    };
    report.add("stack", status(&stack));
    let missing: Vec<&str> = OUTPUTS.into_iter().filter(|name| stack.output(name).is_err()).collect();
    report.add(
        "outputs",
        match missing[..] {
            [] => Verdict::Right(format!("all {} are there", OUTPUTS.len())),
            _ => Verdict::wrong(
                format!("missing: {}", missing.join(", ")),
                "deploy the stack with the template of this version",
            ),
        },
    );
    let mut looking = Looking { config, rest, stack: &stack, asked: Asked::default(), now_ms };
    let counting = functions::check(report, &mut looking).await;
    stream::check(report, &mut looking, counting.as_ref()).await;
    mapping::check(report, &mut looking).await;
    table::check(report, &mut looking).await;
    buckets::check(report, &mut looking).await;
    queue::check(report, &mut looking).await;
    report.add("permissions", looking.asked.permissions());
}

fn unreadable(error: &StackError) -> Verdict {
    let remedy = match error {
        StackError::NoRegion => "set AWS_REGION",
        StackError::NoStack { .. } => "deploy it with `sam deploy --guided`, or name another",
        StackError::Refused { .. } => "allow cloudformation:DescribeStacks to whoever runs this",
        StackError::Failed { .. } => "check the network, and ask again",
    };
    Verdict::wrong(error.to_string(), remedy)
}

fn status(stack: &DeployedStack) -> Verdict {
    let DeployedStack { name, status, .. } = stack;
    let events = format!("`aws cloudformation describe-stack-events --stack-name {name}` says why");
    match status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => {
            Verdict::Right(format!("{name} is {status}"))
        }
        "UPDATE_ROLLBACK_COMPLETE" => Verdict::wrong(
            format!("{name} is {status}: the last deployment failed, and what was there before runs"),
            format!("{events}; deploy again"),
        ),
        in_progress if in_progress.ends_with("IN_PROGRESS") => {
            Verdict::wrong(format!("{name} is {status}"), "wait until the deployment is over, and look again")
        }
        _ => Verdict::wrong(format!("{name} is {status}"), events),
    }
}
