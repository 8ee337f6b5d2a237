//! What a deployed stack says of itself.

use std::collections::BTreeMap;

use aws_account::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
use aws_sdk_cloudformation::types::Stack;

use crate::failure::chained;

/// A stack and its outputs.
#[derive(Debug)]
pub(crate) struct DeployedStack {
    pub(crate) name: String,
    /// As CloudFormation has it, such as `UPDATE_COMPLETE`.
    pub(crate) status: String,
    /// When it was made, in milliseconds since 1970 UTC.
    pub(crate) created_ms: Option<i64>,
    outputs: BTreeMap<String, String>,
}

/// Why a stack cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    /// No region is configured.
    #[error("no AWS region is named: set AWS_REGION, or a profile with one in AWS_PROFILE")]
    NoRegion,
    /// CloudFormation does not know it.
    #[error(
        "there is no stack {name} in {region}: `aws cloudformation list-stacks` has their names; AWS_REGION names \
         another region, AWS_PROFILE another account"
    )]
    NoStack {
        /// As it was given.
        name: String,
        /// Where it was looked for.
        region: String,
    },
    /// The credentials may not read it.
    #[error("stack {name} may not be read: allow cloudformation:DescribeStacks on it ({said})")]
    Refused {
        /// As it was given.
        name: String,
        /// What AWS said.
        said: String,
    },
    /// Anything else.
    #[error("stack {name} cannot be read: check credentials and network; `tollwatch doctor` tells more ({said})")]
    Failed {
        /// As it was given.
        name: String,
        /// What AWS or the network said.
        said: String,
    },
}

/// An output that is not there.
#[derive(Debug, thiserror::Error)]
#[error("stack {stack} ({status}) has no output {output}")]
pub(crate) struct NoOutput {
    stack: String,
    status: String,
    output: String,
}

impl DeployedStack {
    /// Reads a stack by its name or ARN.
    pub(crate) async fn read(config: &SdkConfig, name: &str) -> Result<Self, StackError> {
        let region = config.region().ok_or(StackError::NoRegion)?.to_string();
        let described = Client::new(config).describe_stacks().stack_name(name).send().await;
        let described = described.map_err(|error| {
            let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
            match code {
                "ValidationError" if message.contains("does not exist") => {
                    StackError::NoStack { name: name.to_owned(), region: region.clone() }
                }
                "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
                    StackError::Refused { name: name.to_owned(), said: message.to_owned() }
                }
                "" => StackError::Failed { name: name.to_owned(), said: chained(&error.into()) },
                _ => StackError::Failed { name: name.to_owned(), said: format!("{code}: {message}") },
            }
        })?;
        let stack = described.stacks.unwrap_or_default().into_iter().next();
        stack.map(Self::of).ok_or_else(|| StackError::NoStack { name: name.to_owned(), region })
    }

    fn of(stack: Stack) -> Self {
        let outputs = stack.outputs.unwrap_or_default().into_iter();
        Self {
            name: stack.stack_name.unwrap_or_default(),
            status: stack.stack_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            created_ms: stack.creation_time.and_then(|time| time.to_millis().ok()),
            outputs: outputs.filter_map(|output| output.output_key.zip(output.output_value)).collect(),
        }
    }

    /// An output by its name.
    pub(crate) fn output(&self, name: &str) -> Result<&str, NoOutput> {
        let found = self.outputs.get(name).map(String::as_str).filter(|value| !value.is_empty());
        found.ok_or_else(|| NoOutput {
            stack: self.name.clone(),
            status: self.status.clone(),
            output: name.to_owned(),
        })
    }

    /// A text with the names of outputs in braces, such as `s3://{ArchiveBucket}/raw`, filled in.
    pub(crate) fn fill(&self, template: &str) -> Result<String, NoOutput> {
        let mut filled = String::new();
        let mut rest = template;
        while let Some((before, (name, after))) =
            rest.split_once('{').and_then(|(before, from)| Some((before, from.split_once('}')?)))
        {
            filled += before;
            // Lambda ends the URL of a function with a slash.
            filled += self.output(name)?.trim_end_matches('/');
            rest = after;
        }
        Ok(filled + rest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn outputs_are_filled_in_and_missing_ones_are_named() {
        let outputs = [("Bucket", "calls-1"), ("Url", "https://a.example.com/"), ("Empty", "")];
        let outputs = outputs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let stack = DeployedStack {
            name: "calls".to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
            created_ms: None,
            outputs: outputs.into(),
        };
        assert_eq!(stack.fill("s3://{Bucket}/raw").unwrap(), "s3://calls-1/raw");
        assert_eq!(stack.fill("{Url}").unwrap(), "https://a.example.com");
        assert_eq!(stack.fill("as it is").unwrap(), "as it is");
        for missing in ["Empty", "Other"] {
            let said = stack.fill(&format!("x{{{missing}}}")).unwrap_err().to_string();
            assert_eq!(said, format!("stack calls (CREATE_COMPLETE) has no output {missing}"));
        }
    }
}
