//! One row of Asterisk's `Master.csv` as a call record.
//!
//! Columns, in the order of Asterisk's `cdr_csv.c`: accountcode, src, dst, dcontext, clid, channel, dstchannel,
//! lastapp, lastdata, start, answer, end, duration, billsec, disposition, amaflags; then, as configured,
//! uniqueid, userfield, and peeraccount, linkedid, sequence together.
//!
//! What is made of them:
//! - `call_id` is the uniqueid, followed by `-` and the sequence where there is one (since version 12 a call
//!   has several rows, told apart by it). Without uniqueid it is a hash of the row.
//! - An empty or withheld src is `anonymous`. Up to six digits, feature codes (`*97`) and names (`alice`, `s`)
//!   are extensions of the site; all else is a number of the number plan.
//! - The disposition decides: an answer time beside NO ANSWER, BUSY or FAILED is dropped. CONGESTION is
//!   `failed`. A billsec of 0 is no matter.
//! - Where the end is empty, as in a record cut short, it is start and duration.
//! - `trunk` is the channel without the number of the call on it: `PJSIP/provider` of
//!   `PJSIP/provider-0000002a`.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use cdr::{CallRecord, NumberPlan, RawRecord, Reason, RecordError};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use md5::{Digest, Md5};

use crate::csv_rows::split;

/// What has to be known of the PBX to read its rows.
pub(crate) struct Site<'p> {
    pub plan: &'p NumberPlan,
    pub name: String,
    pub zone: TimeZone,
}

/// How many columns a row may have.
pub(crate) const COLUMNS: RangeInclusive<usize> = 16..=21;

/// The call of a row.
pub(crate) fn read(site: &Site<'_>, row: &[u8]) -> Result<CallRecord, RecordError> {
    let text = std::str::from_utf8(row)
        .map_err(|_| RecordError::of_record(Reason::Unparseable, row.len(), "is not UTF-8"))?;
    let fields = split(text);
    if !COLUMNS.contains(&fields.len()) {
        let rule = "has the wrong number of columns: wants the 16 to 21 of Asterisk's cdr_csv";
        return Err(RecordError::of_record(Reason::Unparseable, row.len(), rule));
    }
    let tail = Tail::of(&fields);
    let started = moment(site, "start", &fields[START], i64::MIN)?;
    let outcome = outcome(&fields[DISPOSITION])?;
    let answered = match outcome {
        "answered" => moment(site, "answer", &fields[ANSWER], started.unwrap_or(i64::MIN))?,
        _ => None,
    };
    let ended = ended(site, &fields, started, answered)?;
    let call_id = match (tail.unique_id, tail.sequence) {
        (Some(id), Some(sequence)) => Cow::Owned(format!("{id}-{sequence}")),
        (Some(id), None) => Cow::Borrowed(id),
        (None, _) => Cow::Owned(hash(row)),
    };
    let raw = RawRecord {
        call_id: Some(call_id),
        caller: Some(number(site, &fields[SRC])),
        callee: (!fields[DST].is_empty()).then(|| number(site, &fields[DST])),
        started_at_ms: started,
        answered_at_ms: answered,
        ended_at_ms: ended,
        outcome: Some(Cow::Borrowed(outcome)),
        channel: Some(Cow::Borrowed("voice")),
        trunk: Some(Cow::Borrowed(trunk(&fields[CHANNEL]))),
        ..RawRecord::default()
    };
    raw.validate(site.plan).map_err(in_asterisk_words)
}

/// Whether the row has a time where the start is, as other CSV files have not.
pub(crate) fn has_times(site: &Site<'_>, fields: &[String]) -> bool {
    fields.get(START).is_some_and(|start| matches!(moment(site, "start", start, i64::MIN), Ok(Some(_))))
}

const SRC: usize = 1;
const DST: usize = 2;
const CHANNEL: usize = 5;
const START: usize = 9;
const ANSWER: usize = 10;
const END: usize = 11;
const DURATION: usize = 12;
const DISPOSITION: usize = 14;

/// The columns after the sixteenth that we use.
struct Tail<'f> {
    unique_id: Option<&'f str>,
    sequence: Option<&'f str>,
}

impl<'f> Tail<'f> {
    fn of(fields: &'f [String]) -> Self {
        let field = |index: usize| Some(fields[index].as_str()).filter(|field| !field.is_empty());
        // 17 and 20 have either uniqueid or userfield, whichever is switched on: only its form tells.
        let unique_id = match fields.len() {
            18 | 21 => field(16),
            17 | 20 => field(16).filter(|id| is_unique_id(id)),
            _ => None,
        };
        let sequence = if fields.len() >= 19 { field(fields.len() - 1) } else { None };
        Self { unique_id, sequence }
    }
}

