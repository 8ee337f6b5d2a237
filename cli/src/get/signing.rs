//! Whether a request is signed, and by whom.

use anyhow::{Context as _, anyhow};
use serve_features::client::Credentials;

use crate::clock;
use crate::failure::{Blame as _, Failure};
use crate::signed::{self, Signer};

/// The service that function URLs belong to.
const SERVICE: &str = "lambda";

/// Who signs the requests to a URL; `None` if nobody does.
pub(super) async fn signer(url: &str, is_asked: bool, shown: &Credentials) -> Result<Option<Signer>, Failure> {
    let region = signed::function_url_region(url);
    if !is_asked && region.is_none() {
        return Ok(None);
    }
    if shown.token.is_some() {
        return Err(Failure::user(anyhow!(
            "{url} wants a signature where a token would stand: leave --token-file and TOLLWATCH_TOKEN_FILE out"
        )));
    }
    let config = aws_account::sdk_config().await;
    let region = region.or_else(|| config.region().map(ToString::to_string));
    let region = region.context("--iam needs a region: set AWS_REGION, or a profile with one").or_user()?;
    match signed::credentials(&config).await {
        Ok(credentials) => Ok(Some(Signer::new(SERVICE, &region, credentials, clock::now))),
        // The URL may be open to all: then it needs none.
        Err(_) if !is_asked => Ok(None),
        Err(error) => {
            let why = "--iam needs AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
            Err(Failure::user(error.context(why)))
        }
    }
}
