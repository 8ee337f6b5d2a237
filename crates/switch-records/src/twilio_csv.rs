//! Twilio's calls as CSV: the call log of its console, and what scripts write of the REST API.
//!
//! Columns are known by their names in the header, whatever their order: those of the REST API (`sid`, `start_time`), of its
//! XML (`Sid`, `StartTime`), of callbacks (`CallSid`) and as titles (`Call Sid`, `Start Time`). Twilio documents that
//! the order of columns may change when properties are added.

use cdr::{Reason, RecordError};

use crate::detect::{header, shape};
use crate::fields::Fields;
use crate::header::{place, plain};
use crate::local_time::{self, Hint};
use crate::twilio::{Resource, leg, with_zone};
use crate::{CannotRead, Leg, LegReader, Legs, Site};

/// Reads rows behind a header; what is made of them, `twilio.rs` says. Times that name no zone, such as
/// `2026-12-01 10:00:05`, are read in the zone of the site.
pub struct TwilioCsvReader<'p> {
    site: Site<'p>,
    legs: Legs,
    fields: Fields,
    columns: Option<Columns>,
}

impl<'p> TwilioCsvReader<'p> {
    /// A reader for calls of a site.
    pub fn new(site: Site<'p>, legs: Legs) -> Self {
        Self { site, legs, fields: Fields::new(b','), columns: None }
    }

    /// A reader for a file that begins with these rows.
    pub(crate) fn open(site: Site<'p>, legs: Legs, rows: &[&[u8]]) -> Result<Self, CannotRead> {
        if Self::recognises(&header(rows, b',')) {
            return Ok(Self::new(site, legs));
        }
        let wanted =
            "Twilio's calls as CSV, whose first row names its columns: Sid, From, To, Status, StartTime and so on";
        Err(CannotRead::Rows { found: shape(rows), wanted })
    }

    /// Whether a header is that of Twilio's calls.
    pub fn recognises<T: AsRef<str>>(header: &[T]) -> bool {
        Columns::of(header).is_some()
    }
}

impl LegReader for TwilioCsvReader<'_> {
    fn leg(&mut self, row: &[u8]) -> Result<Option<Leg>, RecordError> {
        if !self.fields.split(row) {
            return Err(RecordError::of_record(Reason::Unparseable, row.len(), "is not UTF-8"));
        }
        let is_header = self.columns.as_ref().is_none_or(|known| self.fields.get(known.sid) == known.sid_name);
        if is_header {
            // It comes first, and again where files were put one behind the other.
            let rule = "is no header of Twilio's: wants columns such as Sid, From, To, Status and StartTime";
            let names: Vec<&str> = (0..self.fields.len()).map(|index| self.fields.get(index)).collect();
            let columns = Columns::of(&names).ok_or(RecordError::of_record(Reason::Unparseable, row.len(), rule))?;
            self.columns = Some(columns);
            return Ok(None);
        }
        let Some(columns) = &self.columns else { return Ok(None) };
        if self.fields.len() != columns.count {
            let rule = "has another number of columns than the header";
            return Err(RecordError::of_record(Reason::Unparseable, row.len(), rule));
        }
        let field = |place: Option<usize>| place.map(|place| self.fields.get(place).trim_ascii());
        let call = Resource {
            sid: field(Some(columns.sid)),
            parent_sid: field(columns.parent_sid),
            from: field(Some(columns.from)),
            to: field(Some(columns.to)),
            status: field(Some(columns.status)),
            created: field(columns.created),
            start: field(columns.start),
            end: field(columns.end),
            duration: field(columns.duration),
            price: field(columns.price),
            price_unit: field(columns.price_unit),
        };
        leg(&self.site, self.legs, &call, |field, text, hint| moment(&self.site, field, text, hint)).map(Some)
    }
}

struct Columns {
    count: usize,
    /// How the header writes the name of the sid: no call has it there.
    sid_name: String,
    sid: usize,
    parent_sid: Option<usize>,
    from: usize,
    to: usize,
    status: usize,
    created: Option<usize>,
    start: Option<usize>,
    end: Option<usize>,
    duration: Option<usize>,
    price: Option<usize>,
    price_unit: Option<usize>,
}

