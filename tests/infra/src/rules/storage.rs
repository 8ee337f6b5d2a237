//! Data that is private, encrypted, kept where it cannot be made anew, and not kept where it is rubbish.

use serde_json::{Value, json};

use crate::rules::{Finding, Rule};
use crate::template::{Template, items, possible};

pub(super) fn check(template: &Template, found: &mut Vec<Finding>) {
    for (id, bucket) in template.of_type("AWS::S3::Bucket") {
        self::bucket(id, bucket, found);
        let policies = template.of_type("AWS::S3::BucketPolicy").map(|(_, policy)| &policy["Properties"]);
        let statements: Vec<&Value> = policies
            .filter(|policy| policy["Bucket"] == json!({"Ref": id}))
            .flat_map(|policy| items(&policy["PolicyDocument"]["Statement"]))
            .collect();
        if !statements.iter().any(|statement| denies_plain_http(id, statement)) {
            found.push(Finding::new(Rule::BucketWithoutTls, id, "no policy denies requests without TLS"));
        }
        let is_public = |principal: &Value| *principal == "*" || principal["AWS"] == "*";
        if statements.iter().any(|statement| statement["Effect"] == "Allow" && is_public(&statement["Principal"])) {
            found.push(Finding::new(Rule::PublicBucket, id, "its policy allows everybody something"));
        }
    }
    encrypted(template, found);
}

fn bucket(id: &str, bucket: &Value, found: &mut Vec<Finding>) {
    let properties = &bucket["Properties"];
    for block in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
        if properties["PublicAccessBlockConfiguration"][block] != true {
            found.push(Finding::new(Rule::PublicBucket, id, format!("{block} is not true")));
        }
    }
    if properties.get("AccessControl").is_some() {
        found.push(Finding::new(Rule::PublicBucket, id, "it has an ACL"));
    }
    if bucket["DeletionPolicy"] != "Retain" || bucket["UpdateReplacePolicy"] != "Retain" {
        found.push(Finding::new(
            Rule::BucketNotRetained,
            id,
            "it goes with the stack, or with a change that replaces it",
        ));
    }
    let rules = items(&properties["LifecycleConfiguration"]["Rules"]);
    if !rules.iter().any(|rule| rule["Status"] == "Enabled" && rule.get("AbortIncompleteMultipartUpload").is_some()) {
        found.push(Finding::new(Rule::UploadsKept, id, "no lifecycle rule ends incomplete uploads"));
    }
}

fn denies_plain_http(bucket: &str, statement: &Value) -> bool {
    let everything = [json!({"Fn::GetAtt": [bucket, "Arn"]}), json!({"Fn::Sub": format!("${{{bucket}.Arn}}/*")})];
    statement["Effect"] == "Deny"
        && statement["Principal"] == "*"
        && statement["Action"] == "s3:*"
        && everything.iter().all(|resource| items(&statement["Resource"]).contains(&resource))
        && statement["Condition"] == json!({"Bool": {"aws:SecureTransport": "false"}})
}

/// Each store says how it is encrypted, whichever way the parameters go.
fn encrypted(template: &Template, found: &mut Vec<Finding>) {
    for (id, resource) in template.resources() {
        let properties = &resource["Properties"];
        let is_encrypted = match resource["Type"].as_str().unwrap_or_default() {
            "AWS::S3::Bucket" => {
                let rules = items(&properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]);
                let ways = rules.iter().flat_map(|rule| possible(&rule["ServerSideEncryptionByDefault"]));
                let known = |way: &Value| ["aws:kms", "AES256"].iter().any(|name| way["SSEAlgorithm"] == *name);
                !rules.is_empty() && ways.clone().count() > 0 && ways.into_iter().all(known)
            }
            "AWS::Kinesis::Stream" => properties["StreamEncryption"]["EncryptionType"] == "KMS",
            "AWS::SQS::Queue" => {
                !possible(&properties["SqsManagedSseEnabled"]).is_empty()
                    && possible(&properties["SqsManagedSseEnabled"]).iter().all(|enabled| **enabled == true)
            }
            "AWS::SNS::Topic" => !properties["KmsMasterKeyId"].is_null(),
            // Tables are encrypted always; this says under whose key.
            "AWS::DynamoDB::Table" => !properties["SSESpecification"].is_null(),
            _ => true,
        };
        if !is_encrypted {
            found.push(Finding::new(Rule::Unencrypted, id, "it does not say how it is encrypted"));
        }
    }
}
