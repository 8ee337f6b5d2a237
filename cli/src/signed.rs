//! Requests that AWS knows the sender of: signed with Signature Version 4, the credentials and the region being those
//! that the environment names (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>).
//!
//! For what no SDK client in this tree asks: function URLs, and a few operations of Lambda and STS.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, anyhow};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use connectrpc::ConnectError;
use connectrpc::client::{BoxFuture, ClientBody, ClientTransport, full_body};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;

/// Tells the time of a request.
pub(crate) type Now = fn() -> SystemTime;

/// Signs the requests to one service in one region.
pub(crate) struct Signer {
    service: &'static str,
    region: String,
    credentials: Credentials,
    now: Now,
}

impl Signer {
    /// A signer with credentials at hand.
    pub(crate) fn new(service: &'static str, region: &str, credentials: Credentials, now: Now) -> Self {
        Self { service, region: region.to_owned(), credentials, now }
    }

    /// The headers that sign a request. Of its own headers only the content type is signed: what stands between may
    /// change the others.
    pub(crate) fn headers(&self, request: &http::request::Parts, body: &[u8]) -> anyhow::Result<HeaderMap> {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time((self.now)())
            .settings(SigningSettings::default())
            .build()?;
        let content_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let signed = content_type.map(|value| (CONTENT_TYPE.as_str(), value)).into_iter();
        let body = SignableBody::Bytes(body);
        let signable = SignableRequest::new(request.method.as_str(), request.uri.to_string(), signed, body)?;
        let (instructions, _) = sign(signable, &params.into())?.into_parts();
        let mut headers = HeaderMap::new();
        for (name, value) in instructions.headers() {
            let mut value = HeaderValue::from_str(value)?;
            value.set_sensitive(name.eq_ignore_ascii_case(AUTHORIZATION.as_str()));
            headers.insert(HeaderName::from_bytes(name.as_bytes())?, value);
        }
        Ok(headers)
    }
}

/// The credentials of the environment: variables, profile or role.
pub(crate) async fn credentials(config: &aws_account::SdkConfig) -> anyhow::Result<Credentials> {
    let provider = config.credentials_provider().context("no way to find credentials is configured")?;
    provider.provide_credentials().await.map_err(|error| {
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |cause| cause.source());
        anyhow!(in_a_line(&causes.last().map(ToString::to_string).unwrap_or_default()))
    })
}

/// What the SDK says of all it tried, a line each, without what was not configured.
fn in_a_line(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.contains("was not enabled")).collect();
    lines.join(" ").trim_end_matches(" Attempted:").to_owned()
}

/// A way to a service whose requests are signed.
#[derive(Clone)]
pub(crate) struct Signed<T> {
    inner: T,
    signer: Arc<Signer>,
}

impl<T> Signed<T> {
    /// Signs what goes through `inner`.
    pub(crate) fn new(inner: T, signer: Signer) -> Self {
        Self { inner, signer: Arc::new(signer) }
    }
}

impl<T: ClientTransport> ClientTransport for Signed<T> {
    type ResponseBody = T::ResponseBody;
    type Error = ConnectError;

    fn send(
        &self,
        request: Request<ClientBody>,
    ) -> BoxFuture<'static, Result<Response<T::ResponseBody>, ConnectError>> {
        let (inner, signer) = (self.inner.clone(), Arc::clone(&self.signer));
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            // The signature is over the whole body.
            let body: Bytes = body.collect().await?.to_bytes();
            let headers = signer.headers(&head, &body);
            head.headers.extend(headers.map_err(|error| ConnectError::internal(format!("cannot sign: {error:#}")))?);
            let answered = inner.send(Request::from_parts(head, full_body(body))).await;
            answered.map_err(|error| ConnectError::unavailable_from_transport("the request failed", error))
        })
    }
}

/// The region of a Lambda function URL, such as `https://abc.lambda-url.eu-west-1.on.aws`; `None` for another URL.
pub(crate) fn function_url_region(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let labels: Vec<&str> = uri.host()?.split('.').collect();
    match labels[..] {
        [_, "lambda-url", region, "on", "aws"] => Some(region.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// 2015-08-30T12:36:00Z, the moment of the published test suite.
    fn then() -> SystemTime {
        UNIX_EPOCH + Duration::from_mins(24_015_636)
    }

    fn signature(method: &str, token: Option<&str>, content_type: Option<&str>, body: &str) -> String {
        let token = token.map(ToOwned::to_owned);
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIDEXAMPLE", secret, token, None, "test");
        let signer = Signer::new("service", "us-east-1", credentials, then);
        let mut request = Request::builder().method(method).uri("https://example.amazonaws.com/");
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let headers = signer.headers(&head, body.as_bytes()).unwrap();
        headers[AUTHORIZATION].to_str().unwrap().rsplit_once("Signature=").unwrap().1.to_owned()
    }

    /// `get-vanilla`, `post-vanilla`, `post-x-www-form-urlencoded` and `get-vanilla-with-session-token` of the suite that AWS publishes.
    #[test]
    fn signatures_are_those_of_the_published_suite() {
        let get = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert_eq!(signature("GET", None, None, ""), get);
        assert_eq!(
            signature("POST", None, None, ""),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        let form = "application/x-www-form-urlencoded";
        assert_eq!(
            signature("POST", None, Some(form), "Param1=value1"),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
        );
        assert_eq!(
            signature("GET", Some("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"), None, ""),
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
        );
    }

    #[test]
    fn what_was_not_configured_is_not_told() {
        let said = "none found. Attempted:\n  Environment: the credential provider was not enabled: variable not set";
        assert_eq!(in_a_line(said), "none found.");
        let said = format!("{said}\n  Profile: profile `x` has no keys");
        assert_eq!(in_a_line(&said), "none found. Attempted: Profile: profile `x` has no keys");
    }

    #[test]
    fn a_function_url_names_its_region() {
        let region = |url| function_url_region(url);
        assert_eq!(region("https://abc123.lambda-url.eu-west-1.on.aws/"), Some("eu-west-1".to_owned()));
        for url in ["http://127.0.0.1:50051", "https://lambda-url.eu-west-1.on.aws.example.com", "https://on.aws", ""]
        {
            assert_eq!(region(url), None, "{url}");
        }
    }
}
