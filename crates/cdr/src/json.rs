//! The JSON form of a call record: one object, `snake_case` fields, null means absent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::time::write_time;
use crate::traceparent::{TRACEPARENT, transported};
use crate::{CallRecord, NumberPlan, Parsed, RawRecord, Reason, RecordError};

/// Reads one record in JSON. Unknown fields are skipped and counted; a known field that is given twice is an
/// error, since nobody can tell which was meant.
pub fn parse_json(plan: &NumberPlan, bytes: &[u8]) -> Result<Parsed, RecordError> {
    let Reading { raw, unknown_fields, traceparent, .. } = read(bytes)?;
    Ok(Parsed { record: raw.validate(plan)?, unknown_fields, traceparent: transported(traceparent) })
}

impl CallRecord {
    /// The record as one JSON object without blanks: fields in the order of [`CallRecord`], absent ones left
    /// out, times as `2026-11-21T07:06:05.004Z`. The same record always gives the same text, and
    /// [`parse_json`] makes the same record of it.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(320);
        self.write_json(&mut out);
        out
    }

    /// Appends [`CallRecord::to_json`] to `out`.
    pub fn write_json(&self, out: &mut String) {
        out.push_str("{\"call_id\":");
        write_text(out, &self.call_id);
        write_field(out, "caller", Some(self.caller.as_str()));
        write_field(out, "callee", Some(self.callee.as_str()));
        write_moment(out, "started_at", Some(self.started_at_ms));
        write_moment(out, "answered_at", self.answered_at_ms);
        write_moment(out, "ended_at", Some(self.ended_at_ms));
        write_field(out, "outcome", Some(self.outcome.as_str()));
        write_field(out, "channel", self.channel.map(crate::Channel::as_str));
        write_field(out, "trunk", self.trunk.as_deref());
        write_field(out, "cell_id", self.cell_id.as_deref());
        write_field(out, "imei", self.imei.as_deref());
        if let Some(cost_micros) = self.cost_micros {
            write_name(out, "cost_micros");
            out.push_str(&cost_micros.to_string());
        }
        write_field(out, "currency", self.currency.as_deref());
        write_field(out, "caller_ip", self.caller_ip.as_deref());
        out.push('}');
    }
}

/// The record in JSON, not validated yet.
fn read(bytes: &[u8]) -> Result<Reading<'_>, RecordError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let mut record = Reading::default();
    let read = Seed(&mut record).deserialize(&mut reader).and_then(|()| reader.end());
    if let Err(error) = read {
        // The parser's own message may quote the value.
        let mut refused = RecordError::of_record(Reason::Unparseable, bytes.len(), "is no JSON object");
        refused.at = offset(bytes, &error);
        return Err(refused);
    }
    match record.refused.take() {
        Some(refused) => Err(refused),
        None => Ok(record),
    }
}

#[derive(Default)]
struct Reading<'de> {
    raw: RawRecord<'de>,
    seen: u16,
    unknown_fields: usize,
    traceparent: Option<Cow<'de, str>>,
    /// The first refusal; the rest is read on, so that broken JSON is always called that.
    refused: Option<RecordError>,
}

#[derive(Clone, Copy)]
enum Field {
    CallId,
    Caller,
    Callee,
    StartedAt,
    AnsweredAt,
    EndedAt,
    Outcome,
    Channel,
    Trunk,
    CellId,
    Imei,
    CostMicros,
    Currency,
    CallerIp,
}

impl Field {
    fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "call_id" => Self::CallId,
            "caller" => Self::Caller,
            "callee" => Self::Callee,
            "started_at" => Self::StartedAt,
            "answered_at" => Self::AnsweredAt,
            "ended_at" => Self::EndedAt,
            "outcome" => Self::Outcome,
            "channel" => Self::Channel,
            "trunk" => Self::Trunk,
            "cell_id" => Self::CellId,
            "imei" => Self::Imei,
            "cost_micros" => Self::CostMicros,
            "currency" => Self::Currency,
            "caller_ip" => Self::CallerIp,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::CallId => "call_id",
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::StartedAt => "started_at",
            Self::AnsweredAt => "answered_at",
            Self::EndedAt => "ended_at",
            Self::Outcome => "outcome",
            Self::Channel => "channel",
            Self::Trunk => "trunk",
            Self::CellId => "cell_id",
            Self::Imei => "imei",
            Self::CostMicros => "cost_micros",
            Self::Currency => "currency",
            Self::CallerIp => "caller_ip",
        }
    }
}

impl<'de> Reading<'de> {
    /// Of several, or of what is no text, nothing is known; no call is refused for it.
    fn take_traceparent(&mut self, value: Value<'de>) {
        self.traceparent = match (value, &self.traceparent) {
            (Value::Text(text), None) => Some(text),
            (Value::Null, _) => return,
            _ => Some(Cow::Borrowed("")),
        };
    }

