//! The records of a body, each as the bytes that it was sent in.

use std::fmt;

use cdr::{NumberPlan, Parsed, Reason, RecordError};
use http::{HeaderMap, header};
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::Refusal;
use crate::limits::{BODY_BYTES_MAX, RECORDS_MAX};

/// A record, not looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raw<'a> {
    /// A JSON value, or what stands where one should.
    Json(&'a [u8]),
    /// `tollwatch.v1.CallRecord`.
    Protobuf(&'a [u8]),
}

impl Raw<'_> {
    /// The call of the record, or why it can never count: the verdict of count-calls on the same bytes.
    pub(crate) fn parse(self, plan: &NumberPlan) -> Result<Parsed, RecordError> {
        match self {
            Self::Protobuf(bytes) => cdr::parse(plan, bytes),
            Self::Json(bytes) if bytes.first() == Some(&b'{') => cdr::parse(plan, bytes),
            // On the stream it would be taken for protobuf.
            Self::Json(bytes) => {
                Err(RecordError::of_record(Reason::Unparseable, bytes.len(), "is no JSON object: wants one a record"))
            }
        }
    }
}

/// The records of a body, at least one.
pub(crate) fn records<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Vec<Raw<'a>>, Refusal> {
    let form = form(headers)?;
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Refusal::Compressed);
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::TooLong { bytes: body.len() });
    }
    let records = match form {
        Form::Json => of_json(body.trim_ascii())?,
        Form::Lines => {
            let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            lines.filter(|line| !line.is_empty()).take(RECORDS_MAX + 1).map(Raw::Json).collect()
        }
        // A message of no fields is empty, and no call.
        Form::Protobuf if body.is_empty() => Vec::new(),
        Form::Protobuf => vec![Raw::Protobuf(body)],
    };
    match records.len() {
        0 => Err(Refusal::Empty),
        1..=RECORDS_MAX => Ok(records),
        _ => Err(Refusal::TooMany),
    }
}

#[derive(Clone, Copy)]
enum Form {
    Json,
    Lines,
    Protobuf,
}

fn form(headers: &HeaderMap) -> Result<Form, Refusal> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Parameters, such as a charset, say nothing that JSON does not.
    let sent = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match sent.as_str() {
        "application/json" => Ok(Form::Json),
        "application/x-ndjson" => Ok(Form::Lines),
        "application/x-protobuf" => Ok(Form::Protobuf),
        _ => Err(Refusal::WrongType),
    }
}

fn of_json(body: &[u8]) -> Result<Vec<Raw<'_>>, Refusal> {
    match body.first() {
        None => Ok(Vec::new()),
        Some(b'[') => batch(body),
        // A record that is broken is refused as a record, with its place.
        Some(_) => Ok(vec![Raw::Json(body)]),
    }
}

/// The elements of an array, of which no more are kept than tell that they are too many.
fn batch(body: &[u8]) -> Result<Vec<Raw<'_>>, Refusal> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = reader.deserialize_seq(Elements).and_then(|records| reader.end().map(|()| records));
    read.map_err(|error| Refusal::NotJson { line: error.line(), column: error.column() })
}

struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<Raw<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut records = Vec::new();
        while records.len() <= RECORDS_MAX
            && let Some(element) = elements.next_element::<&RawValue>()?
        {
            records.push(Raw::Json(element.get().as_bytes()));
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::HeaderValue;

    use super::*;

    fn of<'a>(content_type: &'static str, body: &'a [u8]) -> Result<Vec<Raw<'a>>, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        records(&headers, body)
    }

    fn json<'a>(texts: &[&'a str]) -> Vec<Raw<'a>> {
        texts.iter().map(|text| Raw::Json(text.as_bytes())).collect()
    }

    #[test]
    fn a_body_is_one_record_or_many() {
        assert_eq!(of("application/json", b" {\"a\":1}\n").unwrap(), json(&[r#"{"a":1}"#]));
        let elements = of("Application/JSON; charset=utf-8", br#" [{"a":1} , {"b":[2]},7] "#).unwrap();
        assert_eq!(elements, json(&[r#"{"a":1}"#, r#"{"b":[2]}"#, "7"]));
        let lines = of("application/x-ndjson", b"{\"a\":1}\r\n\n {\"b\":2} ").unwrap();
        assert_eq!(lines, json(&[r#"{"a":1}"#, r#"{"b":2}"#]));
        assert_eq!(of("application/x-protobuf", b"\x0a\x01a").unwrap(), [Raw::Protobuf(b"\x0a\x01a")]);
        for (content_type, body) in [
            ("application/json", " "),
            ("application/json", "[]"),
            ("application/x-ndjson", "\n\r\n"),
            ("application/x-protobuf", ""),
        ] {
            assert_eq!(of(content_type, body.as_bytes()), Err(Refusal::Empty), "{content_type} {body:?}");
        }
    }

    #[test]
    fn what_cannot_be_divided_is_refused_whole() {
        assert_eq!(of("text/plain", b"{}"), Err(Refusal::WrongType));
        assert_eq!(records(&HeaderMap::new(), b"{}"), Err(Refusal::WrongType));
        assert_eq!(of("application/json", b"[{},\n {]"), Err(Refusal::NotJson { line: 2, column: 3 }));
        assert!(matches!(of("application/json", b"[{}] []"), Err(Refusal::NotJson { .. })));
        let many = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
        assert_eq!(of("application/json", many(RECORDS_MAX).as_bytes()).unwrap().len(), RECORDS_MAX);
        assert_eq!(of("application/json", many(RECORDS_MAX + 1).as_bytes()), Err(Refusal::TooMany));
        assert_eq!(of("application/x-ndjson", &b"{}\n".repeat(RECORDS_MAX + 1)), Err(Refusal::TooMany));
        // Too many are not taken for a reason to read no further.
        let broken = many(RECORDS_MAX + 1).replace(']', "");
        assert!(matches!(of("application/json", broken.as_bytes()), Err(Refusal::NotJson { .. })));
        let bytes = BODY_BYTES_MAX + 1;
        assert_eq!(of("application/json", &vec![b' '; bytes]), Err(Refusal::TooLong { bytes }));
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(records(&headers, b"{}"), Err(Refusal::Compressed));
    }
}
