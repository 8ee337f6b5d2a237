//! Why AWS did not answer a question, and the list of questions that it refused.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::doctor::report::Verdict;
use crate::failure::chained;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The credentials may not ask.
    Refused,
    /// What is asked about does not exist.
    Missing,
    /// Anything else, in the words of AWS or the network.
    Failed(String),
}

/// Codes of refusals, of all services.
const REFUSED: [&str; 5] =
    ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "Forbidden"];
/// Codes of what is missing, of all services.
const MISSING: [&str; 7] = [
    "ResourceNotFoundException",
    "NoSuchBucket",
    "NotFound",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchKey",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
];

impl Trouble {
    /// By the code and the message of an answer; by its status where it has no code, as answers to HEAD have none.
    pub(super) fn of(code: Option<&str>, status: Option<u16>, said: impl FnOnce() -> String) -> Self {
        match (code, status) {
            (Some(code), _) if REFUSED.contains(&code) => Self::Refused,
            (Some(code), _) if MISSING.contains(&code) || code.ends_with("QueueDoesNotExist") => Self::Missing,
            (None, Some(403)) => Self::Refused,
            (None, Some(404)) => Self::Missing,
            _ => Self::Failed(said()),
        }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Trouble
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let (code, message) = (error.code().map(str::to_owned), error.message().map(str::to_owned));
        Self::of(code.as_deref(), status, || match (&code, message) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.clone(),
            _ => chained(&error.into()),
        })
    }
}

/// What was asked of AWS, and what of it was refused.
#[derive(Debug, Default)]
pub(super) struct Asked {
    asked: usize,
    refused: Vec<String>,
}

impl Asked {
    /// Notes how a question was answered. Where it was not, the verdict of the check that needs it: what is missing is
    /// `missing`.
    pub(super) fn note<T>(
        &mut self,
        action: &str,
        resource: &str,
        answer: Result<T, Trouble>,
        missing: impl FnOnce() -> Verdict,
    ) -> Result<T, Verdict> {
        self.asked += 1;
        answer.map_err(|trouble| match trouble {
            Trouble::Refused => {
                self.refused.push(format!("{action} on {resource}"));
                Verdict::NotChecked(format!("{action} is refused: see permissions"))
            }
            Trouble::Missing => missing(),
            Trouble::Failed(said) => {
                Verdict::wrong(format!("{action} on {resource} failed: {said}"), "check the network, and ask again")
            }
        })
    }

    /// Whether what was asked may be asked.
    pub(super) fn permissions(&self) -> Verdict {
        if self.refused.is_empty() {
            return Verdict::Right(format!("all {} questions were answered", self.asked));
        }
        Verdict::wrong(
            format!("refused: {}", self.refused.join(", ")),
            "allow these actions to whoever runs this, or run it as somebody who may",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_what_is_missing_and_what_failed() {
        let of = |code, status| Trouble::of(code, status, || "said".to_owned());
        assert_eq!(of(Some("AccessDeniedException"), Some(400)), Trouble::Refused);
        assert_eq!(of(None, Some(403)), Trouble::Refused);
        // A 403 with a code that says otherwise: the clock is wrong, or the key.
        assert_eq!(of(Some("SignatureDoesNotMatch"), Some(403)), Trouble::Failed("said".to_owned()));
        assert_eq!(of(Some("NoSuchBucket"), Some(404)), Trouble::Missing);
        assert_eq!(of(Some("com.amazonaws.sqs#QueueDoesNotExist"), Some(400)), Trouble::Missing);
        assert_eq!(of(None, None), Trouble::Failed("said".to_owned()));
    }

    #[test]
    fn refusals_are_listed_with_action_and_resource() {
        let mut asked = Asked::default();
        let missing = || Verdict::wrong("gone", "make it");
        assert_eq!(asked.note("a:Read", "one", Ok(7), missing), Ok(7));
        assert_eq!(asked.permissions(), Verdict::Right("all 1 questions were answered".to_owned()));
        assert_eq!(asked.note::<()>("a:Read", "two", Err(Trouble::Missing), missing), Err(missing()));
        assert!(asked.note::<()>("a:Read", "three", Err(Trouble::Refused), missing).is_err());
        let Verdict::Wrong { what, .. } = asked.permissions() else { panic!("nothing is wrong") };
        assert_eq!(what, "refused: a:Read on three");
    }
}
