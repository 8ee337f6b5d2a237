//! The buckets: whether they are there and shut, and how old the snapshot is that is served.

use ::features::DAY_MS;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use snapshot::{CURRENT, Manifest, UtcDay};

use crate::doctor::deployed::Looking;
use crate::doctor::report::{Fault, Report, Verdict};
use crate::doctor::trouble::Trouble;

/// The outputs that name them, and what they are called here.
const BUCKETS: [(&str, &str); 3] = [
    ("archive bucket", "ArchiveBucket"),
    ("snapshot bucket", "SnapshotBucket"),
    ("quarantine bucket", "QuarantineBucket"),
];
/// Days between today and the last day of a snapshot that is fresh: yesterday's, and until tonight's run is done the one
/// before.
const AGE_DAYS_MAX: i32 = 2;

/// Looks at each bucket, then at the snapshot.
pub(super) async fn check(report: &mut Report, looking: &mut Looking<'_>) {
    let client = Client::new(looking.config);
    for (name, output) in BUCKETS {
        report.add(name, bucket(looking, &client, output).await.unwrap_or_else(|verdict| verdict));
    }
    report.add("snapshot", snapshot(looking, &client).await.unwrap_or_else(|verdict| verdict));
}

async fn bucket(looking: &mut Looking<'_>, client: &Client, output: &str) -> Result<Verdict, Verdict> {
    let name = looking.output(output)?;
    let resource = format!("bucket {name}");
    let gone = || Verdict::wrong(format!("there is no bucket {name}"), "deploy the stack again");
    let found = client.head_bucket().bucket(&name).send().await;
    looking.asked.note("s3:ListBucket", &resource, found.map_err(Trouble::from), gone)?;
    let open = || {
        Verdict::wrong(
            format!("{name} does not block public access"),
            format!(
                "`aws s3api put-public-access-block --bucket {name} --public-access-block-configuration \
                 BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true`"
            ),
        )
    };
    let told = client.get_public_access_block().bucket(&name).send().await.map_err(Trouble::from);
    let told = looking.asked.note("s3:GetBucketPublicAccessBlock", &resource, told, open)?;
    let is_shut = told.public_access_block_configuration.as_ref().is_some_and(blocks_all);
    Ok(if is_shut { Verdict::Right(format!("{name} is there and not public")) } else { open() })
}

fn blocks_all(block: &PublicAccessBlockConfiguration) -> bool {
    let parts =
        [block.block_public_acls, block.ignore_public_acls, block.block_public_policy, block.restrict_public_buckets];
    parts.into_iter().all(|part| part == Some(true))
}

async fn snapshot(looking: &mut Looking<'_>, client: &Client) -> Result<Verdict, Verdict> {
    let name = looking.output("SnapshotBucket")?;
    let got = client.get_object().bucket(&name).key(CURRENT).send().await.map_err(Trouble::from);
    let (stack, now_ms) = (looking.stack, looking.now_ms);
    let none = || none_published(stack.created_ms, now_ms);
    let resource = format!("bucket {name}, {CURRENT}");
    let got = looking.asked.note("s3:GetObject", &resource, got, none)?;
    let read = async { anyhow::Ok(Manifest::parse(&got.body.collect().await?.into_bytes())?) };
    Ok(match read.await {
        Ok(manifest) => age(manifest.as_of, now_ms),
        Err(error) => Verdict::wrong(
            format!("its manifest cannot be read: {error:#}"),
            "the bucket has versions: put the one before back, or run the batch job again",
        ),
    })
}

fn age(as_of: UtcDay, now_ms: i64) -> Verdict {
    let days = UtcDay::of_ms(now_ms).days() - as_of.days();
    match days > AGE_DAYS_MAX {
        true => Verdict::wrong(
            format!("the last one is of {as_of}, {days} days ago: windows of days end there"),
            "look at the log of recompute-features and at docs/runbook.md: the nightly run fails or is not started",
        ),
        false => Verdict::Right(format!("of {as_of}")),
    }
}

/// The first night after a stack is made brings the first snapshot.
fn none_published(created_ms: Option<i64>, now_ms: i64) -> Verdict {
    let is_new = created_ms.is_none_or(|created_ms| now_ms - created_ms < 2 * DAY_MS);
    match is_new {
        true => Verdict::NotChecked("none is published yet: the first comes with the first night".to_owned()),
        false => Verdict::of_faults(
            vec![Fault::new(
                "none was ever published",
                "look at the log of recompute-features: the nightly run fails or is not started",
            )],
            "",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_fresh_for_two_days() {
        let today = UtcDay::new(20_778);
        let now_ms = 20_778 * DAY_MS + 1;
        for back in [1, 2] {
            assert!(matches!(age(today.plus(-back), now_ms), Verdict::Right(_)), "{back}");
        }
        let Verdict::Wrong { what, .. } = age(today.plus(-3), now_ms) else { panic!("it is not stale") };
        assert!(what.contains("3 days ago"), "{what}");
        assert!(matches!(none_published(Some(now_ms - DAY_MS), now_ms), Verdict::NotChecked(_)));
        assert!(matches!(none_published(Some(now_ms - 3 * DAY_MS), now_ms), Verdict::Wrong { .. }));
    }
}
