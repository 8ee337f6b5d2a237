//! Which column of an Asterisk row is what.

use std::ops::RangeInclusive;

use crate::WrongColumns;
use crate::asterisk::{is_unique_id, outcome};
use crate::csv_columns::columns;
use crate::fields::Fields;
use crate::local_time::{Hint, moment};

/// The columns of Asterisk's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsteriskColumns(Order);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Order {
    /// Those of `cdr_csv`: how many a row has says which.
    CdrCsv,
    /// Those of `cdr_custom`, of which a row has this many.
    Given { places: Places, count: usize },
}

/// Where the columns that are used stand, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Places {
    pub src: usize,
    pub dst: usize,
    pub start: usize,
    pub channel: Option<usize>,
    pub answer: Option<usize>,
    pub end: Option<usize>,
    pub duration: Option<usize>,
    pub billsec: Option<usize>,
    pub disposition: Option<usize>,
    pub unique_id: Option<usize>,
    pub linked_id: Option<usize>,
    pub sequence: Option<usize>,
    /// The uniqueid may be the userfield.
    pub is_doubtful: bool,
    /// They are of `cdr_custom`, which can write times as seconds.
    pub are_given: bool,
}

/// How many columns `cdr_csv` writes.
pub(crate) const CDR_CSV_COLUMNS: RangeInclusive<usize> = 16..=21;

/// The order of `cdr_custom.conf.sample`.
const CUSTOM_SAMPLE: &str = "clid,src,dst,dcontext,channel,dstchannel,lastapp,lastdata,start,answer,end,duration,\
                             billsec,disposition,amaflags,accountcode,uniqueid,userfield,sequence";

impl AsteriskColumns {
    /// Those of `cdr_csv`.
    pub const CDR_CSV: Self = Self(Order::CdrCsv);

    /// Those that a user names, or that stand in a mapping of `cdr_custom.conf`.
    pub fn given(text: &str) -> Result<Self, WrongColumns> {
        let names = columns(text);
        let place = |name: &str| names.iter().position(|column| column == name);
        let required = |name| place(name).ok_or(WrongColumns::Missing(name, WANTED));
        let places = Places {
            src: required("src")?,
            dst: required("dst")?,
            start: required("start")?,
            disposition: Some(required("disposition")?),
            channel: place("channel"),
            answer: place("answer"),
            end: place("end"),
            duration: place("duration"),
            billsec: place("billsec"),
            unique_id: place("uniqueid"),
            linked_id: place("linkedid"),
            sequence: place("sequence"),
            is_doubtful: false,
            are_given: true,
        };
        if places.end.or(places.duration).is_none() {
            return Err(WrongColumns::Missing("end", WANTED));
        }
        if places.answer.or(places.billsec).is_none() {
            return Err(WrongColumns::Missing("answer", WANTED));
        }
        Ok(Self(Order::Given { places, count: names.len() }))
    }

    /// What the first rows of a file look like; `None` if like neither `cdr_csv` nor the sample of `cdr_custom`.
    pub fn detect(rows: &[&[u8]]) -> Option<Self> {
        let sample = Self::given(CUSTOM_SAMPLE).ok()?;
        let mut fields = Fields::new(b',');
        let mut fits = |columns: &Self| rows.iter().any(|row| fields.split(row) && columns.fit(&fields));
        if fits(&Self::CDR_CSV) {
            return Some(Self::CDR_CSV);
        }
        fits(&sample).then_some(sample)
    }

    /// The places in a row of so many fields, or what is wrong with their number.
    pub(crate) fn places(&self, fields: usize) -> Result<Places, &'static str> {
        match &self.0 {
            Order::CdrCsv if CDR_CSV_COLUMNS.contains(&fields) => Ok(cdr_csv(fields)),
            Order::CdrCsv => Err("has the wrong number of columns: wants the 16 to 21 of Asterisk's cdr_csv"),
            Order::Given { places, count } if *count == fields => Ok(*places),
            Order::Given { .. } => Err("has another number of columns than the order that was given or found"),
        }
    }

    /// Whether a row has a time where the start is, and a disposition; of a sample also its unique id.
    fn fit(&self, fields: &Fields) -> bool {
        let Ok(places) = self.places(fields.len()) else { return false };
        let at = |place: Option<usize>| place.map_or("", |place| fields.get(place));
        // Any zone does: only the form is looked at.
        let utc = jiff::tz::TimeZone::UTC;
        let is_time = matches!(moment(&utc, "start", at(Some(places.start)), Hint::NONE), Ok(Some(_)));
        is_time
            && outcome(at(places.disposition)).is_ok()
            && (!places.are_given || is_unique_id(at(places.unique_id)))
    }
}

const WANTED: &str = "src, dst, start, disposition, end or duration, answer or billsec";

const fn cdr_csv(fields: usize) -> Places {
    let has_linked = fields >= 19;
    Places {
        src: 1,
        dst: 2,
        channel: Some(5),
        start: 9,
        answer: Some(10),
        end: Some(11),
        duration: Some(12),
        billsec: Some(13),
        disposition: Some(14),
        unique_id: match fields {
            17 | 18 | 20 | 21 => Some(16),
            _ => None,
        },
        linked_id: if has_linked { Some(fields - 2) } else { None },
        sequence: if has_linked { Some(fields - 1) } else { None },
        is_doubtful: matches!(fields, 17 | 20),
        are_given: false,
    }
}
