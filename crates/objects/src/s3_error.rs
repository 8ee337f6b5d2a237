//! What an answer of S3 means to the caller.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::{Error, Version};

/// What was attempted, for the message of its failure.
pub(crate) struct Request {
    pub(crate) action: &'static str,
    pub(crate) key: String,
    pub(crate) location: String,
}

impl Request {
    /// Sorts a failed call by what the caller can do about it.
    pub(crate) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (action, key, location) = (self.action, self.key.clone(), self.location.clone());
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.code().unwrap_or_default().to_owned();
        let detail = match error.message() {
            Some(message) => format!("S3 said {code}: {message}"),
            None if !code.is_empty() => format!("S3 said {code}"),
            None => DisplayErrorContext(error).to_string(),
        };
        match (status, code.as_str()) {
            (_, "NoSuchBucket") => Error::NoLocation { location },
            (Some(404), _) => Error::NotFound { key, location },
            (Some(409 | 412), _) => Error::Conflict { key, location },
            (Some(401 | 403), _) | (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => {
                Error::Denied { action, key, location, detail }
            }
            (Some(301 | 307), _) | (_, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
                let detail = format!("{detail} (the bucket is in another region: set AWS_REGION to it)");
                Error::Refused { action, key, location, detail }
            }
            (Some(429 | 500..), _) | (_, "RequestTimeout" | "SlowDown") => {
                Error::Unavailable { action, key, location, detail }
            }
            (None, _) if !matches!(error, SdkError::ConstructionFailure(_)) => {
                // No answer at all: timeouts, connections that broke, credentials that could not be had.
                Error::Unavailable { action, key, location, detail }
            }
            _ => Error::Refused { action, key, location, detail },
        }
    }

    /// An object stopped in the middle.
    pub(crate) fn broke_off(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        Error::Unavailable {
            action: self.action,
            key: self.key.clone(),
            location: self.location.clone(),
            detail: DisplayErrorContext(error).to_string(),
        }
    }

    /// The version in an answer, which always has one.
    pub(crate) fn version(&self, e_tag: Option<String>) -> Result<Version, Error> {
        e_tag.map(Version::new).ok_or_else(|| Error::Refused {
            action: self.action,
            key: self.key.clone(),
            location: self.location.clone(),
            detail: "the answer has no ETag, so this is not S3 as we know it".to_owned(),
        })
    }
}

/// Whether the range begins after the end of the object.
pub(crate) fn is_unsatisfiable_range<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|response| response.status().as_u16() == 416)
}
