//! CSV files of any maker, by a mapping.
//!
//! - A row is a call by the name that the mapping says, or with `columns.link` a leg: rows with the same link are one call. The row that began first wins, as
//!   the one by which the call came; the call is answered if any row was, and lasts until the last one ends.
//! - Up to six digits are extensions of the site, as in files of switches; other numbers are read in the mapping's region.
//! - Where there is no outcome, a row is answered that has a time of answer, or that was talked in.
//! - Times and durations may be off by what cutting them to seconds makes; a row in which they differ by more is refused.

use std::borrow::Cow;
use std::sync::Arc;

use cdr::{Channel, NumberPlan, Outcome, RawRecord, Reason, RecordError};
use smol_str::SmolStr;

use crate::decimal::micros;
use crate::detect::header;
use crate::fields::Fields;
use crate::header::plain;
use crate::local_time::{self, Hint};
use crate::mapping::{Column, Mapping};
use crate::mapping_field::MappedField;
use crate::mapping_time::Written;
use crate::row_hash::row_hash;
use crate::{CannotRead, Leg, LegReader, Role, Site, durations, pbx_number};

/// Reads rows as a mapping says.
pub struct MappedCsvReader<'p> {
    site: Site<'p>,
    mapping: Arc<Mapping>,
    fields: Fields,
    places: Option<Places>,
}

impl<'p> MappedCsvReader<'p> {
    /// A reader for calls of a site. Zone and region of the mapping come before those of the site.
    pub fn new(mut site: Site<'p>, mapping: Arc<Mapping>) -> Self {
        if let Some(zone) = &mapping.zone {
            site.zone = zone.clone();
        }
        let places = if mapping.has_header { None } else { Places::of(&mapping, &[]) };
        Self { site, fields: Fields::new(mapping.delimiter), mapping, places }
    }
}

impl<'p> MappedCsvReader<'p> {
    /// A reader for a file that begins with these rows, by the text of a mapping.
    pub(crate) fn open(site: Site<'p>, mapping: Option<&str>, rows: &[&[u8]]) -> Result<Self, CannotRead> {
        let missing = "a CSV of any maker is read by a mapping: give one, as examples/mapping.toml shows";
        let mapping = mapping.ok_or_else(|| CannotRead::Mapping(missing.to_owned()))?;
        let mapping = Mapping::parse(mapping).map_err(|error| CannotRead::Mapping(format!("mapping, {error}")))?;
        if mapping.has_header {
            let wanted =
                "a header with the columns that the mapping names, each once, and its delimiter between them";
            mapping
                .check_header(&header(rows, mapping.delimiter))
                .map_err(|found| CannotRead::Rows { found, wanted })?;
        }
        Ok(Self::new(site, Arc::new(mapping)))
    }
}

impl LegReader for MappedCsvReader<'_> {
    fn leg(&mut self, row: &[u8]) -> Result<Option<Leg>, RecordError> {
        let of_row = |rule| RecordError::of_record(Reason::Unparseable, row.len(), rule);
        if !self.fields.split(row) {
            return Err(of_row("is not UTF-8"));
        }
        let Some(places) = &self.places else {
            let names: Vec<String> = (0..self.fields.len()).map(|index| plain(self.fields.get(index))).collect();
            let places = Places::of(&self.mapping, &names);
            self.places =
                Some(places.ok_or(of_row("is no header with the columns that the mapping names, each once"))?);
            return Ok(None);
        };
        if self.fields.len() < places.least || !places.names.is_empty() && self.fields.len() != places.names.len() {
            return Err(of_row("has another number of columns than the header, or fewer than the mapping names"));
        }
        // The header comes again where files were put one behind the other.
        if places.is_header(|index| self.fields.get(index)) {
            return Ok(None);
        }
        let plan = self.mapping.plan.as_ref().unwrap_or(self.site.plan);
        let row = Row { site: &self.site, plan, mapping: &self.mapping, fields: &self.fields, places, bytes: row };
        row.leg().map(Some)
    }
}

/// One row, split.
struct Row<'r, 'p> {
    site: &'r Site<'p>,
    plan: &'r NumberPlan,
    mapping: &'r Mapping,
    fields: &'r Fields,
    places: &'r Places,
    bytes: &'r [u8],
}

