//! CDR files of Cisco Unified Communications Manager.
//!
//! Facts are those of Cisco's Call Detail Records Administration Guide: a file begins with a row of names, then a row
//! of types (`INTEGER`, `VARCHAR(50)`), then a row a call leg. Columns are known by their names; releases add some, and
//! those that are not used are passed over. Times are seconds since 1970 UTC, 0 where something did not happen.
//!
//! What is made of them:
//! - `call_id` is cluster, call manager and call id, which all legs of a call share ([`Legs::Each`]: followed
//!   by the leg's identifier and beginning). The leg with the least
//!   `origLegCallIdentifier` wins: identifiers are given out in order, so it is the one that began the call; transfers,
//!   conferences and parked calls come later. It is answered if any leg was, and lasts until the last leg ends.
//! - `caller` is `callingPartyNumber`. `callee` is what was asked of the network where the call left the switch
//!   (`outpulsedCalledPartyNumber`), since that is what is paid for, also where a dialled extension was forwarded
//!   there, and it has no access codes; else what was dialled (`originalCalledPartyNumber`), so that a call to
//!   a group is one to the group, not to who of it picked up. Releases without the first: where an extension was
//!   dialled and the call ended at a number of the network (`finalCalledPartyNumber`), that.
//! - A call is answered if it was connected. Else the causes say why not: [`crate::cisco_cause`].
//! - `duration` is from connect to disconnect: a row that says otherwise is refused.
//! - `trunk` is the device that it came from, `caller_ip` that device's address where it is one.

use std::borrow::Cow;
use std::net::IpAddr;

use cdr::{RawRecord, Reason, RecordError};
use smol_str::SmolStr;

use crate::detect::{header, shape};
use crate::fields::Fields;
use crate::header::{place, plain};
use crate::{CannotRead, Leg, LegReader, Legs, Role, Site, cisco_cause, durations, pbx_number};

/// Reads rows behind a header.
pub struct CiscoCucmReader<'p> {
    site: Site<'p>,
    legs: Legs,
    fields: Fields,
    columns: Option<Columns>,
}

impl<'p> CiscoCucmReader<'p> {
    /// A reader for calls of a site; its zone is not used.
    pub fn new(site: Site<'p>, legs: Legs) -> Self {
        Self { site, legs, fields: Fields::new(b','), columns: None }
    }

    /// A reader for a file that begins with these rows.
    pub(crate) fn open(site: Site<'p>, legs: Legs, rows: &[&[u8]]) -> Result<Self, CannotRead> {
        if Self::recognises(&header(rows, b',')) {
            return Ok(Self::new(site, legs));
        }
        let wanted = "a CDR file of Cisco Unified CM (cdr_*), whose first row names its columns: cdrRecordType, \
                      globalCallID_callId, dateTimeOrigination and so on";
        Err(CannotRead::Rows { found: shape(rows), wanted })
    }

    /// Whether a header is that of a CDR file.
    pub fn recognises<T: AsRef<str>>(header: &[T]) -> bool {
        Columns::of(header).is_some()
    }

    /// Whether a header is that of a CMR file, which tells of the quality of calls, not of calls.
    pub fn recognises_quality<T: AsRef<str>>(header: &[T]) -> bool {
        let names: Vec<String> = header.iter().map(|name| plain(name.as_ref())).collect();
        let has = |name| place(&names, &[name]).is_some();
        has("cdrrecordtype") && has("numberpacketssent") && !has("datetimeorigination")
    }
}

impl LegReader for CiscoCucmReader<'_> {
    fn leg(&mut self, row: &[u8]) -> Result<Option<Leg>, RecordError> {
        let of_row = |rule| RecordError::of_record(Reason::Unparseable, row.len(), rule);
        if !self.fields.split(row) {
            return Err(of_row("is not UTF-8"));
        }
        let is_header =
            self.columns.as_ref().is_none_or(|known| self.fields.get(known.record_type) == known.type_name);
        if is_header {
            // It comes first, and again where files were put one behind the other.
            let rule = "is no header of Cisco Unified CM's CDR files: wants columns such as cdrRecordType, \
                        globalCallID_callId and dateTimeOrigination; CMR files have no calls";
            let names: Vec<&str> = (0..self.fields.len()).map(|index| self.fields.get(index)).collect();
            self.columns = Some(Columns::of(&names).ok_or(of_row(rule))?);
            return Ok(None);
        }
        let Some(columns) = &self.columns else { return Ok(None) };
        if self.fields.get(columns.record_type).eq_ignore_ascii_case("INTEGER") {
            return Ok(None);
        }
        if self.fields.len() != columns.count {
            return Err(of_row("has another number of columns than the header"));
        }
        Row { site: &self.site, fields: &self.fields, columns }.leg(self.legs).map(Some)
    }
}

