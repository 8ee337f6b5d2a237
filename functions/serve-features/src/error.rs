//! Why a request is not answered, and what the caller is told: the one place that maps to RPC statuses.

use cdr::NumberKind;
use connectrpc::{ConnectError, ErrorCode, ErrorDetail};
use features::{Level, Party};
use http::{HeaderMap, HeaderValue, header};
use proto::v1::FeatureError;

use crate::json_form::Wrong;

/// The rule that a request breaks. Asking again does not help. Values are not repeated: numbers are personal
/// data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The bytes are no message of the method.
    #[error(
        "the request cannot be read{place}: it is cut or is no message of this method, or a field has a value of \
         another type than its own; feature_service.proto has the fields"
    )]
    Unreadable {
        /// As what it was read, and where it went wrong, where that is known.
        place: String,
    },
    /// The bytes are no JSON.
    #[error("the request is no JSON: {place}")]
    NoJson {
        /// What is wanted and where, as the parser says it.
        place: String,
    },
    /// A field has a value of another type than its own.
    #[error("{path} must be {expected}")]
    FieldUnreadable {
        /// The field of the request.
        name: String,
        /// Where it is, for people.
        path: String,
        /// What it must be.
        expected: String,
    },
    /// The number is empty.
    #[error("number is empty: give a number such as +12025550101, or a prefix or range with its level")]
    NumberMissing,
    /// The number plan does not know the number.
    #[error("number of {length} bytes: {rule}")]
    NumberInvalid {
        /// Bytes of the text.
        length: usize,
        /// The rule it breaks, as the number plan says it.
        rule: String,
    },
    /// The number is withheld.
    #[error("number is anonymous: withheld numbers have no features of their own")]
    NumberAnonymous,
    /// Only E.164 numbers have prefixes and ranges.
    #[error(
        "number of {length} bytes is of kind {} and has no {}: only numbers that begin with + have one",
        .kind.as_str(), .level.as_str()
    )]
    NoSuchLevel {
        /// Bytes of the text.
        length: usize,
        /// What the number is.
        kind: NumberKind,
        /// What was asked for.
        level: Level,
    },
    /// The text is neither a number nor a prefix or range.
    #[error(
        "number of {length} bytes is no {}: give a whole number, or + and 1 to 15 digits", .level.as_str()
    )]
    KeyInvalid {
        /// Bytes of the text.
        length: usize,
        /// What was asked for.
        level: Level,
    },
    /// The text could be a number, of which the range is made, and could be a range.
    #[error(
        "number of {length} bytes could be a number or a {level}: write {level}: before it if it is one; otherwise take \
         the last digits off the number and do the same", level = .level.as_str()
    )]
    KeyAmbiguous {
        /// Bytes of the text.
        length: usize,
        /// What was asked for.
        level: Level,
    },
    /// The text names one level, the field another.
    #[error("number begins with {}: but level is {}: leave one of them out", .text.as_str(), .field.as_str())]
    LevelTwice {
        /// The level that the text begins with.
        text: Level,
        /// The level of the field.
        field: Level,
    },
    /// A further level is unspecified.
    #[error("more_levels[{index}] is unspecified: name a level")]
    LevelUnnamed {
        /// Its place in the list.
        index: usize,
    },
    /// A further level is asked for twice.
    #[error("more_levels[{index}] is {} again: name each level once, and not that of the request", .level.as_str())]
    LevelRepeated {
        /// Its place in the list.
        index: usize,
        /// The level.
        level: Level,
    },
    /// An enum value that this version does not know.
    #[error("{field} is {value}, which is not known: use a name of the enum")]
    EnumUnknown {
        /// The field's name.
        field: &'static str,
        /// The number sent.
        value: i32,
    },
    /// The timestamp is not one.
    #[error("as_of is no moment: seconds must lie in the years 1970 to 9999 and nanos in 0 to 999,999,999")]
    AsOfInvalid,
    /// The moment is in the future.
    #[error("as_of is {} ahead of the service's clock: leave it out to ask for now", length_text(*.ahead_ms))]
    AsOfFuture {
        /// How far ahead, in milliseconds.
        ahead_ms: i64,
    },
    /// A feature that does not exist.
    #[error("features[{index}], {length} bytes, is no feature{}: ListFeatures has them all", did_you_mean(.nearest))]
    FeatureUnknown {
        /// Its place in the list.
        index: usize,
        /// Bytes of the name.
        length: usize,
        /// The features whose names are nearest, best first.
        nearest: Vec<String>,
    },
    /// A feature that exists, but not for this party and level.
    #[error("feature {name} is not computed for {}{}: {}", party_text(*.party), .level.as_str(), offers_text(.offers))]
    FeatureElsewhere {
        /// The feature's name or id, from the definitions.
        name: String,
        /// The party asked for; `None` is both.
        party: Option<Party>,
        /// The level asked for.
        level: Level,
        /// Where it is computed.
        offers: Vec<(Party, Level)>,
    },
    /// A series of a feature that does not exist.
    #[error(
        "feature of {length} bytes is no name of a feature{}: give one as ListFeatures has it, without a window",
        did_you_mean(.nearest)
    )]
    SeriesUnknown {
        /// Bytes of the name.
        length: usize,
        /// The names that are nearest, best first.
        nearest: Vec<String>,
    },
    /// A series of a feature that exists, but not for this party and level.
    #[error("feature {name} is not computed for {}{}: {}", party_text(*.party), .level.as_str(), offers_text(.offers))]
    SeriesElsewhere {
        /// The feature's name, from the definitions.
        name: String,
        /// The party asked for; `None` is both.
        party: Option<Party>,
        /// The level asked for.
        level: Level,
        /// Where it is computed.
        offers: Vec<(Party, Level)>,
    },
    /// A series of no feature in particular, where the definitions count no calls.
    #[error(
        "feature is empty, and the definitions have no plain count of calls for {}{}: name a feature",
        party_text(*.party), .level.as_str()
    )]
    SeriesUnnamed {
        /// The party asked for; `None` is both.
        party: Option<Party>,
        /// The level asked for.
        level: Level,
    },
    /// Too many features were named.
    #[error("features has {count} names: at most {max} may be asked for, and leaving them out asks for all")]
    TooManyFeatures {
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A batch asks for nobody.
    #[error("entities is empty: name 1 to {max} of them")]
    NoEntities {
        /// The limit.
        max: usize,
    },
    /// A batch asks for too many.
    #[error("entities has {count} entries: at most {max} may be asked for at once")]
    TooManyEntities {
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A batch asks for more values than a response should hold.
    #[error(
        "the response would hold {count} values: at most {max} are answered at once; name features, or ask for \
         fewer entities"
    )]
    TooManyValues {
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
}