impl Row<'_, '_> {
    fn leg(&self) -> Result<Leg, RecordError> {
        let ring = self.duration(MappedField::Ring)?;
        let talk = self.duration(MappedField::Talk)?;
        let duration = self.duration(MappedField::Duration)?;
        let times = self.times(ring, talk, duration)?;
        let link = self.joined(MappedField::Link, "-");
        let call_id = self.joined(MappedField::CallId, "-").unwrap_or_else(|| Cow::Owned(row_hash(self.bytes)));
        let constants = &self.mapping.constants;
        let constant = |text: &'_ Option<String>| text.as_deref().map(str::to_owned).map(Cow::Owned);
        let cost_micros = self.cost()?;
        let number = |field| self.text(field).map(|text| pbx_number::number(self.site, text));
        let raw = RawRecord {
            call_id: Some(call_id),
            caller: Some(number(MappedField::Caller).unwrap_or(Cow::Borrowed("anonymous"))),
            callee: number(MappedField::Callee),
            started_at_ms: times.started,
            answered_at_ms: times.answered,
            ended_at_ms: times.ended,
            outcome: Some(Cow::Borrowed(times.outcome.as_str())),
            channel: Some(Cow::Borrowed(constants.channel.unwrap_or(Channel::Voice).as_str())),
            trunk: self.text(MappedField::Trunk).map(Cow::Borrowed).or_else(|| constant(&constants.trunk)),
            cell_id: self.text(MappedField::CellId).map(Cow::Borrowed),
            imei: self.text(MappedField::Imei).map(Cow::Borrowed),
            cost_micros,
            currency: self.text(MappedField::Currency).map(Cow::Borrowed).or_else(|| constant(&constants.currency)),
            caller_ip: self.text(MappedField::CallerIp).map(Cow::Borrowed),
        };
        let call = raw.validate(self.plan)?;
        Ok(Leg { links: link.map(SmolStr::new).into_iter().collect(), role: Role::Originating, call })
    }

    /// The text of a field of one column; `None` where there is none.
    fn text(&self, field: MappedField) -> Option<&str> {
        let text = self.fields.get(*self.places.of_field(field).first()?).trim();
        (!text.is_empty()).then_some(text)
    }