struct Row<'r, 'p> {
    site: &'r Site<'p>,
    fields: &'r Fields,
    columns: &'r Columns,
}

impl Row<'_, '_> {
    fn leg(&self, legs: Legs) -> Result<Leg, RecordError> {
        let columns = self.columns;
        if self.text(columns.record_type) != END_OF_CALL {
            let rule = "is not 1: only rows of that type are calls; 2 is of CMR files, which tell of quality";
            return Err(RecordError::of_field(Reason::WrongType, "cdrRecordType", 0, rule));
        }
        let started = self.time("dateTimeOrigination", columns.originated)?;
        let connected = self.time("dateTimeConnect", columns.connected)?;
        let ended = self.time("dateTimeDisconnect", columns.disconnected)?;
        self.check_duration(connected, ended)?;
        let cause = |name, place: Option<usize>| place.map_or(Ok(0), |place| self.number(name, place));
        let outcome = if connected.is_some() {
            "answered"
        } else {
            let (originating, terminating) =
                (cause("origCause_value", columns.orig_cause)?, cause("destCause_value", columns.dest_cause)?);
            cisco_cause::outcome(originating, terminating).as_str()
        };
        let link = self.link()?;
        let order = columns.orig_leg.map_or(Ok(0), |place| self.number("origLegCallIdentifier", place))?;
        let call_id = match legs {
            Legs::Merged => Cow::Borrowed(link.as_str()),
            // A leg may have several rows, at other times.
            Legs::Each => Cow::Owned(format!("{link}-{order}-{}", self.text(columns.originated))),
        };
        let raw = RawRecord {
            call_id: Some(call_id),
            caller: Some(pbx_number::number(self.site, self.text(columns.caller))),
            callee: self.callee(),
            started_at_ms: started,
            answered_at_ms: connected,
            ended_at_ms: ended,
            outcome: Some(Cow::Borrowed(outcome)),
            channel: Some(Cow::Borrowed("voice")),
            trunk: self.present(columns.orig_device).map(Cow::Borrowed),
            caller_ip: self.present(columns.orig_address).filter(|text| is_address(text)).map(Cow::Borrowed),
            ..RawRecord::default()
        };
        let call = raw.validate(self.site.plan).map_err(in_cisco_words)?;
        Ok(Leg { links: vec![SmolStr::new(link)], role: Role::Numbered(u64::from(order)), call })
    }

    fn text(&self, place: usize) -> &str {
        self.fields.get(place).trim_ascii()
    }

    fn present(&self, place: Option<usize>) -> Option<&str> {
        place.map(|place| self.text(place)).filter(|text| !text.is_empty())
    }

    fn number(&self, name: &'static str, place: usize) -> Result<u32, RecordError> {
        let text = self.text(place);
        let rule = "is no number: wants a whole number from 0 to 4294967295";
        let wrong = RecordError::of_field(Reason::WrongType, name, text.len(), rule);
        if text.is_empty() { Ok(0) } else { text.parse().map_err(|_| wrong) }
    }

    /// Milliseconds; 0 and nothing are none.
    fn time(&self, name: &'static str, place: usize) -> Result<Option<i64>, RecordError> {
        let text = self.text(place);
        let rule = "is no time: wants seconds since 1970 UTC, such as 1796119205, or 0";
        let wrong = RecordError::of_field(Reason::BadTime, name, text.len(), rule);
        let seconds: u32 = if text.is_empty() { 0 } else { text.parse().map_err(|_| wrong)? };
        Ok((seconds > 0).then(|| i64::from(seconds) * 1000))
    }

    fn check_duration(&self, connected: Option<i64>, ended: Option<i64>) -> Result<(), RecordError> {
        let Some(place) = self.columns.duration else { return Ok(()) };
        let written = self.number("duration", place)?;
        let (from, to) = connected.zip(ended).unwrap_or_default();
        durations::check("duration", self.text(place).len(), i64::from(written), from, to)
    }

    fn link(&self) -> Result<String, RecordError> {
        let columns = self.columns;
        let (manager, call) = (self.text(columns.manager), self.text(columns.call));
        if call.is_empty() {
            let rule = "is missing: it is required";
            return Err(RecordError::of_field(Reason::MissingField, "globalCallID_callId", 0, rule));
        }
        Ok(match self.present(columns.cluster) {
            Some(cluster) => format!("{cluster}-{manager}-{call}"),
            None => format!("{manager}-{call}"),
        })
    }

