//! The protobuf form of a call record, `tollwatch.v1.CallRecord` (`proto/tollwatch/v1/call_record.proto`).
//!
//! Read by hand rather than through generated code: texts are borrowed from the record, and a field that is
//! wrong is named. A test holds both against each other.

use std::borrow::Cow;

use crate::traceparent::{FIELD, transported};
use crate::wire::{Malformed, WireReader, WireValue, put_bytes, put_varint};
use crate::{CallRecord, Channel, NumberPlan, Outcome, Parsed, RawRecord, Reason, RecordError};

/// Reads one record in protobuf. Unknown fields are skipped and counted; of a field that is given twice the
/// last counts, as protobuf has it.
pub fn parse_protobuf(plan: &NumberPlan, bytes: &[u8]) -> Result<Parsed, RecordError> {
    let Reading { raw, unknown_fields, traceparent, .. } = read(bytes)?;
    Ok(Parsed { record: raw.validate(plan)?, unknown_fields, traceparent: transported(traceparent) })
}

impl CallRecord {
    /// The record as the protobuf message `tollwatch.v1.CallRecord`, fields in order of their numbers.
    pub fn to_protobuf(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(192);
        put_text(&mut out, 1, Some(&self.call_id));
        put_text(&mut out, 2, Some(self.caller.as_str()));
        put_text(&mut out, 3, Some(self.callee.as_str()));
        put_time(&mut out, 4, Some(self.started_at_ms));
        put_time(&mut out, 5, self.answered_at_ms);
        put_time(&mut out, 6, Some(self.ended_at_ms));
        put_varint(&mut out, 7, 1 + self.outcome as u64);
        if let Some(channel) = self.channel {
            put_varint(&mut out, 8, 1 + channel as u64);
        }
        put_text(&mut out, 9, self.trunk.as_deref());
        put_text(&mut out, 10, self.cell_id.as_deref());
        put_text(&mut out, 11, self.imei.as_deref());
        if let Some(cost_micros) = self.cost_micros {
            put_varint(&mut out, 12, cost_micros as u64);
        }
        put_text(&mut out, 13, self.currency.as_deref());
        put_text(&mut out, 14, self.caller_ip.as_deref());
        out
    }
}

/// The record in protobuf, not validated yet.
fn read(bytes: &[u8]) -> Result<Reading<'_>, RecordError> {
    let mut reading = Reading::default();
    // The first refusal; the rest is read on, so that what is no protobuf at all is always called that.
    let mut refused = None;
    let mut reader = WireReader::new(bytes);
    while let Some((number, value)) = reader.next_field().map_err(|Malformed { at }| {
        let rule = "is neither JSON (which begins with {) nor a protobuf tollwatch.v1.CallRecord";
        RecordError { at: Some(at), ..RecordError::of_record(Reason::Unparseable, bytes.len(), rule) }
    })? {
        if refused.is_none() {
            refused = reading.take(number, value).err();
        }
    }
    refused.map_or_else(|| reading.finish(), Err)
}

#[derive(Default)]
struct Reading<'a> {
    raw: RawRecord<'a>,
    started_at: Option<Time>,
    answered_at: Option<Time>,
    ended_at: Option<Time>,
    unknown_fields: usize,
    traceparent: Option<Cow<'a, str>>,
}

