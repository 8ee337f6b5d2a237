//! What the environment tells the function.

use cdr::Lateness;
use features::HOUR_MS;

use crate::{Secret, TwilioWebhook, Webhooks};

/// Kinesis keeps records for a year at most.
const YEAR_HOURS: i64 = 8_760;

/// Everything the function is told when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// `STREAM_NAME`: the stream that records go on.
    pub stream_name: String,
    /// `FEATURES_FILE`: the definitions in the function's zip, for the region of national numbers; `None` for the default
    /// set.
    pub features_file: Option<String>,
    /// `ALLOWED_LATENESS_HOURS` (24): as that of count-calls, which would set aside what is older.
    pub lateness: Lateness,
    /// Webhooks, if any: those of Twilio by `TWILIO_AUTH_TOKEN` and `TWILIO_URL`, those of FreeSWITCH by
    /// `FREESWITCH_CREDENTIALS` (`user:password`); their extensions are those of `SITE` (`pbx`).
    pub webhooks: Option<Webhooks>,
    /// `STACK`: the dimension of metrics; `None`: none are written.
    pub stack: Option<String>,
}

/// A variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name} {rule}")]
pub struct ConfigurationError {
    name: &'static str,
    rule: &'static str,
}

impl Configuration {
    /// Reads the variables through `variable`. One that is empty counts as not set.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigurationError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let wrong = |name, rule| ConfigurationError { name, rule };
        let hours = variable("ALLOWED_LATENESS_HOURS")
            .map_or(Some(24), |text| text.parse().ok().filter(|hours| (1..=YEAR_HOURS).contains(hours)));
        let hours = hours.ok_or(wrong("ALLOWED_LATENESS_HOURS", "must be a whole number of hours from 1 to 8760"))?;
        Ok(Self {
            stream_name: variable("STREAM_NAME").ok_or(wrong("STREAM_NAME", "must name the Kinesis stream"))?,
            features_file: variable("FEATURES_FILE"),
            lateness: Lateness { allowed_ms: hours * HOUR_MS },
            webhooks: webhooks(variable)?,
            stack: variable("STACK"),
        })
    }
}

fn webhooks(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Webhooks>, ConfigurationError> {
    let wrong = |name, rule| ConfigurationError { name, rule };
    let twilio = match (variable("TWILIO_AUTH_TOKEN"), variable("TWILIO_URL")) {
        (Some(token), Some(url)) if url.starts_with("https://") => {
            Some(TwilioWebhook { url, auth_token: Secret(token) })
        }
        (None, None) => None,
        (None, Some(_)) => {
            return Err(wrong("TWILIO_AUTH_TOKEN", "must be the token that signs what comes to TWILIO_URL"));
        }
        (Some(_), _) => {
            return Err(wrong(
                "TWILIO_URL",
                "must be the https:// URL that Twilio is told to post to, as it stands there",
            ));
        }
    };
    let freeswitch = variable("FREESWITCH_CREDENTIALS").map(Secret);
    if freeswitch.as_ref().is_some_and(|credentials| !credentials.0.contains(':')) {
        return Err(wrong("FREESWITCH_CREDENTIALS", "must be user:password, as cred in json_cdr.conf.xml"));
    }
    let site = variable("SITE").unwrap_or_else(|| "pbx".to_owned());
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if site.len() > SITE_BYTES_MAX || !site.bytes().all(fits) {
        return Err(wrong("SITE", "must name the switch by 1 to 32 letters, digits and . _ -"));
    }
    Ok((twilio.is_some() || freeswitch.is_some()).then_some(Webhooks { site, twilio, freeswitch }))
}

/// As in a number of the form `ext:<site>/<n>`.
const SITE_BYTES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let read = |pairs: &[(&str, &str)]| {
            Configuration::read(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert!(read(&[("STREAM_NAME", "")]).unwrap_err().to_string().contains("STREAM_NAME must name"));
        let good = read(&[("STREAM_NAME", "calls"), ("FEATURES_FILE", ""), ("ALLOWED_LATENESS_HOURS", "")]).unwrap();
        assert_eq!((good.features_file, good.lateness.allowed_ms), (None, 24 * HOUR_MS));
        assert_eq!(good.webhooks, None);
        for (pairs, named) in [
            (&[("TWILIO_AUTH_TOKEN", "secret")][..], "TWILIO_URL"),
            (&[("TWILIO_AUTH_TOKEN", "secret"), ("TWILIO_URL", "http://ingest.example")], "TWILIO_URL"),
            (&[("TWILIO_URL", "https://ingest.example")], "TWILIO_AUTH_TOKEN"),
            (&[("FREESWITCH_CREDENTIALS", "secret")], "FREESWITCH_CREDENTIALS"),
            (&[("FREESWITCH_CREDENTIALS", "a:b"), ("SITE", "a b")], "SITE"),
        ] {
            let error = read(&[&[("STREAM_NAME", "calls")], pairs].concat()).unwrap_err().to_string();
            assert!(error.contains(&format!("variable {named} must")), "{error}");
            assert!(!error.contains("secret"));
        }
        let both = [("TWILIO_AUTH_TOKEN", "secret"), ("TWILIO_URL", "https://ingest.example/v1/calls/twilio")];
        let both = read(&[&[("STREAM_NAME", "calls"), ("FREESWITCH_CREDENTIALS", "a:secret")], &both[..]].concat());
        let webhooks = both.unwrap().webhooks.unwrap();
        assert!(webhooks.twilio.is_some() && webhooks.freeswitch.is_some());
        // What is logged of a configuration has no secret in it.
        assert!(!format!("{webhooks:?}").contains("secret"));
        for wrong in ["0", "8761", "a day"] {
            let error = read(&[("STREAM_NAME", "calls"), ("ALLOWED_LATENESS_HOURS", wrong)]).unwrap_err();
            assert!(error.to_string().contains("ALLOWED_LATENESS_HOURS"), "{wrong}");
        }
    }
}
