//! Twilio's Call resources as the REST API and its bulk exports write them: an object a call.

use cdr::{Reason, RecordError};
use serde::Deserialize;

use crate::json_text::JsonText;
use crate::twilio::{Resource, leg, moment};
use crate::{CannotRead, Leg, LegReader, Legs, Site};

/// Reads Call resources; what is made of them, `twilio.rs` says. A page of the REST API (`{"calls": [...]}`) is
/// refused: `jq -c '.calls[]'` makes objects of it.
pub struct TwilioJsonReader<'p> {
    site: Site<'p>,
    legs: Legs,
}

impl<'p> TwilioJsonReader<'p> {
    /// A reader for calls of a site; its zone is not used, since these times name theirs.
    pub const fn new(site: Site<'p>, legs: Legs) -> Self {
        Self { site, legs }
    }

    /// A reader for a file that begins with these objects.
    pub(crate) fn open(site: Site<'p>, legs: Legs, objects: &[&[u8]]) -> Result<Self, CannotRead> {
        let refuse = |found: &str, wanted| Err(CannotRead::Rows { found: found.to_owned(), wanted });
        match objects.iter().find_map(|object| read(object).ok()) {
            Some(object) if object.calls.is_some() => {
                refuse("is a page of Twilio's REST API", "an object a call (jq -c '.calls[]' makes that of it)")
            }
            Some(object) if object.sid.get().is_some() => Ok(Self::new(site, legs)),
            _ => refuse(
                "has no Call resource of Twilio's among its first objects",
                "objects with sid, from, to and status",
            ),
        }
    }

    /// Whether an object looks like a Call resource, or like a page of them.
    pub fn recognises(object: &[u8]) -> bool {
        read(object).is_ok_and(|object| {
            let has_sid = object.sid.get().is_some_and(|sid| sid.starts_with("CA"));
            object.calls.is_some() || has_sid && object.status.get().is_some()
        })
    }
}

impl LegReader for TwilioJsonReader<'_> {
    fn leg(&mut self, row: &[u8]) -> Result<Option<Leg>, RecordError> {
        let object = read(row)?;
        if object.calls.is_some() {
            let rule = "is a page of calls, not a call: make one object a call of it with jq -c '.calls[]'";
            return Err(RecordError::of_record(Reason::Unparseable, row.len(), rule));
        }
        let call = Resource {
            sid: object.sid.get(),
            parent_sid: object.parent_call_sid.get(),
            from: object.from.get(),
            to: object.to.get(),
            status: object.status.get(),
            created: object.date_created.get(),
            start: object.start_time.get(),
            end: object.end_time.get(),
            duration: object.duration.get(),
            price: object.price.get(),
            price_unit: object.price_unit.get(),
        };
        leg(&self.site, self.legs, &call, moment).map(Some)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object<'a> {
    #[serde(borrow)]
    sid: JsonText<'a>,
    #[serde(borrow)]
    parent_call_sid: JsonText<'a>,
    #[serde(borrow)]
    from: JsonText<'a>,
    #[serde(borrow)]
    to: JsonText<'a>,
    #[serde(borrow)]
    status: JsonText<'a>,
    #[serde(borrow)]
    date_created: JsonText<'a>,
    #[serde(borrow)]
    start_time: JsonText<'a>,
    #[serde(borrow)]
    end_time: JsonText<'a>,
    #[serde(borrow)]
    duration: JsonText<'a>,
    #[serde(borrow)]
    price: JsonText<'a>,
    #[serde(borrow)]
    price_unit: JsonText<'a>,
    /// The calls of a page.
    calls: Option<serde::de::IgnoredAny>,
}

fn read(row: &[u8]) -> Result<Object<'_>, RecordError> {
    // An array would be taken for the properties in their order.
    if row.trim_ascii_start().first() != Some(&b'{') {
        return Err(RecordError::of_record(Reason::Unparseable, row.len(), "is no JSON object"));
    }
    serde_json::from_slice(row).map_err(|error| unreadable(row, &error))
}

/// The parser's own message may quote a value, so that its kind is all that is told.
fn unreadable(row: &[u8], error: &serde_json::Error) -> RecordError {
    let (reason, rule) = match error.classify() {
        serde_json::error::Category::Data => (
            Reason::WrongType,
            "is no Call resource of Twilio: a property is given twice, or is neither text nor number",
        ),
        _ => (Reason::Unparseable, "is no JSON object"),
    };
    // Columns are bytes from 1; a row that spans lines is not counted.
    let at = (error.line() == 1).then(|| error.column());
    RecordError { at, ..RecordError::of_record(reason, row.len(), rule) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cdr::NumberPlan;

    use super::*;

    fn read(row: &str) -> Result<Leg, RecordError> {
        let plan = NumberPlan::new("US").unwrap();
        let mut reader = TwilioJsonReader::new(Site::new(&plan, "tw", "UTC").unwrap(), Legs::Merged);
        reader.leg(row.as_bytes()).map(Option::unwrap)
    }

    #[test]
    fn calls_of_the_rest_api_are_read() {
        let plan = NumberPlan::new("US").unwrap();
        let mut reader = TwilioJsonReader::new(Site::new(&plan, "tw", "UTC").unwrap(), Legs::Merged);
        let file = include_str!("../testdata/twilio_json/calls.jsonl");
        insta::assert_snapshot!(crate::testing::told(file.lines().map(|line| reader.leg(line.as_bytes()))));
    }

    #[test]
    fn a_page_is_refused_with_what_to_do() {
        let page = r#"{"first_page_uri": "/x", "calls": [{"sid": "CA1"}], "page_size": 50}"#;
        let error = read(page).unwrap_err();
        assert_eq!(error.reason, Reason::Unparseable);
        assert!(error.rule.contains("jq -c '.calls[]'"), "{error}");
        assert!(TwilioJsonReader::recognises(page.as_bytes()));
    }

    #[test]
    fn what_is_no_object_of_texts_is_refused() {
        for (row, reason) in [
            ("", Reason::Unparseable),
            ("{\"sid\": ", Reason::Unparseable),
            ("[1, 2]", Reason::Unparseable),
            ("{\"sid\": {}}", Reason::WrongType),
            ("{\"sid\": \"CA1\", \"sid\": \"CA2\"}", Reason::WrongType),
            ("{\"sid\": true}", Reason::WrongType),
            ("{}", Reason::MissingField),
        ] {
            assert_eq!(read(row).unwrap_err().reason, reason, "{row}");
        }
    }

    #[test]
    fn only_calls_are_recognised() {
        let call = r#"{"sid": "CA00000000000000000000000000000001", "status": "busy"}"#;
        assert!(TwilioJsonReader::recognises(call.as_bytes()));
        for other in [
            r#"{"sid": "SM00000000000000000000000000000001", "status": "sent"}"#,
            r#"{"call_id": "1", "caller": "+12025550101"}"#,
            r#"{"variables": {"uuid": "1"}}"#,
            "[]",
            "{",
        ] {
            assert!(!TwilioJsonReader::recognises(other.as_bytes()), "{other}");
        }
    }
}
