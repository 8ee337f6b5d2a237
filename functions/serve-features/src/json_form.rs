//! What is wrong with the JSON of a request, said by the schema. The parser that reads requests repeats what was sent
//! and does not name the field; here only names and types of the `.proto` files are said, and places.

use std::fmt::Write as _;
use std::sync::LazyLock;

use buffa_descriptor::{DescriptorPool, FieldKind, MessageDescriptor, ScalarType, SingularKind};
use serde_json::Value;
use serde_json::error::Category;

/// `None` if the embedded descriptors cannot be read: the service would not have started.
static POOL: LazyLock<Option<DescriptorPool>> = LazyLock::new(|| DescriptorPool::decode(proto::DESCRIPTORS).ok());

/// The first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It is no JSON: what the parser wants, and where.
    Syntax(String),
    /// A field has a value that is not of its type.
    Field {
        /// The field of the request, as the schema names it; empty for the request itself.
        name: String,
        /// Where in it, such as `entities[3].level`.
        path: String,
        /// What it must be.
        expected: String,
    },
}

/// What is wrong with the request of a method such as `/tollwatch.v1.FeatureService/GetFeatures`; `None` if nothing is
/// found.
pub(crate) fn wrong(method: &str, json: &[u8]) -> Option<Wrong> {
    let pool = POOL.as_ref()?;
    let (service, method) = method.strip_prefix('/')?.split_once('/')?;
    let input = pool.message(pool.service_by_name(service)?.method(method)?.input());
    let value: Value = match serde_json::from_slice(json) {
        Ok(value) => value,
        // Without a type to read into, what the parser says is its own, and two numbers.
        Err(error) if matches!(error.classify(), Category::Syntax | Category::Eof) => {
            return Some(Wrong::Syntax(error.to_string()));
        }
        Err(_) => return None,
    };
    let (path, expected) = in_message(pool, input, &value, "")?;
    let name = path.split(['.', '[']).next().unwrap_or_default().to_owned();
    Some(Wrong::Field { name, path, expected })
}

/// The path and what is wanted there. Fields that the schema does not know are ignored, as the parser does.
fn in_message(
    pool: &DescriptorPool,
    message: &MessageDescriptor,
    value: &Value,
    path: &str,
) -> Option<(String, String)> {
    let Value::Object(object) = value else {
        return Some((path.to_owned(), "an object in braces".to_owned()));
    };
    message.fields().iter().find_map(|field| {
        let value = object.get(field.json_name()).or_else(|| object.get(field.name()))?;
        let path = if path.is_empty() { field.name().to_owned() } else { format!("{path}.{}", field.name()) };
        match (field.kind(), value) {
            (_, Value::Null) => None,
            (FieldKind::Singular(kind), value) => in_value(pool, kind, value, path),
            (FieldKind::List(kind), Value::Array(values)) => {
                let mut values = values.iter().enumerate();
                values.find_map(|(index, value)| in_value(pool, kind, value, format!("{path}[{index}]")))
            }
            (FieldKind::List(kind), _) => Some((path, format!("a list in brackets, each {}", expected(pool, kind)))),
            _ => None,
        }
    })
}

fn in_value(pool: &DescriptorPool, kind: SingularKind, value: &Value, path: String) -> Option<(String, String)> {
    let is_right = match kind {
        SingularKind::Scalar(ScalarType::String) => value.is_string(),
        SingularKind::Scalar(ScalarType::Bool) => value.is_boolean(),
        // Of these the schema's names are not all there is to say; requests have none.
        SingularKind::Scalar(_) => true,
        SingularKind::Enum(index) => match value {
            Value::String(name) => pool.enumeration(index).value_by_name(name).is_some(),
            Value::Number(number) => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            _ => false,
        },
        SingularKind::Message(index) => match pool.message(index).full_name() {
            TIMESTAMP => serde_json::from_value::<proto::Timestamp>(value.clone()).is_ok(),
            _ => return in_message(pool, pool.message(index), value, &path),
        },
    };
    if is_right { None } else { Some((path, expected(pool, kind))) }
}

const TIMESTAMP: &str = "google.protobuf.Timestamp";

