//! Paths and `s3://` URLs, opened.

use objects::{Location, Objects};

use crate::failure::{Blame as _, Failure};

/// Opens a location; S3 with the account that the environment names.
pub(crate) async fn open(location: &Location) -> Result<Objects, Failure> {
    Objects::open(location, client(location).await).or_user()
}

/// The client that a location needs: one of the account that the environment names, for S3.
pub(crate) async fn client(location: &Location) -> Option<aws_sdk_s3::Client> {
    match location.is_s3() {
        true => Some(aws_sdk_s3::Client::new(&aws_account::sdk_config().await)),
        false => None,
    }
}