    fn callee(&self) -> Option<Cow<'_, str>> {
        let columns = self.columns;
        let number = |place: Option<usize>| self.present(place).map(|text| pbx_number::number(self.site, text));
        let of_network = |number: &Cow<'_, str>| !number.starts_with("ext:") && number != "anonymous";
        if let Some(sent) = number(columns.outpulsed) {
            return Some(sent);
        }
        let (dialled, reached) = (number(Some(columns.dialled)), number(columns.reached));
        match (&dialled, &reached) {
            (Some(dialled), Some(reached)) if !of_network(dialled) && of_network(reached) => (),
            (Some(_), _) => return dialled,
            _ => (),
        }
        reached
    }
}

/// The type of a row at the end of a call, the only one that is written.
const END_OF_CALL: &str = "1";

struct Columns {
    count: usize,
    record_type: usize,
    /// How the header writes the name of that column: no row has it there.
    type_name: String,
    manager: usize,
    call: usize,
    cluster: Option<usize>,
    orig_leg: Option<usize>,
    originated: usize,
    connected: usize,
    disconnected: usize,
    duration: Option<usize>,
    caller: usize,
    dialled: usize,
    reached: Option<usize>,
    outpulsed: Option<usize>,
    orig_cause: Option<usize>,
    dest_cause: Option<usize>,
    orig_device: Option<usize>,
    orig_address: Option<usize>,
}

impl Columns {
    /// The columns of a header; `None` if it has not those without which there is no call.
    fn of<T: AsRef<str>>(header: &[T]) -> Option<Self> {
        let names: Vec<String> = header.iter().map(|name| plain(name.as_ref())).collect();
        let place = |name| place(&names, &[name]);
        let record_type = place("cdrrecordtype")?;
        Some(Self {
            count: names.len(),
            record_type,
            type_name: header.get(record_type)?.as_ref().to_owned(),
            manager: place("globalcallidcallmanagerid")?,
            call: place("globalcallidcallid")?,
            cluster: place("globalcallidclusterid"),
            orig_leg: place("origlegcallidentifier"),
            originated: place("datetimeorigination")?,
            connected: place("datetimeconnect")?,
            disconnected: place("datetimedisconnect")?,
            duration: place("duration"),
            caller: place("callingpartynumber")?,
            dialled: place("originalcalledpartynumber")?,
            reached: place("finalcalledpartynumber"),
            outpulsed: place("outpulsedcalledpartynumber"),
            orig_cause: place("origcausevalue"),
            dest_cause: place("destcausevalue"),
            orig_device: place("origdevicename"),
            orig_address: place("origipv4v6addr"),
        })
    }
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// Names the column that the field was made of.
fn in_cisco_words(error: RecordError) -> RecordError {
    let field = match error.field {
        "call_id" => "globalCallID_callId",
        "caller" => "callingPartyNumber",
        "callee" => "originalCalledPartyNumber",
        "started_at" => "dateTimeOrigination",
        "answered_at" => "dateTimeConnect",
        "ended_at" => "dateTimeDisconnect",
        "trunk" => "origDeviceName",
        other => other,
    };
    RecordError { field, ..error }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cdr::{NumberPlan, format_time};

    use super::*;

    /// The columns of release 8.5, in Cisco's order, and the calls of some of the guide's examples.
    const FILE: &str = include_str!("../testdata/cisco_cucm/cdr_StandAloneCluster_02_202612011000_1");

    const NAMES: &str = "dateTimeDisconnect,cdrRecordType,globalCallID_callManagerId,globalCallID_callId,new_in_16,\
        origLegCallIdentifier,dateTimeOrigination,dateTimeConnect,callingPartyNumber,originalCalledPartyNumber,\
        finalCalledPartyNumber,origCause_value,destCause_value,duration";

    fn read<'r>(rows: impl IntoIterator<Item = &'r str>) -> Vec<Result<Option<Leg>, RecordError>> {
        let plan = NumberPlan::new("US").unwrap();
        let mut reader = CiscoCucmReader::new(Site::new(&plan, "hq", "UTC").unwrap(), Legs::Merged);
        rows.into_iter().map(|row| reader.leg(row.as_bytes())).collect()
    }

    /// The one call behind a header of some columns, in another order than Cisco's.
    fn one(row: &str) -> Result<Leg, RecordError> {
        read([NAMES, row]).pop().unwrap().map(Option::unwrap)
    }

    #[test]
    fn a_cdr_file_is_read() {
        insta::assert_snapshot!(crate::testing::told(read(FILE.lines()).into_iter()));
    }

    #[test]
    fn columns_are_known_by_name_and_unknown_ones_are_passed_over() {
        let leg = one("1796119267,1,2,77,?,12,1796119200,1796119207,1001,1002,1002,0,16,60").unwrap();
        assert_eq!(leg.call.call_id, "2-77");
        assert_eq!(leg.role, Role::Numbered(12));
        assert_eq!(format_time(leg.call.started_at_ms), "2026-12-01T10:00:00.000Z");
        assert_eq!(leg.call.talk_ms(), 60_000);
    }