impl<'a> Reading<'a> {
    fn take(&mut self, number: u32, value: WireValue<'a>) -> Result<(), RecordError> {
        let raw = &mut self.raw;
        match number {
            1 => raw.call_id = Some(text("call_id", value)?),
            2 => raw.caller = Some(text("caller", value)?),
            3 => raw.callee = Some(text("callee", value)?),
            4 => merge_time("started_at", value, &mut self.started_at)?,
            5 => merge_time("answered_at", value, &mut self.answered_at)?,
            6 => merge_time("ended_at", value, &mut self.ended_at)?,
            7 => raw.outcome = outcome(value)?,
            8 => raw.channel = channel(value)?,
            9 => raw.trunk = Some(text("trunk", value)?),
            10 => raw.cell_id = Some(text("cell_id", value)?),
            11 => raw.imei = Some(text("imei", value)?),
            12 => raw.cost_micros = Some(varint("cost_micros", value)? as i64),
            13 => raw.currency = Some(text("currency", value)?),
            14 => raw.caller_ip = Some(text("caller_ip", value)?),
            // Not of the call: what is no text is nothing, and no call is refused for it.
            FIELD => self.traceparent = text("traceparent", value).ok(),
            _ => self.unknown_fields += 1,
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Self, RecordError> {
        self.raw.started_at_ms = self.started_at.map(|time| millis("started_at", time)).transpose()?;
        self.raw.answered_at_ms = self.answered_at.map(|time| millis("answered_at", time)).transpose()?;
        self.raw.ended_at_ms = self.ended_at.map(|time| millis("ended_at", time)).transpose()?;
        Ok(self)
    }
}

#[derive(Clone, Copy, Default)]
struct Time {
    seconds: i64,
    nanos: i32,
}

fn text<'a>(field: &'static str, value: WireValue<'a>) -> Result<Cow<'a, str>, RecordError> {
    let WireValue::Bytes(bytes) = value else {
        return Err(wrong_type(field, "has the wire type of another field: wants a string"));
    };
    std::str::from_utf8(bytes)
        .map(Cow::Borrowed)
        .map_err(|_| RecordError::of_field(Reason::BadText, field, bytes.len(), "is not UTF-8: wants a string"))
}

fn varint(field: &'static str, value: WireValue<'_>) -> Result<u64, RecordError> {
    match value {
        WireValue::Varint(value) => Ok(value),
        _ => Err(wrong_type(field, "has the wire type of another field: wants a varint")),
    }
}

fn outcome(value: WireValue<'_>) -> Result<Option<Cow<'static, str>>, RecordError> {
    // An enum is 32 bits wide: higher bits are cut, as every implementation does.
    let value = varint("outcome", value)? as i32;
    let rule = "is no outcome: wants OUTCOME_ANSWERED (1) to OUTCOME_CANCELED (5)";
    enum_name(value, &Outcome::ALL.map(Outcome::as_str)).ok_or(RecordError::of_field(
        Reason::BadOutcome,
        "outcome",
        0,
        rule,
    ))
}

fn channel(value: WireValue<'_>) -> Result<Option<Cow<'static, str>>, RecordError> {
    let value = varint("channel", value)? as i32;
    let rule = "is no channel: wants CHANNEL_VOICE (1) or CHANNEL_SMS (2)";
    enum_name(value, &Channel::ALL.map(Channel::as_str)).ok_or(RecordError::of_field(
        Reason::BadChannel,
        "channel",
        0,
        rule,
    ))
}

/// The name of an enum's value, whose numbers begin at 1; `Some(None)` for 0, which is "not said".
#[allow(clippy::option_option)]
fn enum_name(value: i32, names: &[&'static str]) -> Option<Option<Cow<'static, str>>> {
    let index = usize::try_from(value).ok()?;
    if index == 0 {
        return Some(None);
    }
    names.get(index - 1).map(|name| Some(Cow::Borrowed(*name)))
}

/// Takes in a `google.protobuf.Timestamp`. A message that is given twice is merged field by field.
fn merge_time(field: &'static str, value: WireValue<'_>, into: &mut Option<Time>) -> Result<(), RecordError> {
    let WireValue::Bytes(bytes) = value else {
        return Err(wrong_type(field, "has the wire type of another field: wants a google.protobuf.Timestamp"));
    };
    let wrong = || wrong_type(field, "is no google.protobuf.Timestamp");
    let time = into.get_or_insert_default();
    let mut reader = WireReader::new(bytes);
    while let Some((number, value)) = reader.next_field().map_err(|_| wrong())? {
        match (number, value) {
            (1, WireValue::Varint(seconds)) => time.seconds = seconds as i64,
            (2, WireValue::Varint(nanos)) => time.nanos = nanos as i32,
            (1 | 2, _) => return Err(wrong()),
            _ => {}
        }
    }
    Ok(())
}

fn millis(field: &'static str, time: Time) -> Result<i64, RecordError> {
    let rule = "is no time: wants nanos from 0 to 999999999 and seconds of the years 2000 to 2099";
    let refused = RecordError::of_field(Reason::BadTime, field, 0, rule);
    if !(0..1_000_000_000).contains(&time.nanos) {
        return Err(refused);
    }
    let millis = time.seconds.checked_mul(1000).ok_or(refused)?;
    millis.checked_add(i64::from(time.nanos / 1_000_000)).ok_or(refused)
}

fn wrong_type(field: &'static str, rule: &'static str) -> RecordError {
    RecordError::of_field(Reason::WrongType, field, 0, rule)
}

fn put_text(out: &mut Vec<u8>, number: u32, text: Option<&str>) {
    if let Some(text) = text {
        put_bytes(out, number, text.as_bytes());
    }
}

fn put_time(out: &mut Vec<u8>, number: u32, ms: Option<i64>) {
    if let Some(ms) = ms {
        let mut time = Vec::with_capacity(12);
        put_varint(&mut time, 1, ms.div_euclid(1000) as u64);
        let nanos = ms.rem_euclid(1000) * 1_000_000;
        if nanos > 0 {
            put_varint(&mut time, 2, nanos as u64);
        }
        put_bytes(out, number, &time);
    }
}
