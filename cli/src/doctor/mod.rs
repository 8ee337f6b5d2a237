//! `tollwatch doctor`: what is wrong with credentials, stack and settings, in words. It reads and changes nothing.
//!
//! Of each thing it says that it is right, that it is wrong and what to do, or why it was not looked at. What it asks of
//! AWS are operations that read; one that is refused is told with its IAM action and resource.

mod account;
mod buckets;
mod deployed;
mod functions;
mod local;
mod mapping;
mod queue;
mod report;
mod rest;
mod stream;
mod table;
mod trouble;

use anyhow::anyhow;
use aws_credential_types::Credentials;

use crate::clock;
use crate::doctor::report::{Report, Verdict};
use crate::doctor::rest::Rest;
use crate::failure::{Blame as _, Failure, Outcome};
use crate::output::print;
use crate::signed;

/// The region that STS is asked in where none is named.
const REGION_OF_STS: &str = "us-east-1";

/// What it is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

/// Looks, and fails if anything is wrong.
pub(crate) async fn run(arguments: Arguments, stack: Option<String>) -> Outcome {
    let report = look(stack.as_deref()).await;
    if arguments.json {
        print(&(serde_json::to_string_pretty(&report.as_json()).or_internal()? + "\n"))?;
    } else {
        print(&report.as_text())?;
    }
    match report.wrong() {
        0 => Ok(()),
        1 => Err(Failure::internal(anyhow!("1 check is wrong"))),
        wrong => Err(Failure::internal(anyhow!("{wrong} checks are wrong"))),
    }
}

async fn look(stack: Option<&str>) -> Report {
    let mut report = Report::default();
    local::check(&mut report);
    let config = aws_account::sdk_config().await;
    let region = rest::region(&config);
    report.add("region", account::region(&region));
    let place = region.as_deref().unwrap_or(REGION_OF_STS);
    let variable = |name: &str| std::env::var(name).ok();
    let credentials = match signed::credentials(&config).await {
        Ok(credentials) => credentials,
        Err(error) => {
            report.add("credentials", account::no_credentials(&error));
            // A refusal has the time, too.
            let nobody = Credentials::new("NOBODY", "none", None, None, "doctor");
            let refusal = Rest::new(place, nobody, variable).caller_identity().await;
            report.add("clock", account::clock(&refusal, clock::now_ms()));
            report.add("stack", Verdict::NotChecked("first credentials must be found".to_owned()));
            return report;
        }
    };
    let rest = Rest::new(place, credentials, variable);
    let identity = rest.caller_identity().await;
    let known = account::credentials(&identity);
    let is_known = matches!(known, Verdict::Right(_));
    report.add("credentials", known);
    report.add("clock", account::clock(&identity, clock::now_ms()));
    match stack {
        None => report.add("stack", Verdict::NotChecked("name one with --stack or TOLLWATCH_STACK".to_owned())),
        Some(_) if !is_known || region.is_err() => {
            report.add("stack", Verdict::NotChecked("first region and credentials must be right".to_owned()));
        }
        Some(stack) => deployed::check(&mut report, &config, &rest, stack, clock::now_ms()).await,
    }
    report
}