fn expected(pool: &DescriptorPool, kind: SingularKind) -> String {
    match kind {
        SingularKind::Scalar(ScalarType::String) => "a string in quotes".to_owned(),
        SingularKind::Scalar(ScalarType::Bool) => "true or false".to_owned(),
        SingularKind::Scalar(_) => "a number".to_owned(),
        SingularKind::Enum(index) => {
            let mut text = "one of".to_owned();
            for (n, value) in pool.enumeration(index).values().iter().enumerate() {
                // Writing to a string does not fail.
                let _ = write!(text, "{} {}", if n == 0 { "" } else { "," }, value.name());
            }
            text
        }
        SingularKind::Message(index) if pool.message(index).full_name() == TIMESTAMP => {
            "a moment as RFC 3339 has it, with a zone, such as 2026-11-21T10:00:00Z".to_owned()
        }
        SingularKind::Message(_) => "an object in braces".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GET: &str = "/tollwatch.v1.FeatureService/GetFeatures";
    const BATCH: &str = "/tollwatch.v1.FeatureService/BatchGetFeatures";

    // As `wrong` returns it.
    #[allow(clippy::unnecessary_wraps)]
    fn field(name: &str, path: &str, expected: &str) -> Option<Wrong> {
        Some(Wrong::Field { name: name.to_owned(), path: path.to_owned(), expected: expected.to_owned() })
    }

    #[test]
    fn the_field_and_what_it_must_be_are_named() {
        let level = "one of LEVEL_UNSPECIFIED, LEVEL_PHONE, LEVEL_PREFIX, LEVEL_RANGE";
        let moment = "a moment as RFC 3339 has it, with a zone, such as 2026-11-21T10:00:00Z";
        let string = "a string in quotes";
        for (json, expected) in [
            (r#"{"number":"+1202","level":"prefix"}"#, field("level", "level", level)),
            (r#"{"level":true}"#, field("level", "level", level)),
            (r#"{"level":9999999999}"#, field("level", "level", level)),
            (r#"{"asOf":"2026-11-20"}"#, field("as_of", "as_of", moment)),
            (r#"{"as_of":5}"#, field("as_of", "as_of", moment)),
            (r#"{"features":"calls"}"#, field("features", "features", "a list in brackets, each a string in quotes")),
            (r#"{"features":["calls",7]}"#, field("features", "features[1]", string)),
            (r#"{"moreLevels":["range"]}"#, field("more_levels", "more_levels[0]", level)),
            (r#"{"number":1202}"#, field("number", "number", string)),
            ("[1202]", field("", "", "an object in braces")),
            (r#"{"number":null,"level":2,"asOf":"2026-11-20T10:00:00Z","none":1202}"#, None),
        ] {
            assert_eq!(wrong(GET, json.as_bytes()), expected, "{json}");
        }
        let json = br#"{"entities":[{"number":"+1202"},{"party":"caller"}]}"#;
        let party = "one of PARTY_UNSPECIFIED, PARTY_CALLER, PARTY_CALLEE";
        assert_eq!(wrong(BATCH, json), field("entities", "entities[1].party", party));
        let json = br#"{"entities":["+1202"]}"#;
        assert_eq!(wrong(BATCH, json), field("entities", "entities[0]", "an object in braces"));
        assert_eq!(wrong("/FeatureService/GetFeatures", br#"{"userId":7}"#), field("user_id", "user_id", string));
        for unknown in ["", "/", "/a/b", "/tollwatch.v1.FeatureService/Nothing"] {
            assert_eq!(wrong(unknown, b"{"), None);
        }
    }

    #[test]
    fn what_is_no_json_is_placed_without_repeating_it() {
        for (json, expected) in [
            (r#"{"number":"+12025550101""#, "EOF while parsing an object at line 1 column 24"),
            (r#"{"number" "+12025550101"}"#, "expected `:` at line 1 column 11"),
            (r#"{"number":12025550101x}"#, "expected `,` or `}` at line 1 column 22"),
            ("{number:12025550101}", "key must be a string at line 1 column 2"),
            ("", "EOF while parsing a value at line 1 column 0"),
        ] {
            assert_eq!(wrong(GET, json.as_bytes()), Some(Wrong::Syntax(expected.to_owned())), "{json}");
        }
    }

    /// Whatever is sent, at whatever place.
    #[test]
    fn nothing_that_was_sent_is_said() {
        let secrets =
            ["\"+12025550101\"", "12025550101", "[12025550101]", "{\"+12025550101\":12025550101}", "1.2025550101e9"];
        for secret in secrets {
            for name in ["number", "party", "level", "asOf", "features", "moreLevels", "+12025550101", "entities"] {
                for json in [
                    format!("{{\"{name}\":{secret}}}"),
                    format!("{{\"{name}\":[{secret}]}}"),
                    format!("{{\"entities\":[{{\"{name}\":{secret}}}]}}"),
                    format!("{{\"{name}\":{secret}"),
                    format!("{{\"{name}\":{secret}{secret}}}"),
                    format!("{{{secret}:{secret}}}"),
                ] {
                    for method in [GET, BATCH] {
                        let said = format!("{:?}", wrong(method, json.as_bytes()));
                        assert!(!said.contains("2025550101"), "{json}: {said}");
                    }
                }
            }
        }
    }
}
