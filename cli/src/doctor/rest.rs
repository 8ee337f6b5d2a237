//! The questions to STS and Lambda, as signed requests: its SDK took a minute of one core to build
//! for two operations of Lambda, and the SDK of STS does not give the date of an answer.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_account::SdkConfig;
use aws_credential_types::Credentials;
use bytes::Bytes;
use connectrpc::Protocol;
use connectrpc::client::{ClientTransport as _, full_body};
use http::header::{CONTENT_TYPE, DATE};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use serve_features::client;

use crate::clock;
use crate::doctor::trouble::Trouble;
use crate::signed::{Signed, Signer};

/// How long AWS may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Whom to ask, and as whom.
pub(super) struct Rest {
    region: String,
    credentials: Credentials,
    lambda: String,
    sts: String,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Rest {
    /// Asks in a region. `variable` is the environment: it may name other endpoints, as for the SDKs.
    pub(super) fn new(region: &str, credentials: Credentials, variable: impl Fn(&str) -> Option<String>) -> Self {
        let endpoint = |service: &str| {
            let named = [format!("AWS_ENDPOINT_URL_{}", service.to_uppercase()), "AWS_ENDPOINT_URL".to_owned()];
            let named = named.iter().find_map(|name| variable(name).filter(|url| !url.is_empty()));
            named.map_or_else(|| default_endpoint(service, region), |url| url.trim_end_matches('/').to_owned())
        };
        Self { lambda: endpoint("lambda"), sts: endpoint("sts"), region: region.to_owned(), credentials }
    }

    /// Who the credentials belong to. An answer comes also where they are wrong.
    pub(super) async fn caller_identity(&self) -> anyhow::Result<Answer> {
        let form = "Action=GetCallerIdentity&Version=2011-06-15";
        self.ask("sts", Method::POST, &format!("{}/", self.sts), form).await
    }

    /// What Lambda says at a path.
    pub(super) async fn lambda(&self, path: &str) -> Result<Value, Trouble> {
        let answer = self.ask("lambda", Method::GET, &format!("{}{path}", self.lambda), "").await;
        let answer = answer.map_err(|error| Trouble::Failed(format!("{error:#}")))?;
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status == 200 {
            return Ok(said);
        }
        // `AccessDeniedException:http://...` in the header, with the message in the body.
        let code = answer.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let code = code.map(|code| code.split(':').next().unwrap_or_default());
        let message = ["message", "Message"].iter().find_map(|key| said[*key].as_str()).unwrap_or_default();
        Err(Trouble::of(code, Some(answer.status), || {
            format!("{} {}: {message}", answer.status, code.unwrap_or_default())
        }))
    }

    async fn ask(&self, service: &'static str, method: Method, url: &str, form: &str) -> anyhow::Result<Answer> {
        let (_, transport) = client::parts(url, &client::Credentials::default(), Protocol::Connect)?;
        let signer = Signer::new(service, &self.region, self.credentials.clone(), clock::now);
        let mut request = Request::builder().method(method).uri(url);
        if !form.is_empty() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(full_body(Bytes::copy_from_slice(form.as_bytes())))?;
        let work = async {
            let response = Signed::new(transport, signer).send(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            anyhow::Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        };
        tokio::time::timeout(ANSWER_MAX, work).await.with_context(|| format!("{url} does not answer"))?
    }
}

impl Answer {
    /// When it was sent, by the clock of AWS, in milliseconds since 1970 UTC.
    pub(super) fn date_ms(&self) -> Option<i64> {
        let date = self.headers.get(DATE)?.to_str().ok()?;
        // A date of HTTP is one of mail with GMT for its zone.
        let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date.replace("GMT", "+0000")).ok()?;
        Some(at.as_millisecond())
    }

    /// The text of an element that holds only text, of an answer in XML.
    pub(super) fn element(&self, name: &str) -> Option<String> {
        let text = std::str::from_utf8(&self.body).ok()?;
        let (_, from) = text.split_once(&format!("<{name}>"))?;
        from.split_once(&format!("</{name}>")).map(|(text, _)| text.to_owned())
    }
}

fn default_endpoint(service: &str, region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{domain}")
}

/// The region of a configuration.
pub(super) fn region(config: &SdkConfig) -> anyhow::Result<String> {
    config.region().map(ToString::to_string).ok_or_else(|| anyhow!("no region is named"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn endpoints_are_those_of_the_region_unless_others_are_named() {
        let credentials = || Credentials::new("a", "b", None, None, "test");
        let rest = Rest::new("cn-north-1", credentials(), |_| None);
        assert_eq!(rest.lambda, "https://lambda.cn-north-1.amazonaws.com.cn");
        let rest = Rest::new("eu-west-1", credentials(), |name| match name {
            "AWS_ENDPOINT_URL_LAMBDA" => Some("http://127.0.0.1:1/".to_owned()),
            "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:2".to_owned()),
            _ => None,
        });
        assert_eq!((rest.lambda.as_str(), rest.sts.as_str()), ("http://127.0.0.1:1", "http://127.0.0.1:2"));
    }

    #[test]
    fn answers_give_their_date_and_their_elements() {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, "Sun, 22 Nov 2026 00:00:05 GMT".parse().unwrap());
        let body = Bytes::from_static(b"<A><Arn>arn:aws:iam::1:user/u</Arn><Account>1</Account></A>");
        let answer = Answer { status: 200, headers, body };
        assert_eq!(answer.date_ms(), Some(1_795_305_605_000));
        assert_eq!(answer.element("Arn").as_deref(), Some("arn:aws:iam::1:user/u"));
        assert_eq!(answer.element("Nothing"), None);
    }
}
