//! The table of tiles: its keys, the end of its tiles, and its recovery.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{KeyType, ScalarAttributeType, TableDescription, TimeToLiveStatus};

use crate::doctor::deployed::Looking;
use crate::doctor::report::{Fault, Report, Verdict};
use crate::doctor::trouble::Trouble;

/// The keys of a tile, as `crates/tiles` writes them.
const KEYS: [(&str, KeyType); 2] = [("pk", KeyType::Hash), ("sk", KeyType::Range)];
/// The attribute of its end.
const EXPIRY: &str = "ttl";

/// Looks at the table.
pub(super) async fn check(report: &mut Report, looking: &mut Looking<'_>) {
    let name = match looking.output("TileTable") {
        Ok(name) => name,
        Err(verdict) => return report.add("table", verdict),
    };
    let client = Client::new(looking.config);
    let resource = format!("table {name}");
    let gone =
        || Verdict::wrong(format!("there is no table {name}"), "docs/runbook.md says how to make a lost table anew");
    let described = client.describe_table().table_name(&name).send().await.map_err(Trouble::from);
    let verdict = match looking.asked.note("dynamodb:DescribeTable", &resource, described, gone) {
        Ok(described) => described.table.as_ref().map_or_else(gone, judge),
        Err(verdict) => verdict,
    };
    report.add("table", verdict);

    let told = client.describe_time_to_live().table_name(&name).send().await.map_err(Trouble::from);
    let verdict = match looking.asked.note("dynamodb:DescribeTimeToLive", &resource, told, gone) {
        Ok(told) => {
            let ttl = told.time_to_live_description;
            let status = ttl.as_ref().and_then(|ttl| ttl.time_to_live_status.as_ref()).map(TimeToLiveStatus::as_str);
            let attribute = ttl.as_ref().and_then(|ttl| ttl.attribute_name.as_deref());
            expiry(status.unwrap_or("DISABLED"), attribute, &name)
        }
        Err(verdict) => verdict,
    };
    report.add("table expiry", verdict);

    let told = client.describe_continuous_backups().table_name(&name).send().await.map_err(Trouble::from);
    let verdict = match looking.asked.note("dynamodb:DescribeContinuousBackups", &resource, told, gone) {
        Ok(told) => {
            let recovery =
                told.continuous_backups_description.and_then(|told| told.point_in_time_recovery_description);
            let status = recovery.and_then(|recovery| recovery.point_in_time_recovery_status);
            recoverable(status.as_ref().map_or("DISABLED", |status| status.as_str()), &name)
        }
        Err(verdict) => verdict,
    };
    report.add("table recovery", verdict);
}

fn judge(table: &TableDescription) -> Verdict {
    let mut faults = Vec::new();
    let status = table.table_status.as_ref().map_or("unknown", |status| status.as_str());
    if !matches!(status, "ACTIVE" | "UPDATING") {
        faults.push(Fault::new(format!("it is {status}"), "wait until it is ACTIVE, and look again"));
    }
    let keys: Vec<(&str, KeyType)> =
        table.key_schema().iter().map(|key| (key.attribute_name(), key.key_type().clone())).collect();
    let are_texts = table.attribute_definitions().iter().all(|attribute| {
        let is_key = KEYS.iter().any(|(name, _)| *name == attribute.attribute_name());
        !is_key || *attribute.attribute_type() == ScalarAttributeType::S
    });
    if keys != KEYS || !are_texts {
        faults.push(Fault::new(
            "its keys are not pk (hash) and sk (range), texts both",
            "it is no table of tiles: deploy the stack with the template of this version",
        ));
    }
    Verdict::of_faults(faults, format!("{} is {status}", table.table_name().unwrap_or_default()))
}

fn expiry(status: &str, attribute: Option<&str>, table: &str) -> Verdict {
    match (status, attribute) {
        ("ENABLED" | "ENABLING", Some(EXPIRY)) => Verdict::Right(format!("by attribute {EXPIRY}")),
        ("ENABLED" | "ENABLING", other) => Verdict::wrong(
            format!("it is by attribute {}, and tiles have {EXPIRY}: none is ever deleted", other.unwrap_or("-")),
            format!("set the table's time to live to {EXPIRY}: off first, an hour later on"),
        ),
        _ => Verdict::wrong(
            format!("it is {status}: tiles are never deleted, and storage grows without end"),
            format!(
                "`aws dynamodb update-time-to-live --table-name {table} --time-to-live-specification \
                 Enabled=true,AttributeName={EXPIRY}`"
            ),
        ),
    }
}

fn recoverable(status: &str, table: &str) -> Verdict {
    match status {
        "ENABLED" => Verdict::Right("to any second of the last days".to_owned()),
        _ => Verdict::wrong(
            format!("point-in-time recovery is {status}"),
            format!(
                "`aws dynamodb update-continuous-backups --table-name {table} --point-in-time-recovery-specification \
                 PointInTimeRecoveryEnabled=true`"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_expire_by_their_own_attribute() {
        assert!(matches!(expiry("ENABLED", Some("ttl"), "t"), Verdict::Right(_)));
        for (status, attribute, word) in
            [("ENABLED", Some("expires"), "attribute expires"), ("DISABLED", None, "storage grows")]
        {
            let Verdict::Wrong { what, .. } = expiry(status, attribute, "t") else { panic!("{status} is right") };
            assert!(what.contains(word), "{what}");
        }
    }
}