/// Whether a text has the form of Asterisk's unique ids: seconds, a dot, a count; before them the system's name
/// and `-` where it has one.
fn is_unique_id(text: &str) -> bool {
    let number = text.rsplit_once('-').map_or(text, |(_, number)| number);
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    number.split_once('.').is_some_and(|(seconds, count)| is_digits(seconds) && is_digits(count))
}

/// The moment of a local time; of the two it may be, the first that is not before `not_before`.
fn moment(site: &Site<'_>, field: &'static str, text: &str, not_before: i64) -> Result<Option<i64>, RecordError> {
    if text.is_empty() {
        return Ok(None);
    }
    let rule = "is no time: wants one such as 2026-11-21 07:06:05, in the zone given";
    let wrong = RecordError::of_field(Reason::BadTime, field, text.len(), rule);
    // jiff takes more forms than Asterisk writes, some of them with a zone that would be ignored.
    if text.len() != TIME_LEN || text.as_bytes()[10] != b' ' {
        return Err(wrong);
    }
    let local: DateTime = text.parse().map_err(|_| wrong)?;
    let ambiguous = site.zone.to_ambiguous_timestamp(local);
    let earlier = ambiguous.earlier().map_err(|_| wrong)?.as_millisecond();
    let later = ambiguous.later().map_err(|_| wrong)?.as_millisecond();
    Ok(Some(if earlier < not_before && later >= not_before { later } else { earlier }))
}

/// Bytes of `2026-11-21 07:06:05`.
const TIME_LEN: usize = 19;

fn ended(
    site: &Site<'_>,
    fields: &[String],
    started: Option<i64>,
    answered: Option<i64>,
) -> Result<Option<i64>, RecordError> {
    let not_before = answered.or(started).unwrap_or(i64::MIN);
    let written = moment(site, "end", &fields[END], not_before)?;
    let seconds = || fields[DURATION].parse::<u32>().ok();
    Ok(written.or_else(|| Some(started? + i64::from(seconds()?) * 1000)))
}

fn outcome(disposition: &str) -> Result<&'static str, RecordError> {
    match disposition {
        "ANSWERED" => Ok("answered"),
        "NO ANSWER" => Ok("no_answer"),
        "BUSY" => Ok("busy"),
        "FAILED" | "CONGESTION" => Ok("failed"),
        _ => {
            let rule = "is no disposition: wants ANSWERED, NO ANSWER, BUSY, FAILED or CONGESTION";
            Err(RecordError::of_field(Reason::BadOutcome, "disposition", disposition.len(), rule))
        }
    }
}

/// The number as the number plan reads it.
fn number<'f>(site: &Site<'_>, text: &'f str) -> Cow<'f, str> {
    let text = text.trim();
    let withheld = ["", "anonymous", "restricted", "private", "withheld", "unavailable", "unknown"];
    if withheld.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Cow::Borrowed("anonymous");
    }
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_code =
        text.len() <= 6 && text.starts_with('*') && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*');
    let is_name = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if is_digits && text.len() <= MAX_EXTENSION_DIGITS || is_code || is_name {
        return Cow::Owned(format!("ext:{}/{text}", site.name));
    }
    Cow::Borrowed(text)
}

/// The longest extension of digits: above that it is a number of the network.
const MAX_EXTENSION_DIGITS: usize = 6;

fn trunk(channel: &str) -> &str {
    channel.rsplit_once('-').map_or(channel, |(trunk, _)| trunk)
}

/// A stable name for a row that has none: the same row gives the same.
fn hash(row: &[u8]) -> String {
    let digest = Md5::digest(row);
    let mut text = String::with_capacity(4 + 2 * digest.len());
    text.push_str("row-");
    for byte in digest {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text
}

const HEX: [u8; 16] = *b"0123456789abcdef";

/// Names the column that the field was made of, as it is called in Asterisk.
fn in_asterisk_words(error: RecordError) -> RecordError {
    let field = match error.field {
        "call_id" => "uniqueid",
        "caller" => "src",
        "callee" => "dst",
        "started_at" => "start",
        "answered_at" => "answer",
        "ended_at" => "end",
        "outcome" => "disposition",
        "trunk" => "channel",
        other => other,
    };
    RecordError { field, ..error }
}
