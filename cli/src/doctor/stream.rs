//! The stream: whether it is there, and keeps records no longer than tiles live for them.

use aws_sdk_kinesis::Client;

use crate::doctor::deployed::Looking;
use crate::doctor::functions::Variables;
use crate::doctor::report::{Fault, Report, Verdict};
use crate::doctor::trouble::Trouble;

/// What count-calls takes where its environment does not say.
const RETENTION_HOURS_DEFAULT: i32 = 24;

/// Looks at the stream; `counting` is the environment of count-calls.
pub(super) async fn check(report: &mut Report, looking: &mut Looking<'_>, counting: Option<&Variables>) {
    let verdict = look(looking, counting).await.unwrap_or_else(|verdict| verdict);
    report.add("stream", verdict);
}

async fn look(looking: &mut Looking<'_>, counting: Option<&Variables>) -> Result<Verdict, Verdict> {
    let name = looking.output("StreamName")?;
    let described = Client::new(looking.config).describe_stream_summary().stream_name(&name).send().await;
    let missing = || Verdict::wrong(format!("there is no stream {name}"), "deploy the stack again");
    let resource = format!("stream {name}");
    let described =
        looking.asked.note("kinesis:DescribeStreamSummary", &resource, described.map_err(Trouble::from), missing)?;
    let Some(summary) = described.stream_description_summary else {
        return Ok(Verdict::NotChecked("Kinesis said nothing of it".to_owned()));
    };
    let mut faults = Vec::new();
    let status = summary.stream_status.as_str();
    if !matches!(status, "ACTIVE" | "UPDATING") {
        faults.push(Fault::new(format!("it is {status}"), "wait until it is ACTIVE"));
    }
    if summary.open_shard_count < 1 {
        faults.push(Fault::new("it has no open shard", "give it one with `aws kinesis update-shard-count`"));
    }
    let hours = summary.retention_period_hours;
    let known = counting.map(|variables| {
        let told = variables.get("STREAM_RETENTION_HOURS").and_then(|hours| hours.parse().ok());
        told.unwrap_or(RETENTION_HOURS_DEFAULT)
    });
    if let Some(known) = known.filter(|known| hours > *known) {
        faults.push(Fault::new(
            format!(
                "it keeps records for {hours} hours, and count-calls was told {known}: a record could come again when \
                 the tile that counted it has expired, and count twice"
            ),
            format!("set STREAM_RETENTION_HOURS of count-calls to {hours}, or shorten the retention"),
        ));
    }
    let shards = summary.open_shard_count;
    Ok(Verdict::of_faults(
        faults,
        format!("{name} is {status}, keeps records for {hours} hours, open shards: {shards}"),
    ))
}
