//! The queue of notices: how many records were set aside.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::doctor::deployed::Looking;
use crate::doctor::report::{Report, Verdict};
use crate::doctor::trouble::Trouble;

/// Looks at the queue.
pub(super) async fn check(report: &mut Report, looking: &mut Looking<'_>) {
    report.add("quarantine", look(looking).await.unwrap_or_else(|verdict| verdict));
}

async fn look(looking: &mut Looking<'_>) -> Result<Verdict, Verdict> {
    let url = looking.output("QuarantineQueueUrl")?;
    let depth = QueueAttributeName::ApproximateNumberOfMessages;
    let told = Client::new(looking.config).get_queue_attributes().queue_url(&url).attribute_names(depth.clone());
    let told = told.send().await.map_err(Trouble::from);
    let gone = || Verdict::wrong(format!("there is no queue {url}"), "deploy the stack again");
    let told = looking.asked.note("sqs:GetQueueAttributes", &format!("queue {url}"), told, gone)?;
    let depth = told.attributes.and_then(|all| all.get(&depth)?.parse::<u64>().ok());
    Ok(match depth {
        None => Verdict::NotChecked("SQS does not say how many notices there are".to_owned()),
        Some(0) => Verdict::Right("no notice is waiting".to_owned()),
        Some(notices) => Verdict::wrong(
            format!("about {notices} notices of records that were set aside are waiting"),
            format!(
                "`tollwatch --stack {} quarantine list` says what they are; redrive them, or purge the queue once you \
                 know",
                looking.stack.name
            ),
        ),
    })
}