    /// The texts of a field's columns, empty ones left out.
    fn joined(&self, field: MappedField, between: &str) -> Option<Cow<'_, str>> {
        let places = self.places.of_field(field);
        if let [_] = places {
            return self.text(field).map(Cow::Borrowed);
        }
        let mut joined = String::new();
        for text in places.iter().map(|place| self.fields.get(*place).trim()).filter(|text| !text.is_empty()) {
            if !joined.is_empty() {
                joined.push_str(between);
            }
            joined.push_str(text);
        }
        (!joined.is_empty()).then_some(Cow::Owned(joined))
    }

    /// Milliseconds.
    fn duration(&self, field: MappedField) -> Result<Option<i64>, RecordError> {
        let Some(text) = self.text(field) else { return Ok(None) };
        let units = micros(text, self.mapping.decimal_point).filter(|units| *units >= 0);
        let rule = "is no duration: wants a number that is not negative, in duration_unit";
        let units = units.ok_or(RecordError::of_field(Reason::BadDuration, field.key(), text.len(), rule))?;
        // The bound of a duration is far below what this could not hold; validation refuses it.
        Ok(Some((units / 1000).saturating_mul(self.mapping.duration_unit_ms) / 1000))
    }

    fn cost(&self) -> Result<Option<i64>, RecordError> {
        let Some(text) = self.text(MappedField::Cost) else { return Ok(None) };
        let rule = "is no amount: wants a decimal number with decimal_point, without blanks or signs of a currency";
        let wrong = RecordError::of_field(Reason::BadCost, "cost", text.len(), rule);
        let millionths = micros(text, self.mapping.decimal_point).ok_or(wrong)?;
        Ok(Some((i128::from(millionths) * i128::from(self.mapping.cost_unit_micros) / 1_000_000) as i64))
    }

    /// A time that is not before another, where its clock shows it twice.
    fn time(&self, field: MappedField, hint: Hint) -> Result<Option<i64>, RecordError> {
        let Some(text) = self.joined(field, " ") else { return Ok(None) };
        let rule = "is no time as time_format says";
        let wrong = RecordError::of_field(Reason::BadTime, field.key(), text.len(), rule);
        match self.mapping.time_format.read(&text).ok_or(wrong)? {
            Written::Moment(ms) => Ok(Some(ms)),
            Written::Local(local) => {
                local_time::moment_of(&self.site.zone, field.key(), text.len(), local, hint).map(Some)
            }
        }
    }

    fn times(&self, ring: Option<i64>, talk: Option<i64>, duration: Option<i64>) -> Result<Times, RecordError> {
        let written_start = self.time(MappedField::StartedAt, Hint::NONE)?;
        let after = |ms: Option<i64>, lasts: Option<i64>| Hint {
            not_before: ms.unwrap_or(i64::MIN),
            expected: ms.zip(lasts).map(|(ms, lasts)| ms.saturating_add(lasts)),
        };
        let written_answer = self.time(MappedField::AnsweredAt, after(written_start, ring))?;
        let end_hint = match duration {
            Some(_) => after(written_start, duration),
            None => after(written_answer.or(written_start), talk),
        };
        let written_end = self.time(MappedField::EndedAt, end_hint)?;
        let outcome = self.outcome(written_answer.is_some(), talk, duration)?;
        let started = written_start.or_else(|| Some(written_end? - duration?));
        let written_answer = written_answer.filter(|_| outcome == Outcome::Answered);
        let rang = ring.unwrap_or_default();
        let ended = written_end
            .or_else(|| Some(started? + duration?))
            .or_else(|| Some(written_answer? + talk?))
            .or_else(|| Some(started? + rang + talk?));
        let answered = match outcome {
            Outcome::Answered => {
                written_answer.or_else(|| Some(ended? - talk?)).or_else(|| Some(started? + ring?)).or(started)
            }
            _ => None,
        };
        add_up("duration", started, duration, ended)?;
        if outcome == Outcome::Answered {
            add_up("ring", started, ring, answered)?;
            add_up("talk", answered, talk, ended)?;
        }
        Ok(Times { started, answered, ended, outcome })
    }

    fn outcome(&self, has_answer: bool, talk: Option<i64>, duration: Option<i64>) -> Result<Outcome, RecordError> {
        let places = self.places;
        if let Some(text) = self.text(MappedField::Outcome) {
            let known = self.mapping.outcomes.get(&text.to_lowercase()).copied().or(self.mapping.outcome_default);
            let rule = "is none of the mapping's [outcomes]: name it there, or set outcome_default";
            return known.ok_or(RecordError::of_field(Reason::BadOutcome, "outcome", text.len(), rule));
        }
        let talked =
            if places.of_field(MappedField::AnsweredAt).is_empty() && places.of_field(MappedField::Talk).is_empty() {
                duration
            } else {
                talk
            };
        let answered =
            places.of_field(MappedField::Outcome).is_empty() && (has_answer || talked.is_some_and(|ms| ms > 0));
        if answered {
            return Ok(Outcome::Answered);
        }
        let default = self.mapping.outcome_default;
        let missing = RecordError::of_field(Reason::MissingField, "outcome", 0, "is missing: it is required");
        if places.of_field(MappedField::Outcome).is_empty() {
            Ok(default.unwrap_or(Outcome::NoAnswer))
        } else {
            default.ok_or(missing)
        }
    }
}

struct Times {
    started: Option<i64>,
    answered: Option<i64>,
    ended: Option<i64>,
    outcome: Outcome,
}

fn add_up(field: &'static str, from: Option<i64>, lasts: Option<i64>, until: Option<i64>) -> Result<(), RecordError> {
    match (from, lasts, until) {
        (Some(from), Some(lasts), Some(until)) => durations::check(field, 0, lasts / 1000, from, until),
        _ => Ok(()),
    }
}

/// The places of the mapping's columns in a file.
struct Places {
    /// The header, plain; empty where there is none.
    names: Vec<String>,
    /// How many columns a row has at least.
    least: usize,
    of: [Vec<usize>; MappedField::COUNT],
}