impl RequestError {
    /// The stable name of the rule, for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::NoJson { .. } | Self::FieldUnreadable { .. } => "request_unreadable",
            Self::NumberMissing => "number_missing",
            Self::NumberInvalid { .. } => "number_invalid",
            Self::NumberAnonymous => "number_anonymous",
            Self::NoSuchLevel { .. } => "number_has_no_such_level",
            Self::KeyInvalid { .. } => "number_no_key",
            Self::KeyAmbiguous { .. } => "number_or_range",
            Self::LevelTwice { .. } => "level_twice",
            Self::LevelUnnamed { .. } => "level_unnamed",
            Self::LevelRepeated { .. } => "level_repeated",
            Self::EnumUnknown { .. } => "enum_unknown",
            Self::AsOfInvalid => "as_of_invalid",
            Self::AsOfFuture { .. } => "as_of_future",
            Self::FeatureUnknown { .. } | Self::SeriesUnknown { .. } => "feature_unknown",
            Self::SeriesUnnamed { .. } => "feature_missing",
            Self::FeatureElsewhere { .. } | Self::SeriesElsewhere { .. } => "feature_not_for_entity",
            Self::TooManyFeatures { .. } => "features_too_many",
            Self::NoEntities { .. } => "entities_missing",
            Self::TooManyEntities { .. } => "entities_too_many",
            Self::TooManyValues { .. } => "values_too_many",
        }
    }

    /// The request field, and the bytes or entries of its value where they matter.
    pub const fn field(&self) -> (&str, usize) {
        match self {
            Self::Unreadable { .. } | Self::NoJson { .. } => ("", 0),
            Self::FieldUnreadable { name, .. } => (name.as_str(), 0),
            Self::NumberMissing => ("number", 0),
            Self::NumberInvalid { length, .. }
            | Self::KeyAmbiguous { length, .. }
            | Self::NoSuchLevel { length, .. }
            | Self::KeyInvalid { length, .. } => ("number", *length),
            Self::NumberAnonymous => ("number", "anonymous".len()),
            Self::LevelTwice { .. } => ("level", 0),
            Self::LevelUnnamed { .. } | Self::LevelRepeated { .. } => ("more_levels", 0),
            Self::EnumUnknown { field, .. } => (field, 0),
            Self::AsOfInvalid | Self::AsOfFuture { .. } => ("as_of", 0),
            Self::FeatureUnknown { length, .. } => ("features", *length),
            Self::FeatureElsewhere { name, .. } => ("features", name.len()),
            Self::SeriesUnknown { length, .. } => ("feature", *length),
            Self::SeriesElsewhere { name, .. } => ("feature", name.len()),
            Self::SeriesUnnamed { .. } => ("feature", 0),
            Self::TooManyFeatures { count, .. } => ("features", *count),
            Self::NoEntities { .. } => ("entities", 0),
            Self::TooManyEntities { count, .. } | Self::TooManyValues { count, .. } => ("entities", *count),
        }
    }
}