impl Columns {
    /// The columns of a header; `None` if it has not those without which there is no call.
    fn of<T: AsRef<str>>(header: &[T]) -> Option<Self> {
        let names: Vec<String> = header.iter().map(|name| plain(name.as_ref())).collect();
        let place = |wanted: &[&str]| place(&names, wanted);
        let start = place(&["starttime"]);
        let created = place(&["datecreated"]);
        start.or(created)?;
        let sid = place(&["sid", "callsid"])?;
        Some(Self {
            count: names.len(),
            sid_name: header.get(sid)?.as_ref().to_owned(),
            sid,
            parent_sid: place(&["parentcallsid"]),
            from: place(&["from"])?,
            to: place(&["to"])?,
            status: place(&["status", "callstatus"])?,
            created,
            start,
            end: place(&["endtime"]),
            duration: place(&["duration", "callduration", "duration(seconds)", "duration(sec)"]),
            price: place(&["price"]),
            price_unit: place(&["priceunit"]),
        })
    }
}

/// A time as exports write it, with a zone or in that of the site.
fn moment(site: &Site<'_>, field: &'static str, text: &str, hint: Hint) -> Result<i64, RecordError> {
    if let Some(ms) = with_zone(text) {
        return Ok(ms);
    }
    let rule = "is no time: wants RFC 2822, RFC 3339, or one such as 2026-12-01 10:00:05 in the zone given";
    let read = local_time::moment(&site.zone, field, text, hint)?;
    read.ok_or(RecordError::of_field(Reason::BadTime, field, text.len(), rule))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cdr::{NumberPlan, format_time};

    use super::*;

    fn read<'r>(zone: &str, rows: impl IntoIterator<Item = &'r str>) -> Vec<Result<Option<Leg>, RecordError>> {
        let plan = NumberPlan::new("US").unwrap();
        let mut reader = TwilioCsvReader::new(Site::new(&plan, "tw", zone).unwrap(), Legs::Merged);
        rows.into_iter().map(|row| reader.leg(row.as_bytes())).collect()
    }

    #[test]
    fn titles_and_times_without_a_zone_are_read() {
        let file = include_str!("../testdata/twilio_csv/console.csv");
        insta::assert_snapshot!(crate::testing::told(read("UTC", file.lines()).into_iter()));
    }

    #[test]
    fn names_of_the_rest_api_are_read_in_any_order() {
        let file = include_str!("../testdata/twilio_csv/rest_api.csv");
        insta::assert_snapshot!(crate::testing::told(read("America/New_York", file.lines()).into_iter()));
    }

    #[test]
    fn the_hour_that_comes_twice_is_the_one_that_the_duration_says() {
        let header = "sid,from,to,status,start_time,end_time,duration";
        let row = "CA1,+12025550101,+12025550102,completed,2026-11-01 01:50:00,2026-11-01 01:10:00,1200";
        let call = read("America/New_York", [header, row]).pop().unwrap().unwrap().unwrap().call;
        assert_eq!(format_time(call.started_at_ms), "2026-11-01T05:50:00.000Z");
        assert_eq!(format_time(call.ended_at_ms), "2026-11-01T06:10:00.000Z");
        let row = "CA1,+12025550101,+12025550102,completed,2026-03-08 02:10:00,2026-03-08 03:10:00,1200";
        let error = read("America/New_York", [header, row]).pop().unwrap().unwrap_err();
        assert_eq!((error.field, error.reason), ("start_time", Reason::BadTime));
    }

    #[test]
    fn headers_of_other_files_are_not_recognised() {
        assert!(TwilioCsvReader::recognises(&["\u{feff}Call Sid", "FROM", "To", "status", "Start Time"]));
        assert!(!TwilioCsvReader::recognises(&["sid", "from", "to", "status"]));
        assert!(!TwilioCsvReader::recognises(&["caller", "callee", "started_at"]));
        let error = read("UTC", ["caller,callee,started_at"]).pop().unwrap().unwrap_err();
        assert!(error.rule.contains("no header of Twilio's"), "{error}");
    }
}
