//! Asterisk's `cdr_csv` (`Master.csv`) and `cdr_custom`.
//!
//! Columns of `cdr_csv`, in the order of its `cdr_csv.c`: accountcode, src, dst, dcontext, clid, channel, dstchannel,
//! lastapp, lastdata, start, answer, end, duration, billsec, disposition, amaflags; then, as configured, uniqueid,
//! userfield, and peeraccount, linkedid, sequence together. `cdr_custom` orders them freely; the order of its sample
//! is known.
//!
//! What is made of them:
//! - Rows of one linkedid are one call: Asterisk writes a row for each pair of channels that had to do with each other.
//!   The row of the least sequence wins, which is the one of the channel that opened the call. Without linkedid, rows of
//!   one uniqueid are.
//! - `call_id` is what the rows are linked by; of each row for itself the uniqueid, and `-` and the sequence where there
//!   is one. Without uniqueid it is a hash of the row.
//! - An empty or withheld src is `anonymous`; [`crate::pbx_number`] says what is an extension.
//! - The disposition decides: an answer time beside NO ANSWER, BUSY or FAILED is dropped. CONGESTION is
//!   `failed`. A billsec of 0 is no matter.
//! - Where the end is empty, as in a record cut short, it is start and duration. A duration or billsec that contradicts the
//!   times is refused.
//! - `trunk` is the channel without the number of the call on it: `PJSIP/provider` of
//!   `PJSIP/provider-0000002a`.

use std::borrow::Cow;

use cdr::{RawRecord, Reason, RecordError};
use smol_str::SmolStr;

use crate::asterisk_columns::{AsteriskColumns, Places};
use crate::fields::Fields;
use crate::local_time::{Hint, moment};
use crate::pbx_number::number;
use crate::row_hash::row_hash;
use crate::{Leg, LegReader, Legs, Role, Site, durations};

/// Reads rows of Asterisk.
pub struct AsteriskReader<'p> {
    site: Site<'p>,
    columns: AsteriskColumns,
    legs: Legs,
    fields: Fields,
}

impl<'p> AsteriskReader<'p> {
    /// A reader of rows with these columns.
    pub fn new(site: Site<'p>, columns: AsteriskColumns, legs: Legs) -> Self {
        Self { site, columns, legs, fields: Fields::new(b',') }
    }
}

impl LegReader for AsteriskReader<'_> {
    fn leg(&mut self, row: &[u8]) -> Result<Option<Leg>, RecordError> {
        let of_row = |rule| RecordError::of_record(Reason::Unparseable, row.len(), rule);
        if !self.fields.split(row) {
            return Err(of_row("is not UTF-8"));
        }
        let places = self.columns.places(self.fields.len()).map_err(of_row)?;
        Row { site: &self.site, fields: &self.fields, places, bytes: row }.leg(self.legs).map(Some)
    }
}

struct Row<'r> {
    site: &'r Site<'r>,
    fields: &'r Fields,
    places: Places,
    bytes: &'r [u8],
}

