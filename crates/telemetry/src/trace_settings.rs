//! What the environment says about traces, under the names that OpenTelemetry gives it
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

/// Where spans go, and which.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// Where requests go, with their path.
    pub(crate) endpoint: Uri,
    /// Headers of each request, such as one that says who sends.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The share of traces that begin here and are recorded, from 0 to 1.
    pub(crate) ratio: f64,
    /// What is said of the process with each request.
    pub(crate) resource: Vec<(String, String)>,
}

/// A variable that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name} {rule}")]
pub struct TraceSettingsError {
    name: &'static str,
    rule: &'static str,
}

/// Where an OTLP collector takes traces, below its endpoint.
const PATH: &str = "/v1/traces";

impl TraceSettings {
    /// Reads the variables through `variable`; `None` where no endpoint is named: nothing is exported then. One that is
    /// empty counts as not set.
    ///
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is taken as it is, `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces` after it.
    /// `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME` (instead of `service`) and
    /// `OTEL_TRACES_SAMPLER` with its `_ARG` mean what they mean elsewhere; what a caller decided of a trace stands.
    /// `OTEL_SDK_DISABLED=true` switches all of it off.
    pub fn read(
        service: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, TraceSettingsError> {
        let variable = &|name: &str| variable(name).filter(|value| !value.is_empty());
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let own = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let (name, url) = match (own, variable("OTEL_EXPORTER_OTLP_ENDPOINT")) {
            (Some(url), _) => ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url),
            (None, Some(url)) => ("OTEL_EXPORTER_OTLP_ENDPOINT", url.trim_end_matches('/').to_owned() + PATH),
            (None, None) => return Ok(None),
        };
        let rule = "must be the URL of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318";
        let endpoint = url.parse().ok().filter(is_http).ok_or(TraceSettingsError { name, rule })?;

        let headers = pairs(variable, "OTEL_EXPORTER_OTLP_HEADERS")?;
        let rule = "must be headers of HTTP, such as authorization=Bearer%20TOKEN";
        let wrong = TraceSettingsError { name: "OTEL_EXPORTER_OTLP_HEADERS", rule };
        let headers = headers.into_iter().map(|(name, value)| {
            let mut value = HeaderValue::from_str(&value).map_err(|_| wrong.clone())?;
            value.set_sensitive(true);
            Ok((name.parse().map_err(|_| wrong.clone())?, value))
        });
        let mut resource = pairs(variable, "OTEL_RESOURCE_ATTRIBUTES")?;
        let name = variable("OTEL_SERVICE_NAME").unwrap_or_else(|| service.to_owned());
        resource.retain(|(key, _)| key != SERVICE_NAME);
        resource.push((SERVICE_NAME.to_owned(), name));
        Ok(Some(Self { endpoint, headers: headers.collect::<Result<_, _>>()?, ratio: ratio(variable)?, resource }))
    }
}

const SERVICE_NAME: &str = "service.name";

fn is_http(endpoint: &Uri) -> bool {
    matches!(endpoint.scheme_str(), Some("http" | "https")) && endpoint.host().is_some_and(|host| !host.is_empty())
}

/// `key=value` pairs, separated by commas, in which what is special is percent-encoded.
fn pairs(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<Vec<(String, String)>, TraceSettingsError> {
    let text = variable(name).unwrap_or_default();
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((key.trim().to_owned(), value.into_owned()))
    };
    let rule = "must be key=value pairs, separated by commas";
    parts.map(|part| pair(part).ok_or(TraceSettingsError { name, rule })).collect()
}

fn ratio(variable: impl Fn(&str) -> Option<String>) -> Result<f64, TraceSettingsError> {
    let sampler = variable("OTEL_TRACES_SAMPLER");
    match sampler.as_deref() {
        None | Some("always_on" | "parentbased_always_on") => Ok(1.0),
        Some("always_off" | "parentbased_always_off") => Ok(0.0),
        Some("traceidratio" | "parentbased_traceidratio") => {
            let Some(text) = variable("OTEL_TRACES_SAMPLER_ARG") else { return Ok(1.0) };
            let rule = "must be a share from 0 to 1, such as 0.01";
            let wrong = TraceSettingsError { name: "OTEL_TRACES_SAMPLER_ARG", rule };
            text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or(wrong)
        }
        Some(_) => {
            let rule = "must be always_on, always_off or traceidratio, with or without parentbased_ before it";
            Err(TraceSettingsError { name: "OTEL_TRACES_SAMPLER", rule })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<TraceSettings>, TraceSettingsError> {
        TraceSettings::read("count-calls", |name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_an_endpoint_there_are_no_traces() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), Ok(None));
        let off = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"), ("OTEL_SDK_DISABLED", "true")];
        assert_eq!(read(&off), Ok(None));
    }

    #[test]
    fn variables_mean_what_they_mean_elsewhere() {
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret, x-tenant=calls"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=other"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!(settings.endpoint, "http://127.0.0.1:4318/v1/traces");
        assert_eq!(settings.headers[0].1, "Bearer secret");
        assert_eq!(settings.headers[1], ("x-tenant".parse().unwrap(), HeaderValue::from_static("calls")));
        assert!((settings.ratio - 0.25).abs() < f64::EPSILON);
        let resource: Vec<(&str, &str)> = settings.resource.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(resource, [("deployment.environment.name", "test"), ("service.name", "count-calls")]);
        assert!(!format!("{settings:?}").contains("secret"), "secrets are not printed");
        let own = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example.com/in"),
        ];
        assert_eq!(read(&own).unwrap().unwrap().endpoint, "https://traces.example.com/in");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        for wrong in [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "127.0.0.1:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://127.0.0.1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=c"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=%ff"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
        ] {
            assert!(read(&[good, wrong]).unwrap_err().to_string().contains(wrong.0), "{wrong:?}");
        }
        for share in ["2", "-1", "NaN", "a"] {
            let sampler = ("OTEL_TRACES_SAMPLER", "traceidratio");
            assert!(read(&[good, sampler, ("OTEL_TRACES_SAMPLER_ARG", share)]).is_err(), "{share}");
        }
    }
}
