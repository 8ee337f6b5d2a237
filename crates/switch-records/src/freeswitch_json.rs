//! FreeSWITCH's `mod_json_cdr`: an object a leg, as `switch_ivr_generate_json_cdr` makes it.
//!
//! Used are `variables` and, of the first item of `callflow`, which is the last that the leg went through,
//! `caller_profile`: it has the numbers. Old releases write `callflow` as an object, and once for each item. Values are
//! URL-encoded where `encode-values` is on, as it is by default. What is made of them: [`crate::freeswitch`].

use std::borrow::Cow;
use std::fmt;

use cdr::{Reason, RecordError};
use percent_encoding::percent_decode_str;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::freeswitch::{Values, Variable};
use crate::row_hash::row_hash;
use crate::{Leg, LegReader, Site};

/// Reads objects of `mod_json_cdr`.
pub struct FreeswitchJsonReader<'p> {
    site: Site<'p>,
}

impl<'p> FreeswitchJsonReader<'p> {
    /// A reader for legs of a site.
    pub fn new(site: Site<'p>) -> Self {
        Self { site }
    }

    /// Whether an object looks like one of `mod_json_cdr`.
    pub fn recognises(object: &[u8]) -> bool {
        serde_json::from_slice::<Document<'_>>(object).is_ok_and(|document| document.is_leg())
    }
}

impl LegReader for FreeswitchJsonReader<'_> {
    fn leg(&mut self, row: &[u8]) -> Result<Option<Leg>, RecordError> {
        let document: Document<'_> = serde_json::from_slice(row).map_err(|_| {
            RecordError::of_record(Reason::Unparseable, row.len(), "is no JSON object that can be read to its end")
        })?;
        if !document.is_leg() {
            let rule = "is no object of mod_json_cdr: wants variables and callflow";
            return Err(RecordError::of_record(Reason::Unparseable, row.len(), rule));
        }
        document.values.leg(&self.site, || row_hash(row)).map(Some)
    }
}

/// The name of a part that is used; empty of any other. Objects have hundreds of names, which are not kept.
struct Part(&'static str);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn known(name: &str) -> Part {
            Part(
                ["variables", "callflow", "caller_profile"]
                    .into_iter()
                    .find(|part| *part == name)
                    .unwrap_or_default(),
            )
        }

        deserializer.deserialize_identifier(NameVisitor(known))
    }
}

/// The name of a variable, where it is used.
struct Name(Option<Variable>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(NameVisitor(|name| Name(Variable::of(name))))
    }
}

struct NameVisitor<T>(fn(&str) -> T);

impl<T> Visitor<'_> for NameVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        Ok((self.0)(name))
    }
}

/// What is used of an object.
struct Document<'v> {
    values: Values<'v>,
    has_variables: bool,
    has_callflow: bool,
}

impl Document<'_> {
    const fn is_leg(&self) -> bool {
        self.has_variables && self.has_callflow
    }
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut document = Document { values: Values::new(), has_variables: false, has_callflow: false };
        let mut profile = None;
        while let Some(Part(part)) = map.next_key()? {
            match part {
                "variables" => {
                    document.has_variables = true;
                    take(&mut document.values, map.next_value::<Found<'de>>()?);
                }
                // Of several the first is the last that the leg went through.
                "callflow" if profile.is_none() => {
                    document.has_callflow = true;
                    profile = map.next_value::<Flow<'de>>()?.0;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if let Some(profile) = profile {
            take(&mut document.values, profile);
        }
        Ok(document)
    }
}

fn take<'v>(values: &mut Values<'v>, found: Found<'v>) {
    for (variable, text) in found.0 {
        values.set(variable, decoded(text));
    }
}

/// A value without its URL encoding. `%` stands in no value that is used.
fn decoded(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains('%') {
        return text;
    }
    match percent_decode_str(&text).decode_utf8() {
        Ok(decoded) => Cow::Owned(decoded.into_owned()),
        Err(_) => text,
    }
}

/// The variables of an object that are used.
#[derive(Default)]
struct Found<'v>(Vec<(Variable, Cow<'v, str>)>);

impl<'de> Deserialize<'de> for Found<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FoundVisitor;

        impl<'de> Visitor<'de> for FoundVisitor {
            type Value = Found<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut found = Found::default();
                while let Some(Name(variable)) = map.next_key()? {
                    match variable {
                        Some(variable) => {
                            if let Some(text) = map.next_value::<Loose<'de>>()?.0 {
                                found.0.push((variable, text));
                            }
                        }
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(found)
            }
        }

        deserializer.deserialize_map(FoundVisitor)
    }
}

/// The caller profile of the first item of a callflow.
struct Flow<'v>(Option<Found<'v>>);

impl<'de> Deserialize<'de> for Flow<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlowVisitor;

        impl<'de> Visitor<'de> for FlowVisitor {
            type Value = Flow<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or a list of them")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Self::Value, S::Error> {
                let first = items.next_element::<Flow<'de>>()?;
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(first.unwrap_or(Flow(None)))
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut profile = None;
                while let Some(Part(part)) = map.next_key()? {
                    if part == "caller_profile" {
                        profile = Some(map.next_value::<Found<'de>>()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Flow(profile))
            }
        }

        deserializer.deserialize_any(FlowVisitor)
    }
}

/// A text or a number as its text; `None` of all else, such as a variable that is a list.
struct Loose<'v>(Option<Cow<'v, str>>);

impl<'de> Deserialize<'de> for Loose<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LooseVisitor;

        impl<'de> Visitor<'de> for LooseVisitor {
            type Value = Loose<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Loose(Some(Cow::Borrowed(text))))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Loose(Some(Cow::Owned(text.to_owned()))))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Loose(Some(Cow::Owned(number.to_string()))))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Loose(Some(Cow::Owned(number.to_string()))))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Loose(None))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Loose(None))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Loose(None))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Self::Value, S::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Loose(None))
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose(None))
            }
        }

        deserializer.deserialize_any(LooseVisitor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cdr::NumberPlan;

    use super::*;

    fn read(objects: &[&str]) -> Vec<Result<Option<Leg>, RecordError>> {
        let plan = NumberPlan::new("US").unwrap();
        let mut reader = FreeswitchJsonReader::new(Site::new(&plan, "hq", "UTC").unwrap());
        objects.iter().map(|object| reader.leg(object.as_bytes())).collect()
    }

    #[test]
    fn legs_are_read_encoded_or_not_and_of_old_releases() {
        let file = include_str!("../testdata/freeswitch_json/legs.json");
        let mut objects: Vec<&str> = file.lines().take(3).collect();
        objects.push(file.splitn(4, '\n').nth(3).unwrap());
        assert!(objects.iter().all(|object| FreeswitchJsonReader::recognises(object.as_bytes())));
        insta::assert_snapshot!(crate::testing::told(read(&objects).into_iter()));
    }

    #[test]
    fn what_is_no_leg_is_refused() {
        let bad =
            read(&["{}", "{\"variables\":{},\"callflow\":[]}", "{\"variables\":1,\"callflow\":[]}", "{\"a\"", "[1]"]);
        let reasons: Vec<_> = bad.into_iter().map(|leg| leg.map_err(|error| error.reason).unwrap_err()).collect();
        assert_eq!(reasons[1], Reason::MissingField);
        assert!(
            reasons.iter().enumerate().all(|(at, reason)| at == 1 || *reason == Reason::Unparseable),
            "{reasons:?}"
        );
        assert!(!FreeswitchJsonReader::recognises(b"{\"call_id\":\"a\"}"));
    }
}