impl Row<'_> {
    fn leg(&self, legs: Legs) -> Result<Leg, RecordError> {
        let places = &self.places;
        let outcome = outcome(self.at(places.disposition))?;
        let is_answered = outcome == "answered";
        let started = self.time("start", self.at(Some(places.start)), Hint::NONE)?;
        let ended = self.ended(started)?;
        let answered = if is_answered { self.answered(started, ended)? } else { None };
        let unique_id = self.unique_id();
        let sequence = self.text(places.sequence);
        let link = self.text(places.linked_id).or(unique_id);
        let raw = RawRecord {
            call_id: Some(self.call_id(legs, link, unique_id, sequence)),
            caller: Some(number(self.site, self.at(Some(places.src)))),
            callee: self.text(Some(places.dst)).map(|dst| number(self.site, dst)),
            started_at_ms: started,
            answered_at_ms: answered,
            ended_at_ms: ended,
            outcome: Some(Cow::Borrowed(outcome)),
            channel: Some(Cow::Borrowed("voice")),
            trunk: Some(Cow::Borrowed(trunk(self.at(places.channel)))),
            ..RawRecord::default()
        };
        let call = raw.validate(self.site.plan).map_err(in_asterisk_words)?;
        // Without a sequence the row that began first wins.
        let role = sequence.and_then(|text| text.parse().ok()).map_or(Role::Originating, Role::Numbered);
        Ok(Leg { links: link.map(SmolStr::new).into_iter().collect(), role, call })
    }

    fn at(&self, place: Option<usize>) -> &str {
        place.map_or("", |place| self.fields.get(place))
    }

    fn text(&self, place: Option<usize>) -> Option<&str> {
        Some(self.at(place)).filter(|text| !text.is_empty())
    }

    /// A seventeenth or twentieth column is either uniqueid or userfield, whichever is switched on: only its form tells.
    fn unique_id(&self) -> Option<&str> {
        self.text(self.places.unique_id).filter(|id| !self.places.is_doubtful || is_unique_id(id))
    }

    fn call_id<'t>(
        &self,
        legs: Legs,
        link: Option<&'t str>,
        unique_id: Option<&'t str>,
        sequence: Option<&str>,
    ) -> Cow<'t, str> {
        match (legs, link, unique_id, sequence) {
            (Legs::Merged, Some(link), ..) => Cow::Borrowed(link),
            (Legs::Each, _, Some(id), Some(sequence)) => Cow::Owned(format!("{id}-{sequence}")),
            (Legs::Each, _, Some(id), None) => Cow::Borrowed(id),
            _ => Cow::Owned(row_hash(self.bytes)),
        }
    }

    /// A local time, or seconds since 1970 UTC, as `cdr_custom` can be told to write.
    fn time(&self, field: &'static str, text: &str, hint: Hint) -> Result<Option<i64>, RecordError> {
        match durations::seconds(text).filter(|_| self.columns_are_given()) {
            Some(0) => Ok(None),
            Some(_) => Ok(millis(text)),
            None => moment(&self.site.zone, field, text, hint),
        }
    }

    const fn columns_are_given(&self) -> bool {
        self.places.are_given
    }

    fn ended(&self, started: Option<i64>) -> Result<Option<i64>, RecordError> {
        let Some(started) = started else { return Ok(None) };
        let (field, text) = ("duration", self.at(self.places.duration));
        let seconds = durations::seconds(text);
        let expected = seconds.map(|seconds| started + seconds * 1_000);
        let hint = Hint { not_before: started, expected };
        let written = self.time("end", self.at(self.places.end), hint)?;
        if let (Some(written), Some(seconds)) = (written, seconds) {
            durations::check_order("end", started, written)?;
            durations::check(field, text.len(), seconds, started, written)?;
        }
        Ok(written.or(expected))
    }

    fn answered(&self, started: Option<i64>, ended: Option<i64>) -> Result<Option<i64>, RecordError> {
        let (field, text) = ("billsec", self.at(self.places.billsec));
        let seconds = durations::seconds(text);
        let expected = ended.zip(seconds).map(|(ended, seconds)| ended - seconds * 1_000);
        let hint = Hint { not_before: started.unwrap_or(i64::MIN), expected };
        if self.places.answer.is_none() {
            // Its columns were given without the answer: the seconds that are billed are those since.
            return Ok(expected.map(|answered| answered.max(hint.not_before)));
        }
        let written = self.time("answer", self.at(self.places.answer), hint)?;
        if let (Some(written), Some(ended), Some(seconds)) = (written, ended, seconds) {
            durations::check_order("end", written, ended)?;
            durations::check(field, text.len(), seconds, written, ended)?;
        }
        Ok(written)
    }
}

/// Milliseconds of seconds with a fraction.
fn millis(seconds: &str) -> Option<i64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digit = |at: usize| fraction.as_bytes().get(at).map_or(0, |digit| i64::from(digit - b'0'));
    Some(whole.parse::<i64>().ok()? * 1_000 + digit(0) * 100 + digit(1) * 10 + digit(2))
}

/// Whether a text has the form of Asterisk's unique ids: seconds, a dot, a count; before them the system's name
/// and `-` where it has one.
pub(crate) fn is_unique_id(text: &str) -> bool {
    let number = text.rsplit_once('-').map_or(text, |(_, number)| number);
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    number.split_once('.').is_some_and(|(seconds, count)| is_digits(seconds) && is_digits(count))
}

/// The outcome of a disposition, by its name or, as `cdr_custom` can be told to write, by its number in Asterisk's `cdr.h`.
pub(crate) fn outcome(disposition: &str) -> Result<&'static str, RecordError> {
    match disposition {
        "ANSWERED" | "8" => Ok("answered"),
        "NO ANSWER" | "0" => Ok("no_answer"),
        "BUSY" | "4" => Ok("busy"),
        "FAILED" | "CONGESTION" | "2" | "16" => Ok("failed"),
        _ => {
            let rule = "is no disposition: wants ANSWERED, NO ANSWER, BUSY, FAILED or CONGESTION";
            Err(RecordError::of_field(Reason::BadOutcome, "disposition", disposition.len(), rule))
        }
    }
}