impl RequestError {
    /// What the library says of a request that it cannot read, without what was in it: parsers of JSON repeat values,
    /// and numbers are personal data. `wrong` says what it is, if it can. `None` if the error is another.
    pub(crate) fn of_unreadable(error: &ConnectError, wrong: impl FnOnce() -> Option<Wrong>) -> Option<Self> {
        let said = error.message.as_deref()?.strip_prefix(CANNOT_READ)?;
        if error.code != ErrorCode::InvalidArgument || !error.details.is_empty() {
            return None;
        }
        match wrong() {
            Some(Wrong::Syntax(place)) => return Some(Self::NoJson { place }),
            Some(Wrong::Field { name, path, expected }) => {
                let path = if path.is_empty() { "the request".to_owned() } else { path };
                return Some(Self::FieldUnreadable { name, path, expected });
            }
            None => {}
        }
        let is_json = said.starts_with("JSON");
        let (_, after) = said.rsplit_once(" at line ").unwrap_or_default();
        // What follows is the parser's own, so long as it is two numbers.
        let numbers = after.split_once(" column ").filter(|(line, column)| {
            [line, column].iter().all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        });
        let place = match numbers {
            Some((line, column)) if is_json => format!(" as JSON at line {line} column {column}"),
            _ if is_json => " as JSON".to_owned(),
            _ => " as protobuf".to_owned(),
        };
        Some(Self::Unreadable { place })
    }
}

/// How the library begins what it says of a request that it cannot read; a test holds it.
const CANNOT_READ: &str = "failed to decode ";

/// Why an entity was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The request breaks a rule.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// No store that is needed answered. Asking again may help.
    #[error("{0}: ask again")]
    Unavailable(&'static str),
}

