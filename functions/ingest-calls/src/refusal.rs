//! Why a request is refused as a whole, before any of its records is looked at.

use http::StatusCode;
use serde_json::json;

use crate::limits::{BODY_BYTES_MAX, FORM_FIELDS_MAX, RECORDS_MAX};

/// Why a request is refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is nothing at this path.
    NotFound,
    /// The path takes another method.
    NotPost,
    /// The body is of no type that is read.
    WrongType,
    /// The body of a webhook is no form.
    NotAForm,
    /// The webhook has not the signature or the credentials that it is checked by.
    NotAllowed,
    /// The form has too many fields.
    TooManyFields,
    /// The body is compressed.
    Compressed,
    /// The body is too long.
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// The batch has too many records.
    TooMany,
    /// The body holds no record.
    Empty,
    /// The body is no JSON that can be read to its end.
    NotJson {
        /// Where reading stopped.
        line: usize,
        /// Byte of that line, from 1.
        column: usize,
    },
}

impl Refusal {
    /// Its status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotPost => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAllowed => StatusCode::FORBIDDEN,
            Self::WrongType | Self::NotAForm | Self::Compressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLong { .. } | Self::TooMany | Self::TooManyFields => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Empty | Self::NotJson { .. } => StatusCode::BAD_REQUEST,
        }
    }

    /// The stable code, `lower_snake_case`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotPost => "method_not_allowed",
            Self::NotAllowed => "not_allowed",
            Self::WrongType | Self::NotAForm => "unsupported_media_type",
            Self::Compressed => "unsupported_encoding",
            Self::TooLong { .. } => "body_too_large",
            Self::TooMany => "too_many_records",
            Self::TooManyFields => "too_many_fields",
            Self::Empty => "no_records",
            Self::NotJson { .. } => "not_json",
        }
    }

    fn message(self) -> String {
        match self {
            Self::NotFound => "there is nothing here: POST call records to /v1/calls".to_owned(),
            Self::NotPost => "/v1/calls takes POST and no other method".to_owned(),
            Self::WrongType => {
                "the body is of no type that is read: wants application/json (a record or an array of \
                                records), application/x-ndjson (a record a line) or application/x-protobuf (one \
                                tollwatch.v1.CallRecord)"
                    .to_owned()
            }
            Self::NotAForm => {
                "the body is no form: wants application/x-www-form-urlencoded, or application/json of FreeSWITCH"
                    .to_owned()
            }
            Self::NotAllowed => {
                "the webhook is not signed, or not by what is configured: see that auth token and URL, or the credentials, \
                 are the same on both sides"
                    .to_owned()
            }
            Self::TooManyFields => {
                format!("the form has more than {FORM_FIELDS_MAX} fields: no webhook that is read has as many")
            }
            Self::Compressed => "the body is compressed: wants it as it is, without content-encoding".to_owned(),
            Self::TooLong { bytes } => {
                format!(
                    "the body has {bytes} bytes: wants at most {BODY_BYTES_MAX}; send its records in several requests"
                )
            }
            Self::TooMany => {
                format!("the batch has more than {RECORDS_MAX} records: send them in several requests")
            }
            Self::Empty => "the body holds no record: wants at least one".to_owned(),
            Self::NotJson { line, column } => format!(
                "the body is no JSON object or array that can be read to its end: reading stopped at line {line}, byte \
                 {column}; nothing of it was taken"
            ),
        }
    }

    pub(crate) fn to_json(self) -> String {
        json!({"error": {"code": self.code(), "message": self.message()}}).to_string()
    }
}