    fn take(&mut self, field: Field, value: Value<'de>) -> Result<(), RecordError> {
        let bit = 1 << field as u16;
        if self.seen & bit != 0 {
            let rule = "is given twice: wants it once";
            return Err(RecordError::of_field(Reason::DuplicateField, field.name(), 0, rule));
        }
        self.seen |= bit;
        let raw = &mut self.raw;
        let text = match field {
            Field::CallId => &mut raw.call_id,
            Field::Caller => &mut raw.caller,
            Field::Callee => &mut raw.callee,
            Field::Outcome => &mut raw.outcome,
            Field::Channel => &mut raw.channel,
            Field::Trunk => &mut raw.trunk,
            Field::CellId => &mut raw.cell_id,
            Field::Imei => &mut raw.imei,
            Field::Currency => &mut raw.currency,
            Field::CallerIp => &mut raw.caller_ip,
            Field::StartedAt => return moment(field, value, &mut raw.started_at_ms),
            Field::AnsweredAt => return moment(field, value, &mut raw.answered_at_ms),
            Field::EndedAt => return moment(field, value, &mut raw.ended_at_ms),
            Field::CostMicros => return whole_number(field, &value, &mut raw.cost_micros),
        };
        match value {
            Value::Null => Ok(()),
            Value::Text(value) => {
                *text = Some(value);
                Ok(())
            }
            _ => Err(wrong_type(field, "is no text: wants a JSON string")),
        }
    }
}

fn moment(field: Field, value: Value<'_>, into: &mut Option<i64>) -> Result<(), RecordError> {
    match value {
        Value::Null => Ok(()),
        // As in protobuf, an empty text is an absent one.
        Value::Text(text) if text.is_empty() => Ok(()),
        Value::Text(text) => {
            *into = Some(RawRecord::time(field.name(), &text)?);
            Ok(())
        }
        _ => Err(wrong_type(field, "is no text: wants RFC 3339 with a zone, such as \"2026-11-21T07:06:05.004Z\"")),
    }
}

fn whole_number(field: Field, value: &Value<'_>, into: &mut Option<i64>) -> Result<(), RecordError> {
    match value {
        Value::Null => Ok(()),
        Value::Whole(value) => {
            *into = Some(*value);
            Ok(())
        }
        _ => Err(wrong_type(field, "is no whole number of 64 bits: wants a JSON number without fraction")),
    }
}

fn wrong_type(field: Field, rule: &'static str) -> RecordError {
    RecordError::of_field(Reason::WrongType, field.name(), 0, rule)
}

struct Seed<'r, 'de>(&'r mut Reading<'de>);

impl<'de> DeserializeSeed<'de> for Seed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key()? {
            let field = match field {
                Name::Field(field) => field,
                Name::Traceparent => {
                    let value = map.next_value()?;
                    self.0.take_traceparent(value);
                    continue;
                }
                Name::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                    self.0.unknown_fields += 1;
                    continue;
                }
            };
            let value = map.next_value()?;
            if self.0.refused.is_none() {
                self.0.refused = self.0.take(field, value).err();
            }
        }
        Ok(())
    }
}

/// What a name stands for.
enum Name {
    Field(Field),
    /// Not of the call: it came with the record.
    Traceparent,
    Unknown,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(match Field::of_name(name) {
            Some(field) => Name::Field(field),
            None if name == TRACEPARENT => Name::Traceparent,
            None => Name::Unknown,
        })
    }
}

/// Any JSON value, as far as a field can be one.
enum Value<'de> {
    Null,
    Text(Cow<'de, str>),
    Whole(i64),
    Other,
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(i64::try_from(value).map_or(Value::Other, Value::Whole))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

/// The byte at which the parser stopped: it counts lines from 1 and columns in bytes.
fn offset(bytes: &[u8], error: &serde_json::Error) -> Option<usize> {
    let before = error.line().checked_sub(1)?;
    let line_start = bytes.split_inclusive(|&byte| byte == b'\n').take(before).map(<[u8]>::len).sum::<usize>();
    Some(line_start + error.column())
}

fn write_name(out: &mut String, name: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
}

fn write_field(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        write_name(out, name);
        write_text(out, value);
    }
}

fn write_moment(out: &mut String, name: &str, ms: Option<i64>) {
    if let Some(ms) = ms {
        write_name(out, name);
        out.push('"');
        write_time(out, ms);
        out.push('"');
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (index, byte) in text.bytes().enumerate() {
        // RFC 8259: quotation mark, reverse solidus and control characters must be escaped.
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain_from..index]);
        plain_from = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                out.push_str("\\u00");
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

const HEX: [u8; 16] = *b"0123456789abcdef";