    #[test]
    fn legs_that_are_calls_by_themselves_have_names_of_their_own() {
        let plan = NumberPlan::new("US").unwrap();
        let mut reader = CiscoCucmReader::new(Site::new(&plan, "hq", "UTC").unwrap(), Legs::Each);
        let mut legs = FILE.lines().filter_map(|row| reader.leg(row.as_bytes()).ok().flatten());
        let named: std::collections::BTreeSet<_> = legs.by_ref().map(|leg| leg.call.call_id).collect();
        assert_eq!(named.len(), 11);
        assert!(named.contains("StandAloneCluster-2-5008-1017-1796119330"), "{named:?}");
    }

    #[test]
    fn files_that_were_put_one_behind_the_other_are_one() {
        let row = "1796119267,1,2,77,?,12,1796119200,1796119207,1001,1002,1002,0,16,60";
        let types = "INTEGER,INTEGER,INTEGER,INTEGER,VARCHAR(50)";
        let legs = read([NAMES, types, row, NAMES, types, row]);
        let calls: Vec<_> = legs.into_iter().map(|leg| leg.unwrap().is_some()).collect();
        assert_eq!(calls, [false, false, true, false, false, true]);
    }

    #[test]
    fn the_callee_is_where_the_call_left_the_switch_else_what_was_dialled() {
        let with = |dialled: &str, reached: &str, sent: &str| {
            let header = format!("{NAMES},outpulsedCalledPartyNumber");
            let row = format!("1796119267,1,2,77,?,12,1796119200,1796119207,1001,{dialled},{reached},0,16,60,{sent}");
            let leg = read([header.as_str(), &row]).pop().unwrap().unwrap().unwrap();
            leg.call.callee.as_str().to_owned()
        };
        assert_eq!(with("912025550102", "912025550102", "2025550102"), "+12025550102");
        assert_eq!(with("1002", "1003", ""), "ext:hq/1002");
        assert_eq!(with("1002", "+12025550102", ""), "+12025550102");
        assert_eq!(with("+12025550103", "+12025550102", ""), "+12025550103");
        assert_eq!(with("", "1003", ""), "ext:hq/1003");
    }

    #[test]
    fn rows_that_are_no_calls_are_refused() {
        for (row, field, reason) in [
            ("1796119267,2,2,77,?,12,1796119200,0,1001,1002,1002,0,16,0", "cdrRecordType", Reason::WrongType),
            ("1796119267,1,2,,?,12,1796119200,0,1001,1002,1002,0,16,0", "globalCallID_callId", Reason::MissingField),
            ("1796119267,1,2,77,?,12,0,0,1001,1002,1002,0,16,0", "dateTimeOrigination", Reason::MissingField),
            ("0,1,2,77,?,12,1796119200,0,1001,1002,1002,0,16,0", "dateTimeDisconnect", Reason::MissingField),
            ("17961192670,1,2,77,?,12,1796119200,0,1001,1002,1002,0,16,0", "dateTimeDisconnect", Reason::BadTime),
            ("1796119100,1,2,77,?,12,1796119200,0,1001,1002,1002,0,16,0", "dateTimeDisconnect", Reason::TimeOrder),
            ("1796119267,1,2,77,?,12,1796119200,1796119207,1001,1002,1002,0,16,90", "duration", Reason::BadDuration),
            ("1796119267,1,2,77,?,12,1796119200,0,1001,1002,1002,0,16,90", "duration", Reason::BadDuration),
            ("1796119267,1,2,77,?,12,1796119200,0,1001,1002,1002,none,16,0", "origCause_value", Reason::WrongType),
            ("1796119267,1,2,77,?,12,1796119200,0,1001,,,0,16,0", "originalCalledPartyNumber", Reason::MissingField),
            ("1796119267,1,2,77", "", Reason::Unparseable),
        ] {
            let error = one(row).unwrap_err();
            assert_eq!((error.field, error.reason), (field, reason), "{row}");
        }
    }

    #[test]
    fn files_of_quality_are_told_from_files_of_calls() {
        let header: Vec<&str> = NAMES.split(',').collect();
        assert!(CiscoCucmReader::recognises(&header) && !CiscoCucmReader::recognises_quality(&header));
        let quality = ["cdrRecordType", "globalCallID_callManagerId", "globalCallID_callId", "numberPacketsSent"];
        assert!(!CiscoCucmReader::recognises(&quality) && CiscoCucmReader::recognises_quality(&quality));
        assert!(!CiscoCucmReader::recognises(&["call_id", "caller"]));
        assert!(read([quality.join(",").as_str()])[0].is_err());
    }
}
