//! Calls as carriers and switches tell of them: webhooks, each checked by a secret that both sides know.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cdr::{NumberPlan, Parsed, Reason, RecordError};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, header};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;
use switch_records::{Leg, Role, Settings, Site, SwitchFormat, status_callback};

use crate::Refusal;
use crate::limits::{BODY_BYTES_MAX, FORM_FIELDS_MAX};

/// Where Twilio posts status callbacks.
pub(crate) const TWILIO_PATH: &str = "/v1/calls/twilio";
/// Where FreeSWITCH's `mod_json_cdr` posts records.
pub(crate) const FREESWITCH_PATH: &str = "/v1/calls/freeswitch";

/// Which webhooks are taken, and what they are checked by. One that is not configured is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhooks {
    /// Names the switch: its extension 1001 becomes `ext:<site>/1001`.
    pub site: String,
    /// Twilio's.
    pub twilio: Option<TwilioWebhook>,
    /// `user:password` that FreeSWITCH sends (`cred` of `json_cdr.conf.xml`).
    pub freeswitch: Option<Secret>,
}

/// What Twilio's signature is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwilioWebhook {
    /// The URL as it is configured at Twilio, which signs it: what stands before the function may call it otherwise.
    pub url: String,
    /// The account's auth token.
    pub auth_token: Secret,
}

/// A text that is never told.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The calls of a webhook: one, or none if it tells of no call that is over, or of a leg that was made for another one. That
/// one has its own webhook, and one call counts once.
pub(crate) type Told = Vec<Result<Parsed, RecordError>>;

impl Webhooks {
    /// Reads a status callback of Twilio's.
    pub(crate) fn twilio(&self, plan: &NumberPlan, headers: &HeaderMap, body: &[u8]) -> Result<Told, Refusal> {
        let twilio = self.twilio.as_ref().ok_or(Refusal::NotFound)?;
        let form = form(headers, body)?;
        let signature = headers.get("x-twilio-signature").map_or(&b""[..], |value| value.as_bytes());
        if !twilio.is_signed(&form, signature) {
            return Err(Refusal::NotAllowed);
        }
        let fields = form.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        Ok(self.told(plan, |site| status_callback(site, fields)))
    }

    /// Reads a record of FreeSWITCH's `mod_json_cdr`.
    pub(crate) fn freeswitch(&self, plan: &NumberPlan, headers: &HeaderMap, body: &[u8]) -> Result<Told, Refusal> {
        let credentials = self.freeswitch.as_ref().ok_or(Refusal::NotFound)?;
        if !credentials.are_of(headers) {
            return Err(Refusal::NotAllowed);
        }
        let record = match content_type(headers).as_str() {
            "application/json" if body.len() <= BODY_BYTES_MAX => body.to_vec(),
            "application/json" => return Err(Refusal::TooLong { bytes: body.len() }),
            _ => {
                let form = form(headers, body)?;
                let cdr = form.into_iter().find(|(name, _)| name == "cdr").ok_or(Refusal::Empty)?;
                cdr.1.into_owned().into_bytes()
            }
        };
        Ok(self.told(plan, |site| {
            let not_read =
                || RecordError::of_record(Reason::Unparseable, record.len(), "is no record of mod_json_cdr");
            let reader = SwitchFormat::FreeswitchJson.reader(site.clone(), &Settings::default(), &[&record]);
            reader.map_err(|_| not_read())?.leg(record.trim_ascii())
        }))
    }

    fn told(&self, plan: &NumberPlan, read: impl FnOnce(&Site<'_>) -> Result<Option<Leg>, RecordError>) -> Told {
        let wrong_site = RecordError::of_field(Reason::BadNumber, "site", self.site.len(), "names no switch");
        let leg = Site::new(plan, &self.site, "UTC").map_err(|_| wrong_site).and_then(|site| read(&site));
        let parsed = |leg: Leg| Parsed { record: leg.call, unknown_fields: 0, traceparent: None };
        match leg {
            // A leg that names no other was made for nobody: a call that the switch itself began.
            Ok(Some(leg)) if leg.role == Role::Originating || leg.links.len() == 1 => vec![Ok(parsed(leg))],
            Ok(_) => Vec::new(),
            Err(error) => vec![Err(error)],
        }
    }
}

/// Fields of a form, decoded.
type Form<'b> = Vec<(std::borrow::Cow<'b, str>, std::borrow::Cow<'b, str>)>;

fn form<'b>(headers: &HeaderMap, body: &'b [u8]) -> Result<Form<'b>, Refusal> {
    if content_type(headers) != "application/x-www-form-urlencoded" {
        return Err(Refusal::NotAForm);
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::TooLong { bytes: body.len() });
    }
    let form: Form<'b> = form_urlencoded::parse(body).take(FORM_FIELDS_MAX + 1).collect();
    if form.len() > FORM_FIELDS_MAX { Err(Refusal::TooManyFields) } else { Ok(form) }
}

fn content_type(headers: &HeaderMap) -> String {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

impl TwilioWebhook {
    /// Whether Twilio signed the form: by its documentation, Base64 of HMAC-SHA1, keyed by the auth token, of the URL and
    /// then each field's name and value, in the order of the names.
    fn is_signed(&self, form: &Form<'_>, signature: &[u8]) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(self.auth_token.0.as_bytes()) else { return false };
        mac.update(self.url.as_bytes());
        let mut sorted: Vec<_> = form.iter().collect();
        sorted.sort();
        for (name, value) in sorted {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
        // In a time that does not depend on where they differ.
        mac.verify_slice(&signature).is_ok()
    }
}

impl Secret {
    /// Whether a request has these credentials, as of HTTP's basic scheme.
    fn are_of(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (scheme, encoded) = sent.split_once(' ').unwrap_or_default();
        let sent = STANDARD.decode(encoded.trim()).unwrap_or_default();
        scheme.eq_ignore_ascii_case("basic") && !self.0.is_empty() && bool::from(sent.ct_eq(self.0.as_bytes()))
    }
}