impl AnswerError {
    const fn code(&self) -> ErrorCode {
        match self {
            Self::Request(_) => ErrorCode::InvalidArgument,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }

    /// What programs are told of it.
    pub fn detail(&self) -> FeatureError {
        let (reason, (field, length)) = match self {
            Self::Request(error) => (error.reason(), error.field()),
            Self::Unavailable(_) => ("store_unavailable", ("", 0)),
        };
        FeatureError {
            code: self.code().as_str().to_owned(),
            reason: reason.to_owned(),
            field: field.to_owned(),
            value_length: u32::try_from(length).unwrap_or(u32::MAX),
            message: self.to_string(),
            ..Default::default()
        }
    }
}

impl From<AnswerError> for ConnectError {
    fn from(error: AnswerError) -> Self {
        with_detail(error.code(), &error.detail())
    }
}

/// The error of the protocols that says what a detail says.
fn with_detail(code: ErrorCode, detail: &FeatureError) -> ConnectError {
    ConnectError::new(code, detail.message.clone())
        .with_detail(ErrorDetail::from_message("tollwatch.v1.FeatureError", detail))
}

impl From<RequestError> for ConnectError {
    fn from(error: RequestError) -> Self {
        AnswerError::from(error).into()
    }
}

/// Why a request is turned away before it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has no token that is known.
    #[error("who asks is not known: send the header `authorization: Bearer TOKEN` with a token of this service")]
    Unauthenticated,
    /// Too many are being answered.
    #[error(
        "{max} requests are being answered, and no more at once: ask again in a moment, with longer and longer pauses; \
         whoever runs the service can raise --max-in-flight or run more of it"
    )]
    Busy {
        /// How many are answered at once.
        max: usize,
    },
    /// The service has a fault.
    #[error("the service has a fault: its log has more; asking again may help")]
    Fault,
}

impl Refusal {
    /// The stable name of the rule, for programs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Busy { .. } => "service_busy",
            Self::Fault => "service_fault",
        }
    }

    pub(crate) const fn code(self) -> ErrorCode {
        match self {
            Self::Unauthenticated => ErrorCode::Unauthenticated,
            Self::Busy { .. } => ErrorCode::ResourceExhausted,
            Self::Fault => ErrorCode::Internal,
        }
    }

    /// As an error of the protocols.
    pub fn into_error(self) -> ConnectError {
        let detail = FeatureError {
            code: self.code().as_str().to_owned(),
            reason: self.reason().to_owned(),
            message: self.to_string(),
            ..Default::default()
        };
        let mut headers = HeaderMap::new();
        match self {
            // What a 401 must have (RFC 9110, 15.5.2).
            Self::Unauthenticated => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tollwatch\""));
            }
            Self::Busy { .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::Fault => {}
        }
        with_detail(self.code(), &detail).with_headers(headers)
    }
}

/// A length of time in the unit that people would say it in.
fn length_text(ms: i64) -> String {
    const UNITS: [(i64, &str); 4] =
        [(86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes"), (1_000, "seconds")];
    let unit = UNITS.iter().find(|(unit_ms, _)| ms >= 2 * unit_ms);
    unit.map_or_else(|| format!("{ms} ms"), |(unit_ms, name)| format!("{} {name}", ms / unit_ms))
}

fn did_you_mean(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; the nearest are {}", nearest.join(", ")) }
}

fn party_text(party: Option<Party>) -> String {
    party.map_or_else(String::new, |party| format!("{} ", party.as_str()))
}

fn offers_text(offers: &[(Party, Level)]) -> String {
    let offers: Vec<String> =
        offers.iter().map(|(party, level)| format!("{} {}", party.as_str(), level.as_str())).collect();
    format!("it is for {}", offers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_moment_lies_ahead_has_a_unit_that_people_read() {
        for (ahead_ms, said) in [
            (5, "5 ms"),
            (1_999, "1999 ms"),
            (2_000, "2 seconds"),
            (119_999, "119 seconds"),
            (3_600_000, "60 minutes"),
            (86_400_000, "24 hours"),
            (3_468_005_547, "40 days"),
            (i64::MAX, "106751991167 days"),
        ] {
            let error = RequestError::AsOfFuture { ahead_ms };
            assert!(
                error.to_string().starts_with(&format!("as_of is {said} ahead of the service's clock:")),
                "{error}"
            );
        }
    }
}