fn trunk(channel: &str) -> &str {
    channel.rsplit_once('-').map_or(channel, |(trunk, _)| trunk)
}

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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cdr::{NumberPlan, format_time};

    use super::*;

    fn read(zone: &str, columns: &AsteriskColumns, rows: &[&str]) -> Vec<Result<Option<Leg>, RecordError>> {
        let plan = NumberPlan::new("US").unwrap();
        let site = Site::new(&plan, "hq", zone).unwrap();
        let mut reader = AsteriskReader::new(site, columns.clone(), Legs::Merged);
        rows.iter().map(|row| reader.leg(row.as_bytes())).collect()
    }

    /// The times of the one row of `src,dst,start,answer,end,duration,billsec,disposition`.
    fn times(zone: &str, row: &str) -> Result<[String; 3], (Reason, &'static str)> {
        let columns = AsteriskColumns::given("src,dst,start,answer,end,duration,billsec,disposition").unwrap();
        let leg = read(zone, &columns, &[&format!("1001,1002,{row},ANSWERED")]).pop().unwrap();
        let call = leg.map_err(|error| (error.reason, error.field))?.unwrap().call;
        let answered_at_ms = call.answered_at_ms.unwrap_or_default();
        Ok([call.started_at_ms, answered_at_ms, call.ended_at_ms].map(|ms| format_time(ms)[11..19].to_owned()))
    }

    #[test]
    fn the_sample_of_cdr_custom_is_found_and_rows_are_linked_by_uniqueid() {
        let file = include_str!("../testdata/asterisk/custom.csv");
        let rows: Vec<&str> = file.lines().collect();
        let bytes: Vec<&[u8]> = rows.iter().map(|row| row.as_bytes()).collect();
        let columns = AsteriskColumns::detect(&bytes).unwrap();
        assert_ne!(columns, AsteriskColumns::CDR_CSV);
        insta::assert_snapshot!(crate::testing::told(read("Europe/Berlin", &columns, &rows).into_iter()));
    }

    #[test]
    fn the_order_that_is_given_may_leave_out_what_follows_from_the_rest() {
        let columns = AsteriskColumns::given(
            "x.csv => ${CDR(dst)},${CDR(src)},${CDR(start,u)},${CDR(duration)},${CDR(billsec)},${CDR(disposition,u)}",
        )
        .unwrap();
        let legs =
            read("Europe/Berlin", &columns, &["1002,1001,1795244765.250,55,51,8", "1002,1001,1795244765,5,0,0"]);
        let told: Vec<_> = legs.into_iter().map(|leg| leg.unwrap().unwrap()).collect();
        assert!(told.iter().all(|leg| leg.links.is_empty() && leg.call.call_id.starts_with("row-")));
        let times = |leg: &Leg| (leg.call.started_at_ms, leg.call.answered_at_ms, leg.call.ended_at_ms);
        assert_eq!(times(&told[0]), (1_795_244_765_250, Some(1_795_244_769_250), 1_795_244_820_250));
        assert_eq!(times(&told[1]), (1_795_244_765_000, None, 1_795_244_770_000));
        let error = AsteriskColumns::given("src,dst,start,end,answer").unwrap_err();
        assert!(error.to_string().contains("have no disposition"), "{error}");
    }

    #[test]
    fn the_duration_says_which_hour_of_two_it_is() {
        let ny = "America/New_York";
        let hours = |texts: [&str; 3]| Ok(texts.map(str::to_owned));
        let row = "2026-11-01 00:50:00,2026-11-01 01:20:00,2026-11-01 01:30:00,6000,600";
        assert_eq!(times(ny, row), hours(["04:50:00", "06:20:00", "06:30:00"]));
        let row = "2026-11-01 00:50:00,2026-11-01 01:20:00,2026-11-01 01:30:00,2400,600";
        assert_eq!(times(ny, row), hours(["04:50:00", "05:20:00", "05:30:00"]));
    }

    #[test]
    fn counts_that_do_not_add_up_are_refused() {
        let utc = |row| times("UTC", row).map(|_| ());
        assert_eq!(utc("2026-12-01 00:00:00,2026-12-01 00:00:10,2026-12-01 00:01:00,60,50"), Ok(()));
        assert_eq!(utc("2026-12-01 00:00:00,2026-12-01 00:00:10,2026-12-01 00:01:00,58,52"), Ok(()));
        assert_eq!(utc("2026-12-01 00:00:00,2026-12-01 00:00:10,,60,50"), Ok(()));
        let wrong = Err((Reason::BadDuration, "duration"));
        assert_eq!(utc("2026-12-01 00:00:00,2026-12-01 00:00:10,2026-12-01 00:01:00,63,50"), wrong);
        let wrong = Err((Reason::BadDuration, "billsec"));
        assert_eq!(utc("2026-12-01 00:00:00,2026-12-01 00:00:10,2026-12-01 00:01:00,60,60"), wrong);
        let wrong = Err((Reason::TimeOrder, "end"));
        assert_eq!(utc("2026-12-01 00:01:00,2026-12-01 00:01:00,2026-12-01 00:00:00,60,60"), wrong);
        // The hour that never comes.
        let gap = "2026-03-08 02:10:00,2026-03-08 03:10:00,2026-03-08 03:10:00,0,0";
        assert_eq!(times("America/New_York", gap), Err((Reason::BadTime, "start")));
    }
}