impl Places {
    /// The places in a header of plain names; `None` if it has not each named column once.
    fn of(mapping: &Mapping, names: &[String]) -> Option<Self> {
        let mut places = Self { names: names.to_vec(), least: 0, of: Default::default() };
        for field in MappedField::ALL {
            for column in mapping.columns.of(field) {
                let place = match column {
                    Column::Place(place) => *place,
                    Column::Named(name) => once(names, &plain(name))?,
                };
                places.least = places.least.max(place + 1);
                places.of[field as usize].push(place);
            }
        }
        Some(places)
    }

    /// The places of a field.
    fn of_field(&self, field: MappedField) -> &[usize] {
        &self.of[field as usize]
    }

    /// Whether a row is the header again. Callers are looked at first: no number is the name of its column.
    fn is_header<'f>(&self, field: impl Fn(usize) -> &'f str) -> bool {
        let is_name = |place: usize| self.names.get(place).is_some_and(|name| plain(field(place)) == *name);
        let parties = self.of_field(MappedField::Caller).iter().chain(self.of_field(MappedField::Callee));
        !self.names.is_empty() && parties.copied().all(is_name) && (0..self.names.len()).all(is_name)
    }
}

fn once(names: &[String], wanted: &str) -> Option<usize> {
    let mut places = names.iter().enumerate().filter(|(_, name)| *name == wanted).map(|(place, _)| place);
    let place = places.next()?;
    places.next().is_none().then_some(place)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cdr::format_time;

    use super::*;

    fn read<'r>(mapping: &str, rows: impl IntoIterator<Item = &'r str>) -> Vec<Result<Option<Leg>, RecordError>> {
        let plan = NumberPlan::new("US").unwrap();
        let mapping = Arc::new(Mapping::parse(mapping).unwrap());
        let mut reader = MappedCsvReader::new(Site::new(&plan, "hq", "America/New_York").unwrap(), mapping);
        rows.into_iter().map(|row| reader.leg(row.as_bytes())).collect()
    }

    fn one(mapping: &str, rows: &[&str]) -> Result<Leg, RecordError> {
        read(mapping, rows.iter().copied()).pop().unwrap().map(Option::unwrap)
    }

    /// Columns by place: caller, callee, start, answer, end, ring, talk, duration.
    const PLACES: &str = "header = false\ntime_format = \"%F %T\"\n[columns]\ncaller = 1\ncallee = 2\nstarted_at = 3\n\
        answered_at = 4\nended_at = 5\nring = 6\ntalk = 7\nduration = 8\n";

    #[test]
    fn a_file_is_read_by_the_example() {
        let mapping = include_str!("../../../examples/mapping.toml");
        let file = include_str!("../testdata/mapped_csv/carrier.csv");
        insta::assert_snapshot!(crate::testing::told(read(mapping, file.lines()).into_iter()));
    }

    #[test]
    fn what_is_not_written_follows_from_what_is() {
        let whole = "2026-12-01T10:00:00.000Z 2026-12-01T10:00:10.000Z 2026-12-01T10:01:10.000Z";
        for rest in [
            "2026-12-01 05:00:00,2026-12-01 05:00:10,2026-12-01 05:01:10,10,60,70",
            "2026-12-01 05:00:00,2026-12-01 05:00:10,2026-12-01 05:01:10,,,",
            "2026-12-01 05:00:00,,2026-12-01 05:01:10,,60,",
            "2026-12-01 05:00:00,,,10,60,",
            "2026-12-01 05:00:00,,,,60,70",
            "2026-12-01 05:00:00,2026-12-01 05:00:10,,,60,",
            ",,2026-12-01 05:01:10,,60,70",
        ] {
            let call = one(PLACES, &[&format!("+12025550101,+12025550102,{rest}")]).unwrap().call;
            let times = [Some(call.started_at_ms), call.answered_at_ms, Some(call.ended_at_ms)];
            assert_eq!(times.map(|ms| format_time(ms.unwrap())).join(" "), whole, "{rest}");
        }
    }

    #[test]
    fn numbers_that_do_not_add_up_are_refused() {
        for (rest, field) in [
            ("2026-12-01 05:00:00,2026-12-01 05:00:10,2026-12-01 05:01:10,10,60,75", "duration"),
            ("2026-12-01 05:00:00,2026-12-01 05:00:10,2026-12-01 05:01:10,14,60,70", "ring"),
            ("2026-12-01 05:00:00,2026-12-01 05:00:10,2026-12-01 05:01:10,10,64,70", "talk"),
            ("2026-12-01 05:00:00,,2026-12-01 05:01:10,-5,60,70", "ring"),
        ] {
            let error = one(PLACES, &[&format!("+12025550101,+12025550102,{rest}")]).unwrap_err();
            assert_eq!((error.field, error.reason), (field, Reason::BadDuration), "{rest}");
        }
    }

    #[test]
    fn the_hour_that_comes_twice_is_the_one_that_fits_and_one_that_never_comes_is_refused() {
        let row = "+12025550101,+12025550102,2026-11-01 01:50:00,,2026-11-01 01:10:00,,,1200";
        let call = one(PLACES, &[row]).unwrap().call;
        assert_eq!(format_time(call.ended_at_ms), "2026-11-01T06:10:00.000Z");
        let error = one(PLACES, &["+12025550101,+12025550102,2026-03-08 02:10:00,,,,60,"]).unwrap_err();
        assert_eq!((error.field, error.reason), ("started_at", Reason::BadTime));
    }

    #[test]
    fn without_an_outcome_those_are_answered_that_were_talked_in() {
        for (rest, wanted) in [
            ("2026-12-01 05:00:00,,2026-12-01 05:00:20,,0,", Outcome::NoAnswer),
            ("2026-12-01 05:00:00,,2026-12-01 05:00:20,,5,", Outcome::Answered),
            ("2026-12-01 05:00:00,2026-12-01 05:00:20,2026-12-01 05:00:20,,0,", Outcome::Answered),
        ] {
            let call = one(PLACES, &[&format!("+12025550101,+12025550102,{rest}")]).unwrap().call;
            assert_eq!(call.outcome, wanted, "{rest}");
        }
        let mapping = "[columns]\ncaller = \"a\"\ncallee = \"b\"\nstarted_at = \"t\"\nduration = \"d\"\n";
        let mapping = format!("outcome_default = \"failed\"\n{mapping}");
        let outcome = |row| one(&mapping, &["a,b,t,d", row]).unwrap().call.outcome;
        assert_eq!(outcome("+12025550101,+12025550102,2026-12-01T10:00:00Z,7"), Outcome::Answered);
        assert_eq!(outcome("+12025550101,+12025550102,2026-12-01T10:00:00Z,0"), Outcome::Failed);
    }

    #[test]
    fn rows_with_the_same_link_are_legs_and_rows_without_an_id_are_named_by_their_bytes() {
        let mapping = "duration_unit = \"ms\"\ntime_format = \"epoch_ms\"\n[columns]\ncaller = \"a\"\ncallee = \"b\"\n\
            started_at = \"t\"\ntalk = \"d\"\nlink = [\"x\", \"y\"]\n[constants]\nchannel = \"sms\"\n";
        let row = "+12025550101,+12025550102,1796119200000,1500,s1,9";
        let leg = one(mapping, &["a,b,t,d,x,y", row]).unwrap();
        assert_eq!(leg.links, ["s1-9"]);
        assert_eq!((leg.call.channel, leg.call.talk_ms()), (Some(Channel::Sms), 1_500));
        assert_eq!(leg.call.call_id, one(mapping, &["a,b,t,d,x,y", row]).unwrap().call.call_id);
        assert!(leg.call.call_id.starts_with("row-"));
        assert!(
            one(mapping, &["a,b,t,d,x,y", "+12025550101,+12025550102,1796119200000,1500,,"])
                .unwrap()
                .links
                .is_empty()
        );
    }

    #[test]
    fn rows_of_another_shape_are_refused() {
        let mapping = "[columns]\ncaller = \"a\"\ncallee = \"b\"\nstarted_at = \"t\"\ntalk = \"d\"\n";
        for rows in [
            ["a,b,t,d", "+12025550101,+12025550102"],
            ["a,b,t,d", "+12025550101,+12025550102,2026-12-01T10:00:00Z,7,8"],
            ["a,b,t,d,d", "a,b,t,x"],
        ] {
            assert_eq!(one(mapping, &rows).unwrap_err().reason, Reason::Unparseable, "{rows:?}");
        }
        assert_eq!(one(PLACES, &["+12025550101,+12025550102"]).unwrap_err().reason, Reason::Unparseable);
    }
}
